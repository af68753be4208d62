// Package background does the work that no request waits for, on top of the rules: sealing the audit log, sending
// e-mails, sweeping, counting, reminding, erasing and replacing signing keys.
//
//	run.go      Run, and how often each kind of work is done
//	deliver.go  e-mails, with leases
//	logout.go   messages to apps about sessions that have ended
//	count.go    people for the overview
package background

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/audit"
)

// How often work is done whose own file does not say.
const (
	sealEvery     = 10 * time.Second
	sweepEvery    = 10 * time.Minute
	idleEvery     = time.Hour // one node sweeps what is idle, once a day
	lockEvery     = time.Minute
	reminderEvery = 15 * time.Second
	eraseEvery    = 15 * time.Second
	signingEvery  = 10 * time.Minute // one node looks after the signing keys, once an hour
)

// Run works until ctx has ended and the current work is finished. Every node runs it.
func Run(ctx context.Context, s *sallyport.Service) {
	var all sync.WaitGroup
	start := func(what string, wait time.Duration, do func(context.Context) error) {
		all.Go(func() { every(ctx, s, what, wait, do) })
	}
	all.Go(func() { deliver(ctx, s) })
	all.Go(func() { sealLog(ctx, s) })
	start("sweep", sweepEvery, s.Sweep)
	start("watching the clock", sallyport.ClockEvery, s.WatchClock)
	start("ending locks", lockEvery, s.EndLocks)
	start("sweeping what is idle", idleEvery, onOneNode(s, sallyport.TurnSweep, 24*time.Hour, s.SweepIdle))
	start("looking after signing keys", signingEvery, onOneNode(s, sallyport.TurnSigning, time.Hour, s.ScheduleSigning))
	start("dropping old events", sweepEvery, func(ctx context.Context) error { return audit.DropOld(ctx, s) })
	start("counting people", countEvery, func(ctx context.Context) error { return CountAdoption(ctx, s) })
	start("queueing reminders", reminderEvery, s.QueueReminders)
	start("erasing what deleted people left", eraseEvery, s.EraseDeleted)
	start("telling apps who has signed out", logoutPoll, func(ctx context.Context) error { return deliverLogouts(ctx, s) })
	start("erasing recovery codes", eraseEvery, s.EraseRecoveryCodes)
	all.Wait()
}

// every calls do immediately, and then repeatedly until ctx ends. It logs errors, and tries again the next time.
func every(ctx context.Context, s *sallyport.Service, what string, wait time.Duration, do func(context.Context) error) {
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

// sealLog seals the audit log repeatedly until ctx ends, and once more after that.
func sealLog(ctx context.Context, s *sallyport.Service) {
	seal := func(ctx context.Context) error { return audit.Seal(ctx, s) }
	every(ctx, s, "sealing the audit log", sealEvery, seal)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), sealEvery)
	defer cancel()
	if err := seal(last); err != nil {
		s.Log.Error("sealing the audit log", "error", err)
	}
}

// onOneNode returns work that one node does, and only if none has done it within age. A new installation has nothing to
// sweep.
func onOneNode(s *sallyport.Service, turn sallyport.Turn, age time.Duration, do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		var mine bool
		err := s.Store.Write(ctx, func(tx sallyport.Tx) (err error) {
			mine, err = tx.TakeTurn(turn, s.Now(), age)
			return err
		})
		if err != nil || !mine {
			return err
		}
		return do(ctx)
	}
}
