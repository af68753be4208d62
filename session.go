package sallyport

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Method is a way for users to prove their identity.
type Method string

const (
	ByPassword      Method = "password"
	ByAuthenticator Method = "authenticator"
	ByPasskey       Method = "passkey"
	ByRecoveryCode  Method = "recovery_code"
	ByTrustedDevice Method = "trusted_device"
	ByApproval      Method = "approval" // on another device
	BySetUpCode     Method = "set_up_code"
	NoSecondFactor  Method = "no_second_factor"
)

// Proof is a method and when it was last used.
type Proof struct {
	Method Method
	At     time.Time
	Key    KeyUse // of ByPasskey
}

// Proofs are the proofs that a browser has given, each method at most once, in the order in which they were given.
type Proofs []Proof

// With returns the proofs, in which the method was last given at the time at.
func (p Proofs) With(m Method, at time.Time) Proofs { return p.and(Proof{Method: m, At: at}) }

// and returns the proofs with one more, which replaces an earlier one by the same method.
func (p Proofs) and(last Proof) Proofs {
	out := make(Proofs, 0, len(p)+1)
	for _, x := range p {
		if x.Method != last.Method {
			out = append(out, x)
		}
	}
	return append(out, last)
}

// Without returns the proofs except that of one method.
func (p Proofs) Without(m Method) Proofs {
	return slices.DeleteFunc(slices.Clone(p), func(x Proof) bool { return x.Method == m })
}

// At returns when a method was last given, or the zero time if it was not.
func (p Proofs) At(m Method) time.Time {
	for _, x := range p {
		if x.Method == m {
			return x.At
		}
	}
	return time.Time{}
}

// Has reports whether a method was given.
func (p Proofs) Has(m Method) bool { return !p.At(m).IsZero() }

// Within reports whether a method was given at most d before now. A proof from the future does not count, because the
// clock was set back since (I43).
func (p Proofs) Within(m Method, d time.Duration, now time.Time) bool {
	return lifetime.Within(p.At(m), d+1, now)
}

// The stored form of what is known about a passkey.
const (
	keyBound    = "+bound"
	keyVerified = "+verified"
)

// String returns the stored form: "password@1732240000000 passkey+bound+verified@1732240012000", in Unix milliseconds.
func (p Proofs) String() string {
	var b strings.Builder
	for i, x := range p {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(x.Method))
		if x.Key.Bound {
			b.WriteString(keyBound)
		}
		if x.Key.Verified {
			b.WriteString(keyVerified)
		}
		b.WriteByte('@')
		b.WriteString(strconv.FormatInt(x.At.UnixMilli(), 10))
	}
	return b.String()
}

// ParseProofs parses the stored form. It leaves out what it cannot parse, which then proves nothing.
func ParseProofs(s string) Proofs {
	var p Proofs
	for s != "" {
		var one string
		one, s, _ = strings.Cut(s, " ")
		m, at, _ := strings.Cut(one, "@")
		var key KeyUse
		m, key.Verified = strings.CutSuffix(m, keyVerified)
		m, key.Bound = strings.CutSuffix(m, keyBound)
		if ms, err := strconv.ParseInt(at, 10, 64); err == nil {
			p = append(p, Proof{Method(m), time.UnixMilli(ms), key})
		}
	}
	return p
}

// Session is a browser that is signed in. It is valid while it has the user's epoch, until ExpiresAt, and no longer
// than IdleLimit after LastSeenAt.
type Session struct {
	Workspace  string
	User       string
	ID         string
	Hash       []byte // SHA-256 of the cookie's value, which rotate replaces
	Epoch      int64
	Proofs     Proofs
	Door       Door
	Address    string
	Agent      string // such as "Firefox on Windows"
	CreatedAt  time.Time
	LastSeenAt time.Time // up to a minute too early; if only apps are used, up to an hour
	ExpiresAt  time.Time
	Parked     []byte // a confirmed action that waits for step-up, sealed
	ParkedAt   time.Time
	WokeAt     time.Time // when it was last used after AdminIdleLimit without use
}

