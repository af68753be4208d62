package sallyport

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Sweep removes what has ended and counts nothing any more. What has ended is refused without it, too.
func (s *Service) Sweep(ctx context.Context) error {
	now := s.Now()
	return s.Store.Write(ctx, func(tx Tx) error { return tx.Sweep(now, now.Add(-BrowserLimit)) })
}

// Run does the work that no request waits for, and returns when ctx has ended and the last of it is put away. Every
// node runs it.
func (s *Service) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { s.deliver(ctx) })
	all.Go(func() { s.sweep(ctx) })
	all.Go(func() { s.seal(ctx) })
	all.Wait()
}

func (s *Service) sweep(ctx context.Context) {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		if err := errors.Join(s.Sweep(ctx), s.DropOldEvents(ctx)); err != nil && ctx.Err() == nil {
			s.Log.Error("sweep", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
