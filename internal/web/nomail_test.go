package web_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// promises are words on pages that say that an e-mail is sent.
var promises = []string{"on its way", "on their way", "sent a link", "send a link to the new", "You will get a link", "by mail", "get an e-mail with", "went to"}

// TestPagesWithoutAMailServerPromiseNothing opens every page that mentions an e-mail, with and without a mail server.
func TestPagesWithoutAMailServerPromiseNothing(t *testing.T) {
	for name, mail := range map[string]bool{"with": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				s := sallyporttest.NewSite(t, e)
				_, owner := ownerOf(s)
				if mail {
					e.SetUpMail()
				}
				says := func(p *sallyporttest.Page, what string) {
					t.Helper()
					promised := false
					for _, words := range promises {
						promised = promised || p.Has(words)
					}
					if p.Status != http.StatusOK || promised != mail {
						t.Errorf("%s a mail server, %s: %d %s", name, what, p.Status, p.Text())
					}
				}
				mia := e.Add("mia-"+name+"@acme.example", sallyport.Member)
				mias := s.Visitor()
				says(mias.Get("/forgot"), "forgot")
				mias.Post("/forgot", sallyporttest.Fields{"email": mia.Address})
				says(mias.Follow(), "after forgot")
				mias.SignIn(mia)
				says(mias.Get("/account/email"), "address")
				mias.Post("/account/email", sallyporttest.Fields{"email": "new-" + name + "@acme.example"})
				says(mias.Follow(), "after address")
				says(owner.Get("/admin/users/new"), "invite")
				path := owner.Post("/admin/users/new", sallyporttest.Fields{"email": "ina-" + name + "@acme.example", "name": "Ina", "role": "member"}).Location
				says(owner.Follow(), "after invite")
				owner.Post(path+"/resend-invitation", sallyporttest.Fields{})
				says(owner.Follow(), "after a second invitation")
				owner.Post("/admin/reminders", sallyporttest.Fields{})
				says(owner.Follow(), "after reminders")
				banner := "No mail server is set up, so no one gets e-mails"
				for _, page := range []string{"/admin", "/admin/users", "/admin/outbox"} {
					if p := owner.Get(page); p.Has(banner) == mail {
						t.Errorf("%s a mail server, the banner on %s: %v", name, page, p.Has(banner))
					}
				}
				for page, button := range map[string]string{
					"/forgot": "Send the link", "/account/email": "Send the link", "/admin": "Send a reminder", "/admin/reminders": "Cancel",
					"/admin/users": "Send a reminder", "/admin/users/bulk/remind?id=" + mia.ID: "Cancel", "/admin/users/" + mia.ID + "/edit": "A new address gets a link",
				} {
					who := owner
					if !strings.HasPrefix(page, "/admin") {
						who = mias
					}
					e.Exec("UPDATE users SET reminded_at = 0") // people get at most one reminder a day
					if p := who.Get(page); p.Status != http.StatusOK || p.Has(button) != mail {
						t.Errorf("%s a mail server, %s offers %q: %v, %d %s", name, page, button, p.Has(button), p.Status, p.Text())
					}
				}
				for _, page := range []string{"/account/email", "/forgot"} { // a form from before the mail server was taken away
					if p := mias.Post(page, sallyporttest.Fields{"email": "x\x01"}); p.Status == http.StatusUnprocessableEntity && p.Alert() == "" {
						t.Errorf("%s a mail server, %s does not say what is wrong", name, page)
					}
				}
				if mias.Get("/account").Has(banner) {
					t.Error("a member sees the banner")
				}
			})
		})
	}
}

// passwordLink creates a link to a new password and returns its path.
func passwordLink(v *sallyporttest.Visitor, p sallyporttest.Person) string {
	page := v.Post("/admin/users/"+p.ID+"/reset-password", sallyporttest.Fields{})
	u, err := url.Parse(page.Data("data-password-link"))
	if err != nil || page.Status != http.StatusOK {
		return ""
	}
	return u.Path
}

