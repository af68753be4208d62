package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestI60_RecoveryCodeCreatesNoAdministrator: with a password and a recovery code, an owner can invite only members,
// and cannot change a role, delete anyone or reset anyone's second factor. A code of an authenticator lifts that
// restriction.
func TestI60_RecoveryCodeCreatesNoAdministrator(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		owner, owners := ownerOf(s)
		ben := e.Add("ben@acme.example", sallyport.Member)
		owners.Post("/admin/users/new", fields{"email": "ivy@acme.example", "name": "Ivy", "role": "member"})
		ivy := e.Query(`SELECT id FROM users WHERE address = 'ivy@acme.example'`)[0][0]
		owners.Post("/admin/users/new", fields{"email": "ada@acme.example", "name": "Ada", "role": "admin"})
		ada := e.Query(`SELECT id FROM users WHERE address = 'ada@acme.example'`)[0][0]
		people := func() string {
			all := []string{e.Query(`SELECT count(*) FROM links`)[0][0] + " links"}
			for _, row := range e.Query(`SELECT address, role, state, two_factor FROM users ORDER BY address`) {
				all = append(all, strings.Join(row, " "))
			}
			return strings.Join(all, ", ")
		}
		before := people()
		v := recovering(s, &owner)
		acts := map[string]fields{
			"/admin/users/" + ben.ID:                     {"role": "owner"},
			"/admin/users/" + ben.ID + "/delete":         nil,
			"/admin/users/" + ben.ID + "/reset-2fa":      {"reason": "none"},
			"/admin/users/" + ivy + "/revoke-invitation": nil,
			"/admin/users/" + ada + "/resend-invitation": nil,
			"/admin/users/" + ben.ID + "/reset-password": nil,
			"/admin/users/" + ben.ID + "/edit":           {"name": "Ben", "email": "thief@evil.example"},
			"/admin/users/new/several":                   {"emails": "thief@evil.example\nother@evil.example", "role": "admin"},
			"/admin/users/new/several?role=owner":        {"emails": "thief@evil.example", "role": "owner"},
			"/admin/users/new/several?role=manager":      {"emails": "thief@evil.example", "role": "manager"},
			accessControl:                                {"require_2fa": "everyone"},
			"/account/2fa/disable":                       nil,
			"/account/2fa/recovery-codes/regenerate":     nil,
			"/admin/users/new?role=owner":                {"email": "new-owner@acme.example", "name": "New", "role": "owner"},
			"/admin/users/new?role=admin":                {"email": "new-admin@acme.example", "name": "New", "role": "admin"},
			"/admin/users/new?role=manager":              {"email": "new-manager@acme.example", "name": "New", "role": "manager"},
		}
		for _, proof := range []string{"at once", "after another recovery code"} {
			for path, f := range acts {
				if got := v.Post(path, f); got.Status < 400 {
					t.Errorf("%s, %s: %d %s", proof, path, got.Status, got.Location)
				}
			}
			e.Clock.Advance(time.Minute)
			v.Post("/step-up?to=/account", fields{"recovery_code": owner.RecoveryCodes[0]})
			owner.RecoveryCodes = owner.RecoveryCodes[1:]
		}
		if now := people(); now != before {
			t.Fatalf("changed: %s", now)
		}
		for _, row := range e.Query(`SELECT id, address FROM outbox WHERE kind = 'invitation'`) {
			if got := v.Get("/admin/outbox/" + row[0]); (got.Status == http.StatusOK) != (row[1] == "ivy@acme.example") || strings.Contains(got.Body, "/invitation/") != (got.Status == http.StatusOK) {
				t.Errorf("the invitation of %s is read: %d %s", row[1], got.Status, got.Location)
			}
		}
		if got := v.Post("/admin/users/new/several", fields{"emails": "one@acme.example\ntwo@acme.example", "role": "member"}); got.Status != http.StatusSeeOther {
			t.Errorf("members are invited: %d %s", got.Status, got.Alert())
		}
		if got := v.Post("/admin/users/new", fields{"email": "member@acme.example", "name": "New", "role": "member"}); got.Status != http.StatusSeeOther {
			t.Errorf("a member is invited: %d %s", got.Status, got.Alert())
		}
		v.Post("/step-up?to=/account", fields{"code": owner.Code(e.Clock.Now())})
		if got := v.Post("/admin/users/new", fields{"email": "new-owner@acme.example", "name": "New", "role": "owner"}); got.Status != http.StatusSeeOther {
			t.Errorf("after a code: %d %s", got.Status, got.Alert())
		}
	})
}

