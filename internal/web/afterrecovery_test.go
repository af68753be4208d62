package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

const afterRecovery = "/account/2fa/after-recovery"

// TestAfterRecoveryGoesOn: the page leads to where the person was going, immediately or after a code of an
// authenticator has lifted the restriction, and never to another host (I46).
func TestAfterRecoveryGoesOn(t *testing.T) {
	eachSite(t, func(t *testing.T, s *sallyporttest.Site, p *sallyporttest.Person) {
		for _, test := range []struct{ to, kept string }{
			{"/account/activity", "/account/activity"}, {"/account/sessions?page=2", "/account/sessions?page=2"},
			{"", ""}, {"https://evil.example/account", ""}, {"//evil.example", ""}, {"/sign-out", ""}, {"/account/no-page", ""},
		} {
			s.Clock.Advance(time.Hour)
			v := s.Visitor()
			v.Post("/sign-in?"+url.Values{"to": {test.to}}.Encode(), fields{"email": p.Address, "password": p.Password})
			v.Post("/sign-in/2fa/recovery", fields{"recovery_code": p.RecoveryCodes[0]})
			p.RecoveryCodes = p.RecoveryCodes[1:]
			here, notNow := afterRecovery, "/"
			if test.kept != "" {
				here, notNow = afterRecovery+"?"+url.Values{"to": {test.kept}}.Encode(), test.kept
			}
			wantResponse(t, v, http.StatusSeeOther, here)
			page := v.Follow()
			stepUp := "/step-up?" + url.Values{"from": {here}, "to": {here}}.Encode()
			change := strings.Replace(here, afterRecovery, "/account/2fa/change", 1)
			for _, to := range []string{notNow, stepUp, change} {
				if !slices.Contains(page.Links(), to) {
					t.Errorf("going to %q: no link to %s in %q", test.to, to, page.Links())
				}
			}
			v.Post(stepUp, fields{"code": p.RecoveryCodes[0]})
			wantResponse(t, v, http.StatusUnprocessableEntity, "")
			if v.Get(codesPage).Status != http.StatusForbidden {
				t.Errorf("a recovery code lifts the restriction: %d", v.Page.Status)
			}
			v.Post(stepUp, fields{"code": p.Code(s.Clock.Now())})
			wantResponse(t, v, http.StatusSeeOther, here)
			if notNow == "/" {
				notNow = "/account/2fa"
			}
			if v.Follow(); v.Page.Target != notNow || !strings.Contains(v.Page.Notice(), "The restriction is lifted") {
				t.Errorf("afterwards: %s %q, want %s", v.Page.Target, v.Page.Notice(), notNow)
			}
			if v.Get(codesPage).Status != http.StatusOK {
				t.Errorf("after a code: %d", v.Page.Status)
			}
		}
		s.Clock.Advance(time.Hour)
		v := s.Visitor()
		v.SignIn(*p)
		v.Get(afterRecovery)
		wantResponse(t, v, http.StatusSeeOther, "/account/2fa")
		if v.Follow(); v.Page.Notice() != "" {
			t.Errorf("in an ordinary session: %q", v.Page.Notice())
		}
	})
}

// TestI60_RestrictedButtonsAreDisabled: in a session that began with a recovery code, no page links to anything that is
// refused. The buttons are shown disabled, and the page links to the way to lift the restriction.
func TestI60_RestrictedButtonsAreDisabled(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		owner, owners := ownerOf(s)
		ben := e.Add("ben@acme.example", sallyport.Member)
		s.Visitor().Enrol(&ben, "Ben's")
		for _, role := range []string{"member", "admin"} {
			owners.Post("/admin/users/new", fields{"email": "new-" + role + "@acme.example", "name": "New", "role": role})
			wantResponse(t, owners, http.StatusSeeOther, owners.Page.Location)
		}
		id := func(address string) string {
			return e.Query(`SELECT id FROM users WHERE address = $1`, address)[0][0]
		}
		users := "/admin/users/"
		disabled := map[string][]string{
			"/account/2fa":                        {"Add another app", "Disable", "Remove", "Show recovery codes", "Regenerate recovery codes"},
			users + ben.ID:                        {"Edit name and address", "Change role", "Create a link to a new password", "Delete"},
			users + ben.ID + "/security":          {"Reset two-factor authentication"},
			users + id("new-member@acme.example"): {"Edit name and address", "Change role", "Revoke the invitation"},
			users + id("new-admin@acme.example"):  {"Edit name and address", "Change role", "Send the invitation again", "Revoke the invitation"},
			users + ben.ID + "/edit":              {"Save"},
			accessControl:                         {"Save"},
			"/admin/workspaces":                   {"Create"},
			users + "new":                         {"Owner", "Admin", "Manager"},
			users + "new/several":                 {"Owner", "Admin", "Manager"},
			"/account":                            nil,
			"/admin/brand":                        nil,
			"/admin/users":                        nil, // checked by its links, because many rows have the same buttons
		}
		v := recovering(s, &owner)
		for path, want := range disabled {
			page := v.Get(path)
			if got := page.Disabled(); path != "/admin/users" && !slices.Equal(got, want) {
				t.Errorf("%s: disabled are %q, want %q", path, got, want)
			}
			if !slices.ContainsFunc(page.Links(), func(to string) bool { return strings.HasPrefix(to, afterRecovery) }) {
				t.Errorf("%s does not lead to what lifts the restriction", path)
			}
		}
		refused, seen := map[string]bool{}, crawl(v, "/account", "/admin")
		for path, page := range seen {
			if strings.Contains(page.Alert(), "You signed in with a recovery code") {
				t.Errorf("a link leads to %s: %s", path, page.Alert())
			}
		}
		for _, path := range []string{"/delete", "/reset-2fa", "/reset-password", "/revoke-invitation", "/edit"} {
			for at := range seen {
				refused[path] = refused[path] || strings.HasSuffix(at, path)
			}
			if refused[path] {
				t.Errorf("a link leads to %s", path)
			}
		}
		v.Post("/step-up?to=/account", fields{"code": owner.Code(e.Clock.Now())})
		seen = crawl(v, "/account", "/admin")
		for path := range refused {
			found := false
			for at := range seen {
				found = found || strings.HasSuffix(at, path)
			}
			if !found {
				t.Errorf("after a code, no link leads to %s", path)
			}
		}
		for path := range disabled {
			if got := v.Get(path).Disabled(); len(got) > 0 {
				t.Errorf("%s, after a code: disabled are %q", path, got)
			}
		}
	})
}

// crawl opens all pages that can be reached through links, without their queries.
func crawl(v *sallyporttest.Visitor, from ...string) map[string]*sallyporttest.Page {
	seen := map[string]*sallyporttest.Page{}
	for len(from) > 0 {
		at := from[0]
		from = from[1:]
		if seen[at] != nil || !strings.HasPrefix(at, "/account") && !strings.HasPrefix(at, "/admin") {
			continue
		}
		seen[at] = v.Get(at)
		for _, to := range append(seen[at].Links(), seen[at].Location) {
			to, _, _ = strings.Cut(to, "?")
			from = append(from, to)
		}
	}
	return seen
}
