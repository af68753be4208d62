package sallyport

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/passkey"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Passkey is a passkey or security key that a user has registered. Nothing in it is secret.
type Passkey struct {
	Workspace    string
	User         string
	ID           string
	Name         string
	Key          passkey.Key
	CreatedAt    time.Time
	LastUsedAt   time.Time // zero: not since it was added
	LastUsedFrom string    // IP address
}

// MaxPasskeys is how many passkeys a user may have.
const MaxPasskeys = 10

// PasskeyTx is the storage of passkeys and of challenges that were answered.
type PasskeyTx interface {
	// Passkeys returns the passkeys of a user, oldest first.
	Passkeys(workspace, user string) ([]Passkey, error)
	// InsertPasskey inserts a passkey. A key that is registered already is ErrDuplicate.
	InsertPasskey(Passkey) error
	// SavePasskey replaces the name, the counter, whether it is backed up, and when it was used, and from where.
	SavePasskey(Passkey) error
	// DeletePasskeys deletes one passkey of a user, or all if id is empty. It returns how many it deleted.
	DeletePasskeys(workspace, user, id string) (int64, error)
	// SpendChallenge records that a challenge was answered, and returns whether this is the first time (I12). ends is
	// when it could no longer be answered anyway.
	SpendChallenge(workspace string, hash []byte, ends time.Time) (bool, error)
}

// Outcomes of passkeys.
var (
	ErrPasskeyWrong     = invalid("credential", "passkey_wrong", text.Say("This passkey was not accepted. Try again, or use another method."))
	ErrPasskeyTooLate   = invalid("credential", "passkey_too_late", text.Say("This took longer than 10 minutes, or was answered already. Try again."))
	ErrPasskeyCopied    = invalid("credential", "passkey_copied", text.Say("This security key may have been copied, so it was not accepted. Use another method, and remove the key from your account."))
	ErrPasskeyAlone     = invalid("credential", "passkey_unverified", text.Say("This key did not check who you are, so it cannot replace your password. Sign in with your password, then use the key."))
	ErrPasskeyLimit     = &Error{Kind: TooMany, Code: "too_many_passkeys_tried", Text: text.Say("There were too many tries with a passkey. Try again later, or use another method."), Field: "credential"}
	ErrPasskeyTaken     = invalid("credential", "passkey_registered", text.Say("This passkey is registered already."))
	ErrPasskeyNeeded    = &Error{Kind: Conflict, Code: "passkey_required", Text: text.Say("Your company requires a passkey, so you cannot remove the only one. Add another first.")}
	ErrTooManyPasskeys  = &Error{Kind: Conflict, Code: "too_many_passkeys", Text: text.Say("You have 10 passkeys, and cannot add more. Remove one first.")}
	errPasskeyMalformed = invalid("credential", "passkey_malformed", text.Say("Your browser sent no passkey. Try again, or use another method."))
)

// passkeyFirst reports whether a passkey was used or added after every app was last used: pages then ask for it first.
func passkeyFirst(keys []Passkey, apps []Authenticator) bool {
	var app, key time.Time
	for _, a := range apps {
		app = latest(app, a.CreatedAt, a.LastUsedAt)
	}
	for _, k := range keys {
		key = latest(key, k.CreatedAt, k.LastUsedAt)
	}
	return key.After(app)
}

func latest(times ...time.Time) (last time.Time) {
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}

func keysOf(all []Passkey) (keys []passkey.Key) {
	for _, p := range all {
		keys = append(keys, p.Key)
	}
	return keys
}

// personOf returns a user as authenticators know them.
func personOf(u User) passkey.Person {
	return passkey.Person{Handle: []byte(u.ID), Name: u.Address, Shown: u.Name}
}

// PasskeySetUp is what a page shows that registers a passkey.
type PasskeySetUp struct {
	Options   []byte // JSON for the browser, with a challenge
	SetUpCode bool   // a set-up code from an administrator is needed as well
	Replaces  bool   // after a recovery code: every other second factor is removed
	Why       Reason // why nothing else works before; zero: other things work
}

