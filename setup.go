package sallyport

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Draft is an authenticator that is being set up and not yet confirmed. It is bound to one session or sign-in, its
// Holder. Each of these has at most one.
type Draft struct {
	Workspace    string
	User         string
	Holder       string // id of the session or sign-in
	Epoch        int64
	Name         string
	Replaces     string // what it replaces when it is confirmed: the id of an authenticator, ReplacesAll, or ""
	Secret       []byte // sealed
	RefusedSteps []int64
	ExpiresAt    time.Time
}

// ReplacesAll is the Replaces of a draft that replaces all authenticators.
const ReplacesAll = "all"

// DraftLimit is how long a draft is valid.
const DraftLimit = 15 * time.Minute

// DraftTx is the storage of drafts.
type DraftTx interface {
	// PutDraft inserts a draft, or replaces the one that its holder had.
	PutDraft(Draft) error
	Draft(workspace, user, holder string) (Draft, bool, error)
	// DeleteDraft deletes a draft, and returns whether it existed.
	DeleteDraft(workspace, user, holder string) (bool, error)
}

// Outcomes of setting up.
var (
	ErrNoDraft               = &Error{Kind: Gone, Code: "set_up_expired", Text: text.Say("This set-up has ended: it was finished in another tab, took longer than 15 minutes, or was stopped by another change of your account.")}
	ErrOtherDraft            = invalid("code", "set_up_restarted", text.Say("You started this set-up again in another tab. Scan the QR code that you see here now, and enter the code that the app then shows."))
	ErrSetUpCodeWrong        = invalid("code", "code_wrong", text.Say("This code is not right. Enter the code that the app shows now."))
	ErrAuthenticatorUnnamed  = invalid("name", "app_unnamed", text.Say("Pick an app, or enter a name."))
	ErrCodeMalformed         = invalid("code", "code_malformed", text.Say("Enter the 6 digits that the app shows."))
	ErrChooseReplaced        = invalid("replaces", "replaces_missing", text.Say("Choose the app that the new one replaces."))
	ErrTooManyAuthenticators = &Error{Kind: Conflict, Code: "too_many_authenticators", Text: text.Say("You have 10 authenticator apps, and cannot add more. Remove one first.")}
)

// SetUp is what pages show of a draft, only to its holder, until it is confirmed.
type SetUp struct {
	Draft    string // distinguishes this draft from one that was started later
	Name     string
	Replaces []string // names of the authenticators that it replaces when it is confirmed
	Account  string   // e-mail address
	Key      Secret   // base32
	URI      Secret   // otpauth URI with the same key
	Ends     time.Time
	Why      Reason // why nothing else works before it is confirmed; zero: other things work
}

// enrolment is a user who sets up an authenticator, in a session or a sign-in, read inside the transaction.
type enrolment struct {
	User
	id      string
	session *actor
	signIn  *SignIn
	codes   []Secret // created with the first authenticator, or if none were left
}

// proofs returns the proofs of the session or sign-in.
func (e *enrolment) proofs() Proofs {
	if e.signIn != nil {
		return e.signIn.Proofs
	}
	return e.session.session.Proofs
}

// enrolling runs fn for the user who may set up an authenticator now, in the caller's session, or in a sign-in whose next
// step is step.
func (s *Service) enrolling(ctx context.Context, by Caller, step Step, a access, fn func(Tx, *enrolment) error) error {
	if by.session != nil {
		a.forced = true
		return s.act(ctx, by, a, func(tx Tx, me *actor) error {
			return fn(tx, &enrolment{User: me.User, id: me.session.ID, session: me})
		})
	}
	return s.write(ctx, func(tx Tx) error {
		si, u, err := s.signIn(tx, by)
		if err != nil {
			return err
		}
		if next(si, u, by.policy, s.Now()) != step {
			return ErrOtherStep
		}
		if !a.keyed && by.policy.Owes(u, si.Proofs, s.Now()) == OwesPasskey {
			return errPasskeyRequired
		}
		return fn(tx, &enrolment{User: u, id: si.ID, signIn: &si})
	})
}

