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

func TestI52_ATamperedLogIsFoundOut(t *testing.T) {
	const acme, globex = `workspace_id = (SELECT id FROM workspaces WHERE name = 'Acme')`, `workspace_id = (SELECT id FROM workspaces WHERE name = 'Globex')`
	const at22 = ` WHERE ` + acme + ` AND seal_batch = 2 AND seal_position = 2`
	type tampering struct {
		name string
		sql  []string
		want string // one of the findings
	}
	cases := []tampering{
		{"a line removed", []string{`DELETE FROM events` + at22}, "was removed @2.2"},
		{"the last line of a batch removed", []string{`DELETE FROM events WHERE ` + acme + ` AND seal_batch = 2 AND seal_position = 4`}, "was removed @2.4"},
		{"a line removed, the others moved up", []string{`DELETE FROM events` + at22,
			`UPDATE events SET seal_position = seal_position - 1 WHERE ` + acme + ` AND seal_batch = 2 AND seal_position > 2`,
			`UPDATE seals SET count = count - 1 WHERE ` + acme + ` AND batch = 2`}, "has a seal that does not fit its events or the seal before it @2.0"},
		{"two lines swapped", []string{`UPDATE events SET seal_position = 5 - seal_position WHERE ` + acme + ` AND seal_batch = 2 AND seal_position IN (2, 3)`},
			"is not where it was sealed @2.3"},
		{"two lines of two batches swapped", []string{`UPDATE events SET seal_batch = 5 - seal_batch WHERE ` + acme + ` AND seal_batch IN (2, 3) AND seal_position = 2`},
			"is not where it was sealed @2.3"},
		{"a line inserted", []string{`INSERT INTO events SELECT workspace_id, id || 'x', at, kind, actor, actor_kind, subject, door, address, browser, salt, personal_hash, result, app, detail, mac, 2, 5 FROM events` + at22},
			"was changed, or not written by Sallyport @2.5"},
		{"a line inserted, without a seal", []string{`INSERT INTO events SELECT workspace_id, id || 'x', at, kind, actor, actor_kind, subject, door, address, browser, salt, personal_hash, result, app, detail, mac, NULL, NULL FROM events` + at22},
			"was changed, or not written by Sallyport @0.0"},
		{"a line without its seal", []string{`UPDATE events SET seal_batch = NULL, seal_position = NULL` + at22}, "was removed @2.2"},
		{"a line of another workspace", []string{`UPDATE events SET ` + globex + at22}, "was removed @2.2"},
		{"a batch removed", []string{`DELETE FROM events WHERE ` + acme + ` AND seal_batch = 2`, `DELETE FROM seals WHERE ` + acme + ` AND batch = 2`}, "was removed @2.0"},
		{"a seal removed", []string{`DELETE FROM seals WHERE ` + acme + ` AND batch = 2`}, "has lost its seal @2.0"},
		{"the events of a batch removed", []string{`DELETE FROM events WHERE ` + acme + ` AND seal_batch = 2`}, "was removed @2.1+3"},
		{"the first batch removed", []string{`DELETE FROM events WHERE ` + acme + ` AND seal_batch = 1`, `DELETE FROM seals WHERE ` + acme + ` AND batch = 1`}, "was removed @1.0"},
		{"the tail cut off", []string{`DELETE FROM events WHERE ` + acme + ` AND seal_batch >= 3`, `DELETE FROM seals WHERE ` + acme + ` AND batch >= 3`},
			"was cut off, with everything after it @3.0+1"},
		{"the last seal removed", []string{`DELETE FROM seals WHERE ` + acme + ` AND batch = 4`}, "has lost its seal @4.0"},
		{"the tail cut off, the head set back", []string{`DELETE FROM events WHERE ` + acme + ` AND seal_batch >= 4`, `DELETE FROM seals WHERE ` + acme + ` AND batch >= 4`,
			`UPDATE seal_heads SET batch = 3, hash = (SELECT hash FROM seals WHERE ` + acme + ` AND batch = 3), mac = (SELECT mac FROM seals WHERE ` + acme + ` AND batch = 3) WHERE ` + acme},
			"has lost the record of where it begins and ends, or that record was changed @0.0"},
		{"the beginning cut off, the head moved", []string{`DELETE FROM events WHERE ` + acme + ` AND seal_batch = 1`, `DELETE FROM seals WHERE ` + acme + ` AND batch = 1`,
			`UPDATE seal_heads SET first = 2 WHERE ` + acme}, "has lost the record of where it begins and ends, or that record was changed @0.0"},
		{"the head removed", []string{`DELETE FROM seal_heads WHERE ` + acme}, "has lost the record of where it begins and ends, or that record was changed @0.0"},
		{"all removed", []string{`DELETE FROM seal_heads WHERE ` + acme, `DELETE FROM seals WHERE ` + acme, `DELETE FROM events WHERE ` + acme},
			"has lost the record of where it begins and ends, or that record was changed @0.0"},
		{"a made-up batch at the end", []string{`UPDATE events SET seal_batch = 9` + at22}, "has lost its seal @9.0"},
		{"a made-up batch before the beginning", []string{`UPDATE events SET seal_batch = -1` + at22}, "does not belong here @-1.2"},
		{"the seals of two workspaces swapped", []string{`UPDATE seals SET workspace_id = 'x' WHERE ` + acme + ` AND batch = 2`, `UPDATE seals SET ` + acme + ` WHERE ` + globex + ` AND batch = 2`},
			"has a seal that does not fit its events or the seal before it @2.0"},
		{"the address of an existing person erased", []string{`UPDATE events SET address = '', browser = '', salt = NULL` + at22},
			"lost its address and browser, though the person was not deleted @2.2"},
	}
	for _, column := range []string{"kind", "actor", "actor_kind", "subject", "door", "address", "browser", "result", "detail"} {
		cases = append(cases, tampering{"another " + column, []string{`UPDATE events SET ` + column + ` = 'forged'` + at22}, "was changed, or not written by Sallyport @2.2"})
	}
	for _, column := range []string{"salt", "personal_hash", "mac"} {
		other := `(SELECT o.` + column + ` FROM events o WHERE o.` + acme + ` AND o.seal_batch = 3 AND o.seal_position = 1)`
		cases = append(cases, tampering{"another " + column, []string{`UPDATE events SET ` + column + ` = ` + other + at22}, "was changed, or not written by Sallyport @2.2"})
	}
	cases = append(cases,
		tampering{"another time", []string{`UPDATE events SET at = at + 1` + at22}, "was changed, or not written by Sallyport @2.2"},
		tampering{"another id", []string{`UPDATE events SET id = id || 'x'` + at22}, "was changed, or not written by Sallyport @2.2"},
		tampering{"another detail that reads", []string{`UPDATE events SET detail = '{"method":"password"}'` + at22}, "was changed, or not written by Sallyport @2.2"})
	for _, column := range []string{"previous", "hash", "mac"} {
		cases = append(cases, tampering{"a seal's " + column, []string{`UPDATE seals SET ` + column + ` = (SELECT s.` + column + ` FROM seals s WHERE s.` + acme + ` AND s.batch = 4) WHERE ` + acme + ` AND batch = 2`},
			"has a seal that does not fit its events or the seal before it @2.0"})
	}
	cases = append(cases, tampering{"a seal's time", []string{`UPDATE seals SET at = at - 1 WHERE ` + acme + ` AND batch = 2`}, "has a seal that does not fit its events or the seal before it @2.0"},
		tampering{"a head's hash", []string{`UPDATE seal_heads SET hash = mac WHERE ` + acme}, "has lost the record of where it begins and ends, or that record was changed @0.0"})

	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		by, other := twoLogs(e)
		for i, caller := range []sallyport.Caller{by, other} {
			if report, found := verify(e, caller); len(found) > 0 || report.Events != 14-i || report.Waiting > 0 || report.Head.Batch != 4 {
				t.Fatalf("untouched: %+v, %q", report, found)
			}
		}
		e.Clock.Advance(time.Hour)
		tables := []string{"events", "seals", "seal_heads"}
		for _, table := range tables {
			e.Exec(`CREATE TABLE kept_` + table + ` AS SELECT * FROM ` + table)
		}
		for _, c := range cases {
			rows := 0
			for _, sql := range c.sql {
				rows += e.Exec(sql)
			}
			if rows < len(c.sql) {
				t.Fatalf("%s: nothing was tampered with", c.name)
			}
			if _, found := verify(e, by); !slices.Contains(found, c.want) {
				t.Errorf("%s: want %q among %q", c.name, c.want, found)
			}
			for _, table := range tables {
				e.Exec(`DELETE FROM ` + table)
				e.Exec(`INSERT INTO ` + table + ` SELECT * FROM kept_` + table)
			}
		}
		if _, found := verify(e, by); len(found) > 0 {
			t.Errorf("put back: %q", found)
		}
	})
}

