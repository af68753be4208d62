package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

type userCmd struct {
	List     userListCmd    `cmd:"" help:"List all people."`
	Show     userShowCmd    `cmd:"" help:"Show a person, their authenticators, trusted devices and sessions."`
	Add      userAddCmd     `cmd:"" help:"Add a person, whose password is read from standard input."`
	Unlock   userUnlockCmd  `cmd:"" help:"Let a person try passwords and codes again."`
	Suspend  userSuspendCmd `cmd:"" help:"Suspend a person: end all their sessions, and refuse sign-in until they are restored."`
	Restore  userRestoreCmd `cmd:"" help:"Let a suspended person sign in again."`
	Role     userRoleCmd    `cmd:"" help:"Change a person's role. They have to sign in again."`
	Delete   userDeleteCmd  `cmd:"" help:"Delete a person permanently. The audit log keeps only their ID."`
	Reset2FA userResetCmd   `cmd:"" name:"reset-2fa" help:"Remove a person's second factors, and print the set-up code that is needed to set up new ones."`

	ResetPassword userPasswordCmd `cmd:"" name:"reset-password" help:"Print a link with which a person chooses a new password. Their second factor stays as it is."`
}

// inWorkspace is a place and one of its workspaces.
type inWorkspace struct {
	place
	Workspace string `placeholder:"HOST" help:"Host name of the workspace, with the port if there is one. Required if there are several workspaces."`
}

// atConsole runs fn with the caller of the host's console.
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
	if typed, ok := fold.TypedHost(host); ok {
		host = typed
	}
	switch {
	case len(hosts) == 0:
		return errors.New("there is no workspace yet: create it with sallyport init, or with the link that sallyport serve prints")
	case host == "" && len(hosts) > 1:
		return badUsage("there are several workspaces: choose one with --workspace, %s", listed(hosts))
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

// hosts returns the hosts of all workspaces, oldest first.
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

// chosen returns the host of one workspace, or of all if host is empty.
func (in *installation) chosen(ctx context.Context, host string) ([]string, error) {
	hosts, err := in.hosts(ctx)
	if err != nil || host == "" {
		return hosts, err
	}
	if typed, ok := fold.TypedHost(host); ok {
		host = typed
	}
	if !slices.Contains(hosts, host) {
		return nil, noWorkspace(host, hosts)
	}
	return []string{host}, nil
}

func noWorkspace(host string, hosts []string) error {
	return badUsage("there is no workspace on %s: set --workspace to %s", host, listed(hosts))
}

// listed lists the first 10 hosts in words, and says how many more there are.
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

type userListCmd struct {
	inWorkspace
	JSON bool `name:"json" help:"Print a JSON array, one person per line."`
}

// listPage is how many people are read at a time.
const listPage = 1000

func (c *userListCmd) Run(ctx context.Context) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		if c.JSON {
			return listJSON(ctx, in, by)
		}
		out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(out, "EMAIL\tNAME\tROLE\tSTATE\t2FA\tLAST SIGN-IN")
		err := eachUser(ctx, in, by, func(u sallyport.User) error {
			_, err := fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", u.Address, text.Plain(u.Name), u.Role, u.StateAt(in.Now()),
				by.Policy().TwoFactorState(u, in.Now()), cmp.Or(stamp(u.LastSignInAt), "never"))
			return err
		})
		return cmp.Or(err, out.Flush())
	})
}

func eachUser(ctx context.Context, in *installation, by sallyport.Caller, fn func(sallyport.User) error) error {
	for after := ""; ; {
		people, err := in.Users(ctx, by, after, listPage)
		if err != nil {
			return err
		}
		for _, u := range people {
			if err := fn(u); err != nil {
				return err
			}
			after = u.ID
		}
		if len(people) < listPage {
			return nil
		}
	}
}

