package sallyport

import (
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/longcode"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/passkey"
)

// Everything about second factors that does not depend on their kind is in this file. A kind is a [Method], with its
// Strength, the function that judges it, and its rows that removeFactors deletes:
//
//	ByAuthenticator    judgeCode (authenticator.go)
//	ByRecoveryCode     judgeRecoveryCode (recovery.go)
//	ByPasskey          judgePasskey (passkey.go)
//	ByTrustedDevice    useTrust (device.go), together with the password
//	ByApproval         AwaitApproval (approval.go)

// Strength is what a fresh proof of identity is worth. A verb declares the strength that it needs; ErrStepUp carries it.
// Strengths are ordered: a proof counts wherever a weaker one is needed.
type Strength int

const (
	// NoProof is what a valid session is worth.
	NoProof Strength = iota
	// AnyFactor is a second factor that the user has just given, also a recovery code.
	AnyFactor
	// StrongFactor is a code from an authenticator, or a passkey. A recovery code may have been read from a drawer (I60).
	StrongFactor
	// PhishingResistant is a passkey. A page that looks like ours gets codes, but nothing that a passkey signs.
	PhishingResistant
)

// Strength returns what a method proves. A trusted device and an approval prove nothing afresh: anyone who opens the browser
// has them. The password counts only for users without two-factor authentication.
func (m Method) Strength() Strength {
	switch m {
	case ByPasskey:
		return PhishingResistant
	case ByAuthenticator:
		return StrongFactor
	case ByRecoveryCode:
		return AnyFactor
	}
	return NoProof
}

// fresh reports whether the user has given a proof of this strength within StepUpLimit. For a user without two-factor
// authentication, that is the password.
func (p Proofs) fresh(u User, want Strength, now time.Time) bool {
	if !u.TwoFactor {
		return p.Within(ByPassword, StepUpLimit, now)
	}
	return slices.ContainsFunc(p, func(x Proof) bool {
		return x.Method.Strength() >= want && p.Within(x.Method, StepUpLimit, now)
	})
}

// secondFactor returns the method that was the second factor, or NoSecondFactor.
func (p Proofs) secondFactor() Method {
	for _, m := range []Method{ByPasskey, ByAuthenticator, ByRecoveryCode, ByApproval, ByTrustedDevice} {
		if p.Has(m) {
			return m
		}
	}
	return NoSecondFactor
}

// Restricted reports whether the session began with a recovery code and has seen no stronger factor since (I60).
func (s Session) Restricted() bool {
	stronger := func(x Proof) bool { return x.Method.Strength() >= StrongFactor }
	return s.Proofs.Has(ByRecoveryCode) && !slices.ContainsFunc(s.Proofs, stronger)
}

// codeDigits is the length of an authenticator's code.
const codeDigits = 6

// answer is a second factor: what a person typed, the code of an authenticator or a recovery code, or a passkey. The format
// of a code decides which it is, whatever field it was typed into.
type answer struct {
	digits   string
	recovery string
	passkey  *passkey.Answer
}

// readAnswer parses an answer. Anything with letters counts as an attempt to enter a recovery code.
func readAnswer(input string) (answer, error) {
	if digits, ok := otp.Normalise(input); ok {
		return answer{digits: digits}, nil
	}
	if code, ok := longcode.Parse(input); ok {
		return answer{recovery: code}, nil
	}
	if severalCodes(input) {
		return answer{}, ErrOneCode
	}
	if strings.ContainsFunc(input, isLetter) {
		return answer{}, ErrAnswerMalformed
	}
	return answer{}, ErrCodeMalformed
}

