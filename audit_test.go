package sallyport_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/audit"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// verify verifies the log of a workspace and returns the findings, each as "fault @batch.position".
func verify(e *sallyporttest.Env, by sallyport.Caller) (audit.Report, []string) {
	e.T.Helper()
	var found []string
	report, err := e.VerifyAudit(context.Background(), by, func(f audit.Finding) {
		at := fmt.Sprintf("%s @%d.%d", f.Fault, f.Batch, f.Position)
		if f.Count > 1 {
			at += fmt.Sprintf("+%d", f.Count-1)
		}
		found = append(found, at)
	})
	e.Check(err)
	if report.Findings != len(found) {
		e.T.Errorf("the report counts %d findings, %d were passed on", report.Findings, len(found))
	}
	return report, found
}

// twoLogs creates two workspaces, each with four batches: one of the first events, then three of four events each.
func twoLogs(e *sallyporttest.Env) (acme, globex sallyport.Caller) {
	e.T.Helper()
	ctx := context.Background()
	e.Clock.Advance(time.Second)
	host := "globex." + strings.TrimPrefix(e.URL, "http://")
	e.Check(e.AddWorkspace(ctx, "", host, sallyport.FirstOwner{Workspace: "Globex", Name: "Gustav", Address: "gustav@globex.example", Password: sallyporttest.Password}))
	acme = e.Console()
	globex, err := e.Service.Console(ctx, host)
	e.Check(err)
	mia := e.Add("mia@acme.example", sallyport.Member)
	b := e.Arriving()
	b.Address = netip.MustParseAddr("203.0.113.7")
	e.Check(e.Seal(ctx))
	for range 3 {
		for range 2 {
			e.Clock.Advance(time.Minute)
			p, err := e.SignIn(ctx, b.By(), mia.Address, mia.Password)
			e.Check(err)
			b.Keep(p)
			e.Check(e.SignOut(ctx, b.By(), false))
			for range 2 {
				e.Check(e.SignOutEverywhere(ctx, globex, "gustav@globex.example"))
			}
		}
		e.Check(e.Seal(ctx))
	}
	return acme, globex
}

func TestI52_ACutTailIsNotSealedOver(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		by, _ := twoLogs(e)
		for _, batch := range sealedIDs(e, by)[2:] {
			for _, id := range batch {
				e.Exec(`DELETE FROM events WHERE id = $1`, id)
			}
		}
		e.Exec(`DELETE FROM seals WHERE workspace_id = $1 AND batch >= 3`, by.Workspace().ID)
		e.Add("ben@acme.example", sallyport.Member)
		e.Check(e.Seal(ctx))
		if _, found := verify(e, by); !slices.Contains(found, "was removed @3.0+1") {
			t.Errorf("after more was sealed: %q", found)
		}
		e.Exec(`UPDATE seal_heads SET batch = 2 WHERE workspace_id = $1`, by.Workspace().ID)
		e.Add("eve@acme.example", sallyport.Member)
		if err := e.Seal(ctx); err == nil {
			t.Error("a log whose head was forged is sealed")
		}
		e.Exec(`DELETE FROM seal_heads WHERE workspace_id = $1`, by.Workspace().ID)
		if err := e.Seal(ctx); err == nil {
			t.Error("a second chain begins beside the first")
		}
		e.Exec(`DELETE FROM seals WHERE workspace_id = $1`, by.Workspace().ID)
		e.Exec(`DELETE FROM events WHERE workspace_id = $1 AND id NOT IN (SELECT event_id FROM unsealed)`, by.Workspace().ID)
		e.Check(e.Seal(ctx))
		if _, found := verify(e, by); !slices.Contains(found, "does not begin with the creation of the workspace @0.0") {
			t.Errorf("after all of it was removed: %q", found)
		}
	})
}

