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
	"github.com/sallyport-2fa/sallyport/internal/background"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// savedCounts returns the saved counts of the first workspace, oldest day first.
func savedCounts(e *sallyporttest.Env) string {
	e.T.Helper()
	var all []string
	for _, row := range e.Query(`SELECT enabled, people FROM adoption WHERE workspace_id = $1 ORDER BY day`, e.Owner.Workspace) {
		all = append(all, strings.Join(row, "/"))
	}
	return strings.Join(all, " ")
}

// startInTheMorning sets the clock to an early hour, so that no test runs past midnight.
func startInTheMorning(e *sallyporttest.Env) {
	e.Clock.Set(e.Clock.Now().UTC().Truncate(24 * time.Hour).Add(25 * time.Hour))
}

func TestCountAdoption(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		startInTheMorning(e)
		other := e.Node(e.Keys)
		enable := func(p sallyporttest.Person) { e.Exec(`UPDATE users SET two_factor = 1 WHERE id = $1`, p.ID) }
		for _, state := range []string{"suspended", "invited"} {
			p := e.Add(state+"@acme.example", sallyport.Member)
			e.Exec(`UPDATE users SET state = $1 WHERE id = $2`, state, p.ID)
			enable(p)
		}
		e.Check(e.AddWorkspace(ctx, "", "globex.example", sallyport.FirstOwner{
			Workspace: "Globex", Name: "Gustav", Address: "gustav@globex.example", Password: sallyporttest.Password}))
		mia := e.Add("mia@acme.example", sallyport.Member)
		for _, step := range []struct {
			what  string
			then  func()
			after time.Duration
			node  *sallyport.Service
			want  string
		}{
			{"the first count", func() {}, 0, e.Service, "0/2"},
			{"someone enables it shortly after a count", func() { enable(e.Owner) }, 39 * time.Second, other, "0/2"},
			{"another node's turn", func() {}, time.Second, other, "1/2"},
			{"the same day", func() { enable(mia) }, 20 * time.Hour, e.Service, "2/2"},
			{"the next day", func() { e.Add("nia@acme.example", sallyport.Member) }, 10 * time.Hour, e.Service, "2/2 2/3"},
			{"two days later", func() {}, 48 * time.Hour, other, "2/2 2/3 2/3"},
			{"the clock was set back", func() { e.Add("max@acme.example", sallyport.Member) }, -48 * time.Hour, other, "2/2 2/4 2/3"},
		} {
			step.then()
			e.Clock.Advance(step.after)
			e.Check(background.CountAdoption(ctx, step.node))
			if got := savedCounts(e); got != step.want {
				t.Errorf("%s: %s, want %s", step.what, got, step.want)
			}
		}
		if n := e.Query(`SELECT count(*) FROM adoption WHERE workspace_id <> $1 AND people = 1 AND enabled = 0`, e.Owner.Workspace)[0][0]; n != "3" {
			t.Errorf("the other workspace has %s days", n)
		}
	})
}

// counting is a store that counts how often people are counted.
type counting struct {
	sallyport.Store
	mu sync.Mutex
	n  int
}

type countingTx struct {
	sallyport.Tx
	of *counting
}

func (c *counting) Read(ctx context.Context, fn func(sallyport.Tx) error) error {
	return c.Store.Read(ctx, func(tx sallyport.Tx) error { return fn(countingTx{tx, c}) })
}

func (c countingTx) CountAdoption(workspace string) ([]sallyport.Adoption, error) {
	c.of.mu.Lock()
	c.of.n++
	c.of.mu.Unlock()
	return c.Tx.CountAdoption(workspace)
}

func TestOneNodeCounts(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		counted := &counting{Store: e.Store}
		for round := range 3 {
			var all sync.WaitGroup
			faults := make([]error, 6)
			for i := range faults {
				node := *e.Service
				node.Store = counted
				all.Go(func() { faults[i] = background.CountAdoption(context.Background(), &node) })
			}
			all.Wait()
			if err := errors.Join(faults...); err != nil || counted.n != round+1 {
				t.Errorf("round %d: counted %d times, %v", round, counted.n, err)
			}
			e.Clock.Advance(time.Minute)
		}
	})
}

