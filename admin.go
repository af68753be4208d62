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
	// ErrNoPassword means that a user cannot be added without a password.
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

// Suspend keeps a person from signing in until Restore, and ends all their sessions, sign-ins, trusted devices and
// links. From the console, the target may also be an e-mail address; so it may for Unlock and ResetTwoFactor.
func (s *Service) Suspend(ctx context.Context, by Caller, id string) error {
	return s.actOn(ctx, by, access{may: SuspendPeople}, id, func(tx Tx, t *target) error {
		if err := t.Suspendable(); err != nil {
			return err
		}
		if err := t.checkLastOwner(); err != nil {
			return err
		}
		t.State = Suspended
		return s.changed(tx, by, t, "user.suspended", nil)
	})
}

// Suspendable returns the error that Suspend would return for this user: nil or ErrSuspended.
func (u User) Suspendable() error {
	if u.State == Suspended {
		return ErrSuspended
	}
	return nil
}

// Restorable returns the error that Restore would return for this user: nil or ErrNotSuspended.
func (u User) Restorable() error {
	if u.State != Suspended {
		return ErrNotSuspended
	}
	return nil
}

// Restored returns the state that Restore leads to. A person who had not accepted the invitation is Invited again.
func (u User) Restored() State {
	if u.PasswordAt.IsZero() || !u.TemporaryEnds.IsZero() {
		return Invited
	}
	return Active
}

// Restore lets a suspended person sign in again. A person who had not accepted the invitation needs a new one.
func (s *Service) Restore(ctx context.Context, by Caller, id string) error {
	return s.actOn(ctx, by, access{may: SuspendPeople}, id, func(tx Tx, t *target) error {
		if err := t.Restorable(); err != nil {
			return err
		}
		t.State = t.Restored()
		return s.changed(tx, by, t, "user.restored", nil)
	})
}

// SignOutEverywhere ends all sessions, sign-ins, trusted devices and links of a person.
func (s *Service) SignOutEverywhere(ctx context.Context, by Caller, id string) error {
	return s.actOn(ctx, by, access{may: SignOutPeople}, id, func(tx Tx, t *target) error {
		return s.changed(tx, by, t, "user.signed_out", nil)
	})
}

// Delete removes a person permanently. Events keep only their id.
func (s *Service) Delete(ctx context.Context, by Caller, id string) error {
	return s.erasing(ctx, s.actOn(ctx, by, access{may: DeletePeople, proof: StrongFactor}, id, func(tx Tx, t *target) error {
		if err := t.checkLastOwner(); err != nil {
			return err
		}
		if err := tx.DeleteUser(t.Workspace, t.ID); err != nil {
			return err
		}
		return s.record(tx, by, "user.deleted", t.ID, Done, nil)
	}))
}

// unburnt returns what LastStep is after unburn, if it was later before.
func (a Authenticator) unburnt(now time.Time) int64 {
	nextStep := a.params().Step(now) + 1
	if len(a.UsedSteps) == usedStepsKept {
		return max(nextStep, a.UsedSteps[0])
	}
	return nextStep
}

// usedStepsKept is how many used steps an authenticator remembers. It limits the size of the row.
const usedStepsKept = 16

// unburn accepts future codes again that count as used because a later one was used before the clock was set back. Each
// code that was really used stays refused, and so do the codes that are accepted now. If more codes were used than are
// remembered, all codes up to the oldest one remembered stay refused.
func (s *Service) unburn(tx Tx, u User) error {
	all, err := tx.Authenticators(u.Workspace, u.ID)
	if err != nil {
		return err
	}
	for _, a := range all {
		nextStep := a.unburnt(s.Now())
		if a.LastStep <= nextStep {
			continue
		}
		for _, step := range append(a.UsedSteps, a.LastStep) {
			if step > nextStep && !slices.Contains(a.RefusedSteps, step) {
				a.RefusedSteps = append(a.RefusedSteps, step)
			}
		}
		if nextStep == a.params().Step(s.Now())+1 { // otherwise the next unburn also needs the oldest one
			a.UsedSteps = slices.DeleteFunc(a.UsedSteps, func(step int64) bool { return step > nextStep })
		}
		a.LastStep = nextStep
		if err := tx.SaveAuthenticator(a); err != nil {
			return err
		}
	}
	return nil
}