// adding and changing are what I19 requires: fresh proof of an existing authenticator to add another one. To replace
// authenticators, a recovery code is enough too. A user without a second factor gives the password.
var (
	adding   = access{proof: StrongFactor}
	changing = access{proof: AnyFactor}
)

// MaySetUp reports whether the caller may start to set up one more authenticator now, whether that needs a set-up code,
// and why they must, if they must. Its errors are those of StartSetUp.
func (s *Service) MaySetUp(ctx context.Context, by Caller) (withCode bool, why Reason, err error) {
	err = s.enrolling(ctx, by, StepSetUp, adding, func(tx Tx, e *enrolment) error {
		withCode, why = e.owesSetUpCode(), by.policy.Reason(e.User, e.proofs(), s.Now())
		return s.checkAuthenticatorLimit(tx, e)
	})
	return withCode, why, err
}

// StartSetUp creates a new key for one more authenticator app, with a name, and stores it as a draft. It replaces an
// earlier draft of the same session or sign-in. After a reset, it needs the set-up code, once in a session or sign-in.
// A wrong one is ErrSetUpCodeMissing, an expired one ErrSetUpCodeOver. If there are no tries left, it returns
// ErrSetUpCodeLimit.
func (s *Service) StartSetUp(ctx context.Context, by Caller, name, setUpCode string) error {
	name, unnamed := appName(name)
	return s.enrolling(ctx, by, StepSetUp, adding, func(tx Tx, e *enrolment) error {
		if err := s.checkAuthenticatorLimit(tx, e); err != nil {
			return err
		}
		if e.owesSetUpCode() {
			if err := s.takeSetUpCode(tx, by, e, setUpCode); err != nil {
				if k, ok := errors.AsType[committed](err); ok {
					return commit(outcomes(k.err, unnamed))
				}
				return outcomes(err, unnamed)
			}
		}
		if unnamed != nil {
			return commit(unnamed)
		}
		return s.putDraft(tx, e, name, "")
	})
}

// appName is cleanName for an authenticator app, which is chosen from a list or named.
func appName(name string) (string, error) {
	if strings.TrimSpace(name) == "" {
		return "", ErrAuthenticatorUnnamed
	}
	return cleanName("name", name)
}

// owesSetUpCode reports whether the user must still enter a set-up code after a reset (I25).
func (e *enrolment) owesSetUpCode() bool {
	return e.MustSetUp && !e.proofs().Has(BySetUpCode)
}

// takeSetUpCode checks the set-up code, and saves in the session or sign-in that it was given.
func (s *Service) takeSetUpCode(tx Tx, by Caller, e *enrolment, code string) error {
	if err := s.checkSetUpCode(tx, by, e.User, code); err != nil {
		return err
	}
	if e.signIn != nil {
		e.signIn.Proofs = e.signIn.Proofs.With(BySetUpCode, s.Now())
		return tx.SaveSignIn(*e.signIn)
	}
	e.session.session.Proofs = e.session.session.Proofs.With(BySetUpCode, s.Now())
	return tx.SaveSession(e.session.session)
}

// checkAuthenticatorLimit returns ErrTooManyAuthenticators if the user has the maximum number of authenticators.
func (s *Service) checkAuthenticatorLimit(tx Tx, e *enrolment) error {
	have, err := tx.Authenticators(e.Workspace, e.User.ID)
	if err == nil && len(have) >= MaxAuthenticators {
		return ErrTooManyAuthenticators
	}
	return err
}

// Replaceable returns the authenticators from which the caller chooses the one to replace. It returns none if there is
// no choice because all of them will be replaced. Its errors are those of StartChange.
func (s *Service) Replaceable(ctx context.Context, by Caller) (all []Authenticator, err error) {
	err = s.enrolling(ctx, by, StepSetUp, changing, func(tx Tx, e *enrolment) error {
		all, err = s.replaceable(tx, e)
		return err
	})
	return withoutSecrets(all), err
}

