package sallyport_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/audit"
	"github.com/sallyport-2fa/sallyport/internal/seal"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// sealedIDs returns the ids of the events of each batch.
func sealedIDs(e *sallyporttest.Env, by sallyport.Caller) (all [][]string) {
	e.T.Helper()
	e.Check(e.Store.Read(context.Background(), func(tx sallyport.Tx) error {
		seals, err := tx.Seals(by.Workspace().ID, 0, 100)
		for _, s := range seals {
			all = append(all, s.Events.IDs())
		}
		return err
	}))
	return all
}

// A tampering changes the log directly in the database. In its SQL, {2} stands for the ids of the second batch of Acme,
// {2.3} for the id of its third event.
type tampering struct {
	name string
	sql  []string
	want string // one of the findings
}

const (
	ofAcme   = `workspace_id = (SELECT id FROM workspaces WHERE name = 'Acme')`
	ofGlobex = `workspace_id = (SELECT id FROM workspaces WHERE name = 'Globex')`
	at22     = ` WHERE ` + ofAcme + ` AND id = {2.2}`
	copied   = `INSERT INTO events SELECT workspace_id, id || 'x', at, kind, actor, actor_kind, subject, door, address, browser, salt, personal_hash, result, app, detail, mac, `

	badSeal = "has a seal that does not fit its events or the seal before it @2.0"
	badHead = "has lost the record of where it begins and ends, or that record was changed @0.0"
	changed = "was changed, or not written by Sallyport @2.2"
)

