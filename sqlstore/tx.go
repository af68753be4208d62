package sqlstore

import (
	"errors"

	"github.com/sallyport-2fa/sallyport"
)

// tx runs SQL for the files of the concepts. It is for one goroutine, and is valid until the function that it was
// passed to returns.
//
// In write, as in PostgreSQL, the first statement that fails decides: later statements return the same error, and
// nothing is committed. To continue after a duplicate key, use ON CONFLICT DO NOTHING.
type tx struct {
	on      statements
	store   engine
	writes  bool
	failed  error
	reading bool     // inside the callback of rows
	people  []listed // users as their rows were when they were read

	presences *presences[sallyport.Presence]    // nil outside Read
	visits    *presences[sallyport.AppPresence] // of apps; nil outside Read
	looksFree bool                              // reading the version costs next to nothing
}

// statements runs statements in order on a database. It returns errors as error.go defines them.
type statements interface {
	// exec may delay the statement until the next affected or query, or the commit, and report its error there.
	exec(sql string, args []any) error
	// expect is exec of a statement that must affect a row; otherwise the transaction fails with errUnexpected.
	expect(sql string, args []any) error
	affected(sql string, args []any) (int64, error)
	// ask calls each with every row, whose cells are valid until each returns. In a Write it may be delayed like exec.
	// In a Read it may be sent with the queries of others, and returns the version that was read just before.
	ask(sql string, args []any, each func([]cell) error) (version, error)
	// query is ask without delay.
	query(sql string, args []any, each func([]cell) error) error
}

// forUpdate ends a SELECT that locks its row until the transaction ends. SQLite has no such clause and needs none:
// there, a writer has locked the whole database.
const forUpdate = " FOR NO KEY UPDATE"

var (
	errReadOnly    = errors.New("sqlstore: a statement that writes, inside Read")
	errInsideRows  = errors.New("sqlstore: a statement inside the callback of rows")
	errSeveralRows = errors.New("sqlstore: several rows where one was expected")
	errUnexpected  = errors.New("sqlstore: a row was unexpectedly deleted or changed")
)

// exec runs a statement whose outcome is not needed before the transaction ends. On PostgreSQL it is sent with the next
// statement that returns something, or with the commit, and its error is returned there. Prefer it: it costs no round
// trip.
func (t *tx) exec(sql string, args ...any) error {
	return t.run(true, func() error { return t.on.exec(sql, args) })
}

// expect is exec of a conditional statement whose condition is known to hold, because the row that it depends on is
// locked. The database has the last word: if the condition does not hold, nothing of the transaction is committed.
func (t *tx) expect(sql string, args ...any) error {
	return t.run(true, func() error { return t.on.expect(sql, args) })
}

// affected runs a conditional statement and returns how many rows met the condition.
func (t *tx) affected(sql string, args ...any) (n int64, err error) {
	err = t.run(true, func() error {
		n, err = t.on.affected(sql, args)
		return err
	})
	return n, err
}

// row reads one row, from SELECT or from ... RETURNING, into dest, in the order of the columns. found is false if there
// is none. More than one row is an error. See scan for what dest may point to.
func (t *tx) row(sql string, args []any, dest ...any) (found bool, err error) {
	err = t.rows(sql, args, func(scan scanner) error {
		if found {
			return errSeveralRows
		}
		found = true
		return scan(dest...)
	})
	return found && err == nil, err
}

// scanner reads the columns of the current row, in their order.
type scanner func(dest ...any) error

// rows calls each for every row. Inside each, no other statement can run.
func (t *tx) rows(sql string, args []any, each func(scan scanner) error) error {
	return t.run(false, func() error { return t.on.query(sql, args, t.each(each)) })
}

// ask is rows that, on PostgreSQL, may be sent with other statements. In a Write, these are the next ones of the same
// transaction: each has been called after the next row, rows or affected. In a Read, it has been called when ask
// returns.
func (t *tx) ask(sql string, args []any, each func(scan scanner) error) error {
	_, err := t.askVersion(sql, args, each)
	return err
}

// askVersion is ask that also returns the version of the database, as it was read just before.
func (t *tx) askVersion(sql string, args []any, each func(scan scanner) error) (v version, err error) {
	err = t.run(false, func() error {
		v, err = t.on.ask(sql, args, t.each(each))
		return err
	})
	return v, err
}

func (t *tx) each(do func(scan scanner) error) func([]cell) error {
	return func(row []cell) error {
		t.reading = true
		defer func() { t.reading = false }()
		return do(func(dest ...any) error { return scan(row, dest) })
	}
}

// version reads the current version of the database. Inside write it is empty.
func (t *tx) version() (version, error) {
	if t.writes {
		return "", nil
	}
	return t.store.version()
}

func (t *tx) run(writes bool, do func() error) error {
	if t.failed != nil {
		return t.failed
	}
	var err error
	switch {
	case t.reading:
		err = errInsideRows
	case writes && !t.writes:
		err = errReadOnly
	default:
		err = do()
	}
	if err != nil && t.writes {
		t.failed = err
	}
	return err
}
