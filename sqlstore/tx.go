package sqlstore

import "errors"

// tx is what the files of the concepts speak SQL with. It is for one goroutine and ends with the function it was
// given to.
//
// In write, the first statement that fails decides: those after it get the same error, and nothing is committed, as
// PostgreSQL has it. To go on after a duplicate key say ON CONFLICT DO NOTHING.
type tx struct {
	on      statements
	store   engine
	writes  bool
	failed  error
	reading bool     // inside the callback of rows
	people  []listed // users as their rows were when they were taken

	presences *presences // in Read
	looksFree bool       // a look at the version costs next to nothing
}

// statements runs one statement after the other on a database. Errors come out as error.go names them.
type statements interface {
	// exec may put the statement off until the next affected or query, or the commit, and report its error there.
	exec(sql string, args []any) error
	// expect is exec of a statement that must hit a row; else the transaction fails with errUnexpected.
	expect(sql string, args []any) error
	affected(sql string, args []any) (int64, error)
	// ask hands out each row, whose cells are valid until each returns. In a Write it may be put off as exec is. In a
	// Read it may travel with what others ask, and tells the version that was looked at before.
	ask(sql string, args []any, each func([]cell) error) (version, error)
	// query is ask that is not put off.
	query(sql string, args []any, each func([]cell) error) error
}

// forUpdate ends a SELECT that takes its row until the transaction ends. SQLite knows no such thing and needs none:
// there, whoever writes has the whole database.
const forUpdate = " FOR NO KEY UPDATE"

var (
	errReadOnly    = errors.New("sqlstore: a statement that writes, inside Read")
	errInsideRows  = errors.New("sqlstore: a statement inside the callback of rows")
	errSeveralRows = errors.New("sqlstore: several rows where one was expected")
	errUnexpected  = errors.New("sqlstore: a row that was there is gone or has changed")
)

// exec runs a statement whose outcome nobody needs to know before the transaction ends. On PostgreSQL it travels with
// the next statement that has an answer, or with the commit, and an error of it comes up there: prefer it, it costs
// no round trip.
func (t *tx) exec(sql string, args ...any) error {
	return t.run(true, func() error { return t.on.exec(sql, args) })
}

// expect is exec of a conditional statement whose condition is known to hold, because the row that it depends on is
// taken. The database has the last word: where the condition does not hold nothing of the transaction is committed.
func (t *tx) expect(sql string, args ...any) error {
	return t.run(true, func() error { return t.on.expect(sql, args) })
}

// affected runs a conditional statement and tells how many rows met the condition.
func (t *tx) affected(sql string, args ...any) (n int64, err error) {
	err = t.run(true, func() error {
		n, err = t.on.affected(sql, args)
		return err
	})
	return n, err
}

// row reads one row, by SELECT or by ... RETURNING, into dest, in the order of the columns; found is false when there
// is none. More than one is an error. See scan for what dest may point to.
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

// scanner reads the columns of the row at hand, in their order.
type scanner func(dest ...any) error

// rows calls each for every row. Inside each no other statement can run.
func (t *tx) rows(sql string, args []any, each func(scan scanner) error) error {
	return t.run(false, func() error { return t.on.query(sql, args, t.each(each)) })
}

// ask is rows that, on PostgreSQL, may travel with others. In a Write these are the next ones of the same transaction:
// what each reads is there after the next row, rows or affected. In a Read it is there when ask returns.
func (t *tx) ask(sql string, args []any, each func(scan scanner) error) error {
	_, err := t.askVersion(sql, args, each)
	return err
}

// askVersion is ask that tells the version of the database that was looked at before.
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

// version looks at the database, after the call. Inside write it is not known.
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