// registering is enrolling for a passkey. As with authenticators, a session that began with a recovery code replaces
// everything that the user had.
func (s *Service) registering(ctx context.Context, by Caller, fn func(Tx, *enrolment) error) error {
	needs := adding
	if by.session != nil && by.session.Restricted() {
		needs = changing
	}
	needs.keyed = true
	return s.enrolling(ctx, by, StepSetUp, needs, fn)
}

// NewPasskey returns what is needed to register a passkey now. Its errors are those of AddPasskey.
func (s *Service) NewPasskey(ctx context.Context, by Caller) (v PasskeySetUp, err error) {
	err = s.registering(ctx, by, func(tx Tx, e *enrolment) error {
		all, err := tx.Passkeys(e.Workspace, e.User.ID)
		if err != nil {
			return err
		}
		if e.replacesAll() {
			all = nil
		}
		if len(all) >= MaxPasskeys {
			return ErrTooManyPasskeys
		}
		v = PasskeySetUp{SetUpCode: e.owesSetUpCode(), Replaces: e.replacesAll(), Why: by.policy.Reason(e.User, e.proofs(), s.Now())}
		v.Options, err = s.party(by).CreateOptions(personOf(e.User), s.challenge(by, toRegister, e.User.ID, e.id), keysOf(all))
		return err
	})
	return v, err
}

// AddPasskey registers a passkey. credential is what the browser returned for the options of NewPasskey. If name is
// empty, the key gets that of its authenticator or of the browser. It signs the user out everywhere else; the session or
// sign-in continues under a new secret. After a reset, it needs the set-up code.
func (s *Service) AddPasskey(ctx context.Context, by Caller, name, setUpCode, credential string) (SignInResult, error) {
	created, err := passkey.ParseCreation([]byte(credential))
	if err != nil {
		return SignInResult{}, errPasskeyMalformed
	}
	if name = strings.TrimSpace(name); name != "" {
		if name, err = cleanName("name", name); err != nil {
			return SignInResult{}, err
		}
	}
	var p SignInResult
	err = s.registering(ctx, by, func(tx Tx, e *enrolment) error {
		all, err := tx.Passkeys(e.Workspace, e.User.ID)
		if err != nil {
			return err
		}
		if len(all) >= MaxPasskeys && !e.replacesAll() {
			return ErrTooManyPasskeys
		}
		if e.owesSetUpCode() {
			if err := s.takeSetUpCode(tx, by, e, setUpCode); err != nil {
				return err
			}
		}
		if err := s.spend(tx, by, created.Challenge, toRegister, e.User.ID, e.id); err != nil {
			return err
		}
		key, verified, err := s.party(by).Created(created)
		if err != nil {
			return commit(ErrPasskeyWrong)
		}
		now, name := s.Now(), cmp.Or(name, key.ModelName(), by.agent, "Passkey")
		k := Passkey{Workspace: e.Workspace, User: e.User.ID, ID: newID(prefixPasskey, now), Name: name, Key: key, CreatedAt: now}
		if err := s.insertPasskey(tx, by, e, k, all); err != nil {
			return err
		}
		e.HasPasskey = true
		added := newFactor{Proof{ByPasskey, now, keyUse(key, verified)}, k.ID, k.Name}
		if err := s.enrolled(tx, by, e, added, e.replacesAll()); err != nil {
			return err
		}
		if p, err = s.goOn(tx, by, e, added.proof); err != nil || len(e.codes) == 0 {
			return err
		}
		p.RecoveryCodes = e.codes
		p.RecoveryShown, err = s.sealShown(e.User, e.id, e.codes)
		return err
	})
	return p, err
}

// insertPasskey inserts a key, in place of every other second factor if the session began with a recovery code.
func (s *Service) insertPasskey(tx Tx, by Caller, e *enrolment, k Passkey, have []Passkey) error {
	if err := tx.InsertPasskey(k); errors.Is(err, ErrDuplicate) {
		return commit(ErrPasskeyTaken)
	} else if err != nil || !e.replacesAll() {
		return err
	}
	for _, old := range have {
		if _, err := tx.DeletePasskeys(k.Workspace, k.User, old.ID); err != nil {
			return err
		}
	}
	if err := tx.ClearTries(k.Workspace, k.User, bucketAuthenticator); err != nil {
		return err
	}
	if err := s.deleteAuthenticators(tx, e.User); err != nil {
		return err
	}
	return s.lockEnds(tx, by.as(e.User), e.User)
}

