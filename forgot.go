package sallyport

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/letter"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// ErrForgotLimit reveals nothing about any person: it is about the network of the caller.
var ErrForgotLimit = &Error{Kind: TooMany, Code: "too_many_requests", Text: text.Say("Too many links were asked for from your network. Try again later."), Field: "email"}

// Forgot mails a link to choose a new password to the person with the address, if there is one who can sign in. It does
// not reveal whether there is: the outcome is the same, and the same statements run. A person gets at most three such
// mails an hour; further requests are ignored silently.
func (s *Service) Forgot(ctx context.Context, by Caller, address string) error {
	shown, name, err := fold.Address(address)
	if err != nil {
		return ErrAddressInvalid
	}
	if err := s.Store.Read(ctx, func(tx Tx) error {
		u, seen, err := tx.UserOnDevice(by.workspace.ID, name, hashToken(by.device))
		if err != nil {
			return err
		}
		return s.networkSpent(tx, s.forgotBudgets(by, u, name, by.knownSince(seen, s.Now())), ErrForgotLimit)
	}); err != nil {
		return err
	}
	return s.write(ctx, func(tx Tx) error {
		u, _, err := tx.UserByAddress(by.workspace.ID, name)
		if err != nil {
			return err
		}
		u, found, err := tx.LockUser(by.workspace.ID, u.ID)
		if err != nil {
			return err
		}
		allowed, err := s.chargeForgot(tx, by, u, name)
		if err != nil {
			return err
		}
		// A mailed link must not revive an expired temporary password (I27).
		found = found && u.Folded == name && u.State == Active && u.TemporaryEnds.IsZero()
		result := Done
		if !allowed {
			result = Refused
		}
		asking, detail := by.unauthenticated(u.ID)
		if err := s.record(tx, asking, "password.forgotten", u.ID, result, detail); err != nil || !allowed {
			return err
		}
		token, ends, err := s.newLink(tx, by, u, LinkReset, u.Epoch, "", ResetLimit)
		if err != nil {
			return err
		}
		if !found {
			u.Workspace, u.Address, tx = by.workspace.ID, shown, pretending{tx, LinkReset}
		}
		return s.notify(tx, by.as(u), u, "password.forgotten", map[string]any{"token": token, "ends": ends})
	})
}

// chargeForgot charges a request to forgotBudgets.
func (s *Service) chargeForgot(tx Tx, by Caller, u User, name string) (bool, error) {
	known, err := s.knows(tx, by, by.workspace.ID, u.ID)
	if err != nil {
		return false, err
	}
	return s.charge(tx, s.forgotBudgets(by, u, name, known), ErrForgotLimit)
}

// forgotBudgets returns the budgets of the caller's network and of the name or, for a known device, only that of the
// device.
func (s *Service) forgotBudgets(by Caller, u User, name string, known bool) []budget {
	own := budget{Tries{Workspace: by.workspace.ID, Subject: s.ofName(by.workspace.ID, name, u), Bucket: bucketForgot}, forgotRule}
	if known {
		own.Bucket = ofDevice(bucketForgot, hashToken(by.device))
		return []budget{own}
	}
	return by.withNetwork(bucketForgot, forgotAddressRule, own)
}

// pretending is a Tx that does not queue a mail. Instead, in the same time, it deletes the link in the mail.
type pretending struct {
	Tx
	kind LinkKind
}

func (t pretending) InsertMail(m Mail) error {
	return t.DropLinks(m.Workspace, m.User, t.kind, time.Time{})
}

// Reset returns what a reset link is for, or ErrLinkEnded. It does not use up the link, because programs that scan mail
// open links too.
func (s *Service) Reset(ctx context.Context, by Caller, token Secret) (NewPassword, error) {
	u, err := s.resetting(ctx, by, token)
	return NewPassword{Address: u.Address, Least: s.LeastPassword(by, u)}, err
}

