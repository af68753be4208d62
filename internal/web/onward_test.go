package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/web"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// signInOn goes through the pages of a sign-in, from the one that the newest response redirects to, until it is
// complete.
func signInOn(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person) {
	t.Helper()
	for range 10 {
		page := v.Follow()
		for _, f := range page.Forms() {
			for name, value := range map[string]string{
				"email": p.Address, "password": p.Password, "new_password": p.Password + "-2", "saved": "yes", "name": "Pixel",
			} {
				if slices.Contains(f.Names, name) {
					f.Values.Set(name, value)
				}
			}
			if slices.Contains(f.Names, "code") {
				if key := page.Key(); key != "" {
					f.Values.Set("code", codeOf(t, s, key))
				} else {
					f.Values.Set("code", code(s, p))
				}
			}
			v.PostValues(f.Action, f.Values)
			break
		}
		if v.Page.Status != http.StatusSeeOther {
			t.Fatalf("%s: %d %s", v.Page.Target, v.Page.Status, v.Page.Alert())
		}
		if !strings.HasPrefix(v.Page.Location, "/sign-in") {
			return
		}
	}
	t.Fatalf("the sign-in does not end: %s", v.Page.Target)
}

// TestI46_TheWayGoesOnAfterSignIn: a person who opens a page gets there after signing in, through every step, and never
// to another site.
func TestI46_TheWayGoesOnAfterSignIn(t *testing.T) {
	const users = "/admin/users?two_factor=disabled&q=m%26m"
	ways := []struct{ from, to string }{
		{"/admin/users?two_factor=disabled&q=m%26m", users},
		{"/account", "/account"},
		{"/apps?q=wiki", "/apps?q=wiki"},
		{"/", "/"},
		{"/account/activity", "/account/activity"},
		{"/admin/users.csv?role=admin", "/admin/users?role=admin"},
		{"/account/2fa/recovery-codes.txt", "/account/2fa/recovery-codes"},
		{"/step-up?to=%2Faccount%2Fpassword", "/account/password"},
		{"/sign-in?to=" + url.QueryEscape(users), users},
		{"/sign-in?to=https%3A%2F%2Fevil.example%2Faccount", "/"},
		{"/sign-in?to=%2F%2Fevil.example%2Faccount", "/"},
		{"/sign-in?to=%2Faccount%2F..%2F..%2F%2Fevil.example", "/"},
		{"/sign-in?to=%2F%5Cevil.example", "/"},
		{"/sign-in?to=%2Faccount%23x", "/"},
		{"/sign-in?to=%2Fsign-out", "/"},
		{"/sign-in?to=%2Faccount%2Fnowhere", "/"},
		{"/sign-in?to=%2Faccount%3Fx%3D" + strings.Repeat("y", 5000), "/"},
	}
	steps := map[string]func(s *sallyporttest.Site, p *sallyporttest.Person){
		"password alone": func(*sallyporttest.Site, *sallyporttest.Person) {},
		"code":           func(s *sallyporttest.Site, p *sallyporttest.Person) { s.Visitor().Enrol(p, "Pixel") },
		"set-up": func(s *sallyporttest.Site, _ *sallyporttest.Person) {
			s.Exec(`UPDATE policies SET require_2fa = 'everyone', version = version + 1`)
		},
		"new password": func(s *sallyporttest.Site, p *sallyporttest.Person) {
			s.Exec(`UPDATE users SET temporary_ends = $1 WHERE id = $2`, s.Clock.Now().Add(time.Hour).UnixMilli(), p.ID)
		},
	}
	for name, prepare := range steps {
		t.Run(name, func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				s := sallyporttest.NewSite(t, e)
				for i, way := range ways {
					if i > 0 && (name == "set-up" || name == "new password") {
						break
					}
					p := s.Owner
					if i == 0 {
						prepare(s, &p)
						s.Owner = p
					}
					s.Clock.Advance(time.Minute)
					v := s.Visitor()
					v.Get(way.from)
					signInOn(t, s, v, &p)
					if v.Page.Location != way.to {
						t.Errorf("from %s: got to %s, want %s", way.from, v.Page.Location, way.to)
					}
					if !v.SignedIn() {
						t.Errorf("from %s: not signed in", way.from)
					}
				}
			})
		})
	}
}

// TestHalfWay: a page opened in the middle of a sign-in redirects to the current step, with a notice. The sign-in then
// ends at that page.
func TestHalfWay(t *testing.T) {
	for name, begin := range halfWay {
		t.Run(name, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			s := sallyporttest.NewSite(t, e)
			v := s.Visitor()
			at, p := begin(t, s, v)
			at, _, _ = strings.Cut(at, "?")
			for _, opened := range []string{"/", "/account", "/account/activity"} {
				if got := v.Get(opened); got.LocationPath() != strings.TrimSuffix(at, "/recovery") {
					t.Errorf("%s leads to %s, not to %s", opened, got.Location, at)
				}
				if page := v.Follow(); !page.Has("You have not finished signing in") {
					t.Errorf("%s: %s", opened, page.Text())
				}
			}
			s.Clock.Advance(time.Minute)
			if signInOn(t, s, v, &p); v.Page.Location != "/account/activity" {
				t.Errorf("got to %s", v.Page.Location)
			}
		})
	}
}

