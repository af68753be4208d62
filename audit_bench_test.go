package sallyport_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// BenchmarkSignInAndSeal is a sign-in with a password, of many people in turn, and its share of sealing. Besides the CPU
// time of this process, which includes SQLite, it reports the bytes that the database writes: the log and the database
// file on SQLite, the log on PostgreSQL.
func BenchmarkSignInAndSeal(b *testing.B) {
	const people = 500
	for _, kind := range sallyporttest.Databases {
		b.Run(kind, func(b *testing.B) {
			e := sallyporttest.New(b, kind)
			ctx := context.Background()
			all := make([]sallyporttest.Person, people)
			for i := range all {
				all[i] = e.Add(fmt.Sprintf("p%d@acme.example", i), sallyport.Member)
			}
			e.Check(e.Seal(ctx))
			var n atomic.Int64
			b.SetParallelism(8)
			written, used := bytesWritten(e), processTime(b)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1)
					p := all[i%people]
					if i%people == 0 {
						e.Clock.Advance(time.Minute)
					}
					if _, err := e.SignIn(ctx, e.Arriving().By(), p.Address, p.Password); err != nil {
						b.Error(err)
					}
					if i%256 == 0 {
						if err := e.Seal(ctx); err != nil {
							b.Error(err)
						}
					}
				}
			})
			b.StopTimer()
			b.ReportMetric(float64(processTime(b)-used)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(bytesWritten(e)-written)/float64(b.N), "written-B/op")
			if e.Postgres() {
				b.ReportMetric(deadRows(e)/float64(b.N), "dead-events/op")
			}
		})
	}
}

func processTime(b *testing.B) int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}

// bytesWritten returns how many bytes PostgreSQL has added to its log, or this process has written to files.
func bytesWritten(e *sallyporttest.Env) int64 {
	text := ""
	if e.Postgres() {
		text = e.Query(`SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint`)[0][0]
	} else {
		io, err := os.ReadFile("/proc/self/io")
		e.Check(err)
		_, text, _ = strings.Cut(string(io), "wchar: ")
		text, _, _ = strings.Cut(text, "\n")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	e.Check(err)
	return n
}

// deadRows returns how many dead rows sealing leaves in the table of events for a vacuum, vacuumed or not.
func deadRows(e *sallyporttest.Env) float64 {
	e.Query(`SELECT pg_sleep(1.1), pg_stat_force_next_flush()`)
	n, err := strconv.ParseFloat(e.Query(`SELECT n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relname = 'events'`)[0][0], 64)
	e.Check(err)
	return n
}
