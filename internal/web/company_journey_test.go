package web_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// bothFactors signs a person in by password and code.
func bothFactors(e *sallyporttest.Env, b *sallyporttest.Browser, p sallyporttest.Person) {
	signInBy(b, p)
	b.Fill("6-digit code", p.Code(e.Clock.Now()))
	b.Click("Continue")
}

// enrolBy sets up an authenticator in the steps of a sign-in, from its name to the saved recovery codes.
func enrolBy(t *testing.T, e *sallyporttest.Env, b *sallyporttest.Browser, p *sallyporttest.Person, name string) {
	t.Helper()
	b.Fill("Name of the app", name)
	b.Click("Continue")
	scan(t, b, p)
	b.Fill("6-digit code", p.Code(e.Clock.Now()))
	b.Click("Confirm setup")
	b.Check("I have saved these recovery codes")
	b.Click("Continue")
	b.Open("/account/2fa")
	b.Sees("Enabled since")
	b.Sees(name)
}

// TestJourneyTwoAdministrators shows a company at work: two administrators on the same page, a member who lost the
// phone, and another company of the same installation that can see nothing of it.
func TestJourneyTwoAdministrators(t *testing.T) {
	const policy = "/admin/access-control"
	e := sallyporttest.New(t, "sqlite")
	site := sallyporttest.NewSite(t, e)
	olive, owners := ownerOf(site)
	fields, globex := globexAt(site)
	owners.Post(workspaces, fields)
	gina, _ := joined(site, owners, globex)
	ada, mia := e.Add("ada@acme.example", sallyport.Admin), e.Add("mia@acme.example", sallyport.Member)
	site.Visitor().Enrol(&ada, "Ada's")
	site.Visitor().Enrol(&mia, "Old phone")
	olives := sallyporttest.NewBrowser(t, site.URL, sallyporttest.Look{})
	adas := sallyporttest.NewBrowser(t, site.URL, sallyporttest.Look{Width: 360, NoScript: true})
	mias := sallyporttest.NewBrowser(t, site.URL, sallyporttest.Look{Width: 360, Dark: true})
	ginas := sallyporttest.NewBrowser(t, globex, sallyporttest.Look{})
	bothFactors(e, olives, olive)
	bothFactors(e, adas, ada)

	adas.Open(policy)
	olives.Open(policy)
	olives.Fill("Days that a device is trusted", "30")
	olives.Click("Save")
	olives.Sees("Saved.")
	adas.Fill("Recovery codes for each person", "12")
	adas.Click("Save")
	adas.Sees("Someone else changed these settings while you were editing")
	adas.Sees("Days that a device is trusted 30 0")
	look(adas, "policy-moved")
	adas.Fill("Days that a device is trusted", "30")
	adas.Click("Save")
	adas.Sees("Saved.")
	olives.Open(policy)
	if days, codes := olives.Value("Days that a device is trusted"), olives.Value("Recovery codes for each person"); days != "30" || codes != "12" {
		t.Errorf("of two who save at once: %s days, %s codes", days, codes)
	}

	adas.Open("/admin/users?q=mia")
	adas.Click("Actions for " + mia.Name)
	adas.Click("Reset two-factor authentication")
	adas.Fill("Reason", "The phone is lost.")
	adas.Click("Reset two-factor authentication")
	code := adas.Text("[data-set-up-code]")
	look(adas, "set-up-code")
	adas.Open("/admin/users/" + mia.ID + "/security")
	adas.DoesNotSee(code)
	signInBy(mias, mia)
	mias.Fill("Set-up code", strings.ToLower(code))
	look(mias, "set-up-after-reset")
	enrolBy(t, e, mias, &mia, "New phone")
	mias.DoesNotSee("Old phone")

	signInBy(ginas, gina)
	for _, part := range []string{"", "/security", "/reset-2fa"} {
		ginas.Open("/admin/users/" + mia.ID + part)
		ginas.Sees("Page not found")
		olives.Open("/admin/users/" + gina.ID + part) // Olive created Globex
		olives.Sees("Page not found")
	}
	ginas.Open("/admin/users?q=mia")
	ginas.Sees("No one matches these filters.")
	ginas.Clean()
	olives.Clean()
}

var temporaryPassword = regexp.MustCompile(`[0-9A-Z]{5}(-[0-9A-Z]{5}){4}`)

// TestJourneyTemporaryPassword goes from the policy to the first sign-in: an invitation by mail, a new password, an
// authenticator.
func TestJourneyTemporaryPassword(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	site := sallyporttest.NewSite(t, e)
	olive, _ := ownerOf(site)
	olives := sallyporttest.NewBrowser(t, site.URL, sallyporttest.Look{})
	bothFactors(e, olives, olive)
	olives.Open("/admin/access-control")
	olives.Check("Everyone")
	olives.Check("By a temporary password")
	olives.Click("Save")
	olives.Sees("This affects 1 person. All of them already have two-factor authentication.")
	look(olives, "whom-it-hits")
	olives.Click("Require it")
	olives.Sees("Saved.")
	olives.Click("Users")
	olives.Click("Invite a person")
	olives.Fill("E-mail address", "nia@acme.example")
	olives.Fill("Name", "Nia Ngo")
	olives.Click("Invite")
	olives.Sees("The person is invited. No mail server is set up")
	olives.Click("mail outbox")
	olives.Click("Read the e-mail to nia@acme.example")
	nia := sallyporttest.Person{User: sallyport.User{Address: "nia@acme.example"}}
	nia.Password = temporaryPassword.FindString(olives.Text("pre"))
	look(olives, "mail")

	nias := sallyporttest.NewBrowser(t, site.URL, sallyporttest.Look{Width: 360, Dark: true})
	signInBy(nias, nia)
	nias.Sees("You signed in with a temporary password.")
	nias.Fill("New password", newPassword)
	look(nias, "own-password")
	nias.Click("Set the new password")
	nias.Click("More")
	nias.Check("Aegis")
	enrolBy(t, e, nias, &nia, "Pixel – Aegis")
	nias.Clean()
}