// TestI66_StrangersWriteNothing: pages that callers open without signing in, and forms that they post, write no row.
func TestI66_StrangersWriteNothing(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		before := s.Dump()
		v := s.Visitor()
		for _, r := range web.Routes() {
			path := strings.NewReplacer("{id}", "x", "{token}", "x", "{$}", "").Replace(r.Path)
			switch {
			case r.Access == "outside" || r.Path == "/sign-in" || r.Path == "/forgot":
			case r.Method == "GET":
				v.Get(path + "?q=x")
			default:
				v.Post(path, sallyporttest.Fields{"name": "x", "email": "x@acme.example"})
			}
			if held := v.Cookies()["form"]; held != "" {
				t.Errorf("%s keeps the form of a stranger", r.Path)
			}
		}
		if after := s.Dump(); after != before {
			t.Error("something was written")
		}
	})
}

// TestFormsSentTooLateComeBack: a form that arrives after the session has ended is shown again after signing in: once,
// to the person who filled it in, in their browser.
func TestFormsSentTooLateComeBack(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		s.SetUpMail()
		owner, v := ownerOf(s)
		mia := e.Add("mia@acme.example", sallyport.Member)
		s.Visitor().Enrol(&mia, "Pixel")
		forms := map[string]sallyporttest.Fields{
			"/account":       {"name": "Late Name"},
			"/account/email": {"email": "late@acme.example"},
			"/account/2fa/authenticators/" + ids(s, owner)[0] + "/rename": {"name": "Late <b>Phone"},
			"/account/2fa/set-up":                   {"name": "Late Phone"},
			"/admin/users/new":                      {"email": "late@acme.example", "name": "Late Person"},
			"/admin/users/" + mia.ID + "/reset-2fa": {"reason": "Lost her phone"},
			"/admin/brand":                          {"name": "Late Brand", "colour": "#123456"},
		}
		for path, fields := range forms {
			for _, ended := range []string{"signed out elsewhere", "idle"} {
				s.Clock.Advance(sallyport.StepUpLimit + time.Minute)
				if ended == "idle" {
					s.Clock.Advance(sallyport.IdleLimit)
				} else {
					s.Exec(`DELETE FROM sessions`)
				}
				sent := sallyporttest.Fields{"current_password": "secret", "code": "123456"}
				for name, value := range fields {
					sent[name] = value
				}
				if v.Post(path, sent); v.Page.LocationPath() != "/sign-in" {
					t.Fatalf("%s: %d %s", path, v.Page.Status, v.Page.Location)
				}
				if page := v.Follow(); !page.Has("Your session has ended") {
					t.Errorf("%s: the page to sign in says nothing: %s", path, page.Text())
				}
				signInOn(t, s, v, &owner)
				page := v.Follow()
				if page.Target != path || !page.Has("Your session has ended") || !page.Has("send it again") {
					t.Fatalf("%s, %s: got to %s: %s", path, ended, page.Target, page.Text())
				}
				for name, value := range fields {
					if got := page.Form(name).Values.Get(name); got != value {
						t.Errorf("%s, %s: %s is %q", path, ended, name, got)
					}
				}
				if strings.Contains(page.Body, "secret") || strings.Contains(page.Body, "123456\"") && fields["colour"] == "" {
					t.Errorf("%s: a password or a code comes back", path)
				}
				if v.Get(path); v.Page.Has("Your session has ended") || strings.Contains(v.Page.Body, "Lost her phone") {
					t.Errorf("%s: it comes back twice", path)
				}
			}
		}
	})
}

// TestI61_KeptFormsAreNotForOthers: a colleague who signs in next in the same browser does not see the form that the
// last one sent too late. Neither does its own user in another browser.
func TestI61_KeptFormsAreNotForOthers(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		owner, v := ownerOf(s)
		mia, elsewhere := e.Add("mia@acme.example", sallyport.Member), s.Visitor()
		elsewhere.SignIn(owner)
		for path, fields := range map[string]sallyporttest.Fields{"/account": {"name": "Late Name"}, "/account/email": {"email": "late@acme.example"}} {
			s.Exec(`DELETE FROM sessions`)
			s.Clock.Advance(time.Minute)
			v.Post(path, fields)
			held := v.Cookies()["form"]
			if held == "" {
				t.Fatalf("%s is not kept", path)
			}
			colleague := v.Fork()
			elsewhere.SetCookie("form", held)
			elsewhere.Get("/sign-in?to=" + path)
			signInOn(t, s, elsewhere, &owner)
			colleague.Get("/sign-in?to=" + path)
			signInOn(t, s, colleague, &mia)
			for who, other := range map[string]*sallyporttest.Visitor{"a colleague": colleague, "another browser": elsewhere} {
				if page := other.Follow(); page.Has("send it again") || strings.Contains(page.Body, fields["name"]+fields["email"]) {
					t.Errorf("%s: %s is shown it: %s", path, who, page.Text())
				}
			}
			v = s.Visitor()
			s.Clock.Advance(time.Minute)
			v.SignIn(owner)
		}
	})
}

