package web_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/web"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// someone is a person whom a test adds to the list. They never sign in.
type someone struct{ name, address, role string }

// fill adds many people to the first workspace at once.
func fill(e *sallyporttest.Env, people []someone) {
	e.T.Helper()
	e.Check(e.Store.Write(context.Background(), func(tx sallyport.Tx) error {
		for _, p := range people {
			u := sallyport.User{
				Workspace: e.Owner.Workspace, ID: "usr_" + p.address, Address: p.address, Folded: p.address, Name: p.name,
				Role: sallyport.Role(p.role), State: sallyport.Active, Epoch: 1, CreatedAt: time.UnixMilli(1),
			}
			if err := tx.InsertUser(u); err != nil {
				return err
			}
		}
		return nil
	}))
}

// lastSignIn sets the last sign-in of people whose ids match a pattern.
func lastSignIn(e *sallyporttest.Env, id string, at int64, method string) {
	e.T.Helper()
	e.Exec("UPDATE users SET last_sign_in_at = $1, listed_at = $1, last_sign_in_method = $2 WHERE id LIKE $3", at, method, id)
	e.Exec("UPDATE last_sign_ins SET at = $1 WHERE user_id LIKE $2", at, id)
}

var listed = regexp.MustCompile(`<bdi class="sub">([^<]+)</bdi></span></th>`)

// walk goes through a list to its end by the links of its pager, and returns the addresses on each page.
func walk(v *sallyporttest.Visitor, to, direction string) (pages [][]string) {
	for to != "" && len(pages) < 10 { // a list that links back to itself would never end
		got := v.Get(to)
		var page []string
		for _, m := range listed.FindAllStringSubmatch(got.Body, -1) {
			page = append(page, m[1])
		}
		pages = append(pages, page)
		to = ""
		for _, link := range got.Links() {
			if strings.Contains(link, direction+"=") {
				to = link
			}
		}
	}
	return pages
}

// TestUsersSearchPages: a search finds people by name and by address. Between pages, no one is left out or repeated, in
// both directions and all orders.
func TestUsersSearchPages(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		var people []someone
		for i := range 130 {
			p := someone{fmt.Sprintf("Kim %03d", i), fmt.Sprintf("x%03d@acme.example", i), "member"} // by name
			switch {
			case i >= 60 && i < 120:
				p = someone{fmt.Sprintf("Xan %03d", i), fmt.Sprintf("kx%03d@acme.example", i), "manager"} // by address
			case i >= 120:
				p.address = "ki" + p.address // by both
			}
			people = append(people, p)
		}
		fill(e, append(people, someone{"Zoe", "zoe@acme.example", "member"}))
		for _, sort := range []string{"", "&sort=-name", "&sort=address", "&sort=-address", "&sort=created", "&sort=-last_sign_in", "&sort=two_factor"} {
			on := walk(owners, "/admin/users?q=K"+sort, "after")
			all := slices.Concat(on...)
			once := slices.Compact(slices.Sorted(slices.Values(all)))
			if len(on) != 3 || len(all) != 130 || len(once) != 130 {
				t.Errorf("%s: %d pages of %d people, %d of them once", sort, len(on), len(all), len(once))
			}
			got := owners.Page // the last page
			back := ""
			for _, link := range got.Links() {
				if strings.Contains(link, "before=") {
					back = link
				}
			}
			if pages := walk(owners, back, "before"); len(pages) != 2 || !slices.Equal(pages[0], on[1]) || !slices.Equal(pages[1], on[0]) {
				t.Errorf("%s: the way back has other pages: %d", sort, len(pages))
			}
		}
		if all := slices.Concat(walk(owners, "/admin/users?q=K&role=manager", "after")...); len(all) != 60 {
			t.Errorf("with a filter beside: %d", len(all))
		}
	})
}

