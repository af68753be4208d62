package sqlstore_test

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/sallyport-2fa/sallyport/sallyporttest"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// The promises of the engines, on both databases, with tables for these tests.

var schema = fstest.MapFS{"0001.sql": {Data: []byte(`
CREATE TABLE counters (id TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE people (
	workspace TEXT NOT NULL, id TEXT NOT NULL, address TEXT, secret BLOB, age INTEGER,
	PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX people_address ON people (workspace, address);
CREATE TABLE pets (owner TEXT NOT NULL REFERENCES counters (id), name TEXT NOT NULL) STRICT;
CREATE TABLE pages (bytes BLOB NOT NULL) STRICT;
INSERT INTO counters (id, n) VALUES ('a', 0);
`)}}

// onBoth runs a test on an SQLite file and on a PostgreSQL database, and passes it their URL.
func onBoth(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, sqliteFile(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, sallyporttest.Postgres(t)) })
}

func sqliteFile(t testing.TB) string { return filepath.Join(t.TempDir(), "sallyport.db") }

func open(t testing.TB, url string) *sqlstore.Store { return openWith(t, url, schema) }

func openWith(t testing.TB, url string, migrations fs.FS) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.OpenWith(t.Context(), url, migrations)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func increment(tx *sqlstore.Tx) error {
	var n int64
	found, err := tx.Row("UPDATE counters SET n = n + 1 WHERE id = $1 RETURNING n", []any{"a"}, &n)
	if err == nil && !found {
		err = errors.New("no counter")
	}
	return err
}

func counter(t testing.TB, s *sqlstore.Store) (n int64) {
	t.Helper()
	err := s.ReadSQL(t.Context(), func(tx *sqlstore.Tx) error {
		_, err := tx.Row("SELECT n FROM counters WHERE id = $1", []any{"a"}, &n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func wantCounter(t testing.TB, s *sqlstore.Store, want int64) {
	t.Helper()
	if got := counter(t, s); got != want {
		t.Errorf("the counter is %d, want %d", got, want)
	}
}

func TestValues(t *testing.T) {
	type role string
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		secret := []byte{0, 255, 1}
		address := "a@example.com"
		err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
			insert := "INSERT INTO people (workspace, id, address, secret, age) VALUES ($1, $2, $3, $4, $5)"
			return errors.Join(
				tx.Exec(insert, "w", role("full"), &address, secret, int64(1)<<60),
				tx.Exec(insert, "w", "nulls", (*string)(nil), []byte(nil), nil),
				tx.Exec(insert, "w", "empty", "", []byte{}, true))
		})
		if err != nil {
			t.Fatal(err)
		}
		type person struct {
			id      role
			address *string
			secret  []byte
			age     *int64
		}
		var got []person
		err = s.ReadSQL(t.Context(), func(tx *sqlstore.Tx) error {
			// $2 before $1, and $1 twice.
			return tx.Rows(`SELECT id, address, secret, age FROM people WHERE id <> $2 AND workspace = $1
				AND workspace = $1 ORDER BY id`, []any{"w", "nobody"}, func(scan func(...any) error) error {
				var p person
				if err := scan(&p.id, &p.address, &p.secret, &p.age); err != nil {
					return err
				}
				got = append(got, p)
				return nil
			})
		})
		if err != nil || len(got) != 3 {
			t.Fatalf("%v, %v", got, err)
		}
		if p := got[0]; p.id != "empty" || *p.address != "" || p.secret == nil || len(p.secret) != 0 || *p.age != 1 {
			t.Errorf("empty: %+v", p)
		}
		if p := got[1]; p.id != "full" || *p.address != address || !bytes.Equal(p.secret, secret) || *p.age != 1<<60 {
			t.Errorf("full: %+v", p)
		}
		if p := got[2]; p.id != "nulls" || p.address != nil || p.secret != nil || p.age != nil {
			t.Errorf("nulls: %+v", p)
		}
	})
}

// Text is compared by bytes: upper case first, then lower case, then accented letters.
func TestTextIsComparedByBytes(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		var got string
		err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
			for _, id := range []string{"é", "b", "Z", "a"} {
				if err := tx.Exec("INSERT INTO people (workspace, id) VALUES ($1, $2)", "w", id); err != nil {
					return err
				}
			}
			got = ""
			return tx.Rows("SELECT id FROM people ORDER BY id", nil, func(scan func(...any) error) error {
				var id string
				err := scan(&id)
				got += id
				return err
			})
		})
		if err != nil || got != "Zabé" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestMistakesInStatements(t *testing.T) {
	cases := map[string]func(tx *sqlstore.Tx) error{
		"several rows": func(tx *sqlstore.Tx) error {
			var n int64
			_, err := tx.Row("SELECT 1 UNION ALL SELECT 2", nil, &n)
			return err
		},
		"too few destinations": func(tx *sqlstore.Tx) error {
			var n int64
			_, err := tx.Row("SELECT n, id FROM counters", nil, &n)
			return err
		},
		"NULL into a string": func(tx *sqlstore.Tx) error {
			var s string
			_, err := tx.Row("SELECT CAST(NULL AS TEXT)", nil, &s)
			return err
		},
		"text into a number": func(tx *sqlstore.Tx) error {
			var n int64
			_, err := tx.Row("SELECT id FROM counters", nil, &n)
			return err
		},
		"no such table": func(tx *sqlstore.Tx) error { return tx.Rows("SELECT 1 FROM nowhere", nil, nil) },
		"a missing argument": func(tx *sqlstore.Tx) error {
			return tx.Rows("SELECT n FROM counters WHERE id = $1", nil, nil)
		},
		"a statement inside rows": func(tx *sqlstore.Tx) error {
			return tx.Rows("SELECT n FROM counters", nil, func(func(...any) error) error {
				return tx.Rows("SELECT n FROM counters", nil, nil)
			})
		},
	}
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		for name, do := range cases {
			if err := s.ReadSQL(t.Context(), do); err == nil {
				t.Errorf("%s: no error from Read", name)
			}
			err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
				if err := increment(tx); err != nil {
					return err
				}
				_ = do(tx) // the error is ignored, but still nothing may be committed
				return nil
			})
			if err == nil {
				t.Errorf("%s: no error from Write", name)
			}
			wantCounter(t, s, 0)
		}
	})
}

