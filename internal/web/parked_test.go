package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/web"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// withoutCookies returns a copy of a visitor without some of its cookies.
func withoutCookies(v *sallyporttest.Visitor, cookies ...string) *sallyporttest.Visitor {
	thief := v.Fork()
	for _, name := range cookies {
		thief.SetCookie(name, "")
	}
	return thief
}

// TestI62_TheActionNamedIsTheActionCarriedOut: the page that asks for proof names the action that is parked for its
// address, in the browser that parked it. In all other cases, it opens the page named in the address, and changes
// nothing.
func TestI62_TheActionNamedIsTheActionCarriedOut(t *testing.T) {
	const disable, codes = "/account/2fa/disable", "/account/2fa/recovery-codes"
	tests := []struct {
		name   string
		parks  func(v *sallyporttest.Visitor) *sallyporttest.Visitor // the visitor that posts to disable
		with   func(v *sallyporttest.Visitor) *sallyporttest.Visitor // the visitor that opens the link and enters the code
		to     string
		done   bool
		header string
	}{
		{"the same browser", nil, nil, disable, true, "Disable two-factor authentication"},
		{"for another page", nil, nil, codes, false, "Show recovery codes"},
		{"for the account page", nil, nil, "/account", false, ""},
		{"for the page with a query", nil, nil, disable + "?x=y", true, "Disable two-factor authentication"},
		{"for a page below", nil, nil, disable + "/x", false, ""},
		{"parked by a thief of the session", func(v *sallyporttest.Visitor) *sallyporttest.Visitor { return withoutCookies(v, "browser") }, nil, disable, false, "Disable two-factor authentication"},
		{"parked by a thief who makes up a known device", func(v *sallyporttest.Visitor) *sallyporttest.Visitor {
			thief := v.Fork()
			thief.SetCookie("browser", strings.Repeat("A", 43))
			return thief
		}, nil, disable, false, "Disable two-factor authentication"},
		{"opened by a thief of the session", nil, func(v *sallyporttest.Visitor) *sallyporttest.Visitor { return withoutCookies(v, "browser") }, disable, false, "Disable two-factor authentication"},
	}
	visitors(t, func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				if len(ids(s, *p)) == 0 {
					v.Post("/sign-out", nil)
					v.Enrol(p, "Pixel")
				}
				s.Clock.Advance(stale)
				parking, confirming := v, v
				if test.parks != nil {
					parking = test.parks(v)
				}
				if test.with != nil {
					confirming = test.with(v)
				}
				parked, err := url.Parse(parking.Post(disable, nil).Location)
				if err != nil || parked.Path != "/step-up" {
					t.Fatalf("%s %v", parked, err)
				}
				q := parked.Query()
				q.Set("to", test.to)
				page := confirming.Get("/step-up?" + q.Encode())
				if at := page.Has("This happens as soon as you confirm."); at != test.done || !page.Has(test.header) {
					t.Errorf("the page says that it is done: %v, want %v: %s", at, test.done, page.Text())
				}
				confirming.Post(page.Target, sallyporttest.Fields{"code": code(s, p)})
				if confirming.Page.Status != http.StatusSeeOther {
					t.Fatalf("%d %s", confirming.Page.Status, confirming.Page.Alert())
				}
				if done := len(ids(s, *p)) == 0; done != test.done {
					t.Errorf("two-factor authentication was disabled: %v, want %v", done, test.done)
				}
				if confirming != v {
					s.Clock.Advance(stale)
					v.SignIn(*p)
				}
			})
		}
	})
}

// TestI62_EveryInterruptedActionIsNamed: after an hour without use, every form for administrators asks for proof, and the
// page that asks says what for. A person's page, which managers may open too, is not taken for the form on it.
func TestI62_EveryInterruptedActionIsNamed(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	mia := e.Add("mia@acme.example", sallyport.Member)
	_, owners := ownerOf(s)
	e.Clock.Advance(2 * time.Hour)
	person := "/admin/users/" + mia.ID
	asked := map[string]bool{}
	for _, r := range web.Routes() {
		if r.Method != "POST" || r.Access != "managers" && r.Access != "admins" {
			continue
		}
		path := strings.NewReplacer("/users/{id}", "/users/"+mia.ID, "{id}", "mai_x", "{session}", "ses_x", "{device}", "dev_x", "{secret}", "sec_x").Replace(r.Path)
		to := owners.Post(path, sallyporttest.Fields{"id": mia.ID, "role": "admin", "reason": "lost", "email": "n@acme.example", "name": "N"}).Location
		if !strings.HasPrefix(to, "/step-up?") {
			continue // the form was refused before that
		}
		asked[r.Path] = true
		if page := owners.Get(to); !page.Has("Needed for: ") {
			t.Errorf("POST %s: %s", r.Path, page.Text())
		}
	}
	for _, path := range []string{"/admin/users/{id}", "/admin/users/{id}/reset-password", "/admin/outbox/{id}/send-again", "/admin/outbox/send-again"} {
		if !asked[path] {
			t.Errorf("POST %s did not ask for proof", path)
		}
	}

	to := owners.Get(person).Location
	if page := owners.Get(to); page.Has("Needed for: ") || !page.Has("Use a recovery code instead") {
		t.Errorf("GET %s: %s", person, page.Text())
	}
}

