package sallyport

import (
	"context"
	"errors"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// PeopleTx is the storage of lists of people, and of what they have open.
type PeopleTx interface {
	// Sessions returns the sessions of a user, also those that have ended and are not swept yet, the one seen last first.
	Sessions(workspace, user string) ([]Session, error)
	// UsersAfter returns the users of a workspace in the order of their ids, after the one given.
	UsersAfter(workspace, after string, limit int) ([]User, error)
}

// ErrNoPassword means that a user cannot be added without one.
var ErrNoPassword = invalid("password", "password_missing", text.Say("Enter a password."))

// AddUser adds a person with a password, from the console.
func (s *Service) AddUser(ctx context.Context, by Caller, address, name string, role Role, password Secret) (User, error) {
	if by.kind != "console" {
		return User{}, ErrNotAllowed
	}
	u, err := newUser(by.workspace.ID, address, name, role, s.Now())
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
		return s.record(tx, by, "user.added", u.ID, Done, map[string]string{"role": string(role)})
	})
}

// Users returns people of the caller's workspace in the order of their ids, after the one given, at most limit.
func (s *Service) Users(ctx context.Context, by Caller, after string, limit int) (users []User, err error) {
	if by.kind != "console" {
		return nil, ErrNotAllowed
	}
	err = s.Store.Read(ctx, func(tx Tx) error {
		users, err = tx.UsersAfter(by.workspace.ID, after, limit)
		return err
	})
	return users, err
}

// Unlock empties a user's budgets of tries, of passwords and of codes from every client. An authenticator whose
// codes are refused stays refused until it is set up anew. Where the clock was set back after an authenticator was used,
// its codes are accepted again from the second time step from now on (I43).
func (s *Service) Unlock(ctx context.Context, by Caller, address string) error {
	if by.kind != "console" {
		return ErrNotAllowed
	}
	return s.write(ctx, func(tx Tx) error {
		u, ok, err := tx.UserByAddress(by.workspace.ID, folded(address))
		if err != nil {
			return err
		}
		if ok {
			_, ok, err = tx.LockUser(u.Workspace, u.ID)
		}
		if err != nil || !ok {
			return cmpErr(err, ErrNotFound)
		}
		if err := tx.ClearTries(u.Workspace, u.ID, ""); err != nil {
			return err
		}
		if err := s.unburn(tx, u); err != nil {
			return err
		}
		return s.record(tx, by, "user.unlocked", u.ID, Done, nil)
	})
}

// unburn lets codes be used again that lie in the future and count as burnt, because the clock was set back. The newest
// of them that was used stays refused, and so does whatever is accepted now.
func (s *Service) unburn(tx Tx, u User) error {
	all, err := tx.Authenticators(u.Workspace, u.ID)
	if err != nil {
		return err
	}
	for _, a := range all {
		next := a.params().Step(s.Now()) + 1
		if a.LastStep <= next {
			continue
		}
		a.RefusedSteps = append(a.RefusedSteps, a.LastStep)
		a.LastStep = next
		if err := tx.SaveAuthenticator(a); err != nil {
			return err
		}
	}
	return nil
}
