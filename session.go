package sallyport

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Method is one way of proving who one is.
type Method string

const (
	ByPassword      Method = "password"
	ByAuthenticator Method = "authenticator"
	ByRecoveryCode  Method = "recovery_code"
	ByTrustedDevice Method = "trusted_device"
	BySetUpCode     Method = "set_up_code"
	NoSecondFactor  Method = "no_second_factor"
)

// Proof is one method and when it was last given.
type Proof struct {
	Method Method
	At     time.Time
}

// Proofs are what a browser has shown, each method at most once, in the order given.
type Proofs []Proof

// With returns the proofs with a method given now.
func (p Proofs) With(m Method, at time.Time) Proofs {
	out := make(Proofs, 0, len(p)+1)
	for _, x := range p {
		if x.Method != m {
			out = append(out, x)
		}
	}
	return append(out, Proof{m, at})
}

// At returns when a method was last given; the zero time if it was not.
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

// Within reports whether a method was given, at most d before now. A proof from the future is none: the clock was set
// back since (I43).
func (p Proofs) Within(m Method, d time.Duration, now time.Time) bool {
	return within(p.At(m), d+1, now)
}

// secondFactor is the method that stood for the second factor.
func (p Proofs) secondFactor() Method {
	for _, m := range []Method{ByAuthenticator, ByRecoveryCode, ByTrustedDevice} {
		if p.Has(m) {
			return m
		}
	}
	return NoSecondFactor
}

// String is the stored form: "password@1732240000000 authenticator@1732240012000", Unix milliseconds.
func (p Proofs) String() string {
	var b strings.Builder
	for i, x := range p {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(x.Method))
		b.WriteByte('@')
		b.WriteString(strconv.FormatInt(x.At.UnixMilli(), 10))
	}
	return b.String()
}

// ParseProofs reads the stored form; what it cannot read proves nothing and is left out.
func ParseProofs(s string) Proofs {
	var p Proofs
	for s != "" {
		var one string
		one, s, _ = strings.Cut(s, " ")
		m, at, _ := strings.Cut(one, "@")
		if ms, err := strconv.ParseInt(at, 10, 64); err == nil {
			p = append(p, Proof{Method(m), time.UnixMilli(ms)})
		}
	}
	return p
}

// Session is a browser that is signed in. It lives while its epoch is the user's, until ExpiresAt, and no longer
// than IdleLimit after LastSeenAt.
type Session struct {
	Workspace  string
	User       string
	ID         string
	Hash       []byte // SHA-256 of the cookie's value, which changes at every change of level
	Epoch      int64
	Proofs     Proofs
	Door       Door
	Address    string
	Browser    string // such as "Firefox on Windows"
	CreatedAt  time.Time
	LastSeenAt time.Time // at most a minute behind
	ExpiresAt  time.Time
	Parked     []byte // a confirmed action that waits for step-up, sealed
	ParkedAt   time.Time
	WokeAt     time.Time // when it was last used again after AdminIdleLimit
}

// Limits of sessions, held by the server (I33).
const (
	SessionLimit   = 7 * 24 * time.Hour
	IdleLimit      = 12 * time.Hour
	AdminIdleLimit = time.Hour
	// StepUpLimit is how old the last second factor may be for what I22 lists.
	StepUpLimit = 5 * time.Minute
)

// Restricted reports whether the session began with a recovery code and has seen no authenticator since (I60).
func (s Session) Restricted() bool {
	return s.Proofs.Has(ByRecoveryCode) && !s.Proofs.Has(ByAuthenticator)
}

// awake reports whether the session may open the pages of administrators: after AdminIdleLimit without use it takes a
// proof given since (I33).
func (s Session) awake(now time.Time) bool {
	if !within(s.LastSeenAt, AdminIdleLimit, now) {
		return false
	}
	for _, p := range s.Proofs {
		if !p.At.Before(s.WokeAt) {
			return true
		}
	}
	return false
}

// lives reports whether the session may be used by its user now.
func (s Session) lives(hash []byte, u User, now time.Time) bool {
	return s.genuine(hash, u) && between(s.CreatedAt, s.ExpiresAt, now) && within(s.LastSeenAt, IdleLimit, now)
}

