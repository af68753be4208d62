package sallyport

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
)

// AppSession is a browser that is signed in to a host of an app behind a proxy. It is part of a session, and ends with it, and
// with the user's epoch: the session itself goes on after that with another secret, but a copy of this one must not (I24).
type AppSession struct {
	Workspace string
	User      string
	ID        string
	Hash      []byte // SHA-256 of the cookie's value
	Epoch     int64
	Session   string
	Proofs    Proofs // that the session had when the browser got the cookie
	App       string
	AppEpoch  int64
	Origin    string
	CreatedAt time.Time
	RefusedAt time.Time // when the audit log last got a refusal of it
}

// PassTx is the storage of what a proxy asks about.
type PassTx interface {
	// AppAt returns, in one statement, the app on an origin with its workspace. With the ids of an app session on that
	// origin, it also returns that, with its session, its user and their groups, if they exist. It returns nil for an unknown
	// origin. Callers must not change what it returns.
	AppAt(origin, user, appSession string) (*AppPresence, error)
	// InsertAppSession inserts an app session in place of those of the same session on the same origin, and deletes those of
	// the user whose session is gone.
	InsertAppSession(AppSession) error
	// AppRefused records that the audit log gets a refusal of an app session or access token now, unless it got one within age
	// before now. It returns whether it did.
	AppRefused(p *AppPresence, now time.Time, age time.Duration) (bool, error)
}

// AppPresence is what the database knows about a request to an app behind a proxy.
type AppPresence struct {
	Presence        // the workspace, and the session and user behind the app session
	Host     string // of the workspace
	App      App    // without its groups and hosts
	Signed   *AppSession
	Token    *AppToken
	Groups   []string // names of the user's groups, sorted
	MayUse   bool     // the user may use the app
}

// ProxyRequest is a request to an app behind a proxy, as the proxy describes it.
type ProxyRequest struct {
	Method    string
	Origin    string  // from AppOrigin
	Target    string  // path and query, as the client wrote them
	Cookie    Secret  // that the browser has on this host
	Token     Secret  // access token of a program, which decides alone; empty: none
	TokenUser *string // the address that came with it; nil: it came alone
	Address   netip.Addr
	Agent     string
}

// Passage is the answer to a ProxyRequest.
type Passage struct {
	Person    *User    // who it is; nil: nobody, because the address is public
	Groups    []string // names of their groups, sorted
	Assertion Secret   // a signed statement of who it is
	Demand    Demand   // what was asked, with ErrStepUp

	// Where a browser gets what it lacks, with ErrSignedOut, ErrSetUpRequired and ErrStepUp. Workspace is the origin, For and
	// Browser are for EnterApp.
	Workspace string
	For       string
	Browser   string
	Fresh     Secret // the value of a new cookie for this host, to which Browser is bound; empty: it has one
}

// caller returns the caller of a request to the app.
func (s *Service) callerAt(p *AppPresence, r ProxyRequest) Caller {
	return Caller{
		kind: callerNobody, workspace: p.Workspace, policy: p.Policy, host: p.Host, door: DoorProxy, address: r.Address, agent: r.Agent, app: p.App.ID,
	}
}

// Pass decides about a request to an app behind a proxy. It returns nil if the request may pass, and an outcome otherwise;
// ErrSignedOut, ErrSetUpRequired and ErrStepUp say what a browser lacks. An app that does not exist, is disabled, or is closed to
// the person is Denied. It reads the database once, and not at all if nothing was written since it last did.
func (s *Service) Pass(ctx context.Context, r ProxyRequest) (Passage, error) {
	if r.Token != "" {
		return s.passToken(ctx, r)
	}
	user, id, hash, ok := parseToken(r.Cookie, prefixAppSession)
	p, err := s.appAt(ctx, r.Origin, user, id)
	if err != nil {
		return Passage{}, err
	}
	now := s.Now()
	signedIn := ok && p.signedIn(hash, now)
	w, err := s.ask(p.App, r.Method, r.Target)
	switch {
	case errors.Is(err, ErrDeniedByRule) && signedIn:
		return Passage{}, s.refuseApp(ctx, p, r, err)
	case err != nil:
		return Passage{}, err
	case w.public && (!signedIn || !p.MayUse || p.lacks(p.App.Demand(), now) != nil):
		return Passage{}, nil
	case !signedIn:
		return s.wayIn(p, r, w), ErrSignedOut
	}
	if err := s.seenAt(ctx, p); err != nil {
		return Passage{}, err
	}
	return s.passSigned(ctx, p, r, w)
}

// passSigned decides about a browser that is signed in.
func (s *Service) passSigned(ctx context.Context, p *AppPresence, r ProxyRequest, w wants) (Passage, error) {
	now := s.Now()
	if !p.MayUse || !w.admits(p.Groups) {
		return Passage{}, s.refuseApp(ctx, p, r, p.App.Refusal())
	}
	if !w.public {
		if err := p.lacks(w.demand, now); err != nil {
			return s.wayIn(p, r, w), err
		}
	}
	return s.passed(ctx, p, r.Origin)
}

// passed is the answer for a person who may pass. A program with an access token has proved nothing about them.
func (s *Service) passed(ctx context.Context, p *AppPresence, origin string) (Passage, error) {
	var proofs Proofs
	session := ""
	if p.Token == nil {
		proofs, session = p.proofs(), p.Session.ID
	}
	claims := newAsserted(s.scheme()+"://"+p.Host, origin, *p.User, p.Groups, proofs, session)
	assertion, err := s.assertion(ctx, p.Workspace, claims)
	if err != nil {
		return Passage{}, err
	}
	return Passage{Person: p.User, Groups: p.Groups, Assertion: Secret(assertion)}, nil
}

