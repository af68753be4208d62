package sallyport

import (
	"context"
	"errors"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Outcomes of changing an e-mail address.
var (
	ErrAddressSame = invalid("email", "address_same", text.Say("This is your e-mail address already."))
	ErrMailLimit   = &Error{Kind: TooMany, Code: "too_many_mails", Text: text.Say("Too many e-mails were sent because of this. Try again later."), Field: "email"}
)

// MayChangeEmail reports whether the caller may change their e-mail address now; ErrStepUp asks for fresh proof first.
func (s *Service) MayChangeEmail(by Caller) error { return s.may(by, access{proof: AnyFactor}) }

// ChangeEmail mails a link to a new address; the address changes when the link is used. It does not reveal whether
// someone else has the address: then no mail goes out, but the outcome and the time it takes are the same.
func (s *Service) ChangeEmail(ctx context.Context, by Caller, address string) error {
	shown, folded, err := fold.Address(address)
	if err != nil {
		return ErrAddressInvalid
	}
	return s.act(ctx, by, access{proof: AnyFactor}, func(tx Tx, me *actor) error {
		if shown == me.Address {
			return ErrAddressSame
		}
		b, err := s.budgets(tx, me.User)
		if err != nil {
			return err
		}
		n := b.of(bucketEmail)
		if wait := emailRule.Wait(n, me.now); wait > 0 {
			return s.refuse(tx, n, ErrMailLimit.after(wait))
		}
		if err := tx.SaveTries(emailRule.Charge(n, me.now)); err != nil {
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

// ConfirmEmail changes the user's address to the one that the link was mailed to. The old address gets a link that
// undoes this for UndoEmailLimit. It ends all of the user's sessions and trusted devices except the session in this
// browser, whose new secret it returns. It signs no one in. ErrAddressTaken means that someone else got the address
// first.
func (s *Service) ConfirmEmail(ctx context.Context, by Caller, token Secret) (Secret, error) {
	var value Secret
	err := s.write(ctx, func(tx Tx) error {
		l, u, err := s.link(tx, by, LinkConfirmEmail, token)
		if err != nil {
			return err
		}
		old := u
		if err := s.moveTo(tx, &u, l); err != nil {
			return err
		}
		if err := s.useUp(tx, l); err != nil {
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

// UndoEmail restores the address that a change replaced. The link survives all later changes, and ends the links that
// these sent out, so that no one can take the address away again. It ends all of the user's sessions, and the password
// no longer works: the returned link leads to choosing another. Two-factor authentication stays as it is.
func (s *Service) UndoEmail(ctx context.Context, by Caller, token Secret) (Secret, error) {
	var reset Secret
	err := s.write(ctx, func(tx Tx) error {
		l, u, err := s.link(tx, by, LinkUndoEmail, token)
		if err != nil {
			return err
		}
		replaced := u
		if err := s.moveTo(tx, &u, l); err != nil {
			return err
		}
		if err := s.useUp(tx, l); err != nil {
			return err
		}
		if err := tx.DropLinks(u.Workspace, u.ID, LinkUndoEmail, l.CreatedAt); err != nil {
			return err
		}
		u.PasswordHash, u.PasswordAt, u.PasswordLong = "", s.Now(), false
		u.endAll()
		if err := tx.SaveUser(u); err != nil {
			return err
		}
		// The replaced address may be a thief's, so the mail to it must not name the person or their location.
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

// moveTo sets the address of a locked user to the one in the link, or returns ErrAddressTaken. If someone else gets the
// address after that, saving the user fails.
func (s *Service) moveTo(tx Tx, u *User, l Link) error {
	address, err := s.carried(l)
	if err != nil {
		return err
	}
	if u.Address, u.Folded, err = fold.Address(address); err != nil {
		return err
	}
	u.ProfileAt = s.Now()
	return free(tx, *u, u.Folded)
}

// free returns ErrAddressTaken if someone else in the user's workspace has the address.
func free(tx Tx, u User, folded string) error {
	other, taken, err := tx.UserByAddress(u.Workspace, folded)
	if err == nil && taken && other.ID != u.ID {
		return ErrAddressTaken
	}
	return err
}

// taken translates ErrDuplicate to ErrAddressTaken: someone else has the address, perhaps only just now.
func taken(err error) error {
	if errors.Is(err, ErrDuplicate) {
		return ErrAddressTaken
	}
	return err
}

// endAllBut saves a locked user under a new epoch. If the caller's session is a valid one of the user, it continues
// under a new secret, which is returned.
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
