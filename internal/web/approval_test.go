package web_test

import (
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestJourneyApproval signs in on one device with the help of another, and is refused when the number is wrong, and when
// the person says that it was not them.
func TestJourneyApproval(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	site := sallyporttest.NewSite(t, e)
	e.Exec(`UPDATE policies SET approvals = 1`)
	p := e.Add("mia@acme.example", sallyport.Member)
	e.Enrol(&p, "Pixel")
	phone := sallyporttest.NewBrowser(t, site.URL, looks["phone"])
	signInBy(phone, p)
	phone.Fill("6-digit code", p.Code(e.Clock.Now()))
	phone.Click("Continue")
	phone.Sees("Last sign-in")
	phone.DoesNotSee("asks for your approval")

	laptop := sallyporttest.NewBrowser(t, site.URL, sallyporttest.Look{Width: 1280})
	ask := func() string {
		laptop.Open("/sign-in")
		signInBy(laptop, p)
		look(laptop, "challenge-approval")
		laptop.Click("Approve on a device where you are signed in")
		laptop.Sees("type this number")
		return laptop.Text("[data-number]")
	}
	number := ask()
	look(laptop, "approve")
	phone.Sees("asks for your approval") // by itself
	look(phone, "approval-banner")
	phone.Click("Look at it")
	phone.Sees("Headless Chrome on Linux")
	look(phone, "approvals")
	phone.Fill("Number that the other device shows", number)
	phone.Click("Approve")
	phone.Sees("The sign-in is approved.")
	laptop.Sees("Last sign-in") // by itself
	laptop.Open("/account/approvals")
	laptop.Sees("You cannot approve a sign-in in this browser")
	look(laptop, "approvals-denied")

	e.Clock.Advance(time.Minute)
	signOutBy(laptop)
	number = ask()
	wrong := "10"
	if number == wrong {
		wrong = "11"
	}
	phone.Open("/account/approvals")
	phone.Fill("Number that the other device shows", wrong)
	phone.Click("Approve")
	phone.Sees("This is not the number")
	look(phone, "approvals-wrong")
	laptop.Sees("Your request was refused.")
	look(laptop, "approve-refused")

	laptop.Click("Approve on a device where you are signed in")
	laptop.Sees("type this number")
	phone.Open("/account")
	phone.Click("Look at it")
	phone.Click("It was not me")
	phone.Sees("Somebody else knows your password")
	look(phone, "approval-not-me")
	laptop.Sees("This sign-in has ended")
	signInBy(laptop, p)
	laptop.DoesNotSee("Approve on a device where you are signed in")
}

// TestJourneyPasskeyRequired: an owner adds a passkey, requires one of everyone, and a member adds one in the session that
// a code began.
func TestJourneyPasskeyRequired(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	site := sallyporttest.NewSite(t, e)
	owner, mia := e.Owner, e.Add("mia@acme.example", sallyport.Member)
	e.Enrol(&owner, "Owner's")
	e.Enrol(&mia, "Pixel")
	with := func(b *sallyporttest.Browser, p sallyporttest.Person) {
		signInBy(b, p)
		b.Fill("6-digit code", p.Code(e.Clock.Now()))
		b.Click("Continue")
	}
	b := sallyporttest.NewBrowser(t, site.URL, sallyporttest.Look{Width: 1280})
	with(b, owner)
	b.Open("/admin/access-control")
	look(b, "access-control-passkeys")
	b.PlugIn(true, true)
	b.Open("/account/2fa/passkeys/new")
	b.Click("Add a passkey")
	b.Sees("The passkey is added.")
	b.Open("/admin/access-control")
	b.Check("Everyone needs a passkey")
	b.Click("Save")
	b.Sees("Require a passkey?")
	b.Sees("Without a passkey")
	look(b, "access-control-passkeys-confirm")
	b.Click("Require it")
	b.Open("/admin")
	b.Sees("Phishing-resistant: 50%")
	look(b, "overview-passkeys")
	b.Open("/admin/users?two_factor=no_passkey")
	b.Sees("mia@acme.example")
	b.DoesNotSee("owner@acme.example")
	look(b, "users-without-passkey")

	phone := sallyporttest.NewBrowser(t, site.URL, looks["phone"])
	key := phone.PlugIn(true, true)
	with(phone, mia)
	phone.Sees("has required a passkey of everyone since")
	look(phone, "passkey-forced")
	phone.DoesNotSee("Use an authenticator app")
	phone.Click("Add a passkey")
	phone.Sees("The passkey is added.")
	phone.Open("/account")
	phone.Sees("Last sign-in")

	key.Touch(false) // otherwise the sign-in page gets the passkey at once, as if it had been chosen among the addresses
	signOutBy(phone)
	e.Clock.Advance(time.Minute)
	with(phone, mia)
	phone.Sees("Use a passkey that you have")
	phone.Click("Use a passkey that you have")
	phone.DoesNotSee("6-digit code")
	look(phone, "passkey-owed-step-up")
	key.Touch(true)
	phone.Click("Use a passkey")
	phone.Sees("Last sign-in")
}
