package sallyport_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// withBoth is a person who has an app and a passkey, signed in with a code.
func withBoth(e *sallyporttest.Env, name string) (sallyporttest.Person, *sallyporttest.Passkey, *sallyporttest.Client) {
	e.T.Helper()
	p := e.Add(name+"@acme.example", sallyport.Member)
	c := e.Enrol(&p, "Pixel")
	return p, addKey(e, c, p), c
}

func addKey(e *sallyporttest.Env, c *sallyporttest.Client, p sallyporttest.Person) *sallyporttest.Passkey {
	e.T.Helper()
	set, err := e.NewPasskey(context.Background(), c.By())
	e.Check(err)
	key := sallyporttest.NewPasskey(e.URL, p.ID)
	added, err := e.AddPasskey(context.Background(), c.By(), "", "", key.Create(e.T, set.Options))
	e.Check(err)
	c.Keep(added)
	return key
}

func stepUpByKey(e *sallyporttest.Env, c *sallyporttest.Client, key *sallyporttest.Passkey) error {
	e.T.Helper()
	have, err := e.StepUp(context.Background(), c.By())
	e.Check(err)
	token, err := e.StepUpPasskey(context.Background(), c.By(), key.Sign(e.T, have.Options))
	c.Keep(sallyport.SignInResult{Session: token})
	return err
}

// TestI18_ARemovedPasskeyCountsNoLonger: a session in which it was given owes a passkey again, once one is required.
func TestI18_ARemovedPasskeyCountsNoLonger(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		_, _, c := withBoth(e, "mia")
		keys, err := e.OwnPasskeys(ctx, c.By())
		e.Check(err)
		token, _, err := e.RemovePasskey(ctx, c.By(), keys[0].ID)
		e.Check(err)
		c.Keep(sallyport.SignInResult{Session: token})
		e.Exec(`UPDATE policies SET phishing_resistant = 'everyone'`)
		if _, err := e.OwnPasskeys(ctx, c.By()); !errors.Is(err, sallyport.ErrSetUpRequired) {
			t.Errorf("after the only passkey was removed: %v", err)
		}
	})
}

// TestI33_ACodeWakesNobodyWhoNeedsAPasskey: after an hour without use, administrators who must use a passkey use it again.
func TestI33_ACodeWakesNobodyWhoNeedsAPasskey(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		owner := e.Owner
		c := e.Enrol(&owner, "Owner's")
		key := addKey(e, c, owner)
		e.Exec(`UPDATE policies SET phishing_resistant = 'admins'`)
		e.Clock.Advance(sallyport.AdminIdleLimit + time.Minute)
		e.Check(stepUp(e, c, owner))
		if err := e.MayAct(c.By(), sallyport.SeePeople); !errors.Is(err, sallyport.ErrStepUp) {
			t.Errorf("after a code: %v", err)
		}
		e.Check(stepUpByKey(e, c, key))
		if err := e.MayAct(c.By(), sallyport.SeePeople); err != nil {
			t.Errorf("after the passkey: %v", err)
		}
	})
}

// TestI19_ARecoveryCodeReplacesEveryKind also in a session that began with something stronger, and the mail says so.
func TestI19_ARecoveryCodeReplacesEveryKind(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		mia, _, c := withBoth(e, "mia")
		e.Clock.Advance(time.Hour)
		token, err := e.StepUpCode(ctx, c.By(), mia.RecoveryCodes[0], sallyport.AnyFactor)
		e.Check(err)
		c.Keep(sallyport.SignInResult{Session: token})
		e.Check(e.StartChange(ctx, c.By(), "Tablet", ""))
		draft, err := e.SetUp(ctx, c.By())
		e.Check(err)
		mia.Secret = decoded(e, draft.Key)
		in, err := e.ConfirmSetUp(ctx, c.By(), "", mia.Code(e.Clock.Now()))
		e.Check(err)
		c.Keep(in)
		if n := e.Query("SELECT count(*) FROM passkeys WHERE user_id = $1", mia.ID)[0][0]; n != "0" {
			t.Errorf("%s passkeys are left", n)
		}
		told := false
		for _, m := range e.WaitingMails(mia.Address) {
			told = told || m.Kind == "authenticator.changed"
		}
		if u, _ := c.By().User(); u.HasPasskey || !told {
			t.Errorf("has a passkey: %t, told: %t", u.HasPasskey, told)
		}
	})
}

