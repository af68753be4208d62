package sallyport

import (
	"context"
	"errors"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Outcomes of changing one's e-mail address.
var (
	ErrAddressSame = invalid("email", "address_same", text.Say("This is your e-mail address already."))
	ErrMailLimit   = &Error{Kind: TooMany, Code: "too_many_mails", Text: text.Say("Too many mails were sent for this. Try again later."), Field: "email"}
)

// MayChangeEmail reports whether the caller may change their e-mail address now; ErrStepUp asks for fresh proof first.
func (s *Service) MayChangeEmail(by Caller) error { return s.may(by, need{fresh: true}) }

// ChangeEmail mails a link to a new address; the address changes when the link is used. Whether somebody else has the
// address is not told: then no mail goes out, and the outcome and its time are the same.
func (s *Service) ChangeEmail(ctx context.Context, by Caller, address string) error {
	shown, folded, err := fold.Address(address)
	if err != nil {
		return ErrAddressInvalid
	}
	return s.act(ctx, by, need{fresh: true}, func(tx Tx, me *actor) error {
		if shown == me.Address {
			return ErrAddressSame
		}
		b, err := s.budgets(tx, me.User)
		if err != nil {
			return err
		}
		n := b.of(bucketEmail)
		if wait := emailRule.wait(n, me.now); wait > 0 {
			return ErrMailLimit.after(wait)
		}
		if err := tx.SaveTries(emailRule.charge(n, me.now)); err != nil {
			return err
		}
		other, taken, err := tx.UserByAddress(me.Workspace, folded)
		if err != nil {
			return err
		}
		token, ends, err := s.newLink(tx, by, me.User, LinkConfirmEmail, me.Epoch, shown, ConfirmEmailLimit)
		if err != nil {
			return err
		}
		mailing := tx
		if taken && other.ID != me.ID {
			mailing = pretending{tx, LinkConfirmEmail}
		}
		if err := s.notifyAt(mailing, by, me.User, shown, "email.confirm", map[string]any{"token": token, "ends": ends}); err != nil {
			return err
		}
		return s.record(tx, by, "email.asked", me.ID, Done, nil)
	})
}

// NewEmail returns the address that a link from ChangeEmail would change to, or ErrLinkEnded. It changes nothing.
func (s *Service) NewEmail(ctx context.Context, by Caller, token Secret) (address string, err error) {
	return s.emailOf(ctx, by, LinkConfirmEmail, token)
}

// OldEmail returns the address that an undo link would restore, or ErrLinkEnded. It changes nothing.
func (s *Service) OldEmail(ctx context.Context, by Caller, token Secret) (address string, err error) {
	return s.emailOf(ctx, by, LinkUndoEmail, token)
}

func (s *Service) emailOf(ctx context.Context, by Caller, kind LinkKind, token Secret) (address string, err error) {
	err = s.write(ctx, func(tx Tx) error {
		l, _, err := s.link(tx, by, kind, token)
		if err != nil {
			return err
		}
		address, err = s.carried(l)
		return err
	})
	return address, err
}

// ConfirmEmail makes a new address the user's own, by the link that was mailed to it. The old one is told, with a link
// that undoes it for UndoEmailLimit. Everything of the user that was signed in ends, but for the session in this
// browser, whose new value is returned; nobody is signed in by it. ErrAddressTaken: somebody else got the address first.
func (s *Service) ConfirmEmail(ctx context.Context, by Caller, token Secret) (Secret, error) {
	var value Secret
	err := s.write(ctx, func(tx Tx) error {
		l, u, err := s.link(tx, by, LinkConfirmEmail, token)
		if err != nil {
			return err
		}
		if err := s.useUp(tx, l); err != nil {
			return err
		}
		old := u
		if err := s.moveTo(&u, l); err != nil {
			return err
		}
		if value, err = s.endAllBut(tx, by, &u); err != nil {
			return err
		}
		undo, ends, err := s.newLink(tx, by, u, LinkUndoEmail, lasting, old.Address, UndoEmailLimit)
		if err != nil {
			return err
		}
		facts := map[string]any{"old": old.Address, "new": u.Address, "token": undo, "ends": ends}
		if err := s.notifyAt(tx, by.as(u), u, old.Address, "email.undo", facts); err != nil {
			return err
		}
		if err := s.notify(tx, by.as(u), u, "email.changed", map[string]any{"old": old.Address, "new": u.Address}); err != nil {
			return err
		}
		return s.record(tx, by.as(u), "email.changed", u.ID, Done, nil)
	})
	return value, taken(err)
}

// UndoEmail restores the address that a change replaced. The link survives every change made since, and ends those that
// later changes sent out, so that nobody can take the address back. Everything that was signed in ends and the password
// is dead: the link returned leads to choosing another. Two-factor authentication stays as it is.
func (s *Service) UndoEmail(ctx context.Context, by Caller, token Secret) (Secret, error) {
	var reset Secret
	err := s.write(ctx, func(tx Tx) error {
		l, u, err := s.link(tx, by, LinkUndoEmail, token)
		if err != nil {
			return err
		}
		if err := s.useUp(tx, l); err != nil {
			return err
		}
		if err := tx.DropLinks(u.Workspace, u.ID, LinkUndoEmail, l.CreatedAt); err != nil {
			return err
		}
		replaced := u
		if err := s.moveTo(&u, l); err != nil {
			return err
		}
		u.PasswordHash, u.PasswordAt, u.PasswordLong = "", s.Now(), false
		u.endAll()
		if err := tx.SaveUser(u); err != nil {
			return err
		}
		// The replaced address may be a thief's: the mail to it says nothing of the person and where they are.
		if err := s.notifyAt(tx, by.as(u), u, replaced.Address, "email.removed", nil); err != nil {
			return err
		}
		if err := s.notify(tx, by.as(u), u, "email.changed", map[string]any{"old": replaced.Address, "new": u.Address}); err != nil {
			return err
		}
		if reset, _, err = s.newLink(tx, by, u, LinkReset, u.Epoch, "", ResetLimit); err != nil {
			return err
		}
		return s.record(tx, by.as(u), "email.undone", u.ID, Done, nil)
	})
	return reset, taken(err)
}

// moveTo gives a locked user the address that a link carries. Whether somebody else has it, saving the user tells.
func (s *Service) moveTo(u *User, l Link) error {
	address, err := s.carried(l)
	if err != nil {
		return err
	}
	u.Address, u.Folded, err = fold.Address(address)
	return err
}

// taken names the outcome of moving to an address that somebody else has, be it since this instant.
func taken(err error) error {
	if errors.Is(err, ErrDuplicate) {
		return ErrAddressTaken
	}
	return err
}

// endAllBut saves a locked user under a new epoch. The caller's session goes on if it is the user's and lives: its new
// value is returned.
func (s *Service) endAllBut(tx Tx, by Caller, u *User) (Secret, error) {
	if by.session != nil && by.user.ID == u.ID {
		ses, _, ok, err := tx.TakeSession(u.Workspace, u.ID, by.session.ID)
		if err != nil {
			return "", err
		}
		if ok && ses.lives(by.session.Hash, *u, s.Now()) {
			me := &actor{User: *u, session: ses, now: s.Now()}
			value, err := me.endOthers(tx)
			*u = me.User
			return value, err
		}
	}
	u.endAll()
	return "", tx.SaveUser(*u)
}
