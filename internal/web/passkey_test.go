package web_test

import (
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestJourneyPasskey goes from adding a passkey to signing in with nothing else, and to removing it.
func TestJourneyPasskey(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	site := sallyporttest.NewSite(t, e)
	p := e.Add("mia@acme.example", sallyport.Member)
	b := sallyporttest.NewBrowser(t, site.URL, looks["phone"])
	laptop := b.PlugIn(true, true)
	signInBy(b, p)
	b.Open("/account/2fa")
	look(b, "passkey-none")
	b.Click("Use a passkey")
	look(b, "passkey-new")
	b.Fill("Name", "My laptop")
	b.Click("Add a passkey")
	if codes := b.Texts("li.recovery-code"); len(codes) != 8 {
		t.Fatalf("%d recovery codes with the first passkey", len(codes))
	}
	b.Check("I have saved these recovery codes")
	b.Click("Continue")
	b.Sees("Two-factor authentication is enabled.")
	b.Sees("My laptop")
	look(b, "passkey-only")

	laptop.Touch(false) // otherwise the sign-in page gets the passkey at once, as if it had been chosen among the addresses
	signOutBy(b)
	signInBy(b, p)
	look(b, "passkey-challenge")
	b.DoesNotSee("6-digit code")
	laptop.Touch(true)
	b.Click("Use a passkey")
	b.Sees("Last sign-in")
	b.Open("/account/activity")
	b.Sees("with a passkey")

	laptop.Touch(false)
	signOutBy(b)
	b.Open("/sign-in")
	look(b, "passkey-sign-in")
	laptop.Touch(true)
	b.Click("Sign in with a passkey")
	b.Sees("Last sign-in")
	b.Open("/account")
	b.Sees("mia@acme.example")

	e.Clock.Advance(sallyport.StepUpLimit + 1)
	b.Open("/account/2fa/recovery-codes")
	b.Sees("Confirm that it is you")
	look(b, "passkey-step-up")
	b.Click("Use a passkey")
	b.Sees("Regenerate recovery codes")

	laptop.Forge()
	e.Clock.Advance(sallyport.StepUpLimit + 1)
	b.Open("/account/2fa/recovery-codes")
	b.Click("Use a passkey")
	b.Sees("This passkey was not accepted.")
	look(b, "passkey-wrong")
}

// TestJourneySecurityKey: a security key that does not verify its user is a second factor, but not both. A browser without
// any key says so, and loses nothing.
func TestJourneySecurityKey(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	site := sallyporttest.NewSite(t, e)
	p := e.Add("ben@acme.example", sallyport.Member)
	b := sallyporttest.NewBrowser(t, site.URL, sallyporttest.Look{Width: 1280})
	key := b.PlugIn(false, false)
	signInBy(b, p)
	b.Open("/account/2fa/passkeys/new")
	b.Click("Add a passkey")
	b.Check("I have saved these recovery codes")
	b.Click("Continue")
	b.Sees("Passkeys and security keys")
	b.Click("Rename Headless Chrome on Linux")
	b.Fill("Name", "Blue key")
	b.Click("Rename")
	b.Sees("Blue key")
	look(b, "security-key")

	signOutBy(b)
	signInBy(b, p)
	b.Click("Use a passkey")
	b.Sees("Last sign-in")
	b.Open("/account/2fa/set-up")
	b.Fill("Name of the app", "Pixel")
	b.Click("Continue")
	scan(t, b, &p)
	b.Fill("6-digit code", p.Code(e.Clock.Now()))
	b.Click("Confirm setup")
	b.Sees("The authenticator app is added.")
	look(b, "security-key-and-app")

	e.Clock.Advance(sallyport.StepUpLimit)
	signOutBy(b)
	signInBy(b, p)
	look(b, "security-key-challenge")
	key.PullOut()
	b.PlugIn(false, false)
	b.Click("Use a passkey")
	b.Sees("Your browser returned no passkey.")
	look(b, "security-key-elsewhere")
	b.Fill("6-digit code", p.Code(e.Clock.Now()))
	b.Click("Continue")
	b.Sees("Last sign-in")
	b.Open("/account/2fa")
	b.Sees("Blue key")
}

func signOutBy(b *sallyporttest.Browser) {
	b.Open("/sign-out")
	b.Click("Confirm")
}

// TestPasskeysWithoutScripts: the pages offer what works.
func TestPasskeysWithoutScripts(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	site := sallyporttest.NewSite(t, e)
	p := e.Add("mia@acme.example", sallyport.Member)
	b := sallyporttest.NewBrowser(t, site.URL, looks["no scripts"])
	signInBy(b, p)
	b.Open("/account/2fa/passkeys/new")
	b.Sees("To use a passkey, you need a browser that supports passkeys and runs scripts")
	b.Click("Use an authenticator app")
	b.Sees("Pick an authenticator app")
	look(b, "passkey-no-scripts")
}

// TestI12_AnswersOfPages: every page that accepts a passkey refuses malformed ones, and changes nothing.
func TestI12_AnswersOfPages(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		v.Enrol(&p, "Pixel")
		for _, credential := range []string{"x", "{}", "[]", "null", `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`, strings.Repeat("[", 20000), strings.Repeat("a", 60000)} {
			for _, path := range []string{"/account/2fa/passkeys/new", "/step-up", "/sign-in"} {
				before := e.Dump("sessions", "users", "tries")
				who := v
				if path == "/sign-in" {
					who = s.Visitor()
					who.Get("/sign-in")
				}
				if got := who.Post(path, fields{"credential": credential, "name": "Key"}); got.Status != 422 {
					t.Errorf("%s with %.20s: %d", path, credential, got.Status)
				}
				if e.Dump("sessions", "users", "tries") != before {
					t.Errorf("%s with %.20s changed something", path, credential)
				}
			}
		}
	})
}
