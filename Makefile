# CI runs only make test. On Debian with Go and make, it installs what else it
# needs (scripts/prepare).

SHELL := bash
.NOTPARALLEL:

# The race detector needs cgo. It covers all Go code except SQLite, which is
# translated C with its own locks and would take most of the tests' time. The
# checkers use the same flags as the tests, so that nothing is compiled twice.
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

# Screenshots of failed tests are written to build/artifacts.
.PHONY: race
race:
	@mkdir -p build/artifacts
	$(stage) scripts/in-memory go test $(watched) -vet=off -count=1 -timeout 45m -artifacts -outputdir "$(CURDIR)/build/artifacts" ./...

.PHONY: fuzz
fuzz:
	$(stage) scripts/fuzz 3s

# make test-clients goes through programs of others that must be built or installed first: clients of OpenID Connect, a provider
# for the conformance suite, and proxies. The first run takes half an hour.
.PHONY: test-clients
test-clients:
	scripts/prepare
	$(stage) scripts/clients
	go vet -tags clients ./internal/proxyauth ./internal/conformance ./internal/clients
	scripts/in-memory go test -tags clients -count=1 -timeout 20m -run Proxies ./internal/proxyauth
	scripts/in-memory go test -tags clients -count=1 -timeout 20m ./internal/conformance ./internal/clients

# make bench compares with ceilings measured in the same run, and writes bench/out.json. Run nothing else meanwhile.
.PHONY: bench
bench:
	scripts/prepare
	go run ./bench

# make bench-large measures with a million people and five million events, and writes bench/out-large.json. It takes 15
# minutes, and 8 GB in TMPDIR, which it removes.
.PHONY: bench-large
bench-large:
	scripts/prepare
	go run ./bench large

# make pictures takes the screenshots of the README.
.PHONY: pictures
pictures:
	scripts/prepare
	scripts/pictures

# make screenshots takes a screenshot of every page and state, light and dark, 1280 and 360 pixels wide, in
# build/screenshots.
.PHONY: screenshots
screenshots:
	scripts/prepare
	rm -rf build/screenshots
	go test -count=1 -run '^TestScreens$$' ./internal/web -screenshots "$(CURDIR)/build/screenshots"
