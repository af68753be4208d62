package sallyport_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

func TestOwes(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	everyone := func(from time.Time) sallyport.Requirement {
		return sallyport.Requirement{Of: sallyport.RequireEveryone, From: from, Until: sallyport.Interim{Of: sallyport.RequireOptional, Admins: 2, Others: 2}}
	}
	admins := sallyport.Requirement{Of: sallyport.RequireAdmins}
	optional := sallyport.Requirement{Of: sallyport.RequireOptional}
	proofs := func(methods ...sallyport.Method) (p sallyport.Proofs) {
		for _, m := range methods {
			p = p.With(m, now)
		}
		return p
	}
	code, key := proofs(sallyport.ByPassword, sallyport.ByAuthenticator), proofs(sallyport.ByPasskey)
	recovery, trusted := proofs(sallyport.ByPassword, sallyport.ByRecoveryCode), proofs(sallyport.ByPassword, sallyport.ByTrustedDevice)
	member := sallyport.User{Role: sallyport.Member, JoinedUnder: 1}
	with := sallyport.User{Role: sallyport.Member, JoinedUnder: 1, TwoFactor: true}
	keyed := sallyport.User{Role: sallyport.Member, JoinedUnder: 1, TwoFactor: true, HasPasskey: true}
	admin := sallyport.User{Role: sallyport.Admin, JoinedUnder: 1, TwoFactor: true}
	reset := sallyport.User{Role: sallyport.Member, JoinedUnder: 1, MustSetUp: true}
	joined := sallyport.User{Role: sallyport.Member, JoinedUnder: 2, TwoFactor: true}
	for what, c := range map[string]struct {
		required, passkey sallyport.Requirement
		u                 sallyport.User
		proofs            sallyport.Proofs
		want              sallyport.Owed
	}{
		"optional":                         {optional, optional, member, proofs(sallyport.ByPassword), sallyport.OwesNothing},
		"two-factor, without":              {everyone(time.Time{}), optional, member, proofs(sallyport.ByPassword), sallyport.OwesFactor},
		"two-factor, with":                 {everyone(time.Time{}), optional, with, code, sallyport.OwesNothing},
		"reset, optional":                  {optional, optional, reset, proofs(sallyport.ByPassword), sallyport.OwesFactor},
		"reset, a passkey is required":     {optional, everyone(time.Time{}), reset, proofs(sallyport.ByPassword), sallyport.OwesPasskey},
		"passkey, without anything":        {optional, everyone(time.Time{}), member, proofs(sallyport.ByPassword), sallyport.OwesPasskey},
		"passkey, a code":                  {optional, everyone(time.Time{}), with, code, sallyport.OwesPasskey},
		"passkey, a code although has one": {optional, everyone(time.Time{}), keyed, code, sallyport.OwesPasskey},
		"passkey, a recovery code":         {optional, everyone(time.Time{}), keyed, recovery, sallyport.OwesPasskey},
		"passkey, a trusted device":        {optional, everyone(time.Time{}), keyed, trusted, sallyport.OwesPasskey},
		"passkey, used":                    {optional, everyone(time.Time{}), keyed, key, sallyport.OwesNothing},
		"passkey, used after a code":       {optional, everyone(time.Time{}), keyed, code.With(sallyport.ByPasskey, now), sallyport.OwesNothing},
		"of admins, a member":              {optional, admins, with, code, sallyport.OwesNothing},
		"of admins, an admin":              {optional, admins, admin, code, sallyport.OwesPasskey},
		"a day to come":                    {optional, everyone(now.AddDate(0, 0, 1)), with, code, sallyport.OwesNothing},
		"a day to come, joined since":      {optional, everyone(now.AddDate(0, 0, 1)), joined, code, sallyport.OwesPasskey},
		"the day has come":                 {optional, everyone(now), with, code, sallyport.OwesPasskey},
		"both, without anything":           {everyone(time.Time{}), everyone(time.Time{}), member, proofs(sallyport.ByPassword), sallyport.OwesPasskey},
		"both, a passkey to come":          {everyone(time.Time{}), everyone(now.AddDate(0, 0, 1)), member, proofs(sallyport.ByPassword), sallyport.OwesFactor},
	} {
		p := sallyport.Policy{Require2FA: c.required, PhishingResistant: c.passkey}
		if got := p.Owes(c.u, c.proofs, now); got != c.want {
			t.Errorf("%s: %d, want %d", what, got, c.want)
		}
		if why := p.Reason(c.u, c.proofs, now); (why.By == "") != (c.want == sallyport.OwesNothing) || why.Passkey != (c.want == sallyport.OwesPasskey) {
			t.Errorf("%s: the reason is %+v", what, why)
		}
	}
}