// passkeyAdded mails the user and records an event.
func (s *Service) passkeyAdded(tx Tx, by Caller, e *enrolment, f newFactor, first, changed bool, detail map[string]string) error {
	kind, letter := "passkey.added", "passkey.added"
	switch {
	case first:
		kind, letter = "two_factor.enabled", "two_factor.enabled_by_passkey"
	case changed:
		kind, letter = "passkey.changed", "passkey.changed"
	}
	if err := s.notify(tx, by, e.User, letter, map[string]any{"key": f.name}); err != nil {
		return err
	}
	return s.record(tx, by.as(e.User), kind, e.User.ID, Done, detail)
}

// SignInByPasskey signs a user in who has given nothing but a passkey, whose authenticator has verified them: that is both
// factors (I70). For an unknown or suspended user, the error is ErrPasskeyWrong as well. visitor is the secret from EnterOptions.
func (s *Service) SignInByPasskey(ctx context.Context, by Caller, visitor Secret, credential string) (SignInResult, error) {
	a, err := passkey.Parse([]byte(credential))
	if err != nil || visitor == "" {
		return SignInResult{}, errPasskeyMalformed
	}
	by = by.InSignIn()
	var p SignInResult
	err = s.write(ctx, func(tx Tx) error {
		if err := s.spend(tx, by, a.Challenge, toEnter, "", hexHash(visitor)); err != nil { // before the user is looked up, so that the answer does not depend on who it names (I39)
			return err
		}
		var u User
		found, err := false, error(nil)
		if id := string(a.Handle); validID(prefixUser, id) {
			u, found, err = tx.LockUser(by.workspace.ID, id)
		}
		if err != nil {
			return err
		}
		if !found || !u.enters() || !u.TwoFactor {
			return commit(ErrPasskeyWrong)
		}
		now := s.Now()
		if wait := u.SignIns.Wait(signInRule, now); wait > 0 {
			return commit(ErrSignInLimit.waiting(wait))
		}
		proof, err := s.judgePasskey(tx, by, &u, a, nil, true)
		if err != nil {
			return err
		}
		si := SignIn{
			Workspace: u.Workspace, User: u.ID, ID: newID(prefixSignIn, now), Epoch: u.Epoch, Door: by.door,
			Proofs: Proofs{proof}, Parked: by.to, CreatedAt: now, ExpiresAt: now.Add(SignInLimit), fresh: true,
		}
		if si.DeviceSeen, err = tx.DeviceSeen(u.Workspace, u.ID, hashToken(by.device)); err != nil {
			return err
		}
		si.Known = by.knownSince(si.DeviceSeen, now)
		p, err = s.advance(tx, by, si, u)
		return err
	})
	return p, err
}

func hexHash(secret Secret) string { return hex.EncodeToString(hashToken(secret)) }

// EnterOptions returns the options with which a passkey alone signs in, and the secret of the browser that may answer
// them. If visitor is empty, it is a new one. It writes nothing.
func (s *Service) EnterOptions(by Caller, visitor Secret) (options []byte, _ Secret, err error) {
	if visitor == "" {
		visitor, _ = newSecret()
	}
	options, err = s.party(by).RequestOptions(s.challenge(by, toEnter, "", hexHash(visitor)), nil)
	return options, visitor, err
}

// OwnPasskeys returns the caller's passkeys, oldest first.
func (s *Service) OwnPasskeys(ctx context.Context, by Caller) (all []Passkey, err error) {
	if err := s.may(by, access{}); err != nil {
		return nil, err
	}
	return all, s.Store.Read(ctx, func(tx Tx) (err error) {
		all, err = tx.Passkeys(by.workspace.ID, by.user.ID)
		return err
	})
}

