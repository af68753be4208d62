package sqlstore_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// group runs writes as members of one group: in its first run, the first member keeps the turn until all others wait
// for it, in their order.
func group(t *testing.T, s *sqlstore.Store, ctx context.Context, members ...func(*sqlstore.Tx) error) []error {
	t.Helper()
	errs := make([]error, len(members))
	var all sync.WaitGroup
	var once sync.Once
	errs[0] = s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
		once.Do(func() {
			for i, fn := range members[1:] {
				all.Go(func() { errs[i+1] = s.WriteSQL(ctx, fn) })
				for s.Waiting() < i+1 {
					runtime.Gosched()
				}
			}
		})
		return members[0](tx)
	})
	all.Wait()
	return errs
}

func TestErrorInGroupHurtsItsMemberOnly(t *testing.T) {
	s := open(t, sqliteFile(t))
	wrong := errors.New("wrong")
	errs := group(t, s, t.Context(), increment,
		func(tx *sqlstore.Tx) error { return errors.Join(increment(tx), wrong) },
		func(tx *sqlstore.Tx) error {
			return errors.Join(increment(tx), tx.Exec("INSERT INTO counters (id, n) VALUES ('a', 1)"))
		},
		increment)
	if errs[0] != nil || !errors.Is(errs[1], wrong) || !sqlstore.Duplicate(errs[2], "counters_pkey") || errs[3] != nil {
		t.Errorf("%v", errs)
	}
	wantCounter(t, s, 2)
}

// A member that fails after it has written runs again, alone, and that run decides, because what it saw of others may
// be undone. The others run again too. A member that fails without having written affects no other.
func TestUndoneGroupRunsAgain(t *testing.T) {
	s := open(t, sqliteFile(t))
	wrong := errors.New("wrong")
	var runs [5]atomic.Int32
	counted := func(i int, fn func(*sqlstore.Tx) error) func(*sqlstore.Tx) error {
		return func(tx *sqlstore.Tx) error {
			runs[i].Add(1)
			return fn(tx)
		}
	}
	seen := errors.New("there was one before")
	errs := group(t, s, t.Context(), counted(0, increment),
		counted(1, func(*sqlstore.Tx) error { return wrong }),
		counted(2, func(tx *sqlstore.Tx) error {
			n := int64(0)
			if _, err := tx.Row("SELECT n FROM counters", nil, &n); err != nil || n == 0 {
				return errors.Join(err, increment(tx))
			}
			return errors.Join(increment(tx), seen)
		}),
		counted(3, increment), counted(4, increment))
	if errs[0] != nil || !errors.Is(errs[1], wrong) || errs[2] != nil && !errors.Is(errs[2], seen) || errs[3] != nil || errs[4] != nil {
		t.Errorf("%v", errs)
	}
	for i, most := range []int32{2, 2, 2, 1, 1} {
		if n := runs[i].Load(); n < 1 || n > most {
			t.Errorf("member %d ran %d times", i, n)
		}
	}
	want := int64(3)
	if errs[2] == nil {
		want++
	}
	wantCounter(t, s, want)
}

// Write returns only after a sync that began after its commit. Until then, others run.
func TestI10_AnswersWaitForTheDisk(t *testing.T) {
	s := open(t, sqliteFile(t))
	syncs, goOn := make(chan struct{}, 100), make(chan struct{})
	s.Sync(func(sync func() error) error {
		syncs <- struct{}{}
		<-goOn
		return sync()
	})
	var all sync.WaitGroup
	var answered atomic.Int32
	write := func() {
		if err := s.WriteSQL(t.Context(), increment); err != nil {
			t.Error(err)
		}
		answered.Add(1)
	}
	all.Go(write)
	<-syncs
	ran := make(chan struct{})
	all.Go(func() { // this one runs while the first is not yet on disk
		err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
			defer close(ran)
			return increment(tx)
		})
		if err != nil {
			t.Error(err)
		}
		answered.Add(1)
	})
	<-ran
	for range 20 {
		runtime.Gosched()
	}
	if n := answered.Load(); n != 0 {
		t.Errorf("%d returned before the sync", n)
	}
	goOn <- struct{}{}
	<-syncs // the second has a separate sync
	close(goOn)
	all.Wait()
	n := int64(0)
	err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
		_, err := tx.Row("SELECT n FROM counters", nil, &n)
		return err
	})
	if err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	if len(syncs) != 0 {
		t.Errorf("%d more syncs, for a write that wrote nothing", len(syncs))
	}
	wantCounter(t, s, 2)
}