// Limits of sessions, which the server enforces (I33).
const (
	SessionLimit   = 7 * 24 * time.Hour
	IdleLimit      = 12 * time.Hour
	AdminIdleLimit = time.Hour
	// StepUpLimit is how old the last second factor may be for the actions that I22 lists.
	StepUpLimit = 5 * time.Minute
)

// awake reports whether the session may open the pages for administrators. After AdminIdleLimit without use, that needs
// a proof of at least this strength, given since then (I33).
func (s Session) awake(least Strength, now time.Time) bool {
	return lifetime.Within(s.LastSeenAt, AdminIdleLimit, now) &&
		slices.ContainsFunc(s.Proofs, func(p Proof) bool { return !p.At.Before(s.WokeAt) && p.Method.Strength() >= least })
}

// lives reports whether the session is valid now, for a hash of its secret and its user.
func (s Session) lives(hash []byte, u User, now time.Time) bool {
	return bytes.Equal(s.Hash, hash) && s.open(u, now)
}

// open is lives for a caller who has proved in another way that the session is theirs.
func (s Session) open(u User, now time.Time) bool {
	return s.current(u) && lifetime.Between(s.CreatedAt, s.ExpiresAt, now) && lifetime.Within(s.LastSeenAt, IdleLimit, now)
}

// genuine is lives without the limits of time.
func (s Session) genuine(hash []byte, u User) bool {
	return bytes.Equal(s.Hash, hash) && s.current(u)
}

// current reports whether the session has the epoch of its user, who is active.
func (s Session) current(u User) bool { return s.Epoch == u.Epoch && u.State == Active }

// SessionTx is the storage of sessions.
type SessionTx interface {
	// Arrive returns, in one statement, the workspace on a host with its policy, and a session of the workspace with
	// its user if they exist. It returns nil for an unknown host. Callers must not change what it returns.
	Arrive(host, user, session string) (*Presence, error)
	InsertSession(Session) error
	// TakeSession locks the user's row until the end of the transaction, and returns it with the session.
	TakeSession(workspace, user, id string) (Session, User, bool, error)
	// SaveSession replaces hash, epoch, proofs, address, browser, last seen, when it woke and what is parked.
	SaveSession(Session) error
	// DeleteSession deletes a session, and returns whether it existed.
	DeleteSession(workspace, user, id string) (bool, error)
}

// Presence is what the database knows about the caller of a request.
type Presence struct {
	Workspace Workspace
	Policy    Policy
	Session   *Session
	User      *User // of the session
}

// Outcomes of sessions.
var (
	ErrSignedOut       = &Error{Kind: Unauthenticated, Code: "signed_out", Text: text.Say("You are signed out. Sign in to go on.")}
	ErrSetUpRequired   = &Error{Kind: Denied, Code: "set_up_required", Text: text.Say("Your company requires two-factor authentication. Set it up to go on.")}
	errPasskeyRequired = ErrSetUpRequired.saying(text.Say("Your company requires a passkey. Add one, or use one that you have, to go on.")).wanting(PhishingResistant)
	errFactorRequired  = ErrSetUpRequired.saying(text.Say("This app requires two-factor authentication. Set it up to go on."))
	// ErrStepUp carries the strength of the proof that the verb needs.
	ErrStepUp      = &Error{Kind: Denied, Code: "step_up_required", Text: text.Say("Confirm that it is you to go on.")}
	ErrNotAllowed  = &Error{Kind: Denied, Code: "not_allowed", Text: text.Say("Your role does not allow this. If you need it, ask an administrator.")}
	ErrUnknownHost = &Error{Kind: Misdirected, Code: "unknown_host", Text: text.Say("No workspace answers at this address. Check the address, or ask your administrator.")}
	ErrNotFound    = &Error{Kind: NotFound, Code: "not_found", Text: text.Say("There is nothing here. It may have been removed.")}
)

