package web_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// newPassword is a password that every rule accepts.
const newPassword = "copper-violin-31-harbour-maple"

// requestReset requests a reset link and returns its path, which is empty if none was mailed.
func requestReset(s *sallyporttest.Site, address string) string {
	s.T.Helper()
	s.Clock.Advance(time.Second) // mails from the same millisecond have no order
	before := len(s.WaitingMails(address))
	if p := s.Visitor().Post("/forgot", sallyporttest.Fields{"email": address}); p.Status != http.StatusSeeOther {
		s.T.Fatalf("POST /forgot: %d %s", p.Status, p.Alert())
	}
	if len(s.WaitingMails(address)) == before {
		return ""
	}
	return s.MailedLink("password.forgotten", address).Path
}

func reset(s *sallyporttest.Site, link, password string) *sallyporttest.Page {
	s.T.Helper()
	return s.Visitor().Post(link, sallyporttest.Fields{"new_password": password})
}

func TestI26_ResetLinks(t *testing.T) {
	type site = *sallyporttest.Site
	type person = sallyporttest.Person
	for name, test := range map[string]struct {
		spoil func(s site, p person, link string) string // returns the link to try
		works bool
	}{
		"as mailed": {func(_ site, _ person, link string) string { return link }, true},
		"looked at": {func(s site, _ person, link string) string { s.Visitor().Get(link); s.Visitor().Get(link); return link }, true},
		"nearly too old": {func(s site, _ person, link string) string {
			s.Clock.Advance(30*time.Minute - time.Millisecond)
			return link
		}, true},
		"too old": {func(s site, _ person, link string) string { s.Clock.Advance(30 * time.Minute); return link }, false},
		"used": {func(s site, _ person, link string) string {
			if p := reset(s, link, newPassword+"-1"); p.Status != http.StatusSeeOther {
				s.T.Fatalf("first use: %d %s", p.Status, p.Alert())
			}
			return link
		}, false},
		"a newer one": {func(s site, p person, link string) string { requestReset(s, p.Address); return link }, false},
		"another purpose": {func(_ site, _ person, link string) string {
			return "/email/undo/" + strings.TrimPrefix(link, "/reset/")
		}, false},
		"a letter changed": {func(_ site, _ person, link string) string {
			end := "A"
			if strings.HasSuffix(link, "A") {
				end = "Q"
			}
			return link[:len(link)-1] + end
		}, false},
		"cut": {func(_ site, _ person, link string) string { return link[:len(link)-2] }, false},
		"signed out everywhere by a new password": {func(s site, p person, link string) string {
			v := s.Visitor()
			v.SignIn(p)
			if got := v.Post("/account/password", sallyporttest.Fields{"current_password": p.Password, "new_password": newPassword + "-2"}); got.Status != http.StatusSeeOther {
				s.T.Fatalf("change: %d %s", got.Status, got.Alert())
			}
			return link
		}, false},
		"suspended since": {func(s site, p person, link string) string {
			s.Exec(`UPDATE users SET state = 'suspended' WHERE id = $1`, p.ID)
			return link
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				s := sallyporttest.NewSite(t, e)
				p := e.Add("mia@acme.example", sallyport.Member)
				link := requestReset(s, p.Address)
				if len(strings.TrimPrefix(link, "/reset/")) < 86 {
					t.Fatalf("the link %q has too little in it", link)
				}
				if strings.Contains(e.Dump(), strings.TrimPrefix(link, "/reset/")) {
					t.Fatal("the token is in the database")
				}
				link = test.spoil(s, p, link)
				v := s.Visitor()
				if got := v.Get(link); (got.Status == http.StatusOK) != test.works {
					t.Fatalf("GET: %d %s", got.Status, got.Alert())
				}
				got := v.Post(link, sallyporttest.Fields{"new_password": newPassword})
				if v.SignedIn() || v.Cookies()["session"] != "" || v.Cookies()["sign-in"] != "" {
					t.Error("the link signs in")
				}
				if !test.works {
					if got.Status < 400 || got.Status >= 500 {
						t.Errorf("POST: %d %s", got.Status, got.Text())
					}
					return
				}
				if got.Location != "/sign-in" {
					t.Fatalf("POST: %d %s", got.Status, got.Alert())
				}
				p.Password = newPassword
				v.SignIn(p)
			})
		})
	}
}

