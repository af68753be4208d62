package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sallyport-2fa/sallyport/internal/passwd"
)

type passwordsCmd struct {
	Build passwordsBuildCmd `cmd:"" help:"Build the list of stolen passwords, which are refused as new passwords, from a file of lines SHA1:COUNT sorted by hash, as the public lists are published. A running server uses it after a restart."`
}

type passwordsBuildCmd struct {
	Data string `default:"sallyport-data" env:"SALLYPORT_DATA" placeholder:"DIR" help:"Data folder, in which the list is written to the folder passwords (default: sallyport-data)."`
	File string `arg:"" help:"The downloaded list."`
}

func (c *passwordsBuildCmd) Run() error {
	in, err := os.Open(c.File)
	if err != nil {
		return badUsage("%w", err)
	}
	defer in.Close()
	if err := (place{Data: c.Data}).makeFolder(); err != nil {
		return err
	}
	dir := listFolder(c.Data)
	n, err := passwd.Build(in, dir)
	if err != nil {
		return err
	}
	fmt.Printf("%d stolen passwords are now in %s. Restart the server to use them.\n", n, dir)
	return nil
}

func listFolder(data string) string { return filepath.Join(data, "passwords") }

// compromised opens the list in the data folder, or returns nil if there is none. A damaged list is an error, so that
// the server does not start without it.
func (p place) compromised() (*passwd.List, error) {
	list, err := passwd.Open(listFolder(p.Data))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, usage{err}
	}
	return list, nil
}
