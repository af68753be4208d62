package sallyport

import (
	"context"
	"errors"

	"github.com/sallyport-2fa/sallyport/internal/longcode"
	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// ErrNotInvited means that this person has no open invitation: they have accepted it or are suspended.
var ErrNotInvited = &Error{Kind: Conflict, Code: "not_invited", Text: text.Say("This person has accepted the invitation already, or is suspended.")}

// inviting is what creating, resending or reading an invitation needs. Above member that is a fresh code of an
// authenticator, as for giving the role, so that neither an unattended browser nor a recovery code can create an owner.
func inviting(role Role) access {
	if role == Member {
		return access{may: InvitePeople}
	}
	return access{may: InvitePeople, proof: StrongFactor}
}

// Invite creates an account for a person and mails them a link or a temporary password, as the policy says. Either is
// good only for setting up the account (I27). The role must not be above the caller's.
func (s *Service) Invite(ctx context.Context, by Caller, address, name string, role Role) (User, error) {
	if err := s.MayAct(by, InvitePeople); err != nil {
		return User{}, err
	}
	u, err := newUser(by.workspace.ID, address, name, role, by.policy, s.Now())
	if err != nil {
		return u, err
	}
	u.State = Invited
	password, err := s.temporaryPassword(ctx, by, &u)
	if err != nil {
		return u, err
	}
	return u, s.act(ctx, by, inviting(role), func(tx Tx, me *actor) error {
		if !me.Role.Over(role) {
			return ErrRoleAbove
		}
		err := tx.InsertUser(u)
		if errors.Is(err, ErrDuplicate) {
			return ErrAddressTaken
		}
		if err != nil {
			return err
		}
		if err := s.mailInvitation(tx, by, u, password, "user.invited"); err != nil {
			return err
		}
		return s.tellOwners(tx, by, u)
	})
}

// temporaryPassword gives u a temporary password of 125 bits if the policy says so; otherwise it returns "". It
// computes a hash, so it must be called outside of Write.
func (s *Service) temporaryPassword(ctx context.Context, by Caller, u *User) (Secret, error) {
	u.PasswordHash = ""
	if by.policy.InviteMethod != InviteByPassword {
		return "", nil
	}
	password := longcode.Group(longcode.New())
	phc, err := s.Hasher.Hash(ctx, password, s.Hash)
	if errors.Is(err, passwd.ErrBusy) {
		return "", ErrBusy
	}
	now := s.Now()
	u.PasswordHash, u.PasswordAt, u.TemporaryEnds = Secret(phc), now, now.Add(TemporaryLimit)
	return Secret(password), err
}

// mailInvitation mails the temporary password or, if that is empty, a new link, and records an event of the kind.
func (s *Service) mailInvitation(tx Tx, by Caller, u User, password Secret, kind string) error {
	method := InviteByPassword
	if password == "" {
		method = InviteByLink
		token, ends, err := s.newLink(tx, by, u, LinkInvitation, u.Epoch, "", InvitationLimit)
		if err != nil {
			return err
		}
		if err := s.notify(tx, by, u, "invitation", map[string]any{"token": token, "ends": ends}); err != nil {
			return err
		}
	} else if err := s.notify(tx, by, u, "temporary_password", map[string]any{"password": password, "ends": u.TemporaryEnds}); err != nil {
		return err
	}
	return s.record(tx, by, kind, u.ID, Done, map[string]string{"role": string(u.Role), "by": method})
}

// Invitable returns the error that ResendInvitation and RevokeInvitation would return for this user: nil or
// ErrNotInvited.
func (u User) Invitable() error {
	if u.State != Invited {
		return ErrNotInvited
	}
	return nil
}

// ResendInvitation mails a new link or temporary password, as the policy now says. What was mailed before no longer
// works.
func (s *Service) ResendInvitation(ctx context.Context, by Caller, id string) error {
	if err := s.MayAct(by, InvitePeople); err != nil {
		return err
	}
	var fresh User
	password, err := s.temporaryPassword(ctx, by, &fresh)
	if err != nil {
		return err
	}
	return s.actOn(ctx, by, access{may: InvitePeople}, id, func(tx Tx, t *target) error {
		if err := t.Invitable(); err != nil {
			return err
		}
		if err := t.me.meets(inviting(t.Role), by.policy); err != nil {
			return err
		}
		t.PasswordHash, t.PasswordAt, t.TemporaryEnds = fresh.PasswordHash, fresh.PasswordAt, fresh.TemporaryEnds
		t.Epoch++
		if err := tx.SaveUser(t.User); err != nil {
			return err
		}
		return s.mailInvitation(tx, by, t.User, password, "user.invited_again")
	})
}

// RevokeInvitation revokes an invitation and deletes the account.
func (s *Service) RevokeInvitation(ctx context.Context, by Caller, id string) error {
	return s.erasing(ctx, s.actOn(ctx, by, access{may: InvitePeople, whole: true}, id, func(tx Tx, t *target) error {
		if err := t.Invitable(); err != nil {
			return err
		}
		if err := tx.DeleteUser(t.Workspace, t.ID); err != nil {
			return err
		}
		return s.record(tx, by, "user.invitation_revoked", t.ID, Done, nil)
	}))
}

// Invitation is what the page of an invitation shows.
type Invitation struct {
	NewPassword
	Name string
}

// Invitation returns what an invitation is for, or ErrLinkEnded. It does not use up the link.
func (s *Service) Invitation(ctx context.Context, by Caller, token Secret) (Invitation, error) {
	u, err := s.invited(ctx, by, token)
	return Invitation{NewPassword{Address: u.Address, Least: s.LeastPassword(by, u)}, u.Name}, err
}

func (s *Service) invited(ctx context.Context, by Caller, token Secret) (u User, err error) {
	err = s.write(ctx, func(tx Tx) (err error) {
		_, u, err = s.invitation(tx, by, token)
		return err
	})
	return u, err
}

func (s *Service) invitation(tx Tx, by Caller, token Secret) (Link, User, error) {
	l, u, err := s.link(tx, by, LinkInvitation, token)
	if err == nil && u.State != Invited {
		err = ErrLinkEnded
	}
	return l, u, err
}

// AcceptInvitation sets the name and the password of an invited person. Address, role and workspace are those of the
// invitation. It does not sign them in: signing in with the new password asks for everything that the policy requires.
func (s *Service) AcceptInvitation(ctx context.Context, by Caller, token Secret, name string, password Secret) error {
	chosen, err := s.invited(ctx, by, token)
	if err != nil {
		return err
	}
	least := s.LeastPassword(by, chosen)
	chosen.Name, err = cleanName("name", name)
	if err := outcomes(err, s.checkPassword(chosen, by.workspace, least, "new_password", password.Reveal())); err != nil {
		return err
	}
	if err := s.setPassword(ctx, &chosen, by.workspace, least, "new_password", password.Reveal()); err != nil {
		return err
	}
	return s.write(ctx, func(tx Tx) error {
		l, u, err := s.invitation(tx, by, token)
		if err != nil {
			return err
		}
		if err := s.useUp(tx, l); err != nil {
			return err
		}
		u.takePassword(chosen)
		u.Name, u.State, u.ProfileAt = chosen.Name, Active, s.Now()
		u.Epoch++
		if err := tx.SaveUser(u); err != nil {
			return err
		}
		return s.record(tx, by.as(u), "user.joined", u.ID, Done, nil)
	})
}
