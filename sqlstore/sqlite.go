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
// came. Whoever has the turn runs its function in the open transaction, begins one when there is none, and then either
// hands the turn on, or commits for all that are in it, its group. A commit is not yet on disk: that is left to flush,
// beside which the next group runs. Each member answers when its group is on disk, so that one fsync serves many.
//
// SQLite can undo a member by itself with a savepoint, but then it keeps a copy of each page that any of them changes.
// So a member that fails after it has written takes the group along, the others run once more, and it too, alone
// (docs/decisions/0019-groups.md).
type sqlite struct {
	readers   chan *sqliteConn // nil: may still be opened
	path      string
	watch     watch
	turnstile turnstile
	log       *os.File     // the one that SQLite commits to
	sync      func() error // puts it on disk

	conn  *sqliteConn // the next two belong to who has the turn
	group *group

	mu        sync.Mutex
	taken     bool            // somebody has the turn
	queue     []chan struct{} // these wait for it; closed when it is theirs
	closed    bool
	unflushed []*group // committed, and not on disk
	flushing  bool
	broken    error // why something that was committed did not get onto the disk
	flushes   sync.WaitGroup
}

// group is one transaction and the writes in it.
type group struct {
	begun   time.Time
	members int
	wrote   bool
	done    chan struct{} // closed when it is on disk, or has failed
	err     error         // why it is not there; to be read after done
}

// errUndone is a group's that was rolled back because one of its members failed.
var errUndone = errors.New("sqlstore: the group was undone")

const (
	// A group ends when so many are in it or so much time has passed, so that nobody waits long for the others. Half of
	// those who are busy at once: then one half runs while the other is answered.
	groupMembers = 16
	groupTime    = 10 * time.Millisecond

	// Another process may be writing, a group at a time.
	busyPoll  = time.Millisecond
	busyLimit = 15 * time.Second

	// A checkpoint copies a page once, however often it was written since the last one: 4,000 pages are 16 MB of log.
	// NORMAL syncs all that FULL does but the commits, and these are for flush. 8 MB of pages: what many people who sign in
	// at once have theirs on.
	writerPragmas = `PRAGMA busy_timeout = 15000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
		PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000;
		PRAGMA cache_size = -8000`
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
		err = d.openLog()
	}
	if err == nil {
		if err = d.watch.open(path); err != nil {
			err = errors.Join(err, d.log.Close())
		}
	}
	if err != nil {
		d.conn.close()
		return nil, errors.Join(err, d.turnstile.close())
	}
	return d, nil
}

// openLog opens the log beside the database. It is there from the first statement until the last connection closes. What
// was written to it before, a migration, is put on disk.
func (d *sqlite) openLog() (err error) {
	if d.log, err = os.OpenFile(d.path+"-wal", os.O_RDWR, 0); err != nil {
		return err
	}
	d.sync = d.log.Sync
	return d.sync()
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
	d.flushes.Wait()
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
	return errors.Join(d.log.Close(), d.turnstile.close())
}

func (d *sqlite) version() (version, error) { return d.watch.version() }

func (d *sqlite) read(ctx context.Context, fn func(*tx) error) error {
	return fn(&tx{on: sqliteReads{d, ctx}, store: d, looksFree: true})
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
	for alone := false; ; {
		g, failed, err := d.member(ctx, fn, alone)
		if g == nil {
			return err
		}
		<-g.done
		if errors.Is(g.err, errUndone) {
			alone = alone || failed
			ctx = context.WithoutCancel(ctx) // it has begun
			continue
		}
		if err == nil {
			err = g.err
		}
		return err
	}
}

// member takes the turn, runs fn in the open group, and hands the turn on, also when fn panics. Alone it opens a group of
// its own. It returns the group, nil when fn did not run, and whether it failed so that the group was undone.
func (d *sqlite) member(ctx context.Context, fn func(*tx) error, alone bool) (g *group, undone bool, err error) {
	if err := d.takeTurn(ctx); err != nil {
		return nil, false, err
	}
	defer d.leave()
	if alone && d.group != nil {
		d.end(nil)
	}
	if err := d.join(ctx); err != nil {
		return nil, false, err
	}
	g = d.group
	t := &tx{on: sqliteWrites{d.conn}, store: d, writes: true}
	d.conn.wrote = false
	err = errors.New("sqlstore: fn did not return")
	defer func() { undone = d.endMember(t, err) }()
	if err = fn(t); err == nil {
		err = t.failed
	}
	return g, false, err
}

