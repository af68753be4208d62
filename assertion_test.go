package sallyport_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/jose"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestWhatAppsAreTold: amr, acr and auth_time for every combination of proofs. Each says no more than was proved.
func TestWhatAppsAreTold(t *testing.T) {
	at := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	kinds := []sallyport.Proof{
		{Method: sallyport.ByPassword, At: at},
		{Method: sallyport.ByTrustedDevice, At: at.Add(time.Hour)}, // it is not a proof of the person
		{Method: sallyport.BySetUpCode, At: at},
		{Method: sallyport.ByAuthenticator, At: at.Add(2 * time.Minute)},
		{Method: sallyport.ByRecoveryCode, At: at.Add(time.Minute)},
		{Method: sallyport.ByApproval, At: at.Add(3 * time.Minute)},
		{Method: sallyport.ByPasskey, At: at.Add(4 * time.Minute)},
		{Method: sallyport.ByPasskey, At: at.Add(4 * time.Minute), Key: sallyport.KeyUse{Bound: true}},
		{Method: sallyport.ByPasskey, At: at.Add(4 * time.Minute), Key: sallyport.KeyUse{Verified: true}},
		{Method: sallyport.ByPasskey, At: at.Add(4 * time.Minute), Key: sallyport.KeyUse{Bound: true, Verified: true}},
	}
	for chosen := range 1 << len(kinds) {
		if keys := chosen >> 6; keys&(keys-1) != 0 {
			continue // two passkeys
		}
		var p sallyport.Proofs
		var last time.Time
		for i, kind := range kinds {
			if chosen&(1<<i) == 0 {
				continue
			}
			p = append(p, kind)
			if kind.Method != sallyport.ByTrustedDevice && kind.At.After(last) {
				last = kind.At
			}
		}
		if got := sallyport.ParseProofs(p.String()); !slices.Equal(localTimes(got), localTimes(p)) {
			t.Errorf("%s is read as %v", p, got)
		}
		amr, acr := told(p)
		if got := strings.Join(sallyport.AMR(p), " "); got != amr {
			t.Errorf("%s: amr %q, not %q", p, got, amr)
		}
		if got := sallyport.ACR(p); got != acr {
			t.Errorf("%s: acr %q, not %q", p, got, acr)
		}
		if got := sallyport.AuthTime(p); !got.Equal(last) {
			t.Errorf("%s: auth_time %s, not %s", p, got, last)
		}
	}
	for proofs, want := range map[string]string{
		"": "", "password": "pwd, aal1", "password trusted_device": "pwd, aal1", "password authenticator": "pwd otp mfa, aal2",
		"password trusted_device authenticator": "pwd otp mfa, aal2", "password recovery_code": "pwd mfa, aal2", "password approval": "pwd mfa, aal2",
		"password set_up_code": "pwd, aal1", "password set_up_code authenticator": "pwd otp mfa, aal2",
		"passkey+bound+verified": "hwk user mfa, phr", "passkey+verified": "swk user mfa, phr", "passkey+bound": "hwk user mfa, phr",
		"password passkey+bound": "pwd hwk mfa, phr", "password passkey+bound+verified": "pwd hwk user mfa, phr",
		"password passkey": "pwd swk mfa, phr", "password passkey+verified": "pwd swk user mfa, phr",
		"password authenticator passkey+bound": "pwd otp hwk mfa, phr", "passkey+verified recovery_code": "swk user mfa, phr",
	} {
		var stored []string
		for _, method := range strings.Fields(proofs) {
			stored = append(stored, fmt.Sprintf("%s@%d", method, at.UnixMilli()))
		}
		p := sallyport.ParseProofs(strings.Join(stored, " "))
		got := strings.Join(sallyport.AMR(p), " ")
		if acr := sallyport.ACR(p); acr != "" {
			got += ", " + acr
		}
		if got != want {
			t.Errorf("%s: %s, not %s", proofs, got, want)
		}
	}
}

// localTimes returns proofs whose times can be compared.
func localTimes(p sallyport.Proofs) (all []string) {
	for _, x := range p {
		all = append(all, fmt.Sprint(x.Method, x.At.UnixMilli(), x.Key))
	}
	return all
}

