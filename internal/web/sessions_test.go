package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

func TestI33_SessionsEndByTheServersClock(t *testing.T) {
	for name, test := range map[string]struct {
		idle, times int // hours, and how often the browser comes back after them
		lives       bool
	}{
		"nearly idle":      {11, 1, true},
		"idle":             {12, 1, false},
		"nearly a week":    {11, 15, true},
		"in use, a week":   {11, 16, false},
		"in use, for long": {2, 84, false},
	} {
		t.Run(name, func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				s := sallyporttest.NewSite(t, e)
				p := e.Add("mia@acme.example", sallyport.Member)
				v := s.Visitor()
				v.SignIn(p)
				for range test.times - 1 {
					e.Clock.Advance(time.Duration(test.idle) * time.Hour)
					if !v.SignedIn() {
						t.Fatal("it ended before its time")
					}
				}
				e.Clock.Advance(time.Duration(test.idle) * time.Hour)
				cookies := v.Cookies()
				if v.SignedIn() != test.lives {
					t.Errorf("it lives: %v, want %v", !test.lives, test.lives)
				}
				if got := v.Post("/account", sallyporttest.Fields{"name": "New Name"}); (got.Location == "/account") != test.lives {
					t.Errorf("a post is answered %d %s", got.Status, got.Location)
				}
				if len(cookies) == 0 {
					t.Error("the browser held no cookie any more: this proves nothing")
				}
			})
		})
	}
}

func TestSessions(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p, q := e.Add("mia@acme.example", sallyport.Member), e.Add("pat@acme.example", sallyport.Member)
		v, other, third, theirs := s.Visitor(), s.Visitor().From("203.0.113.9"), s.Visitor(), s.Visitor()
		theirs.SignIn(q)
		third.SignIn(p)
		other.SignIn(p)
		v.SignIn(p)
		page := v.Get("/account/sessions")
		if !page.Has("Firefox on Linux") || !page.Has("203.0.113.9") || !page.Has("this browser") {
			t.Fatalf("%s", page.Text())
		}
		id := func(user, address string) string {
			return e.Query(`SELECT id FROM sessions WHERE user_id = $1 AND address = $2 ORDER BY id`, user, address)[0][0]
		}
		for _, foreign := range []string{id(q.ID, "127.0.0.1"), "ses_00000000000000000000000000", "x"} {
			path := "/account/sessions/" + foreign + "/end"
			if got := v.Get(path); got.Status != http.StatusNotFound {
				t.Errorf("GET %s: %d", path, got.Status)
			}
			if got := v.Post(path, nil); got.Status != http.StatusNotFound || !theirs.SignedIn() {
				t.Errorf("POST %s: %d", path, got.Status)
			}
		}
		path := "/account/sessions/" + id(p.ID, "203.0.113.9") + "/end"
		if got := v.Get(path); got.Status != http.StatusOK || !other.SignedIn() {
			t.Errorf("asking ends it: %d", got.Status)
		}
		if got := v.Post(path, nil); got.Location != "/account/sessions" || other.SignedIn() || !third.SignedIn() || !v.SignedIn() {
			t.Errorf("%d %s", got.Status, got.Location)
		}
		if got := v.Post("/account/sessions/end-others", nil); got.Location != "/account/sessions" || third.SignedIn() || !v.SignedIn() || !theirs.SignedIn() {
			t.Errorf("%d %s", got.Status, got.Location)
		}
		if got := v.Get("/account/sessions"); strings.Contains(got.Body, "/end") {
			t.Error("there is one to end, or it is said so")
		}
	})
}

func TestActivity(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p, q := e.Add("mia@acme.example", sallyport.Member), e.Add("pat@acme.example", sallyport.Member)
		s.Visitor().Enrol(&q, "Their Phone")
		s.Visitor().From("203.0.113.66").Post("/sign-in", sallyporttest.Fields{"email": p.Address, "password": "wrong"})
		v := s.Visitor()
		v.SignIn(p)
		page := v.Get("/account/activity")
		for _, says := range []string{"Wrong password", "203.0.113.66", "Refused", "Signed in without a second factor", "Account made by the operator", "Firefox on Linux"} {
			if !page.Has(says) {
				t.Errorf("it does not say %q: %s", says, page.Text())
			}
		}
		if page.Has("Their Phone") {
			t.Error("it shows another's events (I28)")
		}
		for i := range 120 {
			e.Clock.Advance(time.Second)
			v.Post("/account", sallyporttest.Fields{"name": fmt.Sprint("Mia ", i)})
		}
		seen, pages := 0, 0
		for path := "/account/activity"; path != ""; pages++ {
			page := v.Get(path)
			seen += strings.Count(page.Text(), "Name changed")
			path = ""
			for _, link := range page.Links() {
				if strings.Contains(link, "before=") {
					path = link
				}
			}
		}
		if seen != 120 || pages != 3 {
			t.Errorf("%d events on %d pages, want 120 on 3", seen, pages)
		}
		for _, before := range []string{"x", "~", "%27", "evt_00000000000000000000000000"} {
			if got := v.Get("/account/activity?before=" + before); got.Status != http.StatusOK {
				t.Errorf("%s: %d", before, got.Status)
			}
		}
	})
}

func TestProfile(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		v.SignIn(p)
		if got := v.PostValues("/account", map[string][]string{"name": {" Mia Wallace "}, "role": {"owner"}, "email": {"x@evil.example"}}); got.Location != "/account" {
			t.Fatalf("%d %s", got.Status, got.Alert())
		}
		if row := e.Query(`SELECT name, role, address FROM users WHERE id = $1`, p.ID)[0]; fmt.Sprint(row) != "[Mia Wallace member mia@acme.example]" {
			t.Errorf("it is now %q (I56)", row)
		}
		for _, name := range []string{"", "  ", strings.Repeat("x", 101), "a\nb"} {
			if got := v.Post("/account", sallyporttest.Fields{"name": name}); got.Status != http.StatusUnprocessableEntity {
				t.Errorf("%.10q: %d", name, got.Status)
			}
		}
	})
}

func TestHelpNeedsNobody(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	e.SecurityContact = "mailto:security@acme.example"
	s := sallyporttest.NewSite(t, e)
	p := e.Add("mia@acme.example", sallyport.Member)
	s.Visitor().Enrol(&p, "Pixel")
	half := s.Visitor()
	half.GivePassword(p)
	for name, v := range map[string]*sallyporttest.Visitor{"a stranger": s.Visitor(), "half signed in": half} {
		got := v.Get("/help/2fa")
		for _, word := range []string{"turn on", "activate", "MFA", "backup code", "lost my phone", "new phone", "clock", "cookies", "Aegis"} {
			if got.Status != http.StatusOK || !got.Has(word) {
				t.Errorf("%s: %d, %q is there: %v", name, got.Status, word, got.Has(word))
			}
		}
		if got := v.Get("/.well-known/change-password"); got.Status != http.StatusFound || got.Location != "/account/password" {
			t.Errorf("change-password: %d %s", got.Status, got.Location)
		}
		got = v.Get("/.well-known/security.txt")
		if got.Status != http.StatusOK || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/plain") || !strings.Contains(got.Body, "Contact: mailto:security@acme.example\r\nExpires: 20") {
			t.Errorf("security.txt: %d %q", got.Status, got.Body)
		}
	}
	e.SecurityContact = ""
	bare := *e.Service
	if got := s.Visitor().Through(s.Over(&bare)).Get("/.well-known/security.txt"); got.Status != http.StatusNotFound {
		t.Errorf("not configured: %d", got.Status)
	}
}