// TestI18_APasskeyIsRequired: codes let people in to add a passkey, and to do nothing else, also in sessions that were
// open before.
func TestI18_APasskeyIsRequired(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		mia, ben := e.Add("mia@acme.example", sallyport.Member), e.Add("ben@acme.example", sallyport.Member)
		before := e.Enrol(&mia, "Pixel")
		key, bens := withPasskey(e, ben)
		e.Exec(`UPDATE policies SET phishing_resistant = 'everyone'`)

		for what, by := range map[string]*sallyporttest.Client{"an open session": before, "a code": signedIn(e, mia)} {
			for name, verb := range map[string]func() error{
				"reading":           func() error { _, err := e.OwnAuthenticators(ctx, by.By()); return err },
				"adding an app":     func() error { return e.StartSetUp(ctx, by.By(), "Tablet", "") },
				"changing an app":   func() error { return e.StartChange(ctx, by.By(), "Tablet", "") },
				"disabling":         func() error { return e.MayDisable(ctx, by.By()) },
				"changing the name": func() error { return e.MayChangePassword(by.By()) },
			} {
				if err := verb(); !errors.Is(err, sallyport.ErrSetUpRequired) {
					t.Errorf("%s, %s: %v", what, name, err)
				}
			}
			if _, err := e.NewPasskey(ctx, by.By()); err != nil {
				t.Errorf("%s, adding a passkey: %v", what, err)
			}
		}
		c, mias := signedIn(e, mia), sallyporttest.NewPasskey(e.URL, mia.ID)
		set, err := e.NewPasskey(ctx, c.By())
		e.Check(err)
		added, err := e.AddPasskey(ctx, c.By(), "Laptop", "", mias.Create(t, set.Options))
		e.Check(err)
		c.Keep(added)
		keys, err := e.OwnPasskeys(ctx, c.By())
		if err != nil || len(keys) != 1 {
			t.Fatalf("once it is added, the session is not complete: %v", err)
		}
		if _, _, err := e.RemovePasskey(ctx, c.By(), keys[0].ID); !errors.Is(err, sallyport.ErrPasskeyNeeded) {
			t.Errorf("removing the only passkey: %v", err)
		}
		// A code is a proof only for adding another passkey.
		e.Clock.Advance(sallyport.StepUpLimit + time.Minute)
		if _, err := e.StepUpCode(ctx, c.By(), mia.Code(e.Clock.Now()), sallyport.PhishingResistant); !errors.Is(err, sallyport.ErrPasskeyWanted) {
			t.Errorf("a code where a passkey is needed: %v", err)
		}
		token, err := e.StepUpCode(ctx, c.By(), mia.Code(e.Clock.Now()), sallyport.StrongFactor)
		e.Check(err)
		c.Keep(sallyport.SignInResult{Session: token})
		var outcome *sallyport.Error
		if err := e.MayChangePassword(c.By()); !errors.As(err, &outcome) || outcome.Proof != sallyport.PhishingResistant {
			t.Errorf("changing the password after a code: %v", err)
		}
		if _, err := e.NewPasskey(ctx, c.By()); err != nil {
			t.Errorf("adding another passkey after a code: %v", err)
		}
		if _, err := e.OwnPasskeys(ctx, bens.By()); err != nil {
			t.Errorf("a session with a passkey: %v", err)
		}
		if b, in, err := enter(e, key); err != nil || in.Session == "" {
			t.Errorf("signing in with a passkey: %v", err)
		} else if b.Keep(in); b.By().Policy().Owes(mustUser(b), mustSession(b).Proofs, e.Clock.Now()) != sallyport.OwesNothing {
			t.Error("after signing in with a passkey, something is owed")
		}
	})
}

func mustUser(c *sallyporttest.Client) sallyport.User { u, _ := c.By().User(); return u }

func mustSession(c *sallyporttest.Client) sallyport.Session { s, _ := c.By().Session(); return s }

// TestTrustReplacesNoPasskey: where a passkey is required, a trusted device is not enough, and no browser is trusted.
func TestTrustReplacesNoPasskey(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		mia := e.Add("mia@acme.example", sallyport.Member)
		key, _ := withPasskey(e, mia)
		e.Exec(`UPDATE policies SET trusted_device_days = 14`)
		c := e.Arriving()
		sign := func(trust bool) sallyport.SignInResult {
			in, err := e.SignIn(ctx, c.By(), mia.Address, mia.Password)
			e.Check(err)
			c.Keep(in)
			if in.Step != sallyport.StepCode {
				return in
			}
			ch, err := e.Challenge(ctx, c.By())
			e.Check(err)
			in, err = e.AnswerPasskey(ctx, c.By(), key.Sign(t, ch.Options), trust)
			e.Check(err)
			c.Keep(in)
			return in
		}
		if in := sign(true); in.Trust == "" {
			t.Fatal("no trust is given while passkeys are optional")
		}
		in, err := e.SignIn(ctx, c.By(), mia.Address, mia.Password)
		if err != nil || in.Step != sallyport.StepDone {
			t.Fatalf("the trust is not used: %s, %v", in.Step, err)
		}
		c.Keep(in)
		e.Exec(`UPDATE policies SET phishing_resistant = 'everyone'`)
		in, err = e.SignIn(ctx, c.By(), mia.Address, mia.Password)
		if err != nil || in.Step != sallyport.StepCode {
			t.Errorf("a trusted device where a passkey is required: %s, %v", in.Step, err)
		}
		c.Keep(in)
		if ch, err := e.Challenge(ctx, c.By()); err != nil || ch.TrustDays != 0 {
			t.Errorf("trust for %d days is offered: %v", ch.TrustDays, err)
		}
		if in := sign(true); in.Trust != "" {
			t.Error("trust is given where a passkey is required")
		}
	})
}