func (s *Service) resetting(ctx context.Context, by Caller, token Secret) (User, error) {
	var u User
	err := s.write(ctx, func(tx Tx) (err error) {
		_, u, err = s.resetLink(tx, by, token)
		return err
	})
	return u, err
}

// resetLink is link for a token that was mailed or handed over.
func (s *Service) resetLink(tx Tx, by Caller, token Secret) (Link, User, error) {
	l, u, err := s.link(tx, by, LinkReset, token)
	if errors.Is(err, ErrLinkEnded) {
		return s.link(tx, by, LinkHandedReset, token)
	}
	return l, u, err
}

// PasswordLink is a link to a new password that an administrator hands over. It is shown once.
type PasswordLink struct {
	User User
	URL  Secret
	Ends time.Time
}

// ErrNoPasswordToReset means that a person has not chosen a password yet, or may not sign in.
var ErrNoPasswordToReset = &Error{Kind: Conflict, Code: "no_password_to_reset", Text: text.Say("This person has not chosen a password yet, or is suspended. Send the invitation again, or restore the account first.")}

func (u User) passwordResettable() error {
	if u.State != Active || !u.TemporaryEnds.IsZero() {
		return ErrNoPasswordToReset
	}
	return nil
}

// MayMakePasswordLink returns the user, or the error that MakePasswordLink would return now, apart from ErrStepUp.
func (s *Service) MayMakePasswordLink(ctx context.Context, by Caller, id string) (User, error) {
	u, err := s.see(ctx, by, ResetPasswords, id)
	switch {
	case err != nil:
		return u, err
	case u.ID == by.user.ID:
		return u, ErrYourself
	}
	return u, u.passwordResettable()
}

// MakePasswordLink returns a link with which a person chooses a new password, for an administrator who hands it over.
// The link works once, within HandedResetLimit, and never changes two-factor authentication. Older reset links of the
// person end. The old password works until the link is used.
func (s *Service) MakePasswordLink(ctx context.Context, by Caller, id string) (made PasswordLink, err error) {
	a := access{may: ResetPasswords, proof: StrongFactor}
	err = s.actOn(ctx, by, a, id, func(tx Tx, t *target) error {
		if err := t.passwordResettable(); err != nil {
			return err
		}
		if err := tx.DropLinks(t.Workspace, t.ID, LinkReset, time.Time{}); err != nil {
			return err
		}
		token, ends, err := s.newLink(tx, by, t.User, LinkHandedReset, t.Epoch, "", HandedResetLimit)
		if err != nil {
			return err
		}
		at, err := tx.MailSender(t.Workspace)
		if err != nil {
			return err
		}
		address, err := s.Paths.URL(s.base(at.Host), letter.Reset, token.Reveal())
		if err != nil {
			return err
		}
		made = PasswordLink{t.User, Secret(address), ends}
		if err := s.notifyFrom(tx, by, at, t.User, t.Address, "password.link", nil); err != nil {
			return err
		}
		return s.record(tx, by, "password.link_made", t.ID, Done, nil)
	})
	if err != nil {
		return PasswordLink{}, err
	}
	return made, nil
}

// ResetPassword sets a new password with a reset link, and ends all of the user's sessions. It signs no one in, and
// does not change two-factor authentication: the next sign-in asks for a code as always.
func (s *Service) ResetPassword(ctx context.Context, by Caller, token Secret, password string) error {
	chosen, err := s.resetting(ctx, by, token)
	if err != nil {
		return err
	}
	if err := s.setPassword(ctx, &chosen, by.workspace, s.LeastPassword(by, chosen), "new_password", password); err != nil {
		return err
	}
	return s.write(ctx, func(tx Tx) error {
		l, u, err := s.resetLink(tx, by, token)
		if err != nil {
			return err
		}
		if err := s.useUp(tx, l); err != nil {
			return err
		}
		u.takePassword(chosen)
		u.Epoch++
		if err := tx.SaveUser(u); err != nil {
			return err
		}
		return s.newPassword(tx, by, u, "password.reset")
	})
}
