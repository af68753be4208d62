package invariants_test

import (
	"net/http"
	"testing"

	"github.com/sallyport-2fa/sallyport"
)

// TestI18_SwitchedOnOverThePages requires two-factor authentication as the owner, and then opens every page on the other
// node with existing sessions of each role.
func TestI18_SwitchedOnOverThePages(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		owner, owners := s.Owner, s.Visitor()
		owners.Enrol(&owner, "Owner's")
		_, mias := enrolled(s, "mia")
		node := s.Node()
		open := map[sallyport.Role]*Visitor{}
		people := map[sallyport.Role]Person{}
		for _, role := range sallyport.Roles {
			people[role] = s.Add(string(role)+"@acme.example", role)
			open[role] = s.Visitor()
			open[role].SignIn(people[role])
			open[role].Through(node)
		}
		for _, whom := range []string{sallyport.RequireAdmins, sallyport.RequireEveryone} {
			p := owners.Edit("/admin/access-control", Fields{"require_2fa": whom})
			f := p.Form("confirm")
			if p = owners.PostValues(f.Action, f.Values); p.Status != http.StatusSeeOther {
				t.Fatalf("%s: %d %s", whom, p.Status, p.Alert())
			}
			for role, v := range open {
				want := whom == sallyport.RequireEveryone || role.May(sallyport.SetPolicy)
				if got := v.Get("/account").Location == "/account/2fa/set-up"; got != want {
					t.Errorf("%s: an existing session of a %s must set up: %t", whom, role, got)
				}
			}
			if mias.Through(node).Get("/account").Status != http.StatusOK {
				t.Errorf("%s: a user with two-factor authentication is stopped", whom)
			}
		}
		for role, v := range open {
			forcedCrawl(t, s, v)
			if to := s.Visitor().GivePassword(people[role]).Location; to != "/sign-in/set-up" {
				t.Errorf("a new sign-in of a %s leads to %q", role, to)
			}
		}
		// Only the owner can lift the requirement: those who must set up cannot.
		if p := open[sallyport.Admin].Post("/admin/access-control", Fields{"require_2fa": "optional"}); p.LocationPath() != "/account/2fa/set-up" {
			t.Errorf("an admin who must set up first lifts the requirement: %d %s", p.Status, p.Location)
		}
		if p := owners.Edit("/admin/access-control", Fields{"require_2fa": "optional"}); p.Status != http.StatusSeeOther {
			t.Fatalf("lifting the requirement: %d %s", p.Status, p.Alert())
		}
		for role, v := range open {
			if v.Get("/account").Status != http.StatusOK {
				t.Errorf("after lifting the requirement, a %s must still set up", role)
			}
		}
	})
}
