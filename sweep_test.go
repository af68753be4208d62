package sallyport_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestSweepIdle sweeps tries and known devices in pages of every size, past the end of each.
func TestSweepIdle(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ws, now := e.Console().Workspace().ID, e.Clock.Now()
		old, young := now.AddDate(0, 0, -200).UnixMilli(), now.AddDate(0, 0, -20).UnixMilli()
		for page := 1; page <= 9; page++ {
			e.Exec("DELETE FROM tries")
			e.Exec("DELETE FROM browsers")
			e.Exec("DELETE FROM sessions")
			for i := range 8 {
				last, in := old, 0
				if i%4 == 0 {
					last = young
				}
				if i%4 == 1 {
					in = 3
				}
				who := fmt.Sprintf("usr_%d", i)
				for _, bucket := range []string{"a", "b"} {
					e.Exec("INSERT INTO tries (workspace_id, subject, bucket, last, in_row) VALUES ($1, $2, $3, $4, $5)", ws, who, bucket, last, in)
				}
				e.Exec("INSERT INTO browsers (workspace_id, user_id, hash, name, created_at, last_seen_at) VALUES ($1, $2, $3, '', 0, $4)",
					ws, e.Owner.ID, []byte{byte(i)}, last)
				ends := now.UnixMilli()
				if i%4 == 3 {
					ends--
				}
				e.Exec(`INSERT INTO sessions (workspace_id, user_id, id, hash, epoch, proofs, door, address, browser, created_at, last_seen_at, expires_at)
					VALUES ($1, $2, 'ses', $3, 0, '', '', '', '', 0, 0, $4)`, ws, who, []byte{}, ends)
			}
			for name, sweep := range map[string]func(sallyport.Tx, string) (string, error){
				"tries": func(tx sallyport.Tx, after string) (string, error) { return tx.SweepTries(ws, after, page, now) },
				"browsers": func(tx sallyport.Tx, after string) (string, error) {
					return tx.SweepKnownDevices(ws, after, page, now)
				},
				"sessions": func(tx sallyport.Tx, after string) (string, error) { return tx.SweepSessions(ws, after, page, now) },
			} {
				turns := 0
				for after, more := "", true; more && turns < 20; turns++ {
					from := after
					e.Check(e.Store.Write(context.Background(), func(tx sallyport.Tx) (err error) {
						after, err = sweep(tx, from)
						return err
					}))
					more = after != ""
				}
				if turns == 20 {
					t.Fatalf("%s: pages of %d never end", name, page)
				}
			}
			if n := e.Query("SELECT count(*) FROM tries WHERE last = $1 OR in_row > 0", young)[0][0]; n != "8" || e.Query("SELECT count(*) FROM tries")[0][0] != n {
				t.Errorf("pages of %d: tries: %s", page, n)
			}
			if n := e.Query("SELECT count(*) FROM browsers WHERE last_seen_at = $1", young)[0][0]; n != "2" || e.Query("SELECT count(*) FROM browsers")[0][0] != n {
				t.Errorf("pages of %d: browsers: %s", page, n)
			}
			if n := e.Query("SELECT count(*) FROM sessions WHERE expires_at = $1", now.UnixMilli())[0][0]; n != "6" || e.Query("SELECT count(*) FROM sessions")[0][0] != n {
				t.Errorf("pages of %d: sessions: %s", page, n)
			}
		}
		e.Clock.Advance(200 * 24 * time.Hour)
		e.Check(e.SweepIdle(context.Background()))
		if n := e.Query("SELECT count(*) FROM tries WHERE in_row = 0")[0][0] + e.Query("SELECT count(*) FROM browsers")[0][0] +
			e.Query("SELECT count(*) FROM sessions")[0][0]; n != "000" {
			t.Errorf("after another 200 days: %s", n)
		}
	})
}

