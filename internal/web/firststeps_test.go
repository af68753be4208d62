package web_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// steps returns the list on the overview, such as "Invite people: To do", or nil if there is no list.
func steps(p *sallyporttest.Page) (all []string) {
	for _, item := range strings.Split(p.Body, "<li>")[1:] {
		for _, state := range []string{"To do", "Done"} {
			if rest, found := strings.CutPrefix(item, `<span class="tag `); found && strings.Contains(rest, ">"+state+"<") {
				all = append(all, state)
			}
		}
	}
	return all
}

// TestFirstSteps follows an owner through the list, which shows the current state and disappears at the end.
func TestFirstSteps(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		const at = "/admin/first-steps"
		s := sallyporttest.NewSite(t, e)
		v := s.Visitor()
		v.SignIn(e.Owner)
		tell := func(what string, want ...string) {
			t.Helper()
			if got := steps(v.Get("/admin")); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		const todo, done = "To do", "Done"
		tell("at first", todo, todo, todo, todo, todo, todo)
		owner := e.Owner
		v.Enrol(&owner, "Pixel")
		tell("own two-factor authentication", done, todo, todo, todo, todo, todo)
		v.Post("/admin/users/new", fields{"email": "ada@acme.example", "name": "Ada", "role": "admin"})
		tell("a person invited", done, todo, done, todo, todo, todo)
		e.Exec(`UPDATE policies SET require_2fa = $1, version = version + 1`, sallyport.RequireAdmins)
		tell("a requirement", done, todo, done, done, todo, todo)

		ada := e.Add("alan@acme.example", sallyport.Admin)
		others := s.Visitor()
		others.Enrol(&ada, "Pixel")
		if got := steps(others.Get("/admin")); got != nil {
			t.Errorf("an admin sees %q", got)
		}
		if got := others.Post(at, fields{"step": "dismiss"}); got.Status != http.StatusForbidden {
			t.Errorf("an admin dismisses the list: %d", got.Status)
		}
		if got := v.Post(at, fields{"step": "mail"}); got.Status != http.StatusNotFound {
			t.Errorf("a step that cannot be ticked: %d", got.Status)
		}
		for range 2 {
			if got := v.Post(at, fields{"step": "keyset"}); got.Status != http.StatusSeeOther || got.Location != "/admin" {
				t.Fatalf("%d %s", got.Status, got.Location)
			}
			tell("a copy of the keyset", done, todo, done, done, todo, done)
		}
		with := *e.Service
		with.Mailer = func(context.Context, sallyport.Message) error { return nil }
		mailing := s.Over(sallyport.New(with))
		if got := steps(v.Fork().Through(mailing).Get("/admin")); !slices.Equal(got, []string{done, done, done, done, todo, done}) {
			t.Errorf("a mail server: %q", got)
		}
		v.Post(at, fields{"step": "dismiss"})
		tell("dismissed")
		e.Exec(`UPDATE policies SET require_2fa = $1, version = version + 1`, sallyport.RequireOptional)
		tell("dismissed, and something is to do again")
		second := e.Add("otto@acme.example", sallyport.Owner)
		for name, site := range map[string]*sallyporttest.Site{"here": s, "on another node": mailing, "after a restart": s.Over(sallyport.New(*e.Service))} {
			e.Clock.Advance(time.Minute)
			again := s.Visitor().Through(site)
			again.SignIn(second)
			if p := again.Get("/admin"); p.Status != http.StatusOK || steps(p) != nil {
				t.Errorf("dismissed, another owner %s: %d %q", name, p.Status, steps(p))
			}
		}
	})
}

// TestFirstStepsBelowAReseller follows the owner of a workspace that a reseller created. The mail server, https and the
// keyset are the operator's responsibility, so the list of this owner does not contain them.
func TestFirstStepsBelowAReseller(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, resellers := ownerOf(s)
		fields, globex := globexAt(s)
		resellers.Post(workspaces, fields)
		gina, v := joined(s, resellers, globex)
		v.SignIn(gina)
		tell := func(what string, want ...string) {
			t.Helper()
			p := v.Get("/admin")
			if got := steps(p); p.Status != http.StatusOK || !slices.Equal(got, want) {
				t.Errorf("%s: %d %q, want %q", what, p.Status, got, want)
			}
			for _, operators := range []string{"--mail", "--url", "keyset"} {
				if p.Has(operators) {
					t.Errorf("%s: the page speaks of %s", what, operators)
				}
			}
		}
		const todo, done = "To do", "Done"
		tell("at first", todo, todo, todo)
		v.Enrol(&gina, "Pixel")
		tell("own two-factor authentication", done, todo, todo)
		v.Post("/admin/users/new", sallyporttest.Fields{"email": "ada@globex.example", "name": "Ada", "role": "admin"})
		tell("a person invited", done, done, todo)
		e.Exec(`UPDATE policies SET require_2fa = $1, version = version + 1 WHERE workspace_id = (SELECT workspace_id FROM users WHERE id = $2)`,
			sallyport.RequireAdmins, gina.ID)
		tell("all done")
	})
}
