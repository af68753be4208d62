package sallyport

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// SignIn is an attempt to sign in after a correct password. It is valid while it has the user's epoch, until ExpiresAt.
type SignIn struct {
	Workspace string
	User      string
	ID        string
	Hash      []byte
	Epoch     int64
	Proofs    Proofs
	Door      Door
	Parked    string // the address of the door to continue to at the end, or empty
	Wrong     int    // number of wrong codes
	Enrolled  bool   // it set up two-factor authentication
	Known     bool   // it began in a known device
	CreatedAt time.Time
	ExpiresAt time.Time

	// Read with it: when its user was last seen in its browser (zero: never), and what is needed to check a code.
	DeviceSeen     time.Time
	Tries          []Tries
	Authenticators []Authenticator

	fresh bool // not yet in the database
}

// SignInLimit is how long a sign-in is valid.
const SignInLimit = 10 * time.Minute

// SignInTx is the storage of sign-ins.
type SignInTx interface {
	// UserOnDevice is UserByAddress that also returns when the user was last seen on the known device with this hash; zero:
	// never.
	UserOnDevice(workspace, folded string, device []byte) (User, time.Time, error)
	InsertSignIn(SignIn) error
	// TakeSignIn locks the user's row until the end of the transaction, and returns it with the sign-in, in one round
	// trip. device is the hash of the secret of the caller's known device.
	TakeSignIn(workspace, user, id string, device []byte) (SignIn, User, bool, error)
	// SaveSignIn replaces hash, epoch, proofs, wrong, enrolled and when it expires.
	SaveSignIn(SignIn) error
	// EndSignIn deletes a sign-in whose user's row is locked. If it does not exist, the transaction fails.
	EndSignIn(workspace, user, id string) error
}

// Step is what a sign-in asks for next. Every page posts its answer, and then redirects to the page of the step.
type Step string

const (
	StepPassword       Step = "password"        // e-mail address and password
	StepChoosePassword Step = "choose_password" // to replace a temporary one, or one too short to be the only factor
	StepCode           Step = "code"            // a second factor
	StepSetUp          Step = "set_up"          // two-factor authentication is required, but not set up
	StepRecoveryCodes  Step = "recovery_codes"  // saving the codes that set-up created
	StepDone           Step = "done"            // a session
)

// next is the dispatcher: it alone decides what a sign-in asks for, from what it has proved and from the policy.
func next(si SignIn, u User, p Policy, now time.Time) Step {
	switch {
	case !si.Proofs.Has(ByPassword) && !si.Proofs.Has(ByPasskey):
		return StepPassword
	case !u.TemporaryEnds.IsZero(), p.TooShort(u, now):
		return StepChoosePassword
	case u.TwoFactor && si.Proofs.secondFactor() == NoSecondFactor:
		return StepCode
	case !u.TwoFactor && p.Owes(u, si.Proofs, now) != OwesNothing:
		return StepSetUp
	case si.Enrolled && u.RecoveryUnsaved():
		return StepRecoveryCodes
	}
	return StepDone
}

// SignInResult is where a step of a sign-in leads, and the new secrets for the browser.
type SignInResult struct {
	Step    Step
	SignIn  Secret // of the sign-in, which continues; empty with StepDone
	Session Secret // of the session, with StepDone
	Parked  string // with StepDone: the address to continue to, or empty
	Device  Secret // of the known device; empty: unchanged
	Trust   Secret // of the trusted device; empty: unchanged

	Restricted    bool     // the session began with a recovery code
	RecoveryCodes []Secret // a new set, as it is shown to people
	RecoveryShown Secret   // the same set, sealed for a cookie
}

