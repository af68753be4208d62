package sqlstore

import (
	"context"
	"errors"
	"os"
	"syscall"
)

// turnstile is where the processes that write to one SQLite file take turns. SQLite gives its lock to whoever asks in
// the moment it is free, which between two groups of a busy server is so short that a command beside it could ask for
// ever. So whoever wants to write stands in the turnstile until SQLite's lock is its own: there is room for one, and
// who has just written must wait behind it.
//
// It is a file beside the database. The system opens its lock when the process dies.
type turnstile struct{ file *os.File }

var errTurnstile = errors.New("another process waits to write")

func openTurnstile(path string) (turnstile, error) {
	f, err := os.OpenFile(path+"-turn", os.O_CREATE|os.O_RDWR, 0o600)
	return turnstile{f}, err
}

func (t turnstile) close() error { return t.file.Close() }

// pass runs begin, which takes SQLite's lock, in the turnstile.
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
	defer func() { _ = syscall.Flock(fd, syscall.LOCK_UN) }() // it fails for a closed file alone
	return whileBusy(ctx, begin)
}