// TestRaiserHasAPasskey: who requires a passkey of others has one.
func TestRaiserHasAPasskey(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		owner := e.Owner
		b := e.Enrol(&owner, "Owner's")
		e.Add("mia@acme.example", sallyport.Member)
		wanted := b.By().Policy()
		wanted.PhishingResistant.Of = sallyport.RequireEveryone
		if err := e.SavePolicy(ctx, b.By(), wanted); !errors.Is(err, sallyport.ErrRaiserNoKey) {
			t.Errorf("without a passkey: %v", err)
		}
		set, err := e.NewPasskey(ctx, b.By())
		e.Check(err)
		key := sallyporttest.NewPasskey(e.URL, owner.ID)
		added, err := e.AddPasskey(ctx, b.By(), "", "", key.Create(t, set.Options))
		e.Check(err)
		b.Keep(added)
		d, err := e.Decide(ctx, b.By(), wanted)
		e.Check(err)
		if len(d.Hit) != 0 || len(d.HitPasskey) != len(sallyport.Roles) {
			t.Fatalf("decided %+v", d)
		}
		for _, c := range d.HitPasskey {
			if c.Role == sallyport.Owner && (c.People != 1 || c.WithoutPasskey != 0) || c.Role == sallyport.Member && (c.People != 1 || c.WithoutPasskey != 1) {
				t.Errorf("%+v", c)
			}
		}
		e.Check(e.SavePolicy(ctx, b.By(), wanted))
		if p := b.By().Policy(); p.PhishingResistant.Of != sallyport.RequireEveryone || p.PhishingResistant.Since.Others.IsZero() {
			t.Errorf("saved %+v", p.PhishingResistant)
		}
		later := b.By().Policy()
		later.PhishingResistant = sallyport.Requirement{Of: sallyport.RequireAdmins, From: e.Clock.Now().AddDate(0, 0, 7)}
		e.Check(e.SavePolicy(ctx, b.By(), later))
		p := b.By().Policy()
		if u := (sallyport.User{Role: sallyport.Member}); !p.NeedsPasskey(u, e.Clock.Now()) || p.NeedsPasskey(u, e.Clock.Now().AddDate(0, 0, 8)) {
			t.Errorf("a later day lifts it at once, or never: %+v", p.PhishingResistant)
		}
	})
}

// TestResetUnderARequiredPasskey: a person who was reset gets in with the password and the set-up code, to add a passkey.
func TestResetUnderARequiredPasskey(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		owner := e.Owner
		admin := e.Enrol(&owner, "Owner's")
		mia := e.Add("mia@acme.example", sallyport.Member)
		withPasskey(e, mia)
		code, err := e.ResetTwoFactor(ctx, admin.By(), mia.ID, "lost")
		e.Check(err)
		e.Exec(`UPDATE policies SET phishing_resistant = 'everyone'`)
		c := e.Arriving()
		in, err := e.SignIn(ctx, c.By(), mia.Address, mia.Password)
		if err != nil || in.Step != sallyport.StepSetUp {
			t.Fatalf("%s, %v", in.Step, err)
		}
		c.Keep(in)
		by := func() sallyport.Caller { return c.By().InSignIn() }
		if err := e.StartSetUp(ctx, by(), "Pixel", code.Code.Reveal()); !errors.Is(err, sallyport.ErrSetUpRequired) {
			t.Errorf("an app: %v", err)
		}
		set, err := e.NewPasskey(ctx, by())
		if err != nil || !set.SetUpCode || !set.Why.Passkey || set.Why.By != sallyport.ByReset {
			t.Fatalf("%+v, %v", set, err)
		}
		key := sallyporttest.NewPasskey(e.URL, mia.ID)
		in, err = e.AddPasskey(ctx, by(), "", code.Code.Reveal(), key.Create(t, set.Options))
		e.Check(err)
		c.Keep(in)
		in, err = e.SaveRecoveryCodes(ctx, by())
		if err != nil || in.Step != sallyport.StepDone {
			t.Errorf("%s, %v", in.Step, err)
		}
	})
}