// tamperings are what can be done to a log, whatever form its seals have.
func tamperings() []tampering {
	const acme, globex = ofAcme, ofGlobex
	cases := []tampering{
		{"a line removed", []string{`DELETE FROM events` + at22}, "was removed @2.2"},
		{"the last line of a batch removed", []string{`DELETE FROM events WHERE id = {2.4}`}, "was removed @2.4"},
		{"a line of another workspace", []string{`UPDATE events SET ` + globex + at22}, "was removed @2.2"},
		{"a batch removed", []string{`DELETE FROM events WHERE id IN ({2})`, `DELETE FROM seals WHERE ` + acme + ` AND batch = 2`}, "was removed @2.0"},
		{"a seal removed", []string{`DELETE FROM seals WHERE ` + acme + ` AND batch = 2`}, "has lost its seal @0.0+3"},
		{"the events of a batch removed", []string{`DELETE FROM events WHERE id IN ({2})`}, "was removed @2.1+3"},
		{"the first batch removed", []string{`DELETE FROM events WHERE id IN ({1})`, `DELETE FROM seals WHERE ` + acme + ` AND batch = 1`}, "was removed @1.0"},
		{"the tail cut off", []string{`DELETE FROM events WHERE id IN ({3}, {4})`, `DELETE FROM seals WHERE ` + acme + ` AND batch >= 3`},
			"was cut off, with everything after it @3.0+1"},
		{"the last seal removed", []string{`DELETE FROM seals WHERE ` + acme + ` AND batch = 4`}, "has lost its seal @0.0+3"},
		{"the last seal removed, too", []string{`DELETE FROM seals WHERE ` + acme + ` AND batch = 4`}, "was cut off, with everything after it @4.0"},
		{"the tail cut off, the head set back", []string{`DELETE FROM events WHERE id IN ({4})`, `DELETE FROM seals WHERE ` + acme + ` AND batch >= 4`,
			`UPDATE seal_heads SET batch = 3, hash = (SELECT hash FROM seals WHERE ` + acme + ` AND batch = 3), mac = (SELECT mac FROM seals WHERE ` + acme + ` AND batch = 3) WHERE ` + acme}, badHead},
		{"the beginning cut off, the head moved", []string{`DELETE FROM events WHERE id IN ({1})`, `DELETE FROM seals WHERE ` + acme + ` AND batch = 1`,
			`UPDATE seal_heads SET first = 2 WHERE ` + acme}, badHead},
		{"the head moved past the beginning", []string{`UPDATE seal_heads SET first = 2 WHERE ` + acme}, "does not belong here @1.0"},
		{"the head removed", []string{`DELETE FROM seal_heads WHERE ` + acme}, badHead},
		{"all removed", []string{`DELETE FROM seal_heads WHERE ` + acme, `DELETE FROM seals WHERE ` + acme, `DELETE FROM events WHERE ` + acme}, badHead},
		{"the seals of two workspaces swapped", []string{`UPDATE seals SET workspace_id = 'x' WHERE ` + acme + ` AND batch = 2`, `UPDATE seals SET ` + acme + ` WHERE ` + globex + ` AND batch = 2`}, badSeal},
		{"two seals swapped", []string{`UPDATE seals SET batch = 9 WHERE ` + acme + ` AND batch = 2`, `UPDATE seals SET batch = 2 WHERE ` + acme + ` AND batch = 3`,
			`UPDATE seals SET batch = 3 WHERE ` + acme + ` AND batch = 9`}, badSeal},
		{"a line inserted, without a seal", []string{copied + `NULL, NULL FROM events` + at22}, "was changed, or not written by Sallyport @0.0"},
		{"a line inserted, too", []string{copied + `NULL, NULL FROM events` + at22}, "has lost its seal @0.0"},
		{"a line inserted that waits", []string{copied + `NULL, NULL FROM events` + at22, `INSERT INTO unsealed SELECT workspace_id, id || 'x', mac, '' FROM events` + at22},
			"was changed, or not written by Sallyport @0.0"},
		{"a line that waits a second time", []string{`INSERT INTO unsealed SELECT workspace_id, id, mac, '' FROM events` + at22}, "does not belong here @0.0"},
		{"a line that never was", []string{`INSERT INTO unsealed SELECT workspace_id, id || 'x', mac, '' FROM events` + at22}, "was removed @0.0"},
		{"the address of an existing person erased", []string{`UPDATE events SET address = '', browser = '', salt = NULL` + at22},
			"lost its address and browser, though the person was not deleted @2.2"},
		{"another time", []string{`UPDATE events SET at = at + 1` + at22}, changed},
		{"another detail that reads", []string{`UPDATE events SET detail = '{"method":"password"}'` + at22}, changed},
		{"a seal's time", []string{`UPDATE seals SET at = at - 1 WHERE ` + acme + ` AND batch = 2`}, badSeal},
		{"a seal's count", []string{`UPDATE seals SET count = count - 1 WHERE ` + acme + ` AND batch = 2`}, badSeal},
		{"a head's hash", []string{`UPDATE seal_heads SET hash = mac WHERE ` + acme}, badHead},
	}
	for _, column := range []string{"kind", "actor", "actor_kind", "subject", "door", "address", "browser", "result", "app", "detail"} {
		cases = append(cases, tampering{"another " + column, []string{`UPDATE events SET ` + column + ` = 'forged'` + at22}, changed})
	}
	for _, column := range []string{"salt", "personal_hash", "mac"} {
		cases = append(cases, tampering{"another " + column, []string{`UPDATE events SET ` + column + ` = (SELECT o.` + column + ` FROM events o WHERE o.id = {3.1})` + at22}, changed})
	}
	for _, column := range []string{"previous", "hash", "mac"} {
		cases = append(cases, tampering{"a seal's " + column, []string{`UPDATE seals SET ` + column + ` = (SELECT s.` + column + ` FROM seals s WHERE s.` + acme + ` AND s.batch = 4) WHERE ` + acme + ` AND batch = 2`}, badSeal})
	}
	return cases
}

// tamper tries each tampering, and puts back what was there before.
func tamper(e *sallyporttest.Env, by sallyport.Caller, ids [][]string, cases []tampering) {
	e.T.Helper()
	var words []string
	for i, batch := range ids {
		words = append(words, fmt.Sprintf("{%d}", i+1), `'`+strings.Join(batch, `', '`)+`'`)
		for j, id := range batch {
			words = append(words, fmt.Sprintf("{%d.%d}", i+1, j+1), `'`+id+`'`)
		}
	}
	fill := strings.NewReplacer(words...)
	tables := []string{"events", "seals", "seal_heads", "unsealed"}
	for _, table := range tables {
		e.Exec(`CREATE TABLE kept_` + table + ` AS SELECT * FROM ` + table)
	}
	for _, c := range cases {
		rows := 0
		for _, sql := range c.sql {
			rows += e.Exec(fill.Replace(sql))
		}
		if rows < len(c.sql) {
			e.T.Fatalf("%s: nothing was tampered with", c.name)
		}
		if _, found := verify(e, by); !slices.Contains(found, c.want) {
			e.T.Errorf("%s: want %q among %q", c.name, c.want, found)
		}
		for _, table := range tables {
			e.Exec(`DELETE FROM ` + table)
			e.Exec(`INSERT INTO ` + table + ` SELECT * FROM kept_` + table)
		}
	}
	if _, found := verify(e, by); len(found) > 0 {
		e.T.Errorf("put back: %q", found)
	}
	for _, table := range tables {
		e.Exec(`DROP TABLE kept_` + table)
	}
}