// After a failed sync, the outcome of its commits is unknown. Nothing more is written, because the disk may report the
// next sync as a success.
func TestDiskFails(t *testing.T) {
	s := open(t, sqliteFile(t))
	gone := errors.New("input/output error")
	fails := true
	s.Sync(func(sync func() error) error {
		if fails {
			fails = false
			return gone
		}
		return sync()
	})
	for i := range 3 {
		err := s.WriteSQL(t.Context(), increment)
		if !errors.Is(err, gone) || errors.Is(err, sqlstore.ErrUnknownOutcome) != (i == 0) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	counter(t, s) // reads still work
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// The log gets into the file while it is still far from the length at which SQLite does that itself, inside a commit.
func TestLogIsCopiedBesideWriters(t *testing.T) {
	path := sqliteFile(t)
	s := open(t, path)
	const rows = 25 // of 100 pages each
	for range rows {
		if err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
			return tx.Exec("INSERT INTO pages (bytes) VALUES ($1)", make([]byte, 100*4096))
		}); err != nil {
			t.Fatal(err)
		}
	}
	for { // until the test's own deadline
		f, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if f.Size() > 20*100*4096 {
			break
		}
		runtime.Gosched()
	}
	var n, size int
	err := s.ReadSQL(t.Context(), func(tx *sqlstore.Tx) error {
		_, err := tx.Row("SELECT COUNT(*), SUM(LENGTH(bytes)) FROM pages", nil, &n, &size)
		return err
	})
	if err != nil || n != rows || size != rows*100*4096 {
		t.Errorf("%d rows, %d bytes, %v", n, size, err)
	}
}

func TestCancelledInQueueLeavesIt(t *testing.T) {
	s := open(t, sqliteFile(t))
	ctx, cancel := context.WithCancel(t.Context())
	errs := group(t, s, ctx, func(tx *sqlstore.Tx) error {
		cancel()
		return increment(tx)
	}, increment, increment, increment)
	for i, err := range errs {
		if errors.Is(err, context.Canceled) != (i > 0) {
			t.Errorf("member %d: %v", i, err)
		}
	}
	wantCounter(t, s, 1)
}

// If the commit fails, or SQLite rolls back the transaction by itself, all members fail. The next group is not
// affected.
func TestAllMembersFailWithTheirTransaction(t *testing.T) {
	big := make([]byte, 1<<20)
	cases := map[string]func(tx *sqlstore.Tx) error{
		"the commit fails": func(tx *sqlstore.Tx) error {
			return errors.Join(tx.Exec("PRAGMA defer_foreign_keys = ON"),
				tx.Exec("INSERT INTO pets (owner, name) VALUES ('nobody', 'Rex')"))
		},
		"the disk is full": func(tx *sqlstore.Tx) error {
			return tx.Exec("INSERT INTO people (workspace, id, secret) VALUES ('w', '1', $1)", big)
		},
	}
	for name, fail := range cases {
		t.Run(name, func(t *testing.T) {
			s := open(t, sqliteFile(t))
			limit := func(sql string) {
				t.Helper()
				err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error { return tx.Exec(sql) })
				if err != nil {
					t.Fatal(err)
				}
			}
			limit("PRAGMA max_page_count = 20")
			for i, err := range group(t, s, t.Context(), increment, increment, fail, increment) {
				t.Log(i, err)
				if err == nil && i < 3 {
					t.Errorf("member %d got no error", i)
				}
			}
			limit("PRAGMA max_page_count = 1000000")
			n := counter(t, s)
			if n > 1 { // the last member may have been in the next group
				t.Errorf("the counter is %d", n)
			}
			if err := s.WriteSQL(t.Context(), increment); err != nil {
				t.Error(err)
			}
			wantCounter(t, s, n+1)
		})
	}
}