// Arrive returns the Caller of a request. An unknown host is ErrUnknownHost. If the session is missing, invalid, ended
// or of another workspace, the caller is signed out.
func (s *Service) Arrive(ctx context.Context, a Arrival) (Caller, error) {
	now := s.Now()
	user, session, hash, ok := parseToken(a.Session, prefixSession)
	var p *Presence
	err := s.Store.Read(ctx, func(tx Tx) (err error) {
		p, err = tx.Arrive(a.Host, user, session)
		return err
	})
	if err != nil {
		return Caller{}, err
	}
	if p == nil {
		return Caller{}, ErrUnknownHost
	}
	by := Caller{
		kind: callerNobody, workspace: p.Workspace, policy: p.Policy, host: a.Host, door: a.Door,
		address: a.Address, agent: a.Agent, device: a.Device, trust: a.Trust, signIn: a.SignIn,
	}
	if ok {
		by.ended = user
	}
	if !ok || p.Session == nil || p.User == nil {
		return by, nil
	}
	if !p.Session.lives(hash, *p.User, now) {
		if p.Session.genuine(hash, *p.User) && (lifetime.Ahead(p.Session.CreatedAt, now) || lifetime.Ahead(p.Session.LastSeenAt, now)) {
			return by, s.endAhead(ctx, by, *p.Session)
		}
		return by, nil
	}
	by.kind, by.session, by.cookieSession, by.user, by.ended = callerUser, p.Session, p.Session, p.User, ""
	if now.Sub(p.Session.LastSeenAt) > time.Minute && !a.Background {
		return by, s.seen(ctx, by, hash)
	}
	return by, nil
}

// seen saves that the session is in use. If it has ended in the meantime, seen writes nothing.
func (s *Service) seen(ctx context.Context, by Caller, hash []byte) error {
	return s.Store.Write(ctx, func(tx Tx) error {
		ses, u, ok, err := tx.TakeSession(by.workspace.ID, by.user.ID, by.session.ID)
		if err != nil || !ok || !ses.lives(hash, u, s.Now()) {
			return err
		}
		ses.touch(s.Now())
		ses.Agent = by.agent
		if by.address.IsValid() {
			ses.Address = by.address.String()
		}
		return tx.SaveSession(ses)
	})
}

// touch sets when the session was last used.
func (s *Session) touch(now time.Time) {
	if now.Sub(s.LastSeenAt) >= AdminIdleLimit {
		s.WokeAt = now
	}
	s.LastSeenAt = now
}

// access is what a verb requires of the caller's session, besides being valid.
type access struct {
	may    Action   // the action of an administrator; empty: none
	forced bool     // allowed even if the user must set up two-factor authentication first
	keyed  bool     // allowed even if the user must use a passkey first; codes count as fresh proof for it
	proof  Strength // given at most StepUpLimit ago (I22)
	coded  bool     // each call takes a code, so the budget of changes does not apply
	ends   bool     // it may end the sessions of an intruder, so it may use some more changes than other verbs
	whole  bool     // not in a session that began with a recovery code, however old the proof (I60)
}

// actor is the caller's user and session, as they are in the database inside the transaction.
type actor struct {
	User
	session Session
	now     time.Time
}

// act runs a change that a signed-in caller makes. It locks the user's row, reads the session again, and checks n
// against that (DESIGN rule 2).
func (s *Service) act(ctx context.Context, by Caller, a access, fn func(Tx, *actor) error) error {
	if by.session == nil {
		return ErrSignedOut
	}
	return s.write(ctx, func(tx Tx) error {
		me, err := s.actor(tx, by, a)
		if err != nil {
			return err
		}
		if a.may != "" || a.coded { // administrators do not change their own account, and codes have other budgets
			return fn(tx, me)
		}
		return s.ownChange(tx, me, a, fn)
	})
}