func listJSON(ctx context.Context, in *installation, by sallyport.Caller) error {
	out := bufio.NewWriter(os.Stdout)
	before := "["
	err := eachUser(ctx, in, by, func(u sallyport.User) error {
		line, err := json.Marshal(newShownUser(in, by, u))
		fmt.Fprintf(out, "%s\n%s", before, text.PlainJSON(line))
		before = ","
		return err
	})
	if err != nil {
		return err
	}
	if before == "[" {
		fmt.Fprint(out, before)
	}
	fmt.Fprintln(out, "\n]")
	return out.Flush()
}

// stamp formats a time as commands print it. The zero time is empty.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// shownUser is a person in JSON.
type shownUser struct {
	ID               string `json:"id"`
	Email            string `json:"email"`
	Name             string `json:"name"`
	Role             string `json:"role"`
	State            string `json:"state"`
	LockedBy         string `json:"locked_by,omitempty"`
	LockedUntil      string `json:"locked_until,omitempty"` // empty if locked until Unlock
	TwoFactor        string `json:"two_factor"`
	TwoFactorSince   string `json:"two_factor_since,omitempty"`
	CreatedAt        string `json:"created_at"`
	LastSignInAt     string `json:"last_sign_in_at,omitempty"`
	LastSignInMethod string `json:"last_sign_in_method,omitempty"`
}

func newShownUser(in *installation, by sallyport.Caller, u sallyport.User) shownUser {
	lock, until := "", ""
	if u.Locked(in.Now()) {
		lock = string(u.LockedBy)
		if !u.LockedForGood() {
			until = stamp(u.LockedUntil)
		}
	}
	return shownUser{u.ID, u.Address, u.Name, string(u.Role), string(u.StateAt(in.Now())), lock, until, by.Policy().TwoFactorState(u, in.Now()),
		stamp(u.TwoFactorSince), stamp(u.CreatedAt), stamp(u.LastSignInAt), string(u.LastSignInMethod)}
}

type userShowCmd struct {
	onUser
	JSON bool `name:"json" help:"Print a JSON object."`
}

// shownPerson is a person with what they sign in with, in JSON.
type shownPerson struct {
	shownUser
	Authenticators    []string `json:"authenticators"`
	RecoveryCodesLeft int      `json:"recovery_codes_left"`
	TrustedDevices    []string `json:"trusted_devices"`
	Sessions          []string `json:"sessions"`
}

func (c *userShowCmd) Run(ctx context.Context) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		p, err := in.Person(ctx, by, c.Email)
		if err != nil {
			return about(c.Email, err)
		}
		shown := shownPerson{newShownUser(in, by, p.User), []string{}, p.RecoveryLeft, []string{}, []string{}}
		for _, a := range p.Authenticators {
			shown.Authenticators = append(shown.Authenticators, a.Name)
		}
		for _, d := range p.Trusted {
			shown.TrustedDevices = append(shown.TrustedDevices, d.Name)
		}
		for _, s := range p.Sessions {
			shown.Sessions = append(shown.Sessions, cmp.Or(s.Agent, "unknown browser"))
		}
		if c.JSON {
			object, err := json.MarshalIndent(shown, "", "  ")
			if err == nil {
				fmt.Printf("%s\n", text.PlainJSON(object))
			}
			return err
		}
		return shown.print(os.Stdout)
	})
}

