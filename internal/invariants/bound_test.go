package invariants_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

// TestI66_SessionsOfOnePerson: the newest 50 live, and no more are kept; sign-ins are limited to 120 an hour, and the
// e-mail about a new browser to one.
func TestI66_SessionsOfOnePerson(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ben := member(s, "ben")
		var all []*Visitor
		for i := range 120 {
			v := s.Visitor()
			if v.GivePassword(ben); v.Page.Status != 303 || !v.SignedIn() {
				t.Fatalf("sign-in %d: %d %s", i+1, v.Page.Status, v.Page.Alert())
			}
			all = append(all, v)
			s.Clock.Advance(time.Second)
		}
		if page := s.Visitor().GivePassword(ben); page.Status != 429 || page.Header.Get("Retry-After") == "" {
			t.Errorf("sign-in 121: %d, Retry-After %q", page.Status, page.Header.Get("Retry-After"))
		}
		if n := s.Query("SELECT count(*) FROM sessions WHERE user_id = $1", ben.ID)[0][0]; n != "50" {
			t.Errorf("%s sessions are kept", n)
		}
		for i, v := range all {
			if lives, want := v.Get("/session").Status == 200, i >= 70; lives != want {
				t.Errorf("session %d is valid: %v", i+1, lives)
			}
		}
		mails := func() int {
			return len(s.Query("SELECT id FROM outbox WHERE user_id = $1 AND kind = 'sign_in.new_browser'", ben.ID))
		}
		if mails() > 1 {
			t.Errorf("%d e-mails about new browsers", mails())
		}
		if n := len(s.Query("SELECT id FROM events WHERE kind = 'session.ended' AND subject = $1", ben.ID)); n != 70 {
			t.Errorf("%d events about sessions that ended", n)
		}
		before := mails()
		s.Clock.Advance(time.Hour)
		v := s.Visitor()
		if v.GivePassword(ben); !v.SignedIn() || mails() != before+1 {
			t.Errorf("an hour later: %d %s, %d e-mails", v.Page.Status, v.Page.Alert(), mails())
		}
	})
}

// TestI66_ChangesOfOnePerson: 300 an hour. Who has used them up can still end sessions and change the password.
func TestI66_ChangesOfOnePerson(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ben := member(s, "ben")
		v := s.Visitor()
		v.SignIn(ben)
		other := s.Visitor()
		other.SignIn(ben)
		for i := range 300 {
			if page := v.Post("/account", Fields{"name": fmt.Sprint("Ben ", i)}); page.Status != 303 {
				t.Fatalf("change %d: %d %s", i+1, page.Status, page.Alert())
			}
		}
		if page := v.Post("/account", Fields{"name": "Ben"}); page.Status != 429 || page.Header.Get("Retry-After") == "" {
			t.Errorf("change 301: %d, Retry-After %q", page.Status, page.Header.Get("Retry-After"))
		}
		if page := v.Get("/account/sessions"); page.Status != 200 {
			t.Errorf("the list of sessions: %d", page.Status)
		}
		if page := v.Post("/account/sessions/end-others", nil); page.Status != 303 || other.Get("/session").Status != 401 {
			t.Errorf("ending the others: %d", page.Status)
		}
		if page := v.Post("/account/password", Fields{"current_password": ben.Password, "new_password": "walnut-quilt-9-harbour-mint"}); page.Status != 303 {
			t.Errorf("a new password: %d %s", page.Status, page.Alert())
		}
		s.Clock.Advance(time.Hour)
		if page := v.Post("/account", Fields{"name": "Ben"}); page.Status != 303 {
			t.Errorf("an hour later: %d %s", page.Status, page.Alert())
		}
	})
}

