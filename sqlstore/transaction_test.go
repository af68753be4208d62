package sqlstore_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/sallyport-2fa/sallyport/sqlstore"
)

func TestErrorRollsBack(t *testing.T) {
	wrong := errors.New("wrong")
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
			return errors.Join(increment(tx), tx.Exec("UPDATE counters SET n = 7"), wrong)
		})
		if !errors.Is(err, wrong) {
			t.Errorf("%v", err)
		}
		wantCounter(t, s, 0)
	})
}

// If many writers lock a row by UPDATE ... RETURNING at the same time, on two stores with the same database, none
// overwrites what another did.
func TestNoUpdateIsLost(t *testing.T) {
	const writers, each = 16, 25
	onBoth(t, func(t *testing.T, url string) {
		stores := []*sqlstore.Store{open(t, url), open(t, url)}
		var all sync.WaitGroup
		for i := range writers {
			s := stores[i%2]
			all.Go(func() {
				for range each {
					err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
						var n int64
						if _, err := tx.Row("UPDATE counters SET n = n WHERE id = 'a' RETURNING n", nil, &n); err != nil {
							return err
						}
						return tx.Exec("UPDATE counters SET n = $1 WHERE id = 'a'", n+1)
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		wantCounter(t, stores[0], writers*each)
		wantCounter(t, stores[1], writers*each)
	})
}

// If many writers try a conditional update at the same time, exactly one succeeds.
func TestOnceIsOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		var all sync.WaitGroup
		verdicts := make(chan int64, 16)
		for range cap(verdicts) {
			all.Go(func() {
				err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
					n, err := tx.Affected("UPDATE counters SET n = 1 WHERE id = 'a' AND n = 0")
					verdicts <- n
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		close(verdicts)
		var sum int64
		for n := range verdicts {
			sum += n
		}
		if sum != 1 {
			t.Errorf("%d succeeded", sum)
		}
	})
}

func TestWriteInsideWrite(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
			if err := increment(tx); err != nil {
				return err
			}
			if err := s.WriteSQL(t.Context(), increment); !errors.Is(err, sqlstore.ErrNested) {
				t.Errorf("%v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.WriteSQL(t.Context(), increment); err != nil { // afterwards, writes work again
			t.Fatal(err)
		}
		wantCounter(t, s, 2)
	})
}

// Reads nested more deeply than there are connections do not wait for each other.
func TestReadInsideRead(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		var nest func(depth int) error
		nest = func(depth int) error {
			return s.ReadSQL(t.Context(), func(tx *sqlstore.Tx) error {
				var n int64
				_, err := tx.Row("SELECT n FROM counters", nil, &n)
				if err != nil || depth == 0 {
					return err
				}
				return nest(depth - 1)
			})
		}
		if err := nest(100); err != nil {
			t.Error(err)
		}
	})
}

// A panic, an error and a context that ends while its function runs do not affect the others in the group.
func TestOthersInTheGroupAreNotHurt(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				defer func() {
					if p := recover(); (p != nil) != (i%4 == 1) || p != nil && p != "out of order" {
						t.Errorf("writer %d: recovered %v", i, p)
					}
				}()
				err := s.WriteSQL(ctx, func(tx *sqlstore.Tx) error {
					if err := increment(tx); err != nil {
						return err
					}
					switch i % 4 {
					case 1:
						panic("out of order")
					case 2:
						return errors.New("a fault")
					case 3:
						cancel() // too late: the function has begun
					}
					return tx.Exec("UPDATE counters SET n = n + 1")
				})
				if (err != nil) != (i%4 == 2) {
					t.Errorf("writer %d: %v", i, err)
				}
			})
		}
		all.Wait()
		wantCounter(t, s, 2*20)
	})
}

// A caller that waits for its turn, or for a connection, gives up when its context ends.
func TestCancelledWhileWaiting(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		ctx, cancel := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		hold := func(tx *sqlstore.Tx) error {
			for range 30 { // more than there are connections
				waiting.Go(func() {
					// Callers that have a connection to PostgreSQL wait for the row instead, and get it once it is
					// free.
					if err := s.WriteSQL(ctx, increment); err != nil && !errors.Is(err, context.Canceled) {
						t.Errorf("%v", err)
					}
				})
			}
			cancel()
			return increment(tx)
		}
		if err := s.WriteSQL(t.Context(), hold); err != nil {
			t.Fatal(err)
		}
		waiting.Wait()
		n := counter(t, s)
		if err := s.WriteSQL(ctx, increment); !errors.Is(err, context.Canceled) {
			t.Errorf("already cancelled: %v", err)
		}
		if err := s.WriteSQL(t.Context(), increment); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		wantCounter(t, s, n+1)
	})
}

func TestClosed(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		began, closed := make(chan struct{}), make(chan error)
		go func() {
			<-began
			closed <- s.Close()
		}()
		err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error { // Close waits for this one
			close(began)
			return increment(tx)
		})
		if err := errors.Join(err, <-closed); err != nil {
			t.Fatal(err)
		}
		read := func(tx *sqlstore.Tx) error { return tx.Rows("SELECT 1", nil, nil) }
		if err := s.ReadSQL(t.Context(), read); !errors.Is(err, sqlstore.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
		if err := s.WriteSQL(t.Context(), increment); !errors.Is(err, sqlstore.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
		wantCounter(t, open(t, url), 1)
	})
}