// TestUsersTotalAndSort: the list says how many people it has, and the headings of its columns sort it within the filter.
func TestUsersTotalAndSort(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		var people []someone
		for i := range 120 {
			people = append(people, someone{fmt.Sprintf("Kim %03d", i), fmt.Sprintf("k%03d@acme.example", i), []string{"member", "manager"}[i%2]})
		}
		fill(e, people)
		lastSignIn(e, "usr_k009@acme.example", 86400000, "password")
		lastSignIn(e, "usr_k119@acme.example", 172800000, "authenticator")
		for _, c := range []struct{ query, total, first, sorted, next string }{
			{"", "1–50 of 121", "k000@acme.example", "Name · E-mail address: ascending", "sort=-name"},
			{"role=manager&after=usr_k099@acme.example", "51–60 of 60", "k101@acme.example", "Name · E-mail address: ascending", "role=manager&sort=-name"},
			{"role=manager&sort=last_sign_in", "1–50 of 60", "k001@acme.example", "Last sign-in: ascending", "role=manager&sort=-last_sign_in"},
			{"role=manager&sort=-last_sign_in", "1–50 of 60", "k119@acme.example", "Last sign-in: descending", "role=manager&sort=last_sign_in"},
			{"q=kim&sort=two_factor", "1–50 of 120", "k000@acme.example", "2FA: ascending", "q=kim&sort=-two_factor"},
			{"sort=two_factor", "1–50 of 121", "olive@acme.example", "2FA: ascending", "sort=-two_factor"},
			{"sort=-two_factor", "1–50 of 121", "k119@acme.example", "2FA: descending", "sort=two_factor"},
			{"q=k119", "1 person", "k119@acme.example", "Name · E-mail address: ascending", "q=k119&sort=-name"},
		} {
			got := owners.Get("/admin/users?" + c.query)
			sorted := regexp.MustCompile(`<th scope="col" aria-sort="([a-z]+)">(.*)</th>`).FindAllStringSubmatch(got.Body, -1)
			rows := listed.FindAllStringSubmatch(got.Body, -1)
			if !got.Has(c.total) || len(sorted) != 1 || len(rows) == 0 {
				t.Errorf("%s: want %s, sorted by %q: %s", c.query, c.total, sorted, got.Text())
				continue
			}
			link := regexp.MustCompile(`<a href="/admin/users\?([^"]*)" aria-current="true">`).FindStringSubmatch(sorted[0][2])
			words := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(sorted[0][2], "")
			if rows[0][1] != c.first || words+": "+sorted[0][1] != c.sorted || link == nil || strings.ReplaceAll(link[1], "&amp;", "&") != c.next {
				t.Errorf("%s: %s first, %q %s, next %q", c.query, rows[0][1], words, sorted[0][1], link)
			}
			for _, by := range []string{"two_factor", "last_sign_in", "created", "address"} {
				if to := owners.Get("/admin/users?role=manager").Links(); !slices.Contains(to, "/admin/users?role=manager&sort="+by) {
					t.Errorf("no heading leads to %s within the filter: %q", by, to)
				}
			}
		}
	})
}

// TestUsersTotal checks the words for every kind of total.
func TestUsersTotal(t *testing.T) {
	fifty := make([]sallyport.User, 50)
	for _, c := range []struct {
		list sallyport.PeopleList
		want string
	}{
		{sallyport.PeopleList{People: fifty[:3], First: 1, Total: 3}, "3 people"},
		{sallyport.PeopleList{People: fifty, First: 1, Total: 202, Beyond: true}, "1–50 of 202"},
		{sallyport.PeopleList{People: fifty[:2], First: 201, Total: 202, Before: true}, "201–202 of 202"},
		{sallyport.PeopleList{People: fifty, First: 1, Total: sallyport.MaxCounted, Beyond: true, More: true}, "1–50 of more than 1,000"},
		{sallyport.PeopleList{People: fifty, Total: sallyport.MaxCounted, Before: true, Beyond: true, More: true}, "More than 1,000 people"},
		{sallyport.PeopleList{People: fifty, First: 1, Beyond: true, More: true}, ""},
	} {
		if got := web.TotalWords(c.list); got != c.want {
			t.Errorf("%+v: %q, want %q", c.list, got, c.want)
		}
	}
}

