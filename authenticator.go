package sallyport

import (
	"context"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/seal"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Authenticator is an authenticator app that a user enrolled.
type Authenticator struct {
	Workspace    string
	User         string
	ID           string
	Name         string
	Algorithm    otp.Algorithm
	Secret       []byte // sealed
	LastStep     int64  // the newest time step used; it and every one before it are burnt (I07)
	RefusedSteps []int64
	CreatedAt    time.Time
	LastUsedAt   time.Time
	LastUsedFrom string // address
}

// AuthenticatorTx is the storage of authenticators.
type AuthenticatorTx interface {
	// Authenticators returns those of a user, oldest first.
	Authenticators(workspace, user string) ([]Authenticator, error)
	InsertAuthenticator(Authenticator) error
	// BurnStep keeps LastStep, LastUsedAt and LastUsedFrom, if the step kept is older: of concurrent calls for one
	// step exactly one gets true (I08).
	BurnStep(Authenticator) (bool, error)
	// SaveAuthenticator replaces name, sealed secret and refused steps.
	SaveAuthenticator(Authenticator) error
	// DeleteAuthenticator removes one, and says whether it was there.
	DeleteAuthenticator(workspace, user, id string) (bool, error)
}

// Draft is an authenticator that is being set up and not yet confirmed. It is bound to one session or sign-in, its
// Holder; a user has one at most in each.
type Draft struct {
	Workspace string
	User      string
	Holder    string
	Epoch     int64
	Name      string
	Secret    []byte // sealed
	ExpiresAt time.Time
}

// DraftLimit is how long a draft lives.
const DraftLimit = 15 * time.Minute

// DraftTx is the storage of drafts.
type DraftTx interface {
	// PutDraft keeps a draft in place of the one its holder had.
	PutDraft(Draft) error
	Draft(workspace, user, holder string) (Draft, bool, error)
	// DeleteDraft drops it, and says whether it was there.
	DeleteDraft(workspace, user, holder string) (bool, error)
}

// Outcomes of setting up.
var (
	ErrNoDraft            = &Error{Kind: Gone, Code: "set_up_expired", Text: text.Say("This set-up has ended. Start again: you will get a new key.")}
	ErrSetUpCodeWrong     = invalid("code", "code_wrong", text.Say("This code is not right. Enter the code that the app shows now."))
	ErrCodeMalformed      = invalid("code", "code_malformed", text.Say("Enter the 6 digits that the app shows."))
	ErrTooManyApps        = &Error{Kind: Conflict, Code: "too_many_authenticators", Text: text.Say("You have 10 authenticator apps, and no more are possible. Remove one first.")}
	ErrKeyUnreadable      = &Error{Kind: Conflict, Code: "authenticator_unreadable", Text: text.Say("The codes of your authenticator app cannot be checked. Use a recovery code, or ask an administrator for help.")}
	ErrAuthenticatorStale = &Error{Kind: Conflict, Code: "authenticator_refused", Text: text.Say("The codes of your authenticator app are no longer accepted, because of too many wrong ones. Use a recovery code, or ask an administrator for help.")}
)

// MaxAuthenticators is how many a user may have.
const MaxAuthenticators = 10

// SetUp is what the pages show of a draft: it is shown to its holder alone, until it is confirmed.
type SetUp struct {
	Name    string
	Account string // e-mail address
	Key     Secret // base32
	URI     Secret // otpauth URI with the same key
	Ends    time.Time
}

// holder is the session or sign-in that sets up an authenticator, read inside the transaction.
type holder struct {
	User
	id      string
	session *actor
	signIn  *SignIn
}

// hold runs fn for whoever may set up an authenticator now: a session, or the sign-in whose next step it is.
func (s *Service) hold(ctx context.Context, by Caller, n need, fn func(Tx, *holder) error) error {
	if by.session != nil {
		n.forced = true
		return s.act(ctx, by, n, func(tx Tx, me *actor) error {
			return fn(tx, &holder{User: me.User, id: me.session.ID, session: me})
		})
	}
	return s.write(ctx, func(tx Tx) error {
		si, u, err := s.signIn(tx, by)
		if err != nil {
			return err
		}
		if next(si, u, by.policy, s.Now()) != StepSetUp {
			return ErrOtherStep
		}
		return fn(tx, &holder{User: u, id: si.ID, signIn: &si})
	})
}

// StartSetUp makes a new key for an authenticator app with a name and keeps it as a draft. An earlier draft of the
// same session or sign-in is dropped.
func (s *Service) StartSetUp(ctx context.Context, by Caller, name string) error {
	name, err := cleanName("name", name)
	if err != nil {
		return err
	}
	return s.hold(ctx, by, need{strong: true}, func(tx Tx, h *holder) error {
		have, err := tx.Authenticators(h.Workspace, h.User.ID)
		if err != nil {
			return err
		}
		if len(have) >= MaxAuthenticators {
			return ErrTooManyApps
		}
		sealed, err := s.Keys.Seal(otp.NewSecret(), draftAD(h.Workspace, h.User.ID, h.id))
		if err != nil {
			return err
		}
		return tx.PutDraft(Draft{
			Workspace: h.Workspace, User: h.User.ID, Holder: h.id, Epoch: h.Epoch, Name: name,
			Secret: sealed, ExpiresAt: s.Now().Add(DraftLimit),
		})
	})
}

// SetUp returns the draft in hand, or ErrNoDraft.
func (s *Service) SetUp(ctx context.Context, by Caller) (SetUp, error) {
	var v SetUp
	err := s.hold(ctx, by, need{strong: true}, func(tx Tx, h *holder) error {
		d, secret, err := s.draft(tx, h)
		if err != nil {
			return err
		}
		key := otp.Key{Issuer: by.workspace.Issuer(), Account: h.Address, Secret: secret, Params: otp.Default}
		v = SetUp{
			Name: d.Name, Account: h.Address, Key: Secret(otp.EncodeSecret(secret)), URI: Secret(key.URI()), Ends: d.ExpiresAt,
		}
		return nil
	})
	return v, err
}

// draft returns the holder's draft and its key.
func (s *Service) draft(tx Tx, h *holder) (Draft, []byte, error) {
	d, ok, err := tx.Draft(h.Workspace, h.User.ID, h.id)
	if err != nil {
		return d, nil, err
	}
	if !ok || d.Epoch != h.Epoch || !s.Now().Before(d.ExpiresAt) {
		return d, nil, ErrNoDraft
	}
	secret, err := s.Keys.Open(d.Secret, draftAD(h.Workspace, h.User.ID, h.id))
	return d, secret, err
}

// ConfirmSetUp makes the draft an authenticator, given the code it shows now. That code is burnt with it (I21).
// Everything else that was signed in as the user ends; the session or sign-in in hand goes on, under a new value.
func (s *Service) ConfirmSetUp(ctx context.Context, by Caller, code string) (Passage, error) {
	digits, ok := otp.Normalise(code)
	if !ok {
		return Passage{}, ErrCodeMalformed
	}
	var p Passage
	err := s.hold(ctx, by, need{strong: true}, func(tx Tx, h *holder) error {
		d, secret, err := s.draft(tx, h)
		if err != nil {
			return err
		}
		now := s.Now()
		step, ok := otp.Default.Match(secret, digits, now, 1, 1)
		if !ok {
			return ErrSetUpCodeWrong
		}
		if err := s.enrol(tx, by, h, d, secret, step); err != nil {
			return err
		}
		if h.signIn != nil {
			p, err = s.advance(tx, by, *h.signIn, h.User)
			return err
		}
		h.session.User = h.User
		h.session.session.Proofs = h.session.session.Proofs.With(ByAuthenticator, now)
		p.Step = StepDone
		p.Session, err = h.session.endOthers(tx)
		return err
	})
	return p, err
}

// enrol turns a draft into an authenticator of the holder's user.
func (s *Service) enrol(tx Tx, by Caller, h *holder, d Draft, secret []byte, step int64) error {
	now := s.Now()
	if gone, err := tx.DeleteDraft(h.Workspace, h.User.ID, h.id); err != nil || !gone {
		return cmpErr(err, ErrNoDraft)
	}
	a := Authenticator{
		Workspace: h.Workspace, User: h.User.ID, ID: newID(prefixAuthenticator, now), Name: d.Name,
		Algorithm: otp.Default.Algorithm, LastStep: step, CreatedAt: now,
	}
	var err error
	if a.Secret, err = s.Keys.Seal(secret, a.ad()); err != nil {
		return err
	}
	if err := tx.InsertAuthenticator(a); err != nil {
		return err
	}
	kind := "authenticator.added"
	if !h.TwoFactor {
		kind = "two_factor.enabled"
		h.TwoFactor, h.TwoFactorSince, h.MustSetUp = true, now, false
	}
	if err := tx.ClearTries(h.Workspace, h.User.ID, bucketAuthenticator); err != nil {
		return err
	}
	if h.signIn != nil {
		h.signIn.Proofs = h.signIn.Proofs.With(ByAuthenticator, now)
		h.Epoch++
		h.signIn.Epoch = h.Epoch
		if err := tx.SaveUser(h.User); err != nil {
			return err
		}
	}
	if err := s.notify(tx, by, h.User, kind, map[string]any{"app": a.Name}); err != nil {
		return err
	}
	return s.record(tx, by.as(h.User), kind, h.User.ID, Done, map[string]string{"authenticator": a.ID, "name": a.Name})
}

// cmpErr returns err, or the outcome if there is none.
func cmpErr(err, outcome error) error {
	if err != nil {
		return err
	}
	return outcome
}

func draftAD(workspace, user, holder string) seal.AD {
	return seal.AD{Purpose: "draft", Workspace: workspace, User: user, Row: holder}
}

func (a Authenticator) ad() seal.AD {
	return seal.AD{Purpose: "authenticator", Workspace: a.Workspace, User: a.User, Row: a.ID}
}

// match finds the authenticator whose code this is within one step of now, and the step.
func (s *Service) match(all []Authenticator, digits string, now time.Time) (Authenticator, bool, error) {
	var unreadable error
	var hit Authenticator
	var found bool
	for _, a := range all {
		secret, err := s.Keys.Open(a.Secret, a.ad())
		if err != nil {
			unreadable = err
			continue
		}
		params := otp.Default
		params.Algorithm = a.Algorithm
		if step, ok := params.Match(secret, digits, now, 1, 1); ok && !found {
			found, hit = true, a
			hit.LastStep = step
		}
	}
	if !found && unreadable != nil {
		return hit, false, unreadable
	}
	return hit, found, nil
}

// MaySetUp reports whether the caller may start to set up an authenticator now; its errors are those of StartSetUp.
func (s *Service) MaySetUp(ctx context.Context, by Caller) error {
	return s.hold(ctx, by, need{strong: true}, func(Tx, *holder) error { return nil })
}

// OwnAuthenticators returns those of who is signed in, oldest first, without their secrets.
func (s *Service) OwnAuthenticators(ctx context.Context, by Caller) (all []Authenticator, err error) {
	if by.user == nil {
		return nil, ErrSignedOut
	}
	err = s.Store.Read(ctx, func(tx Tx) error {
		all, err = tx.Authenticators(by.workspace.ID, by.user.ID)
		return err
	})
	for i := range all {
		all[i].Secret = nil
	}
	return all, err
}
