package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/background"
)

// measureAudit opens the page of the audit log, without a filter and with each one.
func (b *largeBench) measureAudit(ctx context.Context) error {
	one, err := b.beside.texts(ctx, `SELECT subject FROM events WHERE workspace_id = '`+b.world.space.ID+`' ORDER BY id DESC LIMIT 1`)
	if err != nil {
		return err
	}
	for _, filter := range []string{"", "kind=password.changed", "result=refused", "result=done", "kind=password.wrong&result=refused",
		"person=" + one[0], "address=198.51.7.7", "from=" + time.Now().AddDate(0, -6, 0).Format(time.DateOnly) + "&to=" + time.Now().AddDate(0, -6, 1).Format(time.DateOnly)} {
		name, _, _ := strings.Cut(filter, "=")
		if name == "result" || name == "kind" {
			name = strings.NewReplacer("=", "-", "&", "-", ".", "-").Replace(filter)
		}
		err := b.repeated(strings.TrimSuffix("audit-"+name, "-"), 51, 0, func(int) (time.Duration, error) {
			body, took, err := b.visitor.page(ctx, "/admin/audit?"+filter)
			if err == nil && !strings.Contains(body, "<time ") {
				err = fmt.Errorf("no line")
			}
			return took, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// measureOverview opens the overview, with counts as background work keeps them, and then makes such a count.
func (b *largeBench) measureOverview(ctx context.Context) error {
	start := time.Now()
	if err := background.CountAdoption(ctx, b.world.service); err != nil {
		return err
	}
	b.report.add("count-people, behind the overview", b.world.kind, milliseconds(time.Since(start)), "ms", 0)
	by, err := b.visitor.by(ctx)
	if err != nil {
		return err
	}
	o, err := b.world.service.Overview(ctx, by)
	if err != nil {
		return err
	}
	truth, err := b.beside.texts(ctx, `SELECT CAST(count(*) AS TEXT) FROM users WHERE state = 'active' AND workspace_id = '`+b.world.space.ID+`'`)
	if err != nil {
		return err
	}
	if err := check("people of the overview", strconv.Itoa(o.Today().People), truth[0]); err != nil {
		return err
	}
	return b.repeated("overview", 51, 50, func(int) (time.Duration, error) {
		_, took, err := b.visitor.page(ctx, "/admin")
		return took, err
	})
}

// sink receives a CSV. After each hundredth of it, it checks what the server holds.
type sink struct {
	http.ResponseWriter
	lines  int
	status int
	look   func(lines int) error
	next   int
	err    error
}

func (s *sink) WriteHeader(status int) { s.status = status }

// SetWriteDeadline does nothing. A real connection has it, but a recorder does not.
func (s *sink) SetWriteDeadline(time.Time) error { return nil }

func (s *sink) Write(p []byte) (int, error) {
	s.lines += bytes.Count(p, []byte{'\n'})
	if s.lines >= s.next && s.err == nil {
		s.next += largePeople / 100
		s.err = s.look(s.lines)
	}
	return len(p), s.err
}

// measureCSV downloads the list of all people. Meanwhile it checks the memory, and that the database keeps no
// transaction open for it.
func (b *largeBench) measureCSV(ctx context.Context) error {
	debug.FreeOSMemory()
	first, most, looks := uint64(0), uint64(0), 0
	out := &sink{ResponseWriter: httptest.NewRecorder(), status: http.StatusOK}
	out.look = func(int) error {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		if looks++; looks == 1 {
			first = m.HeapAlloc
		}
		most = max(most, m.HeapAlloc)
		return b.nothingHeld(ctx)
	}
	took := b.visitor.do(ctx, "GET", "/admin/users.csv", nil, out)
	if err := out.err; err != nil {
		return err
	}
	if err := check("lines of the CSV", out.lines, largePeople+2); err != nil { // the owner, and the names of the columns
		return err
	}
	b.report.add("csv", b.world.kind, took.Seconds(), "s", 0)
	b.report.add("csv, heap on the way beyond the first page", b.world.kind, float64(most-min(first, most))/1e6, "MB", 4)
	return nil
}

// nothingHeld fails if a transaction or a snapshot is open while a page of the CSV is on its way.
func (b *largeBench) nothingHeld(ctx context.Context) error {
	if b.beside.postgres != nil {
		held, err := b.beside.texts(ctx, `SELECT coalesce(query, '') FROM pg_stat_activity
			WHERE pid <> pg_backend_pid() AND datname = current_database() AND (state LIKE 'idle in%' OR backend_xmin IS NOT NULL)`)
		if err == nil && len(held) > 0 {
			err = fmt.Errorf("a page of the CSV is held in a transaction: %q", held)
		}
		return err
	}
	var busy, log, done int // a reader that holds a snapshot keeps the log from being emptied
	err := b.beside.sqlite.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &log, &done)
	if err == nil && busy != 0 {
		err = fmt.Errorf("a page of the CSV is held in a transaction: the log cannot be emptied")
	}
	return err
}

// measureEnforcement asks whom a requirement would affect, enables it, and disables it again.
func (b *largeBench) measureEnforcement(ctx context.Context) error {
	err := b.world.store.Write(ctx, func(tx sallyport.Tx) error {
		o, _, err := tx.LockUser(b.world.space.ID, b.world.owner.ID)
		if err != nil {
			return err
		}
		o.TwoFactor = true
		return tx.SaveUser(o)
	})
	if err != nil {
		return err
	}
	if err := b.visitor.signIn(ctx); err != nil {
		return err
	}
	version, settings := int64(0), map[string]string{}
	post := func(require, confirm string, want int) (time.Duration, error) {
		out := httptest.NewRecorder()
		form := url.Values{"version": {strconv.FormatInt(version, 10)}}
		for name, value := range settings {
			form.Set(name, value)
		}
		form.Set("require_2fa", require)
		if confirm != "" {
			form.Set("confirm", confirm)
		}
		took := b.visitor.do(ctx, "POST", "/admin/access-control", form, out)
		return took, check("access control", out.Code, want)
	}
	var asked, on []float64
	for range 11 {
		by, err := b.visitor.by(ctx)
		if err != nil {
			return err
		}
		version, settings = by.Policy().Version, by.Policy().Settings()
		took, err := post("everyone", "", http.StatusOK)
		if err != nil {
			return err
		}
		asked = append(asked, milliseconds(took))
		if took, err = post("everyone", "yes", http.StatusSeeOther); err != nil {
			return err
		}
		on = append(on, milliseconds(took))
		if by, err = b.visitor.by(ctx); err != nil {
			return err
		}
		if err := check("the requirement", by.Policy().Require2FA.Of, "everyone"); err != nil {
			return err
		}
		version = by.Policy().Version
		if _, err := post("optional", "yes", http.StatusSeeOther); err != nil {
			return err
		}
	}
	b.report.add("enforcement, whom it hits", b.world.kind, median(asked), "ms", 0)
	b.report.add("enforcement, switched on", b.world.kind, median(on), "ms", 50)
	return nil
}

// measureSweep sweeps a million known devices and a million counts of tries, of which none is idle.
func (b *largeBench) measureSweep(ctx context.Context) error {
	if err := b.repeated("sweep", 5, 0, func(int) (time.Duration, error) {
		start := time.Now()
		err := b.world.service.Sweep(ctx)
		return time.Since(start), err
	}); err != nil {
		return err
	}
	return b.repeated("sweep of what is idle, once a day", 1, 0, func(int) (time.Duration, error) {
		start := time.Now()
		err := b.world.service.SweepIdle(ctx)
		return time.Since(start), err
	})
}

// measureVerify runs the command on a log of a million lines, and then again after one line was changed.
func (b *largeBench) measureVerify(ctx context.Context) error {
	run := func() (string, error) {
		args := []string{"audit", "verify", "--data", b.data, "--workspace", "verified." + b.visitor.host}
		if isPostgres(b.world.database) {
			args = append(args, "--database", b.world.database)
		}
		cmd := exec.CommandContext(ctx, b.binary, args...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		return string(out), err
	}
	if err := b.repeated("audit-verify", 3, 10_000, func(int) (time.Duration, error) {
		start := time.Now()
		out, err := run()
		took := time.Since(start)
		if err == nil && (!strings.Contains(out, fmt.Sprintf(" %d events, ", largeVerified)) || !strings.Contains(out, "the log is intact")) {
			err = fmt.Errorf("it says %q", out)
		}
		return took, err
	}); err != nil {
		return err
	}
	batch := largeVerified / batchOf / 2
	var seals []sallyport.Seal
	if err := b.world.store.Read(ctx, func(tx sallyport.Tx) (err error) {
		seals, err = tx.Seals(b.world.other.ID, int64(batch)-1, 1)
		return err
	}); err != nil {
		return err
	}
	if err := b.beside.exec(ctx, fmt.Sprintf(`UPDATE events SET result = 'forged' WHERE workspace_id = '%s' AND id = '%s'`,
		b.world.other.ID, seals[0].Events.IDs()[6])); err != nil {
		return err
	}
	if out, err := run(); err == nil || !strings.Contains(out, fmt.Sprintf("batch %d, line 7", batch)) {
		return fmt.Errorf("a forged line is not found: %q, %v", out, err)
	}
	return nil
}
