package sqlstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgresConn is one connection from a pool, with a pipeline: queued statements are sent together with the next one
// that returns something.
type postgresConn struct {
	*pgconn.PgConn
	pooled   *pgxpool.Conn
	prepared *postgresPrepared
	queue    []postgresStatement
	row      []cell
	failure  error // the first error of a statement
	lost     bool  // the connection can no longer be used
}

type postgresStatement struct {
	sql     string
	params  [][]byte
	formats []int16
	each    func([]cell) error // nil: the rows are discarded
}

// postgresPrepared are the prepared statements of a connection. They last as long as the connection.
type postgresPrepared struct {
	statements map[string]*pgconn.StatementDescription
	named      int // number of names used so far
}

// postgresTimeout bounds how long an answer may take, to detect a server that disappeared silently. The server itself
// cancels statements earlier (statement_timeout).
const postgresTimeout = 40 * time.Second

func takePostgresConn(ctx context.Context, pool *pgxpool.Pool) (*postgresConn, error) {
	pooled, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	c := &postgresConn{pooled: pooled, PgConn: pooled.Conn().PgConn()}
	const key = "sallyport prepared"
	var known bool
	if c.prepared, known = c.CustomData()[key].(*postgresPrepared); !known {
		c.prepared = &postgresPrepared{statements: make(map[string]*pgconn.StatementDescription)}
		c.CustomData()[key] = c.prepared
	}
	return c, nil
}

// release returns the connection to its pool. The pool discards one that is in a transaction or is closed.
func (c *postgresConn) release() {
	if err := c.Conn().SetDeadline(time.Time{}); err != nil {
		c.lost = true
	}
	if c.lost || len(c.prepared.statements) > maxStatements {
		c.hangUp()
	}
	c.pooled.Release()
}

// hangUp closes the connection without waiting for the server.
func (c *postgresConn) hangUp() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = c.Close(ctx) // the connection is of no further use
}

// exec queues a statement.
func (c *postgresConn) exec(sql string, args []any) error { return c.put(sql, args, nil) }

// expect queues a statement that fails in the server if it affects no row, so that COMMIT can be sent with it.
func (c *postgresConn) expect(sql string, args []any) error {
	return c.exec(`WITH hit AS (`+sql+` RETURNING 1) SELECT 1 / count(*) FROM hit`, args)
}

// ask queues a statement, and calls each with its rows once it is sent.
func (c *postgresConn) ask(sql string, args []any, each func([]cell) error) (version, error) {
	return "", c.put(sql, args, each)
}

func (c *postgresConn) put(sql string, args []any, each func([]cell) error) error {
	s := postgresStatement{sql: sql, params: make([][]byte, len(args)), formats: make([]int16, len(args)), each: each}
	for i, arg := range args {
		v, err := toCell(arg)
		if err != nil {
			return err
		}
		switch v.kind {
		case integer:
			s.params[i] = strconv.AppendInt(nil, v.int, 10)
		case text:
			s.params[i] = v.bytes
		case blob:
			s.params[i] = append([]byte{}, v.bytes...)
			s.formats[i] = pgtype.BinaryFormatCode
		}
	}
	c.queue = append(c.queue, s)
	return nil
}

func (c *postgresConn) affected(sql string, args []any) (int64, error) {
	if err := c.exec(sql, args); err != nil {
		return 0, err
	}
	return c.send()
}

func (c *postgresConn) query(sql string, args []any, each func([]cell) error) error {
	if err := c.put(sql, args, each); err != nil {
		return err
	}
	_, err := c.send()
	return err
}