// Outcomes of signing in.
var (
	// ErrPasswordWrong is the outcome for a wrong address, a wrong password, an account that may not sign in, and too
	// many tries, so that these cannot be distinguished (I39).
	ErrPasswordWrong = invalid("password", "password_wrong", text.Say("The e-mail address or the password is not right. After several wrong tries, you have to wait before the next one."))
	ErrAddressLimit  = &Error{Kind: TooMany, Code: "too_many_tries", Text: text.Say("There were too many wrong passwords from your network. Try again later.")}
	ErrBusy          = &Error{Kind: Unavailable, Code: "busy", Text: text.Say("Too many people are signing in right now. Try again in a moment."), RetryAfter: 2 * time.Second}
	ErrSignInEnded   = &Error{Kind: Gone, Code: "sign_in_ended", Text: text.Say("This sign-in has ended, because it took longer than 10 minutes or was finished elsewhere. Start again.")}
	ErrOtherStep     = &Error{Kind: Conflict, Code: "other_step", Text: text.Say("Your sign-in is at another step. Go to the start page to continue it.")}
	ErrCodeWrong     = invalid("code", "code_wrong", text.Say("This code is not right. Enter the code that your authenticator app shows now."))
	ErrCodeUsed      = invalid("code", "code_used", text.Say("This code was already used. Wait for the next one."))
	ErrCodesDelayed  = &Error{Kind: TooMany, Code: "codes_delayed", Text: text.Say("There were too many wrong codes. Try again later."), Field: "code"}
	ErrCodesLocked   = &Error{Kind: TooMany, Code: "codes_locked", Text: text.Say("There were too many wrong codes, so none are accepted from this browser. Use a recovery code, sign in from a browser that you have used before, or ask an administrator to unlock you."), Field: "code", RetryAfter: time.Hour}
)

// advance stores what a sign-in has proved, and returns its next step. At the end, it creates the session.
func (s *Service) advance(tx Tx, by Caller, si SignIn, u User) (SignInResult, error) {
	step := next(si, u, by.policy, s.Now())
	if step == StepDone {
		return s.finish(tx, by, si, u)
	}
	p := SignInResult{Step: step}
	p.SignIn, si.Hash = newToken(u.ID, si.ID)
	if si.fresh {
		return p, s.insertSignIn(tx, si, u)
	}
	return p, tx.SaveSignIn(si)
}

// finish ends a sign-in and creates its session. It is the only place that creates sessions. The user's row is locked.
func (s *Service) finish(tx Tx, by Caller, si SignIn, u User) (SignInResult, error) {
	now := s.Now()
	if !si.fresh {
		if err := tx.EndSignIn(si.Workspace, si.User, si.ID); err != nil {
			return SignInResult{}, err
		}
	}
	ses := Session{
		Workspace: u.Workspace, User: u.ID, ID: newID(prefixSession, now), Epoch: u.Epoch, Proofs: si.Proofs,
		Door: si.Door, Address: addressOf(by), Agent: by.agent, CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(SessionLimit),
	}
	p := SignInResult{Step: StepDone, Parked: si.Parked, Restricted: ses.Restricted()}
	p.Session, ses.Hash = newToken(u.ID, ses.ID)
	if err := tx.InsertSession(ses); err != nil {
		return SignInResult{}, err
	}
	if err := s.endCookieSession(tx, by); err != nil {
		return SignInResult{}, err
	}
	var unknown bool
	var err error
	if p.Device, unknown, err = s.rememberDevice(tx, by, u, si.DeviceSeen); err != nil {
		return SignInResult{}, err
	}
	// Every browser is new to a new account, so its first sign-in is not suspicious.
	tell := unknown && !u.SignIns.Since.IsZero() && !lifetime.Within(u.NewBrowserMailedAt, newBrowserMailInterval, now)
	if tell {
		u.NewBrowserMailedAt = now
	}
	u.SignIns = u.SignIns.Charge(signInRule, now)
	if err := s.makeRoom(tx, by, &u); err != nil {
		return SignInResult{}, err
	}
	u.LastSignInAt, u.LastSignInMethod = now, si.Proofs.secondFactor()
	if err := tx.SaveLastSignIn(u); err != nil {
		return SignInResult{}, err
	}
	if tell {
		if err := s.notify(tx, by.as(u), u, "sign_in.new_browser", nil); err != nil {
			return SignInResult{}, err
		}
	}
	return p, s.record(tx, by.as(u), "sign_in.completed", u.ID, Done, map[string]string{"method": string(u.LastSignInMethod)})
}

