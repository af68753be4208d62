package sqlstore_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/sallyport-2fa/sallyport/sallyporttest"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// A workspace of a realistic size: 20,000 people with a session each, and a transaction like that of a sign-in.
var benchSchema = fstest.MapFS{"0001.sql": {Data: []byte(`
CREATE TABLE w (id TEXT PRIMARY KEY, name TEXT, host TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE p (w TEXT PRIMARY KEY, mode TEXT, days INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE u (w TEXT, id TEXT, epoch INTEGER, role TEXT, state TEXT, name TEXT, address TEXT, PRIMARY KEY (w, id))
	STRICT, WITHOUT ROWID;
CREATE TABLE s (w TEXT, u TEXT, id BLOB, epoch INTEGER, seen INTEGER, proofs TEXT, b TEXT, PRIMARY KEY (w, u, id))
	STRICT, WITHOUT ROWID;
CREATE TABLE b (w TEXT, u TEXT, id TEXT, seen INTEGER, PRIMARY KEY (w, u, id)) STRICT, WITHOUT ROWID;
CREATE TABLE e (w TEXT, id TEXT, u TEXT, kind TEXT, at INTEGER, body TEXT, PRIMARY KEY (w, id)) STRICT, WITHOUT ROWID;
CREATE INDEX e_u ON e (w, u, at);
`)}}

const benchPeople = 20_000

var benchRow atomic.Int64

func benchOnBoth(b *testing.B, bench func(b *testing.B, s *sqlstore.Store)) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": sqliteFile, "postgres": sallyporttest.Postgres} {
		b.Run(name, func(b *testing.B) {
			s := openWith(b, url(b), benchSchema)
			err := s.WriteSQL(b.Context(), func(tx *sqlstore.Tx) error {
				err := errors.Join(tx.Exec("INSERT INTO w VALUES ('w', 'Acme', 'acme.example')"),
					tx.Exec("INSERT INTO p VALUES ('w', 'everyone', 14)"))
				for i := 0; i < benchPeople && err == nil; i++ {
					err = errors.Join(
						tx.Exec("INSERT INTO u VALUES ('w', $1, 3, 'member', 'active', 'A Name', $2)", person(i), person(i)+"@x.y"),
						tx.Exec("INSERT INTO b VALUES ('w', $1, 'brw', 0)", person(i)),
						tx.Exec("INSERT INTO s VALUES ('w', $1, $2, 3, 0, '[]', 'brw')", person(i), []byte(person(i))))
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			before := processorTime(b)
			bench(b, s)
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// processorTime returns the CPU time that this process has used, in nanoseconds. On a shared machine it says more than
// the clock.
func processorTime(b *testing.B) int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}

func person(i int) string { return fmt.Sprintf("usr_%022d", i%benchPeople) }

func BenchmarkReadOneRow(b *testing.B) {
	benchOnBoth(b, func(b *testing.B, s *sqlstore.Store) {
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				read(b, s, "SELECT name FROM u WHERE w = $1 AND id = $2", "w", person(i))
			}
		})
	})
}

func BenchmarkReadFiveTables(b *testing.B) {
	benchOnBoth(b, func(b *testing.B, s *sqlstore.Store) {
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				read(b, s, `SELECT u.name, s.id, s.epoch, s.seen, s.proofs, u.epoch, u.role, u.state, u.address, w.name, w.host,
					p.mode, p.days, b.id, b.seen FROM s JOIN u ON u.w = s.w AND u.id = s.u JOIN w ON w.id = s.w
					JOIN p ON p.w = s.w LEFT JOIN b ON b.w = s.w AND b.u = s.u AND b.id = s.b
					WHERE s.w = $1 AND s.u = $2 AND s.id = $3`, "w", person(i), []byte(person(i)))
			}
		})
	})
}

// read reads all columns, of which the first is a name.
func read(b *testing.B, s *sqlstore.Store, sql string, args ...any) {
	err := s.ReadSQL(b.Context(), func(tx *sqlstore.Tx) error {
		return tx.Rows(sql, args, func(scan func(...any) error) error {
			var name, proofs, role, state, address, workspace, host, mode string
			var browser *string
			var id []byte
			var epoch, seen, of, days int64
			var last *int64
			if len(args) == 2 {
				return scan(&name)
			}
			return scan(&name, &id, &epoch, &seen, &proofs, &of, &role, &state, &address, &workspace, &host, &mode, &days,
				&browser, &last)
		})
	})
	if err != nil {
		b.Error(err)
	}
}

func BenchmarkVersion(b *testing.B) {
	s := open(b, sqliteFile(b))
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.ReadSQL(b.Context(), func(tx *sqlstore.Tx) error { _, err := tx.Version(); return err }); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkWriteAlone(b *testing.B) {
	benchOnBoth(b, func(b *testing.B, s *sqlstore.Store) {
		for i := range b.N {
			write(b, s, i)
		}
	})
}

func BenchmarkWrite32(b *testing.B) {
	benchOnBoth(b, func(b *testing.B, s *sqlstore.Store) {
		b.SetParallelism(16)
		var n atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				write(b, s, int(n.Add(1)))
			}
		})
	})
}

// write runs ten statements: it locks the user's row, then does three reads, three updates and three inserts.
func write(b *testing.B, s *sqlstore.Store, i int) {
	who, row := person(i), fmt.Sprintf("evt_%022d", benchRow.Add(1))
	err := s.WriteSQL(b.Context(), func(tx *sqlstore.Tx) error {
		var name string
		var n int64
		if _, err := tx.Row("UPDATE u SET epoch = epoch WHERE w = $1 AND id = $2 RETURNING name", []any{"w", who}, &name); err != nil {
			return err
		}
		for _, sql := range []string{
			"SELECT days FROM p WHERE w = $1 AND $2 <> ''",
			"SELECT epoch FROM u WHERE w = $1 AND id = $2",
			"SELECT seen FROM b WHERE w = $1 AND u = $2",
		} {
			if _, err := tx.Row(sql, []any{"w", who}, &n); err != nil {
				return err
			}
		}
		return errors.Join(
			tx.Exec("UPDATE b SET seen = $3 WHERE w = $1 AND u = $2", "w", who, i),
			tx.Exec("UPDATE s SET seen = $4 WHERE w = $1 AND u = $2 AND id = $3", "w", who, []byte(who), i),
			tx.Exec("UPDATE u SET state = 'active' WHERE w = $1 AND id = $2", "w", who),
			tx.Exec("INSERT INTO e VALUES ('w', $1, $2, 'signed in', $3, '{}')", row, who, i),
			tx.Exec("INSERT INTO e VALUES ('w', $1, $2, 'code accepted', $3, '{}')", row+"b", who, i),
			tx.Exec("INSERT INTO s VALUES ('w', $1, $2, 3, 0, '[]', 'brw')", who, []byte(row)))
	})
	if err != nil {
		b.Error(err)
	}
}

func BenchmarkOpen(b *testing.B) {
	for name, url := range map[string]string{"sqlite": sqliteFile(b), "postgres": sallyporttest.Postgres(b)} {
		open(b, url)
		b.Run(name, func(b *testing.B) {
			for range b.N {
				s, err := sqlstore.OpenWith(b.Context(), url, schema)
				if err == nil {
					err = s.Close()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
