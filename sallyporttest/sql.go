package sallyporttest

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// raw returns a separate connection pool to the Service's database.
func (e *Env) raw() *sql.DB {
	e.T.Helper()
	e.beside.once.Do(func() {
		driver := "sqlite"
		address := "file:" + e.Database + "?_pragma=busy_timeout(10000)"
		if e.Postgres() {
			driver, address = "pgx", e.Database
		}
		db, err := sql.Open(driver, address)
		e.Check(err)
		e.T.Cleanup(func() { db.Close() })
		e.beside.db = db
	})
	return e.beside.db
}

type beside struct {
	once sync.Once
	db   *sql.DB
}

// Postgres reports whether the database is PostgreSQL.
func (e *Env) Postgres() bool { return strings.HasPrefix(e.Database, "postgres") }

// Exec changes the database without the Service, as an attacker or another process might. Placeholders are $1, $2, ...
// It returns the number of changed rows.
func (e *Env) Exec(query string, args ...any) int {
	e.T.Helper()
	res, err := e.raw().Exec(query, args...)
	e.Check(err)
	n, err := res.RowsAffected()
	e.Check(err)
	return int(n)
}

// Query returns all rows of a query, with each cell as text. Blobs are returned byte for byte, NULL as "NULL".
func (e *Env) Query(query string, args ...any) (all [][]string) {
	e.T.Helper()
	rows, err := e.raw().Query(query, args...)
	e.Check(err)
	defer rows.Close()
	columns, err := rows.Columns()
	e.Check(err)
	for rows.Next() {
		cells := make([]any, len(columns))
		for i := range cells {
			cells[i] = new(any)
		}
		e.Check(rows.Scan(cells...))
		row := make([]string, len(columns))
		for i, c := range cells {
			row[i] = cellText(*c.(*any))
		}
		all = append(all, row)
	}
	e.Check(rows.Err())
	return all
}

func cellText(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		return string(v)
	}
	return fmt.Sprint(v)
}

// Tables returns the names of the tables of the database.
func (e *Env) Tables() (names []string) {
	e.T.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`
	if e.Postgres() {
		query = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name`
	}
	for _, row := range e.Query(query) {
		names = append(names, row[0])
	}
	return names
}

// Dump returns every row of the database, one per line, sorted, without the tables in except.
func (e *Env) Dump(except ...string) string {
	e.T.Helper()
	var lines []string
	for _, table := range e.Tables() {
		if slices.Contains(except, table) {
			continue
		}
		for _, row := range e.Query(`SELECT * FROM ` + table) {
			lines = append(lines, fmt.Sprintf("%s %q", table, row))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
