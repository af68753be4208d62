package sallyport

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Outcomes of administration.
var (
	// ErrNoPassword means that a user cannot be added without one.
	ErrNoPassword   = invalid("password", "password_missing", text.Say("Enter a password."))
	ErrSuspended    = &Error{Kind: Conflict, Code: "suspended", Text: text.Say("This person is suspended already.")}
	ErrNotSuspended = &Error{Kind: Conflict, Code: "not_suspended", Text: text.Say("This person is not suspended.")}
)

// AddUser adds a person with a password, from the console.
func (s *Service) AddUser(ctx context.Context, by Caller, address, name string, role Role, password Secret) (User, error) {
	if by.kind != callerConsole {
		return User{}, ErrNotAllowed
	}
	u, err := newUser(by.workspace.ID, address, name, role, by.policy, s.Now())
	if err != nil {
		return u, err
	}
	if password == "" {
		return u, ErrNoPassword
	}
	if err := s.setPassword(ctx, &u, by.workspace, by.policy.MinPassword(u, s.Now()), "password", password.Reveal()); err != nil {
		return u, err
	}
	return u, s.write(ctx, func(tx Tx) error {
		err := tx.InsertUser(u)
		if errors.Is(err, ErrDuplicate) {
			return ErrAddressTaken
		}
		if err != nil {
			return err
		}
		if err := s.record(tx, by, "user.added", u.ID, Done, map[string]string{"role": string(role)}); err != nil {
			return err
		}
		return s.tellOwners(tx, by, u)
	})
}

// Suspend keeps somebody out until Restore, and ends everything they had open. From the console the address names them
// as well as the id; the same goes for Unlock and ResetTwoFactor.
func (s *Service) Suspend(ctx context.Context, by Caller, id string) error {
	return s.actOn(ctx, by, need{may: SuspendPeople}, id, func(tx Tx, o *other) error {
		if err := o.Suspendable(); err != nil {
			return err
		}
		if err := o.remain(); err != nil {
			return err
		}
		o.State = Suspended
		return s.changed(tx, by, o, "user.suspended", nil)
	})
}

// Suspendable is nil or ErrSuspended, which Suspend would be.
func (u User) Suspendable() error {
	if u.State == Suspended {
		return ErrSuspended
	}
	return nil
}

// Restorable is nil or ErrNotSuspended, which Restore would be.
func (u User) Restorable() error {
	if u.State != Suspended {
		return ErrNotSuspended
	}
	return nil
}

// Restored is the state that Restore leads to: whoever had not accepted the invitation is invited still.
func (u User) Restored() State {
	if u.PasswordAt.IsZero() || !u.TemporaryEnds.IsZero() {
		return Invited
	}
	return Active
}

// Restore lets somebody in again who was suspended. Whoever had not accepted the invitation needs a new one.
func (s *Service) Restore(ctx context.Context, by Caller, id string) error {
	return s.actOn(ctx, by, need{may: SuspendPeople}, id, func(tx Tx, o *other) error {
		if err := o.Restorable(); err != nil {
			return err
		}
		o.State = o.Restored()
		return s.changed(tx, by, o, "user.restored", nil)
	})
}

// SignOutEverywhere ends everything somebody has open, trusted devices among it.
func (s *Service) SignOutEverywhere(ctx context.Context, by Caller, id string) error {
	return s.actOn(ctx, by, need{may: SignOutPeople}, id, func(tx Tx, o *other) error {
		return s.changed(tx, by, o, "user.signed_out", nil)
	})
}

// Delete removes somebody for good: events keep the id and nothing else of them.
func (s *Service) Delete(ctx context.Context, by Caller, id string) error {
	return s.erasing(ctx, s.actOn(ctx, by, need{may: DeletePeople, fresh: true, strong: true}, id, func(tx Tx, o *other) error {
		if err := o.remain(); err != nil {
			return err
		}
		if err := tx.DeleteUser(o.Workspace, o.ID); err != nil {
			return err
		}
		return s.record(tx, by, "user.deleted", o.ID, Done, nil)
	}))
}

// unburnt is the step that is the last used one after unburn, if that is earlier.
func (a Authenticator) unburnt(now time.Time) int64 {
	next := a.params().Step(now) + 1
	if len(a.UsedSteps) == usedStepsKept {
		return max(next, a.UsedSteps[0])
	}
	return next
}

// usedStepsKept is how many used steps an authenticator remembers. It bounds the row.
const usedStepsKept = 16

// unburn lets codes be used again that lie in the future and count as used, because a later one was used before the
// clock was set back. Each code that was used stays refused, and so does what is accepted now. If more codes were used
// than are remembered, everything up to the oldest one remembered stays refused.
func (s *Service) unburn(tx Tx, u User) error {
	all, err := tx.Authenticators(u.Workspace, u.ID)
	if err != nil {
		return err
	}
	for _, a := range all {
		next := a.unburnt(s.Now())
		if a.LastStep <= next {
			continue
		}
		for _, step := range append(a.UsedSteps, a.LastStep) {
			if step > next && !slices.Contains(a.RefusedSteps, step) {
				a.RefusedSteps = append(a.RefusedSteps, step)
			}
		}
		if next == a.params().Step(s.Now())+1 { // else the oldest one must be known at the next time, too
			a.UsedSteps = slices.DeleteFunc(a.UsedSteps, func(step int64) bool { return step > next })
		}
		a.LastStep = next
		if err := tx.SaveAuthenticator(a); err != nil {
			return err
		}
	}
	return nil
}
