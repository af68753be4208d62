package sallyport

import (
	"context"
	"slices"
	"strings"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Action is an action of an administrator.
type Action string

const (
	SeePeople        Action = "see_people"
	SeeSecurity      Action = "see_security"
	RemindPeople     Action = "remind_people"
	InvitePeople     Action = "invite_people"
	EditPeople       Action = "edit_people"
	SuspendPeople    Action = "suspend_people"
	UnlockPeople     Action = "unlock_people"
	SignOutPeople    Action = "sign_out_people"
	ResetTwoFactor   Action = "reset_two_factor"
	ResetPasswords   Action = "reset_passwords"
	ChangeRoles      Action = "change_roles"
	DeletePeople     Action = "delete_people"
	SetPolicy        Action = "set_policy"
	SetBrand         Action = "set_brand"
	ReadAudit        Action = "read_audit"
	ReadOutbox       Action = "read_outbox"
	SendMailAgain    Action = "send_mail_again"
	ManageGroups     Action = "manage_groups"
	ManageApps       Action = "keep_apps"
	ManageWorkspaces Action = "keep_workspaces"
)

// Permission is one line of the table of roles: an action, whether it is on a person, and the roles that may perform it.
type Permission struct {
	Action Action
	Says   text.Message
	Person bool // the action is on a person: never on oneself, and never on a higher role
	Roles  []Role
}

var (
	fromAdmin   = []Role{Owner, Admin}
	fromManager = []Role{Owner, Admin, Manager}
)

// powers is the table of roles. No role has a power that is not in it.
var permissions = []Permission{
	{SeePeople, text.Say("See people, and whether they have two-factor authentication"), true, fromManager},
	{SeeSecurity, text.Say("See a person's authenticator apps, trusted devices and sessions"), true, fromAdmin},
	{RemindPeople, text.Say("Remind people to set up two-factor authentication"), false, fromAdmin},
	{InvitePeople, text.Say("Invite people, send an invitation again, revoke it"), true, fromAdmin},
	{EditPeople, text.Say("Change the name and e-mail address of people"), true, fromAdmin},
	{SuspendPeople, text.Say("Suspend and restore people"), true, fromAdmin},
	{UnlockPeople, text.Say("Unlock people after wrong passwords and codes"), true, fromAdmin},
	{SignOutPeople, text.Say("Sign people out everywhere"), true, fromAdmin},
	{ResetTwoFactor, text.Say("Reset two-factor authentication"), true, fromAdmin},
	{ResetPasswords, text.Say("Create a link to a new password"), true, fromAdmin},
	{ChangeRoles, text.Say("Change the role of people"), true, fromAdmin},
	{DeletePeople, text.Say("Delete people"), true, fromAdmin},
	{SetPolicy, text.Say("Decide what the workspace requires"), false, fromAdmin},
	{SetBrand, text.Say("Change name and colour of the brand"), false, fromAdmin},
	{ReadAudit, text.Say("Read the audit log"), false, fromAdmin},
	{ReadOutbox, text.Say("Read the mail outbox"), false, fromAdmin},
	{SendMailAgain, text.Say("Send e-mails again that have failed"), false, fromAdmin},
	{ManageGroups, text.Say("Add and change groups, and decide who is in them"), false, fromAdmin},
	{ManageApps, text.Say("Add and change apps"), false, fromAdmin},
	{ManageWorkspaces, text.Say("Create workspaces, as a reseller"), false, fromAdmin},
}

// Permissions returns the table of roles.
func Permissions() []Permission { return append([]Permission(nil), permissions...) }

// May reports whether a role has the permission for an action. Over says on whom.
func (r Role) May(a Action) bool {
	return slices.ContainsFunc(permissions, func(p Permission) bool { return p.Action == a && slices.Contains(p.Roles, r) })
}

// Over reports whether people with role r may act on people with the other role and see their pages: no one acts on a
// higher role.
func (r Role) Over(other Role) bool { return r.Valid() && r.rank() >= other.rank() }

// Outcomes of acting on other people.
var (
	ErrYourself  = &Error{Kind: Denied, Code: "yourself", Text: text.Say("You cannot do this to your own account. Ask another administrator.")}
	ErrLastOwner = &Error{Kind: Conflict, Code: "last_owner", Text: text.Say("This is the last owner. Make someone else an owner first.")}
	ErrRoleAbove = &Error{Kind: Denied, Code: "role_above", Text: text.Say("You cannot give a role above your own.")}
)

// MayAct reports whether the caller may perform an action now. ErrStepUp asks for proof after an hour without use
// (I33).
func (s *Service) MayAct(by Caller, a Action) error {
	return s.may(by, access{may: a})
}

// see is MayAct for seeing a person. A person whose role is above the caller's is ErrNotFound (I28).
func (s *Service) see(ctx context.Context, by Caller, a Action, id string) (u User, err error) {
	if err := s.MayAct(by, a); err != nil {
		return u, err
	}
	var found bool
	err = s.Store.Read(ctx, func(tx Tx) error {
		u, found, err = tx.User(by.workspace.ID, id)
		return err
	})
	if err == nil && (!found || !by.user.Role.Over(u.Role)) {
		err = ErrNotFound
	}
	if err != nil {
		return User{}, err
	}
	return u, nil
}

// other is a person whom an administrator, or the console, acts on. The rows of both people are locked.
type target struct {
	User
	me     *actor // the administrator; nil: the console
	by     Role   // of the caller; Owner for the console
	owners int64  // active ones in the workspace
}

// actOn runs a change that an administrator makes to another person. target is the person's id; from the console, it
// may also be an e-mail address. A person who does not exist, or whose role is above the caller's, is ErrNotFound.
func (s *Service) actOn(ctx context.Context, by Caller, a access, who string, fn func(Tx, *target) error) error {
	if by.session == nil && by.kind != callerConsole {
		return ErrSignedOut
	}
	return s.write(ctx, func(tx Tx) error {
		owners, err := tx.LockOwners(by.workspace.ID)
		if err != nil {
			return err
		}
		t, id := target{by: Owner, owners: owners}, who
		if by.kind != callerConsole {
			me, err := s.actor(tx, by, a)
			if err != nil {
				return err
			}
			if me.ID == who {
				return ErrYourself
			}
			t.me, t.by = me, me.Role
		} else if id, err = idOf(tx, by, who); err != nil {
			return err
		}
		found := false
		t.User, found, err = tx.LockUser(by.workspace.ID, id)
		if err != nil {
			return err
		}
		if !found || !t.by.Over(t.Role) {
			return ErrNotFound
		}
		return fn(tx, &t)
	})
}

// idOf returns the id of the user with an e-mail address. It returns ids as they are.
func idOf(tx Tx, by Caller, target string) (string, error) {
	if !strings.Contains(target, "@") {
		return target, nil
	}
	u, _, err := tx.UserByAddress(by.workspace.ID, folded(target))
	return u.ID, err
}

// checkLastOwner returns ErrLastOwner if o is the only owner who can sign in (I58).
func (t *target) checkLastOwner() error {
	if t.Role == Owner && t.State == Active && t.owners <= 1 {
		return ErrLastOwner
	}
	return nil
}

// ChangeRole changes a person's role. The new role must not be above the caller's. It ends all of the person's sessions
// (I24).
func (s *Service) ChangeRole(ctx context.Context, by Caller, id string, role Role) error {
	if !role.Valid() {
		return ErrRoleInvalid
	}
	return s.actOn(ctx, by, access{may: ChangeRoles, proof: StrongFactor}, id, func(tx Tx, t *target) error {
		if !t.by.Over(role) {
			return ErrRoleAbove
		}
		if t.Role == role {
			return nil
		}
		if err := t.checkLastOwner(); err != nil {
			return err
		}
		was := t.Role
		t.Role = role
		if err := s.changed(tx, by, t, "user.role_changed", map[string]string{"from": string(was), "to": string(role)}); err != nil {
			return err
		}
		if was.Over(role) {
			return nil
		}
		return s.tellOwners(tx, by, t.User)
	})
}

// changed ends all of the person's sessions, saves the person, and records an event.
func (s *Service) changed(tx Tx, by Caller, t *target, kind string, detail map[string]string) error {
	t.endAll()
	if err := tx.SaveUser(t.User); err != nil {
		return err
	}
	return s.record(tx, by, kind, t.ID, Done, detail)
}

// tellOwners mails the owners that there is a new owner or admin, so that an unwanted one does not go unnoticed.
func (s *Service) tellOwners(tx Tx, by Caller, u User) error {
	kind := "user.admin_created"
	switch u.Role {
	case Owner:
		kind = "user.owner_created"
	case Admin:
	default:
		return nil
	}
	owners, err := tx.People(PeopleRange{
		Workspace: u.Workspace, Order: ByCreated, Filtered: true, Cells: ownerCells(), Limit: maxOwnersMailed,
	})
	if err != nil {
		return err
	}
	for _, o := range owners {
		if o.ID == u.ID {
			continue
		}
		if err := s.notify(tx, by, o, kind, map[string]any{"person": u.Address}); err != nil {
			return err
		}
	}
	return nil
}

// Offers reports whether the caller may perform an action on a person, so that pages show only actions that are
// allowed.
func (by Caller) Offers(a Action, to User) bool {
	return by.user != nil && by.user.ID != to.ID && by.user.Role.May(a) && by.user.Role.Over(to.Role)
}

// Withholds reports whether an action that Offers allows would return ErrRestricted, because the session began with a
// recovery code (I60).
func (by Caller) Withholds(a Action, to User) bool {
	if by.session == nil || !by.session.Restricted() {
		return false
	}
	switch a {
	case EditPeople, ResetTwoFactor, ResetPasswords, ChangeRoles, DeletePeople:
		return true
	}
	return a == InvitePeople && inviting(to.Role).proof == StrongFactor
}
