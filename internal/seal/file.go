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

// Create generates a keyset and writes it to a new file with mode 0600. The
// directory must exist, and its file system must support hard links. The file
// appears complete and synced to disk, or not at all. If the file exists, even
// if another process has just created it, Create leaves it alone and returns
// fs.ErrExist: the caller should then call Open.
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
	// Link, unlike Rename, never replaces a file, so exactly one creator wins.
	if err := os.Link(temp, path); err != nil {
		return nil, fmt.Errorf("seal: creating the keyset: %w", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return Open(path)
}

// Open reads a keyset from a file and follows later changes of the file. It
// returns fs.ErrNotExist if the file does not exist, and an error if it is not
// a regular file or if anyone but its owner may access it. On Windows, modes
// mean nothing and are not checked.
func Open(path string) (*Keyset, error) {
	// A relative path would change its meaning when the working directory changes.
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("seal: opening the keyset: %w", err)
	}
	return read(path)
}

func read(path string) (*Keyset, error) {
	// Checked before the file is opened, because opening a pipe waits for a writer.
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
		return nil, fmt.Errorf("seal: the keyset %s has mode %04o, so others than its owner can access it: run chmod 600 on it", path, mode)
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

// latest returns the keys that are on disk. It costs one stat while the file is
// unchanged, and nothing for a keyset without a file.
func (k *Keyset) latest() (*ring, error) {
	r := k.ring.Load()
	if k.path == "" {
		return r, nil
	}
	info, err := os.Stat(k.path)
	if err != nil {
		return nil, fmt.Errorf("seal: the keyset file cannot be found: %w", err)
	}
	if r.read(info) {
		return r, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := k.ring.Load(); r.read(info) {
		return r, nil // another caller has read it in the meantime
	}
	return k.reload()
}

// read reports whether these keys were read from the file that info describes.
func (r *ring) read(info os.FileInfo) bool {
	return os.SameFile(r.file, info) && r.file.ModTime().Equal(info.ModTime()) && r.file.Size() == info.Size()
}

// reload reads the keys from the file. It never accepts a keyset of another
// installation. The caller holds mu.
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

// Rotate adds a new primary key to the file. The old keys stay, and open what
// they sealed. The file is replaced in one step: if the process is killed, the
// file has either its old or its new content. Rotations by several processes
// wait for each other, and none is lost. Processes that opened the file pick up
// the change. Copies of the file on other hosts must be updated before they
// read anything that was sealed with the new key.
//
// To remove the old keys: note them with Keys, call Rotate, seal everything
// again that is Stale, and call Retire with the noted IDs.
func (k *Keyset) Rotate() error {
	return k.rewrite(addPrimary)
}

// Retire deletes keys from the file. Whatever is still sealed with them is lost
// for ever, so the caller must know that nothing is, and that no write which
// began before the rotation can still commit. If one of the keys is the primary
// key or unknown, Retire returns an error and deletes none.
func (k *Keyset) Retire(ids ...uint32) error {
	return k.rewrite(func(m *keyset.Manager) error {
		for _, id := range ids {
			if err := m.Delete(id); err != nil {
				return fmt.Errorf("seal: key %d cannot be retired: it is the primary key, or does not exist", id)
			}
		}
		return nil
	})
}

func (k *Keyset) rewrite(change func(*keyset.Manager) error) error {
	if k.path == "" {
		return errors.New("seal: the keyset is not in a file, so its keys cannot be changed")
	}
	// Resolve links, because the rename would replace a link instead of its target.
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

// writeTemp writes the keyset to a new file next to path, syncs it to disk, and
// returns its name. The caller moves the file into place and removes the name.
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
