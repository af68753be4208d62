package sallyport

import (
	"context"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
)

// refuse returns a refusal because a budget is used up. If asOf has moved the budget's times, it saves them, so that
// the wait begins at the first refusal and not again at each.
func (s *Service) refuse(tx Tx, t Tries, outcome *Error) error {
	if !t.Moved {
		return outcome
	}
	if err := tx.SaveTries(t); err != nil {
		return err
	}
	return commit(outcome)
}

const (
	ClockEvery = 20 * time.Second
	// clockMailInterval is how long no further e-mail says that the clock went back.
	clockMailInterval = 24 * time.Hour
)

// WatchClock records the time, and detects whether the clock went back since any node last recorded it. If it did,
// WatchClock removes everything that begins in the future, so that it does not become valid when that time comes, and
// mails the owners. Package background calls it.
func (s *Service) WatchClock(ctx context.Context) error {
	now := s.Now()
	var in Installation
	var all []HostedWorkspace
	err := s.Store.Read(ctx, func(tx Tx) (err error) {
		if in, _, err = tx.Installation(); err == nil && lifetime.Ahead(in.ClockAt, now) {
			all, err = tx.Workspaces()
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(all) > 0 {
		if err := s.Sweep(ctx); err != nil {
			return err
		}
		if err := s.SweepIdle(ctx); err != nil {
			return err
		}
		if err := s.relockBetween(ctx, now, lockedForGood.Add(-1)); err != nil {
			return err
		}
		err := s.write(ctx, func(tx Tx) error {
			return s.clockWentBack(tx, Caller{workspace: all[0].Workspace})
		})
		if err != nil {
			return err
		}
	}
	return s.Store.Write(ctx, func(tx Tx) error {
		_, err := tx.TakeTurn(TurnClock, now, ClockEvery)
		return err
	})
}

// clockWentBack records an event that something in the caller's workspace is from the future, and mails the owners, at
// most once a day.
func (s *Service) clockWentBack(tx Tx, by Caller) error {
	now := s.Now()
	first, err := tx.ClockMailed(by.workspace.ID, now, clockMailInterval)
	if err != nil || !first {
		return err
	}
	s.Log.Warn("the clock was set back", "workspace", by.workspace.ID)
	owners, err := tx.People(PeopleRange{
		Workspace: by.workspace.ID, Order: ByCreated, Filtered: true, Cells: ownerCells(), Limit: maxOwnersMailed,
	})
	if err != nil {
		return err
	}
	for _, u := range owners {
		if err := s.notify(tx, Caller{}, u, "clock.set_back", nil); err != nil {
			return err
		}
	}
	return s.record(tx, Caller{kind: callerSystem, door: DoorSystem, workspace: by.workspace}, "clock.set_back", "", Refused, nil)
}

// maxOwnersMailed is how many owners of a workspace get an e-mail at most.
const maxOwnersMailed = 20

// ownerCells returns the cells of owners who can sign in.
func ownerCells() (cells []PeopleCell) {
	for _, factor := range []PeopleCell{{TwoFactor: true}, {}, {MustSetUp: true}} {
		factor.Role, factor.State = Owner, Active
		cells = append(cells, factor)
	}
	return cells
}

// endAhead ends a session that was created or last seen in the future, so that it does not become valid when that time
// comes.
func (s *Service) endAhead(ctx context.Context, by Caller, ses Session) error {
	return s.write(ctx, func(tx Tx) error {
		gone, err := tx.DeleteSession(ses.Workspace, ses.User, ses.ID)
		if err != nil || !gone {
			return err
		}
		return s.clockWentBack(tx, by)
	})
}
