package sallyport

import (
	"context"
	"sync"
	"time"
)

// Sweep deletes what has ended and no longer counts for anything. What has ended is refused even before it is deleted.
func (s *Service) Sweep(ctx context.Context) error {
	now := s.Now()
	return s.Store.Write(ctx, func(tx Tx) error { return tx.Sweep(now) })
}

// MailDays is how long a mail that was sent, or failed, stays in the outbox, in days after it was queued.
const MailDays = 90

// How much SweepIdle does in one transaction, so that each takes only some milliseconds.
const (
	idlePage = 5000 // rows that are read
	mailPage = 1000 // mails that are deleted
)

// SweepIdle deletes tries and known devices that have not been used for long, sessions that have ended, rows that were
// last seen in the future, and old mail that is not waiting. There are about as many rows of each as people. No index
// says which are old, because every sign-in would have to write it, so SweepIdle reads all of them, page by page.
func (s *Service) SweepIdle(ctx context.Context) error {
	now := s.Now()
	oldMail := idFrom(prefixMail, now.AddDate(0, 0, -MailDays))
	var all []HostedWorkspace
	err := s.Store.Read(ctx, func(tx Tx) (err error) {
		all, err = tx.Workspaces()
		return err
	})
	for _, w := range all {
		for _, page := range []func(tx Tx, after string) (string, error){
			func(tx Tx, after string) (string, error) { return tx.SweepTries(w.ID, after, idlePage, now) },
			func(tx Tx, after string) (string, error) { return tx.SweepKnownDevices(w.ID, after, idlePage, now) },
			func(tx Tx, after string) (string, error) { return tx.SweepSessions(w.ID, after, idlePage, now) },
		} {
			for after, more := "", true; more && err == nil; more = after != "" {
				from := after
				err = s.Store.Write(ctx, func(tx Tx) (err error) {
					after, err = page(tx, from)
					return err
				})
			}
		}
		for more := true; more && err == nil; {
			err = s.Store.Write(ctx, func(tx Tx) (err error) {
				more, err = tx.SweepMails(w.ID, oldMail, mailPage)
				return err
			})
		}
	}
	return err
}

// sweepDaily runs SweepIdle once a day on one node. A new installation has nothing to sweep.
func (s *Service) sweepDaily(ctx context.Context) error {
	var mine bool
	err := s.Store.Write(ctx, func(tx Tx) (err error) {
		mine, err = tx.TakeTurn(TurnSweep, s.Now(), 24*time.Hour)
		return err
	})
	if err != nil || !mine {
		return err
	}
	return s.SweepIdle(ctx)
}

// Run does the work that no request waits for. It returns after ctx has ended and the current work is finished. Every
// node runs it.
func (s *Service) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { s.deliver(ctx) })
	all.Go(func() { s.seal(ctx) })
	all.Go(func() { s.every(ctx, 10*time.Minute, "sweep", s.Sweep) })
	all.Go(func() { s.every(ctx, clockEvery, "watching the clock", s.WatchClock) })
	all.Go(func() { s.every(ctx, lockEvery, "ending locks", s.EndLocks) })
	all.Go(func() { s.every(ctx, time.Hour, "sweeping what is idle", s.sweepDaily) })
	all.Go(func() { s.every(ctx, 10*time.Minute, "dropping old events", s.DropOldEvents) })
	all.Go(func() { s.every(ctx, countEvery, "counting people", s.CountAdoption) })
	all.Go(func() { s.every(ctx, reminderEvery, "queueing reminders", s.QueueReminders) })
	all.Go(func() { s.every(ctx, eraseEvery, "erasing what deleted people left", s.EraseDeleted) })
	all.Go(func() { s.every(ctx, eraseEvery, "erasing recovery codes", s.EraseRecoveryCodes) })
	all.Wait()
}

// every calls do immediately, and then repeatedly until ctx ends. It logs errors, and tries again the next time.
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
