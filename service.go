package sallyport

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/letter"
	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/internal/seal"
)

// Service is the rules. Its fields are set once, before its first use; its methods are safe for concurrent use.
type Service struct {
	Store  Store
	Keys   *seal.Keyset
	Now    func() time.Time
	Hasher *passwd.Hasher
	Hash   passwd.Params // of new password hashes; if they are raised, sign-ins replace older hashes
	Log    *slog.Logger
	URL    string // of the first workspace, without a path; other workspaces differ only in the host
	Mailer Mailer // nil: mail waits in the outbox

	// Paths are where the pages are that e-mails link to. Without all of them, Start fails.
	Paths letter.Paths

	// Compromised is a list of stolen passwords on disk, in addition to the built-in one; nil: none.
	Compromised *passwd.List
	// SecurityContact is where to report vulnerabilities (mailto: or https:), for /.well-known/security.txt; may be
	// empty.
	SecurityContact string

	// AuditDays is how long events are kept, in days; 0: for ever.
	AuditDays int

	decoy   string        // costs as much as a real hash, and matches no password
	wake    chan struct{} // mail was queued on this node
	watch   *watch
	signing *keyCache

	assertions *assertions
	rules      *parsedRules
}

// New returns a Service with the given parts, and defaults for the clock, the log and the hash parameters.
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
	s.watch = &watch{waiters: map[*waiter]bool{}}
	s.signing, s.assertions, s.rules = newKeyCache(), &assertions{}, &parsedRules{}
	return &s
}

// Door is the way in which a request arrived.
type Door string

const (
	DoorWeb     Door = "web"
	DoorOIDC    Door = "oidc"
	DoorProxy   Door = "proxy"
	DoorConsole Door = "console"
	DoorSystem  Door = "system"
)

// Arrival is what identifies the caller of a request. The door has checked it and made it canonical.
type Arrival struct {
	Door    Door
	Host    string     // canonical, with the port unless that is the default of the scheme
	Address netip.Addr // of the client
	Agent   string     // browser and system in words, such as "Firefox on Windows"
	Session Secret     // values of the cookies, or empty
	SignIn  Secret
	Device  Secret
	Trust   Secret

	Background bool // a page sends it by itself, so it does not count as use of the session
}

// callerKind is the kind of a caller, as it is stored in events.
type callerKind string

const (
	callerNobody   callerKind = "nobody"   // not signed in
	callerSystem   callerKind = "system"   // background work
	callerUser     callerKind = "user"     // signed in, or the user of the current sign-in or link
	callerConsole  callerKind = "console"  // a command on the host
	callerReseller callerKind = "reseller" // the workspace that created this one
)

// Caller is the caller of a verb. Only the Service creates one: Arrive for a request, Console for a command on the
// host.
type Caller struct {
	kind          callerKind
	workspace     Workspace
	policy        Policy
	user          *User
	session       *Session
	cookieSession *Session // the valid session in the browser's cookie, even if the verb must ignore it
	host          string
	door          Door
	address       netip.Addr
	agent         string
	device        Secret
	trust         Secret
	signIn        Secret
	ended         string // the user of the session in the browser's cookie, if it has ended
	to            string // where the browser is going: see To
	app           string // id of the app that the request is about, for the audit log
}

// OnHost reports whether the caller is a command on the host itself.
func (by Caller) OnHost() bool { return by.kind == callerConsole }

// Workspace returns the caller's workspace.
func (by Caller) Workspace() Workspace { return by.workspace }

// Policy returns the workspace's policy, as it was when the caller arrived.
func (by Caller) Policy() Policy { return by.policy }

// User returns the user who is signed in, and whether there is one.
func (by Caller) User() (User, bool) {
	if by.user == nil {
		return User{}, false
	}
	return *by.user, true
}

// Session returns the valid session with which the caller arrived, and whether there is one.
func (by Caller) Session() (Session, bool) {
	if by.session == nil {
		return Session{}, false
	}
	return *by.session, true
}

// SessionEnded reports whether the browser sent a session that has ended.
func (by Caller) SessionEnded() bool { return by.ended != "" }

// To returns the caller with an address of the door to continue to. A sign-in stores it, and its last SignInResult returns
// it.
func (by Caller) To(address string) Caller {
	by.to = address
	return by
}

// InSignIn returns the caller as someone in a sign-in only. A session in the same browser is ignored.
func (by Caller) InSignIn() Caller {
	by.kind, by.user, by.session = callerNobody, nil, nil
	return by
}

// about returns the caller as someone who does something that is about an app, for the audit log.
func (by Caller) about(app string) Caller {
	by.app = app
	return by
}

func (by Caller) actor() string {
	if by.user == nil {
		return ""
	}
	return by.user.ID
}

// as returns the caller as the user of the current sign-in or link, for the audit log and for mails. Another user's
// session in the same browser is ignored.
func (by Caller) as(u User) Caller {
	by.kind, by.user = callerUser, &u
	return by
}

// unauthenticated returns the caller as one who has proved nothing about a user, for the audit log. If someone else is signed
// in in the same browser, the detail names them, but not as the actor: it may be a shared computer.
func (by Caller) unauthenticated(user string) (Caller, map[string]string) {
	if by.user == nil || by.user.ID == user {
		return by, nil
	}
	return by.InSignIn(), map[string]string{"signed_in": by.user.ID}
}

// Console returns the caller for a command on the host itself, in the workspace with this host name, or in the oldest
// workspace if host is empty.
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

// write runs a change whose outcome may have to be committed: if fn returns an error made by commit, write commits and
// then returns the outcome. Every other error rolls back.
func (s *Service) write(ctx context.Context, fn func(Tx) error) error {
	var outcome error
	var queued bool
	err := s.Store.Write(ctx, func(tx Tx) error {
		outcome, queued = nil, false
		sessions := ending{tx, map[[2]string]bool{}, s}
		err := fn(queueing{sessions, &queued})
		if err == nil || errors.As(err, &committed{}) {
			if err := sessions.queueAll(); err != nil {
				return err
			}
		}
		if k := (committed{}); errors.As(err, &k) {
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