// signIn returns the caller's valid sign-in, and its user, whose row it locks.
func (s *Service) signIn(tx Tx, by Caller) (SignIn, User, error) {
	user, id, hash, ok := parseToken(by.signIn, prefixSignIn)
	if !ok {
		return SignIn{}, User{}, ErrSignInEnded
	}
	si, u, ok, err := tx.TakeSignIn(by.workspace.ID, user, id, hashToken(by.device))
	if err != nil {
		return SignIn{}, User{}, err
	}
	if !ok || !bytes.Equal(si.Hash, hash) || si.Epoch != u.Epoch || !u.enters() || !lifetime.Until(si.ExpiresAt, SignInLimit, s.Now()) {
		return SignIn{}, User{}, ErrSignInEnded
	}
	if wait := u.SignIns.Wait(signInRule, s.Now()); wait > 0 {
		return SignIn{}, User{}, ErrSignInLimit.waiting(wait)
	}
	return si, u, nil
}

// abandon ends the caller's sign-in and any set-up begun in it, so that the next person at the browser finds neither.
func (s *Service) abandon(ctx context.Context, by Caller, forget bool) error {
	if by.signIn == "" {
		return nil
	}
	err := s.write(ctx, func(tx Tx) error {
		si, u, err := s.signIn(tx, by)
		if err != nil {
			return err
		}
		if _, err := tx.DeleteDraft(u.Workspace, u.ID, si.ID); err != nil {
			return err
		}
		if err := tx.EndSignIn(u.Workspace, u.ID, si.ID); err != nil {
			return err
		}
		if forget {
			if err := s.forget(tx, by.as(u), u.ID); err != nil {
				return err
			}
		}
		return s.record(tx, by.as(u), "sign_in.abandoned", u.ID, Done, nil)
	})
	if errors.Is(err, ErrSignInEnded) {
		return nil
	}
	return err
}

// SignIn checks an e-mail address and a password. If both are correct, it starts a sign-in and returns its next step.
// Everything else is ErrPasswordWrong, with the same statements and one hash. ErrAddressLimit and ErrBusy reveal
// nothing about any person.
func (s *Service) SignIn(ctx context.Context, by Caller, address, password string) (SignInResult, error) {
	try, err := s.tryPassword(ctx, by, address, password)
	if err != nil {
		return SignInResult{}, err
	}
	var p SignInResult
	err = s.write(ctx, func(tx Tx) error {
		u, ok, err := s.finishPasswordTry(tx, by, try)
		if err != nil {
			return err
		}
		if !ok {
			return commit(ErrPasswordWrong)
		}
		now := s.Now()
		if wait := u.SignIns.Wait(signInRule, now); wait > 0 {
			return commit(ErrSignInLimit.waiting(wait))
		}
		si := SignIn{
			Workspace: u.Workspace, User: u.ID, ID: newID(prefixSignIn, now), Epoch: u.Epoch, Door: by.door,
			Proofs: Proofs{{Method: ByPassword, At: now}}, Parked: by.to, CreatedAt: now, ExpiresAt: now.Add(SignInLimit),
			DeviceSeen: try.seen, Known: by.knownSince(try.seen, now), fresh: true,
		}
		value, err := s.useTrust(tx, by, u)
		if err != nil {
			return err
		}
		if value != "" {
			si.Proofs = si.Proofs.With(ByTrustedDevice, now)
		}
		p, err = s.advance(tx, by, si, u)
		p.Trust = value
		return err
	})
	return p, err
}

