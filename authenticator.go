package sallyport

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Authenticator is an authenticator app that a user enrolled.
type Authenticator struct {
	Workspace    string
	User         string
	ID           string
	Name         string
	Algorithm    otp.Algorithm
	Secret       []byte  // sealed
	LastStep     int64   // the newest used time step; this and every earlier step count as used (I07)
	UsedSteps    []int64 // the newest used steps, oldest first, at most usedStepsKept: see unburn
	RefusedSteps []int64
	CreatedAt    time.Time
	LastUsedAt   time.Time
	LastUsedFrom string // IP address
}

// MaxAuthenticators is how many authenticators a user may have.
const MaxAuthenticators = 10

// AuthenticatorTx is the storage of authenticators.
type AuthenticatorTx interface {
	// Authenticators returns the authenticators of a user, oldest first.
	Authenticators(workspace, user string) ([]Authenticator, error)
	InsertAuthenticator(Authenticator) error
	// BurnStep saves LastStep, UsedSteps, LastUsedAt and LastUsedFrom. The transaction fails unless the stored LastStep
	// is older: of concurrent transactions that use the same step, exactly one succeeds (I08).
	BurnStep(Authenticator) error
	// SaveAuthenticator replaces name, sealed secret, last step, used steps and refused steps.
	SaveAuthenticator(Authenticator) error
	// DeleteAuthenticator deletes an authenticator, and returns whether it did. It deletes the user's last one only if
	// last is set (I58).
	DeleteAuthenticator(workspace, user, id string, last bool) (bool, error)
}

// Outcomes about authenticators and two-factor authentication as a whole.
var (
	ErrKeyUnreadable      = &Error{Kind: Conflict, Code: "authenticator_unreadable", Text: text.Say("This server cannot check codes from your authenticator app. Use a recovery code, or ask an administrator for help."), Field: "code"}
	ErrAuthenticatorStale = &Error{Kind: Conflict, Code: "authenticator_refused", Text: text.Say("There were too many wrong codes, so codes from your authenticator app are no longer accepted. Use a recovery code, or ask an administrator for help."), Field: "code"}
	ErrTwoFactorRequired  = &Error{Kind: Conflict, Code: "two_factor_required", Text: text.Say("Your company requires you to use two-factor authentication, so you cannot disable it.")}
	ErrTwoFactorOff       = &Error{Kind: Conflict, Code: "two_factor_disabled", Text: text.Say("Two-factor authentication is disabled, so there is nothing to change.")}
	ErrPasswordShort      = &Error{Kind: Conflict, Code: "password_too_short", Text: text.Say("Without two-factor authentication your password must have at least 15 characters, and yours is shorter. Change your password first.")}
)

// OwnAuthenticators returns the caller's authenticators, oldest first, without their secrets.
func (s *Service) OwnAuthenticators(ctx context.Context, by Caller) (all []Authenticator, err error) {
	if err := s.may(by, access{}); err != nil {
		return nil, err
	}
	err = s.Store.Read(ctx, func(tx Tx) error {
		all, err = tx.Authenticators(by.workspace.ID, by.user.ID)
		return err
	})
	return withoutSecrets(all), err
}

// OwnAuthenticator returns one of the caller's authenticators, without its secret, or ErrNotFound.
func (s *Service) OwnAuthenticator(ctx context.Context, by Caller, id string) (Authenticator, error) {
	all, err := s.OwnAuthenticators(ctx, by)
	if err != nil {
		return Authenticator{}, err
	}
	a := find(all, id)
	if a == nil {
		return Authenticator{}, ErrNotFound
	}
	return *a, nil
}

func withoutSecrets(all []Authenticator) []Authenticator {
	for i := range all {
		all[i].Secret = nil
	}
	return all
}

