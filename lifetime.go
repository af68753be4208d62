package sallyport

import (
	"context"
	"time"
)

// ClockGrace is how far ahead of this server's clock a stored time may lie. The clocks of two nodes differ a little, and
// a clock that is corrected jumps a little.
const ClockGrace = time.Minute

// ahead reports whether a time has not come yet. It was stored before the clock was set back.
func ahead(at, now time.Time) bool { return at.Sub(now) > ClockGrace }

// between reports whether something that began then and ends then is alive now. What begins in the future is not: after
// the clock was set back, nobody knows how old it is (I63). Every lifetime in this package is judged here.
func between(began, ends, now time.Time) bool {
	return !began.IsZero() && !ahead(began, now) && now.Before(ends)
}

// within is between for what lasts for a limit from its beginning, or from when it was last seen.
func within(began time.Time, limit time.Duration, now time.Time) bool {
	return between(began, began.Add(limit), now)
}

// until is within for what is stored by its end alone.
func until(ends time.Time, limit time.Duration, now time.Time) bool {
	return !ends.IsZero() && within(ends.Add(-limit), limit, now)
}

// asOf returns a budget as the clock has it. What was counted in the future was counted just now: the tries stay
// counted, and the wait for the next one ends.
func (t Tries) asOf(now time.Time) Tries {
	if !ahead(t.Last, now) && !ahead(t.Since, now) {
		return t
	}
	off := max(t.Last.Sub(now), t.Since.Sub(now))
	for _, at := range []*time.Time{&t.Since, &t.Last, &t.Until} {
		if !at.IsZero() {
			*at = at.Add(-off)
		}
	}
	t.moved = true
	return t
}

// refuse returns a refusal for want of tries. A budget whose times asOf has moved is kept with it, so that the wait
// runs from the first refusal and not from each.
func (s *Service) refuse(tx Tx, t Tries, outcome *Error) error {
	if !t.moved {
		return outcome
	}
	if err := tx.SaveTries(t); err != nil {
		return err
	}
	return keep(outcome)
}

const (
	clockEvery = 20 * time.Second
	// clockTold is how long nobody is told again that the clock went back.
	clockTold = 24 * time.Hour
)

// WatchClock notes the time, and finds out whether the clock went back since it was last noted, by any node. Then what
// began in the future is removed, so that it does not come alive when that time comes, and the owners are told. Run
// calls it.
func (s *Service) WatchClock(ctx context.Context) error {
	now := s.Now()
	var in Installation
	var all []HostedWorkspace
	err := s.Store.Read(ctx, func(tx Tx) (err error) {
		if in, _, err = tx.Installation(); err == nil && ahead(in.ClockAt, now) {
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
		_, err := tx.TakeTurn(TurnClock, now, clockEvery)
		return err
	})
}

// clockWentBack records that something in the caller's workspace is of a time that has not come yet, and tells the
// owners, once a day at most.
func (s *Service) clockWentBack(tx Tx, by Caller) error {
	now := s.Now()
	first, err := tx.ClockTold(by.workspace.ID, now, clockTold)
	if err != nil || !first {
		return err
	}
	s.Log.Warn("the clock was set back", "workspace", by.workspace.ID)
	owners, err := tx.People(PeopleRange{
		Workspace: by.workspace.ID, Order: ByCreated, Filtered: true, Cells: ownerCells(), Limit: ownersTold,
	})
	if err != nil {
		return err
	}
	for _, u := range owners {
		if err := s.notify(tx, Caller{}, u, "clock.set_back", nil); err != nil {
			return err
		}
	}
	return s.record(tx, Caller{kind: "system", door: DoorSystem, workspace: by.workspace}, "clock.set_back", "", Refused, nil)
}

// ownersTold is how many owners of a workspace get a mail at most.
const ownersTold = 20

// ownerCells are the owners who can sign in.
func ownerCells() (cells []PeopleCell) {
	for _, factor := range []PeopleCell{{TwoFactor: true}, {}, {MustSetUp: true}} {
		factor.Role, factor.State = Owner, Active
		cells = append(cells, factor)
	}
	return cells
}

// endAhead ends a session that was last seen in the future, so that it does not come alive when that time comes.
func (s *Service) endAhead(ctx context.Context, by Caller, ses Session) error {
	return s.write(ctx, func(tx Tx) error {
		gone, err := tx.DeleteSession(ses.Workspace, ses.User, ses.ID)
		if err != nil || !gone {
			return err
		}
		return s.clockWentBack(tx, by)
	})
}