func TestI52_ACutTailIsNotSealedOver(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		by, _ := twoLogs(e)
		e.Exec(`DELETE FROM events WHERE workspace_id = $1 AND seal_batch >= 3`, by.Workspace().ID)
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
		e.Exec(`DELETE FROM events WHERE workspace_id = $1 AND seal_batch IS NOT NULL`, by.Workspace().ID)
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

// commitLate commits an event that is older than one that was already sealed. SQLite has only one writer, so there events are
// always committed in order.
// The function stops halfway, so it must run once: SQL is the store itself.
func commitLate(t *testing.T, e *sallyporttest.Env) {
	ctx := context.Background()
	begun, commit, done := make(chan bool), make(chan bool), make(chan error)
	go func() {
		done <- e.SQL.Write(ctx, func(tx sallyport.Tx) error {
			u, ok, err := tx.LockUser(e.Owner.Workspace, e.Owner.ID)
			if err != nil || !ok {
				return err
			}
			var events []sallyport.Event
			if events, err = tx.Events(u.Workspace, sallyport.EventFilter{}, "", 1); err != nil {
				return err
			}
			first := events[0]
			first.ID, first.MAC, first.PersonalHash = first.ID[:len(first.ID)-1]+"~", []byte{1}, []byte{1}
			if err := tx.InsertEvent(first); err != nil {
				return err
			}
			if _, _, err := tx.SealHead(u.Workspace); err != nil { // so that the event has been sent to the server
				return err
			}
			begun <- true
			<-commit
			return nil
		})
	}()
	<-begun
	e.Add("ben@acme.example", sallyport.Member)
	e.Check(e.Seal(ctx))
	if n := len(e.Query(`SELECT id FROM events WHERE seal_batch IS NULL`)); n != 0 {
		t.Errorf("%d events are unsealed, though nothing prevents sealing", n)
	}
	commit <- true
	e.Check(<-done)
	e.Check(e.Seal(ctx))
	if rows := e.Query(`SELECT seal_batch FROM events WHERE id LIKE '%~'`); len(rows) != 1 || rows[0][0] != "3" {
		t.Errorf("the late event is in batch %v", rows)
	}
	e.Exec(`DELETE FROM seals WHERE batch = 3`)
	e.Exec(`DELETE FROM events WHERE seal_batch = 3`)
	if _, found := verify(e, e.Console()); !slices.Contains(found, "was cut off, with everything after it @3.0") {
		t.Errorf("without the late event: %q", found)
	}
	// The event was not a real one: remove it, and continue as if it had never existed.
	e.Exec(`DELETE FROM seal_heads`)
	e.Exec(`DELETE FROM seals`)
	e.Exec(`UPDATE events SET seal_batch = NULL, seal_position = NULL`)
	e.Check(e.Seal(ctx))
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
		e.Exec(`DELETE FROM events WHERE seal_batch > $1`, old.Head.Batch)
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
