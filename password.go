package sallyport

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// passwordTry is one checked password, not yet settled.
type passwordTry struct {
	subject string // whose budget was charged
	bucket  string
	rule    rule
	network bool // the budget of the address was charged too
	user    User // as it was before the hash; empty where there is none
	allowed bool // the budget had a try left
	right   bool
	rehash  Secret // the same password under today's parameters, where they rose
}

// tryPassword charges a try, commits that, and only then computes the one hash (I35). It runs the same statements
// whether the name exists or not. What is right is given back by settle.
func (s *Service) tryPassword(ctx context.Context, by Caller, address, password string) (passwordTry, error) {
	name := folded(address)
	var t passwordTry
	if err := s.Store.Read(ctx, func(tx Tx) (err error) {
		t.user, _, err = tx.UserByAddress(by.workspace.ID, name)
		return err
	}); err != nil {
		return t, err
	}
	t.subject = t.user.ID
	if t.subject == "" {
		t.subject = s.Keys.Name(by.workspace.ID + "\x00" + name)
	}
	if err := s.chargePassword(ctx, by, &t); err != nil {
		return t, err
	}
	hash := t.user.PasswordHash
	if hash == "" || t.user.State != Active {
		hash = Secret(s.decoy)
	}
	ok, err := s.Hasher.Verify(ctx, hash.Reveal(), password)
	if err != nil {
		return t, s.giveBack(ctx, by, t, err)
	}
	t.right = ok && t.allowed && t.user.State == Active && t.user.PasswordHash != "" && !s.tempOver(t.user)
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
	return !u.TemporaryEnds.IsZero() && !s.Now().Before(u.TemporaryEnds)
}

// chargePassword takes a try from the budget of the name, in this browser or over all unknown clients, and from that
// of the address.
func (s *Service) chargePassword(ctx context.Context, by Caller, t *passwordTry) error {
	return s.write(ctx, func(tx Tx) error {
		now := s.Now()
		known, browser, err := s.knows(tx, by, by.workspace.ID, t.user.ID)
		if err != nil {
			return err
		}
		t.bucket, t.rule, t.network = bucketPassword, passwordRule, !known && by.address.IsValid()
		if known {
			t.bucket, t.rule = ofDevice(bucketPassword, browser), passwordDeviceRule
		}
		if t.network {
			n, err := tx.TakeTries(by.workspace.ID, ofAddress(by.address), bucketAddress)
			if err != nil {
				return err
			}
			if wait := addressRule.wait(n, now); wait > 0 {
				return ErrAddressLimit.after(wait)
			}
			if err := tx.SaveTries(addressRule.charge(n, now)); err != nil {
				return err
			}
		}
		n, err := tx.TakeTries(by.workspace.ID, t.subject, t.bucket)
		if err != nil {
			return err
		}
		t.allowed = t.rule.wait(n, now) == 0
		if t.allowed {
			n = t.rule.charge(n, now)
		}
		return tx.SaveTries(n)
	})
}

// refund gives the charged try back.
func (s *Service) refund(tx Tx, by Caller, t passwordTry) error {
	if t.network {
		n, err := tx.TakeTries(by.workspace.ID, ofAddress(by.address), bucketAddress)
		if err != nil {
			return err
		}
		if err := tx.SaveTries(addressRule.refund(n)); err != nil {
			return err
		}
	}
	if !t.allowed {
		return nil
	}
	n, err := tx.TakeTries(by.workspace.ID, t.subject, t.bucket)
	if err != nil {
		return err
	}
	return tx.SaveTries(t.rule.refund(n))
}

// giveBack answers a hash that was not computed: too busy costs no try.
func (s *Service) giveBack(ctx context.Context, by Caller, t passwordTry, why error) error {
	if !errors.Is(why, passwd.ErrBusy) {
		return why
	}
	if err := s.write(ctx, func(tx Tx) error { return s.refund(tx, by, t) }); err != nil {
		return err
	}
	return ErrBusy
}

// settle ends a try inside the transaction that acts on it. A right one is given back, and its user's row is taken;
// a wrong one is told in the audit log. A user who changed since the hash was computed did not give this password.
func (s *Service) settle(tx Tx, by Caller, t passwordTry) (User, bool, error) {
	u, found, err := tx.LockUser(by.workspace.ID, t.user.ID)
	if err != nil {
		return User{}, false, err
	}
	right := t.right && found && u.Epoch == t.user.Epoch && u.PasswordHash == t.user.PasswordHash && u.State == Active
	if !right {
		return User{}, false, s.record(tx, by, "password.wrong", t.user.ID, Refused, nil)
	}
	if t.rehash != "" {
		u.PasswordHash = t.rehash
		if err := tx.SaveUser(u); err != nil {
			return User{}, false, err
		}
	}
	return u, true, s.refund(tx, by, t)
}

// setPassword checks a chosen password and puts its hash into u, which the caller then saves. It computes a hash, so
// it is called outside of Write.
func (s *Service) setPassword(ctx context.Context, u *User, w Workspace, least int, field, password string) error {
	if err := passwd.Check(password, least, u.about(w)); err != nil {
		return weakPassword(err, field, least)
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

// weakPassword turns the reason of a refusal into an outcome that says it.
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
		passwd.Personal:    text.Say("This password is made of your name, your address or your company's. Choose another one."),
		passwd.Unreadable:  text.Say("This password has a character that cannot be read. Type it again."),
	}[weak.Reason]
	return &Error{Kind: Invalid, Code: "password_" + string(weak.Reason), Text: say, Field: field}
}