// TestI62_FormsComeBackToTheirBrowserAlone: what a thief of the session cookie entered is not shown to its owner.
func TestI62_FormsComeBackToTheirBrowserAlone(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	s.SetUpMail()
	p, v := ownerOf(s)
	for name, parks := range map[string]*sallyporttest.Visitor{"mine@acme.example": v, "thief@evil.example": withoutCookies(v, "browser")} {
		s.Clock.Advance(sallyport.StepUpLimit + stale)
		parks.Post("/account/email", sallyporttest.Fields{"email": name})
		v.Post(parks.Page.Location, sallyporttest.Fields{"code": code(s, &p)})
		if got := v.Follow().Form("email").Values.Get("email"); (got == name) != (parks == v) {
			t.Errorf("parked %s: the form has %q", name, got)
		}
	}
}

// halfWay are the steps at which a person may leave a sign-in. Each function takes a new visitor to its step.
var halfWay = map[string]func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor) (at string, p sallyporttest.Person){
	"challenge": func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor) (string, sallyporttest.Person) {
		p := s.Add("mia@acme.example", sallyport.Member)
		s.Visitor().Enrol(&p, "Pixel")
		return v.GivePassword(p).Location, p
	},
	"recovery code": func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor) (string, sallyporttest.Person) {
		p := s.Add("mia@acme.example", sallyport.Member)
		s.Visitor().Enrol(&p, "Pixel")
		return v.GivePassword(p).Location + "/recovery", p
	},
	"set-up": func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor) (string, sallyporttest.Person) {
		p := s.Add("mia@acme.example", sallyport.Member)
		s.Exec(`UPDATE policies SET require_2fa = 'everyone', version = version + 1`)
		return v.GivePassword(p).Location, p
	},
	"a key on the page": func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor) (string, sallyporttest.Person) {
		p := s.Add("mia@acme.example", sallyport.Member)
		s.Exec(`UPDATE policies SET require_2fa = 'everyone', version = version + 1`)
		return v.Post(v.GivePassword(p).Location, sallyporttest.Fields{"name": "Pixel"}).Location, p
	},
	"choosing a password": func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor) (string, sallyporttest.Person) {
		p := s.Add("mia@acme.example", sallyport.Member)
		s.Exec(`UPDATE users SET temporary_ends = $1 WHERE id = $2`, s.Clock.Now().Add(time.Hour).UnixMilli(), p.ID)
		return v.GivePassword(p).Location, p
	},
}

// TestI32_SigningOutHalfWay: the sign-out button of each step ends the sign-in on the server, and any set-up begun in
// it.
func TestI32_SigningOutHalfWay(t *testing.T) {
	for name, begin := range halfWay {
		t.Run(name, func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				s := sallyporttest.NewSite(t, e)
				v := s.Visitor()
				at, _ := begin(t, s, v)
				if page := v.Get(at); page.Status != http.StatusOK {
					t.Fatalf("%s: %d %s", at, page.Status, page.Location)
				}
				kept := v.Fork()
				leave := v.Page.Forms()[len(v.Page.Forms())-1]
				if leave.Action != "/sign-out" {
					t.Fatalf("no way out on %s: %v", at, leave)
				}
				if v.PostValues(leave.Action, leave.Values); v.Page.Location != "/sign-in" || v.Cookies()["sign-in"] != "" {
					t.Errorf("%d %s %v", v.Page.Status, v.Page.Location, v.Cookies())
				}
				for _, copied := range []*sallyporttest.Visitor{v, kept} {
					if page := copied.Get(at); page.Status == http.StatusOK || page.Key() != "" {
						t.Errorf("%s lives on: %d %s", at, page.Status, page.Text())
					}
				}
				if rows := s.Query(`SELECT id FROM sign_ins`); len(rows) != 0 {
					t.Errorf("%d sign-ins are left", len(rows))
				}
				if rows := s.Query(`SELECT holder FROM drafts`); len(rows) != 0 {
					t.Errorf("%d drafts are left", len(rows))
				}
				if rows := s.Query(`SELECT id FROM events WHERE kind = 'sign_in.abandoned'`); len(rows) != 1 {
					t.Errorf("%d events tell of it", len(rows))
				}
			})
		})
	}
}