func TestSealWaitsForNobody(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		by := e.Console()
		e.Add("mia@acme.example", sallyport.Member)
		if report, found := verify(e, by); report.Waiting != 2 || len(found) > 0 {
			t.Errorf("before any seal: %+v, %q", report, found)
		}
		e.Clock.Advance(audit.SealLimit + time.Second)
		if _, found := verify(e, by); !slices.Contains(found, "has waited too long for its seal: is the server running? @0.0+1") {
			t.Errorf("without a sealer: %q", found)
		}
		e.Check(e.Seal(ctx))
		e.Check(e.Seal(ctx))
		if report, found := verify(e, by); report.Head.Batch != 1 || report.Waiting > 0 || len(found) > 0 {
			t.Errorf("sealed: %+v, %q", report, found)
		}
		if e.Postgres() {
			commitLate(t, e)
		}
		// More than fit into one batch.
		for i := range 300 {
			e.Check(e.SignOutEverywhere(ctx, by, []string{"mia@acme.example", e.Owner.Address}[i%2]))
		}
		e.Check(e.Seal(ctx))
		if report, found := verify(e, by); report.Waiting > 0 || len(found) > 0 {
			t.Errorf("many: %+v, %q", report, found)
		}
	})
}

// insertLate inserts a copy of an event in a transaction of its own, with an id just before it. The copy is not genuine.
// Before the commit, it calls then.
func insertLate(e *sallyporttest.Env, of string, then func()) (id string, err error) {
	i := len(of) - 3
	for of[i] == '0' {
		i--
	}
	id = of[:i] + "0" + of[i+1:]
	return id, e.SQL.Write(context.Background(), func(tx sallyport.Tx) error {
		var late sallyport.Event
		err := tx.Logged(e.Owner.Workspace, []string{of}, func(e sallyport.Event) error {
			late = e
			return nil
		})
		if err != nil {
			return err
		}
		late.ID = id
		if err := tx.InsertEvent(late); err != nil {
			return err
		}
		if _, _, err := tx.SealHead(e.Owner.Workspace); err != nil { // so that the event has been sent to the server
			return err
		}
		then()
		return nil
	})
}

// commitLate commits an event that is older than one that was already sealed, after a transaction that took long. SQLite
// has only one writer, so there events are always committed one after the other.
func commitLate(t *testing.T, e *sallyporttest.Env) {
	ctx := context.Background()
	begun, commit, done := make(chan bool), make(chan bool), make(chan error)
	id := ""
	go func() {
		var err error
		id, err = insertLate(e, sealedIDs(e, e.Console())[0][1], func() {
			begun <- true
			<-commit
		})
		done <- err
	}()
	<-begun
	for i := range 3 {
		e.Clock.Advance(time.Hour)
		e.Add(fmt.Sprintf("b%d@acme.example", i), sallyport.Member)
		e.Check(e.Seal(ctx))
		if n := len(e.Query(`SELECT * FROM unsealed`)); n != 0 {
			t.Errorf("%d events are unsealed, though nothing prevents sealing", n)
		}
	}
	commit <- true
	e.Check(<-done)
	e.Check(e.Seal(ctx))
	if ids := sealedIDs(e, e.Console()); len(ids) != 5 || !slices.Equal(ids[4], []string{id}) {
		t.Errorf("the late event is not in the last batch: %q", ids)
	}
	e.Exec(`DELETE FROM seals WHERE batch = 5`)
	if _, found := verify(e, e.Console()); !slices.Contains(found, "was cut off, with everything after it @5.0") || !slices.Contains(found, "has lost its seal @0.0") {
		t.Errorf("without the seal of the late event: %q", found)
	}
	// The event was not a real one: remove it, and continue as if it had never existed.
	e.Exec(`DELETE FROM seal_heads`)
	e.Exec(`DELETE FROM seals`)
	e.Exec(`DELETE FROM events WHERE id = $1`, id)
	e.Exec(`INSERT INTO unsealed SELECT workspace_id, id, mac, '' FROM events`)
	e.Check(e.Seal(ctx))
}