func findPasskey(all []Passkey, id string) (Passkey, error) {
	for _, p := range all {
		if p.ID == id {
			return p, nil
		}
	}
	return Passkey{}, ErrNotFound
}

// OwnPasskey returns one of the caller's passkeys, or ErrNotFound.
func (s *Service) OwnPasskey(ctx context.Context, by Caller, id string) (Passkey, error) {
	all, err := s.OwnPasskeys(ctx, by)
	if err != nil {
		return Passkey{}, err
	}
	return findPasskey(all, id)
}

// RenamePasskey changes the name of a passkey.
func (s *Service) RenamePasskey(ctx context.Context, by Caller, id, name string) error {
	name, err := cleanName("name", name)
	if err != nil {
		return err
	}
	return s.act(ctx, by, access{}, func(tx Tx, me *actor) error {
		all, err := tx.Passkeys(me.Workspace, me.ID)
		if err != nil {
			return err
		}
		p, err := findPasskey(all, id)
		if err != nil {
			return err
		}
		was := p.Name
		p.Name = name
		if err := tx.SavePasskey(p); err != nil {
			return err
		}
		return s.record(tx, by, "passkey.renamed", me.ID, Done, map[string]string{"passkey": id, "name": name, "was": was})
	})
}

// PasskeyRemoval is what the removal of a passkey would do.
type PasskeyRemoval struct {
	Passkey
	Last bool // it disables two-factor authentication

	lastKey bool // the user has other second factors, but no other passkey
}

// MayRemovePasskey returns what removing a passkey would do; its errors are those of RemovePasskey.
func (s *Service) MayRemovePasskey(ctx context.Context, by Caller, id string) (r PasskeyRemoval, err error) {
	err = s.act(ctx, by, access{}, func(tx Tx, me *actor) error {
		r, err = s.passkeyRemoval(tx, by, me, id)
		return err
	})
	return r, err
}

func (s *Service) passkeyRemoval(tx Tx, by Caller, me *actor, id string) (r PasskeyRemoval, err error) {
	all, err := tx.Passkeys(me.Workspace, me.ID)
	if err != nil {
		return r, err
	}
	if r.Passkey, err = findPasskey(all, id); err != nil {
		return r, err
	}
	apps, err := tx.Authenticators(me.Workspace, me.ID)
	if err != nil {
		return r, err
	}
	if r.Last = len(all)+len(apps) == 1; r.Last {
		return r, me.mayDisable(by)
	}
	if r.lastKey = len(all) == 1; r.lastKey && by.policy.NeedsPasskey(me.User, me.now) {
		return r, ErrPasskeyNeeded
	}
	return r, access{proof: AnyFactor}.judge(me.User, me.session, by.policy, me.now)
}

// RemovePasskey removes a passkey and signs the user out everywhere else. Removing the last second factor is Disable, with
// the same conditions. It returns the session's new secret, and the id by which authenticators know the key.
func (s *Service) RemovePasskey(ctx context.Context, by Caller, id string) (token Secret, credential []byte, err error) {
	err = s.act(ctx, by, access{}, func(tx Tx, me *actor) error {
		r, err := s.passkeyRemoval(tx, by, me, id)
		if err != nil {
			return err
		}
		credential = r.Key.ID
		if r.Last {
			token, err = s.disable(tx, by, me)
			return err
		}
		if n, err := tx.DeletePasskeys(me.Workspace, me.ID, id); err != nil || n == 0 {
			return errOr(err, ErrNotFound)
		}
		if me.HasPasskey = !r.lastKey; r.lastKey {
			me.session.Proofs = me.session.Proofs.Without(ByPasskey)
		}
		if token, err = me.endOthers(tx); err != nil {
			return err
		}
		if err := s.notify(tx, by, me.User, "passkey.removed", map[string]any{"key": r.Name}); err != nil {
			return err
		}
		return s.record(tx, by, "passkey.removed", me.ID, Done, map[string]string{"passkey": id, "name": r.Name})
	})
	return token, credential, err
}
