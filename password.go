package sallyport

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/longcode"
	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// passwordTry is one checked password that is not yet settled.
type passwordTry struct {
	user    User      // as it was before the hash was computed; empty if there is none
	seen    time.Time // when the user was last seen in this browser
	charged []budget  // the last one is that of the name
	allowed bool      // the budget of the name had a try left
	right   bool
	rehash  Secret // the same password with the current parameters, if they have been raised
}

// tryPassword charges a try, commits that, and only then computes exactly one hash (I35). It runs the same statements
// whether the name exists or not. settle refunds the try if the password is correct.
func (s *Service) tryPassword(ctx context.Context, by Caller, address, password string) (passwordTry, error) {
	name := folded(address)
	var t passwordTry
	if err := s.Store.Read(ctx, func(tx Tx) (err error) {
		if t.user, t.seen, err = tx.UserOnDevice(by.workspace.ID, name, hashToken(by.device)); err != nil {
			return err
		}
		known := by.knownSince(t.seen, s.Now())
		t.charged = s.passwordBudgets(by, s.ofName(by.workspace.ID, name, t.user), known)
		return s.networkSpent(tx, t.charged, ErrAddressLimit)
	}); err != nil {
		return t, err
	}
	if err := s.write(ctx, func(tx Tx) (err error) {
		t.allowed, err = s.charge(tx, t.charged, ErrAddressLimit)
		return err
	}); err != nil {
		return t, err
	}
	hash := t.user.PasswordHash
	if hash == "" || !t.user.enters() {
		hash = Secret(s.decoy)
	}
	ok, err := s.Hasher.Verify(ctx, hash.Reveal(), password)
	if errors.Is(err, passwd.ErrBusy) {
		return t, errOr(s.giveBack(ctx, t), ErrBusy)
	}
	if err != nil {
		return t, err
	}
	t.right = ok && t.allowed && t.user.enters() && t.user.PasswordHash != "" && !s.tempOver(t.user)
	if t.right && passwd.NeedsRehash(hash.Reveal(), s.Hash) {
		phc, err := s.Hasher.Hash(ctx, password, s.Hash)
		if err != nil && !errors.Is(err, passwd.ErrBusy) {
			return t, err
		}
		t.rehash = Secret(phc)
	}
	return t, nil
}

func (s *Service) tempOver(u User) bool {
	return !u.TemporaryEnds.IsZero() && !lifetime.Until(u.TemporaryEnds, TemporaryLimit, s.Now())
}

// passwordBudgets returns the budgets for a try. In a known device, that is the one of the name in this browser.
// Otherwise it is the one of the name for all unknown clients, preceded by that of the IP address.
func (s *Service) passwordBudgets(by Caller, subject string, known bool) []budget {
	own := Tries{Workspace: by.workspace.ID, Subject: subject, Bucket: bucketPassword}
	if known {
		own.Bucket = ofDevice(bucketPassword, hashToken(by.device))
		return []budget{{own, passwordDeviceRule}}
	}
	return by.withNetwork(bucketAddress, addressRule, budget{own, passwordRule})
}

// refund refunds the charged try. rows are those of its budgets, locked.
func (t passwordTry) refund(tx Tx, rows []Tries) error {
	for i, n := range rows {
		if i == len(rows)-1 && !t.allowed {
			break
		}
		if err := tx.SaveTries(t.charged[i].rule.Refund(n)); err != nil {
			return err
		}
	}
	return nil
}

// giveBack refunds a try whose hash could not be computed in time.
func (s *Service) giveBack(ctx context.Context, t passwordTry) error {
	return s.write(ctx, func(tx Tx) error {
		_, rows, err := tx.TakeTries(t.charged[0].Workspace, "", rowsOf(t.charged)...)
		if err != nil {
			return err
		}
		return t.refund(tx, rows)
	})
}

// finishPasswordTry ends a try inside the transaction that acts on it. If the password is correct, it refunds the try and locks
// the user's row. If it is wrong, it records an event. If the user has changed since the hash was computed, it counts
// as wrong.
func (s *Service) finishPasswordTry(tx Tx, by Caller, t passwordTry) (User, bool, error) {
	wrong := func() (User, bool, error) {
		by, detail := by.unauthenticated(t.user.ID)
		if err := s.record(tx, by, "password.wrong", t.user.ID, Refused, detail); err != nil || !t.allowed {
			return User{}, false, err
		}
		return User{}, false, s.lockIfSpent(tx, by, t.user.ID, t.charged[len(t.charged)-1].Tries)
	}
	if !t.right {
		return wrong()
	}
	u, rows, err := tx.TakeTries(by.workspace.ID, t.user.ID, rowsOf(t.charged)...)
	if err != nil {
		return User{}, false, err
	}
	if u.ID == "" || u.Epoch != t.user.Epoch || u.PasswordHash != t.user.PasswordHash || !u.enters() {
		return wrong()
	}
	if t.rehash != "" {
		u.PasswordHash = t.rehash
		if err := tx.SaveUser(u); err != nil {
			return User{}, false, err
		}
	}
	return u, true, t.refund(tx, rows)
}