// meanwhile is a Store that does something before its first Write.
type meanwhile struct {
	sallyport.Store
	do func()
}

func (m *meanwhile) Write(ctx context.Context, fn func(sallyport.Tx) error) error {
	if do := m.do; do != nil {
		m.do = nil
		do()
	}
	return m.Store.Write(ctx, fn)
}

// TestI52_CommittedWhileSealing: an event is committed after the sealer has read those that wait, and its id lies between
// theirs. The next seal has it.
func TestI52_CommittedWhileSealing(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		e.Add("mia@acme.example", sallyport.Member)
		waiting := e.Query(`SELECT event_id FROM unsealed ORDER BY event_id`)
		node, id := e.Node(e.Keys), ""
		node.Store = &meanwhile{node.Store, func() {
			var err error
			id, err = insertLate(e, waiting[1][0], func() {})
			e.Check(err)
		}}
		e.Check(audit.Seal(ctx, node))
		if rows := e.Query(`SELECT event_id FROM unsealed`); len(rows) != 1 || rows[0][0] != id {
			t.Errorf("these wait: %q", rows)
		}
		e.Check(audit.Seal(ctx, node))
		if ids := sealedIDs(e, e.Console()); len(ids) != 2 || len(ids[0]) != len(waiting) || !slices.Equal(ids[1], []string{id}) {
			t.Errorf("sealed: %q", ids)
		}
	})
}

// TestI52_AClockThatJumps: ids follow the clock, seals the commits. So a clock that was ahead or behind hides no event.
func TestI52_AClockThatJumps(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		by := e.Console()
		for i, jump := range []time.Duration{400 * 24 * time.Hour, -800 * 24 * time.Hour, time.Minute, 400 * 24 * time.Hour} {
			e.Clock.Advance(jump)
			e.Add(fmt.Sprintf("p%d@acme.example", i), sallyport.Member)
			e.Check(e.Seal(ctx))
			e.Add(fmt.Sprintf("q%d@acme.example", i), sallyport.Member)
			if n := len(e.Query(`SELECT * FROM unsealed`)); n != 1 {
				t.Errorf("after a jump of %v, %d events wait", jump, n)
			}
		}
		e.Check(e.Seal(ctx))
		if report, found := verify(e, by); len(found) > 0 || report.Events != 9 || report.Waiting > 0 || report.Head.Batch != 5 {
			t.Errorf("%+v, %q", report, found)
		}
	})
}

