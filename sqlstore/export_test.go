package sqlstore

import (
	"context"
	"io/fs"
)

// Exported for the tests of the engines, which use their own SQL and their own tables.

type Tx = tx

var Duplicate = duplicate

func OpenWith(ctx context.Context, url string, migrations fs.FS) (*Store, error) {
	return open(ctx, url, migrations)
}

func (s *Store) ReadSQL(ctx context.Context, fn func(*Tx) error) error  { return s.read(ctx, fn) }
func (s *Store) WriteSQL(ctx context.Context, fn func(*Tx) error) error { return s.write(ctx, fn) }

func (t *tx) Exec(sql string, args ...any) error              { return t.exec(sql, args...) }
func (t *tx) Affected(sql string, args ...any) (int64, error) { return t.affected(sql, args...) }
func (t *tx) Version() (version, error)                       { return t.version() }
func (t *tx) Row(sql string, args []any, dest ...any) (bool, error) {
	return t.row(sql, args, dest...)
}
func (t *tx) Ask(sql string, args []any, each func(func(...any) error) error) error {
	return t.ask(sql, args, func(scan scanner) error { return each(scan) })
}
func (t *tx) Expect(sql string, args ...any) error { return t.expect(sql, args...) }
func (t *tx) Rows(sql string, args []any, each func(func(...any) error) error) error {
	return t.rows(sql, args, func(scan scanner) error { return each(scan) })
}

// Waiting returns how many callers wait for their turn to write to an SQLite database.
func (s *Store) Waiting() int {
	d := s.engine.(*sqlite)
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queue)
}

// Sync wraps the function that syncs the log of an SQLite database. It is called before any Write.
func (s *Store) Sync(around func(sync func() error) error) {
	d := s.engine.(*sqlite)
	sync := d.sync
	d.sync = func() error { return around(sync) }
}

// State is what Version returns.
type State = version

// WriterSays runs a script on the connection that writes to an SQLite database. No Write may be running.
func (s *Store) WriterSays(script string) error { return s.engine.(*sqlite).conn.script(script) }
