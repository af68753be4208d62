package sqlstore_test

import (
	"math"
	"sync"
	"testing"

	"github.com/sallyport-2fa/sallyport/sallyporttest"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// askTogether runs many queries concurrently, and checks that each gets its own answer. Every tenth query fails, and
// the caller of the one before it panics: both affect only their own caller.
func askTogether(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			value := int64(1)
			if i%10 == 9 {
				value = math.MinInt64 // abs fails, because its absolute value is no int64
			}
			panics := i%10 == 8
			defer func() {
				if (recover() != nil) != panics {
					t.Errorf("question %d: panicked by itself: %v", i, panics)
				}
			}()
			var got int64
			err := s.ReadSQL(t.Context(), func(tx *sqlstore.Tx) error {
				return tx.Ask("SELECT n + $1 FROM counters WHERE abs(CAST($2 AS BIGINT)) > 0", []any{i, value},
					func(scan func(...any) error) error {
						if panics {
							panic("out of order")
						}
						return scan(&got)
					})
			})
			if (err != nil) != (value < 0) {
				t.Errorf("question %d: %v", i, err)
			}
			if err == nil && got != int64(i) {
				t.Errorf("question %d was answered with %d", i, got)
			}
		})
	}
	all.Wait()
}

// Each of the queries that are sent together gets its own answer. A query that fails and a lost connection do not
// affect the others.
func TestAskedTogether(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) { askTogether(t, open(t, url)) })
	t.Run("lost", func(t *testing.T) {
		url := sallyporttest.Postgres(t)
		s := open(t, url)
		for range 3 {
			askTogether(t, s)
			psql(t, url, endAllOthers)
		}
	})
}

// A failed expectation rolls back the whole transaction, even if it is sent to the server together with COMMIT.
func TestExpected(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		for n, fails := range []bool{false, true, true} {
			err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
				if err := tx.Exec("UPDATE counters SET n = n + 1 WHERE id = 'a'"); err != nil {
					return err
				}
				return tx.Expect("UPDATE counters SET n = n + 10 WHERE id = 'a' AND n = $1", 1)
			})
			if (err != nil) != fails {
				t.Errorf("write %d: %v", n, err)
			}
			wantCounter(t, s, 11)
		}
	})
}
