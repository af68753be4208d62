package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/web"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// unlisted are the posts behind a sign-in that nothing needs to be kept of, each with its reason.
var unlisted = map[string]string{
	"/step-up":                     "it is the interruption",
	"/account/sessions/{id}/end":   "it has no fields and takes no fresh proof",
	"/account/sessions/end-others": "it has no fields and takes no fresh proof",
}

// unkept are the fields that do not come back, each with its reason.
var unkept = map[string]string{
	"credential": "answers one challenge, once",
	"number":     "answers one request, once",
	"password":   "a secret", "current_password": "a secret", "new_password": "a secret", "code": "a secret",
	"recovery_code": "a secret", "set_up_code": "a secret",
	"username": "for password managers, not for us",
	"draft":    "the set-up ends with its session",
	"saved":    "it says that something was done, so it is asked again",
	"confirm":  "the page that was confirmed is marked in what is parked",
	"request":  "it is in the address",
	"answer":   "a button, which is asked for again",
}

// oneForm is the same for all routes that take the form of one template.
func oneForm(path string) string {
	if strings.HasPrefix(path, "/admin/users/bulk/") {
		return "/admin/users/bulk/"
	}
	return path
}

// TestEveryFormComesBack holds every form behind a sign-in to it: what was typed comes back after the session has ended or
// a step-up came in between.
func TestEveryFormComesBack(t *testing.T) {
	behind := []string{"signedIn", "setUp", "managers", "admins"}
	mux, open := http.NewServeMux(), map[string]bool{}
	for _, r := range web.Routes() {
		if r.Method != http.MethodPost {
			continue
		}
		mux.HandleFunc("POST "+r.Path, func(http.ResponseWriter, *http.Request) {})
		if !slices.Contains(behind, r.Access) {
			open[r.Path] = true
			continue
		}
		if _, listed := web.Keeps(r.Path); !listed && unlisted[r.Path] == "" {
			t.Errorf("POST %s is not among the actions, so its form is lost and a step-up does not say what it is for", r.Path)
		}
	}
	seen := map[string]bool{}
	for _, s := range shoot(t, text.English) {
		for _, f := range s.page.Forms() {
			page, err := url.Parse(s.page.Target)
			if err != nil || f.Method != "post" {
				continue
			}
			at, err := page.Parse(f.Action)
			if err != nil {
				t.Fatal(err)
			}
			if at.Host != "" { // an app's
				continue
			}
			_, pattern := mux.Handler(&http.Request{Method: http.MethodPost, URL: at})
			_, path, _ := strings.Cut(pattern, " ")
			kept, listed := web.Keeps(path)
			if path == "" || open[path] || !listed {
				if path == "" {
					t.Errorf("%s: nothing takes the form for %s", s.name, f.Action)
				}
				if unlisted[path] != "" && path != "/step-up" && len(f.Names) > 0 {
					t.Errorf("%s: the form for %s has fields %v", s.name, path, f.Names)
				}
				continue
			}
			seen[oneForm(path)] = true
			for _, name := range f.Names {
				if !slices.Contains(kept, name) && unkept[name] == "" {
					t.Errorf("%s: %q of %s does not come back", s.name, name, path)
				}
			}
		}
	}
	for _, r := range web.Routes() {
		if kept, _ := web.Keeps(r.Path); r.Method == http.MethodPost && len(kept) > 0 && !seen[oneForm(r.Path)] {
			t.Errorf("no page with the form for %s was seen", r.Path)
		}
	}
}

// TestI46_TheWayGoesOnThroughAForcedSetUp: somebody whose session is open when two-factor authentication becomes required
// sets it up, and gets to the page that they opened; never to another site.
func TestI46_TheWayGoesOnThroughAForcedSetUp(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		for i, way := range []struct{ opened, to string }{
			{"/account/activity?kind=x", "/account/activity?kind=x"},
			{"/account/sessions", "/account/sessions"},
			{"/account/2fa/set-up?to=https%3A%2F%2Fevil.example%2Faccount", "/account/2fa"},
			{"/account/2fa/set-up?to=%2F%2Fevil.example", "/account/2fa"},
		} {
			e.Exec(`UPDATE policies SET require_2fa = 'optional', version = version + 1`)
			p, v := e.Add(string(rune('a'+i))+"@acme.example", sallyport.Member), s.Visitor()
			v.SignIn(p)
			e.Exec(`UPDATE policies SET require_2fa = 'everyone', version = version + 1`)
			v.Get(way.opened)
			for v.Page.Location != "" {
				v.Follow()
			}
			if !strings.HasPrefix(v.Page.Target, "/account/2fa/set-up") {
				t.Fatalf("%s leads to %s", way.opened, v.Page.Target)
			}
			send := func(field, value string) {
				t.Helper()
				f := v.Page.Form(field)
				f.Values.Set(field, value)
				v.PostValues(f.Action, f.Values)
				if v.Page.Status != http.StatusSeeOther {
					t.Fatalf("%s at %s: %d %s", field, v.Page.Target, v.Page.Status, v.Page.Alert())
				}
			}
			send("name", "Pixel")
			send("code", codeOf(t, s, v.Follow().Key()))
			v.Follow()
			send("saved", "yes")
			if v.Page.Location != way.to {
				t.Errorf("from %s: got to %s, not to %s", way.opened, v.Page.Location, way.to)
			}
			if got := v.Follow(); got.Status != http.StatusOK {
				t.Errorf("%s: %d", got.Target, got.Status)
			}
		}
	})
}

// TestI22_ALinkToANewPasswordAfterStepUp: the step-up says what it is for, takes no recovery code, and the link follows.
func TestI22_ALinkToANewPasswordAfterStepUp(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		owner, v := ownerOf(s)
		p := e.Add("mia@acme.example", sallyport.Member)
		e.Clock.Advance(sallyport.StepUpLimit)
		at := v.Post("/admin/users/"+p.ID+"/reset-password", sallyporttest.Fields{}).Location
		if got := v.Get(at); !got.Has("Needed for: Create a link to a new password") || got.Has("recovery code instead") {
			t.Errorf("%s: %s", at, got.Text())
		}
		if got := v.Post(at, sallyporttest.Fields{"code": owner.Code(e.Clock.Now())}); got.Status != http.StatusOK || got.Data("data-password-link") == "" {
			t.Errorf("confirmed: %d %s %s", got.Status, got.Location, got.Text())
		}
	})
}
