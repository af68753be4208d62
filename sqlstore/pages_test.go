package sqlstore_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/web"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// mostStatements is how many statements one page may run.
const mostStatements = 7 // an event takes two of them

// TestPagesRunFewStatements opens every page as a person with 20 trusted devices and 50 sessions, and the pages for
// administrators as the owner of a company that invited 30 people. Each page is opened on a new node, whose caches are
// empty.
func TestPagesRunFewStatements(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	site := sallyporttest.NewSite(t, e)
	mia := e.Add("mia@acme.example", sallyport.Member)
	site.Visitor().Enrol(&mia, "Pixel")
	e.Exec("UPDATE policies SET trusted_device_days = 30, version = version + 1")
	for i := range 48 { // plus one from setting up, and one to open the pages with
		v := site.Visitor()
		v.GivePassword(mia)
		code := sallyporttest.Fields{"code": mia.Code(e.Clock.Now())}
		if i < 20 {
			code["trust"] = "yes"
		}
		if p := v.Post("/sign-in/2fa", code); p.Status != http.StatusSeeOther {
			t.Fatalf("sign-in %d: %d %s", i, p.Status, p.Alert())
		}
		e.Clock.Advance(time.Minute)
	}
	v := site.Visitor()
	v.SignIn(mia)
	one := func(query string) string { return e.Query(query, mia.ID)[0][0] }
	for table, want := range map[string]string{"trusted_devices": "20", "sessions": "50"} {
		if n := one("SELECT count(*) FROM " + table + " WHERE user_id = $1"); n != want {
			t.Fatalf("there are %s of %s", n, table)
		}
	}
	ids := map[string]string{
		"authenticators":  one("SELECT id FROM authenticators WHERE user_id = $1"),
		"sessions":        one("SELECT id FROM sessions WHERE user_id = $1"),
		"trusted-devices": one("SELECT id FROM trusted_devices WHERE user_id = $1"),
	}
	owner := e.Owner
	owners := site.Visitor()
	owners.Enrol(&owner, "Tablet")
	for i := range 30 {
		invited := sallyporttest.Fields{"email": fmt.Sprintf("new%d@acme.example", i), "name": "New", "role": "member"}
		if p := owners.Post("/admin/users/new", invited); p.Status != http.StatusSeeOther {
			t.Fatalf("invitation %d: %d %s", i, p.Status, p.Alert())
		}
	}
	if p := owners.Post("/admin/groups/new", sallyporttest.Fields{"name": "Staff"}); p.Status != http.StatusSeeOther {
		t.Fatalf("a group: %d %s", p.Status, p.Alert())
	}
	ids["groups"] = e.Query("SELECT id FROM groups")[0][0]
	owners.Post("/admin/groups/"+ids["groups"]+"/add", sallyporttest.Fields{"user": mia.ID})
	ids["users"], ids["outbox"] = mia.ID, e.Query("SELECT id FROM outbox WHERE kind = 'invitation'")[0][0]
	p := owners.Post("/admin/apps/new", sallyporttest.Fields{"connect": "openid", "name": "Wiki", "redirect_uris": "https://wiki.example.com/a"})
	if p.Data("data-secret") == "" {
		t.Fatalf("an app: %d %s", p.Status, p.Alert())
	}
	ids["apps"], ids["openid"] = e.Query("SELECT id FROM apps")[0][0], e.Query("SELECT id FROM app_secrets")[0][0]
	for _, r := range web.Routes() {
		if r.Method != http.MethodGet || strings.Contains(r.Path, "{token}") {
			continue
		}
		parts := strings.Split(strings.TrimSuffix(r.Path, "{$}"), "/")
		if i := slices.Index(parts, "{id}"); i > 0 {
			parts[i] = ids[parts[i-1]]
		}
		for i, part := range parts {
			if part == "{session}" || part == "{device}" || part == "{secret}" {
				parts[i] = ids[parts[i-1]]
			}
		}
		if strings.HasSuffix(r.Path, "/groups/{id}/remove") {
			parts[len(parts)-1] += "?user=" + mia.ID
		}
		counted, f := node(t, e, site, sallyporttest.Cheap)
		f.failAt(0, false)
		who := v
		administers := strings.HasPrefix(r.Path, "/admin")
		if administers {
			who = owners
		}
		p := who.Through(counted).Get(strings.Join(parts, "/"))
		if p.Status >= http.StatusInternalServerError || administers && p.Status == http.StatusNotFound && !strings.HasSuffix(r.Path, "-invitation") {
			t.Errorf("%s: %d", p.Target, p.Status)
		}
		// An event is two statements, of which the second is never waited for.
		ran := slices.DeleteFunc(f.seen, func(s string) bool { return s == "commit" || strings.HasPrefix(s, "INSERT INTO unsealed ") })
		if len(ran) > mostStatements {
			t.Errorf("%s runs %d statements:\n%s", p.Target, len(ran), strings.Join(ran, "\n"))
		}
		t.Logf("%s: %d, %d statements", p.Target, p.Status, len(ran))
	}
}
