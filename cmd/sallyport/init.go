package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/passwd"
)

type initCmd struct {
	place
	URL       string `name:"url" default:"${url}" env:"SALLYPORT_URL" placeholder:"URL" help:"URL at which browsers will reach the workspace (default: ${url}). Each start of serve replaces it by its own --url."`
	Workspace string `required:"" placeholder:"NAME" help:"Name of the company."`
	Email     string `required:"" placeholder:"ADDR" help:"E-mail address of its owner."`
	Name      string `placeholder:"NAME" help:"Name of its owner (default: the part of the address before the @)."`
}

func (c *initCmd) Run(ctx context.Context) error {
	front, err := newEdge(c.URL, nil, slog.Default())
	if err != nil {
		return err
	}
	password, err := readPassword(os.Stdin)
	if err != nil {
		return err
	}
	in, err := c.open(ctx, console(), true)
	if err != nil {
		return err
	}
	defer in.Close()
	in.URL = front.Origin(front.Host()) // after Start, so that an existing workspace keeps its host
	local, _, _ := strings.Cut(c.Email, "@")
	err = in.FirstRun(ctx, sallyport.FirstOwner{
		Workspace: c.Workspace, Name: cmp.Or(c.Name, local), Address: c.Email, Password: password,
	})
	if errors.Is(err, sallyport.ErrFirstRunOver) {
		return errors.New("there is already an owner, and init creates only the first: add people with sallyport user add")
	}
	if err != nil {
		return err
	}
	fmt.Printf("%s is ready: %s can sign in at %s\n", c.Workspace, c.Email, in.URL)
	return nil
}

// console returns the parts of a Service for a single command. URL is empty, so that the first workspace keeps its
// host.
func console() sallyport.Service {
	return sallyport.Service{Hasher: passwd.NewHasher(1, 0)}
}

// readPassword reads one line, without a byte order mark and its line end.
func readPassword(from io.Reader) (sallyport.Secret, error) {
	line, err := bufio.NewReader(io.LimitReader(from, 2*passwd.MaxBytes)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", err
	}
	line = strings.TrimRight(withoutMark(line), "\r\n")
	if line == "" {
		return "", badUsage("the password is read from standard input, which was empty")
	}
	return sallyport.Secret(line), nil
}