// TestChangingAnAppWithAPasskey: after using a passkey, a person chooses which app to replace.
func TestChangingAnAppWithAPasskey(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		_, key, c := withBoth(e, "mia")
		e.Clock.Advance(time.Hour)
		e.Check(stepUpByKey(e, c, key))
		if all, err := e.Replaceable(context.Background(), c.By()); err != nil || len(all) != 1 {
			t.Errorf("%d apps to choose from, %v", len(all), err)
		}
	})
}

// TestI38_NobodyKeepsAPasskeyFromWorking: forged answers that name a person do not keep that person out.
func TestI38_NobodyKeepsAPasskeyFromWorking(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		mia := e.Add("mia@acme.example", sallyport.Member)
		key, _ := withPasskey(e, mia)
		forged := sallyporttest.NewPasskey(e.URL, mia.ID)
		for range 15 {
			if _, _, err := enter(e, forged); err == nil {
				t.Fatal("a forged answer is accepted")
			}
		}
		if _, in, err := enter(e, key); err != nil || in.Session == "" {
			t.Errorf("the right passkey after them: %v", err)
		}
		if n := len(e.Query("SELECT id FROM events WHERE kind = 'passkey.wrong'")); n != 10 {
			t.Errorf("%d events", n)
		}
	})
}

// TestI39_PasskeysTellNothing: an answer is refused in the same way no matter whom it names, and uses up its challenge.
func TestI39_PasskeysTellNothing(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		mia, sam := e.Add("mia@acme.example", sallyport.Member), e.Add("sam@acme.example", sallyport.Member)
		withPasskey(e, mia)
		sams, _ := withPasskey(e, sam)
		e.Exec(`UPDATE users SET state = 'suspended' WHERE id = $1`, sam.ID)
		for what, handle := range map[string]string{
			"somebody": mia.ID, "somebody suspended": sam.ID, "nobody": "usr_00000000000000000000000000", "no id": "\x00\xff", "empty": "",
		} {
			key := sallyporttest.NewPasskey(e.URL, handle)
			if _, _, err := enter(e, key); !errors.Is(err, sallyport.ErrPasskeyWrong) && handle != "" {
				t.Errorf("%s: %v", what, err)
			}
			b := e.Arriving()
			options, _, err := e.EnterOptions(b.By(), "")
			e.Check(err)
			if _, err := e.SignInByPasskey(ctx, b.By(), "another browser", key.Sign(t, options)); !errors.Is(err, sallyport.ErrPasskeyTooLate) {
				t.Errorf("%s, with the challenge of another browser: %v", what, err)
			}
		}
		b := e.Arriving()
		options, visitor, err := e.EnterOptions(b.By(), "")
		e.Check(err)
		answer := sams.Sign(t, options)
		if _, err := e.SignInByPasskey(ctx, b.By(), visitor, answer); !errors.Is(err, sallyport.ErrPasskeyWrong) {
			t.Errorf("suspended: %v", err)
		}
		e.Exec(`UPDATE users SET state = 'active' WHERE id = $1`, sam.ID)
		if _, err := e.SignInByPasskey(ctx, b.By(), visitor, answer); !errors.Is(err, sallyport.ErrPasskeyTooLate) {
			t.Errorf("the same answer after the person was restored: %v", err)
		}
	})
}

