package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	lib "modernc.org/sqlite/lib"
)

// sqlite is the engine on an SQLite file in WAL mode.
//
// There is one connection that writes, and a turn at it, handed from one caller of write to the next in the order they
// came. Whoever has the turn runs its function as a savepoint of the open transaction, begins one when there is none,
// and then either hands the turn on, or, when nobody waits or the group is large enough, commits for all. Each member
// of the group waits for that commit before it answers, so one fsync serves all of them.
type sqlite struct {
	readers   chan *sqliteConn // nil: may still be opened
	path      string
	watch     watch
	turnstile turnstile

	conn  *sqliteConn // the next two belong to who has the turn
	group *group

	mu     sync.Mutex
	taken  bool            // somebody has the turn
	queue  []chan struct{} // these wait for it; closed when it is theirs
	closed bool
}

// group is one transaction and the writes in it.
type group struct {
	begun   time.Time
	members int
	done    chan struct{} // closed when it has ended
	err     error         // why it was not committed; to be read after done
}

const (
	// A group ends when so many are in it or so much time has passed, so that nobody waits long for the others.
	groupMembers = 256
	groupTime    = 10 * time.Millisecond

	// Another process may be writing, a group at a time.
	busyPoll  = time.Millisecond
	busyLimit = 15 * time.Second

	// A checkpoint copies a page once, however often it was written since the last one: 4,000 pages are 16 MB of log.
	writerPragmas = `PRAGMA busy_timeout = 15000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
		PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000`
	readerPragmas = `PRAGMA busy_timeout = 15000; PRAGMA temp_store = MEMORY`
)

func openSQLite(ctx context.Context, path string, steps []string) (*sqlite, error) {
	// Made here so that only its owner can read it; SQLite gives the files beside it the same mode. One that exists
	// must not be opened and closed: that would drop the locks that this process may have on it (POSIX is like that).
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	d := &sqlite{path: path, readers: make(chan *sqliteConn, runtime.GOMAXPROCS(0)+2)}
	for range cap(d.readers) {
		d.readers <- nil
	}
	if d.turnstile, err = openTurnstile(path); err != nil {
		return nil, err
	}
	if d.conn, err = openWriter(ctx, path); err != nil {
		return nil, errors.Join(err, d.turnstile.close())
	}
	if err = d.migrate(ctx, steps); err == nil {
		err = d.watch.open(path)
	}
	if err != nil {
		d.conn.close()
		return nil, errors.Join(err, d.turnstile.close())
	}
	return d, nil
}

// openWriter tries again while another process has the file to itself, as it has for a moment when it makes it.
func openWriter(ctx context.Context, path string) (c *sqliteConn, err error) {
	err = whileBusy(ctx, func() error {
		c, err = openSQLiteConn(path, lib.SQLITE_OPEN_READWRITE, writerPragmas)
		return err
	})
	return c, err
}

