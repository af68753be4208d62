package web_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

const workspaces = "/admin/workspaces"

// globexAt returns the form that creates Globex, and the URL it will have.
func globexAt(s *sallyporttest.Site) (sallyporttest.Fields, string) {
	return sallyporttest.Fields{"workspace": "Globex", "host": "Globex.localhost", "name": "Gina Grant", "email": "gina@globex.example"},
		strings.Replace(s.URL, "localhost", "globex.localhost", 1)
}

// joined accepts the invitation, which it reads in the reseller's outbox because there is no mail server.
func joined(s *sallyporttest.Site, owners *sallyporttest.Visitor, address string) (sallyporttest.Person, *sallyporttest.Visitor) {
	s.T.Helper()
	mail := ""
	for _, to := range owners.Get("/admin/outbox").Links() {
		if strings.HasPrefix(to, "/admin/outbox/") {
			mail = owners.Get(to).Text()
			break
		}
	}
	link := regexp.MustCompile(regexp.QuoteMeta(address) + `(/invitation/[\w-]+)`).FindStringSubmatch(mail)
	if link == nil {
		s.T.Fatalf("no link to %s can be read in the outbox: %q", address, mail)
	}
	v := s.Visitor().At(address)
	if got := v.Post(link[1], sallyporttest.Fields{"name": "Gina Grant", "new_password": sallyporttest.Password}); got.Location != "/sign-in" {
		s.T.Fatalf("the invitation: %d %s", got.Status, got.Alert())
	}
	gina := sallyporttest.Person{User: sallyport.User{Address: "gina@globex.example"}, Password: sallyporttest.Password}
	gina.ID = s.Query("SELECT id FROM users WHERE address = $1", gina.Address)[0][0]
	return gina, v
}

func TestReseller(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		if !strings.Contains(owners.Get("/account").Body, workspaces) {
			t.Error("an owner who may create workspaces finds no way there")
		}
		fields, globex := globexAt(s)
		node := s.Node()
		there := node.Visitor().At(globex)
		if got := there.Get("/sign-in"); got.Status != http.StatusMisdirectedRequest {
			t.Errorf("I15: before it is created: %d", got.Status)
		}
		if got := owners.Post(workspaces, fields); got.Status != http.StatusSeeOther || got.Location != workspaces {
			t.Fatalf("created: %d %s", got.Status, got.Alert())
		}
		if got := there.Get("/sign-in"); got.Status != http.StatusOK {
			t.Errorf("I15: from the next request on, on another node: %d", got.Status)
		}
		if got := owners.Follow(); got.Notice() == "" || !got.Has("Globex globex.localhost") || !got.Has(" 0 0 0%") {
			t.Errorf("the list: %s", got.Text())
		}
		if !strings.Contains(owners.Get("/account").Body, workspaces) {
			t.Error("the navigation does not lead to it")
		}
		gina, v := joined(s, owners, globex)
		v.Enrol(&gina, "Gina's")
		if got := owners.Get(workspaces); !got.Has(" 1 1 100%") || got.Has("gina") {
			t.Errorf("adoption: %s", got.Text())
		}
		e.Exec("INSERT INTO adoption (workspace_id, day, people, enabled) SELECT id, $1, 20000, 5000 FROM workspaces", e.Clock.Now().Unix()/86400)
		if got := owners.Get(workspaces); !got.Has(" 20,000 5,000 25%") {
			t.Errorf("where counting takes long: %s", got.Text())
		}
		for _, got := range []*sallyporttest.Page{v.Get(workspaces), v.Post(workspaces, fields)} {
			if got.Status != http.StatusNotFound {
				t.Errorf("what was created creates others: %d", got.Status)
			}
		}
		moved := *e.Service
		moved.URL = globex
		if err := sallyport.New(moved).Start(context.Background()); !errors.Is(err, sallyport.ErrURLTaken) || there.Get("/sign-in").Status != http.StatusOK {
			t.Errorf("the first workspace goes where the second is: %v", err)
		}
		log := e.Query(`SELECT u.name, e.actor_kind, e.detail FROM events e JOIN workspaces w ON w.id = e.workspace_id
			LEFT JOIN users u ON u.id = e.actor WHERE e.kind = 'workspace.created' AND e.detail <> '' ORDER BY w.created_at`)
		if len(log) != 2 || log[0][0] != "Olive Owner" || !strings.Contains(log[0][2], "globex.localhost") || log[1][1] != "reseller" {
			t.Errorf("the audit logs: %q", log)
		}
		if got := v.Get("/admin/audit"); !got.Has("The reseller") || got.Has("Olive") {
			t.Errorf("the log of Globex: %s", got.Text())
		}
	})
}