func (s *Service) replaceable(tx Tx, e *enrolment) ([]Authenticator, error) {
	if !e.TwoFactor {
		return nil, ErrTwoFactorOff
	}
	if !e.provedStrong() {
		return nil, nil
	}
	return tx.Authenticators(e.Workspace, e.User.ID)
}

// provedStrong reports whether a code of an authenticator or a passkey was given in the session within StepUpLimit.
func (e *enrolment) provedStrong() bool {
	return e.session != nil && e.session.session.Proofs.fresh(e.User, StrongFactor, e.session.now)
}

// replacesAll reports whether a new second factor replaces every other one: the caller has proved no more than that they
// have a recovery code (I19).
func (e *enrolment) replacesAll() bool { return e.session != nil && e.TwoFactor && !e.provedStrong() }

// StartChange creates a new key for an authenticator app that will replace another one, named by its id, or all of them
// (ReplacesAll). If there is only one, it need not be named. After a recovery code, all of them are replaced (I19). The
// old ones work until the new one is confirmed.
func (s *Service) StartChange(ctx context.Context, by Caller, name, replaces string) error {
	name, unnamed := appName(name)
	return s.enrolling(ctx, by, StepSetUp, changing, func(tx Tx, e *enrolment) error {
		all, err := s.replaceable(tx, e)
		if err != nil {
			return err
		}
		chosen := replaces
		switch {
		case len(all) == 0:
			chosen = ReplacesAll
		case replaces == "" && len(all) == 1:
			chosen = all[0].ID
		case replaces == "":
			return outcomes(ErrChooseReplaced, unnamed)
		case replaces != ReplacesAll && find(all, replaces) == nil:
			return ErrNotFound
		}
		if unnamed != nil {
			return unnamed
		}
		return s.putDraft(tx, e, name, chosen)
	})
}

func (s *Service) putDraft(tx Tx, e *enrolment, name, replaces string) error {
	d := Draft{
		Workspace: e.Workspace, User: e.User.ID, Holder: e.id, Epoch: e.Epoch, Name: name, Replaces: replaces,
		ExpiresAt: s.Now().Add(DraftLimit),
	}
	var err error
	if d.Secret, err = s.Keys.Seal(otp.NewSecret(), d.AD()); err != nil {
		return err
	}
	return tx.PutDraft(d)
}

// SetUp returns the caller's draft, or ErrNoDraft.
func (s *Service) SetUp(ctx context.Context, by Caller) (SetUp, error) {
	var v SetUp
	err := s.enrolling(ctx, by, StepSetUp, access{}, func(tx Tx, e *enrolment) error {
		d, secret, err := s.draft(tx, by, e)
		if err != nil {
			return err
		}
		key := otp.Key{Issuer: by.workspace.Issuer(), Account: e.Address, Secret: secret, Params: otp.Default}
		v = SetUp{
			Draft: d.mark(), Name: d.Name, Account: e.Address, Key: Secret(otp.EncodeSecret(secret)),
			URI: Secret(key.URIWithin(qrBytes)), Ends: d.ExpiresAt, Why: by.policy.Reason(e.User, e.proofs(), s.Now()),
		}
		old, err := s.replaced(tx, d)
		for _, a := range old {
			v.Replaces = append(v.Replaces, a.Name)
		}
		return err
	})
	return v, err
}

// mark returns a value that identifies a draft but reveals nothing about its key.
func (d Draft) mark() string {
	sum := sha256.Sum256(d.Secret)
	return hex.EncodeToString(sum[:8])
}

