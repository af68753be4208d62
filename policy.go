package sallyport

import "time"

// Whom a workspace requires two-factor authentication of.
const (
	RequireOptional = "optional"
	RequireAdmins   = "admins" // owners and admins
	RequireEveryone = "everyone"
)

// Policy is what a workspace requires: six settings (SPEC section 5).
type Policy struct {
	Version                int64 // rises with every change, so that of two concurrent ones the second sees the first
	Require2FA             string
	RequiredFrom           time.Time // zero: at once
	TrustedDeviceDays      int       // 0 is off
	RecoveryCodeCount      int
	RecoveryCodeMode       string
	AllowResetWhenRequired bool
	InviteMethod           string
	Lowered                []Lowering // of TrustedDeviceDays, oldest first
}

// Values of RecoveryCodeMode and InviteMethod.
const (
	RecoveryRolling  = "rolling"
	RecoveryOnce     = "once"
	InviteByLink     = "link"
	InviteByPassword = "temporary_password"
)

// Lowering is one lowering of TrustedDeviceDays: it shortens, for good, the trust given before it.
type Lowering struct {
	At   time.Time `json:"at"`
	Days int       `json:"days"`
}

// DefaultPolicy is what a new workspace starts with.
func DefaultPolicy() Policy {
	return Policy{
		Version: 1, Require2FA: RequireOptional, RecoveryCodeCount: 8, RecoveryCodeMode: RecoveryRolling,
		AllowResetWhenRequired: true, InviteMethod: InviteByLink,
	}
}

// Requires reports whether the policy asks two-factor authentication of a role, now or from RequiredFrom on.
func (p Policy) Requires(role Role) bool {
	switch p.Require2FA {
	case RequireEveryone:
		return true
	case RequireAdmins:
		return role == Owner || role == Admin
	}
	return false
}

// Forces reports whether a user without two-factor authentication must set it up before anything else works.
func (p Policy) Forces(u User, now time.Time) bool {
	if u.TwoFactor {
		return false
	}
	return u.MustSetUp || p.Requires(u.Role) && !now.Before(p.RequiredFrom)
}

// Required reports whether the user may not be without two-factor authentication: where it is enabled already, it
// may not be disabled.
func (p Policy) Required(u User, now time.Time) bool {
	return p.Requires(u.Role) && !now.Before(p.RequiredFrom)
}

// TrustUntil returns when trust that was given at a time for so many days ends: every later lowering shortens it.
func (p Policy) TrustUntil(given time.Time, days int) time.Time {
	for _, l := range p.Lowered {
		if l.At.After(given) || l.At.Equal(given) {
			days = min(days, l.Days)
		}
	}
	return given.Add(time.Duration(days) * 24 * time.Hour)
}

// lower sets TrustedDeviceDays, and keeps a lowering for as long as it can shorten anything.
func (p Policy) lower(days int, now time.Time) Policy {
	var kept []Lowering
	for _, l := range p.Lowered {
		if now.Sub(l.At) < MaxTrustedDeviceDays*24*time.Hour {
			kept = append(kept, l)
		}
	}
	if days < p.TrustedDeviceDays {
		kept = append(kept, Lowering{now, days})
	}
	p.TrustedDeviceDays, p.Lowered = days, kept
	return p
}

// MaxTrustedDeviceDays is the most that TrustedDeviceDays can be.
const MaxTrustedDeviceDays = 90

// MinPassword is the least number of characters of a password (SPEC section 4).
func (p Policy) MinPassword(u User, now time.Time) int {
	if u.TwoFactor || p.Forces(u, now) {
		return 8
	}
	return LongPassword
}

// LongPassword is the least number of characters of a password that is the only factor.
const LongPassword = 15

// States of a user's two-factor authentication, as pages and the API name them.
const (
	TwoFactorEnabled  = "enabled"
	TwoFactorDisabled = "disabled"
	TwoFactorRequired = "required" // set-up required
)

// TwoFactorState names the state of a user's two-factor authentication under the policy.
func (p Policy) TwoFactorState(u User, now time.Time) string {
	switch {
	case u.TwoFactor:
		return TwoFactorEnabled
	case p.Forces(u, now):
		return TwoFactorRequired
	}
	return TwoFactorDisabled
}
