package sqlstore

import (
	"context"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

var (
	_ sallyport.Store = (*Store)(nil)
	_ sallyport.Tx    = (*tx)(nil)
)

// Read implements sallyport.Store.
func (s *Store) Read(ctx context.Context, fn func(sallyport.Tx) error) error {
	return s.read(ctx, func(t *tx) error {
		t.presences, t.visits = &s.presences, &s.visits
		return fn(t)
	})
}

// Write implements sallyport.Store.
func (s *Store) Write(ctx context.Context, fn func(sallyport.Tx) error) error {
	return s.write(ctx, func(t *tx) error { return fn(t) })
}

// Wrote reports whether the Write of a Tx has changed a row so far. It is for tests. On PostgreSQL it is always false: there
// a Write that fails undoes no other.
func Wrote(of sallyport.Tx) bool {
	on, ok := of.(*tx).on.(sqliteWrites)
	return ok && on.wrote()
}

// ms returns a time as it is stored: Unix milliseconds, 0 for never.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// one reports whether a conditional statement met its condition.
func one(n int64, err error) (bool, error) { return n == 1, err }

// inserted returns ErrDuplicate if INSERT ... ON CONFLICT DO NOTHING inserted no row.
func inserted(n int64, err error) error {
	if err == nil && n == 0 {
		return sallyport.ErrDuplicate
	}
	return err
}
