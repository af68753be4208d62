package sallyport

import (
	"context"
	"errors"
	"strings"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Resold is a workspace as the reseller that created it sees it: how many people have two-factor authentication, but
// not who (SPEC 6.11).
type Resold struct {
	HostedWorkspace
	Adoption
}

// NewWorkspace is what a workspace is created from.
type NewWorkspace struct {
	Name    string
	Host    string // as typed: a DNS name, without a port
	Owner   string // name of the first owner
	Address string // e-mail address of the first owner
}

// Outcomes of creating workspaces.
var (
	ErrHostInvalid  = invalid("host", "host_invalid", text.Say("Enter a host name such as login.example.com, without https:// before it and without a port or path behind it. You cannot use an IP address."))
	ErrHostLoopback = invalid("host", "host_not_loopback", text.Say("This server is reached by plain http, which is for this machine alone. Enter a host name that ends in .localhost, or let the server be reached by https."))
	// ErrHostTaken means that another workspace uses the host.
	ErrHostTaken = &Error{Kind: Conflict, Code: "host_taken", Text: text.Say("Another workspace answers on this host name. Choose another."), Field: "host"}
)

// MayResell is MayAct for acting as a reseller. A workspace that a reseller created cannot create others: its people
// get ErrNotFound.
func (s *Service) MayResell(by Caller) error {
	if err := s.MayAct(by, ManageWorkspaces); err != nil {
		return err
	}
	if by.workspace.Reseller != "" {
		return ErrNotFound
	}
	return nil
}

// Resold returns the workspaces that the caller's workspace created, newest first: those before the one with the id
// before, or the newest if before is empty. more reports whether there are older ones. If a workspace has more than
// 10,000 people, its figures may be a minute old.
func (s *Service) Resold(ctx context.Context, by Caller, before string, limit int) (all []Resold, more bool, err error) {
	if err := s.MayResell(by); err != nil {
		return nil, false, err
	}
	err = s.Store.Read(ctx, func(tx Tx) error {
		all, err = tx.Resold(by.workspace.ID, before, Day(s.Now()), countAgain, limit+1)
		return err
	})
	if more = len(all) > limit; more {
		all = all[:limit]
	}
	return all, more, err
}

// CreateWorkspace creates a workspace with the caller's workspace as its reseller. Its first owner is invited by a
// link, which is the default of every new workspace. The mail is in the reseller's outbox. The workspace can be used
// from the next request on, on every node. From then on, the reseller has no access to it.
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
		if _, err := tx.LockOwners(by.workspace.ID); err != nil { // lock the workspace's row first, because it is marked below
			return err
		}
		if _, err := s.actor(tx, by, access{may: ManageWorkspaces, proof: StrongFactor}); err != nil {
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

// inviteFirst mails a link to the first owner of a workspace.
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
	m, l, err := s.compose(there, from, owner, owner.Address, "workspace.invitation", facts)
	if err != nil {
		return err
	}
	m.Workspace, m.User = by.workspace.ID, ""
	return s.queue(tx, m, l)
}

// newHost returns a typed host name as browsers will send it, with the port of URL.
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

// planWorkspace returns a workspace and its owner, who has no password yet, without storing them.
func (s *Service) planWorkspace(o FirstOwner) (Workspace, User, error) {
	now := s.Now()
	name, wrongName := cleanName("workspace", o.Workspace)
	w := Workspace{ID: newID(prefixWorkspace, now), Name: name, CreatedAt: now}
	u, wrongOwner := newUser(w.ID, o.Address, strings.TrimSpace(o.Name), Owner, DefaultPolicy(), now)
	return w, u, outcomes(wrongName, wrongOwner)
}

// insertWorkspace inserts by's workspace, on by's host, and its first owner.
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
