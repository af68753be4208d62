package web_test

import (
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestAccountMenu opens the menu behind the initials with the mouse and with the keyboard, and closes it again.
func TestAccountMenu(t *testing.T) {
	const button, address = "Your account, Ada Okafor", "ada@acme.example"
	for name, look := range map[string]sallyporttest.Look{"scripts": {}, "no scripts": {NoScript: true}, "phone": {Width: 320, Dark: true}} {
		t.Run(name, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			site := sallyporttest.NewSite(t, e)
			p := e.Add(address, sallyport.Member)
			e.Exec("UPDATE users SET name = 'Ada Okafor' WHERE id = $1", p.ID)
			b := sallyporttest.NewBrowser(t, site.URL, look)
			signInBy(b, p)
			b.Open("/account/password")
			b.DoesNotSee(address)

			b.Click(button)
			b.Sees(address)
			if !look.NoScript {
				sallyporttest.Axe(b)
			}
			b.Fits()
			b.Press("Escape")
			b.DoesNotSee(address)
			b.Press("Enter")
			b.Sees(address)
			b.Fill("New password", "x")
			b.DoesNotSee(address)

			for _, l := range []struct{ item, title string }{
				{"Account", "Your account"}, {"Two-factor authentication", "Two-factor authentication"},
				{"Help", "Help with two-factor authentication"}, {"Sign out", "Sign out"},
			} {
				b.Open("/account/password")
				b.Click(button)
				b.ClickWithin(":popover-open", l.item)
				if got := b.Title(); got != l.title+" – Acme" {
					t.Errorf("%s leads to %q", l.item, got)
				}
			}
			b.Click("Confirm")
			b.Sees("E-mail address")
			b.Clean()
		})
	}
}
