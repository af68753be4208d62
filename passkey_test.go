package sallyport_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// withPasskey signs the person in for the first time and adds a passkey.
func withPasskey(e *sallyporttest.Env, p sallyporttest.Person) (*sallyporttest.Passkey, *sallyporttest.Client) {
	e.T.Helper()
	ctx := context.Background()
	b := e.Arriving()
	in, err := e.SignIn(ctx, b.By(), p.Address, p.Password)
	e.Check(err)
	b.Keep(in)
	set, err := e.NewPasskey(ctx, b.By())
	e.Check(err)
	l := sallyporttest.NewPasskey(e.URL, p.ID)
	added, err := e.AddPasskey(ctx, b.By(), "Laptop", "", l.Create(e.T, set.Options))
	e.Check(err)
	b.Keep(added)
	return l, b
}

// enter signs in with the passkey alone.
func enter(e *sallyporttest.Env, l *sallyporttest.Passkey) (*sallyporttest.Client, sallyport.SignInResult, error) {
	e.T.Helper()
	b := e.Arriving()
	options, visitor, err := e.EnterOptions(b.By(), "")
	e.Check(err)
	in, err := e.SignInByPasskey(context.Background(), b.By(), visitor, l.Sign(e.T, options))
	return b, in, err
}

// TestI12_ChallengesAreForOneUse: a challenge is answered once, in time, for its purpose, by its person and its browser.
func TestI12_ChallengesAreForOneUse(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		mia, ben := e.Add("mia@acme.example", sallyport.Member), e.Add("ben@acme.example", sallyport.Member)
		l, b := withPasskey(e, mia)
		bens, _ := withPasskey(e, ben)
		challenged := func(p sallyporttest.Person) (*sallyporttest.Client, []byte) {
			c := e.Arriving()
			in, err := e.SignIn(ctx, c.By(), p.Address, p.Password)
			e.Check(err)
			c.Keep(in)
			ch, err := e.Challenge(ctx, c.By())
			e.Check(err)
			return c, ch.Options
		}
		answer := func(c *sallyporttest.Client, credential string) error {
			_, err := e.AnswerPasskey(ctx, c.By(), credential, false)
			return err
		}
		c, options := challenged(mia)
		first := l.Sign(e.T, options)
		if err := answer(c, first); err != nil {
			t.Fatalf("the first answer: %v", err)
		}
		c, options = challenged(mia)
		other, _ := challenged(mia)
		signed := l.Sign(e.T, options)
		stepUp, err := e.StepUp(ctx, b.By())
		e.Check(err)
		entering, visitor, err := e.EnterOptions(b.By(), "")
		e.Check(err)
		for name, try := range map[string]func() error{
			"an answer of an earlier sign-in": func() error { return answer(c, first) },
			"in another sign-in":              func() error { return answer(other, signed) },
			"for a step-up":                   func() error { _, err := e.StepUpPasskey(ctx, b.By(), signed); return err },
			"alone":                           func() error { _, err := e.SignInByPasskey(ctx, c.By(), visitor, signed); return err },
			"a step-up's in a sign-in":        func() error { return answer(c, l.Sign(e.T, stepUp.Options)) },
			"an entrance's in a sign-in":      func() error { return answer(c, l.Sign(e.T, entering)) },
			"in another browser": func() error {
				_, another, err := e.EnterOptions(c.By(), "")
				e.Check(err)
				_, err = e.SignInByPasskey(ctx, c.By(), another, l.Sign(e.T, entering))
				return err
			},
		} {
			if err := try(); !errors.Is(err, sallyport.ErrPasskeyTooLate) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := answer(c, signed); err != nil {
			t.Errorf("the right answer after that: %v", err)
		}
		c, options = challenged(mia)
		if err := answer(c, bens.Sign(e.T, options)); !errors.Is(err, sallyport.ErrPasskeyWrong) {
			t.Errorf("the passkey of someone else (I06): %v", err)
		}
		if err := answer(c, l.Sign(e.T, options)); !errors.Is(err, sallyport.ErrPasskeyTooLate) {
			t.Errorf("a wrong answer has not used up its challenge: %v", err)
		}
		_, options = challenged(mia)
		late := l.Sign(e.T, options)
		e.Clock.Advance(10 * time.Minute)
		c, _ = challenged(mia)
		if err := answer(c, late); !errors.Is(err, sallyport.ErrPasskeyTooLate) {
			t.Errorf("after ten minutes: %v", err)
		}
	})
}

