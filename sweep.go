package sallyport

import (
	"context"
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
	all.Go(func() { s.seal(ctx) })
	all.Go(func() { s.every(ctx, 10*time.Minute, "sweep", s.Sweep) })
	all.Go(func() { s.every(ctx, 10*time.Minute, "dropping old events", s.DropOldEvents) })
	all.Go(func() { s.every(ctx, countEvery, "counting people", s.CountAdoption) })
	all.Go(func() { s.every(ctx, reminderEvery, "queueing reminders", s.QueueReminders) })
	all.Wait()
}

// every does something at once, and again and again until ctx ends. What failed is told in the log, and done next time.
func (s *Service) every(ctx context.Context, wait time.Duration, what string, do func(context.Context) error) {
	tick := time.NewTicker(wait)
	defer tick.Stop()
	for {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error(what, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