// actor locks the caller's row, and checks n against it and against the session as it is now.
func (s *Service) actor(tx Tx, by Caller, a access) (*actor, error) {
	now := s.Now()
	ses, u, ok, err := tx.TakeSession(by.workspace.ID, by.user.ID, by.session.ID)
	if err != nil {
		return nil, err
	}
	if !ok || !ses.lives(by.session.Hash, u, now) {
		return nil, ErrSignedOut
	}
	me := &actor{User: u, session: ses, now: now}
	return me, me.meets(a, by.policy)
}

// meets is need.judge for the actor, for needs that are known only after the transaction has read more.
func (me *actor) meets(a access, p Policy) error { return a.judge(me.User, me.session, p, me.now) }

// may checks n against the session as it was when the caller arrived. It is for verbs that only read, and for pages
// that lead to a change. The change checks again inside its transaction.
func (s *Service) may(by Caller, a access) error {
	if by.session == nil {
		return ErrSignedOut
	}
	return a.judge(*by.user, *by.session, by.policy, s.Now())
}

func (a access) judge(u User, ses Session, p Policy, now time.Time) error {
	if owed := p.Owes(u, ses.Proofs, now); owed == OwesPasskey && !a.keyed {
		return errPasskeyRequired
	} else if owed == OwesFactor && !a.forced {
		return ErrSetUpRequired
	}
	if a.may != "" && !u.Role.May(a.may) {
		return ErrNotAllowed
	}
	least := NoProof
	if p.NeedsPasskey(u, now) && !a.keyed {
		least = PhishingResistant
	}
	if a.proof > NoProof {
		a.proof = max(a.proof, least)
	}
	if a.may != "" && !ses.awake(least, now) {
		return ErrStepUp.wanting(max(a.proof, least, AnyFactor))
	}
	if (a.proof >= StrongFactor || a.whole) && ses.Restricted() {
		return ErrRestricted
	}
	if a.proof > NoProof && !ses.Proofs.fresh(u, a.proof, now) {
		return ErrStepUp.wanting(a.proof)
	}
	return nil
}

// rotate gives the session a new secret: the one that the browser had before no longer works (I31).
func (me *actor) rotate() Secret {
	token, hash := newToken(me.ID, me.session.ID)
	me.session.Hash = hash
	me.session.touch(me.now)
	return token
}

// endOthers raises the user's epoch, which ends every other session, sign-in, trusted device and link of the user
// (I24). It moves the current session to the new epoch, without what was parked in it, and returns its new secret.
func (me *actor) endOthers(tx Tx) (Secret, error) {
	me.endAll()
	me.session.Epoch, me.session.Parked = me.Epoch, nil
	token := me.rotate()
	if err := tx.SaveUser(me.User); err != nil {
		return "", err
	}
	return token, tx.SaveSession(me.session)
}

// endCookieSession ends the session in the browser's cookie, which a new one is about to replace. Someone else may have
// a copy of its secret.
func (s *Service) endCookieSession(tx Tx, by Caller) error {
	if by.cookieSession == nil {
		return nil
	}
	gone, err := tx.DeleteSession(by.cookieSession.Workspace, by.cookieSession.User, by.cookieSession.ID)
	if err != nil || !gone {
		return err
	}
	return s.record(tx, by.as(User{ID: by.cookieSession.User}), "session.signed_out", by.cookieSession.User, Done, nil)
}

// SignOut ends the current session and sign-in on the server. If forget is set, it also ends the trust in this browser.
// If there is neither session nor sign-in, it changes nothing.
func (s *Service) SignOut(ctx context.Context, by Caller, forget bool) error {
	if err := s.abandon(ctx, by, forget); err != nil || by.session == nil {
		return err
	}
	return s.write(ctx, func(tx Tx) error {
		if _, _, err := tx.LockUser(by.workspace.ID, by.user.ID); err != nil {
			return err
		}
		gone, err := tx.DeleteSession(by.workspace.ID, by.user.ID, by.session.ID)
		if err != nil || !gone {
			return err
		}
		if forget {
			if err := s.forget(tx, by, by.user.ID); err != nil {
				return err
			}
		}
		return s.record(tx, by, "session.signed_out", by.user.ID, Done, nil)
	})
}