// TemporaryLimit is how long a temporary password can be used.
const TemporaryLimit = 72 * time.Hour

// Outcomes of choosing a password.
var (
	ErrPasswordSame  = invalid("new_password", "password_same", text.Say("This is the password that you have now. Choose another one."))
	ErrTemporaryOver = &Error{Kind: Gone, Code: "temporary_password_over", Text: text.Say("This temporary password is no longer valid. Ask an administrator for a new one.")}
)

// checkPassword returns whether a password may be chosen. It computes no hash.
func (s *Service) checkPassword(u User, w Workspace, least int, field, password string) error {
	if err := passwd.Check(password, least, u.about(w)); err != nil {
		return weakPassword(err, field, least)
	}
	if s.Compromised == nil {
		return nil
	}
	found, err := s.Compromised.Contains(password)
	if err != nil || !found {
		return err
	}
	return weakPassword(&passwd.Weak{Reason: passwd.Compromised}, field, least)
}

// setPassword checks a chosen password and puts its hash into u, which the caller then saves. It computes a hash, so it
// must be called outside of Write.
func (s *Service) setPassword(ctx context.Context, u *User, w Workspace, least int, field, password string) error {
	if err := s.checkPassword(*u, w, least, field, password); err != nil {
		return err
	}
	phc, err := s.Hasher.Hash(ctx, password, s.Hash)
	if errors.Is(err, passwd.ErrBusy) {
		return ErrBusy
	}
	if err != nil {
		return err
	}
	u.PasswordHash, u.PasswordAt, u.TemporaryEnds = Secret(phc), s.Now(), time.Time{}
	u.PasswordLong = utf8.RuneCountInString(password) >= LongPassword
	return nil
}

// takePassword copies the password that setPassword put into from to a user whose row is locked.
func (u *User) takePassword(from User) {
	u.PasswordHash, u.PasswordAt, u.PasswordLong = from.PasswordHash, from.PasswordAt, from.PasswordLong
	u.TemporaryEnds = from.TemporaryEnds
}

// newPassword is called after every change of a user's password. It clears the tries counted for the old one, lets
// unknown clients enter codes again, and mails the user.
func (s *Service) newPassword(tx Tx, by Caller, u User, kind string) error {
	rows, _, err := tx.CodeTries(u.Workspace, u.ID)
	if err != nil {
		return err
	}
	for _, t := range rows {
		if t.Bucket == bucketCode || t.Bucket == bucketPassword || strings.HasPrefix(t.Bucket, bucketPassword+":") {
			if err := tx.ClearTries(u.Workspace, u.ID, t.Bucket); err != nil {
				return err
			}
		}
	}
	if err := s.lockEnds(tx, by.as(u), u); err != nil {
		return err
	}
	if err := s.notify(tx, by.as(u), u, "password.changed", nil); err != nil {
		return err
	}
	return s.record(tx, by.as(u), kind, u.ID, Done, nil)
}

// LeastPassword returns how many characters a new password of u must have.
func (s *Service) LeastPassword(by Caller, u User) int { return by.policy.MinPassword(u, s.Now()) }

// ChoosePassword replaces a temporary password, or one that is too short to be the only factor, and advances the
// sign-in to its next step. The old password no longer works. A password that may not be chosen is refused with the
// reason. The old one itself is ErrPasswordSame.
func (s *Service) ChoosePassword(ctx context.Context, by Caller, password string) (SignInResult, error) {
	var u User
	if err := s.write(ctx, func(tx Tx) (err error) {
		_, u, err = s.choosing(tx, by)
		return err
	}); err != nil {
		return SignInResult{}, err
	}
	chosen := u
	if err := s.checkPassword(u, by.workspace, s.LeastPassword(by, u), "new_password", password); err != nil {
		return SignInResult{}, err
	}
	same, err := s.isPassword(ctx, u, password)
	if errors.Is(err, passwd.ErrBusy) {
		return SignInResult{}, ErrBusy
	}
	if err != nil || same {
		return SignInResult{}, errOr(err, ErrPasswordSame)
	}
	if err := s.setPassword(ctx, &chosen, by.workspace, s.LeastPassword(by, u), "new_password", password); err != nil {
		return SignInResult{}, err
	}
	var p SignInResult
	err = s.write(ctx, func(tx Tx) error {
		si, u, err := s.choosing(tx, by)
		if err != nil {
			return err
		}
		u.takePassword(chosen)
		u.State = Active
		u.Epoch++
		si.Epoch = u.Epoch
		if err := tx.SaveUser(u); err != nil {
			return err
		}
		if err := s.newPassword(tx, by, u, "password.chosen"); err != nil {
			return err
		}
		p, err = s.advance(tx, by, si, u)
		return err
	})
	return p, err
}

