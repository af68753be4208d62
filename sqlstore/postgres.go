package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sallyport-2fa/sallyport"
)

// postgres is the engine on PostgreSQL. Reads use separate, read-only connections, so that they never wait for writes.
type postgres struct {
	reads, writes *pgxpool.Pool
	shared        sharedReads
	closed        atomic.Bool
	pooled        atomic.Bool // connections go through a pooler
}

// postgresAttempts is how often a transaction is tried if it conflicts with another, or loses its connection before
// COMMIT.
const postgresAttempts = 5

func openPostgres(ctx context.Context, url string, steps []string) (_ *postgres, err error) {
	d := &postgres{}
	if d.writes, err = d.newPool(url, "off"); err != nil {
		return nil, err
	}
	if err = d.greet(ctx); err == nil {
		d.reads, err = d.newPool(url, "on")
	}
	if err == nil {
		go d.connect(ctx) // in parallel with checking the schema
		err = d.migrate(ctx, steps)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// greet makes the first connection, and checks the pooler if there is one.
func (d *postgres) greet(ctx context.Context) error {
	c, err := d.writes.Acquire(ctx)
	if err != nil {
		return err
	}
	c.Release()
	if d.pooled.Load() {
		return checkPooler(ctx, d.writes)
	}
	return nil
}

// connect makes the connection for the first read. It ignores errors, because that read will return them.
func (d *postgres) connect(ctx context.Context) {
	if c, err := d.reads.Acquire(ctx); err == nil {
		c.Release()
	}
}

func (d *postgres) newPool(url, readOnly string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err // pgx omits the password from it
	}
	if !strings.Contains(url, "pool_max_conns=") {
		config.MaxConns = int32(max(8, 4*runtime.GOMAXPROCS(0)))
	}
	config.ConnConfig.AfterConnect = func(ctx context.Context, c *pgconn.PgConn) error { return d.settle(ctx, c, readOnly) }
	return pgxpool.NewWithConfig(context.Background(), config)
}

func (d *postgres) close() error {
	d.closed.Store(true)
	for _, pool := range []*pgxpool.Pool{d.reads, d.writes} {
		if pool != nil {
			pool.Close()
		}
	}
	return nil
}

func (d *postgres) read(ctx context.Context, fn func(*tx) error) error {
	return fn(&tx{on: postgresReads{d, ctx}, store: d})
}

// postgresReads runs each statement on any free connection, and again on another if the connection was lost before the
// first row arrived.
type postgresReads struct {
	d   *postgres
	ctx context.Context
}

func (r postgresReads) exec(string, []any) error              { return errReadOnly }
func (r postgresReads) expect(string, []any) error            { return errReadOnly }
func (r postgresReads) affected(string, []any) (int64, error) { return 0, errReadOnly }

func (r postgresReads) query(sql string, args []any, each func([]cell) error) error {
	for attempt := 1; ; attempt++ {
		again, err := r.attempt(sql, args, each)
		if !again || attempt == postgresAttempts {
			return err
		}
		r.d.reads.Reset() // if the server has closed one connection, it has most likely closed all
	}
}

func (r postgresReads) attempt(sql string, args []any, each func([]cell) error) (again bool, err error) {
	c, err := r.d.take(r.ctx, r.d.reads)
	if err != nil {
		return false, err
	}
	defer c.release()
	begun := false
	err = c.query(sql, args, func(row []cell) error {
		begun = true
		return each(row)
	})
	return c.lost && !begun, err
}

func (d *postgres) take(ctx context.Context, pool *pgxpool.Pool) (*postgresConn, error) {
	c, err := takePostgresConn(ctx, pool)
	if err != nil && d.closed.Load() {
		return nil, ErrClosed
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", sallyport.ErrUnavailable, err)
	}
	return c, err
}

func (d *postgres) write(ctx context.Context, fn func(*tx) error) error {
	if insideWrite() {
		return ErrNested
	}
	for attempt := 1; ; attempt++ {
		again, err := d.attempt(ctx, fn)
		if !again || attempt == postgresAttempts {
			return err
		}
	}
}

// attempt runs fn in a transaction. again is true if another attempt may succeed.
func (d *postgres) attempt(ctx context.Context, fn func(*tx) error) (again bool, err error) {
	c, err := d.take(ctx, d.writes)
	if err != nil {
		return false, err
	}
	defer c.release()
	defer c.rollback() // does nothing after COMMIT
	if err := c.exec("BEGIN", nil); err != nil {
		return false, err
	}
	t := &tx{on: c, store: d, writes: true}
	if err = fn(t); err == nil {
		err = t.failed
	}
	if err == nil {
		err = c.commit()
	}
	if c.lost {
		d.writes.Reset()
	}
	return err != nil && !errors.Is(err, ErrUnknownOutcome) && (c.lost || conflict(c.failure)), err
}

func (c *postgresConn) commit() error {
	if len(c.queue) == 1 && c.TxStatus() == 'I' {
		return nil // there is only a BEGIN, and it was not sent
	}
	if err := c.exec("COMMIT", nil); err != nil {
		return err
	}
	_, err := c.send()
	if c.lost {
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	return err
}

// rollback ends a transaction that is still open.
func (c *postgresConn) rollback() {
	c.queue = nil
	if c.lost || c.TxStatus() == 'I' {
		return
	}
	if _, err := c.affected("ROLLBACK", nil); err != nil {
		c.lost = true
	}
}

// conflict reports whether a transaction failed only because it conflicted with another.
func conflict(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == pgSerializationFailure || pg.Code == pgDeadlockDetected || pg.Code == pgDivisionByZero)
}

// migrationLock is the key of the advisory lock under which a node migrates.
const migrationLock = 0x5a11_9047

// migrate brings the schema up to date. It checks without a lock first, because there is rarely anything to do.
func (d *postgres) migrate(ctx context.Context, steps []string) error {
	c, err := takePostgresConn(ctx, d.writes)
	if err != nil {
		return err
	}
	defer c.release()
	// The table usually exists. Reading it without checking that first takes a quarter of the time.
	version, err := c.readSchema()
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == pgUndefinedTable {
		version, err = -1, nil
	}
	if err != nil || version == len(steps) {
		return err
	}
	script := func(sql string) error { return c.Exec(ctx, sql).Close() }
	err = script(fmt.Sprintf("BEGIN; SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(%d)", migrationLock))
	if err != nil {
		return err
	}
	if err := c.migrateLocked(script, steps); err != nil {
		return errors.Join(err, script("ROLLBACK"))
	}
	return script("COMMIT")
}

func (c *postgresConn) migrateLocked(script func(string) error, steps []string) error {
	version, err := c.schema() // again, because another node may have migrated it
	if err == nil {
		err = checkNotNewer(version, len(steps))
	}
	if err == nil && version < 0 {
		version = 0
		err = script(forPostgres(createSchema) + ";" + insertSchema)
	}
	for i := version; i < len(steps) && err == nil; i++ {
		if err = script(forPostgres(steps[i])); err != nil {
			err = fmt.Errorf("migration %d: %w", i+1, err)
		}
	}
	if err != nil {
		return err
	}
	return script(fmt.Sprintf(updateSchema, len(steps)))
}

// schema returns the version of the schema in the database, -1 if there is none yet.
func (c *postgresConn) schema() (version int, err error) {
	there := false
	// Not to_regclass: its answer may be older than the statement.
	err = c.query(`SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'schema_version'`, nil,
		func([]cell) error {
			there = true
			return nil
		})
	if err != nil || !there {
		return -1, err
	}
	return c.readSchema()
}

func (c *postgresConn) readSchema() (version int, err error) {
	err = c.query(readSchema, nil, func(row []cell) error {
		version = int(row[0].int)
		return nil
	})
	return version, err
}