func whileBusy(ctx context.Context, do func() error) error {
	for begun := time.Now(); ; {
		err := do()
		if sqliteCode(err)&0xff != lib.SQLITE_BUSY && !errors.Is(err, errTurnstile) {
			return err
		}
		if time.Since(begun) > busyLimit {
			return fmt.Errorf("another process has been writing for %v: %w", busyLimit, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(busyPoll):
		}
	}
}

func (d *sqlite) close() error {
	ctx := context.Background()
	if err := d.takeTurn(ctx); err != nil {
		return nil // closed already
	}
	if d.group != nil {
		d.end(nil)
	}
	d.mu.Lock()
	d.closed = true
	waiting := d.queue
	d.queue = nil
	d.mu.Unlock()
	for _, ready := range waiting {
		close(ready)
	}
	for range cap(d.readers) {
		if c := <-d.readers; c != nil {
			c.close()
		}
	}
	close(d.readers)
	d.watch.close()
	d.conn.close() // the last one: it empties the log into the file
	return d.turnstile.close()
}

func (d *sqlite) version() (version, error) { return d.watch.version() }

func (d *sqlite) read(ctx context.Context, fn func(*tx) error) error {
	return fn(&tx{on: sqliteReads{d, ctx}, store: d})
}

// sqliteReads runs each statement on whichever reader is free. To hold none in between keeps one Read that calls
// another from waiting for itself.
type sqliteReads struct {
	d   *sqlite
	ctx context.Context
}

func (r sqliteReads) exec(string, []any) error              { return errReadOnly }
func (r sqliteReads) expect(string, []any) error            { return errReadOnly }
func (r sqliteReads) affected(string, []any) (int64, error) { return 0, errReadOnly }

func (r sqliteReads) ask(sql string, args []any, each func([]cell) error) (version, error) {
	v, err := r.d.version()
	if err != nil {
		return "", err
	}
	return v, r.query(sql, args, each)
}

func (r sqliteReads) query(sql string, args []any, each func([]cell) error) (err error) {
	var c *sqliteConn
	select {
	case <-r.ctx.Done():
		return r.ctx.Err()
	case conn, open := <-r.d.readers:
		if !open {
			return ErrClosed
		}
		c = conn
	}
	defer func() { r.d.readers <- c }()
	if c == nil {
		if c, err = openSQLiteConn(r.d.path, lib.SQLITE_OPEN_READONLY, readerPragmas); err != nil {
			return err
		}
	}
	return c.query(sql, args, each)
}

// sqliteWrites runs the statements of a member of the group, at once.
type sqliteWrites struct{ *sqliteConn }

func (w sqliteWrites) exec(sql string, args []any) error { return w.query(sql, args, nil) }

func (w sqliteWrites) affected(sql string, args []any) (int64, error) {
	err := w.query(sql, args, nil)
	return w.changes(), err
}

func (w sqliteWrites) expect(sql string, args []any) error {
	n, err := w.affected(sql, args)
	if err == nil && n == 0 {
		err = errUnexpected
	}
	return err
}

func (w sqliteWrites) ask(sql string, args []any, each func([]cell) error) (version, error) {
	return "", w.query(sql, args, each)
}

func (d *sqlite) write(ctx context.Context, fn func(*tx) error) error {
	if err := d.takeTurn(ctx); err != nil {
		return err
	}
	if err := d.join(ctx); err != nil {
		d.leave()
		return err
	}
	g := d.group
	err := d.member(g, fn)
	<-g.done
	if err == nil {
		err = g.err
	}
	return err
}

// member runs fn and hands the turn on, also when fn panics.
func (d *sqlite) member(g *group, fn func(*tx) error) (err error) {
	t := &tx{on: sqliteWrites{d.conn}, store: d, writes: true}
	err = errors.New("sqlstore: fn did not return")
	defer func() {
		d.endMember(g, t, err == nil && t.failed == nil)
		d.leave()
	}()
	if err = fn(t); err == nil {
		err = t.failed
	}
	return err
}

const (
	savepoint = "SAVEPOINT member"
	release   = "RELEASE member"
	rollback  = "ROLLBACK TO member"
)

// join begins a group when there is none, and the savepoint of the next member.
func (d *sqlite) join(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.group == nil {
		err := d.turnstile.pass(ctx, func() error { return d.conn.query("BEGIN IMMEDIATE", nil, nil) })
		if err != nil {
			return err
		}
		d.group = &group{begun: time.Now(), done: make(chan struct{})}
	}
	if err := d.conn.query(savepoint, nil, nil); err != nil {
		d.end(err)
		return err
	}
	d.group.members++
	return nil
}

// endMember keeps or undoes what a member wrote. When the transaction is gone, because SQLite rolled all of it back
// (disk full, an error of the disk), the group has failed.
func (d *sqlite) endMember(g *group, t *tx, keep bool) {
	if !d.conn.inTransaction() {
		d.end(fmt.Errorf("the transaction was rolled back: %w", t.failed))
		return
	}
	var err error
	if !keep {
		err = d.conn.query(rollback, nil, nil)
	}
	if err == nil {
		err = d.conn.query(release, nil, nil)
	}
	if err != nil {
		d.end(err)
	}
}

// end ends the group: by a commit, or, when err says why not, without.
func (d *sqlite) end(err error) {
	g := d.group
	d.group = nil
	if err == nil {
		err = d.conn.query("COMMIT", nil, nil)
	}
	if err != nil && d.conn.inTransaction() {
		err = errors.Join(err, d.conn.query("ROLLBACK", nil, nil))
	}
	g.err = err
	close(g.done)
}

// takeTurn waits for the turn, in the order of coming.
func (d *sqlite) takeTurn(ctx context.Context) error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return ErrClosed
	}
	if !d.taken {
		d.taken = true
		d.mu.Unlock()
		return nil
	}
	ready := make(chan struct{})
	d.queue = append(d.queue, ready)
	d.mu.Unlock()
	if insideWrite() && d.withdraw(ready) {
		return ErrNested
	}
	select {
	case <-ready:
	case <-ctx.Done():
		if d.withdraw(ready) {
			return ctx.Err()
		}
		// The turn has become ours in the same moment: join sees ctx.
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	return nil
}

