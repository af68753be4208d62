package sallyport

import (
	"bytes"
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/longcode"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// SetUpCode is the one-time code that is needed to set up two-factor authentication after a reset. The administrator
// sees it once and hands it over. It is never mailed (I25).
type SetUpCode struct {
	User User
	Code Secret // as it is shown to people
	Ends time.Time
}

// SetUpCodeLimit is how long a set-up code works.
const SetUpCodeLimit = 24 * time.Hour

// Outcomes of resets and set-up codes.
var (
	ErrReasonMissing    = invalid("reason", "reason_missing", text.Say("Enter a reason."))
	ErrReasonInvalid    = invalid("reason", "reason_invalid", text.Say("Enter a reason of at most 500 characters."))
	ErrNothingToReset   = &Error{Kind: Conflict, Code: "nothing_to_reset", Text: text.Say("This person does not use two-factor authentication, so there is nothing to reset.")}
	ErrResetRequired    = &Error{Kind: Conflict, Code: "reset_not_allowed", Text: text.Say("This person must use two-factor authentication, and access control does not allow a reset while that is so. Change access control first.")}
	ErrSetUpCodeMissing = invalid("set_up_code", "set_up_code_wrong", text.Say("This set-up code is not right. Enter the one that your administrator gave you: only the newest works."))
	ErrSetUpCodeOver    = invalid("set_up_code", "set_up_code_over", text.Say("Your set-up code is no longer valid. Ask an administrator to reset your two-factor authentication once more, and to give you a new one."))
	ErrSetUpCodeLimit   = &Error{Kind: TooMany, Code: "too_many_set_up_codes", Text: text.Say("There were too many wrong set-up codes. Try again later."), Field: "set_up_code"}
)

// cleanReason returns a reason without surrounding space, or what is wrong with it.
func cleanReason(reason string) (string, error) {
	reason = strings.TrimSpace(reason)
	if reason == "" {
		return "", ErrReasonMissing
	}
	if utf8.RuneCountInString(reason) > maxReason || strings.ContainsFunc(reason, steers) {
		return "", ErrReasonInvalid
	}
	return reason, nil
}

// MayReset returns the user, or the error that ResetTwoFactor would return now, apart from ErrStepUp.
func (s *Service) MayReset(ctx context.Context, by Caller, id string) (User, error) {
	u, err := s.see(ctx, by, ResetTwoFactor, id)
	switch {
	case err != nil:
		return u, err
	case u.ID == by.user.ID:
		return u, ErrYourself
	}
	return u, s.resettable(by, u)
}

func (s *Service) resettable(by Caller, u User) error {
	switch {
	case !u.TwoFactor && !u.MustSetUp:
		return ErrNothingToReset
	case !by.policy.AllowResetWhenRequired && by.policy.Required(u, s.Now()):
		return ErrResetRequired
	}
	return nil
}

// ResetTwoFactor deletes a person's authenticators, recovery codes and devices, and ends all their sessions. At the
// next sign-in, they must set up two-factor authentication again, with the returned set-up code.
func (s *Service) ResetTwoFactor(ctx context.Context, by Caller, id, reason string) (SetUpCode, error) {
	var c SetUpCode
	reason, err := cleanReason(reason)
	if err != nil {
		return c, err
	}
	a := access{may: ResetTwoFactor, proof: StrongFactor}
	err = s.actOn(ctx, by, a, id, func(tx Tx, t *target) error {
		if err := s.resettable(by, t.User); err != nil {
			return err
		}
		for _, bucket := range []string{bucketCode, bucketRecovery, bucketSetUpCode} {
			if err := tx.ClearTries(t.Workspace, t.ID, bucket); err != nil {
				return err
			}
		}
		if err := tx.ForgetDevices(t.Workspace, t.ID); err != nil {
			return err
		}
		if err := s.removeFactors(tx, by, &t.User); err != nil {
			return err
		}
		code := longcode.New()
		c = SetUpCode{t.User, Secret(longcode.Group(code)), s.Now().Add(SetUpCodeLimit)}
		t.MustSetUp = true
		t.SetUpCodeHash, t.SetUpCodeEnds = longcode.Hash(code), c.Ends
		if err := s.changed(tx, by, t, "two_factor.reset", map[string]string{"reason": reason}); err != nil {
			return err
		}
		return s.notify(tx, by, t.User, "two_factor.reset", nil)
	})
	if err != nil {
		return SetUpCode{}, err
	}
	return c, nil
}

// checkSetUpCode checks a set-up code, and charges a wrong one. A set-up code works until the set-up that it begins is
// confirmed.
func (s *Service) checkSetUpCode(tx Tx, by Caller, u User, input string) error {
	now := s.Now()
	if u.SetUpCodeHash == nil || !lifetime.Until(u.SetUpCodeEnds, SetUpCodeLimit, now) {
		return ErrSetUpCodeOver
	}
	b, err := s.budgets(tx, u)
	if err != nil {
		return err
	}
	tries := b.of(bucketSetUpCode)
	if wait := setUpCodeRule.Wait(tries, now); wait > 0 {
		return s.refuse(tx, tries, ErrSetUpCodeLimit.after(wait))
	}
	code, ok := longcode.Parse(input)
	if ok && bytes.Equal(longcode.Hash(code), u.SetUpCodeHash) {
		return s.record(tx, by.as(u), "set_up_code.given", u.ID, Done, nil)
	}
	if strings.TrimSpace(input) == "" {
		return ErrSetUpCodeMissing
	}
	tries = setUpCodeRule.Charge(tries, now)
	if err := tx.SaveTries(tries); err != nil {
		return err
	}
	if err := s.record(tx, by.as(u), "set_up_code.wrong", u.ID, Refused, nil); err != nil {
		return err
	}
	if err := s.lockIfSpent(tx, by.as(u), u.ID, tries); err != nil {
		return err
	}
	return commit(ErrSetUpCodeMissing)
}