func TestI52_ATamperedLogIsFoundOut(t *testing.T) {
	const acme = ofAcme
	cases := append(tamperings(),
		tampering{"a line removed, also from the count", []string{`DELETE FROM events WHERE id = {2.4}`, `UPDATE seals SET count = count - 1 WHERE ` + acme + ` AND batch = 2`}, badSeal},
		tampering{"another id", []string{`UPDATE events SET id = id || 'x'` + at22}, "was changed, or not written by Sallyport @0.0"},
		tampering{"another id, too", []string{`UPDATE events SET id = id || 'x'` + at22}, "was removed @2.2"},
		tampering{"a list removed", []string{`UPDATE seals SET events = NULL WHERE ` + acme + ` AND batch = 2`}, badSeal},
		tampering{"the list of another seal", []string{`UPDATE seals SET events = (SELECT s.events FROM seals s WHERE s.` + acme + ` AND s.batch = 3) WHERE ` + acme + ` AND batch = 2`}, badSeal},
		tampering{"the list of another seal, as it leaves events out", []string{`UPDATE seals SET events = (SELECT s.events FROM seals s WHERE s.` + acme + ` AND s.batch = 3) WHERE ` + acme + ` AND batch = 2`},
			"has lost its seal @0.0+3"},
		tampering{"the list of another seal, as it has events twice", []string{`UPDATE seals SET events = (SELECT s.events FROM seals s WHERE s.` + acme + ` AND s.batch = 3) WHERE ` + acme + ` AND batch = 2`},
			"is not where it was sealed @3.1"},
		tampering{"a line with a batch", []string{`UPDATE events SET seal_batch = 2, seal_position = 2` + at22}, changed},
		tampering{"a line with another batch", []string{`UPDATE events SET seal_batch = 9` + at22}, changed},
	)
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		by, other := twoLogs(e)
		for i, caller := range []sallyport.Caller{by, other} {
			if report, found := verify(e, caller); len(found) > 0 || report.Events != 14-i || report.Waiting > 0 || report.Head.Batch != 4 {
				t.Fatalf("untouched: %+v, %q", report, found)
			}
		}
		e.Clock.Advance(time.Hour)
		ids := sealedIDs(e, by)
		tamper(e, by, ids, cases)
		for name, ids := range map[string][]string{
			"swapped":      {ids[1][0], ids[1][2], ids[1][1], ids[1][3]},
			"shortened":    ids[1][:3],
			"lengthened":   append(slices.Clone(ids[1]), ids[2][0]),
			"repeated":     {ids[1][0], ids[1][1], ids[1][1], ids[1][3]},
			"of lost ones": {ids[1][0], ids[1][1], ids[1][2], "evt_" + strings.Repeat("0", 26)},
		} {
			var list sallyport.EventList
			for _, id := range ids {
				if !list.Add(id) {
					t.Fatal(id)
				}
			}
			before := e.Query(`SELECT events FROM seals WHERE ` + acme + ` AND batch = 2`)[0][0]
			e.Exec(`UPDATE seals SET events = $1 WHERE `+acme+` AND batch = 2`, []byte(list))
			if _, found := verify(e, by); !slices.Contains(found, badSeal) {
				t.Errorf("a list %s: %q", name, found)
			}
			e.Exec(`UPDATE seals SET events = $1 WHERE `+acme+` AND batch = 2`, []byte(before))
		}
		asBefore(e)
		if _, found := verify(e, by); len(found) > 0 {
			t.Errorf("in the old form: %q", found)
		}
	})
}

