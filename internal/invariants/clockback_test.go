package invariants_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

const hour = time.Hour

// aYearAhead is a user who signed in and trusted the device while the clock was a year ahead. Now the clock is right.
func aYearAhead(s *Site, name string) (Person, *Visitor) {
	s.T.Helper()
	s.Exec("UPDATE policies SET trusted_device_days = 30")
	p, _ := enrolled(s, name)
	s.Clock.Advance(8760 * hour)
	v := atChallenge(s, p)
	v.Post("/sign-in/2fa", Fields{"code": p.Code(s.Clock.Now()), "trust": "yes"})
	if !v.SignedIn() || len(v.Cookies()) < 3 {
		s.T.Fatalf("no session, or no trust: %d %s", v.Page.Status, v.Page.Alert())
	}
	s.Clock.Advance(-8760 * hour)
	return p, v
}

// TestI63_WhatBeganInTheFutureIsOver checks that sessions and trust from a clock that was a year ahead end as soon as it
// is right, and stay ended when their time comes.
func TestI63_WhatBeganInTheFutureIsOver(t *testing.T) {
	for _, after := range []time.Duration{0, 13 * hour, 180 * hour, 480 * hour, 2000 * hour, 8760 * hour} {
		t.Run(after.String(), func(t *testing.T) {
			each(t, func(t *testing.T, s *Site) {
				p, v := aYearAhead(s, "ben")
				if after == 8760*hour { // no request in between
					s.Check(s.SweepIdle(context.Background()))
				}
				s.Clock.Advance(after)
				if page := v.Get("/session"); page.Status != 401 {
					t.Errorf("the session answers %d", page.Status)
				}
				if to := v.GivePassword(p).Location; to != "/sign-in/2fa" {
					t.Errorf("with the trust, the password leads to %q", to)
				}
			})
		})
	}
}

// TestI63_WhatWasRefusedDoesNotComeAlive checks that a session and trust that were refused once stay invalid.
func TestI63_WhatWasRefusedDoesNotComeAlive(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		p, v := aYearAhead(s, "ben")
		thief := v.Fork()
		v.Get("/session")
		v.GivePassword(p)
		s.Clock.Advance(8760*hour + minute)
		if page := thief.Get("/session"); page.Status != 401 {
			t.Errorf("a year later the session answers %d", page.Status)
		}
		if to := thief.GivePassword(p).Location; to != "/sign-in/2fa" {
			t.Errorf("a year later, with the trust, the password leads to %q", to)
		}
	})
}

// TestI63_TheCodePageSaysThatTheClockWentBack checks that the page says what to do, and that owners get one e-mail.
func TestI63_TheCodePageSaysThatTheClockWentBack(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		p, v := aYearAhead(s, "ben")
		for range 3 {
			v.Get("/session")
			page := answer(atChallenge(s, p), p.Code(s.Clock.Now()))
			if page.Status != 422 || !strings.Contains(page.Alert(), "The clock of this server was set back") || !strings.Contains(page.Alert(), "recovery code") {
				t.Fatalf("the page says, with %d: %s", page.Status, page.Alert())
			}
			s.Clock.Advance(minute)
		}
		if n := len(s.Query("SELECT id FROM events WHERE kind = 'clock.set_back'")); n != 1 {
			t.Errorf("%d events", n)
		}
		told := 0
		for _, m := range s.WaitingMails(s.Owner.Address) {
			if strings.Contains(m.Subject, "The clock of the server was set back") {
				told++
			}
		}
		if told != 1 {
			t.Errorf("the owner got %d mails", told)
		}
		s.Check(s.Unlock(context.Background(), s.Console(), p.Address))
		s.Clock.Advance(minute)
		if v := atChallenge(s, p); answer(v, p.Code(s.Clock.Now())).Status != 303 || !v.SignedIn() {
			t.Errorf("unlocked: %d %s", v.Page.Status, v.Page.Alert())
		}
	})
}

// TestI63_RunFindsOutThatTheClockWentBack checks that Run detects it without a request, on any node.
func TestI63_RunFindsOutThatTheClockWentBack(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ctx := context.Background()
		s.Check(s.WatchClock(ctx))
		s.Clock.Advance(30 * hour)
		s.Check(s.WatchClock(ctx))
		ben := member(s, "ben")
		v := s.Visitor()
		v.SignIn(ben)
		s.Check(s.Forgot(ctx, s.Arriving().By(), ben.Address))
		s.Clock.Advance(-30 * hour)
		for range 3 {
			s.Check(s.WatchClock(ctx))
			s.Clock.Advance(minute)
		}
		for _, table := range []string{"sessions", "browsers", "links"} {
			if n := s.Query("SELECT count(*) FROM " + table)[0][0]; n != "0" {
				t.Errorf("%s rows from the future in %s", n, table)
			}
		}
		if n := len(s.Query("SELECT id FROM events WHERE kind = 'clock.set_back'")); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}