// genuine is lives, whatever the time.
func (s Session) genuine(hash []byte, u User) bool {
	return bytes.Equal(s.Hash, hash) && s.Epoch == u.Epoch && u.State == Active
}

// SessionTx is the storage of sessions.
type SessionTx interface {
	// Arrive returns, in one statement, the workspace that answers on a host with its policy, and of it the session
	// and its user where they exist; nil for an unknown host. Nobody may change what it returns.
	Arrive(host, user, session string) (*Presence, error)
	InsertSession(Session) error
	// TakeSession takes the user's row until the end of the transaction, and returns it with the session.
	TakeSession(workspace, user, id string) (Session, User, bool, error)
	// SaveSession replaces hash, epoch, proofs, last seen, when it woke and what is parked.
	SaveSession(Session) error
	// DeleteSession ends a session, and says whether it was there.
	DeleteSession(workspace, user, id string) (bool, error)
}

// Presence is what one look at the database tells about who arrives.
type Presence struct {
	Workspace Workspace
	Policy    Policy
	Session   *Session
	User      *User // of the session
}

// Outcomes of sessions.
var (
	ErrSignedOut     = &Error{Kind: Unauthenticated, Code: "signed_out", Text: text.Say("You are signed out. Sign in to go on.")}
	ErrSetUpRequired = &Error{Kind: Denied, Code: "set_up_required", Text: text.Say("Your company requires two-factor authentication. Set it up to go on.")}
	ErrStepUp        = &Error{Kind: Denied, Code: "step_up_required", Text: text.Say("Confirm that it is you to go on.")}
	ErrNotAllowed    = &Error{Kind: Denied, Code: "not_allowed", Text: text.Say("Your role does not allow this. If you need it, ask an administrator.")}
	ErrUnknownHost   = &Error{Kind: Misdirected, Code: "unknown_host", Text: text.Say("No workspace answers at this address. Check the address, or ask your administrator.")}
	ErrNotFound      = &Error{Kind: NotFound, Code: "not_found", Text: text.Say("There is nothing here. It may have been removed.")}
)

// Arrive makes the Caller of a request, from what the request carries. An unknown host is ErrUnknownHost; a session
// cookie that is missing, damaged, ended or of another workspace leaves a caller who is signed out.
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
		address: a.Address, agent: a.Agent, browser: a.Browser, trust: a.Trust, signIn: a.SignIn,
	}
	if ok {
		by.ended = user
	}
	if !ok || p.Session == nil || p.User == nil {
		return by, nil
	}
	if !p.Session.lives(hash, *p.User, now) {
		if p.Session.genuine(hash, *p.User) && (ahead(p.Session.CreatedAt, now) || ahead(p.Session.LastSeenAt, now)) {
			return by, s.endAhead(ctx, by, *p.Session)
		}
		return by, nil
	}
	by.kind, by.session, by.held, by.user, by.ended = callerUser, p.Session, p.Session, p.User, ""
	if now.Sub(p.Session.LastSeenAt) > time.Minute {
		return by, s.seen(ctx, by, hash)
	}
	return by, nil
}

// seen keeps that the session is in use. The session may have ended meanwhile: then nothing is written.
func (s *Service) seen(ctx context.Context, by Caller, hash []byte) error {
	return s.Store.Write(ctx, func(tx Tx) error {
		ses, u, ok, err := tx.TakeSession(by.workspace.ID, by.user.ID, by.session.ID)
		if err != nil || !ok || !ses.lives(hash, u, s.Now()) {
			return err
		}
		ses.touch(s.Now())
		ses.Browser = by.agent
		if by.address.IsValid() {
			ses.Address = by.address.String()
		}
		return tx.SaveSession(ses)
	})
}

// touch notes that the session is in use.
func (s *Session) touch(now time.Time) {
	if now.Sub(s.LastSeenAt) >= AdminIdleLimit {
		s.WokeAt = now
	}
	s.LastSeenAt = now
}

// need is what a verb asks of the session in hand beside being alive.
type need struct {
	may    Action // what an administrator does; empty: nothing of that kind
	forced bool   // also open to somebody who must set up first
	fresh  bool   // a second factor at most StepUpLimit old; the password, for a user who has none (I22)
	strong bool   // and a recovery code does not count (I60)
	ends   bool   // it ends what others may have open: it has some more changes than the rest
	whole  bool   // not in a session that began with a recovery code, however old the proof (I60)
}

