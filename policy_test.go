package sallyport_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

func TestTrustUntil(t *testing.T) {
	given := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(days int) time.Time { return given.AddDate(0, 0, days) }
	for what, c := range map[string]struct {
		lowered []sallyport.Lowering
		days    int // left of 30
	}{
		"never lowered":            {nil, 30},
		"lowered before":           {[]sallyport.Lowering{{At: at(-1), Days: 2}}, 30},
		"lowered in that moment":   {[]sallyport.Lowering{{At: at(0), Days: 7}}, 7},
		"lowered since":            {[]sallyport.Lowering{{At: at(3), Days: 7}}, 7},
		"switched off":             {[]sallyport.Lowering{{At: at(3), Days: 0}}, 0},
		"off, and on again":        {[]sallyport.Lowering{{At: at(3), Days: 0}, {At: at(5), Days: 20}}, 0},
		"lowered to more than had": {[]sallyport.Lowering{{At: at(3), Days: 60}}, 30},
	} {
		if got := (sallyport.Policy{Lowered: c.lowered}).TrustUntil(given, 30); !got.Equal(at(c.days)) {
			t.Errorf("%s: until %s", what, got)
		}
	}
}

func TestSavePolicy(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		owner := e.Owner
		b := e.Enrol(&owner, "Owner's")
		step := func() {
			e.Clock.Advance(time.Minute)
			token, err := e.StepUpCode(ctx, b.By(), owner.Code(e.Clock.Now()), sallyport.StrongFactor)
			e.Check(err)
			b.Session = token
		}
		step()
		good := b.By().Policy()
		for what, c := range map[string]struct {
			change func(*sallyport.Policy)
			field  string
		}{
			"unknown roles": {func(p *sallyport.Policy) { p.Require2FA.Of = "members" }, "require_2fa"},
			"in the far future": {func(p *sallyport.Policy) {
				p.Require2FA = sallyport.Requirement{Of: "everyone", From: e.Clock.Now().AddDate(6, 0, 0)}
			}, "required_from"},
			"minus one day":      {func(p *sallyport.Policy) { p.TrustedDeviceDays = -1 }, "trusted_device_days"},
			"91 days":            {func(p *sallyport.Policy) { p.TrustedDeviceDays = 91 }, "trusted_device_days"},
			"4 codes":            {func(p *sallyport.Policy) { p.RecoveryCodeCount = 4 }, "recovery_code_count"},
			"17 codes":           {func(p *sallyport.Policy) { p.RecoveryCodeCount = 17 }, "recovery_code_count"},
			"an unknown mode":    {func(p *sallyport.Policy) { p.RecoveryCodeMode = "never" }, "recovery_code_mode"},
			"an unknown way":     {func(p *sallyport.Policy) { p.InviteMethod = "pigeon" }, "invite_method"},
			"empty, all of them": {func(p *sallyport.Policy) { *p = sallyport.Policy{Version: p.Version} }, "require_2fa"},
		} {
			p := good
			c.change(&p)
			var outcome *sallyport.Error
			if err := e.SavePolicy(ctx, b.By(), p); !errors.As(err, &outcome) || outcome.Field != c.field || outcome.Kind != sallyport.Invalid {
				t.Errorf("%s: %v", what, err)
			}
		}
		p := good
		p.TrustedDeviceDays, p.RecoveryCodeCount, p.Lowered = 90, 16, []sallyport.Lowering{{At: e.Clock.Now(), Days: 1}}
		e.Check(e.SavePolicy(ctx, b.By(), p))
		if now := b.By().Policy(); now.Version != good.Version+1 || now.TrustedDeviceDays != 90 || now.RecoveryCodeCount != 16 || len(now.Lowered) != 0 {
			t.Errorf("saved %+v", now)
		}
		if err := e.SavePolicy(ctx, b.By(), p); !errors.Is(err, sallyport.ErrPolicyMoved) {
			t.Errorf("an old version: %v", err)
		}
		e.Clock.Advance(time.Second)
		p = b.By().Policy()
		p.TrustedDeviceDays = 7
		e.Check(e.SavePolicy(ctx, b.By(), p))
		if now := b.By().Policy(); len(now.Lowered) != 1 || now.Lowered[0].Days != 7 {
			t.Errorf("the lowering is not kept: %+v", now)
		}
		if all := e.Query("SELECT detail FROM events WHERE kind = 'policy.changed' ORDER BY id"); len(all) != 2 || all[1][0] != `{"trusted_device_days":"90 → 7"}` {
			t.Errorf("events: %v", all)
		}
		// From rolling to once: from then on no code is shown, although erasing their text is left to Run. After the
		// way back, only codes made since then are shown, both before and after the old ones are erased.
		sealed := "SELECT hash FROM recovery_codes WHERE code IS NOT NULL"
		all := len(e.Query(sealed))
		if all == 0 {
			t.Fatal("no code can be shown")
		}
		mode := func(mode string) {
			p = b.By().Policy()
			p.RecoveryCodeMode = mode
			e.Check(e.SavePolicy(ctx, b.By(), p))
		}
		shown := func(when string, want int) {
			set, err := e.RecoveryCodes(ctx, b.By())
			e.Check(err)
			if len(set.Codes) != want || set.Hidden != all-want {
				t.Errorf("%s: %d codes shown, %d hidden", when, len(set.Codes), set.Hidden)
			}
		}
		shown("rolling", all)
		mode(sallyport.RecoveryOnce)
		shown("once", 0)
		if n := len(e.Query(sealed)); n != all {
			t.Errorf("saving a policy erased codes at once: %d of %d are left", n, all)
		}
		mode(sallyport.RecoveryRolling)
		shown("rolling again", 0)
		token, err := e.StepUpCode(ctx, b.By(), owner.RecoveryCodes[1], sallyport.AnyFactor)
		e.Check(err)
		b.Session = token
		step()
		shown("with one that is new", 1)
		e.Check(e.EraseRecoveryCodes(ctx))
		shown("erased", 1)
		if n := len(e.Query(sealed)); n != 1 {
			t.Errorf("%d codes are kept", n)
		}
		mode(sallyport.RecoveryOnce)
		e.Check(e.EraseRecoveryCodes(ctx))
		if n := len(e.Query(sealed)) + len(e.Query("SELECT workspace_id FROM erasures")); n != 0 {
			t.Errorf("mode once: %d codes are kept, or some are not erased yet", n)
		}
		if _, err := e.StepUpCode(ctx, b.By(), owner.RecoveryCodes[0], sallyport.AnyFactor); err != nil {
			t.Errorf("an earlier code: %v", err)
		}
	})
}

