package web_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

var (
	chartLine = regexp.MustCompile(`<polyline points="([^"]*)"`)
	dayRow    = regexp.MustCompile(`<tr><th scope="row"[^>]*><time datetime="([0-9-]{10})[^>]*>[^<]*</time></th><td[^>]*>([0-9,]+)</td><td[^>]*>([0-9,]+)</td><td[^>]*>([0-9]+)%</td><td[^>]*>([0-9,]+)</td></tr>`)
)

func TestOverview(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		e.SetUpMail()
		e.Clock.Set(e.Clock.Now().UTC().Truncate(24 * time.Hour).Add(25 * time.Hour)) // early in the morning
		_, owners := ownerOf(s)
		p := owners.Get("/admin")
		if p.Status != http.StatusOK || p.Data("data-percent") != "100%" || !p.Has("1 of 1 person has two-factor authentication") ||
			chartLine.MatchString(p.Body) || slices.Contains(p.Links(), "/admin/reminders") || !p.Has("Everybody who can sign in has") {
			t.Errorf("the first day: %d %s", p.Status, p.Text())
		}
		e.Add("mia@acme.example", sallyport.Member)
		e.Add("ada@acme.example", sallyport.Admin)
		max := e.Add("max@acme.example", sallyport.Manager)
		e.Exec(`UPDATE users SET name = '<b>Bold</b>' WHERE address = 'mia@acme.example'`)
		e.Exec(`UPDATE users SET must_set_up = 1 WHERE address = 'ada@acme.example'`)
		day := e.Clock.Now().Unix() / 86400
		for _, d := range [][4]int64{{4, 2000, 0, 0}, {3, 2000, 500, 0}, {1, 1500, 1499, 300}} {
			e.Exec(`INSERT INTO adoption (workspace_id, day, people, enabled, passkeys) VALUES ($1, $2, $3, $4, $5)`, e.Owner.Workspace, day-d[0], d[1], d[2], d[3])
		}
		p = owners.Get("/admin")
		if line := chartLine.FindStringSubmatch(p.Body); line == nil || line[1] != "0.0,100.0 250.0,75.0 750.0,0.1 1000.0,75.0" {
			t.Errorf("the chart: %v", line)
		}
		var table []string
		for _, row := range dayRow.FindAllStringSubmatch(p.Body, -1) {
			table = append(table, strings.Join(row[1:], " "))
		}
		at := func(ago int64) string { return e.Clock.Now().UTC().AddDate(0, 0, -int(ago)).Format("2006-01-02") }
		want := []string{at(0) + " 4 1 25 0", at(1) + " 1,500 1,499 99 300", at(3) + " 2,000 500 25 0", at(4) + " 2,000 0 0 0"}
		if !slices.Equal(table, want) {
			t.Errorf("the table: %q, want %q", table, want)
		}
		for _, words := range []string{"1 of 4 people have two-factor authentication", "3 people without", "<b>Bold</b>", "From 0% to 25%", "Set-up required"} {
			if !p.Has(words) {
				t.Errorf("%q is missing in %s", words, p.Text())
			}
		}
		for _, to := range []string{"/admin/reminders", "/admin/users?state=active&two_factor=required", "/admin/users?state=active&two_factor=disabled"} {
			if !slices.Contains(p.Links(), to) {
				t.Errorf("nothing leads to %s", to)
			}
		}
		nav := p.Body[strings.Index(p.Body, `<nav aria-label="Main"`):]
		if !strings.HasPrefix(nav[strings.Index(nav, "<a "):], `<a href="/admin" aria-current="page">Overview</a>`) {
			t.Errorf("the first of the links: %.120s", nav)
		}

		managers := s.Visitor()
		managers.SignIn(max)
		p = managers.Get("/admin")
		if p.Status != http.StatusOK || slices.Contains(p.Links(), "/admin/reminders") || !p.Has("3 people without") {
			t.Errorf("a manager: %d %s", p.Status, p.Text())
		}
		for _, u := range []string{e.Owner.ID, max.ID} {
			if slices.Contains(p.Links(), "/admin/users/"+u) != (u == max.ID) {
				t.Errorf("what a manager may open: %v", p.Links())
			}
		}
		if get, post := managers.Get("/admin/reminders").Status, managers.Post("/admin/reminders", nil).Status; get != http.StatusForbidden || post != http.StatusForbidden {
			t.Errorf("reminders of a manager: %d, %d", get, post)
		}
		members := s.Visitor()
		members.SignIn(e.Add("ben@acme.example", sallyport.Member))
		if p = members.Get("/admin"); p.Status != http.StatusForbidden {
			t.Errorf("a member: %d", p.Status)
		}
	})
}

