package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/jackc/pgx/v5"
)

// bulk fills tables without the product, in the fastest way that each database has: COPY, or one transaction of statements with
// many rows. It drops the indexes first and creates them again afterwards.
type bulk struct {
	postgres *pgx.Conn // if nil, sqlite is used
	sqlite   *sql.DB
}

func openBulk(ctx context.Context, database string) (b bulk, err error) {
	if isPostgres(database) {
		b.postgres, err = pgx.Connect(ctx, database)
		return b, err
	}
	b.sqlite, err = sql.Open("sqlite", "file:"+database+"?_pragma=busy_timeout(60000)&_pragma=synchronous(OFF)&_pragma=cache_size(-400000)")
	if err == nil {
		b.sqlite.SetMaxOpenConns(1) // so that a PRAGMA applies to the statements after it
	}
	return b, err
}

func isPostgres(database string) bool { return strings.HasPrefix(database, "postgres:") }

func (b bulk) close(ctx context.Context) error {
	if b.postgres != nil {
		return b.postgres.Close(ctx)
	}
	return b.sqlite.Close()
}

func (b bulk) exec(ctx context.Context, statement string) error {
	if b.postgres != nil {
		_, err := b.postgres.Exec(ctx, statement)
		return err
	}
	_, err := b.sqlite.ExecContext(ctx, statement)
	return err
}

// texts returns the single column of a query's result.
func (b bulk) texts(ctx context.Context, query string) (all []string, err error) {
	if b.postgres != nil {
		rows, err := b.postgres.Query(ctx, query)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowTo[string])
	}
	rows, err := b.sqlite.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// fill inserts rows into a table.
func (b bulk) fill(ctx context.Context, table string, columns []string, rows iter.Seq[[]any]) error {
	indexes, names := `SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = '`+table+`'`,
		`SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = '`+table+`'`
	if b.postgres != nil {
		const not = ` AND right(indexname, 5) <> '_pkey'`
		indexes, names = `SELECT indexdef FROM pg_indexes WHERE tablename = '`+table+`'`+not, `SELECT indexname FROM pg_indexes WHERE tablename = '`+table+`'`+not
	}
	making, err := b.texts(ctx, indexes)
	if err != nil {
		return err
	}
	dropped, err := b.texts(ctx, names)
	if err != nil {
		return err
	}
	estimates, err := b.estimates(ctx)
	if err != nil {
		return err
	}
	for _, name := range dropped {
		if err := b.exec(ctx, "DROP INDEX "+name); err != nil {
			return err
		}
	}
	if b.postgres != nil {
		err = b.copy(ctx, table, columns, rows)
	} else {
		err = b.insert(ctx, table, columns, rows)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", table, err)
	}
	for _, statement := range append(making, estimates...) {
		if err := b.exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// estimates returns statements that restore the statistics of SQLite, which are dropped with an index. The last two make
// open connections read them.
func (b bulk) estimates(ctx context.Context) ([]string, error) {
	if b.postgres != nil {
		return nil, nil
	}
	all, err := b.texts(ctx, `SELECT 'INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (' || quote(tbl) || ', ' || quote(idx) || ', ' || quote(stat) || ')' FROM sqlite_stat1`)
	all = append([]string{"DELETE FROM sqlite_stat1"}, all...)
	return append(all, "CREATE TABLE changes_the_schema (x)", "DROP TABLE changes_the_schema"), err
}

func (b bulk) copy(ctx context.Context, table string, columns []string, rows iter.Seq[[]any]) error {
	next, stop := iter.Pull(rows)
	defer stop()
	_, err := b.postgres.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		row, _ := next() // nil at the end
		return row, nil
	}))
	return err
}

// rowsAtOnce is the number of rows per statement.
const rowsAtOnce = 100

func (b bulk) insert(ctx context.Context, table string, columns []string, rows iter.Seq[[]any]) (err error) {
	tx, err := b.sqlite.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	into := "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES "
	one := "(?" + strings.Repeat(", ?", len(columns)-1) + ")"
	many, err := tx.PrepareContext(ctx, into+one+strings.Repeat(", "+one, rowsAtOnce-1))
	if err != nil {
		return err
	}
	var waiting []any
	for row := range rows {
		if waiting = append(waiting, row...); len(waiting) < rowsAtOnce*len(columns) {
			continue
		}
		if _, err := many.ExecContext(ctx, waiting...); err != nil {
			return err
		}
		waiting = waiting[:0]
	}
	for ; len(waiting) > 0; waiting = waiting[len(columns):] {
		if _, err := tx.ExecContext(ctx, into+one, waiting[:len(columns)]...); err != nil {
			return err
		}
	}
	return tx.Commit()
}