func TestReadCannotWrite(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		for name, do := range map[string]func(tx *sqlstore.Tx) error{
			"row":      increment,
			"exec":     func(tx *sqlstore.Tx) error { return tx.Exec("UPDATE counters SET n = 1") },
			"affected": func(tx *sqlstore.Tx) error { _, err := tx.Affected("UPDATE counters SET n = 1"); return err },
		} {
			if err := s.ReadSQL(t.Context(), do); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		wantCounter(t, s, 0)
	})
}

func TestDuplicateKeys(t *testing.T) {
	insert := "INSERT INTO people (workspace, id, address) VALUES ($1, $2, $3)"
	cases := []struct {
		id, address, key string
	}{
		{"1", "other@example.com", "people_pkey"},
		{"2", "one@example.com", "people_address"},
	}
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
			return tx.Exec(insert, "w", "1", "one@example.com")
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			atOnce := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
				_, err := tx.Affected(insert, "w", c.id, c.address)
				if !sqlstore.Duplicate(err, c.key) {
					t.Errorf("%s, at once: %v", c.key, err)
				}
				return err
			})
			inTheEnd := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
				return errors.Join(increment(tx), tx.Exec(insert, "w", c.id, c.address))
			})
			for _, err := range []error{atOnce, inTheEnd} {
				if !sqlstore.Duplicate(err, c.key) || sqlstore.Duplicate(err, "another") {
					t.Errorf("%s: %v", c.key, err)
				}
			}
		}
		wantCounter(t, s, 0)
	})
}

func TestForeignKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
			return tx.Exec("INSERT INTO pets (owner, name) VALUES ('nobody', 'Rex')")
		})
		if err == nil {
			t.Error("a row whose foreign key refers to no row was inserted")
		}
	})
}

func TestMigrations(t *testing.T) {
	two := fstest.MapFS{"0001.sql": schema["0001.sql"], "0002.sql": {Data: []byte(
		`CREATE TABLE more (id TEXT) STRICT; UPDATE counters SET n = n + 10;`)}}
	wrong := fstest.MapFS{"0001.sql": schema["0001.sql"], "0002.sql": {Data: []byte(
		`UPDATE counters SET n = 99; CREATE TABLE counters (id TEXT);`)}}
	gap := fstest.MapFS{"0001.sql": schema["0001.sql"], "0003.sql": schema["0001.sql"]}
	onBoth(t, func(t *testing.T, url string) {
		var all sync.WaitGroup
		for range 8 { // concurrently, on an empty database
			all.Go(func() { open(t, url) })
		}
		all.Wait()
		for _, bad := range []fs.FS{wrong, gap} {
			if s, err := sqlstore.OpenWith(t.Context(), url, bad); err == nil {
				t.Error("opened with a migration that fails", s.Close())
			}
		}
		wantCounter(t, open(t, url), 0)
		for range 2 { // it runs only once
			wantCounter(t, openWith(t, url, two), 10)
		}
		s, err := sqlstore.OpenWith(t.Context(), url, schema)
		if err == nil {
			t.Fatal("opened a schema that is too new", s.Close())
		}
		if !strings.Contains(err.Error(), "schema is version 2") {
			t.Errorf("%v", err)
		}
	})
}

// While the version stays the same, data read after it is still true. After a commit by anyone, the next read of the
// version gives another.
func TestVersion(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		here, there := open(t, url), open(t, url)
		look := func() (v sqlstore.State) {
			t.Helper()
			err := here.ReadSQL(t.Context(), func(tx *sqlstore.Tx) (err error) {
				v, err = tx.Version()
				return err
			})
			if err != nil || v == "" {
				t.Fatalf("version %q, %v", v, err)
			}
			return v
		}
		for _, s := range []*sqlstore.Store{here, there} {
			before := look()
			if look() != before && !strings.HasPrefix(url, "postgres") { // where other tests write at the same time
				t.Error("it changed without a commit")
			}
			var within sqlstore.State
			if err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
				err := increment(tx)
				within = look()
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if now := look(); now == before || now == within {
				t.Error("it did not change after a commit")
			}
		}
	})
}
