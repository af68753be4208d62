package sallyport_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestI24_AddressGivenByAnAdministrator: nothing changes until the new address is confirmed. Then all of the person's
// sessions end, and the old address can undo the change.
func TestI24_AddressGivenByAnAdministrator(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		owner := e.Owner
		owners := e.Enrol(&owner, "Olive's")
		mia := e.Add("mia@acme.example", sallyport.Member)
		mias := signedIn(e, mia)
		asked, err := e.EditPerson(ctx, owners.By(), mia.ID, "Mia Okafor", "mia.okafor@acme.example")
		if err != nil || !asked {
			t.Fatalf("asked %v, %v", asked, err)
		}
		row := func() string {
			return strings.Join(e.Query(`SELECT name, address FROM users WHERE id = $1`, mia.ID)[0], " ")
		}
		if got := row(); got != "Mia Okafor mia@acme.example" {
			t.Errorf("before the link is used: %s", got)
		}
		if _, ok := mias.By().Session(); !ok {
			t.Error("signed out before the link was used")
		}
		if got := e.Query(`SELECT id FROM outbox WHERE kind LIKE 'email.%' AND address = 'mia@acme.example'`); len(got) != 0 {
			t.Errorf("%d mails to the old address already", len(got))
		}
		link := e.MailedLink("email.confirm_given", "mia.okafor@acme.example").Path
		if _, err := e.ConfirmEmail(ctx, e.Arriving().By(), sallyport.Secret(link[len("/email/"):])); err != nil {
			t.Fatalf("confirming: %v", err)
		}
		if got := row(); got != "Mia Okafor mia.okafor@acme.example" {
			t.Errorf("afterwards: %s", got)
		}
		if _, ok := mias.By().Session(); ok {
			t.Error("a session survives the change of the address")
		}
		undo := e.MailedLink("email.undo", "mia@acme.example").Path
		if _, err := e.UndoEmail(ctx, e.Arriving().By(), sallyport.Secret(undo[len("/email/undo/"):])); err != nil {
			t.Errorf("undoing: %v", err)
		}
		if got := row(); got != "Mia Okafor mia@acme.example" {
			t.Errorf("undone: %s", got)
		}
		for _, kind := range []string{"user.renamed", "email.asked"} {
			if got := e.Query(`SELECT actor FROM events WHERE kind = $1 AND subject = $2`, kind, mia.ID); len(got) != 1 || got[0][0] != owner.ID {
				t.Errorf("%s: %v", kind, got)
			}
		}
	})
}

func TestEditPersonRefused(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		ada, mia := e.Add("ada@acme.example", sallyport.Admin), e.Add("mia@acme.example", sallyport.Member)
		max, ivo := e.Add("max@acme.example", sallyport.Manager), e.Add("ivo@acme.example", sallyport.Member)
		e.Exec(`UPDATE users SET state = 'invited' WHERE id = $1`, ivo.ID)
		adas := e.Enrol(&ada, "Ada's")
		for name, c := range map[string]struct {
			id, name, address string
			want              error
		}{
			"oneself":           {ada.ID, "Ada", "ada@new.example", sallyport.ErrYourself},
			"a higher role":     {e.Owner.ID, "Olive", "olive@new.example", sallyport.ErrNotFound},
			"nobody":            {"usr_none", "Nobody", "no@new.example", sallyport.ErrNotFound},
			"no name":           {mia.ID, " ", mia.Address, sallyport.ErrNameInvalid},
			"no address":        {mia.ID, mia.Name, "", sallyport.ErrAddressInvalid},
			"a broken address":  {mia.ID, mia.Name, "mia", sallyport.ErrAddressInvalid},
			"another's address": {mia.ID, mia.Name, "MAX@acme.example", sallyport.ErrAddressTaken},
			"an invited person": {ivo.ID, ivo.Name, "ivo@new.example", sallyport.ErrAddressNotActive},
			"name and address":  {mia.ID, "Mia Okafor", "mia", sallyport.ErrAddressInvalid},
		} {
			if _, err := e.EditPerson(ctx, adas.By(), c.id, c.name, c.address); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := e.EditPerson(ctx, signedIn(e, max).By(), mia.ID, "Mia", mia.Address); !errors.Is(err, sallyport.ErrNotAllowed) {
			t.Errorf("by a manager: %v", err)
		}
		e.Clock.Advance(sallyport.StepUpLimit + time.Minute)
		if _, err := e.EditPerson(ctx, adas.By(), mia.ID, "Mia", mia.Address); !errors.Is(err, sallyport.ErrStepUp) {
			t.Errorf("with an old proof: %v", err)
		}
		if n := len(e.Query(`SELECT id FROM events WHERE kind IN ('user.renamed', 'email.asked')`)); n != 0 {
			t.Errorf("%d events of what was refused", n)
		}
	})
}