// TestACopyIsMailedOnce an hour, however often it is used.
func TestACopyIsMailedOnce(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		mia := e.Add("mia@acme.example", sallyport.Member)
		key, _ := withPasskey(e, mia)
		if _, _, err := enter(e, key); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			key.Key.Counter = 0
			if _, _, err := enter(e, key); !errors.Is(err, sallyport.ErrPasskeyCopied) {
				t.Fatal(err)
			}
		}
		mails := 0
		for _, m := range e.WaitingMails(mia.Address) {
			if m.Kind == "passkey.copied" {
				mails++
			}
		}
		if mails != 1 {
			t.Errorf("%d mails", mails)
		}
	})
}

// TestTenLostPasskeys: with a recovery code, a new passkey takes the place of ten that are lost, and the lock of an app
// ends with the app.
func TestTenLostPasskeys(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		mia := e.Add("mia@acme.example", sallyport.Member)
		c := e.Enrol(&mia, "Pixel")
		for range sallyport.MaxPasskeys {
			addKey(e, c, mia)
		}
		if _, err := e.NewPasskey(context.Background(), c.By()); !errors.Is(err, sallyport.ErrTooManyPasskeys) {
			t.Errorf("an eleventh: %v", err)
		}
		e.Exec(`UPDATE policies SET phishing_resistant = 'everyone'`)
		r, err := withRecoveryCode(e, mia, mia.RecoveryCodes[0])
		e.Check(err)
		addKey(e, r, mia)
		if n := e.Query("SELECT count(*) FROM passkeys WHERE user_id = $1", mia.ID)[0][0]; n != "1" {
			t.Errorf("%s passkeys", n)
		}
		changed := len(e.Query("SELECT id FROM events WHERE kind = 'passkey.changed'"))
		if changed != 1 {
			t.Errorf("%d events say that everything was replaced", changed)
		}
	})
}

// TestAPasskeyRequiredWhileCodesAreSaved: a person who is about to save their recovery codes can still finish.
func TestAPasskeyRequiredWhileCodesAreSaved(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		mia := e.Add("mia@acme.example", sallyport.Member)
		e.Exec(`UPDATE policies SET require_2fa = 'everyone'`)
		c := e.Arriving()
		in, err := e.SignIn(ctx, c.By(), mia.Address, mia.Password)
		e.Check(err)
		c.Keep(in)
		by := func() sallyport.Caller { return c.By().InSignIn() }
		e.Check(e.StartSetUp(ctx, by(), "Pixel", ""))
		draft, err := e.SetUp(ctx, by())
		e.Check(err)
		mia.Secret = decoded(e, draft.Key)
		in, err = e.ConfirmSetUp(ctx, by(), "", mia.Code(e.Clock.Now()))
		e.Check(err)
		c.Keep(in)
		e.Exec(`UPDATE policies SET phishing_resistant = 'everyone'`)
		in, err = e.SaveRecoveryCodes(ctx, by())
		if err != nil || in.Step != sallyport.StepDone {
			t.Errorf("%s, %v", in.Step, err)
		}
	})
}

// TestNotMeAfterTheyLeft: "it was not me" raises the alarm even after the attacker has given up.
func TestNotMeAfterTheyLeft(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		a := newAsking(e, "mia")
		e.Check(a.ask())
		id := a.id()
		e.Check(e.SignOut(ctx, a.there.By(), false))
		if err := e.Approve(ctx, a.here.By(), id, "12"); !errors.Is(err, sallyport.ErrApprovalGone) {
			t.Errorf("approving: %v", err)
		}
		e.Check(e.RefuseApproval(ctx, a.here.By(), id))
		told := false
		for _, m := range e.WaitingMails(a.person.Address) {
			told = told || m.Kind == "approval.refused"
		}
		if !told {
			t.Error("nobody is told")
		}
	})
}

func decoded(e *sallyporttest.Env, key sallyport.Secret) []byte {
	e.T.Helper()
	secret, err := otp.DecodeSecret(key.Reveal())
	e.Check(err)
	return secret
}
