// Package sqlstore stores Sallyport's data in SQLite or PostgreSQL, with one set of hand-written SQL.
//
// Its files:
//
//	open.go         Open, Close, and what a Store promises
//	tx.go           tx: the methods with which the files of the concepts run SQL
//	bind.go         conversion of parameters and columns
//	error.go        the meaning of database errors
//	sqlite.go       one writer that commits in groups, a pool of readers; sqlite_conn.go is one connection,
//	                sqlite_checkpoint.go copies the log into the database file in the background
//	turnstile.go    how processes that write to the same SQLite file take turns
//	postgres.go     transactions in as few round trips as possible; postgres_conn.go is one connection,
//	                postgres_shared.go sends concurrent queries together
//	migrate.go      the schema, forward only
//	version.go      detects on SQLite whether anything has been written; presence.go caches with it
//
// and one file per concept, under the name it has in package sallyport.
//
// # Rules for SQL
//
// Placeholders are $1, $2, ...; each may be used several times. Times are Unix milliseconds, booleans are 0 and 1, both
// in INTEGER columns. The text of a statement is a constant or one of a few variants: each connection prepares it once
// and keeps it. Anything that may happen only once is one conditional UPDATE, and the number of changed rows decides. A
// Write begins by locking the row it is about (the user, the workspace). On SQLite, which has one writer, it has locked
// them all.
package sqlstore

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"reflect"
	"runtime"
	"strings"

	"github.com/sallyport-2fa/sallyport"
)

//go:embed migrations
var migrationFiles embed.FS

// Store is an open database. It is safe for concurrent use, and other processes may have the same database open (a
// command next to the server, other nodes on the same PostgreSQL).
type Store struct {
	engine    engine
	presences presences[sallyport.Presence]
	visits    presences[sallyport.AppPresence]
}

// engine is what differs between the two databases.
type engine interface {
	read(ctx context.Context, fn func(*tx) error) error
	write(ctx context.Context, fn func(*tx) error) error
	version() (version, error)
	undoneGroups() (groups, repeated int64)
	close() error
}

// Open opens the database at url, which is a postgres:// URL or the path of an SQLite file, and migrates its schema to
// the version that this program knows. It creates a missing SQLite file, readable only by its owner. A newer schema is
// an error.
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

// UndoneGroups returns how many groups of Writes were undone since Open, because one of them failed after it had written,
// and how many Writes ran again because of that. PostgreSQL has no groups.
func (s *Store) UndoneGroups() (groups, repeated int64) { return s.engine.undoneGroups() }

// Close waits for transactions in flight, then closes the database. Later calls of Read and Write return ErrClosed.
func (s *Store) Close() error { return s.engine.close() }

// read runs fn with a tx for statements that only read. They are not in a transaction: each sees everything committed
// before it began, so two statements may see two states. Data that must be consistent is read by one statement. ctx
// limits only the wait for a connection.
func (s *Store) read(ctx context.Context, fn func(*tx) error) error {
	return s.engine.read(ctx, fn)
}

// write runs fn in a transaction, at READ COMMITTED or stricter, on the caller's goroutine. When it returns nil,
// everything fn wrote is on disk. When it returns an error, nothing was written, except for ErrUnknownOutcome, after
// which the outcome is not known. An error or a panic of fn rolls back what it wrote and reaches the caller. So does an
// error of any of its statements, even if fn ignored it.
//
// ctx limits only the wait until fn begins; fn then runs to its end. fn may run more than once, because a transaction
// that conflicts with another is retried, so it must change nothing but the database and variables that it sets again
// on each run. A write inside a write returns ErrNested.
//
//go:noinline
func (s *Store) write(ctx context.Context, fn func(*tx) error) error {
	return s.engine.write(ctx, fn)
}

// insideWrite reports whether a write was begun inside a write. It counts the frames of write on this goroutine's
// stack, because fn gets no context that could carry a mark. That takes some microseconds, so an engine calls it only
// if a write inside a write would wait for itself.
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