// TestEndingOneOfAPerson: an administrator ends one session, or removes one trusted device, and no other.
func TestEndingOneOfAPerson(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		ada, mia, ben := e.Add("ada@acme.example", sallyport.Admin), e.Add("mia@acme.example", sallyport.Member), e.Add("ben@acme.example", sallyport.Member)
		adas := e.Enrol(&ada, "Ada's")
		one, other, bens := signedIn(e, mia), signedIn(e, mia), signedIn(e, ben)
		ses, _ := one.By().Session()
		benSession, _ := bens.By().Session()
		for id, session := range map[string]string{mia.ID: benSession.ID, e.Owner.ID: ses.ID, ada.ID: ses.ID, ben.ID: ses.ID} {
			if err := e.EndSessionOf(ctx, adas.By(), id, session); err == nil {
				t.Errorf("ended %s of %s", session, id)
			}
		}
		e.Check(e.EndSessionOf(ctx, adas.By(), mia.ID, ses.ID))
		for name, c := range map[string]struct {
			client *sallyporttest.Client
			lives  bool
		}{"ended": {one, false}, "other": {other, true}, "Ben's": {bens, true}} {
			if _, lives := c.client.By().Session(); lives != c.lives {
				t.Errorf("%s: lives %v", name, lives)
			}
		}
		for i, device := range []string{"dev_one", "dev_two"} {
			e.Check(e.Store.Write(ctx, func(tx sallyport.Tx) error {
				return tx.InsertTrustedDevice(sallyport.TrustedDevice{Workspace: mia.Workspace, User: mia.ID, ID: device, Hash: []byte{byte(i)}, KnownDevice: []byte{1},
					Epoch: mia.Epoch, Days: 14, Name: "Firefox on Windows", CreatedAt: e.Clock.Now(), LastSeenAt: e.Clock.Now()})
			}))
		}
		if err := e.RemoveTrustedDeviceOf(ctx, adas.By(), ben.ID, "dev_one"); !errors.Is(err, sallyport.ErrNotFound) {
			t.Errorf("a device of another person: %v", err)
		}
		e.Check(e.RemoveTrustedDeviceOf(ctx, adas.By(), mia.ID, "dev_one"))
		if got := e.Query(`SELECT id FROM trusted_devices WHERE user_id = $1`, mia.ID); len(got) != 1 || got[0][0] != "dev_two" {
			t.Errorf("left are %v", got)
		}
		for _, kind := range []string{"session.ended", "trusted_device.removed"} {
			if got := e.Query(`SELECT actor FROM events WHERE kind = $1 AND subject = $2`, kind, mia.ID); len(got) != 1 || got[0][0] != ada.ID {
				t.Errorf("events %s: %v", kind, got)
			}
			if got := e.Query(`SELECT id FROM outbox WHERE kind = $1 AND address = $2`, kind, mia.Address); len(got) != 1 {
				t.Errorf("%d mails %s", len(got), kind)
			}
		}
	})
}
