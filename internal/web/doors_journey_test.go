package web_test

import (
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// page is an address of an app as a person may have it in a link, with everything that could get lost on the way.
const page = "/pages/7%20a?x=1&x=2&q=a+b%26c"

// at fails the test unless the person has arrived at an address of an app, signed in.
func (o *office) at(b *sallyporttest.Browser, p *sallyporttest.Person, origin, target string) {
	o.t.Helper()
	b.Sees(p.Address + " is at " + target + ".")
	if got := b.URL(); got != origin+target {
		o.t.Errorf("the browser is at %s, not at %s", got, origin+target)
	}
}

// password fills in the page on which the way to an app begins.
func (o *office) password(b *sallyporttest.Browser, p *sallyporttest.Person) {
	o.t.Helper()
	b.Fill("E-mail address", p.Address)
	b.Fill("Password", p.Password)
	b.Click("Sign in")
}

// code gives the next code of the person's authenticator.
func (o *office) code(b *sallyporttest.Browser, p *sallyporttest.Person) {
	o.t.Helper()
	o.Clock.Advance(30 * time.Second)
	b.Fill("6-digit code", p.Code(o.Clock.Now()))
	b.Click("Continue")
}

// TestJourneyApps is a day in an office: people sign in on the way to an app, and once for all of them.
func TestJourneyApps(t *testing.T) {
	o := newOffice(t)
	ada := o.person("ada", true, true)
	b := o.browser(sallyporttest.Look{})

	b.Open(o.wiki + page)
	b.Sees("Sign in")
	lookAllOver(b, "app-sign-in")
	o.password(b, ada)
	look(b, "app-code")
	o.code(b, ada)
	o.at(b, ada, o.wiki, page)
	b.Open(o.board + page)
	o.at(b, ada, o.board, page)
	b.Open(o.chat.origin + page)
	o.at(b, ada, o.chat.origin, page)
	b.Open("/apps")
	lookAllOver(b, "app-launcher")
	b.Click("Board papers")
	o.at(b, ada, o.board, "/")

	b.Open(o.wiki + "/admin/users?page=2")
	o.at(b, ada, o.wiki, "/admin/users?page=2")
	o.Clock.Advance(6 * time.Minute)
	b.Open(o.wiki + page)
	o.at(b, ada, o.wiki, page)
	b.Open(o.wiki + "/admin/users?page=2")
	b.Sees("Confirm that it is you")
	lookAllOver(b, "app-step-up")
	o.code(b, ada)
	o.at(b, ada, o.wiki, "/admin/users?page=2")

	b.Click("Sign out")
	look(b, "app-sign-out")
	b.Click("Confirm")
	b.Sees("signed out")
	o.endedSessions()
	for _, origin := range []string{o.wiki, o.board, o.chat.origin} {
		b.Open(origin + page)
		b.Sees("Forgot")
	}
	b.Clean()
}

// lookAllOver looks at a page in each mode, and wide and narrow.
func lookAllOver(b *sallyporttest.Browser, picture string) {
	for name, l := range map[string]sallyporttest.Look{"": {}, "-dark": {Dark: true}, "-narrow": {Width: 360}, "-narrow-dark": {Width: 360, Dark: true}} {
		b.Look(l)
		look(b, picture+name)
	}
	b.Look(sallyporttest.Look{})
}

var _ = sallyport.Member