// join begins a group when there is none.
func (d *sqlite) join(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	broken := d.broken
	d.mu.Unlock()
	if broken != nil {
		return broken
	}
	if d.group == nil {
		err := d.turnstile.pass(ctx, func() error { return d.conn.query("BEGIN IMMEDIATE", nil, nil) })
		if err != nil {
			return err
		}
		d.group = &group{begun: time.Now(), done: make(chan struct{})}
	}
	d.group.members++
	return nil
}

// endMember ends the group when what a member wrote must not stay: undone when there are others in it. When the
// transaction is gone, because SQLite rolled all of it back (disk full, an error of the disk), the group has failed.
func (d *sqlite) endMember(t *tx, failed error) (undone bool) {
	switch wrote := d.conn.wrote; {
	case !d.conn.inTransaction():
		d.end(fmt.Errorf("the transaction was rolled back: %w", t.failed))
	case failed == nil:
		d.group.wrote = d.group.wrote || wrote
	case wrote && d.group.members > 1:
		d.end(errUndone)
		return true
	case wrote:
		d.end(failed)
	}
	return false
}

// end ends the group: by a commit, or, when err says why not, without.
func (d *sqlite) end(err error) {
	g := d.group
	d.group = nil
	if err == nil {
		err = d.conn.query("COMMIT", nil, nil)
	}
	if err != nil {
		if d.conn.inTransaction() {
			err = errors.Join(err, d.conn.query("ROLLBACK", nil, nil))
		}
		g.err = err
		close(g.done)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unflushed = append(d.unflushed, g)
	if !d.flushing {
		d.flushing = true
		d.flushes.Go(d.flush)
	}
}

// flush puts groups on disk, all that were committed before it begins with them at once, until there are none. The
// group that was left open for as long as the disk was busy is one of them.
func (d *sqlite) flush() {
	for {
		d.mu.Lock()
		groups, err := d.unflushed, d.broken
		d.unflushed = nil
		switch {
		case len(groups) > 0:
			d.mu.Unlock()
		case !d.taken && d.group != nil: // in this order: the group belongs to who has the turn
			d.taken = true
			d.mu.Unlock()
			d.end(nil)
			d.mu.Lock()
			d.handOn()
			d.mu.Unlock()
			continue
		default:
			d.flushing = false
			d.mu.Unlock()
			return
		}
		if err == nil && slices.ContainsFunc(groups, func(g *group) bool { return g.wrote }) {
			err = d.putOnDisk()
		}
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
		}
		for _, g := range groups {
			g.err = err
			close(g.done)
		}
	}
}

// putOnDisk syncs the log. When that fails nothing is written any more, until a restart: what a disk did not take it may
// forget, and call the next try a success.
func (d *sqlite) putOnDisk() error {
	err := d.sync()
	if err != nil {
		err = fmt.Errorf("the log of the database could not be put on disk: %w", err)
		d.mu.Lock()
		d.broken = err
		d.mu.Unlock()
	}
	return err
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

// leave ends the group when it is large enough, or when nobody waits and the disk is free for it, and hands the turn on.
func (d *sqlite) leave() {
	d.mu.Lock()
	if g := d.group; g != nil {
		idle := len(d.queue) == 0 && !d.flushing
		if idle || g.members >= groupMembers || time.Since(g.begun) >= groupTime {
			d.mu.Unlock()
			d.end(nil)
			d.mu.Lock()
		}
	}
	d.handOn()
	d.mu.Unlock()
}

// handOn gives the turn to the next in the queue. It is called with mu locked.
func (d *sqlite) handOn() {
	if len(d.queue) == 0 {
		d.taken = false
		return
	}
	close(d.queue[0])
	d.queue = d.queue[1:]
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
