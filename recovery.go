package sallyport

import (
	"bytes"
	"context"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/longcode"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// RecoveryCode is one of a user's recovery codes, as it is stored. It replaces the authenticator once.
type RecoveryCode struct {
	Workspace string
	User      string
	Hash      []byte // SHA-256 of its 25 characters, without a key, so that it works even if the keyset is lost
	Position  int    // in the set
	Sealed    []byte // the characters, if the policy shows them again; otherwise nil
	UsedAt    time.Time
	Policy    int64 // version of the policy that it was made under
}

// RecoveryTx is the storage of recovery codes.
type RecoveryTx interface {
	// RecoveryCodes returns a user's whole set by position, including used codes.
	RecoveryCodes(workspace, user string) ([]RecoveryCode, error)
	// SpendRecoveryCode replaces the unused code with this hash by next: another code, or the same one marked as used.
	// Of concurrent calls for one code, exactly one returns true (I09).
	SpendRecoveryCode(hash []byte, replacement RecoveryCode) (bool, error)
	// PutRecoveryCodes replaces the user's set. With an empty set, the user has none.
	PutRecoveryCodes(workspace, user string, set []RecoveryCode) error
	// HideRecoveryCodes records that the sealed characters of codes made under older versions of a workspace's policy
	// are to be erased.
	HideRecoveryCodes(workspace string, version int64) error
	// EraseRecoveryCodes erases the sealed characters of a page of codes, in a workspace for which that was recorded.
	// The codes still work. It returns false if there is no such workspace.
	EraseRecoveryCodes(page int) (bool, error)
}

// How the sealed characters of recovery codes are erased.
const (
	erasePage = 1000 // codes in one transaction
)

// RecoveryShownLimit is how long a browser can show a new set again, until the user ticks that it is saved.
const RecoveryShownLimit = 10 * time.Minute

// recoveryLow is how many codes are left when the user is warned, if the policy does not replace used ones.
const recoveryLow = 2

// Outcomes of recovery codes.
var (
	ErrRecoveryWrong   = invalid("recovery_code", "recovery_code_wrong", text.Say("This recovery code is not right. Compare it with the ones you saved: only the newest set works, and each code works once."))
	ErrRecoveryUsed    = invalid("recovery_code", "recovery_code_used", text.Say("This recovery code was already used. Use another one."))
	ErrRecoveryLimit   = &Error{Kind: TooMany, Code: "too_many_recovery_codes", Text: text.Say("There were too many wrong recovery codes. Try again later."), Field: "recovery_code"}
	ErrAnswerMalformed = invalid("recovery_code", "recovery_code_malformed", text.Say("A recovery code has 25 letters and digits, without the letter U, such as <code>7KQ2M-4XN9P-WT3HV-DC8RJ-5TZB2</code>."))
	ErrOneCode         = invalid("recovery_code", "one_code_only", text.Say("Enter one code only."))
	ErrCodesNotShown   = &Error{Kind: Gone, Code: "recovery_codes_not_shown", Text: text.Say("These recovery codes cannot be shown again. Make new ones if you have not saved them.")}
	ErrNotSaved        = invalid("saved", "recovery_codes_not_saved", text.Say("Save the recovery codes, then tick the box."))
	ErrRestricted      = &Error{Kind: Denied, Code: "session_restricted", Text: text.Say("You signed in with a recovery code, so this is not possible yet.")}
)

// mintRecovery creates a code for a position in a user's set, as it is stored and as the user sees it.
func (s *Service) mintRecovery(u User, p Policy, position int) (RecoveryCode, Secret, error) {
	code := longcode.New()
	c := RecoveryCode{Workspace: u.Workspace, User: u.ID, Hash: longcode.Hash(code), Position: position, Policy: p.Version}
	var err error
	if p.RecoveryCodeMode == RecoveryRolling {
		c.Sealed, err = s.Keys.Seal([]byte(code), c.AD())
	}
	return c, Secret(longcode.Group(code)), err
}

// makeRecoveryCodes replaces the user's set by a full new one. The old codes stop working with the commit. The caller
// saves the user.
func (s *Service) makeRecoveryCodes(tx Tx, by Caller, u *User) ([]Secret, error) {
	set := make([]RecoveryCode, by.policy.RecoveryCodeCount)
	shown := make([]Secret, len(set))
	for i := range set {
		var err error
		if set[i], shown[i], err = s.mintRecovery(*u, by.policy, i+1); err != nil {
			return nil, err
		}
	}
	if err := s.putRecoveryCodes(tx, u, set); err != nil {
		return nil, err
	}
	return shown, s.record(tx, by.as(*u), "recovery_codes.made", u.ID, Done, map[string]string{"count": strconv.Itoa(len(set))})
}

// putRecoveryCodes replaces the user's set. With an empty set, the user has none. The caller saves the user.
func (s *Service) putRecoveryCodes(tx Tx, u *User, set []RecoveryCode) error {
	u.RecoveryCount, u.RecoveryLeft = len(set), len(set)
	u.RecoveryMadeAt, u.RecoverySavedAt = time.Time{}, time.Time{}
	if len(set) > 0 {
		u.RecoveryMadeAt = s.Now()
	}
	return tx.PutRecoveryCodes(u.Workspace, u.ID, set)
}

// judgeRecoveryCode uses up a recovery code, or charges a wrong one. After a correct one, unknown clients may enter codes
// again.
func (s *Service) judgeRecoveryCode(tx Tx, j judgement, code string) error {
	tries := j.client(bucketRecovery)
	if wait := recoveryRule.Wait(tries, j.now); wait > 0 {
		return s.refuse(tx, tries, ErrRecoveryLimit.after(wait))
	}
	set, err := tx.RecoveryCodes(j.user.Workspace, j.user.ID)
	if err != nil {
		return err
	}
	hash := longcode.Hash(code)
	for _, c := range set {
		if !bytes.Equal(c.Hash, hash) {
			continue
		}
		if spent, err := s.spendRecovery(tx, j.by, j.user, c); err != nil || spent {
			return err
		}
		if err := s.record(tx, j.by, "recovery_code.used_twice", j.user.ID, Refused, nil); err != nil {
			return err
		}
		return commit(ErrRecoveryUsed)
	}
	tries = recoveryRule.Charge(tries, j.now)
	if err := tx.SaveTries(tries); err != nil {
		return err
	}
	if tries.Count == codesWrongNotice {
		if err := s.notify(tx, j.by, *j.user, "codes.wrong", nil); err != nil {
			return err
		}
	}
	if err := s.record(tx, j.by, "recovery_code.wrong", j.user.ID, Refused, nil); err != nil {
		return err
	}
	if err := s.lockIfSpent(tx, j.by, j.user.ID, tries); err != nil {
		return err
	}
	return commit(ErrRecoveryWrong)
}

// spendRecovery uses up a code, and mails the user how many are left. If the policy shows codes again, it replaces the
// code by a new one.
func (s *Service) spendRecovery(tx Tx, by Caller, u *User, c RecoveryCode) (bool, error) {
	replacement := c
	replacement.Sealed, replacement.UsedAt = nil, s.Now()
	left := u.RecoveryLeft - 1
	if by.policy.RecoveryCodeMode == RecoveryRolling {
		var err error
		if replacement, _, err = s.mintRecovery(*u, by.policy, c.Position); err != nil {
			return false, err
		}
		left++
	}
	spent, err := tx.SpendRecoveryCode(c.Hash, replacement)
	if err != nil || !spent {
		return false, err
	}
	u.RecoveryLeft = left
	if err := tx.SaveUser(*u); err != nil {
		return false, err
	}
	if err := tx.ClearTries(u.Workspace, u.ID, bucketCode); err != nil {
		return false, err
	}
	if err := s.lockEnds(tx, by, *u); err != nil {
		return false, err
	}
	facts := map[string]any{"left": u.RecoveryLeft, "low": u.RecoveryLow(by.policy)}
	if err := s.notify(tx, by, *u, "recovery_code.used", facts); err != nil {
		return false, err
	}
	return true, s.record(tx, by, "recovery_code.used", u.ID, Done, map[string]string{"left": strconv.Itoa(u.RecoveryLeft)})
}

// RecoveryLow reports whether so few recovery codes are left that the user should make new ones.
func (u User) RecoveryLow(p Policy) bool {
	return u.TwoFactor && p.RecoveryCodeMode == RecoveryOnce && u.RecoveryLeft <= recoveryLow
}

// RecoveryUnsaved reports whether the user has a set but has not ticked that it is saved.
func (u User) RecoveryUnsaved() bool {
	return !u.RecoveryMadeAt.IsZero() && u.RecoverySavedAt.IsZero()
}

// RecoverySet is a user's recovery codes as pages show them.
type RecoverySet struct {
	User
	Codes  []Secret // in groups, as people type them; empty if they cannot be shown
	Hidden int      // how many other codes there are that cannot be shown
	Mode   string   // RecoveryRolling or RecoveryOnce
}

// RecoveryCodes returns the caller's set, with the codes if the policy shows them again. It requires a fresh code of an
// authenticator.
func (s *Service) RecoveryCodes(ctx context.Context, by Caller) (RecoverySet, error) {
	var v RecoverySet
	err := s.act(ctx, by, access{proof: StrongFactor}, func(tx Tx, me *actor) error {
		if !me.TwoFactor {
			return ErrTwoFactorOff
		}
		v = RecoverySet{User: me.User, Mode: by.policy.RecoveryCodeMode, Hidden: me.RecoveryLeft}
		if v.Mode != RecoveryRolling {
			return nil
		}
		set, err := tx.RecoveryCodes(me.Workspace, me.ID)
		if err != nil {
			return err
		}
		for _, c := range set {
			if c.Sealed == nil || c.Policy < by.policy.ShownSince {
				continue
			}
			code, err := s.Keys.Open(c.Sealed, c.AD())
			if err != nil {
				s.Log.Error("a recovery code cannot be read", "workspace", me.Workspace, "user", me.ID)
				continue
			}
			v.Codes = append(v.Codes, Secret(longcode.Group(string(code))))
		}
		v.Hidden -= len(v.Codes)
		if len(v.Codes) == 0 {
			return nil
		}
		return s.record(tx, by, "recovery_codes.shown", me.ID, Done, nil)
	})
	return v, err
}

// EraseRecoveryCodes erases, page by page, the sealed characters of recovery codes that the policy no longer shows
// again. As that affects many people's codes, no request waits for it. Package background calls it. Several nodes may run it at the
// same time, and if one stops, another continues.
func (s *Service) EraseRecoveryCodes(ctx context.Context) error {
	var err error
	for more := true; more && err == nil; {
		err = s.Store.Write(ctx, func(tx Tx) (err error) {
			more, err = tx.EraseRecoveryCodes(erasePage)
			return err
		})
	}
	return err
}

// MayRegenerateRecoveryCodes reports whether the caller may create a new set now; its errors are those of
// RegenerateRecoveryCodes.
func (s *Service) MayRegenerateRecoveryCodes(ctx context.Context, by Caller) error {
	return s.act(ctx, by, access{proof: StrongFactor}, func(_ Tx, me *actor) error {
		if !me.TwoFactor {
			return ErrTwoFactorOff
		}
		return nil
	})
}

// RegenerateRecoveryCodes creates a full new set; the old codes stop working at the same moment. It requires a fresh
// code of an authenticator.
func (s *Service) RegenerateRecoveryCodes(ctx context.Context, by Caller) (SignInResult, error) {
	var p SignInResult
	err := s.act(ctx, by, access{proof: StrongFactor}, func(tx Tx, me *actor) error {
		if !me.TwoFactor {
			return ErrTwoFactorOff
		}
		codes, err := s.makeRecoveryCodes(tx, by, &me.User)
		if err != nil {
			return err
		}
		if err := tx.SaveUser(me.User); err != nil {
			return err
		}
		p = SignInResult{Step: StepDone, RecoveryCodes: codes}
		if p.RecoveryShown, err = s.sealShown(me.User, me.session.ID, codes); err != nil {
			return err
		}
		return s.notify(tx, by, me.User, "recovery_codes.made", nil)
	})
	return p, err
}

// SaveRecoveryCodes records the tick "I have saved these recovery codes". In a sign-in, that is the last step.
func (s *Service) SaveRecoveryCodes(ctx context.Context, by Caller) (SignInResult, error) {
	var p SignInResult
	err := s.enrolling(ctx, by, StepRecoveryCodes, access{keyed: true}, func(tx Tx, e *enrolment) error {
		if e.session != nil && e.session.session.Restricted() {
			return ErrRestricted
		}
		if e.RecoveryUnsaved() {
			e.RecoverySavedAt = s.Now()
			if err := tx.SaveUser(e.User); err != nil {
				return err
			}
			if err := s.record(tx, by.as(e.User), "recovery_codes.saved", e.User.ID, Done, nil); err != nil {
				return err
			}
		}
		p = SignInResult{Step: StepDone}
		if e.signIn == nil {
			return nil
		}
		var err error
		p, err = s.advance(tx, by, *e.signIn, e.User)
		return err
	})
	return p, err
}

// A new set is shown on a separate page, after a redirect. In between, it is in a cookie, sealed, because the database
// may contain only hashes.

// sealShown returns the cookie's value for a new set, which only its holder can open: a session or a sign-in.
func (s *Service) sealShown(u User, holder string, codes []Secret) (Secret, error) {
	var b strings.Builder
	b.WriteString(strconv.FormatInt(s.Now().UnixMilli(), 10))
	for _, c := range codes {
		b.WriteByte(' ')
		b.WriteString(c.Reveal())
	}
	sealed, err := s.Keys.Seal([]byte(b.String()), shownAD(u, holder))
	return Secret(hex.EncodeToString(sealed)), err
}

// ShownRecoveryCodes returns a new set from the secret in the browser's cookie, within RecoveryShownLimit and until the
// user has ticked that it is saved. It leaves out codes that were used or replaced in the meantime. If none are left,
// it returns ErrCodesNotShown.
func (s *Service) ShownRecoveryCodes(ctx context.Context, by Caller, secret Secret) (RecoverySet, error) {
	var v RecoverySet
	err := s.enrolling(ctx, by, StepRecoveryCodes, access{keyed: true}, func(tx Tx, e *enrolment) error {
		sealed, err := hex.DecodeString(secret.Reveal())
		if err != nil || !e.RecoveryUnsaved() {
			return ErrCodesNotShown
		}
		plain, err := s.Keys.Open(sealed, shownAD(e.User, e.id))
		if err != nil {
			return ErrCodesNotShown
		}
		at, codes, _ := strings.Cut(string(plain), " ")
		made, err := strconv.ParseInt(at, 10, 64)
		if err != nil || !lifetime.Within(time.UnixMilli(made), RecoveryShownLimit, s.Now()) {
			return ErrCodesNotShown
		}
		set, err := tx.RecoveryCodes(e.Workspace, e.User.ID)
		if err != nil {
			return err
		}
		v = RecoverySet{User: e.User, Mode: by.policy.RecoveryCodeMode}
		for shown := range strings.SplitSeq(codes, " ") {
			if code, ok := longcode.Parse(shown); ok && unused(set, longcode.Hash(code)) {
				v.Codes = append(v.Codes, Secret(shown))
			}
		}
		if len(v.Codes) == 0 {
			return ErrCodesNotShown
		}
		v.Hidden = e.RecoveryLeft - len(v.Codes)
		return nil
	})
	return v, err
}

func unused(set []RecoveryCode, hash []byte) bool {
	for _, c := range set {
		if bytes.Equal(c.Hash, hash) {
			return c.UsedAt.IsZero()
		}
	}
	return false
}
