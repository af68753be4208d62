package sallyport

import (
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
)

// Level is what an app requires of everyone who opens it.
type Level string

const (
	LevelPolicy            Level = "policy"             // what the workspace requires
	LevelTwoFactor         Level = "two_factor"         // a second factor in this session; a trusted device is none
	LevelPhishingResistant Level = "phishing_resistant" // a passkey
)

// Levels returns all levels, the weakest first.
func Levels() []Level { return []Level{LevelPolicy, LevelTwoFactor, LevelPhishingResistant} }

func (l Level) valid() bool { return l == LevelPolicy || l.rank() > 0 }

func (l Level) rank() int {
	switch l {
	case LevelTwoFactor:
		return 1
	case LevelPhishingResistant:
		return 2
	}
	return 0
}

// Demand is what a person must have proved in a session before an app learns who they are.
type Demand struct {
	Level Level
	Fresh time.Duration // the maximum age of the last proof that Level requires; 0: any age
	Since time.Time     // that proof was given then or later; zero: at any time
}

// Demand returns what the app itself requires.
func (a AppDetails) Demand() Demand {
	return Demand{Level: a.Level, Fresh: time.Duration(a.Fresh) * time.Minute}
}

// And returns the demand that is met only if both are.
func (d Demand) And(e Demand) Demand {
	if e.Level.rank() > d.Level.rank() {
		d.Level = e.Level
	}
	if e.Fresh > 0 && (d.Fresh == 0 || e.Fresh < d.Fresh) {
		d.Fresh = e.Fresh
	}
	if e.Since.After(d.Since) {
		d.Since = e.Since
	}
	return d
}

// Judge returns nil if a user has met the demand in a session with these proofs. Otherwise it returns the next step, whatever
// the policy requires besides: ErrSetUpRequired if the user has nothing with which to meet it (its Proof is PhishingResistant
// if a passkey is needed), or ErrStepUp with the strength that is wanted.
func (d Demand) Judge(u User, proofs Proofs, now time.Time) error {
	want := NoProof
	switch {
	case d.Level == LevelPhishingResistant:
		if !u.HasPasskey {
			return errPasskeyRequired
		}
		want = PhishingResistant
	case d.Level == LevelTwoFactor:
		if !u.TwoFactor {
			return errFactorRequired
		}
		want = AnyFactor
	case d.Fresh == 0 && d.Since.IsZero():
		return nil
	case u.TwoFactor:
		want = AnyFactor
	}
	for _, p := range proofs {
		if p.meets(want) && d.inTime(p, now) {
			return nil
		}
	}
	return ErrStepUp.wanting(max(want, AnyFactor))
}

// meets reports whether a proof is of the strength that a demand wants. Unlike for a step-up, an approval counts as a second factor:
// it was one when the session began.
func (p Proof) meets(want Strength) bool {
	switch {
	case want == NoProof:
		return p.Method == ByPassword || p.Method.Strength() > NoProof
	case want == AnyFactor && p.Method == ByApproval:
		return true
	}
	return p.Method.Strength() >= want
}

// inTime reports whether a proof is as fresh as the demand wants. One from the future never is (I63), nor is an approval: anyone
// may have given it who has the other browser.
func (d Demand) inTime(p Proof, now time.Time) bool {
	if lifetime.Ahead(p.At, now) || p.At.Before(d.Since) {
		return false
	}
	return d.Fresh == 0 || p.Method != ByApproval && lifetime.Within(p.At, d.Fresh+1, now)
}
