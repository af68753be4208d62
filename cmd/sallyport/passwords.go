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
	Build passwordsBuildCmd `cmd:"" help:"Make the list of stolen passwords that new ones are held against, from a file of lines SHA1:COUNT in order of the hash, as the public lists are published. A running server takes it up when it is started again."`
}

type passwordsBuildCmd struct {
	Data string `default:"sallyport-data" env:"SALLYPORT_DATA" placeholder:"DIR" help:"Data folder, in which the list becomes the folder passwords (default: sallyport-data)."`
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
	fmt.Printf("%d stolen passwords are in %s now. Restart the server to use them.\n", n, dir)
	return nil
}

func listFolder(data string) string { return filepath.Join(data, "passwords") }

// compromised opens the list in the data folder; nil: there is none. One that is damaged stops the start.
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