func TestRemindersPage(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		e.SetUpMail()
		e.Clock.Set(e.Clock.Now().UTC().Truncate(24 * time.Hour).Add(25 * time.Hour))
		_, owners := ownerOf(s)
		ask := func(want ...string) *sallyporttest.Page {
			t.Helper()
			p := owners.Get("/admin/reminders")
			for _, words := range want {
				if p.Status != http.StatusOK || !p.Has(words) {
					t.Errorf("%d, %q is missing in %s", p.Status, words, p.Text())
				}
			}
			return p
		}
		sent := func() string {
			return e.Query(`SELECT count(*) FROM outbox WHERE kind LIKE 'two_factor.reminder%'`)[0][0]
		}
		if p := ask("No reminder to send", "Everybody who can sign in"); strings.Contains(p.Body, `<button class="btn"`) {
			t.Error("there is a button although there is no one to remind")
		}
		for i := range 3 {
			e.Add(fmt.Sprintf("m%d@acme.example", i), sallyport.Member)
		}
		ask("3 people without two-factor authentication get an e-mail")
		if p := owners.Post("/admin/reminders", nil); p.Status != http.StatusSeeOther || p.Location != "/admin" || sent() != "3" {
			t.Fatalf("sent: %d %s, %s mails", p.Status, p.Location, sent())
		}
		if p := owners.Follow(); p.Notice() != "3 reminders are on their way." || !p.Has("The last reminder went to 3 people") {
			t.Errorf("afterwards: %s", p.Text())
		}
		if p := owners.Get("/admin"); p.Notice() != "" {
			t.Errorf("the notice is shown twice: %s", p.Notice())
		}
		ask("No reminder to send", "within the last 24 hours")
		if p := owners.Post("/admin/reminders", nil); p.Status != http.StatusConflict || sent() != "3" {
			t.Errorf("once more: %d, %s mails", p.Status, sent())
		}
		e.Add("late@acme.example", sallyport.Admin)
		e.Exec(`UPDATE policies SET require_2fa = 'admins', required_from = $1, version = version + 1`, e.Clock.Now().AddDate(0, 0, 9).UnixMilli())
		on := e.Clock.Now().UTC().AddDate(0, 0, 9).Format("2 January 2006")
		ask("1 person without two-factor authentication gets an e-mail", "3 more people have had a reminder", "The e-mail tells people who do not have to set it up yet that they must from "+on)
		e.Exec(`UPDATE policies SET require_2fa = 'everyone', version = version + 1`)
		ask("The e-mail tells people who do not have to set it up yet that they must from " + on)
		owners.Post("/admin/reminders", nil)
		if p := owners.Follow(); p.Notice() != "1 reminder is on its way." || !p.Has("The last reminder went to 1 person") || sent() != "4" {
			t.Errorf("afterwards: %s", p.Text())
		}
		if p := owners.Get("/admin/audit?kind=two_factor.reminded"); strings.Count(p.Text(), "Reminders sent to people") < 3 { // the choice, and two events
			t.Errorf("the audit log: %s", p.Text())
		}
	})
}
