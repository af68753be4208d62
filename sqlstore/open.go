// Package sqlstore keeps Sallyport's data in SQLite or in PostgreSQL, with one set of hand-written SQL.
//
// This is how it is cut:
//
//	open.go         Open, Close, and what a Store promises
//	tx.go           tx: the methods with which the files of the concepts speak SQL
//	bind.go         what goes into a statement and what comes out of a row
//	error.go        what an error of the database means
//	sqlite.go       one writer that commits in groups, a pool of readers; sqlite_conn.go is one connection,
//	                sqlite_checkpoint.go copies the log into the file beside them
//	turnstile.go    how processes on one SQLite file take turns at writing
//	postgres.go     transactions in as few round trips as can be; postgres_conn.go is one connection,
//	                postgres_shared.go lets what is asked at the same moment travel together
//	migrate.go      the schema, forward only
//	version.go      "has anything been written since?", on SQLite; for what may be remembered: see presence.go
//
// and one file per concept, under the name it has in package sallyport.
//
// # Rules for SQL
//
// Placeholders are $1, $2, ...; one may stand in several places. Times are Unix milliseconds, booleans are 0 and 1,
// both in INTEGER columns. A statement's text is a constant or one of few variants: each is prepared once on a
// connection and kept. What may happen once is one conditional UPDATE whose number of rows is the verdict. Write begins
// by taking the row that stands for it (the user, the workspace); on SQLite, which has one writer, it has all of them.
package sqlstore

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"reflect"
	"runtime"
	"strings"
)

//go:embed migrations
var migrationFiles embed.FS

// Store is a database, open. It may be used by any number of goroutines, and the same database may be open in other
// processes (a command beside the server, other nodes on one PostgreSQL).
type Store struct {
	engine    engine
	presences presences
}

// engine is what differs between the two databases.
type engine interface {
	read(ctx context.Context, fn func(*tx) error) error
	write(ctx context.Context, fn func(*tx) error) error
	version() (version, error)
	close() error
}

// Open opens the database at url, a postgres:// address or the path of an SQLite file (made when absent, readable by
// its owner alone), and brings its schema up to what this program knows. A schema that is newer is refused.
func Open(ctx context.Context, url string) (*Store, error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	return open(ctx, url, files)
}

func open(ctx context.Context, url string, migrations fs.FS) (*Store, error) {
	steps, err := readMigrations(migrations)
	if err != nil {
		return nil, err
	}
	var e engine
	if strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://") {
		e, err = openPostgres(ctx, url, steps)
	} else {
		e, err = openSQLite(ctx, url, steps)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	return &Store{engine: e}, nil
}

// Close waits for what is in flight, then closes the database. Whatever begins after it gets ErrClosed.
func (s *Store) Close() error { return s.engine.close() }

// read runs fn with a tx for statements that only read. There is no transaction around them: each sees everything
// that was committed before it began, so two of them may see two states. What must agree is one statement. ctx counts
// while waiting for a connection.
func (s *Store) read(ctx context.Context, fn func(*tx) error) error {
	return s.engine.read(ctx, fn)
}

// write runs fn in a transaction, at READ COMMITTED or better, on the caller's goroutine. When it returns nil,
// everything fn wrote is on disk; when it returns an error nothing is there, except with ErrUnknownOutcome, after
// which nobody can say. An error or a panic of fn rolls back what it wrote and reaches the caller; so does an error of
// any of its statements, also one that fn swallowed.
//
// ctx counts until fn begins; from then on fn runs to its end, whatever becomes of ctx. fn may run more than once, as
// a transaction that met another is tried again, so it changes nothing but the database and variables it sets anew.
// A write inside a write gets ErrNested.
//
//go:noinline
func (s *Store) write(ctx context.Context, fn func(*tx) error) error {
	return s.engine.write(ctx, fn)
}

// insideWrite tells whether a write was begun inside a write, by the frames of write on this goroutine's stack: fn has no
// context of its own that could tell. It takes some microseconds, so that an engine asks only where a write inside a
// write would wait for itself.
func insideWrite() bool {
	var stack [256]uintptr
	n := 0
	for _, pc := range stack[:runtime.Callers(2, stack[:])] {
		if f := runtime.FuncForPC(pc - 1); f != nil && f.Entry() == writeEntry {
			n++
		}
	}
	return n > 1
}

var writeEntry = runtime.FuncForPC(reflect.ValueOf((*Store).write).Pointer()).Entry()
