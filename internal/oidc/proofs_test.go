package oidc_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

var challengeOf = regexp.MustCompile(`data-webauthn="([^"]*)"`)

// asked returns the options for a passkey that a page contains.
func asked(t *testing.T, p *Page) []byte {
	t.Helper()
	found := challengeOf.FindStringSubmatch(p.Body)
	if found == nil {
		t.Fatalf("%s asks for no passkey: %d %s", p.Target, p.Status, p.Location)
	}
	return []byte(html.UnescapeString(found[1]))
}

// keyed adds a person with a passkey that can leave its device, or cannot.
func keyed(t *testing.T, s *Site, name string, synced bool) (Person, *sallyporttest.Passkey) {
	t.Helper()
	p, v := person(s, name), s.Visitor()
	v.SignIn(p)
	key := sallyporttest.NewPasskey(s.URL, p.ID)
	key.Options.BackupEligible = synced
	answer := key.Create(t, asked(t, v.Get("/account/2fa/passkeys/new")))
	if p := v.Post("/account/2fa/passkeys/new", Fields{"credential": answer, "name": "Key"}); p.Status != http.StatusSeeOther {
		t.Fatalf("adding a passkey: %d %s", p.Status, p.Alert())
	}
	return p, key
}

// TestI16_HowPeopleHaveProvedThemselves: amr and acr say what happened in the session, whichever way in it was.
func TestI16_HowPeopleHaveProvedThemselves(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		s.Exec("UPDATE policies SET trusted_device_days = 30, approvals = 1, version = version + 1")
		bound, device := keyed(t, s, "bo", false)
		synced, cloud := keyed(t, s, "cy", true)
		ada := person(s, "ada")
		s.Visitor().Enrol(&ada, "Phone")
		atCode := func(p Person) *Visitor {
			v := s.Visitor()
			v.GivePassword(p)
			return v
		}
		for _, way := range []struct {
			name     string
			in       func() *Visitor
			acr, amr string
		}{
			{"password", func() *Visitor { v := s.Visitor(); v.SignIn(person(s, "pat")); return v }, "aal1", "pwd"},
			{"authenticator", func() *Visitor {
				v := atCode(ada)
				v.Post("/sign-in/2fa", Fields{"code": ada.Code(s.Clock.Now())})
				return v
			}, "aal2", "pwd otp mfa"},
			{"recovery code", func() *Visitor {
				v := atCode(ada)
				v.Post("/sign-in/2fa/recovery", Fields{"recovery_code": ada.RecoveryCodes[0]})
				return v
			}, "aal2", "pwd mfa"},
			{"trusted device", func() *Visitor {
				v := atCode(ada)
				v.Post("/sign-in/2fa", Fields{"code": ada.Code(s.Clock.Now()), "trust": "yes"})
				v.Post("/sign-out", nil)
				v.GivePassword(ada)
				return v
			}, "aal1", "pwd"},
			{"approval", func() *Visitor {
				other := atCode(ada)
				other.Post("/sign-in/2fa", Fields{"code": ada.Code(s.Clock.Now())})
				v := atCode(ada)
				v.Post("/sign-in/2fa/approve", Fields{})
				number := v.Get("/sign-in/2fa/approve").Data("data-number")
				f := other.Get("/account/approvals").Form("number")
				f.Values.Set("number", number)
				f.Values.Set("answer", "approve")
				other.PostValues(f.Action, f.Values)
				v.Get("/sign-in/2fa/approve")
				return v
			}, "aal2", "pwd mfa"},
			{"passkey alone", func() *Visitor {
				v := s.Visitor()
				v.Post("/sign-in", Fields{"credential": device.Sign(t, asked(t, v.Get("/sign-in")))})
				return v
			}, "phr", "hwk user mfa"},
			{"synced passkey alone", func() *Visitor {
				v := s.Visitor()
				v.Post("/sign-in", Fields{"credential": cloud.Sign(t, asked(t, v.Get("/sign-in")))})
				return v
			}, "phr", "swk user mfa"},
			{"password, then passkey", func() *Visitor {
				v := atCode(synced)
				v.Post("/sign-in/2fa", Fields{"credential": cloud.Sign(t, asked(t, v.Get("/sign-in/2fa")))})
				return v
			}, "phr", "pwd swk user mfa"},
			{"password, then a security key", func() *Visitor {
				device.Options.UserNotVerified = true
				v := atCode(bound)
				v.Post("/sign-in/2fa", Fields{"credential": device.Sign(t, asked(t, v.Get("/sign-in/2fa")))})
				return v
			}, "phr", "pwd hwk mfa"},
		} {
			s.Clock.Advance(time.Minute)
			v := way.in()
			if !v.SignedIn() {
				t.Fatalf("%s: not signed in: %d %s %s", way.name, v.Page.Status, v.Page.Target, v.Page.Alert())
			}
			tokens := c.tokens(v, map[string]string{"scope": "openid offline_access"})
			for when, token := range map[string]string{"": tokens.text("id_token"), ", refreshed": read(t, c.refresh(tokens.text("refresh_token"), "")).text("id_token")} {
				id := claims(t, token)
				var methods []string
				for _, m := range id["amr"].([]any) {
					methods = append(methods, m.(string))
				}
				if amr := strings.Join(methods, " "); id.text("acr") != way.acr || amr != way.amr {
					t.Errorf("%s%s: %s %q, want %s %q", way.name, when, id.text("acr"), amr, way.acr, way.amr)
				}
			}
			if a := read(t, c.call("/oauth2/introspect", url.Values{"token": {tokens.text("access_token")}})); a.text("acr") != way.acr {
				t.Errorf("%s: introspection says %v", way.name, a)
			}
		}
	})
}

