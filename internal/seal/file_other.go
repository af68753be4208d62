//go:build !unix

package seal

import (
	"errors"
	"os"
)

// lockDir fails: without a lock, one of two simultaneous rotations would be
// lost, and with it everything sealed with its key.
func lockDir(string) (unlock func(), err error) {
	return nil, errors.New("seal: the keyset can only be rotated on a Unix system")
}

func keepOwner(string, os.FileInfo) error { return nil }

// syncDir does nothing, because this system cannot sync directories.
func syncDir(string) error { return nil }