// isPassword reports whether a password is the user's. A temporary one is also recognised in another case and with
// spaces, as people may type it.
func (s *Service) isPassword(ctx context.Context, u User, password string) (bool, error) {
	same, err := s.Hasher.Verify(ctx, u.PasswordHash.Reveal(), password)
	if same || err != nil || u.TemporaryEnds.IsZero() {
		return same, err
	}
	code, ok := longcode.Parse(password)
	if !ok {
		return false, nil
	}
	return s.Hasher.Verify(ctx, u.PasswordHash.Reveal(), longcode.Group(code))
}

// NewPassword is what a page that asks for a new password shows.
type NewPassword struct {
	Address   string
	Least     int  // characters
	Temporary bool // it replaces a temporary password
}

// Choosing returns what the step that replaces a password shows. ErrOtherStep means that the current sign-in is at
// another step.
func (s *Service) Choosing(ctx context.Context, by Caller) (NewPassword, error) {
	var v NewPassword
	err := s.write(ctx, func(tx Tx) error {
		_, u, err := s.choosing(tx, by)
		v = NewPassword{u.Address, s.LeastPassword(by, u), !u.TemporaryEnds.IsZero()}
		return err
	})
	return v, err
}

// choosing is signIn for the step that replaces a password.
func (s *Service) choosing(tx Tx, by Caller) (SignIn, User, error) {
	si, u, err := s.signIn(tx, by)
	switch {
	case err != nil:
		return si, u, err
	case next(si, u, by.policy, s.Now()) != StepChoosePassword:
		return si, u, ErrOtherStep
	case s.tempOver(u):
		return si, u, ErrTemporaryOver
	}
	return si, u, nil
}

// MayChangePassword reports whether the caller may change their password now. ErrStepUp asks for fresh proof of the
// second factor first. The change itself asks for the current password.
func (s *Service) MayChangePassword(by Caller) error {
	if by.session == nil {
		return ErrSignedOut
	}
	return mayChangePassword(by, *by.user, *by.session, s.Now())
}

func mayChangePassword(by Caller, u User, ses Session, now time.Time) error {
	var a access // the change itself asks for the password
	if u.TwoFactor {
		a.proof = AnyFactor
	}
	return a.judge(u, ses, by.policy, now)
}

// ChangePassword replaces the caller's password, given the current one. A try of that uses the budget for signing in.
// It signs the user out everywhere else; the session continues with the returned secret.
func (s *Service) ChangePassword(ctx context.Context, by Caller, current, password string) (Secret, error) {
	if err := s.MayChangePassword(by); err != nil {
		return "", err
	}
	chosen := *by.user
	least := s.LeastPassword(by, chosen)
	weak := s.checkPassword(chosen, by.workspace, least, "new_password", password)
	if len(Outcomes(weak)) == 0 && weak != nil {
		return "", weak
	}
	try, err := s.tryPassword(ctx, by, chosen.Address, current)
	if err != nil {
		return "", err
	}
	same := passwd.Normalise(current) == passwd.Normalise(password)
	if try.right && weak == nil && !same {
		if err := s.setPassword(ctx, &chosen, by.workspace, least, "new_password", password); err != nil {
			return "", errOr(s.giveBack(ctx, try), err)
		}
	}
	var token Secret
	err = s.act(ctx, by, access{ends: true}, func(tx Tx, me *actor) error {
		if err := mayChangePassword(by, me.User, me.session, me.now); err != nil {
			return err
		}
		u, ok, err := s.finishPasswordTry(tx, by, try)
		if err != nil {
			return err
		}
		if !ok || u.ID != me.ID {
			return commit(outcomes(ErrOwnPasswordWrong.in("current_password"), weak))
		}
		if weak != nil {
			return commit(weak)
		}
		if same {
			return commit(ErrPasswordSame)
		}
		me.User = u
		me.takePassword(chosen)
		me.session.Proofs = me.session.Proofs.With(ByPassword, me.now)
		if token, err = me.endOthers(tx); err != nil {
			return err
		}
		return s.newPassword(tx, by, me.User, "password.changed")
	})
	return token, err
}

// weakPassword translates the reason why a password was refused into an outcome.
func weakPassword(err error, field string, least int) error {
	var weak *passwd.Weak
	if !errors.As(err, &weak) {
		return err
	}
	say := map[passwd.Reason]text.Message{
		passwd.TooShort:    text.Count(least, "Use at least {n} character.", "Use at least {n} characters. A few words in a row are easy to remember."),
		passwd.TooLong:     text.Say("This password is too long. Use at most 1,000 characters."),
		passwd.Compromised: text.Say("This password is in a list of stolen passwords. Choose another one."),
		passwd.Guessable:   text.Say("This password is easy to guess. Add a few unrelated words."),
		passwd.Personal:    text.Say("This password is made from your name, your e-mail address or your company's name. Choose another one."),
		passwd.Unreadable:  text.Say("This password has a character that cannot be read. Type it again."),
	}[weak.Reason]
	return &Error{Kind: Invalid, Code: "password_" + string(weak.Reason), Text: say, Field: field}
}