func TestI26_LinkToANewPasswordIsHandedOver(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owner := ownerOf(s)
		mia := e.Add("mia@acme.example", sallyport.Member)
		mias := s.Visitor()
		mias.Enrol(&mia, "Mia's")
		if p := owner.Get("/admin/users/" + mia.ID + "/reset-password"); p.Status != http.StatusOK || p.Data("data-password-link") != "" {
			t.Fatalf("it is not asked first: %d", p.Status)
		}
		first := passwordLink(owner, mia)
		link := passwordLink(owner, mia)
		if !strings.HasPrefix(link, "/reset/") || first == link {
			t.Fatalf("links: %q, %q", first, link)
		}
		if p := owner.Get("/admin/users/" + mia.ID + "/reset-password"); strings.Contains(p.Body, "/reset/") {
			t.Error("the link is shown again")
		}
		if !mias.SignedIn() {
			t.Error("the link ends something before it is used")
		}
		// When anyone requests a mailed link, the one that was handed over stays valid.
		s.Visitor().Post("/forgot", sallyporttest.Fields{"email": mia.Address})
		v := s.Visitor()
		if p := v.Get(first); p.Status != http.StatusGone {
			t.Errorf("the older link: %d", p.Status)
		}
		e.Clock.Advance(23 * time.Hour)
		if p := v.Post(link, sallyporttest.Fields{"new_password": newPassword}); p.Location != "/sign-in" {
			t.Fatalf("choosing a password: %d %s", p.Status, p.Alert())
		}
		if p := v.Post(link, sallyporttest.Fields{"new_password": newPassword + "-x"}); p.Status != http.StatusGone {
			t.Errorf("a second use: %d", p.Status)
		}
		if v.SignedIn() || mias.SignedIn() {
			t.Error("it signs in, or leaves a session")
		}
		mia.Password = newPassword
		if p := v.GivePassword(mia); p.Location != "/sign-in/2fa" {
			t.Errorf("the second factor is skipped: %s", p.Location)
		}
		if rows := e.Query("SELECT id FROM events WHERE kind = 'password.link_made' AND subject = $1 AND actor = $2", mia.ID, e.Owner.ID); len(rows) != 2 {
			t.Errorf("%d events", len(rows))
		}
		for _, m := range e.WaitingMails(mia.Address) {
			if m.Kind == "password.link" && (strings.Contains(m.Text, "/reset/") || !strings.Contains(m.Text, "created a link")) {
				t.Errorf("the e-mail: %s", m.Text)
			}
		}
		late := passwordLink(owner, mia)
		e.Clock.Advance(24 * time.Hour)
		if p := v.Get(late); late != "" && p.Status != http.StatusGone {
			t.Errorf("after a day: %d", p.Status)
		}
	})
}

func TestWhoMayMakeALinkToANewPassword(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		people, visitors := map[string]sallyporttest.Person{}, map[string]*sallyporttest.Visitor{}
		for _, role := range sallyport.Roles {
			p, v := e.Add(string(role)+"@acme.example", role), s.Visitor()
			v.Enrol(&p, "Phone")
			people[string(role)], visitors[string(role)] = p, v
		}
		for _, c := range []struct {
			by, on string
			want   int
		}{
			{"owner", "owner", http.StatusForbidden}, {"admin", "admin", http.StatusForbidden}, {"admin", "owner", http.StatusNotFound},
			{"manager", "member", http.StatusForbidden}, {"member", "manager", http.StatusForbidden},
			{"owner", "admin", http.StatusOK}, {"admin", "manager", http.StatusOK}, {"admin", "member", http.StatusOK},
		} {
			path := "/admin/users/" + people[c.on].ID + "/reset-password"
			for _, p := range []*sallyporttest.Page{visitors[c.by].Get(path), visitors[c.by].Post(path, sallyporttest.Fields{})} {
				if p.Status != c.want {
					t.Errorf("%s for %s: %d, want %d", c.by, c.on, p.Status, c.want)
				}
			}
		}
		for state, set := range map[string]string{"suspended": "state = 'suspended'", "invited": "state = 'invited'", "temporary": "temporary_ends = 1"} {
			p := e.Add(state+"@acme.example", sallyport.Member)
			e.Exec("UPDATE users SET "+set+" WHERE id = $1", p.ID)
			if got := visitors["owner"].Post("/admin/users/"+p.ID+"/reset-password", sallyporttest.Fields{}); got.Status != http.StatusConflict {
				t.Errorf("%s: %d", state, got.Status)
			}
			if _, err := e.MakePasswordLink(context.Background(), e.Console(), p.Address); !errors.Is(err, sallyport.ErrNoPasswordToReset) {
				t.Errorf("%s, on the console: %v", state, err)
			}
		}
		e.Clock.Advance(6 * time.Minute) // I22
		if p := visitors["owner"].Post("/admin/users/"+people["member"].ID+"/reset-password", sallyporttest.Fields{}); !strings.HasPrefix(p.Location, "/step-up?") {
			t.Errorf("without fresh proof: %d %s", p.Status, p.Location)
		}
	})
}
