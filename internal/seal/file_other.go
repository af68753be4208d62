//go:build !unix

package seal

import (
	"errors"
	"os"
)

// lockDir refuses: without the lock of two rotations one would be lost, and
// with it everything sealed under its key.
func lockDir(string) (unlock func(), err error) {
	return nil, errors.New("seal: the keyset can be rotated on a Unix system only")
}

func keepOwner(string, os.FileInfo) error { return nil }

// syncDir does nothing: directories cannot be synced here.
func syncDir(string) error { return nil }
