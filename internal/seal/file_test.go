package seal_test

import (
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/seal"
)

// The test binary also runs as a second process: "create" creates a keyset and
// prints its check value, "rotate" rotates keys until it is killed.
func TestMain(m *testing.M) {
	path := os.Getenv("SEAL_TEST_PATH")
	switch os.Getenv("SEAL_TEST_DO") {
	case "create":
		k, err := seal.Create(path)
		if errors.Is(err, fs.ErrExist) {
			k, err = seal.Open(path)
			report("found", k, err)
		}
		report("created", k, err)
	case "rotate":
		k, err := seal.Open(path)
		for err == nil {
			if err = k.Rotate(); err == nil {
				fmt.Println("rotated")
			}
		}
		report("rotated", k, err)
	}
	os.Exit(m.Run())
}

func report(what string, k *seal.Keyset, err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println(what, k.CheckValue())
	os.Exit(0)
}

func process(t *testing.T, do, path string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "SEAL_TEST_DO="+do, "SEAL_TEST_PATH="+path)
	return cmd
}

func unbase32(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func create(t testing.TB) (*seal.Keyset, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyset.json")
	k, err := seal.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	return k, path
}

func open(t testing.TB, path string) *seal.Keyset {
	t.Helper()
	k, err := seal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func ids(k *seal.Keyset) (ids []uint32) {
	for _, key := range k.Keys() {
		ids = append(ids, key.ID)
	}
	return ids
}

func TestI50_FileAndTextAreTheSameKeyset(t *testing.T) {
	k, path := create(t)
	parsed, err := seal.Parse(readFile(t, path))
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []*seal.Keyset{open(t, path), parsed} {
		opens(t, other, mustSeal(t, k, "secret", row), "secret")
		opens(t, k, mustSeal(t, other, "secret", row), "secret")
		if other.CheckValue() != k.CheckValue() || other.Name("a") != k.Name("a") || string(other.Audit(nil)) != string(k.Audit(nil)) {
			t.Error("different keys")
		}
	}
	if k.CheckValue() == generate(t).CheckValue() {
		t.Error("two keysets have the same check value")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	onlyFile(t, path)
}

// onlyFile checks that no temporary file is left.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
}

func TestI50_MissingOrUnsafeFileIsRejected(t *testing.T) {
	dir := t.TempDir()
	if _, err := seal.Open(filepath.Join(dir, "keyset.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := seal.Create(filepath.Join(dir, "none", "keyset.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
	if _, err := seal.Open(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("directory: %v", err)
	}
	_, path := create(t)
	before := readFile(t, path)
	if _, err := seal.Create(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Create: %v", err)
	}
	if string(readFile(t, path)) != string(before) {
		t.Error("the second Create changed the file")
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Open(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestI50_DamagedTextIsRejectedAndNotShown(t *testing.T) {
	_, path := create(t)
	good := readFile(t, path)
	var doc map[string]any
	if err := json.Unmarshal(good, &doc); err != nil {
		t.Fatal(err)
	}
	secret := doc["aead"].(map[string]any)["key"].([]any)[0].(map[string]any)["keyData"].(map[string]any)["value"].(string)
	with := func(key, value string) []byte {
		changed := map[string]json.RawMessage{}
		if err := json.Unmarshal(good, &changed); err != nil {
			t.Fatal(err)
		}
		changed[key] = json.RawMessage(value)
		text, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	cases := map[string][]byte{
		"empty":          nil,
		"null":           []byte("null"),
		"array":          []byte("[]"),
		"trailing":       append(slices.Clone(good), '{'),
		"twice":          slices.Concat(good, good),
		"version":        with("version", "2"),
		"unknown field":  with("more", `"`+secret+`"`),
		"short key":      with("names", `"AAAA"`),
		"no key":         with("audit", "null"),
		"bad base64":     with("installation", `"`+secret+`*"`),
		"aead missing":   with("aead", "null"),
		"aead text":      with("aead", `"`+secret+`"`),
		"aead empty":     with("aead", `{"primaryKeyId":1,"key":[]}`),
		"aead damaged":   []byte(strings.Replace(string(good), secret, secret+"*", 1)),
		"other key type": []byte(strings.Replace(string(good), "AesGcmKey", "AesGcmSivKey", 1)),
		"no prefix":      []byte(strings.Replace(string(good), `"TINK"`, `"RAW"`, 1)),
		"disabled":       []byte(strings.Replace(string(good), "ENABLED", "DISABLED", 1)),
		// The protocol buffer is 1a 10 and 16 bytes: a key of 128 bits.
		"weaker key": []byte(strings.Replace(string(good), secret, "GhAAAAAAAAAAAAAAAAAAAAAA", 1)),
	}
	for n := range len(good) - 2 { // without the final newline it is still valid
		cases[fmt.Sprintf("truncated to %d bytes", n)] = good[:n]
	}
	for name, text := range cases {
		if string(text) == string(good) {
			t.Fatalf("%s: the text is unchanged", name)
		}
		k, err := seal.Parse(text)
		if err == nil || k != nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), secret[:8]) {
			t.Errorf("%s: the error contains the key: %v", name, err)
		}
	}
}

func TestI50_RotationKeepsOldCiphertextsAndTheInstallation(t *testing.T) {
	k, path := create(t)
	before, first := ids(k), mustSeal(t, k, "first", row)
	check, name, audit := k.CheckValue(), k.Name("a"), string(k.Audit(nil))
	if k.Stale(first) || len(before) != 1 {
		t.Fatal("Stale before any rotation")
	}
	if err := k.Rotate(); err != nil {
		t.Fatal(err)
	}
	second := mustSeal(t, k, "second", row)
	for _, k := range []*seal.Keyset{k, open(t, path)} {
		opens(t, k, first, "first")
		opens(t, k, second, "second")
		if !k.Stale(first) || k.Stale(second) || !k.Stale(nil) {
			t.Error("Stale is wrong after the rotation")
		}
		if k.CheckValue() != check || k.Name("a") != name || string(k.Audit(nil)) != audit {
			t.Error("the rotation changed a fixed key")
		}
		primaries := slices.DeleteFunc(k.Keys(), func(key seal.Key) bool { return !key.Primary })
		if len(k.Keys()) != 2 || len(primaries) != 1 || slices.Contains(before, primaries[0].ID) {
			t.Errorf("keys %v", k.Keys())
		}
	}
	if err := k.Retire(append(slices.Clone(before), 12345)...); err == nil {
		t.Error("retired an unknown key")
	}
	if err := k.Retire(ids(k)...); err == nil {
		t.Error("retired the primary key")
	}
	opens(t, open(t, path), first, "first") // a failed Retire deletes no key
	if err := k.Retire(before...); err != nil {
		t.Fatal(err)
	}
	for _, k := range []*seal.Keyset{k, open(t, path)} {
		if _, err := k.Open(first, row); !errors.Is(err, seal.ErrUnreadable) {
			t.Errorf("retired key: %v", err)
		}
		opens(t, k, second, "second")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	onlyFile(t, path)
	if err := generate(t).Rotate(); err == nil {
		t.Error("rotated a keyset without a file")
	}
}

func TestI50_RunningServerFollowsTheFile(t *testing.T) {
	server, path := create(t)
	mustSeal(t, server, "x", row)
	command := open(t, path)
	if err := command.Rotate(); err != nil {
		t.Fatal(err)
	}
	opens(t, server, mustSeal(t, command, "by the command", row), "by the command")
	if err := command.Rotate(); err != nil {
		t.Fatal(err)
	}
	if fresh := mustSeal(t, server, "by the server", row); command.Stale(fresh) {
		t.Error("the server seals with an old key")
	}
}

func TestI50_KeysetLostOrReplacedWhileRunning(t *testing.T) {
	k, path := create(t)
	_, elsewhere := create(t)
	ciphertext, text := mustSeal(t, k, "secret", row), readFile(t, path)
	if err := os.Rename(elsewhere, path); err != nil {
		t.Fatal(err)
	}
	foreign := mustSeal(t, open(t, path), "secret", row)
	if _, err := k.Seal([]byte("secret"), row); err == nil {
		t.Error("sealed with another installation's file on disk")
	}
	if _, err := k.Open(foreign, row); !errors.Is(err, seal.ErrUnreadable) {
		t.Errorf("another installation's key: %v", err)
	}
	if err := k.Rotate(); err == nil {
		t.Error("rotated another installation's file")
	}
	opens(t, k, ciphertext, "secret")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Seal([]byte("secret"), row); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sealed without a file: %v", err)
	}
	opens(t, k, ciphertext, "secret")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	opens(t, k, mustSeal(t, k, "back", row), "back")
}

func TestI50_RotationThroughALinkKeepsTheLink(t *testing.T) {
	_, path := create(t)
	link := filepath.Join(t.TempDir(), "link.json")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := open(t, link).Rotate(); err != nil {
		t.Fatal(err)
	}
	if n := len(open(t, path).Keys()); n != 2 {
		t.Errorf("the file has %d keys", n)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info.Mode(), err)
	}
}

func TestI50_RotationKeepsTheOwner(t *testing.T) {
	k, path := create(t)
	if os.Geteuid() == 0 { // otherwise the owner is the current user, and must stay so
		if err := os.Chown(path, 12345, 23456); err != nil {
			t.Fatal(err)
		}
	}
	before := owner(t, path)
	if err := k.Rotate(); err != nil {
		t.Fatal(err)
	}
	if after := owner(t, path); after != before {
		t.Errorf("owner was %s, is %s", before, after)
	}
}

func owner(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("ls", "-ln", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(out))[2:4], ":")
}

func TestI50_OneOfSeveralProcessesCreates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyset.json")
	var wg sync.WaitGroup
	answers := make([]string, 6)
	for i := range answers {
		cmd := process(t, "create", path)
		wg.Go(func() {
			out, err := cmd.CombinedOutput()
			answers[i] = fmt.Sprint(string(out), err)
		})
	}
	wg.Wait()
	created := 0
	for _, answer := range answers {
		what, rest, _ := strings.Cut(answer, " ")
		if rest != open(t, path).CheckValue()+"\n<nil>" {
			t.Errorf("answer %q", answer)
		}
		if what == "created" {
			created++
		}
	}
	if created != 1 {
		t.Errorf("%d processes created it: %q", created, answers)
	}
	onlyFile(t, path)
}

func TestI50_NoPartialFileIsEverVisible(t *testing.T) {
	for range 50 {
		path := filepath.Join(t.TempDir(), "keyset.json")
		var wg sync.WaitGroup
		wins := make(chan *seal.Keyset, 4)
		for range cap(wins) {
			wg.Go(func() {
				k, err := seal.Create(path)
				if err == nil {
					wins <- k
				} else if !errors.Is(err, fs.ErrExist) {
					t.Error(err)
				}
			})
			wg.Go(func() {
				for {
					_, err := seal.Open(path)
					if err == nil {
						return
					}
					if !errors.Is(err, fs.ErrNotExist) {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		if len(wins) != 1 {
			t.Fatalf("%d calls created it", len(wins))
		}
		if (<-wins).CheckValue() != open(t, path).CheckValue() {
			t.Fatal("the winner has a different keyset from the file")
		}
	}
}

func TestI50_SimultaneousRotationsAreAllKept(t *testing.T) {
	shared, path := create(t)
	var wg sync.WaitGroup
	sealed := make(chan []byte, 16)
	for i := range cap(sealed) {
		k := shared // half of the rotations use one Keyset, half act as other processes
		if i%2 == 0 {
			k = open(t, path)
		}
		wg.Go(func() {
			if err := k.Rotate(); err != nil {
				t.Error(err)
			}
			ciphertext, err := k.Seal([]byte("secret"), row)
			if err != nil {
				t.Error(err)
			}
			sealed <- ciphertext
		})
	}
	wg.Wait()
	close(sealed)
	if n := len(open(t, path).Keys()); n != 17 {
		t.Errorf("%d keys, want 17", n)
	}
	for ciphertext := range sealed {
		opens(t, open(t, path), ciphertext, "secret")
		opens(t, shared, ciphertext, "secret")
	}
}

func TestI50_KilledMidRotation(t *testing.T) {
	k, path := create(t)
	sealed := [][]byte{mustSeal(t, k, "secret", row)}
	for round := range 8 {
		cmd := process(t, "rotate", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// After this many lines, the process is somewhere in its next rotation.
		if _, err := out.Read(make([]byte, len("rotated\n")*(round+1))); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the process ended by itself")
		}
		sealed = append(sealed, mustSeal(t, k, "secret", row))
		for _, k := range []*seal.Keyset{k, open(t, path)} {
			for _, ciphertext := range sealed {
				opens(t, k, ciphertext, "secret")
			}
		}
	}
	if err := k.Rotate(); err != nil {
		t.Errorf("after the kills: %v", err)
	}
	if len(k.Keys()) < 10 {
		t.Errorf("only %d keys", len(k.Keys()))
	}
}

func BenchmarkOpenFile(b *testing.B) {
	_, path := create(b)
	for b.Loop() {
		if _, err := seal.Open(path); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealFollowingAFile(b *testing.B) {
	k, _ := create(b)
	secret := []byte("12345678901234567890")
	for b.Loop() {
		if _, err := k.Seal(secret, row); err != nil {
			b.Fatal(err)
		}
	}
}
