package invariants_test

import (
	"net/http"
	"testing"

	"github.com/sallyport-2fa/sallyport"
)

// TestI18_SwitchedOnOverThePages lets the owner require two-factor authentication, and goes to every page with sessions
// that were open before, of each kind, on the other node.
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
					t.Errorf("%s: an open session of a %s is forced: %t", whom, role, got)
				}
			}
			if mias.Through(node).Get("/account").Status != http.StatusOK {
				t.Errorf("%s: somebody who has it is stopped", whom)
			}
		}
		for role, v := range open {
			forcedCrawl(t, s, v)
			if to := s.Visitor().GivePassword(people[role]).Location; to != "/sign-in/set-up" {
				t.Errorf("a new sign-in of a %s leads to %q", role, to)
			}
		}
		// And no way back by those who are forced: only the owner lifts it.
		if p := open[sallyport.Admin].Post("/admin/access-control", Fields{"require_2fa": "optional"}); p.Location != "/account/2fa/set-up" {
			t.Errorf("an admin who is forced lifts it: %d %s", p.Status, p.Location)
		}
		if p := owners.Edit("/admin/access-control", Fields{"require_2fa": "optional"}); p.Status != http.StatusSeeOther {
			t.Fatalf("lifted: %d %s", p.Status, p.Alert())
		}
		for role, v := range open {
			if v.Get("/account").Status != http.StatusOK {
				t.Errorf("lifted, and a %s is still forced", role)
			}
		}
	})
}