func TestI26_OfTwoUsesAtOnceOneCounts(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		link := requestReset(s, p.Address)
		var all sync.WaitGroup
		statuses := make([]int, 6)
		for i := range statuses {
			v := s.Visitor()
			all.Go(func() {
				statuses[i] = v.Post(link, sallyporttest.Fields{"new_password": fmt.Sprint(newPassword, i)}).Status
			})
		}
		all.Wait()
		done := 0
		for _, status := range statuses {
			if status == http.StatusSeeOther {
				done++
			}
		}
		if done != 1 {
			t.Errorf("%d of them count: %v", done, statuses)
		}
	})
}

func TestI02_ResetNeverTouchesTheSecondFactor(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		owner := s.Visitor()
		owner.Enrol(&p, "Pixel")
		secrets := e.Query(`SELECT id, secret FROM authenticators`)
		if got := reset(s, requestReset(s, p.Address), newPassword); got.Status != http.StatusSeeOther {
			t.Fatalf("%d %s", got.Status, got.Alert())
		}
		if owner.SignedIn() {
			t.Error("a session outlives the reset (I24)")
		}
		p.Password = newPassword
		v := s.Visitor()
		if got := v.GivePassword(p); got.Location != "/sign-in/2fa" || v.SignedIn() {
			t.Fatalf("after a reset the password leads to %s", got.Location)
		}
		if now := e.Query(`SELECT id, secret FROM authenticators`); fmt.Sprint(now) != fmt.Sprint(secrets) {
			t.Error("the authenticators changed")
		}
		v.SignIn(p)
	})
}

// TestI34_ANewPasswordTakesCodesAgain: when codes from unknown clients are refused until the password changes, a new
// password makes them accepted again.
func TestI34_ANewPasswordTakesCodesAgain(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		s.Visitor().Enrol(&p, "Pixel")
		thief := s.Visitor()
		for range 10 {
			thief.GivePassword(p)
			thief.Post("/sign-in/2fa", sallyporttest.Fields{"code": "000000"})
			e.Clock.Advance(time.Hour)
		}
		thief.GivePassword(p)
		if got := thief.Post("/sign-in/2fa", sallyporttest.Fields{"code": p.Code(e.Clock.Now())}); got.Status != http.StatusTooManyRequests {
			t.Fatalf("ten wrong codes, then the right one: %d %s", got.Status, got.Alert())
		}
		if got := reset(s, requestReset(s, p.Address), newPassword); got.Status != http.StatusSeeOther {
			t.Fatalf("%d %s", got.Status, got.Alert())
		}
		p.Password = newPassword
		s.Visitor().SignIn(p)
	})
}

func TestI39_ForgotTellsNothing(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		for i, change := range []string{"", `state = 'suspended'`, `state = 'invited', password_hash = ''`, `temporary_ends = 1`, `temporary_ends = 99999999999999`} {
			p := e.Add(fmt.Sprintf("p%d@acme.example", i), sallyport.Member)
			if change != "" {
				e.Exec(`UPDATE users SET `+change+` WHERE id = $1`, p.ID)
			}
		}
		variable := regexp.MustCompile(`"?[0-9a-v]{26}"?|X-Request-Id:\S+|Date:\[[^]]*\]`)
		var first string
		for i, address := range []string{"p0@acme.example", "p1@acme.example", "p2@acme.example", "p3@acme.example", "p4@acme.example", "nobody@acme.example"} {
			v := s.Visitor()
			got := v.Post("/forgot", sallyporttest.Fields{"email": address})
			answer := variable.ReplaceAllString(fmt.Sprintln(got.Status, got.Location, got.Header, got.Text()), "")
			answer += v.Follow().Text()
			if i == 0 {
				first = answer
			} else if answer != first {
				t.Errorf("%s is answered\n%s\nand a person\n%s", address, answer, first)
			}
			mails := len(e.WaitingMails(address))
			if want := map[bool]int{true: 1}[i == 0]; mails != want {
				t.Errorf("%s: %d mails, want %d", address, mails, want)
			}
		}
		if n := len(e.Query(`SELECT id FROM links`)); n != 1 {
			t.Errorf("%d links were made, want 1", n)
		}
	})
}