// Challenge is what a page that asks for a code shows.
type Challenge struct {
	Step           Step
	Address        string
	Authenticators []string // their names
	Passkeys       []string // their names
	Options        []byte   // JSON with which a browser asks for one of the passkeys; nil: there is none
	PasskeyFirst   bool     // a passkey was used more recently than an app
	Approval       bool     // the user may ask for approval on another device
	TrustDays      int      // for how many days the browser may be trusted; 0: it may not
	Ends           time.Time
}

// Challenge returns the current step of the caller's sign-in, or ErrSignInEnded.
func (s *Service) Challenge(ctx context.Context, by Caller) (Challenge, error) {
	var c Challenge
	if by.signIn == "" {
		return c, ErrSignInEnded
	}
	err := s.write(ctx, func(tx Tx) error {
		si, u, err := s.signIn(tx, by)
		if err != nil {
			return err
		}
		c = Challenge{Step: next(si, u, by.policy, s.Now()), Address: u.Address, Ends: si.ExpiresAt, TrustDays: by.policy.TrustDays(u, s.Now())}
		for _, a := range si.Authenticators {
			c.Authenticators = append(c.Authenticators, a.Name)
		}
		if c.Step != StepCode {
			return nil
		}
		all, err := tx.Passkeys(u.Workspace, u.ID)
		if err != nil {
			return err
		}
		_, _, err = s.approvable(tx, by, si, u, all)
		if c.Approval = err == nil; err != nil && len(Outcomes(err)) == 0 {
			return err
		}
		if len(all) == 0 {
			return nil
		}
		for _, k := range all {
			c.Passkeys = append(c.Passkeys, k.Name)
		}
		c.PasskeyFirst = passkeyFirst(all, si.Authenticators)
		c.Options, err = s.party(by).RequestOptions(s.challenge(by, toSignIn, u.ID, si.ID), keysOf(all))
		return err
	})
	return c, err
}

// AnswerCode checks a second factor: the code of an authenticator or a recovery code, which it recognises by their
// formats. With the code of an authenticator, it makes the browser a trusted device, if trust is set and the policy
// allows it. A wrong code is ErrCodeWrong or ErrRecoveryWrong, a used one ErrCodeUsed or ErrRecoveryUsed. If there are
// no tries left, it returns ErrCodesDelayed, ErrCodesLocked or ErrRecoveryLimit.
func (s *Service) AnswerCode(ctx context.Context, by Caller, code string, trust bool) (SignInResult, error) {
	given, err := readAnswer(code)
	if err != nil {
		return SignInResult{}, err
	}
	return s.answer(ctx, by, given, trust)
}

// AnswerPasskey is AnswerCode with a passkey: what the browser returned for the options of Challenge.
func (s *Service) AnswerPasskey(ctx context.Context, by Caller, credential string, trust bool) (SignInResult, error) {
	given, err := readPasskey(credential)
	if err != nil {
		return SignInResult{}, err
	}
	return s.answer(ctx, by, given, trust)
}

func (s *Service) answer(ctx context.Context, by Caller, given answer, trust bool) (SignInResult, error) {
	var p SignInResult
	err := s.write(ctx, func(tx Tx) error {
		si, u, err := s.signIn(tx, by)
		if err != nil {
			return err
		}
		if next(si, u, by.policy, s.Now()) != StepCode {
			return ErrOtherStep
		}
		proof, err := s.judge(tx, by, &u, given, &si)
		if err != nil {
			return err
		}
		si.Proofs = si.Proofs.and(proof)
		if p, err = s.advance(tx, by, si, u); err != nil || !trust || proof.Method.Strength() < StrongFactor {
			return err
		}
		renewed := by
		if p.Device != "" {
			renewed.device = p.Device
		}
		p.Trust, err = s.trust(tx, renewed, u)
		return err
	})
	return p, err
}

func addressOf(by Caller) string {
	if !by.address.IsValid() {
		return ""
	}
	return by.address.String()
}

// folded is fold.Address for lookups. Input that is not an address is looked up too, under a name that no one has.
func folded(address string) string {
	if _, f, err := fold.Address(address); err == nil {
		return f
	}
	return "\x01" + fold.Name(address)
}