// TestI66_DeletingAPersonWithALongHistory: what is personal is erased in pages, and what Delete leaves Run erases.
func TestI66_DeletingAPersonWithALongHistory(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ctx := context.Background()
		ben := member(s, "ben")
		s.Visitor().SignIn(ben)
		s.Check(s.Forgot(ctx, s.Arriving().By(), ben.Address))
		const more = 60_000
		from := "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) "
		s.Exec(from+`INSERT INTO events (workspace_id, id, at, kind, actor, actor_kind, subject, door, address, browser, salt, personal_hash, result, detail, mac)
			SELECT e.workspace_id, e.id || '_' || (1000000 + n.i), e.at, e.kind, e.actor, e.actor_kind, e.subject, e.door, e.address, e.browser, e.salt, e.personal_hash, e.result, e.detail, e.mac
			FROM events e, n WHERE e.kind = 'sign_in.completed' AND e.subject = $2`, more, ben.ID)
		left := func() string {
			return s.Query("SELECT count(*) FROM events WHERE salt IS NOT NULL AND (actor = $1 OR actor = '' AND subject = $1)", ben.ID)[0][0]
		}
		s.Check(s.Delete(ctx, s.Console(), ben.Address))
		if n := left(); n == "0" || n == fmt.Sprint(more) {
			t.Errorf("%s events are left after Delete, want some but not all: they are erased in pages", n)
		}
		s.Check(s.EraseDeleted(ctx))
		if n := left(); n != "0" {
			t.Errorf("%s events still have an address or browser", n)
		}
		for _, table := range []string{"deletions", "outbox", "sessions"} {
			if n := s.Query("SELECT count(*) FROM " + table)[0][0]; n != "0" {
				t.Errorf("%s rows of %s are left", n, table)
			}
		}
		if err := s.Delete(ctx, s.Console(), ben.Address); !errors.Is(err, sallyport.ErrNotFound) {
			t.Errorf("a second time: %v", err)
		}
	})
}

// TestI66_SignInsHalfWay: of those who know the password and give no code, the newest 20 can go on. Nobody ends one that
// the owner began in a browser that is known, in any tab of it.
func TestI66_SignInsHalfWay(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ben := member(s, "ben")
		own := s.Visitor()
		own.Enrol(&ben, "Ben's")
		own.Post("/sign-out", nil)
		tab := own.Fork()
		for _, v := range []*Visitor{own, tab} {
			if v.GivePassword(ben); v.Page.Location != "/sign-in/2fa" {
				t.Fatalf("the owner: %d %s", v.Page.Status, v.Page.Location)
			}
		}
		half := func() int { return len(s.Query("SELECT id FROM sign_ins WHERE user_id = $1", ben.ID)) }
		var strangers []*Visitor
		for range 30 {
			v := s.Visitor()
			v.GivePassword(ben)
			strangers = append(strangers, v)
			s.Clock.Advance(time.Second)
		}
		if n := half(); n != sallyport.MaxSignIns {
			t.Errorf("%d sign-ins are half-way", n)
		}
		for i, v := range strangers {
			if lives, want := v.Get("/sign-in/2fa").Status == 200, i >= 12; lives != want {
				t.Errorf("sign-in of stranger %d is valid: %v", i+1, lives)
			}
		}
		for name, v := range map[string]*Visitor{"first": own, "second": tab} {
			if page := v.Get("/sign-in/2fa"); page.Status != 200 {
				t.Errorf("the owner's %s tab: %d %s", name, page.Status, page.Location)
			}
		}
		if own.Post("/sign-in/2fa", Fields{"code": ben.Code(s.Clock.Now())}); !own.SignedIn() {
			t.Errorf("the owner: %d %s", own.Page.Status, own.Page.Alert())
		}
		s.Clock.Advance(sallyport.SignInLimit)
		signIn := func() {
			if _, err := s.SignIn(context.Background(), s.Arriving().By(), ben.Address, ben.Password); err != nil {
				t.Error(err)
			}
		}
		for range sallyport.MaxSignIns - 3 {
			signIn()
		}
		var all sync.WaitGroup
		for range 8 { // of one password, no more than ten are tried at once
			all.Go(signIn)
		}
		all.Wait()
		if n := half(); n != sallyport.MaxSignIns {
			t.Errorf("%d sign-ins are half-way after eight at once", n)
		}
	})
}
