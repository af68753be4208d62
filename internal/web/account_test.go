package web_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

func TestJourneyAccount(t *testing.T) {
	for name, l := range looks {
		t.Run(name, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			e.SetUpMail()
			site := sallyporttest.NewSite(t, e)
			p := e.Add("mia@acme.example", sallyport.Member)
			other := site.Visitor().From("203.0.113.9")
			other.SignIn(p)
			makeTemporary(e, p, time.Hour)
			b := sallyporttest.NewBrowser(t, site.URL, l)
			signInBy(b, p)
			b.Sees("Choose a password")
			look(b, "choose-password")
			b.Fill("New password", p.Password)
			b.Click("Set the new password")
			b.Sees("This is the password that you have now")
			look(b, "choose-password-wrong")
			p.Password = newPassword
			b.Fill("New password", p.Password)
			b.Click("Set the new password")
			b.Sees("Your account")
			look(b, "profile")
			b.Fill("Name", "Mia Wallace")
			b.Click("Save")
			b.Sees("Saved.")

			b.Click("Sessions")
			b.Sees("this browser")
			look(b, "sessions-alone")
			other.SignIn(p)
			b.Open("/account/sessions")
			b.Sees("203.0.113.9")
			look(b, "sessions")
			b.Click("End Firefox on Linux")
			b.Sees("will be signed out")
			b.Click("End session")
			b.Sees("The session is ended.")
			b.DoesNotSee("203.0.113.9")

			b.Click("Password")
			look(b, "password")
			b.Fill("Current password", p.Password)
			b.Fill("New password", "password")
			b.Click("Change password")
			b.Sees("Use at least 15 characters")
			look(b, "password-wrong")
			b.Fill("Current password", p.Password)
			p.Password = newPassword + "-more"
			b.Fill("New password", p.Password)
			b.Click("Change password")
			b.Sees("Your password is changed.")

			b.Open("/account")
			b.Click("Change your e-mail address")
			look(b, "email")
			b.Fill("New e-mail address", "mia at acme")
			b.Click("Send the link")
			b.Sees("Enter an e-mail address such as")
			b.Fill("New e-mail address", "mia@new.example")
			b.Click("Send the link")
			b.Sees("We sent a link to the new address")
			b.Open(e.MailedLink("email.confirm", "mia@new.example").String())
			look(b, "email-confirm")
			b.Click("Change e-mail address")
			b.Sees("Your e-mail address is changed.")

			b.Click("Activity")
			b.Sees("E-mail address changed")
			b.Sees("Temporary password replaced")
			look(b, "activity")

			b.Open(e.MailedLink("email.undo", p.Address).String())
			look(b, "email-undo")
			b.Click("Undo the change")
			b.Sees("Choose a new password")
			look(b, "reset")
			p.Password = newPassword + "-most"
			b.Fill("New password", p.Password)
			b.Click("Set the new password")
			b.Sees("Your new password is set.")
			look(b, "reset-done")
			b.Click("Forgot password?")
			look(b, "forgot")
			b.Fill("E-mail address", "nobody@acme.example")
			b.Click("Send the link")
			b.Sees("If someone here has this address")
			b.Click("Help with two-factor authentication")
			b.Sees("I lost my phone")
			look(b, "help")
			signInBy(b, p)
			b.Sees("Your account")
			if !strings.HasSuffix(b.URL(), "/account") {
				t.Errorf("it ends at %s", b.URL())
			}
		})
	}
}