// send sends the queue, reads all answers, and returns how many rows the last statement affected. It stops at the first
// error: the server skips the statements after it.
func (c *postgresConn) send() (affected int64, err error) {
	queue := c.queue
	c.queue = nil
	var failed string
	var ofRow error
	if err = c.Conn().SetDeadline(time.Now().Add(postgresTimeout)); err == nil {
		pipe := c.StartPipeline(context.Background())
		preparing := c.sendAll(pipe, queue)
		err = pipe.Sync()
		for i := 0; i < len(queue) && err == nil; i++ {
			affected, err = c.receive(pipe, preparing[i], func(rows *pgconn.ResultReader) {
				if queue[i].each == nil || ofRow != nil {
					return
				}
				if ofRow = c.cells(rows); ofRow == nil {
					ofRow = queue[i].each(c.row)
				}
			})
			failed = queue[i].sql
		}
		if closed := pipe.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		c.failure = err
		c.lost = c.IsClosed() || lostConnection(err)
		return 0, during(failed, postgresError(err))
	}
	return affected, ofRow
}

// sendAll returns for each statement the description that is being prepared, or nil if it was prepared before.
func (c *postgresConn) sendAll(pipe *pgconn.Pipeline, queue []postgresStatement) []*pgconn.StatementDescription {
	preparing := make([]*pgconn.StatementDescription, len(queue))
	for i, s := range queue {
		known := c.prepared.statements[s.sql]
		if known != nil {
			pipe.SendQueryStatement(known, s.params, s.formats, binaryResults)
			continue
		}
		c.prepared.named++
		preparing[i] = &pgconn.StatementDescription{Name: "s" + strconv.Itoa(c.prepared.named), SQL: s.sql}
		pipe.SendPrepare(preparing[i].Name, s.sql, nil)
		pipe.SendQueryPrepared(preparing[i].Name, s.params, s.formats, binaryResults)
	}
	return preparing
}

var binaryResults = []int16{pgtype.BinaryFormatCode}

// receive reads the answers to one statement.
func (c *postgresConn) receive(pipe *pgconn.Pipeline, preparing *pgconn.StatementDescription,
	each func(*pgconn.ResultReader)) (affected int64, err error) {
	result, err := pipe.GetResults()
	if description, ok := result.(*pgconn.StatementDescription); ok && err == nil {
		preparing.ParamOIDs, preparing.Fields = description.ParamOIDs, description.Fields
		c.prepared.statements[preparing.SQL] = preparing
		result, err = pipe.GetResults()
	}
	if err != nil {
		return 0, err
	}
	rows, ok := result.(*pgconn.ResultReader)
	if !ok {
		return 0, fmt.Errorf("sqlstore: unexpected result %T", result)
	}
	for rows.NextRow() {
		each(rows)
	}
	tag, err := rows.Close()
	return tag.RowsAffected(), err
}

// cells decodes the current row into c.row.
func (c *postgresConn) cells(rows *pgconn.ResultReader) error {
	c.row = c.row[:0]
	fields := rows.FieldDescriptions()
	for i, b := range rows.Values() {
		v := cell{}
		switch oid := fields[i].DataTypeOID; {
		case b == nil:
		case oid == pgtype.Int8OID:
			v = cell{kind: integer, int: int64(binary.BigEndian.Uint64(b))}
		case oid == pgtype.Int4OID:
			v = cell{kind: integer, int: int64(int32(binary.BigEndian.Uint32(b)))}
		case oid == pgtype.BoolOID:
			v = cell{kind: integer, int: int64(b[0])}
		case oid == pgtype.TextOID || oid == pgtype.VarcharOID || oid == pgtype.NameOID:
			v = cell{kind: text, bytes: b}
		case oid == pgtype.ByteaOID:
			v = cell{kind: blob, bytes: b}
		default:
			return fmt.Errorf("sqlstore: column %s has an unknown type (%d): CAST it", fields[i].Name, oid)
		}
		c.row = append(c.row, v)
	}
	return nil
}

// lostConnection reports whether err is an error of the connection, including one with which the server ends it, rather
// than of a statement. A prepared statement whose plan has changed, by another node's migration, counts too, because a
// new connection solves it.
func lostConnection(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return !ok || pg.Severity == "FATAL" || pg.Severity == "PANIC" || pg.Code == pgPlanChanged
}