// signedIn reports whether the app session is valid now, for a hash of its secret.
func (p *AppPresence) signedIn(hash []byte, now time.Time) bool {
	x := p.Signed
	return x != nil && p.Session != nil && p.User != nil && bytes.Equal(x.Hash, hash) && x.AppEpoch == p.App.Epoch &&
		x.Epoch == p.User.Epoch && !lifetime.Ahead(x.CreatedAt, now) && p.Session.open(*p.User, now)
}

// proofs returns what the browser has proved: what it had when it got its cookie, as far as it still counts. Someone else may
// have a copy of the cookie, so what the person has proved since is worth nothing before the browser has got a new one (I31).
func (p *AppPresence) proofs() Proofs {
	return slices.DeleteFunc(slices.Clone(p.Signed.Proofs), func(x Proof) bool { return !p.Session.Proofs.Has(x.Method) })
}

// lacks returns what a browser that is signed in lacks, or nil.
func (p *AppPresence) lacks(d Demand, now time.Time) error {
	ses := *p.Session
	ses.Proofs = p.proofs()
	if err := (access{}).judge(*p.User, ses, p.Policy, now); err != nil {
		return err
	}
	return d.Judge(*p.User, ses.Proofs, now)
}

// wayIn returns where the browser of a request gets what it lacks.
func (s *Service) wayIn(p *AppPresence, r ProxyRequest, w wants) Passage {
	out := Passage{Demand: w.demand, Workspace: s.scheme() + "://" + p.Host, For: entryOf(r.Origin, r.Target)}
	cookie := r.Cookie
	if !validCookie(cookie) {
		cookie, _ = newSecret()
		out.Fresh = cookie
	}
	out.Browser = base64.RawURLEncoding.EncodeToString(hashToken(cookie))
	return out
}

// validCookie reports whether a cookie is one that we have set: that of an app session, or the one before it.
func validCookie(c Secret) bool {
	b, err := base64.RawURLEncoding.DecodeString(c.Reveal())
	return err == nil && (len(b) == tokenSize || len(b) == 32)
}

// maxTarget is the maximum length in bytes of the path and query of an app to which a browser gets after signing in. Of a
// longer one, only the path is used, or nothing.
const maxTarget = 1500

// entryOf returns the address of an app, in the form that EnterApp takes.
func entryOf(origin, target string) string {
	if len(target) > maxTarget {
		target, _, _ = strings.Cut(target, "?")
	}
	if len(target) > maxTarget || !validTarget(target) {
		target = "/"
	}
	return base64.RawURLEncoding.EncodeToString([]byte(origin + target))
}

// readEntry is the inverse of entryOf.
func readEntry(entry string) (origin, target string, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(entry)
	if err != nil {
		return "", "", false
	}
	scheme, rest, found := strings.Cut(string(b), "://")
	slash := strings.IndexByte(rest, '/')
	if !found || slash < 0 || len(rest)-slash > maxTarget {
		return "", "", false
	}
	origin, ok = AppOrigin(scheme + "://" + rest[:slash])
	if !ok || origin != scheme+"://"+rest[:slash] || !validTarget(rest[slash:]) {
		return "", "", false
	}
	return origin, rest[slash:], true
}

// EntryOrigin returns the origin of the app that Passage.For is for, or "" if the caller's workspace has none there.
func (s *Service) EntryOrigin(ctx context.Context, by Caller, entry string) (origin string) {
	origin, _, ok := readEntry(entry)
	if !ok {
		return ""
	}
	var workspace string
	err := s.Store.Read(ctx, func(tx Tx) (err error) {
		workspace, _, err = tx.AppOf(origin)
		return err
	})
	if err != nil || workspace != by.workspace.ID {
		return ""
	}
	return origin
}

// validTarget reports whether a path and query may be sent to a browser in a header.
func validTarget(target string) bool {
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			return false
		}
	}
	u, err := url.ParseRequestURI(target)
	return err == nil && u.Host == "" && !strings.HasPrefix(target, "//")
}

// refusedAgain is for how long the audit log gets no further refusal of the same app session or access token.
const refusedAgain = 10 * time.Minute

// refuseApp records that somebody who is known may not use the app, or an address of it, and returns the refusal. Every request
// of theirs would add an event, so it records one in ten minutes.
func (s *Service) refuseApp(ctx context.Context, p *AppPresence, r ProxyRequest, refusal error) error {
	var last time.Time
	if p.Token != nil {
		last = p.Token.RefusedAt
	} else {
		last = p.Signed.RefusedAt
	}
	if lifetime.Within(last, refusedAgain, s.Now()) {
		return refusal
	}
	by := s.callerAt(p, r).as(*p.User)
	return s.write(ctx, func(tx Tx) error {
		first, err := tx.AppRefused(p, s.Now(), refusedAgain)
		if err != nil {
			return err
		}
		if !first {
			return refusal
		}
		if err := s.record(tx, by, "app.refused", p.User.ID, Refused, map[string]string{"name": p.App.Name}); err != nil {
			return err
		}
		return commit(refusal)
	})
}

// seenAt saves that the session behind an app session is in use. Apps send requests also without a person, and these must not
// keep the pages for administrators open (I33). So it saves a time only when those pages ask for a new proof anyway.
func (s *Service) seenAt(ctx context.Context, p *AppPresence) error {
	now := s.Now()
	if now.Sub(p.Session.LastSeenAt) < AdminIdleLimit {
		return nil
	}
	return s.Store.Write(ctx, func(tx Tx) error {
		ses, u, ok, err := tx.TakeSession(p.Workspace.ID, p.User.ID, p.Session.ID)
		if err != nil || !ok || !ses.open(u, now) || now.Sub(ses.LastSeenAt) < AdminIdleLimit {
			return err
		}
		ses.touch(now)
		return tx.SaveSession(ses)
	})
}
