package sqlstore

import (
	"context"
	"errors"
	"os"
	"syscall"
)

// turnstile lets the processes that write to one SQLite file take turns. SQLite gives its lock to the process that asks
// while it is free. Between two groups of a busy server that time is so short that a command next to it might never get
// the lock. So a process that wants to write holds the turnstile until it has SQLite's lock. Only one process can hold
// it, and one that has just written must wait for it.
//
// It is a locked file next to the database. The operating system releases the lock when the process dies.
type turnstile struct{ file *os.File }

var errTurnstile = errors.New("another process is waiting to write")

func openTurnstile(path string) (turnstile, error) {
	f, err := os.OpenFile(path+"-turn", os.O_CREATE|os.O_RDWR, 0o600)
	return turnstile{f}, err
}

func (t turnstile) close() error { return t.file.Close() }

// pass runs begin, which takes SQLite's lock, while it holds the turnstile.
func (t turnstile) pass(ctx context.Context, begin func() error) error {
	fd := int(t.file.Fd())
	err := whileBusy(ctx, func() error {
		err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return errTurnstile
		}
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Flock(fd, syscall.LOCK_UN) }() // it fails only if the file is closed
	return whileBusy(ctx, begin)
}
