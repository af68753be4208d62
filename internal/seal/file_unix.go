//go:build unix

package seal

import (
	"fmt"
	"os"
	"syscall"
)

// lockDir waits until no other process is changing a keyset in dir. It locks
// the directory, because the file itself is replaced. The kernel releases the
// lock when the process ends, so a killed process leaves nothing to clean up.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("seal: locking the keyset: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if err != syscall.EINTR {
			f.Close()
			return nil, fmt.Errorf("seal: locking %s: %w", dir, err)
		}
	}
}

// keepOwner gives the file at path the owner of the file that it replaces,
// because root may rotate the keyset of a server that runs as another user.
func keepOwner(path string, before os.FileInfo) error {
	now, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("seal: writing the keyset: %w", err)
	}
	is, ok := now.Sys().(*syscall.Stat_t)
	was, ok2 := before.Sys().(*syscall.Stat_t)
	if !ok || !ok2 {
		return fmt.Errorf("seal: the owner of %s is unknown", path)
	}
	if is.Uid == was.Uid && is.Gid == was.Gid {
		return nil
	}
	if err := os.Chown(path, int(was.Uid), int(was.Gid)); err != nil {
		return fmt.Errorf("seal: keeping the keyset's owner: %w", err)
	}
	return nil
}

// syncDir makes the creation or renaming of a file in dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("seal: writing the keyset: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("seal: writing the keyset: %w", err)
	}
	return nil
}