func TestI52_TwoSealersMakeOneChain(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		by := e.Console()
		nodes := []*sallyport.Service{e.Service, e.Node(e.Keys), e.Node(e.Keys)}
		var all sync.WaitGroup
		stop := make(chan struct{})
		for _, n := range nodes {
			all.Go(func() {
				for {
					if err := audit.Seal(ctx, n); err != nil {
						t.Error(err)
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		for i := range 60 {
			e.Add(fmt.Sprintf("p%d@acme.example", i), sallyport.Member)
		}
		close(stop)
		all.Wait()
		e.Check(e.Seal(ctx))
		report, found := verify(e, by)
		if len(found) > 0 || report.Events != 61 || report.Waiting > 0 {
			t.Errorf("%+v, %q", report, found)
		}
		if n := len(e.Query(`SELECT batch FROM seals`)); int64(n) != report.Head.Batch {
			t.Errorf("%d seals, the last is %d", n, report.Head.Batch)
		}
		if rows := e.Query(`SELECT SUM(count) FROM seals`); rows[0][0] != "61" {
			t.Errorf("the seals have %s events", rows[0][0])
		}
	})
}

func TestI52_ErasureHolds(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		by, _ := twoLogs(e)
		mia := e.Query(`SELECT id FROM users WHERE address = 'mia@acme.example'`)[0][0]
		erase := func() {
			e.Exec(`INSERT INTO deletions (workspace_id, user_id) VALUES ($1, $2)`, by.Workspace().ID, mia)
			e.Check(e.EraseDeleted(ctx))
		}
		erase()
		if n := len(e.Query(`SELECT id FROM events WHERE (address <> '' OR browser <> '' OR salt IS NOT NULL) AND (actor = $1 OR actor = '' AND subject = $1)`, mia)); n > 0 {
			t.Errorf("%d events still have her address and browser", n)
		}
		if _, found := verify(e, by); len(found) != 13 || !strings.HasPrefix(found[0], string(audit.FaultErased)) {
			t.Errorf("erased, though the person exists: %q", found)
		}
		e.Exec(`DELETE FROM users WHERE id = $1`, mia)
		if report, found := verify(e, by); len(found) > 0 || report.Events != 14 {
			t.Errorf("erased with the person: %+v %q", report, found)
		}
		if all := e.Query(`SELECT id FROM events WHERE workspace_id = $1`, by.Workspace().ID); len(all) != 14 {
			t.Errorf("%d events are left", len(all))
		}
	})
}

func TestOldEventsAreDropped(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		by, other := twoLogs(e)
		e.Clock.Advance(40 * 24 * time.Hour)
		e.Check(audit.DropOld(ctx, e.Service))
		if report, _ := verify(e, by); report.Events != 14 {
			t.Errorf("without a limit: %d events", report.Events)
		}
		e.AuditDays = 30
		e.Add("ben@acme.example", sallyport.Member)
		e.Check(e.Seal(ctx))
		e.Check(audit.DropOld(ctx, e.Service))
		if report, found := verify(e, by); len(found) > 0 || report.Events != 1 || report.Head.First != 5 || report.Head.Batch != 5 {
			t.Errorf("%+v, %q", report, found)
		}
		if report, found := verify(e, other); len(found) > 0 || report.Events != 4 || report.Head.First != 4 {
			t.Errorf("in the workspace without new events: %+v, %q", report, found)
		}
		e.Exec(`UPDATE seals SET at = 0 WHERE workspace_id = $1`, by.Workspace().ID)
		e.Add("eve@acme.example", sallyport.Member)
		e.Check(e.Seal(ctx))
		if err := audit.DropOld(ctx, e.Service); err == nil {
			t.Error("a batch was dropped because its time was changed")
		}
	})
}

// TestI52_HeadKeptElsewhere: with a copy of an old head, a log can be cut back so that the database alone does not
// reveal it. A newer head that was kept elsewhere does.
func TestI52_HeadKeptElsewhere(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		by := e.Console()
		e.Check(e.Seal(ctx))
		old, _ := verify(e, by)
		e.Exec(`CREATE TABLE kept AS SELECT * FROM seal_heads`)
		e.Add("mia@acme.example", sallyport.Member)
		e.Check(e.Seal(ctx))
		newer, _ := verify(e, by)
		contains := func(r audit.Report) bool {
			there, err := audit.Contains(ctx, e.Service, by, r.Head.Batch, r.Head.Hash)
			e.Check(err)
			return there
		}
		if !contains(old) || !contains(newer) || newer.Head.Batch != old.Head.Batch+1 {
			t.Fatalf("%v %v", old.Head, newer.Head)
		}
		for _, id := range sealedIDs(e, by)[1] {
			e.Exec(`DELETE FROM events WHERE id = $1`, id)
		}
		e.Exec(`DELETE FROM seals WHERE batch > $1`, old.Head.Batch)
		e.Exec(`DELETE FROM seal_heads`)
		e.Exec(`INSERT INTO seal_heads SELECT * FROM kept`)
		if _, found := verify(e, by); len(found) > 0 {
			t.Errorf("even without the newer head there are findings: %q", found)
		}
		if !contains(old) || contains(newer) {
			t.Errorf("cut back: it contains the old head: %v, the newer: %v", contains(old), contains(newer))
		}
		changed := old
		changed.Head.Hash = newer.Head.Hash
		if contains(changed) {
			t.Error("a batch with another hash")
		}
	})
}
