package sallyport

import (
	"context"
	"strings"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// ErrAddressNotActive means that this person could not confirm a new address.
var ErrAddressNotActive = &Error{Kind: Conflict, Code: "address_not_active", Field: "email",
	Text: text.Say("You can change the address of an active person only. If the person is invited, revoke the invitation and invite the new address.")}

// EditPerson changes the name of a person immediately, and their e-mail address as ChangeEmail does: a link goes to the
// new address, and the address changes when the link is used. Then an undo link goes to the old address, and the epoch
// rises. So password links are never sent to an address that the person has not confirmed. asked reports whether a link
// was mailed.
func (s *Service) EditPerson(ctx context.Context, by Caller, id, name, address string) (asked bool, err error) {
	if name, err = cleanName("name", name); err != nil {
		return false, err
	}
	address = strings.TrimSpace(address)
	return asked, s.actOn(ctx, by, access{may: EditPeople, proof: StrongFactor}, id, func(tx Tx, t *target) error {
		asked = address != t.Address
		shown := ""
		if asked {
			var err error
			if shown, err = newAddress(tx, t.User, address); err != nil {
				return err
			}
		}
		if name != t.Name {
			t.Name, t.ProfileAt = name, s.Now()
			if err := tx.SaveUser(t.User); err != nil {
				return err
			}
			if err := s.record(tx, by, "user.renamed", t.ID, Done, nil); err != nil {
				return err
			}
		}
		if !asked {
			return nil
		}
		return s.askNewAddress(tx, by, t.User, shown)
	})
}

// newAddress returns an address as it will be shown, or the reason why the person cannot get it.
func newAddress(tx Tx, u User, address string) (string, error) {
	shown, folded, err := fold.Address(address)
	if err != nil {
		return "", ErrAddressInvalid
	}
	if u.State != Active {
		return "", ErrAddressNotActive
	}
	return shown, free(tx, u, folded)
}

// askNewAddress mails the link that confirms a new address of another person, whose row is locked.
func (s *Service) askNewAddress(tx Tx, by Caller, u User, shown string) error {
	token, ends, err := s.newLink(tx, by, u, LinkConfirmEmail, u.Epoch, shown, ConfirmEmailLimit)
	if err != nil {
		return err
	}
	if err := s.notifyAt(tx, by, u, shown, "email.confirm_given", map[string]any{"token": token, "ends": ends}); err != nil {
		return err
	}
	return s.record(tx, by, "email.asked", u.ID, Done, nil)
}

// EndSessionOf ends one session of another person, who gets an e-mail. A session that does not exist is ErrNotFound.
func (s *Service) EndSessionOf(ctx context.Context, by Caller, id, session string) error {
	return s.actOn(ctx, by, access{may: SignOutPeople}, id, func(tx Tx, t *target) error {
		ses, _, found, err := tx.TakeSession(t.Workspace, t.ID, session)
		if err != nil || !found {
			return errOr(err, ErrNotFound)
		}
		if _, err := tx.DeleteSession(t.Workspace, t.ID, session); err != nil {
			return err
		}
		if err := s.notify(tx, by, t.User, "session.ended", map[string]any{"device": ses.Agent}); err != nil {
			return err
		}
		return s.record(tx, by, "session.ended", t.ID, Done, map[string]string{"session": session, "count": "1"})
	})
}

// RemoveTrustedDeviceOf ends the trust in one device of another person, who gets an e-mail. A device that does not exist
// is ErrNotFound.
func (s *Service) RemoveTrustedDeviceOf(ctx context.Context, by Caller, id, device string) error {
	return s.actOn(ctx, by, access{may: SignOutPeople}, id, func(tx Tx, t *target) error {
		d, found, err := tx.TrustedDevice(t.Workspace, t.ID, device)
		if err != nil || !found {
			return errOr(err, ErrNotFound)
		}
		if _, err := tx.DeleteTrustedDevices(t.Workspace, t.ID, device); err != nil {
			return err
		}
		if err := s.notify(tx, by, t.User, "trusted_device.removed", map[string]any{"device": d.Name}); err != nil {
			return err
		}
		return s.record(tx, by, "trusted_device.removed", t.ID, Done, map[string]string{"device": device, "name": d.Name, "count": "1"})
	})
}