func isLetter(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' }

// severalCodes reports whether a person pasted a list of codes: browsers join the lines that are pasted into a one-line
// field.
func severalCodes(input string) bool {
	if len(input) > MaxRecoveryCodes*longcode.MaxInput {
		return false
	}
	codes, ok := longcode.Characters(input)
	n := len(codes)
	digits := ok && strings.Trim(codes, "0123456789") == ""
	return ok && (n > longcode.Length && n%longcode.Length == 0 || digits && n > codeDigits && n%codeDigits == 0)
}

// judgement is what is needed to judge a second factor of a user, whose row is locked.
type judgement struct {
	by             Caller // as the user
	user           *User
	signIn         *SignIn // nil: a step-up
	now            time.Time
	known          bool // the caller's browser is a known device of the user
	tries          budgets
	authenticators []Authenticator
}

// judge checks a second factor of the user, whose row is locked, and returns it as a proof. If there is a sign-in, it
// counts the wrong ones there too. A correct one is used up.
func (s *Service) judge(tx Tx, by Caller, u *User, a answer, si *SignIn) (Proof, error) {
	if a.passkey != nil {
		purpose, holder := toSignIn, ""
		if si != nil {
			holder = si.ID
		} else {
			purpose, holder = toStepUp, by.session.ID
		}
		if err := s.spend(tx, by, a.passkey.Challenge, purpose, u.ID, holder); err != nil {
			return Proof{}, err
		}
		return s.judgePasskey(tx, by, u, *a.passkey, si, false)
	}
	j, err := s.judgement(tx, by, u, si)
	if err != nil {
		return Proof{}, err
	}
	if a.recovery != "" {
		return Proof{Method: ByRecoveryCode, At: j.now}, s.judgeRecoveryCode(tx, j, a.recovery)
	}
	return Proof{Method: ByAuthenticator, At: j.now}, s.judgeCode(tx, j, a.digits)
}

// judgement reads what is needed. In a sign-in, it was read with that.
func (s *Service) judgement(tx Tx, by Caller, u *User, si *SignIn) (judgement, error) {
	j := judgement{by: by.as(*u), user: u, signIn: si, now: s.Now()}
	if si != nil {
		j.known, j.authenticators = by.knownSince(si.DeviceSeen, j.now), si.Authenticators
		j.tries = newBudgets(*u, si.Tries, j.now)
		return j, nil
	}
	rows, all, err := tx.CodeTries(u.Workspace, u.ID)
	if err != nil {
		return j, err
	}
	j.tries, j.authenticators = newBudgets(*u, rows, j.now), all
	j.known, err = s.knows(tx, by, u.Workspace, u.ID)
	return j, err
}

// client returns the budget of the caller's known device, or else the one that all unknown clients share.
func (j judgement) client(bucket string) Tries {
	if j.known {
		bucket = ofDevice(bucket, hashToken(j.by.device))
	}
	return j.tries.of(bucket)
}

// removeFactors deletes every second factor of a user, and disables two-factor authentication. The caller saves the user
// and ends their sessions.
func (s *Service) removeFactors(tx Tx, by Caller, u *User) error {
	if err := s.deleteAuthenticators(tx, *u); err != nil {
		return err
	}
	if _, err := tx.DeletePasskeys(u.Workspace, u.ID, ""); err != nil {
		return err
	}
	if err := s.putRecoveryCodes(tx, u, nil); err != nil {
		return err
	}
	if _, err := tx.DeleteTrustedDevices(u.Workspace, u.ID, ""); err != nil {
		return err
	}
	if err := tx.ClearTries(u.Workspace, u.ID, bucketAuthenticator); err != nil {
		return err
	}
	u.TwoFactor, u.HasPasskey, u.TwoFactorSince = false, false, time.Time{}
	return s.lockEnds(tx, by, *u)
}

func (s *Service) deleteAuthenticators(tx Tx, u User) error {
	all, err := tx.Authenticators(u.Workspace, u.ID)
	if err != nil {
		return err
	}
	for _, a := range all {
		if _, err := tx.DeleteAuthenticator(a.Workspace, a.User, a.ID, true); err != nil {
			return err
		}
	}
	return nil
}