func find(all []Authenticator, id string) *Authenticator {
	i := slices.IndexFunc(all, func(a Authenticator) bool { return a.ID == id })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// RenameAuthenticator changes the name of an authenticator.
func (s *Service) RenameAuthenticator(ctx context.Context, by Caller, id, name string) error {
	name, err := cleanName("name", name)
	if err != nil {
		return err
	}
	return s.act(ctx, by, access{}, func(tx Tx, me *actor) error {
		all, err := tx.Authenticators(me.Workspace, me.ID)
		if err != nil {
			return err
		}
		a := find(all, id)
		if a == nil {
			return ErrNotFound
		}
		was := a.Name
		a.Name = name
		if err := tx.SaveAuthenticator(*a); err != nil {
			return err
		}
		return s.record(tx, by, "authenticator.renamed", me.ID, Done, map[string]string{"authenticator": id, "name": name, "was": was})
	})
}

// Removal is what the removal of an authenticator would do.
type Removal struct {
	Authenticator
	Last bool // it disables two-factor authentication
}

// MayRemove returns what removing an authenticator would do; its errors are those of RemoveAuthenticator.
func (s *Service) MayRemove(ctx context.Context, by Caller, id string) (r Removal, err error) {
	err = s.act(ctx, by, access{}, func(tx Tx, me *actor) error {
		r, err = s.removal(tx, by, me, id)
		r.Secret = nil
		return err
	})
	return r, err
}

func (s *Service) removal(tx Tx, by Caller, me *actor, id string) (Removal, error) {
	all, err := tx.Authenticators(me.Workspace, me.ID)
	if err != nil {
		return Removal{}, err
	}
	a := find(all, id)
	if a == nil {
		return Removal{}, ErrNotFound
	}
	r := Removal{Authenticator: *a, Last: len(all) == 1}
	if r.Last {
		return r, me.mayDisable(by)
	}
	return r, access{fresh: true}.judge(me.User, me.session, by.policy, me.now)
}

// RemoveAuthenticator removes an authenticator and signs the user out everywhere else. Removing the last one is
// Disable, with the same conditions. It returns the session's new secret.
func (s *Service) RemoveAuthenticator(ctx context.Context, by Caller, id string) (Secret, error) {
	var token Secret
	err := s.act(ctx, by, access{}, func(tx Tx, me *actor) error {
		r, err := s.removal(tx, by, me, id)
		if err != nil {
			return err
		}
		if r.Last {
			token, err = s.disable(tx, by, me)
			return err
		}
		gone, err := tx.DeleteAuthenticator(me.Workspace, me.ID, id, false)
		if err != nil || !gone {
			return errOr(err, ErrNotFound)
		}
		if token, err = me.endOthers(tx); err != nil {
			return err
		}
		if err := s.notify(tx, by, me.User, "authenticator.removed", map[string]any{"app": r.Name}); err != nil {
			return err
		}
		return s.record(tx, by, "authenticator.removed", me.ID, Done, map[string]string{"authenticator": id, "name": r.Name})
	})
	return token, err
}

// mayDisable returns why the user may not disable two-factor authentication now, or nil. Reasons that no proof can
// remove come first.
func (me *actor) mayDisable(by Caller) error {
	switch {
	case by.policy.Required(me.User, me.now):
		return ErrTwoFactorRequired
	case !me.TwoFactor:
		return ErrTwoFactorOff
	case me.session.Restricted():
		return ErrRestricted
	case !me.PasswordLong:
		return ErrPasswordShort
	}
	return access{fresh: true, strong: true}.judge(me.User, me.session, by.policy, me.now)
}

// MayDisable reports whether the caller may disable two-factor authentication now; its errors are those of Disable.
func (s *Service) MayDisable(ctx context.Context, by Caller) error {
	return s.act(ctx, by, access{}, func(_ Tx, me *actor) error { return me.mayDisable(by) })
}

// Disable disables two-factor authentication. It deletes authenticators and recovery codes and, by raising the epoch,
// ends all other sessions, trusted devices and unfinished sign-ins. The user needs a fresh code of an authenticator,
// and a password that is long enough to be the only factor (otherwise ErrPasswordShort). If two-factor authentication
// is required, it returns ErrTwoFactorRequired. It returns the session's new secret.
func (s *Service) Disable(ctx context.Context, by Caller) (Secret, error) {
	var token Secret
	err := s.act(ctx, by, access{}, func(tx Tx, me *actor) error {
		if err := me.mayDisable(by); err != nil {
			return err
		}
		var err error
		token, err = s.disable(tx, by, me)
		return err
	})
	return token, err
}

func (s *Service) disable(tx Tx, by Caller, me *actor) (Secret, error) {
	all, err := tx.Authenticators(me.Workspace, me.ID)
	if err != nil {
		return "", err
	}
	for _, a := range all {
		if _, err := tx.DeleteAuthenticator(a.Workspace, a.User, a.ID, true); err != nil {
			return "", err
		}
	}
	if err := tx.ClearTries(me.Workspace, me.ID, bucketAuthenticator); err != nil {
		return "", err
	}
	if err := s.lockEnds(tx, by, me.User); err != nil {
		return "", err
	}
	if err := s.putRecoveryCodes(tx, &me.User, nil); err != nil {
		return "", err
	}
	me.TwoFactor, me.TwoFactorSince = false, time.Time{}
	token, err := me.endOthers(tx)
	if err != nil {
		return "", err
	}
	if err := s.notify(tx, by, me.User, "two_factor.disabled", nil); err != nil {
		return "", err
	}
	return token, s.record(tx, by, "two_factor.disabled", me.ID, Done, nil)
}

// errOr returns err, or the outcome if err is nil.
func errOr(err, outcome error) error {
	if err != nil {
		return err
	}
	return outcome
}

// match returns the authenticator that shows this code within one step of now, with that step as its LastStep.
func (s *Service) match(all []Authenticator, digits string, now time.Time) (Authenticator, bool, error) {
	var unreadable error
	var hit Authenticator
	var found bool
	for _, a := range all {
		secret, err := s.Keys.Open(a.Secret, a.AD())
		if err != nil {
			unreadable = err
			continue
		}
		if step, ok := a.params().Match(secret, digits, now, 1, 1); ok && !found {
			found, hit = true, a
			hit.LastStep = step
		}
	}
	if !found && unreadable != nil {
		return hit, false, unreadable
	}
	return hit, found, nil
}
