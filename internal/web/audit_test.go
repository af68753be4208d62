package web_test

import (
	"context"
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

func TestI28_TheLogOfOneWorkspaceIsItsOwn(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		e.Clock.Advance(time.Second)
		host := "globex." + strings.TrimPrefix(s.URL, "http://")
		e.Check(e.AddWorkspace(ctx, "", host, sallyport.FirstOwner{Workspace: "Globex", Name: "Gustav Globex", Address: "gustav@globex.example", Password: sallyporttest.Password}))
		ada, manager, mia := e.Add("ada@acme.example", sallyport.Admin), e.Add("max@acme.example", sallyport.Manager), e.Add("mia@acme.example", sallyport.Member)
		// Someone enters a wrong password for an address that would be a formula in a cell.
		e.Exec(`UPDATE users SET address = $1 WHERE id = $2`, "=cmd@acme.example", mia.ID)
		s.Visitor().From("203.0.113.7").Post("/sign-in", sallyporttest.Fields{"email": mia.Address, "password": "wrong-password-of-mia"})
		v := s.Visitor()
		v.SignIn(ada)
		gustav := s.Visitor().At("http://" + host)
		gustav.SignIn(sallyporttest.Person{User: sallyport.User{Address: "gustav@globex.example"}, Password: sallyporttest.Password})

		if p := v.Get("/admin/audit"); p.Status != http.StatusOK || !p.Has("Wrong password") || !p.Has("203.0.113.7") || p.Has("Gustav") {
			t.Errorf("%d %s", p.Status, p.Text())
		}
		if p := gustav.Get("/admin/audit?person=" + mia.ID); p.Status != http.StatusOK || !p.Has("No events match these filters.") {
			t.Errorf("another workspace's person: %d %s", p.Status, p.Text())
		}
		if p := gustav.Get("/admin/audit.csv"); strings.Contains(p.Body, "acme") || !strings.Contains(p.Body, "gustav@globex.example") {
			t.Errorf("another workspace's CSV: %s", p.Body)
		}
		for query, want := range map[string]bool{
			"": true, "result=refused": true, "result=done": false, "kind=password.wrong": true, "kind=user.added": false,
			"address=203.0.113.7": true, "address=203.0.113.8": false, "person=" + mia.ID: true, "person=" + ada.ID: false,
			"from=" + e.Clock.Now().UTC().Format(time.DateOnly): true, "from=" + e.Clock.Now().AddDate(0, 0, 2).UTC().Format(time.DateOnly): false,
			"to=" + e.Clock.Now().UTC().Format(time.DateOnly): true, "to=" + e.Clock.Now().AddDate(0, 0, -2).UTC().Format(time.DateOnly): false,
			"kind=password.wrong&result=refused&address=203.0.113.7&person=" + mia.ID: true,
		} {
			rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(v.Get("/admin/audit.csv?"+query).Body, "\ufeff"))).ReadAll()
			e.Check(err)
			found := false
			for _, row := range rows {
				found = found || row[1] == "password.wrong" && row[6] == "'=cmd@acme.example" && row[9] == "203.0.113.7"
			}
			if found != want {
				t.Errorf("%q: the wrong password is listed: %v, want %v: %v", query, found, want, rows)
			}
		}
		for _, wrong := range []string{"from=yesterday", "to=2026-13-01", "address=203.0.113"} {
			if p := v.Get("/admin/audit?" + wrong); p.Status != http.StatusUnprocessableEntity || p.Alert() == "" {
				t.Errorf("%s: %d %q", wrong, p.Status, p.Alert())
			}
		}
		for range 60 {
			e.Check(e.SignOutEverywhere(ctx, e.Console(), manager.Address))
		}
		older := v.Get("/admin/audit?kind=user.signed_out").Body
		if strings.Count(older, "<tr>") != 51 || !strings.Contains(older, "before=evt_") {
			t.Errorf("a page of a long log has %d rows", strings.Count(older, "<tr>"))
		}
		for _, low := range []sallyporttest.Person{manager, {User: sallyport.User{Address: "=cmd@acme.example"}, Password: mia.Password}} {
			e.Exec(`UPDATE users SET address = $1 WHERE id = $2`, mia.Address, mia.ID)
			if low.ID == "" {
				low.Address = mia.Address
			}
			w := s.Visitor()
			w.SignIn(low)
			for _, path := range []string{"/admin/audit", "/admin/audit.csv", "/admin/outbox", "/admin/outbox/none"} {
				if p := w.Get(path); p.Status != http.StatusForbidden && p.Status != http.StatusNotFound {
					t.Errorf("%s, %s: %d", low.Address, path, p.Status)
				}
			}
		}
		s.Clock.Advance(sallyport.AdminIdleLimit + time.Minute)
		if p := v.Get("/admin/audit"); p.Status == http.StatusOK {
			t.Error("the log opens after an hour without use")
		}
	})
}

func TestOutbox(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		ada := e.Add("ada@acme.example", sallyport.Admin)
		owner, v := s.Visitor(), s.Visitor()
		owner.SignIn(e.Owner)
		for address, role := range map[string]string{"ina@acme.example": "member", "otto@acme.example": "owner"} {
			if p := owner.Post("/admin/users/new", sallyporttest.Fields{"email": address, "name": "New", "role": role}); p.Status != http.StatusSeeOther {
				t.Fatalf("inviting %s: %d %s", address, p.Status, p.Alert())
			}
			if notice := owner.Follow().Notice(); !strings.Contains(notice, "open the invitation in the mail outbox") {
				t.Errorf("without a mail server the notice says %q", notice)
			}
		}
		v.SignIn(ada)
		ids := map[string]string{}
		for _, row := range e.Query(`SELECT address || kind, id FROM outbox`) {
			ids[row[0]] = row[1]
		}
		p := v.Get("/admin/outbox")
		if !p.Has("ina@acme.example") || !p.Has("otto@acme.example") || strings.Contains(p.Body, "/invitation/") {
			t.Errorf("%d %s", p.Status, p.Text())
		}
		if p := v.Get("/admin/outbox/" + ids["ina@acme.exampleinvitation"]); p.Status != http.StatusOK || !strings.Contains(p.Body, "/invitation/") {
			t.Errorf("an invitation: %d %s", p.Status, p.Text())
		}
		if n := len(e.Query(`SELECT id FROM events WHERE kind = 'invitation.read' AND actor = $1`, ada.ID)); n != 1 {
			t.Errorf("reading leaves %d events", n)
		}
		read := 0
		for what, id := range ids {
			p := v.Get("/admin/outbox/" + id)
			if strings.HasPrefix(what, "ina@acme.exampleinvitation") {
				continue
			}
			read++
			if p.Status != http.StatusNotFound {
				t.Errorf("%s: %d", what, p.Status)
			}
		}
		if read == 0 || v.Get("/admin/outbox/none").Status != http.StatusNotFound {
			t.Error("there is no other mail to try, or one that is none opens")
		}
		with := *e.Service
		with.Mailer = func(context.Context, sallyport.Message) error { return nil }
		v = v.Fork().Through(s.Over(sallyport.New(with)))
		if p := v.Get("/admin/outbox/" + ids["ina@acme.exampleinvitation"]); p.Status != http.StatusNotFound {
			t.Errorf("with a mail server an invitation is read: %d", p.Status)
		}
		v.Post("/admin/users/new", sallyporttest.Fields{"email": "uma@acme.example", "name": "Uma", "role": "member"})
		if notice := v.Follow().Notice(); !strings.Contains(notice, "on its way") {
			t.Errorf("with a mail server the notice says %q", notice)
		}
	})
}