// TestI70_APasskeyAlone signs in only with user verification, and not once it is gone, its person suspended or reset.
func TestI70_APasskeyAlone(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		owner := e.Owner
		admin := e.Enrol(&owner, "Owner's")
		mia := e.Add("mia@acme.example", sallyport.Member)
		l, _ := withPasskey(e, mia)
		_, in, err := enter(e, l)
		if err != nil || in.Session == "" || in.Restricted {
			t.Fatalf("alone: %+v, %v", in, err)
		}
		l.Options.UserNotVerified = true
		if _, _, err := enter(e, l); !errors.Is(err, sallyport.ErrPasskeyAlone) {
			t.Errorf("without user verification: %v", err)
		}
		l.Options.UserNotVerified = false
		l.Key.Counter -= 2
		if _, _, err := enter(e, l); !errors.Is(err, sallyport.ErrPasskeyCopied) {
			t.Errorf("a counter that does not rise: %v", err)
		}
		if !slices.ContainsFunc(e.WaitingMails(mia.Address), func(m sallyporttest.WaitingMail) bool { return m.Kind == "passkey.copied" }) {
			t.Error("nobody is told of a copy")
		}
		l.Key.Counter += 5
		e.Check(e.Suspend(ctx, admin.By(), mia.ID))
		if _, _, err := enter(e, l); !errors.Is(err, sallyport.ErrPasskeyWrong) {
			t.Errorf("suspended: %v", err)
		}
		e.Check(e.Restore(ctx, admin.By(), mia.ID))
		if _, _, err := enter(e, l); err != nil {
			t.Errorf("restored: %v", err)
		}
		_, err = e.ResetTwoFactor(ctx, admin.By(), mia.ID, "lost")
		e.Check(err)
		if _, _, err := enter(e, l); !errors.Is(err, sallyport.ErrPasskeyWrong) {
			t.Errorf("after a reset (I25): %v", err)
		}
		if n := e.Query("SELECT count(*) FROM passkeys WHERE user_id = $1", mia.ID)[0][0]; n != "0" {
			t.Errorf("%s passkeys after a reset", n)
		}
	})
}

// TestI58_TheLastFactorOfAnyKind: a passkey and an app are second factors alike. The last one goes only with two-factor
// authentication itself, and not at all while that is required.
func TestI58_TheLastFactorOfAnyKind(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		mia := e.Add("mia@acme.example", sallyport.Member)
		_, b := withPasskey(e, mia)
		keys, err := e.OwnPasskeys(ctx, b.By())
		e.Check(err)
		e.Exec(`UPDATE policies SET require_2fa = 'everyone', version = version + 1`)
		if _, _, err := e.RemovePasskey(ctx, b.By(), keys[0].ID); !errors.Is(err, sallyport.ErrTwoFactorRequired) {
			t.Errorf("the last one, while it is required: %v", err)
		}
		e.Exec(`UPDATE policies SET require_2fa = 'optional', version = version + 1`)
		r, err := e.MayRemovePasskey(ctx, b.By(), keys[0].ID)
		if err != nil || !r.Last {
			t.Errorf("the last one: %+v, %v", r, err)
		}
		token, _, err := e.RemovePasskey(ctx, b.By(), keys[0].ID)
		e.Check(err)
		b.Keep(sallyport.SignInResult{Session: token})
		if u, _ := b.By().User(); u.TwoFactor || u.RecoveryLeft != 0 {
			t.Errorf("two-factor authentication %t, %d recovery codes", u.TwoFactor, u.RecoveryLeft)
		}
	})
}