// draft returns the draft of the session or sign-in, and its key. For a first authenticator, the password that was given when the draft
// began is enough. Every other draft needs proof that is still fresh.
func (s *Service) draft(tx Tx, by Caller, e *enrolment) (Draft, []byte, error) {
	d, ok, err := tx.Draft(e.Workspace, e.User.ID, e.id)
	if err != nil {
		return d, nil, err
	}
	if !ok || d.Epoch != e.Epoch || !lifetime.Until(d.ExpiresAt, DraftLimit, s.Now()) || e.owesSetUpCode() {
		return d, nil, ErrNoDraft
	}
	if e.session != nil && e.TwoFactor {
		a := adding
		if d.Replaces != "" {
			a = changing
		}
		if err := a.judge(e.User, e.session.session, by.policy, e.session.now); err != nil {
			return d, nil, err
		}
		if d.Replaces != "" && !e.provedStrong() {
			d.Replaces = ReplacesAll
		}
	}
	secret, err := s.Keys.Open(d.Secret, d.AD())
	return d, secret, err
}

// replaced returns the authenticators that the draft replaces when it is confirmed.
func (s *Service) replaced(tx Tx, d Draft) ([]Authenticator, error) {
	if d.Replaces == "" {
		return nil, nil
	}
	all, err := tx.Authenticators(d.Workspace, d.User)
	if err != nil || d.Replaces == ReplacesAll {
		return all, err
	}
	if a := find(all, d.Replaces); a != nil {
		return []Authenticator{*a}, nil
	}
	return nil, nil
}

// ConfirmSetUp turns the draft into an authenticator, given the code that it shows now. That code counts as used (I21).
// draft is the SetUp.Draft for which the code was entered: if another one has replaced it, the outcome is
// ErrOtherDraft; empty means any draft. It signs the user out everywhere else; the session or sign-in continues under a
// new secret.
func (s *Service) ConfirmSetUp(ctx context.Context, by Caller, draft, code string) (SignInResult, error) {
	digits, ok := otp.Normalise(code)
	if !ok {
		return SignInResult{}, ErrCodeMalformed
	}
	var p SignInResult
	err := s.enrolling(ctx, by, StepSetUp, access{}, func(tx Tx, e *enrolment) error {
		d, secret, err := s.draft(tx, by, e)
		if err != nil {
			return err
		}
		if draft != "" && draft != d.mark() {
			return ErrOtherDraft
		}
		now := s.Now()
		step, err := s.firstCode(tx, d, secret, digits, now)
		if err != nil {
			return err
		}
		if err := s.enrol(tx, by, e, d, secret, step); err != nil {
			return err
		}
		if p, err = s.goOn(tx, by, e, Proof{Method: ByAuthenticator, At: now}); err != nil || len(e.codes) == 0 {
			return err
		}
		p.RecoveryCodes = e.codes
		p.RecoveryShown, err = s.sealShown(e.User, e.id, e.codes)
		return err
	})
	return p, err
}

// goOn continues after a second factor was added: it advances the sign-in, or moves the session to a new epoch.
func (s *Service) goOn(tx Tx, by Caller, e *enrolment, added Proof) (SignInResult, error) {
	if e.signIn != nil {
		return s.advance(tx, by, *e.signIn, e.User)
	}
	e.session.User = e.User
	e.session.session.Proofs = e.session.session.Proofs.and(added)
	token, err := e.session.endOthers(tx)
	return SignInResult{Step: StepDone, Session: token}, err
}

// firstCode returns the time step of the code that confirms a draft. It charges no budget, because the caller has the
// key.
func (s *Service) firstCode(tx Tx, d Draft, secret []byte, digits string, now time.Time) (int64, error) {
	step, ok := otp.Default.Match(secret, digits, now, 1, 1)
	if ok && !slices.Contains(d.RefusedSteps, step) {
		return step, nil
	}
	if ok {
		return 0, ErrCodeUsed
	}
	other, found, refused := matchOtherTime(otp.Default, secret, digits, now, 0, d.RefusedSteps)
	if !found {
		return 0, ErrSetUpCodeWrong
	}
	d.RefusedSteps = refused
	if err := tx.PutDraft(d); err != nil {
		return 0, err
	}
	return 0, commit(clockOff(other, now))
}