// TestSweepMails: mail that was sent or failed is deleted 90 days after it was queued. Waiting mail stays.
func TestSweepMails(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		e.Exec("DELETE FROM outbox")
		queue := func(states ...string) {
			for i, state := range states {
				p := e.Add(fmt.Sprintf("%s%d@%d.example", state, i, e.Clock.Now().UnixMilli()), sallyport.Member)
				e.Check(e.Forgot(ctx, e.Arriving().By(), p.Address))
				if n := e.Exec("UPDATE outbox SET state = $1 WHERE user_id = $2", state, p.ID); n != 1 {
					t.Fatalf("%d mails to one person", n)
				}
				e.Clock.Advance(time.Millisecond)
			}
		}
		left := func(when, want string) {
			got := ""
			for _, row := range e.Query("SELECT state FROM outbox ORDER BY id") {
				got += row[0][:1]
			}
			if got != want {
				t.Errorf("%s: %q, not %q", when, got, want)
			}
		}
		first := e.Clock.Now()
		at := func(days int, then time.Duration) { // that long after the first was queued
			e.Clock.Advance(first.AddDate(0, 0, days).Add(then).Sub(e.Clock.Now()))
		}
		queue("sent", "waiting", "failed", "sent")
		at(45, 0)
		queue("sent", "waiting")
		for _, step := range []struct {
			days int
			then time.Duration
			want string
		}{{90, 0, "swfssw"}, {90, time.Millisecond, "wfssw"}, {91, 0, "wsw"}} {
			at(step.days, step.then)
			e.Check(e.SweepIdle(ctx))
			left(fmt.Sprintf("after %d days and %v", step.days, step.then), step.want)
		}
		queue("sent", "failed")
		for page, want := range []string{"wwsf", "wwf", "ww", "ww"} { // one mail per page
			e.Check(e.Store.Write(ctx, func(tx sallyport.Tx) error {
				more, err := tx.SweepMails(e.Owner.Workspace, "mai_~", 1)
				if more != (page < 3) {
					t.Errorf("page %d: more: %v", page, more)
				}
				return err
			}))
			left(fmt.Sprintf("page %d", page), want)
		}
	})
}

// TestEraseRecoveryCodes erases codes in pages of every size. Each page is one transaction. The next call continues
// where it ended, or starts again if the policy has switched showing off once more.
func TestEraseRecoveryCodes(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ws := e.Console().Workspace().ID
		var people []string
		for i := range 4 {
			people = append(people, e.Add(fmt.Sprintf("p%d@acme.example", i), sallyport.Member).ID)
		}
		write := func(fn func(sallyport.Tx) error) { e.Check(e.Store.Write(ctx, fn)) }
		hide := func(version int64) {
			write(func(tx sallyport.Tx) error { return tx.HideRecoveryCodes(ws, version) })
		}
		erase := func(page int) (more bool) {
			write(func(tx sallyport.Tx) (err error) {
				more, err = tx.EraseRecoveryCodes(page)
				return err
			})
			return more
		}
		fill := func() {
			e.Exec("DELETE FROM recovery_codes")
			for i, p := range people {
				for version := range 3 {
					e.Exec("INSERT INTO recovery_codes (workspace_id, user_id, hash, position, code, policy_version) VALUES ($1, $2, $3, 1, $4, $5)",
						ws, p, []byte{byte(i), byte(version)}, []byte("sealed"), version)
				}
			}
		}
		left := func() string {
			return e.Query("SELECT count(*) FROM recovery_codes WHERE code IS NOT NULL")[0][0]
		}
		for page := 1; page <= 13; page++ {
			fill()
			hide(1)
			erase(page)
			if n, whole := left(), min((page+2)/3, len(people)); n != fmt.Sprint(12-whole) {
				t.Errorf("one page of %d: %s left", page, n)
			}
			hide(2) // erasing starts again
			turns := 0
			for erase(page) {
				if turns++; turns == 20 {
					t.Fatalf("pages of %d never end", page)
				}
			}
			if n := left(); n != "4" {
				t.Errorf("pages of %d: %s left", page, n)
			}
		}
	})
}

// TestTurnToSweep: one node sweeps each day, and none on the first day of an installation.
func TestTurnToSweep(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		for i, step := range []struct {
			later time.Duration
			mine  bool
		}{{0, false}, {23 * time.Hour, false}, {time.Hour, true}, {0, false}, {24 * time.Hour, true}, {-72 * time.Hour, true}, {time.Hour, false}} {
			e.Clock.Advance(step.later)
			var mine bool
			e.Check(e.Store.Write(context.Background(), func(tx sallyport.Tx) (err error) {
				mine, err = tx.TakeTurn(sallyport.TurnSweep, e.Clock.Now(), 24*time.Hour)
				return err
			}))
			if mine != step.mine {
				t.Errorf("step %d, %v later: %v", i, step.later, mine)
			}
		}
	})
}