// TestUsersCSV: the file has all people whom the filter selects, however many pages that takes, and no cell is a
// formula.
func TestUsersCSV(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		var people []someone
		for i := range 2 * sallyport.PeopleBatch {
			people = append(people, someone{fmt.Sprintf("Kim %04d", i), fmt.Sprintf("k%04d@acme.example", i), []string{"member", "manager"}[i%2]})
		}
		for i, begins := range []string{"=", "+", "-", "@"} {
			people = append(people, someone{begins + "1+1", fmt.Sprintf("f%d@acme.example", i), "manager"})
		}
		fill(e, people)
		read := func(path string) (rows [][]string) {
			got := owners.Get(path)
			rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(got.Body, "\ufeff"))).ReadAll()
			if err != nil || len(rows) == 0 || got.Header.Get("Content-Disposition") != `attachment; filename="users.csv"` {
				t.Fatalf("%s: %d, %v", path, got.Status, err)
			}
			return rows[1:]
		}
		all := read("/admin/users.csv")
		addresses := map[string]bool{}
		for _, row := range all {
			addresses[row[0]] = true
			if strings.ContainsAny(row[1][:1], "=+-@") {
				t.Errorf("a cell is a formula: %q", row[1])
			}
		}
		if want := len(people) + 1; len(all) != want || len(addresses) != want {
			t.Errorf("%d rows of %d people, want %d", len(all), len(addresses), want)
		}
		if many := owners.Get("/admin/users?q=k&sort=last_sign_in"); !many.Has("1–50 of more than 1,000") || !many.Has("too many matches to sort") || strings.Contains(many.Body, "aria-sort") {
			t.Errorf("more people than are sorted: %s", many.Text())
		}
		page := owners.Get("/admin/users?role=manager&q=k&sort=-address")
		to := page.Links()[slices.IndexFunc(page.Links(), func(l string) bool { return strings.Contains(l, ".csv") })]
		filtered := read(to)
		if len(filtered) != sallyport.PeopleBatch || filtered[0][0] != "k1999@acme.example" || filtered[1][0] != "k1997@acme.example" {
			t.Errorf("%s: %d rows, the first is %v", to, len(filtered), filtered[0])
		}
	})
}

// TestResetWhileRequired: if the policy does not allow resets, the requirement must be lifted first (SPEC section 5).
func TestResetWhileRequired(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		mia := e.Add("mia@acme.example", sallyport.Member)
		s.Visitor().Enrol(&mia, "Mia's")
		path := "/admin/users/" + mia.ID + "/reset-2fa"
		policy := func(assignments string) { e.Exec("UPDATE policies SET version = version + 1, " + assignments) }
		policy("require_2fa = 'everyone', allow_reset_when_required = 0")
		for _, got := range []*sallyporttest.Page{owners.Get(path), owners.Post(path, sallyporttest.Fields{"reason": "lost the phone"})} {
			if got.Status != http.StatusConflict || !got.Has("Change access control first.") {
				t.Errorf("refused: %d %s", got.Status, got.Text())
			}
		}
		if _, err := e.ResetTwoFactor(t.Context(), e.Console(), mia.Address, "lost the phone"); err == nil {
			t.Error("the console resets all the same")
		}
		if n := len(e.Query("SELECT id FROM authenticators WHERE user_id = $1", mia.ID)); n != 1 {
			t.Fatalf("%d authenticators", n)
		}
		// The way out that the console suggests: it adds another owner.
		gina, ginas := e.Add("gina@acme.example", sallyport.Owner), s.Visitor()
		ginas.Enrol(&gina, "Gina's")
		f := ginas.Get("/admin/access-control").Form("version")
		f.Values.Set("allow_reset_when_required", "yes")
		if got := ginas.PostValues(f.Action, f.Values); got.Status != http.StatusSeeOther {
			t.Errorf("allowing resets: %d %s", got.Status, got.Alert())
		}
		if _, err := e.ResetTwoFactor(t.Context(), e.Console(), e.Owner.Address, "lost everything"); err != nil {
			t.Errorf("the console, when it is allowed: %v", err)
		}
		policy("allow_reset_when_required = 0")
		owners = ginas
		policy("require_2fa = 'admins'")
		if got := owners.Post(path, sallyporttest.Fields{"reason": "lost the phone"}); got.Status != http.StatusOK {
			t.Errorf("lifted: %d %s", got.Status, got.Alert())
		}
		policy("require_2fa = 'everyone', allow_reset_when_required = 1")
		if got := owners.Post(path, sallyporttest.Fields{"reason": "lost it again"}); got.Status != http.StatusOK {
			t.Errorf("allowed while it is required: %d %s", got.Status, got.Alert())
		}
	})
}

