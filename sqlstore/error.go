package sqlstore

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	lib "modernc.org/sqlite/lib"

	"github.com/sallyport-2fa/sallyport"
)

var (
	// ErrUnknownOutcome: the connection was lost after COMMIT was sent and before it was answered. The write may or may
	// not have happened, and trying again may do it twice.
	ErrUnknownOutcome = sallyport.ErrUnknownOutcome

	// ErrNested: a write was begun inside a write. It would wait for itself.
	ErrNested = errors.New("sqlstore: Write inside Write")

	// ErrClosed: the store has been closed.
	ErrClosed = errors.New("sqlstore: closed")
)

// DuplicateError says that a row with the same key already exists. To check an error for one of a certain key, use
// duplicate.
type DuplicateError struct {
	// Key is the name of the unique index, or the table's name and "_pkey" for its primary key, on both databases.
	// (A UNIQUE inside CREATE TABLE has a different name on each, so migrations use CREATE UNIQUE INDEX.)
	Key string
}

func (e *DuplicateError) Error() string { return fmt.Sprintf("sqlstore: duplicate key %s", e.Key) }

// Is makes it match sallyport.ErrDuplicate, the outcome that the rules know.
func (e *DuplicateError) Is(target error) bool { return target == sallyport.ErrDuplicate }

// duplicate reports whether err is a DuplicateError of the key: the name of a unique index, or table_pkey.
func duplicate(err error, key string) bool {
	d, ok := errors.AsType[*DuplicateError](err)
	return ok && d.Key == key
}

// during adds the first line of the statement that failed to its error. It contains no values, because these are
// parameters.
func during(sql string, err error) error {
	if err == nil {
		return nil
	}
	line, _, _ := strings.Cut(strings.TrimSpace(sql), "\n")
	return fmt.Errorf("%s: %w", line, err)
}

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	pgUniqueViolation      = "23505"
	pgSerializationFailure = "40001"
	pgDeadlockDetected     = "40P01"
	pgDivisionByZero       = "22012" // expect
	pgUndefinedTable       = "42P01"
	pgPlanChanged          = "0A000" // "cached plan must not change result type", after another node's migration
)

// postgresError translates an error of PostgreSQL into one of this package or of the rules.
func postgresError(err error) error {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok { // the connection is gone
		return fmt.Errorf("%w: %w", sallyport.ErrUnavailable, err)
	}
	switch pg.Code {
	case pgUniqueViolation:
		return &DuplicateError{Key: pg.ConstraintName}
	case pgDivisionByZero:
		return errUnexpected
	}
	if slices.ContainsFunc(pgUnavailable, func(class string) bool { return strings.HasPrefix(pg.Code, class) }) {
		return fmt.Errorf("%w: %w", sallyport.ErrUnavailable, err)
	}
	return err
}

// pgUnavailable are the prefixes of error codes that have nothing to do with the statement: a read-only transaction, a
// lack of disk space, memory or connections, a server that stops or starts, a disk error.
var pgUnavailable = []string{"25006", "53", "57P", "58"}

// sqliteUnavailable are the corresponding codes of SQLite.
var sqliteUnavailable = []int32{lib.SQLITE_FULL, lib.SQLITE_READONLY, lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN, lib.SQLITE_BUSY}

// unavailable wraps an error of SQLite in ErrUnavailable if it has nothing to do with the statement.
func unavailable(err error) error {
	if slices.Contains(sqliteUnavailable, sqliteCode(err)&0xff) {
		return fmt.Errorf("%w: %w", sallyport.ErrUnavailable, err)
	}
	return err
}
