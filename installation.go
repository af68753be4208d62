package sallyport

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// FirstRunLimit is how long the link that creates the first owner works.
const FirstRunLimit = 30 * time.Minute

// Outcomes of starting and of the first run.
var (
	// ErrKeyset means that the database was written with another keyset. Nothing starts then.
	ErrKeyset = errors.New("the keyset does not belong to this database")
	// ErrURLTaken means that another workspace uses the host of URL, which is for the first workspace.
	ErrURLTaken     = errors.New("another workspace uses this host")
	ErrFirstRunOver = &Error{Kind: Gone, Code: "first_run_over", Text: text.Say("This link no longer works. It was used, or it is older than 30 minutes. If nobody used it, restart the server to get a new link.")}
)

// Start checks that the keyset belongs to the database; an empty database is bound to it. It then moves the oldest
// workspace to the host of URL. If two nodes with different keysets start on an empty database, one gets ErrKeyset. If
// another workspace uses that host, it returns ErrURLTaken. It fails if a page to which e-mails link has no path.
func (s *Service) Start(ctx context.Context) error {
	if err := s.Paths.Check(); err != nil {
		return err
	}
	return s.write(ctx, func(tx Tx) error {
		check := s.Keys.CheckValue()
		in, ok, err := tx.Installation()
		if err != nil {
			return err
		}
		if !ok {
			if _, err := tx.InsertInstallation(Installation{KeyCheck: check, MadeAt: s.Now()}); err != nil {
				return err
			}
			if in, _, err = tx.Installation(); err != nil {
				return err
			}
		}
		if in.KeyCheck != check {
			return ErrKeyset
		}
		all, err := tx.Workspaces()
		if err != nil || len(all) == 0 || s.URL == "" || all[0].Host == s.host() {
			return err
		}
		err = tx.MoveHost(all[0].ID, s.host())
		if errors.Is(err, ErrDuplicate) {
			return ErrURLTaken
		}
		return err
	})
}

// host returns the host of URL, with its port unless that is the default of the scheme.
func (s *Service) host() string {
	_, h, _ := strings.Cut(s.URL, "://")
	return h
}

// OpenFirstRun returns the token of a new first-run link, and ends the earlier one. It returns "" if there is an owner.
func (s *Service) OpenFirstRun(ctx context.Context) (Secret, error) {
	token, hash := newSecret()
	var open bool
	err := s.write(ctx, func(tx Tx) (err error) {
		open, err = tx.OpenFirstRun(hash, s.Now().Add(FirstRunLimit))
		return err
	})
	if err != nil || !open {
		return "", err
	}
	return token, nil
}

// CheckFirstRun reports whether a first-run link still works: nil or ErrFirstRunOver.
func (s *Service) CheckFirstRun(ctx context.Context, token Secret) error {
	return s.Store.Read(ctx, func(tx Tx) error {
		in, ok, err := tx.Installation()
		if err != nil {
			return err
		}
		if !ok || in.OwnerMade || subtle.ConstantTimeCompare(in.FirstRunHash, hashToken(token)) != 1 || !lifetime.Until(in.FirstRunExpires, FirstRunLimit, s.Now()) {
			return ErrFirstRunOver
		}
		return nil
	})
}

// FirstOwner is what a new workspace and its owner are created from.
type FirstOwner struct {
	Workspace string
	Name      string
	Address   string
	Password  Secret
}

// FirstRun creates the first workspace and its owner, for a command on the host. FirstRun and FirstRunByLink together
// succeed only once; after that, they return ErrFirstRunOver.
func (s *Service) FirstRun(ctx context.Context, o FirstOwner) error {
	w, u, err := s.newWorkspace(ctx, o)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx Tx) error { return s.found(tx, founding(w, s.host()), nil, u) })
}

// FirstRunByLink does the same for someone who has the one-time link. It also starts the new owner's sign-in, because
// they have just chosen the password.
func (s *Service) FirstRunByLink(ctx context.Context, a Arrival, token Secret, o FirstOwner) (SignInResult, error) {
	if err := s.CheckFirstRun(ctx, token); err != nil {
		return SignInResult{}, err
	}
	w, u, err := s.newWorkspace(ctx, o)
	if err != nil {
		return SignInResult{}, err
	}
	by := Caller{
		kind: callerNobody, workspace: w, policy: DefaultPolicy(), host: s.host(), door: a.Door,
		address: a.Address, agent: a.Agent, device: a.Device,
	}
	var p SignInResult
	err = s.write(ctx, func(tx Tx) error {
		if err := s.found(tx, by.as(u), hashToken(token), u); err != nil {
			return err
		}
		now := s.Now()
		p, err = s.advance(tx, by, SignIn{
			Workspace: w.ID, User: u.ID, ID: newID(prefixSignIn, now), Epoch: u.Epoch, Door: by.door,
			Proofs: Proofs{{Method: ByPassword, At: now}}, CreatedAt: now, ExpiresAt: now.Add(SignInLimit), fresh: true,
		}, u)
		return err
	})
	return p, err
}

// found closes the first run, with the hash of its link or nil, and inserts by's workspace and its owner.
func (s *Service) found(tx Tx, by Caller, link []byte, owner User) error {
	won, err := tx.CloseFirstRun(link, s.Now())
	if err != nil || !won {
		return errOr(err, ErrFirstRunOver)
	}
	return s.insertWorkspace(tx, by, owner, nil)
}

// AddWorkspace creates another workspace with its owner, on its own host. A host that is taken is ErrHostTaken.
func (s *Service) AddWorkspace(ctx context.Context, reseller, host string, o FirstOwner) error {
	w, u, err := s.newWorkspace(ctx, o)
	if err != nil {
		return err
	}
	w.Reseller = reseller
	return s.write(ctx, func(tx Tx) error { return s.insertWorkspace(tx, founding(w, host), u, nil) })
}

func (s *Service) newWorkspace(ctx context.Context, o FirstOwner) (Workspace, User, error) {
	w, u, wrong := s.planWorkspace(o)
	if err := outcomes(wrong, s.checkPassword(u, w, LongPassword, "password", o.Password.Reveal())); err != nil {
		return w, u, err
	}
	return w, u, s.setPassword(ctx, &u, w, LongPassword, "password", o.Password.Reveal())
}

// founding returns the caller for the operator of the server, who creates a workspace on a host.
func founding(w Workspace, host string) Caller {
	return Caller{kind: callerConsole, workspace: w, host: host, door: DoorConsole}
}
