package passwd_test

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/passwd"
)

// lines returns a list in the published format: ordered by hash, with counts.
func lines(passwords ...string) string {
	var list []string
	for i, p := range passwords {
		list = append(list, fmt.Sprintf("%X:%d\r\n", sha1.Sum([]byte(p)), i))
	}
	slices.Sort(list)
	return strings.Join(list, "")
}

func numbered(n int) (passwords []string) {
	for i := range n {
		passwords = append(passwords, fmt.Sprintf("password number %d", i))
	}
	return passwords
}

// built builds a list and opens it.
func built(t *testing.T, in string) (*passwd.List, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "compromised")
	n, err := passwd.Build(strings.NewReader(in), dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := passwd.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if l.Len() != n {
		t.Errorf("built with %d hashes, opened with %d", n, l.Len())
	}
	return l, dir
}

func TestList(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 10, 100, 5000, 100_000} {
		passwords := numbered(n)
		l, _ := built(t, lines(passwords...))
		if l.Len() != uint64(n) {
			t.Errorf("the list of %d hashes has %d", n, l.Len())
		}
		for _, p := range passwords[:min(n, 3000)] {
			if ok, err := l.Contains(p); !ok || err != nil {
				t.Fatalf("list of %d: %q is missing: %v", n, p, err)
			}
		}
		wrong := 0
		for i := range 5000 {
			ok, err := l.Contains(fmt.Sprintf("another password %d", i))
			if err != nil {
				t.Fatal(err)
			} else if ok {
				wrong++
			}
		}
		if wrong > 3 {
			t.Errorf("list of %d: %d of 5000 other passwords are reported as found", n, wrong)
		}
	}
}

func TestListForms(t *testing.T) {
	in := lines("caf\u00e9 au lait", "plain", "last one")
	for name, in := range map[string]string{
		"as published": in, "small letters": strings.ToLower(in), "Unix line ends": strings.ReplaceAll(in, "\r", ""),
		"byte order mark": "\ufeff" + in, "byte order mark, Unix line ends": "\ufeff" + strings.ReplaceAll(in, "\r", ""),
		"no last line end": strings.TrimSuffix(in, "\r\n"), "doubled": lines("plain", "plain", "caf\u00e9 au lait", "last one", "last one"),
		"without counts": strings.NewReplacer(":0", "", ":1", "", ":2", "").Replace(in),
	} {
		l, _ := built(t, in)
		if l.Len() != 3 {
			t.Errorf("%s: %d hashes", name, l.Len())
		}
		for password, want := range map[string]bool{"cafe\u0301 au lait": true, "caf\u00e9\u00a0au lait": true, "plain": true, "Plain": false, "": false} {
			if ok, err := l.Contains(password); ok != want || err != nil {
				t.Errorf("%s: %q: %v, %v", name, password, ok, err)
			}
		}
	}
}

func TestBuildRejects(t *testing.T) {
	good := lines(numbered(10)...)
	hashes := strings.SplitAfter(good, "\n")
	for name, c := range map[string]struct{ in, says string }{
		"nothing":           {"", "empty"},
		"not ordered":       {hashes[0] + hashes[2] + hashes[1], "line 3 is not in order"},
		"ordered by count":  {hashes[9] + hashes[0], "line 2 is not in order"},
		"passwords":         {"hunter2\nsecret\n", "line 1 does not begin"},
		"NTLM":              {"32ED87BDB5FDC5E9CBA88547376818D4:24230577\n", "line 1 does not begin"},
		"SHA-256":           {strings.Repeat("0", 64) + "\n", "line 1 does not begin"},
		"not hexadecimal":   {hashes[0] + strings.Repeat("g", 40) + ":1\n", "line 2 does not begin"},
		"an empty line":     {hashes[0] + "\n" + hashes[1], "line 2 does not begin"},
		"cut short":         {good[:len(good)-30], "line 10 does not begin"},
		"two marks":         {"\ufeff\ufeff" + good, "line 1 does not begin"},
		"a mark further on": {hashes[0] + "\ufeff" + hashes[1], "line 2 does not begin"},
		"one huge line":     {strings.Repeat("a", 1<<20), "too long"},
	} {
		dir := t.TempDir()
		if _, err := passwd.Build(strings.NewReader(lines("the list before")), dir); err != nil {
			t.Fatal(err)
		}
		_, err := passwd.Build(strings.NewReader(c.in), dir)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error contains the line: %v", name, err)
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 1 {
			t.Errorf("%s: left behind: %v, %v", name, left, err)
		}
		l, err := passwd.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := l.Contains("the list before"); !ok || err != nil {
			t.Errorf("%s: the previous list is gone: %v", name, err)
		}
		l.Close()
	}
}

// An open list stays usable when a new one replaces its file.
func TestBuildReplaces(t *testing.T) {
	old, dir := built(t, lines("old"))
	if _, err := passwd.Build(strings.NewReader(lines("new")), dir); err != nil {
		t.Fatal(err)
	}
	if ok, err := old.Contains("old"); !ok || err != nil {
		t.Errorf("the open list: %v, %v", ok, err)
	}
	l, err := passwd.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for password, want := range map[string]bool{"old": false, "new": true} {
		if ok, err := l.Contains(password); ok != want || err != nil {
			t.Errorf("%s: %v, %v", password, ok, err)
		}
	}
}

func TestOpenRejects(t *testing.T) {
	if _, err := passwd.Open(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no list: %v", err)
	}
	_, dir := built(t, lines(numbered(1000)...))
	path := filepath.Join(dir, "compromised.fuse")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := slices.Clone(good)
	changed[100] ^= 1
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"empty": {nil, "not a list"}, "something else": {[]byte(strings.Repeat("hello ", 20000)), "not a list"},
		"cut in the index": {good[:1000], "truncated"}, "cut by one byte": {good[:len(good)-1], "bytes instead of"},
		"one byte more": {append(slices.Clone(good), 0), "bytes instead of"}, "a changed bit": {changed, "damaged"},
	} {
		if err := os.WriteFile(path, c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := passwd.Open(dir); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// A damaged shard is detected when it is read, and is an error rather than an answer.
func TestI11_DamagedShard(t *testing.T) {
	_, dir := built(t, lines("only one"))
	path := filepath.Join(dir, "compromised.fuse")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := passwd.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if ok, err := l.Contains("only one"); ok || err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestListConcurrently(t *testing.T) {
	passwords := numbered(2000)
	l, _ := built(t, lines(passwords...))
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			for _, p := range passwords[i*500 : (i+1)*500] {
				if ok, err := l.Contains(p); !ok || err != nil {
					t.Errorf("%q: %v, %v", p, ok, err)
				}
			}
		})
	}
	wait.Wait()
}

// If the reader fails half way, no list is written.
func TestBuildReadError(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("the disk is gone")
	_, err := passwd.Build(&failing{bytes.NewReader([]byte(lines(numbered(100)...))), broken}, dir)
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

type failing struct {
	r   *bytes.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.r.Len() == 0 {
		return 0, f.err
	}
	return f.r.Read(p)
}