func TestOverview(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		startInTheMorning(e)
		see := func(by sallyport.Caller) (sallyport.Overview, string) {
			t.Helper()
			o, err := e.Overview(ctx, by)
			e.Check(err)
			var days []string
			for _, d := range o.Days {
				days = append(days, fmt.Sprintf("%d/%d", d.Enabled, d.People))
			}
			return o, strings.Join(days, " ")
		}
		manager := e.Add("max@acme.example", sallyport.Manager)
		by := signedIn(e, manager).By()
		if _, days := see(by); days != "0/2" {
			t.Errorf("without any count: %s", days)
		}
		today := e.Clock.Now().Unix() / 86400
		for _, day := range []struct{ ago, enabled, people int64 }{{-1, 9, 9}, {0, 8, 9}, {1, 1, 9}, {30, 1, 8}, {89, 0, 7}, {90, 7, 7}} {
			e.Exec(`INSERT INTO adoption (workspace_id, day, people, enabled) VALUES ($1, $2, $3, $4)`, e.Owner.Workspace, today-day.ago, day.people, day.enabled)
		}
		o, days := see(by)
		if days != "0/7 1/8 1/9 0/2" || !o.Today().Day.Equal(time.Unix(today*86400, 0)) {
			t.Errorf("90 days, the last one as it is now: %s", days)
		}
		if len(o.Missing) != 2 || o.Missing[0].ID != e.Owner.ID || !o.Reminders.StartedAt.IsZero() {
			t.Errorf("missing: %v, reminders: %+v", o.Missing, o.Reminders)
		}
		addPeople(e, 12)
		save := func(people, enabled int) {
			e.Exec(`UPDATE adoption SET people = $1, enabled = $2 WHERE day = $3`, people, enabled, today)
		}
		save(10_000, 9)
		if o, days = see(by); !strings.HasSuffix(days, " 0/14") {
			t.Errorf("up to ten thousand are counted: %s", days)
		}
		save(10_001, 9)
		if o, days = see(by); !strings.HasSuffix(days, " 9/10001") {
			t.Errorf("for more there is the saved count: %s", days)
		}
		if len(o.Missing) != sallyport.OverviewPeople || slices.ContainsFunc(o.Missing, func(u sallyport.User) bool { return u.TwoFactor }) {
			t.Errorf("missing: %v", o.Missing)
		}
		if _, err := e.Overview(ctx, signedIn(e, e.Add("mia@acme.example", sallyport.Member)).By()); !errors.Is(err, sallyport.ErrNotAllowed) {
			t.Errorf("a member: %v", err)
		}
		e.Exec(`UPDATE users SET state = 'suspended' WHERE id <> $1 AND id <> $2`, e.Owner.ID, manager.ID)
		e.Exec(`UPDATE users SET two_factor = 1 WHERE id = $1`, e.Owner.ID)
		e.Clock.Advance(24 * time.Hour) // nothing is saved for this day
		by = signedIn(e, manager).By()
		if o, days = see(by); !strings.HasSuffix(days, " 1/2") || len(o.Missing) != 1 || o.Missing[0].ID != manager.ID {
			t.Errorf("two are left: %s, missing %v", days, o.Missing)
		}
	})
}

func TestPercent(t *testing.T) {
	for _, test := range []struct{ enabled, people, want int }{
		{0, 0, 0}, {0, 9, 0}, {1, 1_000_000, 1}, {1, 3, 33}, {2, 3, 67}, {5, 9, 56}, {1, 8, 13}, {1, 200, 1}, {199, 200, 99}, {1, 1, 100}, {999_999, 1_000_000, 99}, {7, 7, 100},
	} {
		a := sallyport.Adoption{People: test.people, Enabled: test.enabled}
		if got := a.Percent(); got != test.want || a.Without() != test.people-test.enabled {
			t.Errorf("%d of %d: %d %%", test.enabled, test.people, got)
		}
	}
}