func (p shownPerson) print(to io.Writer) error {
	out := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	for _, line := range [][2]string{
		{"id", p.ID}, {"email", p.Email}, {"name", p.Name}, {"role", p.Role}, {"state", p.State}, {"locked by", cmp.Or(strings.TrimSpace(p.LockedBy+" "+p.LockedUntil), "-")}, {"2FA", p.TwoFactor},
		{"2FA since", cmp.Or(p.TwoFactorSince, "-")}, {"authenticators", cmp.Or(strings.Join(p.Authenticators, ", "), "none")},
		{"recovery codes left", strconv.Itoa(p.RecoveryCodesLeft)}, {"trusted devices", cmp.Or(strings.Join(p.TrustedDevices, ", "), "none")},
		{"sessions", cmp.Or(strings.Join(p.Sessions, ", "), "none")}, {"added", p.CreatedAt},
		{"last sign-in", cmp.Or(strings.TrimSpace(p.LastSignInAt+" "+p.LastSignInMethod), "never")},
	} {
		fmt.Fprintf(out, "%s\t%s\n", line[0], text.Plain(line[1]))
	}
	return out.Flush()
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

// onUser is a command about one person.
type onUser struct {
	inWorkspace
	Email string `arg:"" placeholder:"EMAIL" help:"E-mail address."`
}

// do calls a verb of the Service with the person's address.
func (c onUser) do(ctx context.Context, verb func(*sallyport.Service, context.Context, sallyport.Caller, string) error) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		return about(c.Email, verb(in.Service, ctx, by, c.Email))
	})
}

type (
	userUnlockCmd  struct{ onUser }
	userSuspendCmd struct{ onUser }
	userRestoreCmd struct{ onUser }
	userDeleteCmd  struct{ onUser }
	userRoleCmd    struct {
		onUser
		Role sallyport.Role `arg:"" enum:"owner,admin,manager,member" help:"New role: ${enum}."`
	}
)

func (c *userUnlockCmd) Run(ctx context.Context) error {
	err := c.do(ctx, (*sallyport.Service).Unlock)
	var e *sallyport.Error
	if errors.As(err, &e) && e.Kind == sallyport.Conflict {
		fmt.Println(text.English.Text(e.Text))
		return nil
	}
	return err
}

func (c *userSuspendCmd) Run(ctx context.Context) error {
	return c.do(ctx, (*sallyport.Service).Suspend)
}

func (c *userRestoreCmd) Run(ctx context.Context) error {
	return c.do(ctx, (*sallyport.Service).Restore)
}

func (c *userDeleteCmd) Run(ctx context.Context) error {
	return c.do(ctx, (*sallyport.Service).Delete)
}

func (c *userRoleCmd) Run(ctx context.Context) error {
	return c.do(ctx, func(s *sallyport.Service, ctx context.Context, by sallyport.Caller, email string) error {
		return s.ChangeRole(ctx, by, email, c.Role)
	})
}

// about replaces ErrNotFound by an error that names the address.
func about(email string, err error) error {
	if errors.Is(err, sallyport.ErrNotFound) {
		return fmt.Errorf("no person in this workspace has the e-mail address %s: sallyport user list shows everyone", email)
	}
	return err
}

type userPasswordCmd struct{ onUser }

func (c *userPasswordCmd) Run(ctx context.Context) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		made, err := in.MakePasswordLink(ctx, by, c.Email)
		if err != nil {
			return about(c.Email, err)
		}
		fmt.Fprintf(os.Stderr, "Give this link to the person yourself. It works once, until %s, and is not shown again.\n", stamp(made.Ends))
		fmt.Println(made.URL.Reveal())
		return nil
	})
}

type userResetCmd struct {
	onUser
	Reason string `required:"" placeholder:"TEXT" help:"Why, for the audit log."`
}

func (c *userResetCmd) Run(ctx context.Context) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		code, err := in.ResetTwoFactor(ctx, by, c.Email, c.Reason)
		if errors.Is(err, sallyport.ErrResetRequired) {
			return fmt.Errorf("%s If no owner or admin can sign in to do so, add another owner with sallyport user add --role owner: "+
				"they can sign in, set up two-factor authentication, and lift the requirement or allow resets on the page Access control",
				text.English.Text(sallyport.ErrResetRequired.Text))
		}
		if err != nil {
			return about(c.Email, err)
		}
		fmt.Fprintf(os.Stderr, "Give this set-up code to the person yourself. It works until %s, and is not shown again.\n", stamp(code.Ends))
		fmt.Println(code.Code.Reveal())
		return nil
	})
}