// TestI52_ATamperedOldLogIsFoundOut: the same for seals without lists, and for the seam between the two forms.
func TestI52_ATamperedOldLogIsFoundOut(t *testing.T) {
	const acme = ofAcme
	cases := append(tamperings(),
		tampering{"a line removed, the others moved up", []string{`DELETE FROM events` + at22,
			`UPDATE events SET seal_position = seal_position - 1 WHERE ` + acme + ` AND seal_batch = 2 AND seal_position > 2`,
			`UPDATE seals SET count = count - 1 WHERE ` + acme + ` AND batch = 2`}, badSeal},
		tampering{"two lines swapped", []string{`UPDATE events SET seal_position = 5 - seal_position WHERE ` + acme + ` AND seal_batch = 2 AND seal_position IN (2, 3)`},
			"is not where it was sealed @2.3"},
		tampering{"two lines of two batches swapped", []string{`UPDATE events SET seal_batch = 5 - seal_batch WHERE ` + acme + ` AND seal_batch IN (2, 3) AND seal_position = 2`},
			"is not where it was sealed @2.3"},
		tampering{"another id", []string{`UPDATE events SET id = id || 'x'` + at22}, changed},
		tampering{"a line inserted", []string{copied + `2, 5 FROM events` + at22}, "was changed, or not written by Sallyport @2.5"},
		tampering{"a line without its seal", []string{`UPDATE events SET seal_batch = NULL, seal_position = NULL` + at22}, "was removed @2.2"},
		tampering{"a line without its seal, too", []string{`UPDATE events SET seal_batch = NULL, seal_position = NULL` + at22}, "has lost its seal @0.0"},
		tampering{"a made-up batch at the end", []string{`UPDATE events SET seal_batch = 9` + at22}, "has lost its seal @0.0"},
		tampering{"a made-up batch before the beginning", []string{`UPDATE events SET seal_batch = -1` + at22}, "has lost its seal @0.0"},
		tampering{"a list made up", []string{`UPDATE seals SET events = (SELECT s.events FROM seals s WHERE s.` + acme + ` AND s.batch = 5) WHERE ` + acme + ` AND batch = 2`}, badSeal},
		tampering{"the first seal with a list removed", []string{`DELETE FROM seals WHERE ` + acme + ` AND batch = 5`}, "has lost its seal @0.0"},
		tampering{"the last seal without a list removed", []string{`DELETE FROM seals WHERE ` + acme + ` AND batch = 4`}, "was removed @4.0"},
	)
	for i, c := range cases { // there are more batches after the fourth
		switch c.want {
		case "was cut off, with everything after it @3.0+1":
			cases[i].want = "was cut off, with everything after it @3.0+2"
		case "was cut off, with everything after it @4.0":
			cases[i].want = "was removed @4.0"
		}
		cases[i].sql = slices.Clone(c.sql)
		for j := range c.sql {
			cases[i].sql[j] = strings.ReplaceAll(c.sql[j], `{3}, {4}`, `{3}, {4}, {5}`)
		}
	}
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		by, _ := twoLogs(e)
		ids := sealedIDs(e, by)
		asBefore(e)
		e.Add("ben@acme.example", sallyport.Member)
		e.Check(e.Seal(ctx))
		ids = append(ids, sealedIDs(e, by)[4])
		if report, found := verify(e, by); len(found) > 0 || report.Events != 15 || report.Head.Batch != 5 || len(ids[4]) != 1 {
			t.Fatalf("untouched: %+v, %q", report, found)
		}
		e.Clock.Advance(time.Hour)
		tamper(e, by, ids, cases)
	})
}

// asBefore gives all seals the form that they had before there were lists.
func asBefore(e *sallyporttest.Env) {
	e.T.Helper()
	for _, workspace := range e.Query(`SELECT id FROM workspaces`) {
		var seals []sallyport.Seal
		e.Check(e.Store.Read(context.Background(), func(tx sallyport.Tx) (err error) {
			seals, err = tx.Seals(workspace[0], 0, 1000)
			return err
		}))
		for _, s := range seals {
			for i, id := range s.Events.IDs() {
				e.Exec(`UPDATE events SET seal_batch = $1, seal_position = $2 WHERE workspace_id = $3 AND id = $4`, s.Batch, i+1, s.Workspace, id)
			}
			var w seal.Words
			w.Text("sealed", s.Workspace)
			w.Number(s.Batch, int64(s.Count), s.At.UnixMilli())
			w.Bytes(s.Previous, s.Hash)
			e.Exec(`UPDATE seals SET events = NULL, mac = $1 WHERE workspace_id = $2 AND batch = $3`, e.Keys.Audit(w), s.Workspace, s.Batch)
		}
	}
}

