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

// Read is sallyport.Store's.
func (s *Store) Read(ctx context.Context, fn func(sallyport.Tx) error) error {
	return s.read(ctx, func(t *tx) error {
		t.presences = &s.presences
		return fn(t)
	})
}

// Write is sallyport.Store's.
func (s *Store) Write(ctx context.Context, fn func(sallyport.Tx) error) error {
	return s.write(ctx, func(t *tx) error { return fn(t) })
}

// ms is how a time is kept: Unix milliseconds, 0 for never.
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

// one is the verdict of a conditional statement: whether its condition was met.
func one(n int64, err error) (bool, error) { return n == 1, err }

// inserted is the verdict of INSERT ... ON CONFLICT DO NOTHING.
func inserted(n int64, err error) error {
	if err == nil && n == 0 {
		return sallyport.ErrDuplicate
	}
	return err
}
