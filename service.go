package sallyport

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/internal/seal"
)

// Service is the rules. Its fields are set once, before its first use; its methods are safe for concurrent use.
type Service struct {
	Store  Store
	Keys   *seal.Keyset
	Now    func() time.Time
	Hasher *passwd.Hasher
	Hash   passwd.Params // of new password hashes; older ones are re-hashed at sign-in when these rise
	Log    *slog.Logger
	URL    string // under which the first workspace is reached, without a path; the others differ in the host
	Mailer Mailer // nil: mail waits in the outbox

	// Compromised is a list of stolen passwords on disk, beside the one that is built in; nil: none.
	Compromised *passwd.List
	// SecurityContact is where weaknesses are reported (mailto: or https:), for /.well-known/security.txt; may be empty.
	SecurityContact string

	// AuditDays is how long events are kept, in days; 0: for ever.
	AuditDays int

	decoy string        // costs what a real hash costs, and no password matches it
	wake  chan struct{} // mail was queued on this node
}

// New returns a Service over the parts given, with defaults for the clock, the log and the hash.
func New(s Service) *Service {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Log == nil {
		s.Log = slog.Default()
	}
	if s.Hash == (passwd.Params{}) {
		s.Hash = passwd.Default
	}
	s.decoy = passwd.Decoy(s.Hash)
	s.wake = make(chan struct{}, 1)
	return &s
}

// Door is the way a request came in.
type Door string

const (
	DoorWeb     Door = "web"
	DoorConsole Door = "console"
	DoorSystem  Door = "system"
)

// Arrival is what a request carries. The door has checked it and made it canonical.
type Arrival struct {
	Door    Door
	Host    string     // canonical, with the port unless it is the scheme's own
	Address netip.Addr // of the client
	Agent   string     // browser and system in words, such as "Firefox on Windows"
	Session Secret     // values of the cookies, or empty
	SignIn  Secret
	Browser Secret
	Trust   Secret
}

// callerKind is what sort of caller acts, as events have it.
type callerKind string

const (
	callerNobody   callerKind = "nobody"   // not signed in
	callerUser     callerKind = "user"     // signed in, or the user of the sign-in or link in hand
	callerConsole  callerKind = "console"  // a command on the host
	callerReseller callerKind = "reseller" // the workspace that created this one
)

// Caller is who asks. Only the Service makes one: Arrive from a request, Console for the host's own commands.
type Caller struct {
	kind      callerKind
	workspace Workspace
	policy    Policy
	user      *User
	session   *Session
	held      *Session // the browser's living one, also where it takes no part
	host      string
	door      Door
	address   netip.Addr
	agent     string
	browser   Secret
	trust     Secret
	signIn    Secret
	ended     string // user whose session the browser still names, though it has ended
	to        string // where the browser is going: see To
}

// Workspace is the one the caller is in.
func (c Caller) Workspace() Workspace { return c.workspace }

// Policy is the workspace's, as it was when the caller arrived.
func (c Caller) Policy() Policy { return c.policy }

// User is who is signed in, and whether somebody is.
func (c Caller) User() (User, bool) {
	if c.user == nil {
		return User{}, false
	}
	return *c.user, true
}

// Session is the living session the caller arrived with, and whether there is one.
func (c Caller) Session() (Session, bool) {
	if c.session == nil {
		return Session{}, false
	}
	return *c.session, true
}

// SessionEnded reports whether the browser brought a session that has ended.
func (c Caller) SessionEnded() bool { return c.ended != "" }

// To returns the caller on the way to an address of the door's own. A sign-in keeps it, and its Passage gives it back at
// the end.
func (c Caller) To(address string) Caller {
	c.to = address
	return c
}

// InSignIn returns the caller as the holder of a sign-in alone: a session in the same browser takes no part.
func (c Caller) InSignIn() Caller {
	c.kind, c.user, c.session = callerNobody, nil, nil
	return c
}

func (c Caller) actor() string {
	if c.user == nil {
		return ""
	}
	return c.user.ID
}

// as returns the caller as the user that the sign-in or link in hand belongs to, for the audit log and for mails: a
// session of somebody else in the same browser takes no part.
func (c Caller) as(u User) Caller {
	c.kind, c.user = callerUser, &u
	return c
}

// stranger returns the caller as one who proved nothing about a user, for the audit log. A session of someone else in the
// same browser is named in the detail: it may be a shared computer, and the colleague who is signed in did nothing.
func (c Caller) stranger(user string) (Caller, map[string]string) {
	if c.user == nil || c.user.ID == user {
		return c, nil
	}
	return c.InSignIn(), map[string]string{"signed_in": c.user.ID}
}

// Console returns the caller for a command on the host itself, in the workspace with this host name; an empty host
// is the oldest workspace.
func (s *Service) Console(ctx context.Context, host string) (Caller, error) {
	by := Caller{kind: callerConsole, door: DoorConsole}
	err := s.Store.Read(ctx, func(tx Tx) error {
		all, err := tx.Workspaces()
		if err != nil {
			return err
		}
		for _, w := range all {
			if host == "" || w.Host == host {
				by.workspace, by.host = w.Workspace, w.Host
				by.policy, err = tx.Policy(w.ID)
				return err
			}
		}
		return ErrUnknownHost
	})
	return by, err
}

// write runs a change whose outcome may have to be kept: an error made by keep is committed, and returned after the
// commit; every other error rolls back.
func (s *Service) write(ctx context.Context, fn func(Tx) error) error {
	var outcome error
	var queued bool
	err := s.Store.Write(ctx, func(tx Tx) error {
		outcome, queued = nil, false
		err := fn(queueing{tx, &queued})
		if k := (kept{}); errors.As(err, &k) {
			outcome = k.err
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	if queued {
		s.mailQueued()
	}
	return outcome
}
