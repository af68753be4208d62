package proxyauth_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// refusals returns how many refusals the audit log has of the app and the person.
func (w *world) refusals(p *sallyporttest.Person) int {
	return len(w.Query(`SELECT id FROM events WHERE kind = 'app.refused' AND result = 'refused' AND app = $1 AND subject = $2`, w.app.ID, p.ID))
}

// TestI52_RefusalsAreRecorded: whoever the app knows and is refused is in the audit log, once in a while.
func TestI52_RefusalsAreRecorded(t *testing.T) {
	ctx := context.Background()
	for name, test := range map[string]struct {
		change func(*sallyport.App)
		refuse func(w *world, b *browser, token sallyport.Secret) (status int)
	}{
		"a rule denies": {nil, func(_ *world, b *browser, _ sallyport.Secret) int {
			return b.ask("GET", "/closed", nil).Status
		}},
		"a rule denies a token": {nil, func(_ *world, b *browser, token sallyport.Secret) int {
			return b.ask("GET", "/closed", http.Header{"Authorization": {"Bearer " + token.Reveal()}}).Status
		}},
		"a token is too weak": {nil, func(_ *world, b *browser, token sallyport.Secret) int {
			return b.ask("GET", "/admin", http.Header{"Authorization": {"Bearer " + token.Reveal()}}).Status
		}},
		"the app is closed to a token": {nil, func(w *world, b *browser, token sallyport.Secret) int {
			w.Exec(`UPDATE apps SET access = 'groups'`)
			return b.ask("GET", "/docs", http.Header{"Authorization": {"Bearer " + token.Reveal()}}).Status
		}},
		"a token has expired": {nil, func(w *world, b *browser, token sallyport.Secret) int {
			w.Exec(`UPDATE app_tokens SET expires_at = created_at + 1`)
			return b.ask("GET", "/docs", http.Header{"Authorization": {"Bearer " + token.Reveal()}}).Status
		}},
		"a token after a disabled app": {nil, func(w *world, b *browser, token sallyport.Secret) int {
			w.Check(w.DisableApp(ctx, w.Console(), w.app.ID))
			w.Check(w.EnableApp(ctx, w.Console(), w.app.ID))
			return b.ask("GET", "/docs", http.Header{"Authorization": {"Bearer " + token.Reveal()}}).Status
		}},
	} {
		t.Run(name, func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				w := newWorld(t, e, func(a *sallyport.App) {
					a.Proxy.Tokens = true
					a.Proxy.Rules = []string{"/admin = two_factor", "/closed = deny"}
				})
				p := e.Add("ada@acme.example", sallyport.Member)
				client := w.Enrol(&p, "Phone")
				token, err := e.CreateToken(ctx, client.By(), "Backup", w.app.ID, e.Clock.Now().AddDate(0, 1, 0))
				e.Check(err)
				b := w.browser("forward-auth")
				e.Clock.Advance(time.Minute)
				b.signIn("/docs", &p)
				for range 3 {
					if status := test.refuse(w, b, token); status != 403 && status != 401 {
						t.Errorf("the answer is %d", status)
					}
				}
				if n := w.refusals(&p); n != 1 {
					t.Errorf("the audit log has %d refusals", n)
				}
				e.Clock.Advance(sallyport.StepUpLimit * 2)
				if test.refuse(w, b, token); w.refusals(&p) != 2 {
					t.Errorf("ten minutes later it has %d", w.refusals(&p))
				}
			})
		})
	}
}

// TestI52_TicketsThatAreRefused: a ticket that is used where it does not belong is in the audit log.
func TestI52_TicketsThatAreRefused(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, func(a *sallyport.App) { a.Proxy.Hosts = []string{wiki, "https://other.example.com"} })
		p := w.enrolled("ada@acme.example")
		b := w.browser("forward-auth")
		callback := b.enter("/docs", p)
		b.origin = "https://other.example.com"
		if status, _ := b.page(callback); status != 403 || w.refusals(p) != 1 {
			t.Errorf("on another host: %d, and the audit log has %d refusals", status, w.refusals(p))
		}
		b.origin = wiki
		for range 3 {
			if status, _ := b.page(callback); status != 403 || w.refusals(p) != 1 {
				t.Errorf("again: %d, and the audit log has %d refusals", status, w.refusals(p))
			}
		}
	})
}