// TestI22_InvitingIntoARole: with an old proof, a session can invite only members. It also cannot resend or read an
// invitation into a higher role.
func TestI22_InvitingIntoARole(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owner := ownerOf(s)
		fields, _ := globexAt(s)
		if got := owner.Post(workspaces, fields); got.Status != http.StatusSeeOther {
			t.Fatalf("a workspace: %d %s", got.Status, got.Alert())
		}
		for _, role := range sallyport.Roles {
			owner.Post("/admin/users/new", sallyporttest.Fields{"email": string(role) + "@old.example", "name": "Old", "role": string(role)})
		}
		id := func(sql string, args ...any) string {
			if all := e.Query(sql, args...); len(all) == 1 {
				return all[0][0]
			}
			return ""
		}
		e.Clock.Advance(sallyport.StepUpLimit + time.Minute)
		for _, role := range sallyport.Roles {
			leads := func(what string, got *sallyporttest.Page, status int, to string) {
				if role != sallyport.Member {
					status, to = http.StatusSeeOther, "/step-up"
				}
				if got.Status != status || !strings.HasPrefix(got.Location, to) {
					t.Errorf("%s of %s: %d %s", what, role, got.Status, got.Location)
				}
			}
			done := func(what, kind, subject string) {
				if events := e.Query(`SELECT id FROM events WHERE kind = $1 AND subject = $2`, kind, subject); (len(events) == 1) != (role == sallyport.Member) {
					t.Errorf("%s of %s: %d times", what, role, len(events))
				}
			}
			address := string(role) + "@new.example"
			leads("inviting", owner.Post("/admin/users/new", sallyporttest.Fields{"email": address, "name": "New", "role": string(role)}), http.StatusSeeOther, "/admin/users")
			if there := id(`SELECT id FROM users WHERE address = $1`, address) != ""; there != (role == sallyport.Member) {
				t.Errorf("%s: invited: %v", role, there)
			}
			old := id(`SELECT id FROM users WHERE address = $1`, string(role)+"@old.example")
			mail := id(`SELECT id FROM outbox WHERE user_id = $1`, old)
			leads("reading", owner.Get("/admin/outbox/"+mail), http.StatusOK, "")
			done("reading", "invitation.read", old)
			leads("sending again", owner.Post("/admin/users/"+old+"/resend-invitation", nil), http.StatusSeeOther, "/admin/users/"+old)
			done("sending again", "user.invited_again", old)
		}
		got := owner.Get("/admin/outbox/" + id(`SELECT id FROM outbox WHERE kind = 'workspace.invitation'`))
		if got.Status != http.StatusSeeOther || !strings.HasPrefix(got.Location, "/step-up") {
			t.Errorf("reading that of another workspace's owner: %d %s", got.Status, got.Location)
		}
	})
}

// TestConfirmingWhatFits: the page that asks refuses what the action would refuse, with the same text, and what it says
// about restoring a person is true.
func TestConfirmingWhatFits(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	me, owner := ownerOf(s)
	states := map[string]string{
		"active":            "state = 'active', password_at = 1",
		"invited":           "state = 'invited', password_at = 0",
		"suspended":         "state = 'suspended', password_at = 1",
		"invited-suspended": "state = 'suspended', password_at = 0",
		"temporary":         "state = 'suspended', password_at = 1, temporary_ends = 1",
	}
	refused := 0
	for name, values := range states {
		for _, action := range []string{"resend-invitation", "revoke-invitation", "sign-out", "unlock", "suspend", "restore", "delete"} {
			p := e.Add(name+"-"+action+"@acme.example", sallyport.Member)
			e.Exec(`UPDATE users SET `+values+` WHERE id = $1`, p.ID)
			at := "/admin/users/" + p.ID + "/" + action
			asked := owner.Get(at)
			if says := asked.Has("will be invited again"); says != (action == "restore" && name != "suspended" && asked.Status == http.StatusOK) {
				t.Errorf("%s of %s: it says that they are invited again: %v", action, name, says)
			}
			offered := slices.Contains(owner.Get("/admin/users/"+p.ID).Links(), at)
			done := owner.Post(at, nil)
			switch {
			case done.Status == http.StatusSeeOther && asked.Status == http.StatusOK:
			case done.Status == http.StatusConflict && asked.Status == http.StatusConflict && asked.Alert() == done.Alert() && !offered:
				refused++
			default:
				t.Errorf("%s of %s, offered: %v: asked %d %s, done %d %s", action, name, offered, asked.Status, asked.Alert(), done.Status, done.Alert())
			}
			if state := e.Query(`SELECT state FROM users WHERE id = $1`, p.ID); action == "restore" && asked.Has("will be invited again") && state[0][0] != "invited" {
				t.Errorf("restoring %s leads to %s", name, state[0][0])
			}
		}
	}
	if refused != 3+1+3*3+5 { // for the active person, the invited one and each suspended one, and unlocking each
		t.Errorf("%d were refused", refused)
	}
	mine := "/admin/users/" + me.ID + "/suspend"
	if asked, done := owner.Get(mine), owner.Post(mine, nil); asked.Status != http.StatusForbidden || asked.Alert() != done.Alert() {
		t.Errorf("oneself: asked %d, done %d %s", asked.Status, done.Status, done.Alert())
	}
}
