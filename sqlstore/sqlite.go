package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	lib "modernc.org/sqlite/lib"

	"github.com/sallyport-2fa/sallyport"
)

// sqlite is the engine on an SQLite file in WAL mode.
//
// One connection writes. Callers of write take turns at it, in the order they arrived. A caller with the turn runs its
// function in the open transaction, or begins one if there is none. It then either passes the turn on, or commits for
// all callers in the transaction, which are its group. A commit is not yet on disk: flush syncs it, while the next
// group runs. Each member returns when its group is on disk, so that one fsync serves many.
//
// SQLite could undo a single member with a savepoint, but would then copy every page that any of them changes. So a
// member that fails after it has written undoes the whole group. The others run again, and it runs again alone
// (docs/decisions/0019-groups.md).
type sqlite struct {
	readers   chan *sqliteConn // nil: not opened yet
	path      string
	watch     watch
	turnstile turnstile
	log       *os.File     // the write-ahead log
	sync      func() error // syncs the log

	conn  *sqliteConn // conn and group belong to the caller with the turn
	group *group

	mu        sync.Mutex
	taken     bool            // a caller has the turn
	queue     []chan struct{} // callers that wait for the turn; each is closed when it gets it
	closed    bool
	unflushed []*group // committed, but not on disk
	flushing  bool
	copying   bool
	broken    error // why a commit could not be synced
	flushes   sync.WaitGroup

	undone, repeated atomic.Int64 // groups, and their members that ran again

	copier *sqliteConn // belongs to the goroutine that copies; nil: not opened yet
}

const (
	// How often to retry, and for how long, while another process writes.
	busyPoll  = time.Millisecond
	busyLimit = 15 * time.Second

	// When the log has 8,000 pages, 32 MB, the next commit copies what copyLog has left, and the log restarts. NORMAL
	// syncs everything that FULL does except commits, which flush syncs. The writer has the largest cache, because each
	// commit invalidates those of the readers.
	writerPragmas = `PRAGMA busy_timeout = 15000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
		PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 8000;
		PRAGMA cache_size = -6000`
	readerPragmas = `PRAGMA busy_timeout = 15000; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -1000`
	copierPragmas = `PRAGMA synchronous = NORMAL; PRAGMA cache_size = -100`
)

func openSQLite(ctx context.Context, path string, steps []string) (*sqlite, error) {
	// The file is created here so that only its owner can read it; SQLite gives the files beside it the same mode. An
	// existing file must not be opened and closed: in POSIX, that would drop the locks that this process may have on
	// it.
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

// openLog opens the log next to the database. The file exists from the first statement until the last connection
// closes. A migration in it is synced with the next write. If it is lost before that, it runs again at the next start.
func (d *sqlite) openLog() (err error) {
	if d.log, err = os.OpenFile(d.path+"-wal", os.O_RDWR, 0); err != nil {
		return err
	}
	d.sync = d.log.Sync
	return nil
}

// openWriter retries while another process has locked the file, as it does briefly when it creates it.
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
			return fmt.Errorf("%w: another process has been writing for %v: %w", sallyport.ErrUnavailable, busyLimit, err)
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
	if d.copier != nil {
		d.copier.close()
	}
	d.conn.close() // the last connection copies the log into the file
	return errors.Join(d.log.Close(), d.turnstile.close())
}

func (d *sqlite) version() (version, error) { return d.watch.version() }

func (d *sqlite) undoneGroups() (groups, repeated int64) { return d.undone.Load(), d.repeated.Load() }

func (d *sqlite) read(ctx context.Context, fn func(*tx) error) error {
	return fn(&tx{on: sqliteReads{d, ctx}, store: d, looksFree: true})
}

// sqliteReads runs each statement on any free reader. It holds none between statements, so that a Read that calls
// another Read cannot wait for itself.
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

// sqliteWrites runs the statements of a member of the group, immediately.
type sqliteWrites struct {
	*sqliteConn
	before int64 // what allChanges returned when the member began
}

// wrote reports whether the member has changed a row.
func (w sqliteWrites) wrote() bool { return w.allChanges() != w.before }

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

// migrate brings the schema up to date. It checks without a lock first, because there is rarely anything to do.
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
	version, err := d.schema() // again, because another process may have migrated it
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

// schema returns the version of the schema in the file, -1 if there is none yet.
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