// TestI52_ADatabaseFromBeforeGoesOn: a database in the schema from before there were lists is migrated, and goes on with
// the same chain. What waited for a seal gets one.
func TestI52_ADatabaseFromBeforeGoesOn(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		by, _ := twoLogs(e)
		asBefore(e)
		e.Add("ben@acme.example", sallyport.Member)
		for _, sql := range []string{
			`DROP TABLE unsealed`, `ALTER TABLE seals DROP COLUMN events`,
			`CREATE INDEX events_unsealed ON events (workspace_id, id) WHERE seal_batch IS NULL`, `UPDATE schema_version SET version = 1`,
		} {
			e.Exec(sql)
		}
		s := e.Node(e.Keys)
		if report, found := verify(e, by); len(found) > 0 || report.Events != 15 || report.Waiting != 1 || report.Head.Batch != 4 {
			t.Fatalf("migrated: %+v, %q", report, found)
		}
		e.Check(audit.Seal(ctx, s))
		e.Add("eve@acme.example", sallyport.Member)
		e.Check(audit.Seal(ctx, s))
		if report, found := verify(e, by); len(found) > 0 || report.Events != 16 || report.Waiting != 0 || report.Head.Batch != 6 {
			t.Errorf("sealed: %+v, %q", report, found)
		}
		if n := len(e.Query(`SELECT id FROM events WHERE seal_batch IS NOT NULL`)); n != 27 {
			t.Errorf("%d events have a batch, not those of the old seals", n)
		}
		// Old and new seals are dropped alike.
		e.Clock.Advance(40 * 24 * time.Hour)
		e.AuditDays = 30
		e.Check(audit.DropOld(ctx, e.Service))
		if report, found := verify(e, by); len(found) > 0 || report.Events != 1 || report.Head.First != 6 {
			t.Errorf("dropped: %+v, %q", report, found)
		}
	})
}

// TestI52_EventsAreWrittenOnce: sealing changes no event.
func TestI52_EventsAreWrittenOnce(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		refuse := []string{`CREATE TRIGGER once BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'an event is written twice'); END`}
		if e.Postgres() {
			refuse = []string{`CREATE FUNCTION once() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''an event is written twice''; END'`,
				`CREATE TRIGGER once BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION once()`}
		}
		for _, sql := range refuse {
			e.Exec(sql)
		}
		by, _ := twoLogs(e)
		if report, found := verify(e, by); len(found) > 0 || report.Waiting > 0 || len(e.Query(`SELECT * FROM unsealed`)) > 0 {
			t.Errorf("%+v, %q", report, found)
		}
	})
}

// TestI52_WhoWaitsIsKnown: an event that has no seal is found, whether or not it still waits for one.
func TestI52_WhoWaitsIsKnown(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		by, _ := twoLogs(e)
		e.Add("ben@acme.example", sallyport.Member)
		e.Exec(`CREATE TABLE kept AS SELECT * FROM unsealed`)
		for _, c := range []struct{ sql, want, sealed string }{
			{`DELETE FROM unsealed`, "has lost its seal @0.0", "has lost its seal @0.0"},
			{`DELETE FROM events WHERE id IN (SELECT event_id FROM unsealed)`, "was removed @0.0", "was removed @5.1"},
		} {
			if e.Exec(c.sql) == 0 {
				t.Fatal(c.sql)
			}
			if _, found := verify(e, by); !slices.Contains(found, c.want) {
				t.Errorf("%s: %q", c.sql, found)
			}
			e.Check(e.Seal(context.Background()))
			if _, found := verify(e, by); !slices.Contains(found, c.sealed) {
				t.Errorf("%s, then sealed: %q", c.sql, found)
			}
			e.Exec(`DELETE FROM unsealed`)
			e.Exec(`INSERT INTO unsealed SELECT * FROM kept`)
		}
	})
}
