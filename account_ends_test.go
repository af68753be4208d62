package sallyport_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

var temporaryShape = regexp.MustCompile(`[0-9A-Z]{5}(-[0-9A-Z]{5}){4}`)

// byPassword makes an owner invite a member by a temporary password, which it returns.
func byPassword(e *sallyporttest.Env, b *sallyporttest.Client, address string) (sallyport.User, string) {
	e.T.Helper()
	e.Exec(`UPDATE policies SET invite_method = 'temporary_password'`)
	u, err := e.Invite(context.Background(), b.By(), address, "Tim", sallyport.Member)
	e.Check(err)
	mails := e.WaitingMails(address)
	return u, temporaryShape.FindString(mails[len(mails)-1].Text)
}

// TestI24_TemporaryPasswordsEndWithTheEpoch: everything that ends the link of an invitation also ends a temporary
// password.
func TestI24_TemporaryPasswordsEndWithTheEpoch(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		owner := e.Owner
		b := e.Enrol(&owner, "Owner's")
		n := 0
		for what, act := range map[string]func(id string) error{
			"a role":                func(id string) error { return e.ChangeRole(ctx, b.By(), id, sallyport.Manager) },
			"signed out everywhere": func(id string) error { return e.SignOutEverywhere(ctx, b.By(), id) },
			"suspended and restored": func(id string) error {
				if err := e.Suspend(ctx, b.By(), id); err != nil {
					return err
				}
				return e.Restore(ctx, b.By(), id)
			},
			"invited again": func(id string) error { return e.ResendInvitation(ctx, b.By(), id) },
		} {
			n++
			u, password := byPassword(e, b, strings.Repeat("x", n)+"@acme.example")
			if result, err := e.SignIn(ctx, e.Arriving().By(), u.Address, password); err != nil || result.Step != sallyport.StepChoosePassword {
				t.Fatalf("%s: before it: %v %s", what, err, result.Step)
			}
			if err := act(u.ID); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if _, err := e.SignIn(ctx, e.Arriving().By(), u.Address, password); !errors.Is(err, sallyport.ErrPasswordWrong) {
				t.Errorf("%s: the temporary password still works: %v", what, err)
			}
			if state := e.Query(`SELECT state FROM users WHERE id = $1`, u.ID)[0][0]; state != "invited" {
				t.Errorf("%s: %s", what, state)
			}
			if err := e.ResendInvitation(ctx, b.By(), u.ID); err != nil {
				t.Errorf("%s: the account cannot be recovered: %v", what, err)
			}
		}
	})
}

// TestI27_TemporaryPasswordInOtherLetters: a temporary password cannot be chosen as the new one, not even in lower
// case, with spaces or without dashes.
func TestI27_TemporaryPasswordInOtherLetters(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		owner := e.Owner
		u, password := byPassword(e, e.Enrol(&owner, "Owner's"), "tim@acme.example")
		v := e.Arriving()
		result, err := e.SignIn(ctx, v.By(), u.Address, password)
		e.Check(err)
		v.Keep(result)
		for _, typed := range []string{
			password, strings.ToLower(password), password + " ", " " + password, strings.ReplaceAll(password, "-", ""),
			strings.ReplaceAll(strings.ToLower(password), "-", " ") + "\u00a0",
		} {
			if _, err := e.ChoosePassword(ctx, v.By(), typed); !errors.Is(err, sallyport.ErrPasswordSame) {
				t.Errorf("%q in place of %q: %v", typed, password, err)
			}
		}
		if result, err = e.ChoosePassword(ctx, v.By(), "gravel otter lamp quince"); err != nil || result.Step != sallyport.StepDone {
			t.Errorf("another one: %v %s", err, result.Step)
		}
	})
}

// TestOwnersHearOfNewAdministrators: owners get an e-mail about each new administrator, however they became one, and
// about no one else.
func TestOwnersHearOfNewAdministrators(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		owner := e.Owner
		b := e.Enrol(&owner, "Owner's")
		e.Add("oz@acme.example", sallyport.Owner)
		gone := e.Add("gone@acme.example", sallyport.Owner)
		e.Exec(`UPDATE users SET state = 'suspended' WHERE id = $1`, gone.ID)
		mia, ada := e.Add("mia@acme.example", sallyport.Member), e.Add("ada@acme.example", sallyport.Admin)
		for what, c := range map[string]struct {
			act  func() error
			want string
		}{
			"an owner is invited":  {func() error { _, err := e.Invite(ctx, b.By(), "i1@acme.example", "I", sallyport.Owner); return err }, "user.owner_created"},
			"an admin is invited":  {func() error { _, err := e.Invite(ctx, b.By(), "i2@acme.example", "I", sallyport.Admin); return err }, "user.admin_created"},
			"a manager is invited": {func() error { _, err := e.Invite(ctx, b.By(), "i3@acme.example", "I", sallyport.Manager); return err }, ""},
			"an owner is added":    {func() error { e.Add("i4@acme.example", sallyport.Owner); return nil }, "user.owner_created"},
			"a member is added":    {func() error { e.Add("i5@acme.example", sallyport.Member); return nil }, ""},
			"a member is promoted": {func() error { return e.ChangeRole(ctx, b.By(), mia.ID, sallyport.Admin) }, "user.admin_created"},
			"an admin is demoted":  {func() error { return e.ChangeRole(ctx, b.By(), ada.ID, sallyport.Manager) }, ""},
		} {
			e.Exec(`DELETE FROM outbox`)
			if err := c.act(); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			var told []string
			for _, row := range e.Query(`SELECT address, kind FROM outbox WHERE kind IN ('user.owner_created', 'user.admin_created') ORDER BY address`) {
				if row[1] != c.want {
					t.Errorf("%s: %v", what, row)
				}
				told = append(told, row[0])
			}
			all := strings.Join(told, " ")
			if c.want == "" && all != "" || c.want != "" && (!strings.Contains(all, owner.Address) || !strings.Contains(all, "oz@") || strings.Contains(all, "gone@")) {
				t.Errorf("%s: e-mails went to %q", what, all)
			}
		}
	})
}

// TestFirstSignInIsNoAlarm: no e-mail follows the first sign-in of a new account, for which every browser is new. One
// follows the first sign-in in a second browser.
func TestFirstSignInIsNoAlarm(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		mia := e.Add("mia@acme.example", sallyport.Member)
		for i := range 3 {
			signedIn(e, mia)
			if got := len(e.Query(`SELECT id FROM outbox WHERE kind = 'sign_in.new_browser' AND address = $1`, mia.Address)); (got > 0) != (i > 0) {
				t.Errorf("after sign-in %d: %d mails", i+1, got)
			}
			e.Clock.Advance(2 * time.Hour)
		}
	})
}