// TestActivityTellsNothingOfOthers: a person sees what others did to their account, but not from where. A wrong
// password that was entered in a browser where a colleague is signed in is not attributed to the colleague.
func TestActivityTellsNothingOfOthers(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		ada, ben := e.Add("ada@acme.example", sallyport.Admin), e.Add("ben@acme.example", sallyport.Member)
		adas := s.Visitor().From("203.0.113.77")
		adas.Enrol(&ada, "Ada's")
		e.Exec(`UPDATE users SET state = 'suspended' WHERE id = $1`, ben.ID)
		adas.Post("/admin/users/"+ben.ID+"/restore", nil)
		adas.Post("/sign-in", fields{"email": ben.Address, "password": "not this one, no"})
		adas.Post("/forgot", fields{"email": ben.Address})
		rows := e.Query(`SELECT kind, actor, actor_kind, detail FROM events WHERE subject = $1 AND kind IN ('password.wrong', 'password.forgotten') ORDER BY kind`, ben.ID)
		if len(rows) != 2 {
			t.Fatalf("events: %v", rows)
		}
		for _, row := range rows {
			if row[1] != "" || row[2] != "nobody" || row[3] != `{"signed_in":"`+ada.ID+`"}` {
				t.Errorf("%s is the act of %s %s %s", row[0], row[2], row[1], row[3])
			}
		}
		v := s.Visitor()
		v.SignIn(ben)
		got := v.Get("/account/activity")
		if !got.Has("Account restored by an administrator – –") {
			t.Errorf("the restoring: %s", got.Text())
		}
		if !got.Has("Wrong password in a browser where someone else was signed in") || got.Has("Wrong password by an administrator") {
			t.Errorf("the wrong password: %s", got.Text())
		}
		if text := adas.Get("/admin/audit?kind=user.restored").Text(); !strings.Contains(text, "203.0.113.77") {
			t.Errorf("an administrator reads in the audit log: %s", text)
		}
	})
}

// TestUndoneAddressIsToldNothing: the mail to an address that is removed by undoing the change names neither the person
// nor their location.
func TestUndoneAddressIsToldNothing(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	mia, v := e.Add("mia@acme.example", sallyport.Member), s.Visitor()
	v.Enrol(&mia, "Mia's")
	undo := changeAddress(s, v, mia.Address, "thief@evil.example")
	e.Clock.Advance(time.Second)
	if got := s.Visitor().From("203.0.113.77").Post(undo, confirmed); got.Status != http.StatusSeeOther {
		t.Fatalf("undone: %d %s", got.Status, got.Alert())
	}
	mails := e.WaitingMails("thief@evil.example")
	last := mails[len(mails)-1]
	for _, secret := range []string{"203.0.113.77", mia.Address, mia.Name, "Browser:"} {
		if last.Kind != "email.removed" || strings.Contains(last.Text, secret) {
			t.Errorf("the mail %s to the replaced address has %q: %s", last.Kind, secret, last.Text)
		}
	}
	mails = e.WaitingMails(mia.Address)
	if last := mails[len(mails)-1]; last.Kind != "email.changed" || !strings.Contains(last.Text, "203.0.113.77") {
		t.Errorf("the mail to the person: %s %s", last.Kind, last.Text)
	}
}
