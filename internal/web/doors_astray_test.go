package web_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// astray is what a person does on the way to apps that leads off it. A browser is new, and other is another tab of it.
var astray = map[string]func(o *office, ada *sallyporttest.Person, b, other *sallyporttest.Browser){
	"Back from the app": func(o *office, ada *sallyporttest.Person, b, _ *sallyporttest.Browser) {
		o.arrive(b, ada, o.wiki, page)
		b.Back()
		o.at(b, ada, o.wiki, page)
		o.signOut(b)
		o.arrive(b, ada, o.chat.origin, page)
		b.Back()
		b.Sees("Go back to the app and start again.")
		look(b, "app-used")
	},
	"Back from the code": func(o *office, ada *sallyporttest.Person, b, _ *sallyporttest.Browser) {
		for _, origin := range []string{o.wiki, o.chat.origin} {
			b.Open(origin + page)
			o.password(b, ada)
			b.Back()
			o.password(b, ada)
			b.Reload()
			o.code(b, ada)
			o.at(b, ada, origin, page)
			o.signOut(b)
		}
	},
	"another person begins": func(o *office, ada *sallyporttest.Person, b, _ *sallyporttest.Browser) {
		bea := o.person("bea", true, true)
		for _, origin := range []string{o.wiki, o.chat.origin} {
			b.Open(origin + page)
			o.password(b, ada)
			b.Click("Start again")
			o.password(b, bea)
			o.code(b, bea)
			o.at(b, bea, origin, page)
			o.signOut(b)
		}
		o.arrive(b, ada, o.wiki, page)
	},
	"two tabs begin at once": func(o *office, ada *sallyporttest.Person, b, other *sallyporttest.Browser) {
		for _, origin := range []string{o.wiki, o.chat.origin} {
			b.Open(origin + page)
			other.Open(origin + "/other")
			o.password(b, ada)
			o.password(other, ada)
			o.code(b, ada)
			o.at(b, ada, origin, page)
			other.Reload()
			o.at(other, ada, origin, "/other")
			o.signOut(b)
		}
	},
	"an old callback": func(o *office, ada *sallyporttest.Person, b, _ *sallyporttest.Browser) {
		old := "/.sallyport/callback?ticket=" + strings.Repeat("A", 80)
		b.Open(o.wiki + "/.sallyport/callback")
		b.Sees("This address worked once and has expired.")
		b.Open(o.wiki + old)
		b.Sees("This address worked once and has expired.")
		look(b, "app-old-callback")
		b.Click("Open the app")
		o.password(b, ada)
		o.code(b, ada)
		o.at(b, ada, o.wiki, "/")
		b.Open(o.wiki + old)
		b.Click("Open the app")
		o.at(b, ada, o.wiki, "/")
	},
	"no cookies for the app": func(o *office, ada *sallyporttest.Person, b, _ *sallyporttest.Browser) {
		b.BlockCookie(o.wiki, "sallyport_app")
		b.Open(o.wiki + page)
		o.password(b, ada)
		o.code(b, ada)
		b.Sees("Your browser does not keep the cookie of this app")
		look(b, "app-no-cookie")
	},
	"too slow with the code": func(o *office, ada *sallyporttest.Person, b, _ *sallyporttest.Browser) {
		for _, origin := range []string{o.wiki, o.chat.origin} {
			b.Open(origin + page)
			o.password(b, ada)
			o.Clock.Advance(11 * time.Minute)
			o.code(b, ada)
			b.Sees("This sign-in has ended, because it took longer than 10 minutes")
			if origin == o.wiki {
				look(b, "app-too-slow")
			}
			b.Click("Start again")
			o.password(b, ada)
			o.code(b, ada)
			o.at(b, ada, origin, page)
			o.signOut(b)
		}
	},
	"a sign-in page that lay open": func(o *office, ada *sallyporttest.Person, b, _ *sallyporttest.Browser) {
		b.Open(o.wiki + page)
		o.Clock.Advance(16 * time.Minute)
		o.password(b, ada)
		o.code(b, ada)
		o.at(b, ada, o.wiki, page)
		o.signOut(b)
		b.Open(o.chat.origin + page)
		o.Clock.Advance(16 * time.Minute)
		o.password(b, ada)
		o.code(b, ada)
		b.Sees("Go back to the app and start again.")
		b.Click("Go to the start page")
		b.Click("Chat")
		o.at(b, ada, o.chat.origin, "/")
	},
	"a step-up after signing out in another tab": func(o *office, ada *sallyporttest.Person, b, other *sallyporttest.Browser) {
		o.arrive(b, ada, o.wiki, page)
		o.Clock.Advance(6 * time.Minute)
		b.Open(o.wiki + "/admin/users")
		b.Sees("Confirm that it is you")
		other.Open(o.wiki + "/.sallyport/sign-out")
		other.Click("Confirm")
		o.code(b, ada)
		o.password(b, ada)
		o.code(b, ada)
		o.at(b, ada, o.wiki, "/admin/users")
	},
	"Cancel, and Back after a step-up": func(o *office, ada *sallyporttest.Person, b, _ *sallyporttest.Browser) {
		o.arrive(b, ada, o.wiki, page)
		o.Clock.Advance(6 * time.Minute)
		b.Open(o.wiki + "/admin/users")
		b.Click("Cancel")
		b.Sees("Your apps")
		b.Click("Wiki")
		o.at(b, ada, o.wiki, "/")
		b.Open(o.wiki + "/admin/users")
		o.code(b, ada)
		o.at(b, ada, o.wiki, "/admin/users")
		before := len(o.Query("SELECT id FROM tickets"))
		b.Back()
		b.Sees("Confirm that it is you")
		if issued := len(o.Query("SELECT id FROM tickets")) - before; issued != 0 {
			o.t.Errorf("the page of a step-up issues %d tickets", issued)
		}
		o.code(b, ada)
		o.at(b, ada, o.wiki, "/admin/users")
	},
}

// TestJourneyAppsAstray: whatever people do on the way to an app, they get there, or read what to do.
func TestJourneyAppsAstray(t *testing.T) {
	o := newOffice(t)
	ada := o.person("ada", true, true)
	for name, stray := range astray {
		t.Run(name, func(t *testing.T) {
			o.t = t
			o.Clock.Advance(time.Minute)
			b := sallyporttest.NewBrowser(t, o.URL, sallyporttest.Look{})
			other := b.Tab()
			for _, tab := range []*sallyporttest.Browser{b, other} {
				tab.Allow(o.wiki, o.board, o.chat.origin)
			}
			stray(o, ada, b, other)
			b.Clean()
			other.Clean()
		})
	}
}

// arrive signs the person in on the way to an address of an app.
func (o *office) arrive(b *sallyporttest.Browser, p *sallyporttest.Person, origin, target string) {
	o.t.Helper()
	b.Open(origin + target)
	o.password(b, p)
	o.code(b, p)
	o.at(b, p, origin, target)
}

// signOut signs the browser out of everything.
func (o *office) signOut(b *sallyporttest.Browser) {
	o.t.Helper()
	b.Open("/sign-out")
	b.Click("Confirm")
	b.Sees("signed out")
	o.endedSessions()
}
