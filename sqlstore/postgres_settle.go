package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// planning: every statement is written for an index. Each connection plans it once for that index, whatever its
// arguments are and however full the tables: docs/decisions/0011-plans.md.
const planning = `SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off;
	SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; `

// settingsFound reads a connection's settings before settle changes them, settingsKept reads them after that. They are
// set by statements, not while connecting, because PgBouncer refuses connection parameters that it does not know.
const (
	settingsFound = `SELECT pg_is_in_recovery()::text, current_setting('default_transaction_read_only'), pg_backend_pid()::text; `
	settingsKept  = `SHOW synchronous_commit; SHOW default_transaction_isolation; SHOW default_transaction_read_only; SHOW server_encoding; SHOW fsync; SHOW full_page_writes`
)

// settle sets up a new connection. It returns an error if the settings that durability and correctness depend on do not
// hold.
func (d *postgres) settle(ctx context.Context, c *pgconn.PgConn, readOnly string) error {
	script := settingsFound + `SET default_transaction_isolation = 'read committed'; SET synchronous_commit = on; SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'; ` + planning
	if readOnly == "on" { // otherwise it is only checked, so that a later change on the server still ends writing here
		script += `SET default_transaction_read_only = on; `
	}
	script += settingsKept
	results, err := c.Exec(ctx, script).ReadAll()
	if err != nil {
		return err
	}
	var said []string
	for _, r := range results {
		for _, row := range r.Rows {
			for _, value := range row {
				said = append(said, string(value))
			}
		}
	}
	if len(said) != 9 {
		return fmt.Errorf("sqlstore: unexpected settings of the database: %q", said)
	}
	if err := writable(said[0], said[1]); err != nil {
		return err
	}
	for i, want := range []string{"on", "read committed", readOnly, "UTF8", "on", "on"} {
		if said[3+i] != want {
			name := strings.Split(strings.ReplaceAll(settingsKept, "SHOW ", ""), "; ")[i]
			return fmt.Errorf("the database has %s = %s, but %s is required; change it on the server, and make sure that a pooler in front of it keeps the settings of each connection", name, said[3+i], want)
		}
	}
	if said[2] != fmt.Sprint(c.PID()) { // a pooler reports its own process ids
		d.pooled.Store(true)
	}
	return nil
}

func writable(inRecovery, readOnly string) error {
	switch {
	case inRecovery == "true":
		return errors.New("the database is a standby, which cannot be written to and may lag behind; connect to the primary (with several hosts in the URL, add target_session_attrs=read-write)")
	case readOnly == "on":
		return errors.New("the database is read-only: default_transaction_read_only is on; set it to off for the role, the database and the server")
	}
	return nil
}

// errPooling: a pooler gives each transaction another connection.
var errPooling = errors.New("the pooler in front of PostgreSQL gives each transaction another connection, which loses settings and prepared statements: in PgBouncer, set pool_mode = session for this database, or connect to PostgreSQL itself")

// checkPooler returns an error for a pooler that shares server connections between transactions. While one of our
// connections is idle, such a pooler gives its server connection to another one that begins a transaction.
func checkPooler(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, poolerTimeout)
	defer cancel()
	one, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer one.Release()
	other, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("the pooler in front of PostgreSQL gives no second connection: allow %d for each node: %w", 2*pool.Config().MaxConns, err)
	}
	defer other.Release()
	const whose = `SELECT pg_backend_pid()::text`
	for range 3 { // other clients may get in between once
		first, err := ask(ctx, one, whose)
		var second, again string
		if err == nil {
			second, err = ask(ctx, other, "BEGIN; "+whose)
		}
		if err == nil {
			again, err = ask(ctx, one, whose)
		}
		if err == nil {
			_, err = ask(ctx, other, "ROLLBACK")
		}
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
			return fmt.Errorf("%w: %w", errPooling, pg) // the pooler allows no transactions at all
		}
		if err != nil {
			return err
		}
		if first == second || first != again {
			_, _ = ask(ctx, one, "RESET ALL") // best effort, because other clients get the server connection
			return errPooling
		}
	}
	return nil
}

// poolerTimeout is how long the pooler may take to connect to the database.
const poolerTimeout = 10 * time.Second

// ask runs a script and returns the last value of its results.
func ask(ctx context.Context, c *pgxpool.Conn, script string) (value string, err error) {
	results, err := c.Conn().PgConn().Exec(ctx, script).ReadAll()
	for _, r := range results {
		for _, row := range r.Rows {
			value = string(row[0])
		}
	}
	return value, err
}