// withdraw leaves the queue; false when the turn was handed over already.
func (d *sqlite) withdraw(ready chan struct{}) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.queue, ready)
	if i >= 0 {
		d.queue = slices.Delete(d.queue, i, i+1)
	}
	return i >= 0
}

// leave hands the turn to the next in the queue; without one, or when the group is large enough, it commits first.
func (d *sqlite) leave() {
	d.mu.Lock()
	full := d.group != nil && (d.group.members >= groupMembers || time.Since(d.group.begun) >= groupTime)
	if d.group != nil && (full || len(d.queue) == 0) {
		d.mu.Unlock()
		d.end(nil)
		d.mu.Lock()
	}
	if len(d.queue) == 0 {
		d.taken = false
	} else {
		close(d.queue[0])
		d.queue = d.queue[1:]
	}
	d.mu.Unlock()
}

// migrate brings the schema up to date. It looks first, since most often there is nothing to do.
func (d *sqlite) migrate(ctx context.Context, steps []string) error {
	version, err := d.schema()
	if err != nil || version == len(steps) {
		return err
	}
	if err := d.turnstile.pass(ctx, func() error { return d.conn.script("BEGIN IMMEDIATE") }); err != nil {
		return err
	}
	if err := d.migrateLocked(steps); err != nil {
		return errors.Join(err, d.conn.script("ROLLBACK"))
	}
	return d.conn.script("COMMIT")
}

func (d *sqlite) migrateLocked(steps []string) error {
	version, err := d.schema() // again: another process may have done it
	if err == nil {
		err = checkNotNewer(version, len(steps))
	}
	if err == nil && version < 0 {
		version = 0
		err = d.conn.script(createSchema + ";" + insertSchema)
	}
	for i := version; i < len(steps) && err == nil; i++ {
		if err = d.conn.script(steps[i]); err != nil {
			err = fmt.Errorf("migration %d: %w", i+1, err)
		}
	}
	if err != nil {
		return err
	}
	if err := d.conn.script(fmt.Sprintf(updateSchema, len(steps))); err != nil {
		return err
	}
	return d.conn.estimates()
}

// schema is the number of the schema in the file, -1 when there is none yet.
func (d *sqlite) schema() (version int, err error) {
	version = -1
	read := func(row []cell) error {
		version = int(row[0].int)
		return nil
	}
	err = d.conn.query("SELECT 0 FROM sqlite_schema WHERE name = 'schema_version'", nil, read)
	if err == nil && version == 0 {
		err = d.conn.query(readSchema, nil, read)
	}
	return version, err
}
