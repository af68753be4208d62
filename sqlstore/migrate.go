package sqlstore

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
)

// readMigrations reads 0001.sql, 0002.sql, ...; a gap is an error. Step i migrates schema i to schema i+1. Open runs
// the missing ones in one transaction, under a lock. They never change after a release. migrations/README.md says how
// to write them so that both databases understand them.
func readMigrations(files fs.FS) ([]string, error) {
	names, err := fs.Glob(files, "*.sql") // in order
	if err != nil {
		return nil, err
	}
	var steps []string
	for i, name := range names {
		if n, err := strconv.Atoi(path.Base(name)[:len(path.Base(name))-len(".sql")]); err != nil || n != i+1 {
			return nil, fmt.Errorf("migration %s is not number %d", name, i+1)
		}
		sql, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		steps = append(steps, string(sql))
	}
	return steps, nil
}

const (
	createSchema = `CREATE TABLE schema_version (version INTEGER NOT NULL)`
	insertSchema = `INSERT INTO schema_version (version) VALUES (0)`
	readSchema   = `SELECT version FROM schema_version`
	updateSchema = `UPDATE schema_version SET version = %d`
)

func checkNotNewer(version, known int) error {
	if version > known {
		return fmt.Errorf("its schema is version %d, and this program knows only versions up to %d, so a newer Sallyport has used it: "+
			"install that version or restore a backup", version, known)
	}
	return nil
}

var (
	columnType   = regexp.MustCompile(`\b(TEXT|INTEGER|BLOB)\b`)
	tableOptions = regexp.MustCompile(`\)\s*(STRICT|WITHOUT ROWID)(\s*,\s*(STRICT|WITHOUT ROWID))*\s*;`)
)

// forPostgres translates a migration from SQLite's dialect to PostgreSQL's.
func forPostgres(sql string) string {
	// With free space on a row's page, an update need not touch the indexes.
	sql = tableOptions.ReplaceAllString(sql, ") WITH (fillfactor = 85);")
	return columnType.ReplaceAllStringFunc(sql, func(word string) string {
		return map[string]string{"TEXT": `TEXT COLLATE "C"`, "INTEGER": "BIGINT", "BLOB": "BYTEA"}[word]
	})
}
