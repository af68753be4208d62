package sqlstore_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// group runs writes as members of one group: the first holds the turn until all others wait for it, in their order.
func group(t *testing.T, s *sqlstore.Store, ctx context.Context, members ...func(*sqlstore.Tx) error) []error {
	t.Helper()
	errs := make([]error, len(members))
	var all sync.WaitGroup
	errs[0] = s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
		for i, fn := range members[1:] {
			all.Go(func() { errs[i+1] = s.WriteSQL(ctx, fn) })
			for s.Waiting() < i+1 {
				runtime.Gosched()
			}
		}
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

// When the commit fails, or SQLite rolls the transaction back by itself, all members fail, and the next group is not
// concerned.
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
					t.Errorf("member %d was told that it is on disk", i)
				}
			}
			limit("PRAGMA max_page_count = 1000000")
			n := counter(t, s)
			if n > 1 { // the one behind it may have had a transaction of its own
				t.Errorf("the counter is %d", n)
			}
			if err := s.WriteSQL(t.Context(), increment); err != nil {
				t.Error(err)
			}
			wantCounter(t, s, n+1)
		})
	}
}