func TestForgotFloodsNobody(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		for i := range 8 {
			got := s.Visitor().From(fmt.Sprintf("203.0.113.%d", i)).Post("/forgot", sallyporttest.Fields{"email": p.Address})
			if got.Status != http.StatusSeeOther {
				t.Fatalf("%d %s", got.Status, got.Alert())
			}
		}
		if n := len(e.WaitingMails(p.Address)); n != 3 {
			t.Errorf("%d mails in one hour, want 3", n)
		}
		e.Clock.Advance(time.Hour)
		if requestReset(s, p.Address) == "" {
			t.Error("no mail after an hour")
		}
		v := s.Visitor().From("198.51.100.7")
		for i := range 20 {
			if got := v.Post("/forgot", sallyporttest.Fields{"email": fmt.Sprintf("n%d@acme.example", i)}); got.Status != http.StatusSeeOther {
				t.Fatalf("%d: %d %s", i, got.Status, got.Alert())
			}
		}
		if got := v.Post("/forgot", sallyporttest.Fields{"email": "n20@acme.example"}); got.Status != http.StatusTooManyRequests || got.Header.Get("Retry-After") == "" {
			t.Errorf("the 21st of a network: %d", got.Status)
		}
	})
}

func TestI45_ResetLinksLeadHome(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("Mia@acme.example", sallyport.Member)
		v := s.Visitor()
		for _, forged := range []sallyporttest.Request{
			{},
			{Header: http.Header{"X-Forwarded-Host": {"evil.example"}}},
			{Header: http.Header{"Forwarded": {"host=evil.example"}}},
			{Host: "evil.example"},
			{Host: "evil.example", Header: http.Header{"Origin": {"http://evil.example"}}},
		} {
			header := v.PostHeader()
			maps.Copy(header, forged.Header)
			v.Send(sallyporttest.Request{Method: "POST", Target: "/forgot", Host: forged.Host, Header: header, Body: "email=MIA%40ACME.example"})
		}
		mails := e.WaitingMails("")
		if len(mails) == 0 {
			t.Fatal("no mail was sent")
		}
		for _, m := range mails {
			if m.To != p.Address || !strings.Contains(m.Text, e.URL+"/reset/") || strings.Contains(m.Text+m.HTML, "evil") {
				t.Errorf("to %s: %s", m.To, m.Text)
			}
		}
	})
}

func TestI06_ResetLinksOfAnotherWorkspace(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		other := strings.Replace(e.URL, "localhost", "globex.localhost", 1)
		e.Check(e.AddWorkspace(context.Background(), "", strings.TrimPrefix(other, "http://"), sallyport.FirstOwner{
			Workspace: "Globex", Name: "Gus", Address: p.Address, Password: sallyporttest.Password,
		}))
		link := requestReset(s, p.Address)
		if got := s.Visitor().At(other).Post(link, sallyporttest.Fields{"new_password": newPassword}); got.Status != http.StatusGone {
			t.Errorf("%d %s", got.Status, got.Alert())
		}
		if got := reset(s, link, newPassword); got.Status != http.StatusSeeOther {
			t.Errorf("at home: %d %s", got.Status, got.Alert())
		}
	})
}
