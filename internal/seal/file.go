package seal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/tink-crypto/tink-go/v2/keyset"
)

const maxFileSize = 1 << 20

// Create makes a new keyset and its file, of mode 0600 in a directory that
// exists. The file appears complete and on disk, or not at all. When there is
// one already, also one that another process made in the same instant, it is
// left alone and the error is fs.ErrExist: open that one. The file system must
// have hard links.
func Create(path string) (*Keyset, error) {
	k, err := Generate()
	if err != nil {
		return nil, err
	}
	temp, err := writeTemp(path, k.fixed, k.ring.Load())
	if err != nil {
		return nil, err
	}
	defer os.Remove(temp)
	// A link, not a rename: it never replaces, so exactly one creator wins.
	if err := os.Link(temp, path); err != nil {
		return nil, fmt.Errorf("seal: creating the keyset: %w", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return Open(path)
}

// Open reads the keyset of a file and follows it from then on. The error is
// fs.ErrNotExist when there is no file. A file that others than its owner may
// read or write is refused (on Windows, modes say nothing and are not looked
// at), as is anything but a regular file.
func Open(path string) (*Keyset, error) {
	// A relative path would change its meaning with the working directory.
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("seal: opening the keyset: %w", err)
	}
	return read(path)
}

func read(path string) (*Keyset, error) {
	// Looked at before it is opened: opening a pipe would wait for its writer.
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("seal: opening the keyset: %w", err)
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("seal: the keyset %s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("seal: opening the keyset: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("seal: opening the keyset: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("seal: the keyset %s has mode %04o, others than its owner can get at it: run chmod 600 on it", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize))
	if err != nil {
		return nil, fmt.Errorf("seal: reading the keyset: %w", err)
	}
	k, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, path)
	}
	k.path = path
	k.ring.Load().file = info
	return k, nil
}

// latest returns the keys as they are on disk. It costs one stat while the
// file has not changed, and nothing for a keyset without a file.
func (k *Keyset) latest() (*ring, error) {
	r := k.ring.Load()
	if k.path == "" {
		return r, nil
	}
	info, err := os.Stat(k.path)
	if err != nil {
		return nil, fmt.Errorf("seal: the keyset is gone: %w", err)
	}
	if r.read(info) {
		return r, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := k.ring.Load(); r.read(info) {
		return r, nil // another caller read it while this one waited
	}
	return k.reload()
}

// read tells whether these keys were read from the file that info describes.
func (r *ring) read(info os.FileInfo) bool {
	return os.SameFile(r.file, info) && r.file.ModTime().Equal(info.ModTime()) && r.file.Size() == info.Size()
}

// reload takes the keys from the file, with mu held. It never changes over to
// a keyset of another installation.
func (k *Keyset) reload() (*ring, error) {
	other, err := read(k.path)
	if err != nil {
		return nil, err
	}
	if other.CheckValue() != k.CheckValue() {
		return nil, fmt.Errorf("seal: the keyset %s was replaced by another installation's", k.path)
	}
	r := other.ring.Load()
	k.ring.Store(r)
	return r, nil
}

// Rotate adds a key to the file and makes it the primary one; the old keys
// stay and open what they sealed. The file is replaced as a whole: a process
// killed meanwhile leaves the old or the new one. Rotations of several
// processes wait for each other and none is lost. Other processes that opened
// the file follow by themselves; copies of it on other hosts must be renewed
// before they meet anything sealed under the new key.
//
// To be rid of the old keys note Keys before, Rotate, seal anew all that is
// Stale, and Retire the noted ones.
func (k *Keyset) Rotate() error {
	return k.rewrite(addPrimary)
}

// Retire deletes keys from the file. What is still sealed under them is lost
// for ever, so the caller must know that nothing is, also that no write which
// began before the rotation is still to be committed. It refuses the primary
// key and unknown ones, and then deletes none.
func (k *Keyset) Retire(ids ...uint32) error {
	return k.rewrite(func(m *keyset.Manager) error {
		for _, id := range ids {
			if err := m.Delete(id); err != nil {
				return fmt.Errorf("seal: key %d cannot be retired, it is the primary one or not there", id)
			}
		}
		return nil
	})
}

func (k *Keyset) rewrite(change func(*keyset.Manager) error) error {
	if k.path == "" {
		return errors.New("seal: the keyset is not in a file, its keys cannot be changed")
	}
	// The file itself, not a link to it: the rename would replace the link.
	path, err := filepath.EvalSymlinks(k.path)
	if err != nil {
		return fmt.Errorf("seal: changing the keyset: %w", err)
	}
	unlock, err := lockDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.reload()
	if err != nil {
		return err
	}
	m := keyset.NewManagerFromHandle(r.handle)
	if err := change(m); err != nil {
		return err
	}
	changed, err := newRing(m)
	if err != nil {
		return err
	}
	temp, err := writeTemp(path, k.fixed, changed)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := keepOwner(temp, r.file); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("seal: replacing the keyset: %w", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	_, err = k.reload()
	return err
}

// writeTemp writes the keyset to a new file beside path, down to the disk, and
// returns its name. The caller gives it its place and removes the name.
func writeTemp(path string, fixed fixed, r *ring) (string, error) {
	text, err := marshal(fixed, r)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // O_EXCL, 0600
	if err != nil {
		return "", fmt.Errorf("seal: writing the keyset: %w", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("seal: writing the keyset: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return f.Name(), nil
}
