package sallyport_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestI22_StepUpSaysWhatItNeeds: a verb that needs fresh proof says how strong it must be, and is content with exactly
// the proofs that are as strong.
func TestI22_StepUpSaysWhatItNeeds(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		owner := e.Owner
		e.Enrol(&owner, "Owner's")
		mia := e.Add("mia@acme.example", sallyport.Member)
		ran := func(err error) error {
			if errors.Is(err, sallyport.ErrPasswordShort) || errors.Is(err, sallyport.ErrTwoFactorRequired) {
				return nil
			}
			return err
		}
		for name, verb := range map[string]struct {
			do   func(sallyport.Caller) error
			want sallyport.Strength
		}{
			"add an authenticator": {func(by sallyport.Caller) error { _, _, err := e.MaySetUp(ctx, by); return err }, sallyport.StrongFactor},
			"change one":           {func(by sallyport.Caller) error { _, err := e.Replaceable(ctx, by); return err }, sallyport.AnyFactor},
			"disable":              {func(by sallyport.Caller) error { return ran(e.MayDisable(ctx, by)) }, sallyport.StrongFactor},
			"make recovery codes":  {func(by sallyport.Caller) error { return e.MayRegenerateRecoveryCodes(ctx, by) }, sallyport.StrongFactor},
			"see recovery codes":   {func(by sallyport.Caller) error { _, err := e.RecoveryCodes(ctx, by); return err }, sallyport.StrongFactor},
			"change the password":  {func(by sallyport.Caller) error { return e.MayChangePassword(by) }, sallyport.AnyFactor},
			"change the address":   {func(by sallyport.Caller) error { return e.MayChangeEmail(by) }, sallyport.AnyFactor},
			"change a role": {func(by sallyport.Caller) error {
				return e.ChangeRole(ctx, by, mia.ID, sallyport.Member)
			}, sallyport.StrongFactor},
			"create a password link": {func(by sallyport.Caller) error {
				_, err := e.MakePasswordLink(ctx, by, mia.ID)
				return err
			}, sallyport.StrongFactor},
		} {
			b := signedIn(e, owner)
			e.Clock.Advance(sallyport.StepUpLimit + 1)
			err := verb.do(b.By())
			var refused *sallyport.Error
			if !errors.As(err, &refused) || !errors.Is(err, sallyport.ErrStepUp) || refused.Proof != verb.want {
				t.Errorf("%s: %v, which needs %v, want %v", name, err, refused, verb.want)
				continue
			}
			token, err := e.StepUpCode(ctx, b.By(), owner.RecoveryCodes[0], sallyport.AnyFactor)
			e.Check(err)
			b.Keep(sallyport.SignInResult{Session: token})
			owner.RecoveryCodes = owner.RecoveryCodes[1:]
			if err := verb.do(b.By()); (err == nil) != (verb.want == sallyport.AnyFactor) {
				t.Errorf("%s: after a recovery code: %v", name, err)
			}
			e.Clock.Advance(sallyport.StepUpLimit + 1)
			if _, err := e.StepUpCode(ctx, b.By(), owner.RecoveryCodes[0], sallyport.StrongFactor); !errors.Is(err, sallyport.ErrCodeWanted) {
				t.Errorf("%s: a recovery code where a stronger proof is needed: %v", name, err)
			}
			token, err = e.StepUpCode(ctx, b.By(), owner.Code(e.Clock.Now()), verb.want)
			e.Check(err)
			b.Keep(sallyport.SignInResult{Session: token})
			if err := verb.do(b.By()); err != nil {
				t.Errorf("%s: after a code: %v", name, err)
			}
			if len(owner.RecoveryCodes) < 2 {
				codes, err := e.RegenerateRecoveryCodes(ctx, b.By())
				e.Check(err)
				owner.RecoveryCodes = nil
				for _, c := range codes.RecoveryCodes {
					owner.RecoveryCodes = append(owner.RecoveryCodes, c.Reveal())
				}
			}
		}
	})
}