// told says the same as the rules, in the words of the standard's table.
func told(p sallyport.Proofs) (amr, acr string) {
	words := map[string]bool{}
	for _, x := range p {
		switch x.Method {
		case sallyport.ByPassword:
			words["pwd"] = true
		case sallyport.ByAuthenticator:
			words["otp"], words["mfa"] = true, true
		case sallyport.ByRecoveryCode, sallyport.ByApproval:
			words["mfa"] = true
		case sallyport.ByPasskey:
			words["mfa"] = true
			words["hwk"], words["swk"] = x.Key.Bound, !x.Key.Bound
			words["user"] = x.Key.Verified || !p.Has(sallyport.ByPassword)
		}
	}
	var all []string
	for _, word := range []string{"pwd", "otp", "hwk", "swk", "user", "mfa"} {
		if words[word] {
			all = append(all, word)
		}
	}
	switch {
	case words["hwk"] || words["swk"]:
		acr = "phr"
	case words["mfa"]:
		acr = "aal2"
	case words["pwd"]:
		acr = "aal1"
	}
	return strings.Join(all, " "), acr
}

// TestProofOfPasskey: a session remembers what the authenticator said about its key and about its user, each time.
func TestProofOfPasskey(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		is := func(when string, c *sallyporttest.Client, want string) {
			t.Helper()
			ses, ok := c.By().Session()
			if got := strings.Join(sallyport.AMR(ses.Proofs), " "); !ok || got != want || sallyport.ACR(ses.Proofs) != "phr" {
				t.Errorf("%s: %q (%s), not %q", when, got, ses.Proofs, want)
			}
		}
		for i, test := range []struct {
			name       string
			options    virtualwebauthn.AuthenticatorOptions
			with, lone string // amr after the password, and without it; empty: it cannot replace the password
		}{
			{"a laptop", virtualwebauthn.AuthenticatorOptions{}, "pwd hwk user mfa", "hwk user mfa"},
			{"a synced key", virtualwebauthn.AuthenticatorOptions{BackupEligible: true, BackupState: true}, "pwd swk user mfa", "swk user mfa"},
			{"a security key", virtualwebauthn.AuthenticatorOptions{UserNotVerified: true}, "pwd hwk mfa", ""},
		} {
			p := e.Add(fmt.Sprintf("p%d@acme.example", i), sallyport.Member)
			key := sallyporttest.NewPasskey(e.URL, p.ID)
			test.options.UserHandle = []byte(p.ID)
			key.Authenticator = virtualwebauthn.NewAuthenticatorWithOptions(test.options)

			c := e.Arriving()
			in, err := e.SignIn(ctx, c.By(), p.Address, p.Password)
			e.Check(err)
			c.Keep(in)
			set, err := e.NewPasskey(ctx, c.By())
			e.Check(err)
			in, err = e.AddPasskey(ctx, c.By(), "Key", "", key.Create(t, set.Options))
			e.Check(err)
			c.Keep(in)
			is(test.name+", added", c, test.with)

			c = e.Arriving()
			in, err = e.SignIn(ctx, c.By(), p.Address, p.Password)
			e.Check(err)
			c.Keep(in)
			asked, err := e.Challenge(ctx, c.By())
			e.Check(err)
			in, err = e.AnswerPasskey(ctx, c.By(), key.Sign(t, asked.Options), false)
			e.Check(err)
			c.Keep(in)
			is(test.name+", after the password", c, test.with)

			if test.lone != "" {
				c, in, err = enter(e, key)
				e.Check(err)
				c.Keep(in)
				is(test.name+", alone", c, test.lone)
				test.with = test.lone
			}
			ses, _ := c.By().Session()
			before := sallyport.AuthTime(ses.Proofs)
			e.Clock.Advance(time.Minute)
			have, err := e.StepUp(ctx, c.By())
			e.Check(err)
			token, err := e.StepUpPasskey(ctx, c.By(), key.Sign(t, have.Options))
			e.Check(err)
			c.Session = token
			is(test.name+", stepped up", c, test.with)
			ses, _ = c.By().Session()
			if got := sallyport.AuthTime(ses.Proofs); got.Sub(before) != time.Minute {
				t.Errorf("%s: the step-up moved auth_time by %s", test.name, got.Sub(before))
			}
		}
	})
}