// TestI22_PolicyTakesAFreshFactor: changing the policy needs a fresh second factor, and the right role.
func TestI22_PolicyTakesAFreshFactor(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		owner := e.Owner
		b := e.Enrol(&owner, "Owner's")
		save := func(by sallyport.Caller, whom string) error {
			p := by.Policy()
			p.Require2FA.Of = whom
			return e.SavePolicy(ctx, by, p)
		}
		e.Clock.Advance(sallyport.StepUpLimit)
		if err := save(b.By(), "everyone"); !errors.Is(err, sallyport.ErrStepUp) {
			t.Errorf("with an old code: %v", err)
		}
		if _, err := e.Decide(ctx, b.By(), b.By().Policy()); !errors.Is(err, sallyport.ErrStepUp) {
			t.Errorf("deciding with an old code: %v", err)
		}
		for _, role := range sallyport.Roles {
			p := e.Add(string(role)+"@acme.example", role)
			v := e.Arriving()
			result, err := e.SignIn(ctx, v.By(), p.Address, p.Password)
			e.Check(err)
			v.Keep(result)
			want := sallyport.ErrNotAllowed
			if role.May(sallyport.SetPolicy) {
				want = sallyport.ErrRaiserWithout
			}
			if err := save(v.By(), "admins"); !errors.Is(err, want) {
				t.Errorf("a %s without two-factor authentication requires it: %v", role, err)
			}
		}
		if err := save(e.Console(), "everyone"); !errors.Is(err, sallyport.ErrSignedOut) {
			t.Errorf("the console: %v", err)
		}
		if p := b.By().Policy(); p.Version != 1 || p.Require2FA.Of != sallyport.RequireOptional {
			t.Errorf("changed: %+v", p)
		}
	})
}