// TestI63_NothingThatBeganInTheFutureIsTaken checks that a row of each kind with a lifetime is refused if it began two
// minutes in the future. Half a minute is accepted, because the clocks of two nodes may differ.
func TestI63_NothingThatBeganInTheFutureIsTaken(t *testing.T) {
	ctx := context.Background()
	tests := []struct {
		name  string
		begin func(s *Site, p *Person) (use func() bool) // the use is made with the clock set back
	}{
		{"session", func(s *Site, p *Person) func() bool {
			v := s.Visitor()
			v.SignIn(*p)
			return func() bool { return v.Get("/session").Status == 200 }
		}},
		{"sign-in", func(s *Site, p *Person) func() bool {
			v := s.Visitor()
			v.Enrol(p, "Pixel")
			half := atChallenge(s, *p)
			return func() bool { return half.Get("/sign-in/2fa").Status == 200 }
		}},
		{"draft", func(s *Site, p *Person) func() bool {
			v := s.Visitor()
			v.SignIn(*p)
			v.Post("/account/2fa/set-up", Fields{"name": "Pixel"})
			page := v.Follow()
			return func() bool { return page.Key() != "" && v.Get(page.Target).Key() == page.Key() }
		}},
		{"link", func(s *Site, p *Person) func() bool {
			s.Check(s.Forgot(ctx, s.Arriving().By(), p.Address))
			link := s.MailedLink("password.forgotten", p.Address)
			return func() bool { return s.Visitor().Get(link.Path).Status == 200 }
		}},
		{"first-run link", func(s *Site, _ *Person) func() bool {
			s.Exec("UPDATE installation SET owner_made = 0")
			token, err := s.OpenFirstRun(ctx)
			s.Check(err)
			return func() bool { return s.CheckFirstRun(ctx, token) == nil }
		}},
		{"temporary password", func(s *Site, p *Person) func() bool {
			s.Exec("UPDATE users SET temporary_ends = $1 WHERE id = $2", s.Clock.Now().Add(sallyport.TemporaryLimit).UnixMilli(), p.ID)
			return func() bool { return s.Visitor().GivePassword(*p).Location == "/sign-in/password" }
		}},
		{"step-up", func(s *Site, p *Person) func() bool {
			v := s.Visitor()
			v.SignIn(*p)
			return func() bool { return v.Get("/account/password").Status == 200 }
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			each(t, func(t *testing.T, s *Site) {
				for i, back := range []time.Duration{-30 * time.Second, -2 * minute} {
					p := member(s, "ben"+strconv.Itoa(i))
					use := test.begin(s, &p)
					s.Clock.Advance(back)
					if taken, want := use(), i == 0; taken != want {
						t.Errorf("clock set back %v: turn taken %v", back, taken)
					}
					s.Clock.Advance(-back)
				}
			})
		})
	}
}

// TestI63_BudgetsOfTheFutureNeitherLastNorVanish checks that tries counted a year ahead count as if made now.
func TestI63_BudgetsOfTheFutureNeitherLastNorVanish(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		p := member(s, "ben")
		s.Clock.Advance(8760 * hour)
		unknownClient(t, s.Env).wrong(p, 12)
		s.Clock.Advance(-8760 * hour)
		if unknownClient(t, s.Env).right(p) {
			t.Error("tries recorded in the future do not count")
		}
		s.Clock.Advance(2 * hour)
		if !unknownClient(t, s.Env).right(p) {
			t.Error("two hours later, tries recorded in the future still count")
		}
	})
}

// TestI63_MailAndRemindersOfTheFutureGoOn checks that e-mails queued a year ahead do not wait for a year, and that nobody
// gets a second reminder.
func TestI63_MailAndRemindersOfTheFutureGoOn(t *testing.T) {
	ctx := context.Background()
	each(t, func(t *testing.T, s *Site) {
		ben := member(s, "ben")
		v := s.Visitor()
		s.Clock.Advance(8760 * hour)
		v.SignIn(s.Owner)
		if page := v.Post("/admin/reminders", nil); page.Status != 303 {
			t.Fatalf("%d %s", page.Status, page.Alert())
		}
		s.Exec("UPDATE reminders SET ended_at = 0")
		s.Clock.Advance(-8760 * hour)
		reminded := func() int {
			return len(s.Query("SELECT id FROM outbox WHERE kind = 'two_factor.reminder' AND user_id = $1", ben.ID))
		}
		s.Check(s.QueueReminders(ctx))
		if n := reminded(); n != 1 {
			t.Errorf("%d reminders", n)
		}
		s.Check(s.Sweep(ctx))
		if n := s.Query("SELECT count(*) FROM outbox WHERE next_at > $1", s.Clock.Now().UnixMilli())[0][0]; n != "0" {
			t.Errorf("%s e-mails are due only in the future", n)
		}
		s.Check(s.SweepIdle(ctx))
		v.SignIn(s.Owner)
		s.Clock.Advance(sallyport.ReminderPause)
		v.SignIn(s.Owner)
		if page := v.Post("/admin/reminders", nil); page.Status != 303 || reminded() != 2 {
			t.Errorf("a day later: %d %s, %d reminders", page.Status, page.Alert(), reminded())
		}
	})
}