// TestAssertion: what an app behind a proxy is told, and for how long the same token is used again.
func TestAssertion(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		w, now := e.Console().Workspace(), e.Clock.Now()
		proofs := sallyport.Proofs{{Method: sallyport.ByPassword, At: now.Add(-time.Hour)}, {Method: sallyport.ByAuthenticator, At: now.Add(-time.Minute)}}
		mia := sallyport.User{ID: "usr_mia", Address: "mia@acme.example", Name: "Mía"}
		about := func(change func(*sallyport.Asserted)) sallyport.Asserted {
			a := sallyport.NewAsserted("https://acme.example", "https://wiki.example", mia, []string{"a", "b"}, proofs, "ses_1")
			if change != nil {
				change(&a)
			}
			return a
		}
		get := func(a sallyport.Asserted) string {
			t.Helper()
			token, err := e.Assertion(ctx, w, a)
			e.Check(err)
			return token
		}
		first := get(about(nil))
		claims, err := e.VerifyOwn(ctx, w, first, false)
		e.Check(err)
		want := fmt.Sprintf(`{"iss":"https://acme.example","aud":"https://wiki.example","sub":"usr_mia","email":"mia@acme.example","name":"Mía","groups":["a","b"],`+
			`"auth_time":%d,"amr":["pwd","otp","mfa"],"acr":"aal2","sid":"ses_1","iat":%d,"exp":%d}`, now.Unix()-60, now.Unix(), now.Unix()+60)
		if string(claims) != want {
			t.Errorf("%s, not %s", claims, want)
		}
		if _, err := kid(e, e.Service, first); err != nil || !strings.Contains(string(decodeHead(e, first)), `"alg":"ES256"`) {
			t.Errorf("%s: %v", decodeHead(e, first), err)
		}
		for name, a := range map[string]sallyport.Asserted{
			"another app":      about(func(a *sallyport.Asserted) { a.Audience = "https://mail.example" }),
			"another person":   about(func(a *sallyport.Asserted) { a.Subject = "usr_ben" }),
			"another address":  about(func(a *sallyport.Asserted) { a.Email = "mia@new.example" }),
			"another group":    about(func(a *sallyport.Asserted) { a.Groups = []string{"a"} }),
			"another session":  about(func(a *sallyport.Asserted) { a.Session = "ses_2" }),
			"a step-up":        about(func(a *sallyport.Asserted) { a.AuthTime++ }),
			"a stronger proof": about(func(a *sallyport.Asserted) { a.Class = "phr" }),
		} {
			if get(a) == first {
				t.Errorf("%s: the same token", name)
			}
		}
		if get(about(nil)) != first {
			t.Error("another token for the same")
		}
		e.Clock.Advance(29 * time.Second)
		if get(about(nil)) != first {
			t.Error("another token after 29 seconds")
		}
		e.Clock.Advance(time.Second)
		second := get(about(nil))
		if second == first {
			t.Error("the same token after 30 seconds")
		}
		e.Clock.Advance(-time.Hour)
		if get(about(nil)) == second {
			t.Error("a token from the future")
		}
		program := sallyport.NewAsserted("https://acme.example", "https://wiki.example", mia, nil, nil, "")
		claims, err = e.VerifyOwn(ctx, w, get(program), false)
		e.Check(err)
		if s := string(claims); !strings.Contains(s, `"groups":[],"amr":[],"iat"`) {
			t.Errorf("a program: %s", s)
		}
		if _, err := e.Assertion(ctx, sallyport.Workspace{ID: "wsp_none"}, program); err == nil {
			t.Error("another workspace gets this one's token, or a key without being one")
		}
	})
}

func decodeHead(e *sallyporttest.Env, token string) []byte {
	head, _, _ := strings.Cut(token, ".")
	b, err := base64.RawURLEncoding.DecodeString(head)
	e.Check(err)
	return b
}

// TestAssertionsAreBounded: however many people there are, a node keeps two generations of assertions.
func TestAssertionsAreBounded(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	ctx := context.Background()
	w := e.Console().Workspace()
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			for i := range sallyport.MaxAssertion {
				a := sallyport.NewAsserted("i", "a", sallyport.User{ID: fmt.Sprint(part, " ", i%(sallyport.MaxAssertion-part))}, nil, nil, "")
				token, err := e.Assertion(ctx, w, a)
				e.Check(err)
				var claims struct{ Sub string }
				payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
				e.Check(err)
				e.Check(json.Unmarshal(payload, &claims))
				if claims.Sub != a.Subject {
					t.Errorf("%s gets the token of %s", a.Subject, claims.Sub)
				}
			}
		})
	}
	all.Wait()
	if n := e.KeptAssertions(); n > 2*sallyport.MaxAssertion || n < sallyport.MaxAssertion {
		t.Errorf("%d assertions are kept", n)
	}
}

func BenchmarkAssertion(b *testing.B) {
	e := sallyporttest.New(b, "sqlite")
	ctx := context.Background()
	w := e.Console().Workspace()
	a := sallyport.NewAsserted("https://acme.example", "https://wiki.example", e.Owner.User, []string{"a", "b"}, nil, "ses_1")
	for _, reuse := range []bool{true, false} {
		b.Run(fmt.Sprint("reuse ", reuse), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !reuse {
					a.AuthTime++
				}
				if _, err := e.Assertion(ctx, w, a); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("signed with RS256", func(b *testing.B) {
		for b.Loop() {
			if _, err := e.Sign(ctx, w, jose.RS256, jose.JWT, a); err != nil {
				b.Fatal(err)
			}
		}
	})
}