// TestI63_KeptFormsEnd: a form is kept for at most 15 minutes, and not if the clock was set back.
func TestI63_KeptFormsEnd(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	p, v := ownerOf(s)
	for name, turn := range map[string]time.Duration{"in time": sallyport.FormLimit - time.Minute, "too late": sallyport.FormLimit, "the clock was set back": -time.Hour} {
		s.Clock.Advance(48 * time.Hour)
		v.Post("/account", sallyporttest.Fields{"name": "Late Name"})
		s.Clock.Advance(turn)
		held := v.Cookies()["form"]
		v.SetCookie("form", held)
		signInOn(t, s, v, &p)
		if kept := v.Follow().Form("name").Values.Get("name") == "Late Name"; kept != (turn > 0 && turn < sallyport.FormLimit) {
			t.Errorf("%s: kept is %v", name, kept)
		}
		s.Clock.Advance(max(0, -turn))
	}
}

// TestBackAfterSignIn: the pages of a completed sign-in redirect.
func TestBackAfterSignIn(t *testing.T) {
	visitors(t, func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, _ *sallyporttest.Person) {
		for _, path := range []string{"/sign-in", "/sign-in/2fa", "/sign-in/2fa/recovery", "/sign-in/password", "/sign-in?to=%2Faccount%2Fsessions"} {
			want := "/account"
			if strings.Contains(path, "sessions") {
				want = "/account/sessions"
			}
			v.Get(path)
			if page := v.Follow(); page.Status != http.StatusOK || page.Target != want {
				t.Errorf("%s leads to %s: %d", path, page.Target, page.Status)
			}
		}
		// The form of a step that is complete, sent again.
		for _, f := range []sallyporttest.Fields{{"code": "000000"}, {"recovery_code": "x"}, {"new_password": "violet-otter-canyon-42"}, {"name": "Pixel"}, {"saved": "yes"}} {
			at := map[string]string{"code": "/sign-in/2fa", "recovery_code": "/sign-in/2fa/recovery", "new_password": "/sign-in/password", "name": "/sign-in/set-up", "saved": "/sign-in/set-up"}
			for name := range f {
				for to, want := range map[string]string{"": "/", "?to=%2Faccount%2Fsessions": "/account/sessions", "?to=%2F%2Fevil.example": "/"} {
					if got := v.Post(at[name]+to, f); got.Status != http.StatusSeeOther || got.Location != want {
						t.Errorf("%s sent again to %s: %d %s", name, at[name]+to, got.Status, got.Location)
					}
				}
			}
		}
		v.SetCookie("sign-in", "x") // of another sign-in, which has ended
		if got := v.Post("/sign-in/2fa", sallyporttest.Fields{"code": "000000"}); got.Status != http.StatusGone {
			t.Errorf("another sign-in that has ended: %d %s", got.Status, got.Location)
		}
	})
}

// TestCookiesAreNeeded: a browser that blocks cookies gets a page that says that signing in needs them.
func TestCookiesAreNeeded(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	mia, ben := e.Add("mia@acme.example", sallyport.Member), e.Add("ben@acme.example", sallyport.Member)
	s.Visitor().Enrol(&mia, "Pixel")
	for _, p := range []sallyporttest.Person{mia, ben} {
		s.Clock.Advance(time.Minute)
		v := s.Visitor()
		for to := v.GivePassword(p).Location; to != ""; to = v.Page.Location {
			v = s.Visitor()
			v.Send(sallyporttest.Request{Method: "GET", Target: to, Header: http.Header{"Referer": {s.URL + "/sign-in"}}})
		}
		if !v.Page.Has("your browser blocks cookies") || !slices.Contains(v.Page.Links(), "/help/2fa#cookies") {
			t.Errorf("%s: %s", p.Address, v.Page.Text())
		}
	}
	v := s.Visitor()
	if v.Get("/sign-in"); v.Page.Has("cookies") {
		t.Error("everyone gets the notice")
	}
	for name, p := range map[string]sallyporttest.Person{"a code is next": mia, "nothing is next": ben} {
		s.Clock.Advance(time.Minute)
		b := sallyporttest.NewBrowser(t, s.URL, sallyporttest.Look{})
		b.BlockCookies()
		signInBy(b, p)
		b.Sees("your browser blocks cookies")
		b.Click("Allow cookies")
		if !strings.HasSuffix(b.URL(), "/help/2fa#cookies") {
			t.Errorf("%s: the link leads to %s", name, b.URL())
		}
		b.Sees("cookies")
	}
}
