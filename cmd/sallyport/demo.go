package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

type demoCmd struct {
	Listen   string `default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address and port on this machine; port 0 is a free one (default: 127.0.0.1:8080)."`
	URL      string `name:"url" placeholder:"URL" help:"URL at which browsers reach the first company (default: http://localhost and the port of --listen)."`
	Database string `placeholder:"URL" help:"Empty PostgreSQL database, postgres://... (default: an SQLite file that is deleted at the end)."`
	JSON     bool   `name:"json" help:"Print the companies and people as one line of JSON."`
}

// demo is a server with made-up people, as its own pages see it.
type demo struct {
	*installation
	clock *demoClock
	phone *demoPhone
	story demoStory
	log   *slog.Logger
}

func (c *demoCmd) Run(ctx context.Context) (err error) {
	ctx, stop := signalContext(ctx) // first, so that a signal at any time still removes the folder
	defer stop()
	if a, err := net.ResolveTCPAddr("tcp", c.Listen); err != nil || !a.IP.IsLoopback() {
		return badUsage("--listen %s: the demo has well-known passwords, so it listens only on this machine; use an address such as 127.0.0.1:8080", c.Listen)
	}
	if c.URL != "" && !strings.HasPrefix(c.URL, "http://") { // the edge allows http only for loopback
		return badUsage("--url %s: the demo has well-known passwords, so it is only for this machine; use a URL such as http://localhost:8080", c.URL)
	}
	s, err := (&serveCmd{Listen: c.Listen, URL: c.URL, TrustedProxies: demoProxies}).prepare(slog.LevelWarn)
	if err != nil {
		return err
	}
	defer s.listener.Close()
	dir, err := os.MkdirTemp("", "sallyport-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{clock: &demoClock{}, log: s.log}
	at := place{Data: dir, Database: c.Database}
	if err := at.mustBeEmpty(ctx); err != nil {
		return err
	}
	if d.installation, err = at.open(ctx, s.parts(d.clock.Now), true); err != nil {
		return err
	}
	defer d.Close()
	d.phone = watchDrafts(d.Service)
	seed := &demoSeed{installation: d.installation, clock: d.clock}
	if d.story, err = seed.seed(ctx, s.edge.Host(), s.edge.Origin); err != nil {
		return err
	}
	d.story.Data, d.story.at = dir, "http://"+s.listener.Addr().String()
	if err := c.tell(os.Stdout, d.story); err != nil {
		return err
	}
	return s.run(ctx, d.Service, d.before)
}

// demoStory is where the demo runs and who is in it.
type demoStory struct {
	URL        string          `json:"url"`
	Data       string          `json:"data"` // the folder, for commands
	Workspaces []demoWorkspace `json:"workspaces"`
	at         string          // where the server listens
}

type demoWorkspace struct {
	Name   string     `json:"name"`
	URL    string     `json:"url"`
	APIKey string     `json:"api_key"`
	Users  []demoUser `json:"users"`
	Groups []string   `json:"groups"`
	Apps   []demoApp  `json:"apps"`
	id     string
	host   string
}

type demoUser struct {
	Email         string         `json:"email"`
	Password      string         `json:"password"`
	Role          sallyport.Role `json:"role"`
	TwoFactor     string         `json:"two_factor"`
	Secret        string         `json:"secret"` // base32, of the first authenticator
	RecoveryCodes []string       `json:"recovery_codes"`
	Name          string         `json:"-"`
	Note          string         `json:"-"`
}

// tell prints the story as tables, or as one line of JSON.
func (c *demoCmd) tell(to io.Writer, story demoStory) error {
	if c.JSON {
		return json.NewEncoder(to).Encode(story)
	}
	fmt.Fprintf(to, "Two made-up companies are running until you press Ctrl-C. Sign in as anyone below. Their codes and e-mails are at\n\n  %s/demo\n", story.URL)
	for _, w := range story.Workspaces {
		fmt.Fprintf(to, "\n%s  %s\n\n", w.Name, w.URL)
		table := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
		fmt.Fprintln(table, "  EMAIL\tPASSWORD\tROLE\t2FA\t")
		for _, u := range w.Users {
			fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\n", u.Email, u.Password, u.Role, u.TwoFactor, u.Note)
		}
		if err := table.Flush(); err != nil {
			return err
		}
		for _, a := range w.Apps {
			fmt.Fprintf(to, "\n  %s  %s/", a.Name, a.origin)
		}
		fmt.Fprintln(to)
	}
	_, err := fmt.Fprintln(to)
	return err
}

// demoClock is this machine's clock plus an offset.
type demoClock struct{ ahead atomic.Int64 }

func (c *demoClock) Now() time.Time          { return time.Now().Add(c.Ahead()) }
func (c *demoClock) Ahead() time.Duration    { return time.Duration(c.ahead.Load()) }
func (c *demoClock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }
func (c *demoClock) Set(ahead time.Duration) { c.ahead.Store(int64(ahead)) }
