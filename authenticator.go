package sallyport

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/throttle"
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
	keys, err := tx.Passkeys(me.Workspace, me.ID)
	if err != nil {
		return Removal{}, err
	}
	r := Removal{Authenticator: *a, Last: len(all)+len(keys) == 1}
	if r.Last {
		return r, me.mayDisable(by)
	}
	return r, access{proof: AnyFactor}.judge(me.User, me.session, by.policy, me.now)
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
		gone, err := tx.DeleteAuthenticator(me.Workspace, me.ID, id, true)
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
	return access{proof: StrongFactor}.judge(me.User, me.session, by.policy, me.now)
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
	if err := s.removeFactors(tx, by, &me.User); err != nil {
		return "", err
	}
	me.session.Proofs = me.session.Proofs.Without(ByPasskey)
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

// judgeCode marks the time step of a correct code as used and refunds the wrong ones before it, or charges a wrong code.
func (s *Service) judgeCode(tx Tx, j judgement, digits string) error {
	if len(j.authenticators) == 0 { // there is nothing to guess
		return ErrCodeWrong
	}
	if err := j.codesRefused(); err != nil {
		return s.refuse(tx, j.client(bucketCode), err)
	}
	a, found, err := s.match(j.authenticators, digits, j.now)
	if err != nil {
		s.Log.Error("an authenticator cannot be read", "workspace", j.user.Workspace, "user", j.user.ID)
		if err := s.record(tx, j.by, "authenticator.unreadable", j.user.ID, Refused, nil); err != nil {
			return err
		}
		// It is charged because it may have been a guess for another authenticator, which can be read.
		return s.wrongCode(tx, j, ErrKeyUnreadable)
	}
	if !found {
		outcome, err := s.matchOtherTime(tx, j.authenticators, digits, j.now)
		if err != nil {
			return err
		}
		return s.wrongCode(tx, j, outcome)
	}
	if slices.Contains(a.RefusedSteps, a.LastStep) {
		if err := s.record(tx, j.by, "code.refused", j.user.ID, Refused, map[string]string{"authenticator": a.ID}); err != nil {
			return err
		}
		return commit(ErrCodeUsed)
	}
	if before := find(j.authenticators, a.ID); a.LastStep <= before.LastStep {
		return s.usedCode(tx, j, *before)
	}
	a.LastUsedAt, a.LastUsedFrom = j.now, addressOf(j.by)
	a.UsedSteps = append(a.UsedSteps[max(0, len(a.UsedSteps)+1-usedStepsKept):len(a.UsedSteps):len(a.UsedSteps)], a.LastStep)
	if err := tx.BurnStep(a); err != nil {
		return err
	}
	return s.forgiveCodes(tx, j)
}

// codesRefused returns why no code may be tried now, or nil.
func (j judgement) codesRefused() *Error {
	if j.tries.of(bucketAuthenticator).Consecutive >= authenticatorRow {
		return ErrAuthenticatorStale
	}
	wait := throttle.CodeWait(j.client(bucketCode), j.now)
	if j.known {
		wait = codeDeviceRule.Wait(j.client(bucketCode), j.now)
	}
	switch {
	case wait == throttle.Forever:
		return ErrCodesLocked
	case wait > 0:
		return ErrCodesDelayed.after(wait)
	}
	return nil
}

// usedCode answers a correct code that was used before. It costs no try, and records an alarm if that was elsewhere.
func (s *Service) usedCode(tx Tx, j judgement, a Authenticator) error {
	if lifetime.Ahead(a.params().Time(a.LastStep), j.now) {
		return s.codeOfSetBackClock(tx, j.by, *j.user, a)
	}
	detail := map[string]string{"authenticator": a.ID}
	if a.LastUsedFrom != "" && a.LastUsedFrom != addressOf(j.by) {
		detail["alarm"] = "used from another address"
	}
	if err := s.record(tx, j.by, "code.used_twice", j.user.ID, Refused, detail); err != nil {
		return err
	}
	return commit(ErrCodeUsed)
}

// wrongCode charges a wrong code to the client, to the authenticators and to the sign-in. It may mail the user, and
// returns outcome.
func (s *Service) wrongCode(tx Tx, j judgement, outcome *Error) error {
	client, all := j.client(bucketCode), j.tries.of(bucketAuthenticator)
	if j.known {
		client = codeDeviceRule.Charge(client, j.now)
	} else {
		client = throttle.ChargeCode(client, j.now)
	}
	all.Consecutive++
	all.Last = j.now
	for _, t := range []Tries{client, all} {
		if err := tx.SaveTries(t); err != nil {
			return err
		}
	}
	notice := ""
	if client.Count == codesWrongNotice { // even if each is in a separate sign-in
		notice = "codes.wrong"
	}
	if j.signIn != nil {
		j.signIn.Wrong++
		if err := tx.SaveSignIn(*j.signIn); err != nil {
			return err
		}
		if j.signIn.Wrong == codesWrongNotice {
			notice = "codes.wrong"
		}
	}
	switch {
	case j.known:
	case client.Consecutive == throttle.CodeDelayFrom:
		notice = "codes.delayed"
	case client.Consecutive == throttle.CodeLimit || client.OfMonth() == throttle.CodeLimit:
		notice = "codes.locked"
	}
	if notice != "" {
		if err := s.notify(tx, j.by, *j.user, notice, nil); err != nil {
			return err
		}
	}
	if err := s.record(tx, j.by, "code.wrong", j.user.ID, Refused, nil); err != nil {
		return err
	}
	if err := s.lockIfSpent(tx, j.by, j.user.ID, client, all); err != nil {
		return err
	}
	return commit(outcome)
}

// forgiveCodes refunds the wrong codes of a sign-in that completes, and resets the counts of wrong codes in a row. In a
// known device, it also resets the count in a row of unknown clients, and with it their delay or lock. Their count of
// 30 days stays (I65).
func (s *Service) forgiveCodes(tx Tx, j judgement) error {
	client, all, unknown := j.client(bucketCode), j.tries.of(bucketAuthenticator), j.tries.of(bucketCode)
	wrong := 0
	if j.signIn != nil {
		wrong = j.signIn.Wrong
	}
	if all.Consecutive > 0 {
		all.Consecutive = 0
		if err := tx.SaveTries(all); err != nil {
			return err
		}
	}
	if client.Consecutive > 0 || wrong > 0 {
		if err := tx.SaveTries(throttle.Forgive(client, wrong)); err != nil {
			return err
		}
	}
	if j.known && unknown.Consecutive > 0 {
		if err := tx.SaveTries(throttle.Forgive(unknown, 0)); err != nil {
			return err
		}
	}
	return s.lockEnds(tx, j.by, *j.user)
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
