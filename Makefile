# make test is all that CI does. On a Debian with Go and make it installs the
# rest itself (scripts/prepare).

SHELL := bash
.NOTPARALLEL:

# The race detector needs cgo. It watches all Go code except SQLite's: that is C,
# translated, which locks for itself, and would take most of the tests' time.
# The checkers read what the tests compile, by the same flags, so that nothing
# is compiled twice.
export CGO_ENABLED = 1
watched = -race -gcflags=modernc.org/...=-race=false

stage = @scripts/stage $@

.PHONY: test
test: prepare format modules vet staticcheck race fuzz

.PHONY: prepare
prepare:
	$(stage) scripts/prepare

.PHONY: format
format:
	$(stage) bash -c 'files=$$(gofmt -l .) && echo -n "$$files" && [ -z "$$files" ]'

.PHONY: modules
modules:
	$(stage) bash -c 'go mod tidy -diff && go mod verify'

.PHONY: vet
vet:
	$(stage) go vet $(watched) ./...

.PHONY: staticcheck
staticcheck:
	$(stage) bash -c 'checker=$$(go tool -n staticcheck) && GOFLAGS="$(watched)" "$$checker" ./...'

# Pictures of what failed are left in build/artifacts.
.PHONY: race
race:
	@mkdir -p build/artifacts
	$(stage) go test $(watched) -vet=off -count=1 -timeout 45m -artifacts -outputdir "$(CURDIR)/build/artifacts" ./...

.PHONY: fuzz
fuzz:
	$(stage) scripts/fuzz 3s

# make bench measures against ceilings taken in the same run, and writes bench/out.json. It wants the machine for itself.
.PHONY: bench
bench:
	scripts/prepare
	go run ./bench

# make bench-large measures with a million people and five million events, and writes bench/out-large.json: a quarter of
# an hour, and 8 GB below TMPDIR, which are removed.
.PHONY: bench-large
bench-large:
	scripts/prepare
	go run ./bench large

# make pictures takes the pictures of the README from the running product.
.PHONY: pictures
pictures:
	scripts/prepare
	scripts/pictures

# make screenshots takes pictures of every page and state, light and dark, at 1280 and 360 pixels, into build/screenshots.
.PHONY: screenshots
screenshots:
	scripts/prepare
	rm -rf build/screenshots
	go test -count=1 -run '^TestScreens$$' ./internal/web -screenshots "$(CURDIR)/build/screenshots"