// enrol turns a draft into an authenticator of its user, and deletes those that it replaces.
func (s *Service) enrol(tx Tx, by Caller, e *enrolment, d Draft, secret []byte, step int64) error {
	now := s.Now()
	if gone, err := tx.DeleteDraft(e.Workspace, e.User.ID, e.id); err != nil || !gone {
		return errOr(err, ErrNoDraft)
	}
	old, err := s.replaced(tx, d)
	if err != nil {
		return err
	}
	a := Authenticator{
		Workspace: e.Workspace, User: e.User.ID, ID: newID(prefixAuthenticator, now), Name: d.Name,
		Algorithm: otp.Default.Algorithm, LastStep: step, UsedSteps: []int64{step}, RefusedSteps: d.RefusedSteps, CreatedAt: now,
	}
	if a.Secret, err = s.Keys.Seal(secret, a.AD()); err != nil {
		return err
	}
	if err := tx.InsertAuthenticator(a); err != nil {
		return err
	}
	for _, o := range old {
		if _, err := tx.DeleteAuthenticator(o.Workspace, o.User, o.ID, true); err != nil {
			return err
		}
	}
	replaced := int64(len(old))
	if d.Replaces == ReplacesAll && e.replacesAll() {
		keys, err := tx.DeletePasskeys(e.Workspace, e.User.ID, "")
		if err != nil {
			return err
		}
		replaced += keys
		e.HasPasskey = false
	}
	if err := tx.ClearTries(e.Workspace, e.User.ID, bucketAuthenticator); err != nil {
		return err
	}
	if err := s.lockEnds(tx, by.as(e.User), e.User); err != nil {
		return err
	}
	return s.enrolled(tx, by, e, newFactor{Proof{Method: ByAuthenticator, At: now}, a.ID, a.Name}, replaced > 0)
}

// newFactor is a second factor that was just added, of any kind.
type newFactor struct {
	proof    Proof
	id, name string
}

// enrolled updates the user, and the sign-in if there is one, after a second factor was added. It mails the user and
// records an event.
func (s *Service) enrolled(tx Tx, by Caller, e *enrolment, f newFactor, changed bool) error {
	first := !e.TwoFactor
	if first {
		e.TwoFactor, e.TwoFactorSince, e.MustSetUp = true, f.proof.At, false
		e.SetUpCodeHash, e.SetUpCodeEnds = nil, time.Time{}
	}
	if first || e.RecoveryLeft == 0 {
		var err error
		if e.codes, err = s.makeRecoveryCodes(tx, by, &e.User); err != nil {
			return err
		}
	}
	if len(e.codes) > 0 && !first { // the mail about the first factor mentions the codes
		if err := s.notify(tx, by, e.User, "recovery_codes.made", nil); err != nil {
			return err
		}
	}
	if e.signIn != nil {
		e.signIn.Proofs = e.signIn.Proofs.and(f.proof)
		e.Epoch++
		e.signIn.Epoch, e.signIn.Enrolled, e.signIn.ExpiresAt = e.Epoch, true, f.proof.At.Add(SignInLimit)
		if err := tx.SaveUser(e.User); err != nil {
			return err
		}
	}
	detail := map[string]string{string(f.proof.Method): f.id, "name": f.name}
	if f.proof.Method == ByPasskey {
		return s.passkeyAdded(tx, by, e, f, first, changed, detail)
	}
	kind := "authenticator.added"
	switch {
	case first:
		kind = "two_factor.enabled"
	case changed:
		kind = "authenticator.changed"
	}
	if err := s.notify(tx, by, e.User, kind, map[string]any{"app": f.name}); err != nil {
		return err
	}
	return s.record(tx, by.as(e.User), kind, e.User.ID, Done, detail)
}

// qrBytes is the capacity of a QR code of version 10 with error correction M, which phones can scan from a screen.
const qrBytes = 213
