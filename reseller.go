package sallyport

import (
	"context"
	"errors"
	"strings"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Resold is a workspace as the reseller that created it sees it: how many have two-factor authentication, and nobody
// of them (SPEC 6.11).
type Resold struct {
	HostedWorkspace
	Adoption
}

// NewWorkspace is what a workspace is created from.
type NewWorkspace struct {
	Name    string
	Host    string // as typed: a DNS name, without a port
	Owner   string // name of the first owner
	Address string // and e-mail address
}

// Outcomes of creating workspaces.
var (
	ErrHostInvalid  = invalid("host", "host_invalid", text.Say("Enter a host name such as login.example.com, without https:// before it and without a port or path behind it. You cannot use an IP address."))
	ErrHostLoopback = invalid("host", "host_not_loopback", text.Say("This server is reached by plain http, which is for this machine alone. Enter a host name that ends in .localhost, or let the server be reached by https."))
	// ErrHostTaken means that another workspace answers on the host.
	ErrHostTaken = &Error{Kind: Conflict, Code: "host_taken", Text: text.Say("Another workspace answers on this host name. Choose another."), Field: "host"}
)

// MayResell is MayAct for a workspace's part as a reseller. What was created by a reseller does not create others: for
// its people there is nothing here.
func (s *Service) MayResell(by Caller) error {
	if err := s.MayAct(by, KeepWorkspaces); err != nil {
		return err
	}
	if by.workspace.Reseller != "" {
		return ErrNotFound
	}
	return nil
}

// Resold returns the workspaces that the caller's created, newest first, those before the one with the id given, or
// with none the newest. More tells whether there are older ones. The figures of one with more than ten thousand people
// may be a minute old.
func (s *Service) Resold(ctx context.Context, by Caller, before string, limit int) (all []Resold, more bool, err error) {
	if err := s.MayResell(by); err != nil {
		return nil, false, err
	}
	err = s.Store.Read(ctx, func(tx Tx) error {
		all, err = tx.Resold(by.workspace.ID, before, dayOf(s.Now()), countAgain, limit+1)
		return err
	})
	if more = len(all) > limit; more {
		all = all[:limit]
	}
	return all, more, err
}

// CreateWorkspace makes a workspace that the caller's is the reseller of. Its first owner is invited by a link, as the
// settings of every new workspace have it; the mail is in the outbox of the reseller, who has written it. The workspace
// answers from the next request on, on every node. From then on the reseller reaches nothing in it.
func (s *Service) CreateWorkspace(ctx context.Context, by Caller, n NewWorkspace) error {
	if err := s.MayResell(by); err != nil {
		return err
	}
	w, owner, wrong := s.planWorkspace(FirstOwner{Workspace: n.Name, Name: n.Owner, Address: n.Address})
	host, wrongHost := s.newHost(n.Host)
	if err := outcomes(wrong, wrongHost); err != nil {
		return err
	}
	w.Reseller, owner.State = by.workspace.ID, Invited
	return s.write(ctx, func(tx Tx) error {
		if _, err := tx.LockOwners(by.workspace.ID); err != nil { // the workspace's row goes first: it is marked below
			return err
		}
		if _, err := s.actor(tx, by, need{may: KeepWorkspaces, strong: true}); err != nil {
			return err
		}
		there := Caller{kind: callerReseller, workspace: w, host: host, door: by.door}
		if err := s.insertWorkspace(tx, there, owner, map[string]string{"reseller": by.workspace.Name}); err != nil {
			return err
		}
		if err := s.inviteFirst(tx, by, there, owner); err != nil {
			return err
		}
		return s.record(tx, by, "workspace.created", "", Done, map[string]string{"name": w.Name, "host": host})
	})
}

// inviteFirst mails the link to the first owner of a workspace.
func (s *Service) inviteFirst(tx Tx, by, there Caller, owner User) error {
	token, ends, err := s.newLink(tx, there, owner, LinkInvitation, owner.Epoch, "", InvitationLimit)
	if err != nil {
		return err
	}
	from, err := tx.MailSender(owner.Workspace)
	if err != nil {
		return err
	}
	facts := map[string]any{"workspace": there.workspace.Name, "token": token, "ends": ends}
	m, body, err := s.compose(there, from, owner, owner.Address, "workspace.invitation", facts)
	if err != nil {
		return err
	}
	m.Workspace, m.User = by.workspace.ID, ""
	return s.queue(tx, m, body)
}

// newHost is a host name that somebody typed as browsers will send it: it has the scheme and port of URL.
func (s *Service) newHost(typed string) (string, error) {
	host, err := fold.HostName(typed)
	if err != nil {
		return "", ErrHostInvalid
	}
	if s.scheme() == "http" && !fold.LoopbackHost(host) {
		return "", ErrHostLoopback
	}
	if _, port, _ := fold.Host(s.host()); port != "" {
		host += ":" + port
	}
	return host, nil
}

// planWorkspace is a workspace and its owner, who has no password yet.
func (s *Service) planWorkspace(o FirstOwner) (Workspace, User, error) {
	now := s.Now()
	name, wrongName := cleanName("workspace", o.Workspace)
	w := Workspace{ID: newID(prefixWorkspace, now), Name: name, CreatedAt: now}
	u, wrongOwner := newUser(w.ID, o.Address, strings.TrimSpace(o.Name), Owner, DefaultPolicy(), now)
	return w, u, outcomes(wrongName, wrongOwner)
}

// insertWorkspace keeps the workspace that by is in, on by's host, and its first owner.
func (s *Service) insertWorkspace(tx Tx, by Caller, owner User, detail map[string]string) error {
	err := tx.InsertWorkspace(by.workspace, DefaultPolicy(), by.host)
	if errors.Is(err, ErrDuplicate) {
		return ErrHostTaken
	}
	if err != nil {
		return err
	}
	if err := tx.InsertUser(owner); err != nil {
		return err
	}
	return s.record(tx, by, "workspace.created", owner.ID, Done, detail)
}