// actor is who acts, as the database has it inside the transaction.
type actor struct {
	User
	session Session
	now     time.Time
}

// act runs a change that a signed-in person makes: it takes the user's row, reads the session again, and judges by
// that (DESIGN rule 2).
func (s *Service) act(ctx context.Context, by Caller, n need, fn func(Tx, *actor) error) error {
	if by.session == nil {
		return ErrSignedOut
	}
	return s.write(ctx, func(tx Tx) error {
		me, err := s.actor(tx, by, n)
		if err != nil {
			return err
		}
		if n.may != "" { // what administrators do is no change of their own account
			return fn(tx, me)
		}
		return s.ownChange(tx, me, n, fn)
	})
}

// actor takes the row of who is signed in, and judges by it and by the session as it is now.
func (s *Service) actor(tx Tx, by Caller, n need) (*actor, error) {
	now := s.Now()
	ses, u, ok, err := tx.TakeSession(by.workspace.ID, by.user.ID, by.session.ID)
	if err != nil {
		return nil, err
	}
	if !ok || !ses.lives(by.session.Hash, u, now) {
		return nil, ErrSignedOut
	}
	me := &actor{User: u, session: ses, now: now}
	return me, me.meets(n, by.policy)
}

// meets is need.judge of who acts, for what is known only once the transaction has read more.
func (me *actor) meets(n need, p Policy) error { return n.judge(me.User, me.session, p, me.now) }

// may judges by the session as the caller arrived with it: for what only reads, and for pages that lead to a change.
// A change judges again inside its transaction.
func (s *Service) may(by Caller, n need) error {
	if by.session == nil {
		return ErrSignedOut
	}
	return n.judge(*by.user, *by.session, by.policy, s.Now())
}

func (n need) judge(u User, ses Session, p Policy, now time.Time) error {
	if !n.forced && p.Forces(u, now) {
		return ErrSetUpRequired
	}
	if n.may != "" && !u.Role.May(n.may) {
		return ErrNotAllowed
	}
	if n.may != "" && !ses.awake(now) {
		return ErrStepUp
	}
	if (n.strong || n.whole) && ses.Restricted() {
		return ErrRestricted
	}
	if (n.fresh || n.strong) && !fresh(u, ses.Proofs, n.strong, now) {
		return ErrStepUp
	}
	return nil
}

// fresh reports whether the proofs hold a second factor given within StepUpLimit, or the password for a user without.
func fresh(u User, p Proofs, strong bool, now time.Time) bool {
	if !u.TwoFactor {
		return p.Within(ByPassword, StepUpLimit, now)
	}
	return p.Within(ByAuthenticator, StepUpLimit, now) || !strong && p.Within(ByRecoveryCode, StepUpLimit, now)
}

// rotate gives the session in hand a new value: what the browser held before is dead (I31).
func (a *actor) rotate() Secret {
	token, hash := newToken(a.ID, a.session.ID)
	a.session.Hash = hash
	a.session.touch(a.now)
	return token
}

// endOthers raises the user's epoch: every other session, sign-in, trusted device and link of the user ends (I24).
// The session in hand is moved over, under a new value, which is returned; nothing stays parked with it.
func (a *actor) endOthers(tx Tx) (Secret, error) {
	a.endAll()
	a.session.Epoch, a.session.Parked = a.Epoch, nil
	token := a.rotate()
	if err := tx.SaveUser(a.User); err != nil {
		return "", err
	}
	return token, tx.SaveSession(a.session)
}

// endHeld ends the session that the browser holds and is about to lose to a new one: its value may be in other hands.
func (s *Service) endHeld(tx Tx, by Caller) error {
	if by.held == nil {
		return nil
	}
	gone, err := tx.DeleteSession(by.held.Workspace, by.held.User, by.held.ID)
	if err != nil || !gone {
		return err
	}
	return s.record(tx, by.as(User{ID: by.held.User}), "session.signed_out", by.held.User, Done, nil)
}

// SignOut ends the session and the sign-in in hand on the server, and if told to forget, the trust in this browser too.
// Without either it changes nothing.
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