// TestAChosenPasswordOnTheWay: whoever has a temporary password chooses another, and then arrives at the app.
func TestAChosenPasswordOnTheWay(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		ada := person(s, "ada")
		s.Exec("UPDATE users SET state = 'invited', temporary_ends = $1 WHERE id = $2", s.Clock.Now().Add(time.Hour).UnixMilli(), ada.ID)
		v := s.Visitor()
		c.ask(v, map[string]string{"prompt": "login"})
		f := arrive(v).Form("email")
		f.Values.Set("email", ada.Address)
		f.Values.Set("password", ada.Password)
		v.PostValues(f.Action, f.Values)
		if p := arrive(v); !strings.HasPrefix(p.Target, "/sign-in/password") {
			t.Fatalf("a temporary password leads to %s %s", p.Target, p.Location)
		}
		f = v.Page.Form("new_password")
		f.Values.Set("new_password", "another long enough passphrase 7")
		v.PostValues(f.Action, f.Values)
		if id := claims(t, c.redeem(arrive(v)).text("id_token")); id["sub"] != ada.ID {
			t.Errorf("the app gets %v", id)
		}
	})
}

// TestAPageThatWaitedTooLong: what was answered after the session had ended does not lose the request.
func TestAPageThatWaitedTooLong(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		for _, prompt := range []string{"consent", "select_account"} {
			s.Clock.Advance(time.Second)
			c.ask(v, map[string]string{"prompt": prompt})
			answer := arrive(v).Form("request")
			s.Exec("DELETE FROM sessions")
			answer.Values.Set("answer", "yes")
			v.PostValues(answer.Action, answer.Values)
			s.Clock.Advance(time.Second)
			f := arrive(v).Form("email")
			f.Values.Set("email", ada.Address)
			f.Values.Set("password", ada.Password)
			v.PostValues(f.Action, f.Values)
			p := arrive(v)
			if reply(p) == nil {
				answer = p.Form("request")
				answer.Values.Set("answer", "yes")
				v.PostValues(answer.Action, answer.Values)
				p = arrive(v)
			}
			if reply(p).Get("code") == "" {
				t.Errorf("%s: it ends at %d %s", prompt, p.Status, p.Target)
			}
		}
		device := register(s, "Television", func(a *sallyport.App) { a.Client.Public, a.Level, a.Fresh = true, sallyport.LevelPolicy, 5 })
		v.SignIn(ada)
		started := read(t, device.call("/oauth2/device_authorization", url.Values{}))
		s.Clock.Advance(6 * time.Minute)
		v.Post("/device", Fields{"user_code": started.text("user_code"), "answer": "allow"})
		f := arrive(v).Form("password")
		f.Values.Set("password", ada.Password)
		v.PostValues(f.Action, f.Values)
		if f := arrive(v).Form("user_code"); f.Values.Get("user_code") != started.text("user_code") {
			t.Errorf("after a step-up the page for a device does not know the code: %s %v", v.Page.Target, f.Values)
		}
		s.Exec("DELETE FROM sessions")
		v.Post("/device", Fields{"user_code": started.text("user_code"), "answer": "allow"})
		f = arrive(v).Form("email")
		f.Values.Set("email", ada.Address)
		f.Values.Set("password", ada.Password)
		v.PostValues(f.Action, f.Values)
		if f := arrive(v).Form("user_code"); f.Values.Get("user_code") != started.text("user_code") {
			t.Errorf("after the session has ended the page for a device does not know the code: %s %v", v.Page.Target, f.Values)
		}
	})
}

// TestSchemesOfApps: a native app gets its reply at an address with a scheme of its own.
func TestSchemesOfApps(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		const own = "com.example.wiki:/callback"
		c := register(s, "Wiki", func(a *sallyport.App) { a.Client.Public, a.Client.RedirectURIs = true, []string{own} })
		v := s.Visitor()
		v.SignIn(person(s, "ada"))
		p := c.ask(v, map[string]string{"redirect_uri": own})
		if !strings.HasPrefix(p.Location, own+"?code=") {
			t.Fatalf("%d %s", p.Status, p.Location)
		}
		u, _ := url.Parse(p.Location)
		if p := c.call("/oauth2/token", redeeming(u.Query().Get("code"), map[string]string{"redirect_uri": own})); p.Status != 200 {
			t.Errorf("%d %s", p.Status, p.Body)
		}
		c.ask(v, map[string]string{"redirect_uri": own, "response_mode": "form_post"})
		if p := v.Follow(); p.Form("code").Action != own || !strings.Contains(p.Header.Get("Content-Security-Policy"), "form-action 'self' com.example.wiki:;") {
			t.Errorf("by form: %s, %s", p.Form("code").Action, p.Header.Get("Content-Security-Policy"))
		}
		for _, uri := range []string{"com.example.wiki:/other", "com.example.wiki://callback", "com.example:/callback"} {
			if p := c.ask(v, map[string]string{"redirect_uri": uri}); p.Status != 400 || p.Location != "" {
				t.Errorf("%s: %d %s", uri, p.Status, p.Location)
			}
		}
	})
}
