package sallyport_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// reminded returns the addresses with reminders in the outbox, and how many each has, in order.
func reminded(e *sallyporttest.Env) (all []string) {
	e.T.Helper()
	for _, row := range e.Query(`SELECT address, count(*) FROM outbox WHERE kind LIKE 'two_factor.reminder%' GROUP BY address ORDER BY address`) {
		name, _, _ := strings.Cut(row[0], "@")
		all = append(all, name+" "+row[1])
	}
	return all
}

// addPeople adds people without two-factor authentication.
func addPeople(e *sallyporttest.Env, n int) {
	e.T.Helper()
	e.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
		INSERT INTO users (workspace_id, id, address, address_folded, name, name_folded, role, state, epoch, created_at)
		SELECT $2, 'usr_crowd' || i, 'c' || i || '@acme.example', 'c' || i || '@acme.example', 'C', 'c', 'member', 'active', 1, 1 FROM n`,
		n, e.Owner.Workspace)
}

func TestReminders(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		owner := e.Owner
		b := e.Enrol(&owner, "Owner's")
		ada, max := e.Add("ada@acme.example", sallyport.Admin), e.Add("max@acme.example", sallyport.Manager)
		mia := e.Add("mia@acme.example", sallyport.Member)
		for _, gone := range []string{"suspended", "invited"} {
			p := e.Add(gone+"@acme.example", sallyport.Member)
			e.Exec(`UPDATE users SET state = $1 WHERE id = $2`, gone, p.ID)
		}
		nameless := e.Add("nameless@acme.example", sallyport.Member)
		e.Exec(`UPDATE users SET address = '', address_folded = '' WHERE id = $1`, nameless.ID)
		otherWorkspace(e, "gustav@globex.example")

		for _, p := range []sallyporttest.Person{max, mia} {
			by := signedIn(e, p).By()
			if _, err := e.Remind(ctx, by); !errors.Is(err, sallyport.ErrNotAllowed) {
				t.Errorf("a %s reminds: %v", p.Role, err)
			}
			if _, err := e.PlanReminders(ctx, by); !errors.Is(err, sallyport.ErrNotAllowed) {
				t.Errorf("a %s may plan reminders: %v", p.Role, err)
			}
		}
		plan := func(due, recent int) {
			t.Helper()
			if p, err := e.PlanReminders(ctx, b.By()); err != nil || p.Due != due || p.Recent != recent {
				t.Errorf("the plan: %+v %v, want %d and %d", p, err, due, recent)
			}
		}
		plan(3, 0)
		r, err := e.Remind(ctx, b.By())
		if err != nil || r.Queued != 3 || r.Open() {
			t.Fatalf("%+v %v", r, err)
		}
		dayLater := r.StartedAt.Add(sallyport.ReminderPause)
		if got := reminded(e); !slices.Equal(got, []string{"ada 1", "max 1", "mia 1"}) {
			t.Errorf("reminded: %v", got)
		}
		plan(0, 3)
		nia := e.Add("nia@acme.example", sallyport.Member)
		plan(1, 3)
		if r, err = e.Remind(ctx, signedIn(e, ada).By()); err != nil || r.Queued != 1 {
			t.Errorf("people added later: %+v %v", r, err)
		}
		e.Exec(`UPDATE users SET two_factor = 1 WHERE id = $1`, nia.ID) // set up since
		e.Clock.Set(dayLater.Add(-time.Minute))
		again := signedIn(e, ada).By()
		e.Clock.Set(dayLater.Add(-time.Millisecond))
		if _, err := e.Remind(ctx, again); !errors.Is(err, sallyport.ErrNobodyToRemind) {
			t.Errorf("a moment less than a day later: %v", err)
		}
		e.Clock.Set(dayLater)
		if r, err = e.Remind(ctx, again); err != nil || r.Queued != 3 {
			t.Errorf("a day later: %+v %v", r, err)
		}
		if got := reminded(e); !slices.Equal(got, []string{"ada 2", "max 2", "mia 2", "nia 1"}) {
			t.Errorf("reminded: %v", got)
		}
		if rows := e.Query(`SELECT actor, subject, detail FROM events WHERE kind = 'two_factor.reminded' ORDER BY id`); len(rows) != 3 ||
			rows[0][0] != owner.ID || rows[0][1] != "" || rows[0][2] != `{"people":"3"}` {
			t.Errorf("events: %v", rows)
		}
	})
}

// TestRemindersNameTheDay: the e-mail names the day only to people who must use two-factor authentication from that day
// on, and only until it comes.
func TestRemindersNameTheDay(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		e.Add("ada@acme.example", sallyport.Admin)
		e.Add("mia@acme.example", sallyport.Member)
		on := e.Clock.Now().Add(48 * time.Hour)
		for i, test := range []struct {
			require  string
			ada, mia string
			on       bool
		}{
			{sallyport.RequireAdmins, "two_factor.reminder_dated", "two_factor.reminder", true},
			{sallyport.RequireEveryone, "two_factor.reminder_dated", "two_factor.reminder_dated", true},
			{sallyport.RequireOptional, "two_factor.reminder", "two_factor.reminder", false},
		} {
			require(e, test.require)
			e.Exec(`UPDATE policies SET required_from = $1, version = version + 1`, on.Add(time.Duration(i)*sallyport.ReminderPause).UnixMilli())
			by := signedIn(e, e.Owner).By()
			if p, err := e.PlanReminders(ctx, by); err != nil || p.On.IsZero() == test.on {
				t.Errorf("%s: the plan: %+v %v", test.require, p, err)
			}
			if _, err := e.Remind(ctx, by); err != nil {
				t.Fatal(err)
			}
			for address, want := range map[string]string{"ada@acme.example": test.ada, "mia@acme.example": test.mia} {
				mails := e.WaitingMails(address)
				mail := mails[len(mails)-1]
				if mail.Kind != want {
					t.Errorf("%s: %s gets %s", test.require, address, mail.Kind)
				}
				day := on.Add(time.Duration(i) * sallyport.ReminderPause).UTC().Format("2 January 2006")
				if strings.Contains(mail.Text, day) != (want == "two_factor.reminder_dated") {
					t.Errorf("%s: %s reads %s", test.require, address, mail.Text)
				}
			}
			e.Clock.Advance(sallyport.ReminderPause)
		}
	})
}

// crashing is a store that aborts a Write after its function has run, before the commit.
type crashing struct{ sallyport.Store }

var errCrash = errors.New("the node has died")

func (c *crashing) Write(ctx context.Context, fn func(sallyport.Tx) error) error {
	return c.Store.Write(ctx, func(tx sallyport.Tx) error { return errors.Join(fn(tx), errCrash) })
}

// TestRemindersComeInPages reminds 1,041 people. A node dies in the middle of it, and four nodes continue at the same
// time.
func TestRemindersComeInPages(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		addPeople(e, 1040)
		queued := func(want int) {
			t.Helper()
			if n := e.Query(`SELECT count(*) FROM outbox WHERE kind = 'two_factor.reminder'`)[0][0]; n != fmt.Sprint(want) {
				t.Errorf("%s are queued, want %d", n, want)
			}
			if n := e.Query(`SELECT count(*) FROM users WHERE reminded_at > 0`)[0][0]; n != fmt.Sprint(want) {
				t.Errorf("%s are marked, want %d", n, want)
			}
		}
		b := signedIn(e, e.Owner)
		r, err := e.Remind(ctx, b.By())
		if err != nil || r.Queued != 1000 || !r.Open() {
			t.Fatalf("%+v %v", r, err)
		}
		queued(1000)
		if _, err := e.Remind(ctx, b.By()); !errors.Is(err, sallyport.ErrReminding) {
			t.Errorf("during an open round: %v", err)
		}
		dying := *e.Service
		dying.Store = &crashing{e.Store}
		if err := dying.QueueReminders(ctx); !errors.Is(err, errCrash) {
			t.Fatalf("the node did not stop: %v", err)
		}
		queued(1000)
		e.Clock.Advance(sallyport.ReminderPause) // the people of the first page are due again, but not in this round
		all, faults := sync.WaitGroup{}, make([]error, 4)
		for i := range faults {
			node := e.Node(e.Keys)
			all.Go(func() { faults[i] = node.QueueReminders(ctx) })
		}
		all.Wait()
		if err := errors.Join(faults...); err != nil {
			t.Fatal(err)
		}
		queued(1041)
		if n := len(e.Query(`SELECT user_id FROM outbox WHERE kind = 'two_factor.reminder' GROUP BY user_id HAVING count(*) > 1`)); n != 0 {
			t.Errorf("%d people have several e-mails", n)
		}
		if rows := e.Query(`SELECT queued, ended_at FROM reminders`); rows[0][0] != "1041" || rows[0][1] == "0" {
			t.Errorf("the round ended with %v", rows)
		}
		if n := len(e.Query(`SELECT id FROM events WHERE kind = 'two_factor.reminded'`)); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}

// TestTwoRemindAtOnce makes administrators remind the same people on several nodes.
func TestTwoRemindAtOnce(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		addPeople(e, 200)
		const admins = 4
		var bys []sallyport.Caller
		for i := range admins {
			bys = append(bys, signedIn(e, e.Add(fmt.Sprintf("ada%d@acme.example", i), sallyport.Admin)).By())
		}
		var all sync.WaitGroup
		faults := make([]error, admins)
		for i, by := range bys {
			node := e.Node(e.Keys)
			all.Go(func() { _, faults[i] = node.Remind(ctx, by) })
		}
		all.Wait()
		done := 0
		for _, err := range faults {
			if err == nil {
				done++
			} else if !errors.Is(err, sallyport.ErrNobodyToRemind) {
				t.Error(err)
			}
		}
		if done != 1 {
			t.Errorf("%d callers sent reminders", done)
		}
		got := reminded(e)
		if len(got) != 200+1+admins || slices.ContainsFunc(got, func(s string) bool { return !strings.HasSuffix(s, " 1") }) {
			t.Errorf("%d people are reminded: %.300s", len(got), fmt.Sprint(got))
		}
	})
}