// TestResellersBrand: a workspace has the brand of the reseller that created it until it has its own.
func TestResellersBrand(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		fields, globex := globexAt(s)
		owners.Post(workspaces, fields)
		gina, v := joined(s, owners, globex)
		v.SignIn(gina)
		// seen returns the brand in the title of a page, in its style, in the label of the QR code and in a mail.
		seen := func() string {
			v.Post("/account/2fa/set-up", sallyporttest.Fields{"name": "Pixel"})
			page := v.Follow()
			uri, _, _ := strings.Cut(page.Body[strings.Index(page.Body, "otpauth://"):], `"`)
			u, err := url.Parse(strings.ReplaceAll(uri, "&amp;", "&"))
			e.Check(err)
			sheet := regexp.MustCompile(`brand-\w+`).FindString(page.Body)
			s.Visitor().At(globex).Post("/forgot", sallyporttest.Fields{"email": gina.Address})
			subject := e.Query("SELECT subject FROM outbox WHERE address = $1 AND kind = 'password.forgotten' ORDER BY id DESC LIMIT 1", gina.Address)[0][0]
			_, brand, _ := strings.Cut(page.Title(), "– ")
			return strings.Join([]string{brand, sheet, u.Query().Get("issuer"), subject}, ", ")
		}
		if got := seen(); got != "Acme, , Acme, Acme: Choose a new password" {
			t.Errorf("a reseller known by its name: %s", got)
		}
		owners.Post("/admin/brand", sallyporttest.Fields{"name": "PaySoft", "colour": "#00aa00"})
		e.Clock.Advance(time.Minute)
		if got := seen(); got != "PaySoft, brand-00aa00, PaySoft, PaySoft: Choose a new password" {
			t.Errorf("the reseller's: %s", got)
		}
		if got := v.Get("/admin/brand"); !got.Has("If it is empty, people see PaySoft.") || strings.Contains(got.Body, workspaces) {
			t.Errorf("the page of the brand: %s", got.Text())
		}
		v.Post("/admin/brand", sallyporttest.Fields{"name": "Globex", "colour": "#aa0000"})
		e.Clock.Advance(time.Minute)
		if got := seen(); got != "Globex, brand-aa0000, Globex, Globex: Choose a new password" {
			t.Errorf("its own: %s", got)
		}
	})
}

func TestCreateWorkspaceRefuses(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		owner, owners := ownerOf(s)
		for name, bad := range map[string][]string{
			"workspace": {"", strings.Repeat("x", 101), "a\u2028b"},
			"host": {"", "globex", "globex.example", "https://globex.localhost", "globex.localhost:8080", "globex.localhost.", "globex.localhost/x",
				"a@globex.localhost", ".localhost", "-.localhost", "a..localhost", "127.0.0.1", "127.1", "[::1]", "globex localhost",
				"gl\u043ebex.localhost", strings.Repeat("x", 64) + ".localhost", strings.Repeat("x.", 125) + "y.localhost", "*.localhost"},
			"name":  {"", strings.Repeat("x", 101)},
			"email": {"", "gina", "gina@a@b"},
		} {
			for _, value := range bad {
				fields, _ := globexAt(s)
				fields[name] = value
				got := owners.Post(workspaces, fields)
				if got.Status != http.StatusUnprocessableEntity || got.Alert() == "" || got.Form("host").Values.Get(name) != value {
					t.Errorf("%s=%.40q: %d %s", name, value, got.Status, got.Alert())
				}
			}
		}
		fields, _ := globexAt(s)
		fields["host"] = "LOCALHOST"
		if got := owners.Post(workspaces, fields); got.Status != http.StatusConflict || got.Form("host").Values.Get("workspace") != "Globex" {
			t.Errorf("a host that is taken: %d", got.Status)
		}
		if n := len(e.Query("SELECT id FROM workspaces")) + len(e.Query("SELECT id FROM users")); n != 2 {
			t.Errorf("%d workspaces and people, where there were two", n)
		}
		e.Clock.Advance(sallyport.StepUpLimit)
		fields["host"] = "bücher.localhost"
		got := owners.Post(workspaces, fields)
		if !strings.HasPrefix(got.Location, "/step-up?") {
			t.Fatalf("I22: with an old code: %d %s", got.Status, got.Location)
		}
		owners.Post(got.Location, sallyporttest.Fields{"code": owner.Code(e.Clock.Now())})
		f := owners.Follow().Form("host")
		if got = owners.PostValues(workspaces, f.Values); got.Status != http.StatusSeeOther {
			t.Errorf("what comes back after the step-up: %v gives %d", f.Values, got.Status)
		}
		if host := e.Query("SELECT host FROM hosts WHERE host <> $1", strings.TrimPrefix(s.URL, "http://"))[0][0]; !strings.HasPrefix(host, "xn--bcher-kva.localhost:") {
			t.Errorf("kept as %s", host)
		}
		for _, role := range []sallyport.Role{sallyport.Manager, sallyport.Member} {
			v := s.Visitor()
			v.SignIn(e.Add(string(role)+"@acme.example", role))
			if got := v.Get(workspaces).Status + v.Post(workspaces, fields).Status; got != 2*http.StatusForbidden {
				t.Errorf("a %s creates workspaces: %d", role, got)
			}
		}
	})
}