// TestI66_OpeningAnAppIsBounded: a person who opens an app again and again cannot fill the audit log.
func TestI66_OpeningAnAppIsBounded(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		p := w.enrolled("ada@acme.example")
		b := w.browser("forward-auth")
		b.signIn("/docs", p)
		e.Exec(`DELETE FROM events WHERE kind = 'app.opened'`)
		refused := false
		for range 400 {
			b.cookie = nil
			_, location := b.page("/docs")
			page := b.follow(location)
			callback, ok := strings.CutPrefix(page.Location, wiki)
			if refused = !ok && page.Status == 429; refused {
				break
			}
			b.page(callback)
		}
		if n := len(e.Query(`SELECT id FROM events WHERE kind = 'app.opened'`)); !refused || n < 200 {
			t.Errorf("the app was opened %d times in an hour; refused: %v", n, refused)
		}
	})
}

// TestI67_NobodyOnPublicAddresses: a public address passes, but the app learns there only of people who have met what it
// requires.
func TestI67_NobodyOnPublicAddresses(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, func(a *sallyport.App) {
			a.Level = sallyport.LevelPhishingResistant
			a.Proxy.Rules = []string{"/open = public", "/plain = policy"}
		})
		p := w.enrolled("ada@acme.example")
		b := w.browser("forward-auth")
		b.signIn("/plain", p)
		for _, level := range []string{"phishing_resistant", "two_factor"} {
			e.Exec(`UPDATE apps SET level = $1`, level)
			want := map[string]string{"two_factor": p.Address}[level]
			got := b.ask("GET", "/open", nil)
			if assertion := got.Header.Get("Sallyport-Assertion"); got.Status != 200 || got.Header.Get("Remote-User") != want || (assertion == "") != (want == "") {
				t.Errorf("%s: %d, %q, %q", level, got.Status, got.Header.Get("Remote-User"), assertion)
			}
		}
	})
}

// TestTokensWithoutName: as a password, an access token comes with the address of its owner.
func TestTokensWithoutName(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, func(a *sallyport.App) { a.Proxy.Tokens = true })
		p := e.Add("ada@acme.example", sallyport.Member)
		client := w.Enrol(&p, "Phone")
		ctx := context.Background()
		token, err := e.CreateToken(ctx, client.By(), "Backup", w.app.ID, e.Clock.Now().AddDate(0, 1, 0))
		e.Check(err)
		b := w.browser("forward-auth")
		for user, want := range map[string]int{p.Address: 200, "": 401, " ": 401, "x": 401} {
			r := &http.Request{Header: http.Header{}}
			r.SetBasicAuth(user, token.Reveal())
			if got := b.ask("GET", "/docs", r.Header); got.Status != want {
				t.Errorf("%q: %d, want %d", user, got.Status, want)
			}
		}
		e.Check(e.DisableApp(ctx, e.Console(), w.app.ID))
		e.Check(e.EnableApp(ctx, e.Console(), w.app.ID))
		if own, err := e.OwnTokens(ctx, client.By()); err != nil || len(own.Tokens) != 0 {
			t.Errorf("a token that a disabled app has ended is listed: %v %v", own.Tokens, err)
		}
	})
}

// TestTokenDates: a token lasts from tomorrow to a year from now, also across a 29 February.
func TestTokenDates(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, func(a *sallyport.App) { a.Proxy.Tokens = true })
		p := e.Add("ada@acme.example", sallyport.Member)
		e.Clock.Advance(time.Date(2027, 3, 5, 12, 0, 0, 0, time.UTC).Sub(e.Clock.Now()))
		client := w.Enrol(&p, "Phone")
		day := sallyport.Day(e.Clock.Now())
		for expires, good := range map[time.Time]bool{
			day: false, day.AddDate(0, 0, 1): true, day.AddDate(1, 0, 0): true, day.AddDate(1, 0, 1): false, day.AddDate(0, 0, -1): false, {}: false,
		} {
			if _, err := e.CreateToken(context.Background(), client.By(), "Backup", w.app.ID, expires); (err == nil) != good {
				t.Errorf("until %v: %v", expires, err)
			}
		}
	})
}
