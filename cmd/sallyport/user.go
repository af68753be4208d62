package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

type userCmd struct {
	List     userListCmd    `cmd:"" help:"List all people."`
	Add      userAddCmd     `cmd:"" help:"Add a person, whose password is read from standard input."`
	Unlock   userUnlockCmd  `cmd:"" help:"Let a person try passwords and codes again."`
	Suspend  userSuspendCmd `cmd:"" help:"Keep a person out, and end everything they have open."`
	Reset2FA userResetCmd   `cmd:"" name:"reset-2fa" help:"Take away a person's second factors, and print the set-up code without which nobody sets up new ones."`
}

// inWorkspace is a place, and one of the workspaces there.
type inWorkspace struct {
	place
	Workspace string `placeholder:"HOST" help:"Host name of the workspace, with the port if there is one. Where there are several, it must be said which."`
}

// atConsole runs fn for the host's own console.
func (p inWorkspace) atConsole(ctx context.Context, fn func(*installation, sallyport.Caller) error) error {
	in, err := p.open(ctx, console(), false)
	if err != nil {
		return err
	}
	defer in.Close()
	hosts, err := in.hosts(ctx)
	if err != nil {
		return err
	}
	host := p.Workspace
	switch {
	case len(hosts) == 0:
		return errors.New("there is no workspace yet: make it with sallyport init, or with the link that sallyport serve prints")
	case host == "" && len(hosts) > 1:
		return badUsage("there are several workspaces: say by --workspace which one is meant, %s", listed(hosts))
	case host == "":
		host = hosts[0]
	case !slices.Contains(hosts, host):
		return noWorkspace(host, hosts)
	}
	by, err := in.Console(ctx, host)
	if err != nil {
		return err
	}
	return fn(in, by)
}

// hosts are those of all workspaces, the oldest first.
func (in *installation) hosts(ctx context.Context) (hosts []string, err error) {
	err = in.Store.Read(ctx, func(tx sallyport.Tx) error {
		hosts = nil
		all, err := tx.Workspaces()
		for _, w := range all {
			hosts = append(hosts, w.Host)
		}
		return err
	})
	return hosts, err
}

func noWorkspace(host string, hosts []string) error {
	return badUsage("no workspace answers on %s: --workspace takes %s", host, listed(hosts))
}

// listed puts hosts into words, the first ten.
func listed(hosts []string) string {
	const most = 10
	if more := len(hosts) - most; more > 0 {
		return fmt.Sprintf("%s or one of %d more", strings.Join(hosts[:most], ", "), more)
	}
	if last := len(hosts) - 1; last > 0 {
		return strings.Join(hosts[:last], ", ") + " or " + hosts[last]
	}
	return strings.Join(hosts, "")
}

type userListCmd struct{ inWorkspace }

// listPage is how many people are read at a time.
const listPage = 1000

func (c *userListCmd) Run(ctx context.Context) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(out, "EMAIL\tNAME\tROLE\tSTATE\t2FA\tLAST SIGN-IN")
		for after := ""; ; {
			people, err := in.Users(ctx, by, after, listPage)
			if err != nil {
				return err
			}
			for _, u := range people {
				last := "never"
				if !u.LastSignInAt.IsZero() {
					last = u.LastSignInAt.UTC().Format(time.RFC3339)
				}
				fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", u.Address, u.Name, u.Role, u.State,
					by.Policy().TwoFactorState(u, in.Now()), last)
				after = u.ID
			}
			if len(people) < listPage {
				return out.Flush()
			}
		}
	})
}

type userAddCmd struct {
	inWorkspace
	Email string         `arg:"" placeholder:"EMAIL" help:"E-mail address."`
	Name  string         `required:"" placeholder:"NAME" help:"Name."`
	Role  sallyport.Role `enum:"owner,admin,manager,member" default:"member" help:"Role: ${enum} (default: member)."`
}

func (c *userAddCmd) Run(ctx context.Context) error {
	password, err := readPassword(os.Stdin)
	if err != nil {
		return err
	}
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		_, err := in.AddUser(ctx, by, c.Email, c.Name, c.Role, password)
		return err
	})
}

type userUnlockCmd struct {
	inWorkspace
	Email string `arg:"" placeholder:"EMAIL" help:"E-mail address."`
}

func (c *userUnlockCmd) Run(ctx context.Context) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		return about(c.Email, in.Unlock(ctx, by, c.Email))
	})
}

// about names who was not found.
func about(email string, err error) error {
	if errors.Is(err, sallyport.ErrNotFound) {
		return fmt.Errorf("nobody here has the e-mail address %s: sallyport user list shows who there is", email)
	}
	return err
}

type userSuspendCmd struct {
	inWorkspace
	Email string `arg:"" placeholder:"EMAIL" help:"E-mail address."`
}

func (c *userSuspendCmd) Run(ctx context.Context) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		return about(c.Email, in.Suspend(ctx, by, c.Email))
	})
}

type userResetCmd struct {
	inWorkspace
	Email  string `arg:"" placeholder:"EMAIL" help:"E-mail address."`
	Reason string `required:"" placeholder:"TEXT" help:"Why, for the audit log."`
}

func (c *userResetCmd) Run(ctx context.Context) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		code, err := in.ResetTwoFactor(ctx, by, c.Email, c.Reason)
		if errors.Is(err, sallyport.ErrResetRequired) {
			return fmt.Errorf("%s If no owner or admin can sign in to do so, make another owner by sallyport user add --role owner: "+
				"they sign in, set up two-factor authentication, and lift the requirement, or allow resets, on the page Access control",
				text.English.Text(sallyport.ErrResetRequired.Text))
		}
		if err != nil {
			return about(c.Email, err)
		}
		fmt.Fprintf(os.Stderr, "Hand this set-up code over personally. It works until %s, and is shown only now.\n", code.Ends.UTC().Format(time.RFC3339))
		fmt.Println(code.Code.Reveal())
		return nil
	})
}
