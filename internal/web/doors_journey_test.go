package web_test

import (
	"context"
	"testing"
	"time"

	"golang.org/x/oauth2"

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
	b.Sees("Needed for: Open Wiki.")
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

// TestJourneyAppsRefused: a person without an authenticator sets one up on the way, gets to where they were going, and is kept
// out of what their groups do not open.
func TestJourneyAppsRefused(t *testing.T) {
	o := newOffice(t)
	ben := o.person("ben", false, false)
	b := o.browser(sallyporttest.Look{})
	b.Open(o.wiki + page)
	o.password(b, ben)
	b.Fill("Name of the app", "Pixel")
	look(b, "app-set-up")
	b.Click("Continue")
	scan(t, b, ben)
	look(b, "app-set-up-scan")
	b.Fill("6-digit code", ben.Code(o.Clock.Now()))
	b.Click("Confirm setup")
	look(b, "app-set-up-codes")
	b.Check("I have saved these recovery codes")
	b.Click("Continue")
	o.at(b, ben, o.wiki, page)

	b.Open(o.board + page)
	b.Sees("You may not use Board papers. If you need it, ask an administrator.")
	b.DoesNotSee("Two-factor authentication is enabled.") // which was on the way to another app
	lookAllOver(b, "app-refused-first")
	o.Check(o.JoinGroup(context.Background(), o.Console(), o.group.ID, ben.ID))
	b.Open(o.board + page)
	o.at(b, ben, o.board, page)
	b.Open(o.chat.origin + page)
	o.at(b, ben, o.chat.origin, page)
	o.Check(o.LeaveGroup(context.Background(), o.Console(), o.group.ID, ben.ID))
	b.Open(o.board + page)
	b.Sees("You may not use Board papers. If you need it, ask an administrator.")
	lookAllOver(b, "app-refused-nginx")
	b.Click("Use another account")
	b.Sees("Sign out")

	stranger := b.Tab()
	stranger.Allow(o.chat.origin)
	o.chat.forget()
	stranger.Open(o.chat.origin + page)
	stranger.Sees("You may not use Chat")
	lookAllOver(stranger, "app-refused-openid")
	stranger.Click("Back to the app")
	stranger.Sees("Nobody is at access_denied: ")
	stranger.Clean()
	b.Clean()
}

// TestJourneyAppsPages looks at the pages that apps ask for, and at the one for devices.
func TestJourneyAppsPages(t *testing.T) {
	o := newOffice(t)
	ada := o.person("ada", true, true)
	b := o.browser(sallyporttest.Look{})
	b.Open(o.chat.origin + page)
	o.password(b, ada)
	o.code(b, ada)
	o.at(b, ada, o.chat.origin, page)
	o.chat.forget()
	o.Clock.Advance(time.Minute)
	b.Open(o.chat.origin + "/?prompt=select_account")
	b.Sees("wants to know who you are")
	lookAllOver(b, "app-account")
	b.Click("Go on")
	o.at(b, ada, o.chat.origin, "/?prompt=select_account")
	o.chat.forget()
	b.Open(o.chat.origin + "/?prompt=consent")
	b.Sees("Chat will learn about")
	lookAllOver(b, "app-consent")
	b.Click("Cancel")
	b.Sees("Nobody is at access_denied: ")

	device, err := o.chat.config.DeviceAuth(context.Background(), oauth2.SetAuthURLParam("client_secret", o.chat.config.ClientSecret))
	o.Check(err)
	b.Open("/device")
	lookAllOver(b, "app-device-code")
	b.Open(device.VerificationURIComplete)
	b.Click("Continue")
	b.Sees("Connect a device to Chat?")
	lookAllOver(b, "app-device")
	b.Click("Allow")
	b.Sees("device")
	look(b, "app-device-allowed")
	token, err := o.chat.config.DeviceAccessToken(context.Background(), device)
	if err != nil || token.AccessToken == "" {
		t.Errorf("the device gets %v", err)
	}
	b.Clean()
}

// TestJourneyAppsWithoutScripts is a shorter day, on a phone without scripts.
func TestJourneyAppsWithoutScripts(t *testing.T) {
	o := newOffice(t)
	ada := o.person("ada", true, true)
	b := o.browser(sallyporttest.Look{Width: 360, Dark: true, NoScript: true})
	b.Open(o.board + page)
	o.password(b, ada)
	o.code(b, ada)
	o.at(b, ada, o.board, page)
	b.Open(o.chat.origin + page)
	o.at(b, ada, o.chat.origin, page)
	o.Clock.Advance(6 * time.Minute)
	b.Open(o.wiki + "/admin/users?page=2")
	look(b, "app-step-up-no-scripts")
	o.code(b, ada)
	o.at(b, ada, o.wiki, "/admin/users?page=2")
	b.Open(o.chat.origin + page)
	b.Click("Sign out")
	b.Click("Confirm")
	b.Sees("Forgot") // the app has sent the person on
	for _, origin := range []string{o.wiki, o.board} {
		b.Open(origin + page)
		b.Sees("Forgot")
	}
	b.Clean()
}

// lookAllOver looks at a page wide and narrow, and light and dark.
func lookAllOver(b *sallyporttest.Browser, picture string) {
	for name, l := range map[string]sallyporttest.Look{"-dark": {Dark: true}, "-narrow": {Width: 360}} {
		b.Look(l)
		b.Screenshot(picture + name)
		b.Fits()
	}
	b.Look(sallyporttest.Look{Width: 360, Dark: true})
	look(b, picture+"-narrow-dark")
	b.Look(sallyporttest.Look{})
	look(b, picture)
}
