package sallyport

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Policy is what a workspace requires: eight settings (SPEC section 5).
type Policy struct {
	Version                int64 // rises with every change, so that the second of two concurrent changes notices the first
	Require2FA             Requirement
	PhishingResistant      Requirement // a passkey; it includes Require2FA
	Approvals              bool        // a sign-in may be approved on another device
	TrustedDeviceDays      int         // 0 is off
	RecoveryCodeCount      int
	RecoveryCodeMode       string
	AllowResetWhenRequired bool
	InviteMethod           string
	Lowered                []Lowering // of TrustedDeviceDays, oldest first
	ShownSince             int64      // recovery codes made under older versions are never shown again
}

// Values of RecoveryCodeMode and InviteMethod.
const (
	RecoveryRolling  = "rolling"
	RecoveryOnce     = "once"
	InviteByLink     = "link"
	InviteByPassword = "temporary_password"
)

// Lowering is a reduction of TrustedDeviceDays. It permanently shortens the trust that was given before it.
type Lowering struct {
	At   time.Time `json:"at"`
	Days int       `json:"days"`
}

// DefaultPolicy returns the policy of a new workspace.
func DefaultPolicy() Policy {
	return Policy{
		Version: 1, Require2FA: Requirement{Of: RequireOptional}, PhishingResistant: Requirement{Of: RequireOptional}, RecoveryCodeCount: 8, RecoveryCodeMode: RecoveryRolling,
		AllowResetWhenRequired: true, InviteMethod: InviteByLink,
	}
}

// Forces reports whether a user without two-factor authentication must set it up before anything else works.
func (p Policy) Forces(u User, now time.Time) bool {
	return !u.TwoFactor && (u.MustSetUp || p.Required(u, now))
}

// Required reports whether the user must have two-factor authentication. If it is already enabled, it must not be
// disabled.
func (p Policy) Required(u User, now time.Time) bool {
	return p.Require2FA.Binds(u.Role, u.JoinedUnder, now) || p.NeedsPasskey(u, now)
}

// NeedsPasskey reports whether the user must have a passkey, and use it in each session. Codes then let them in only to
// add one.
func (p Policy) NeedsPasskey(u User, now time.Time) bool {
	return p.PhishingResistant.Binds(u.Role, u.JoinedUnder, now)
}

// Owed is what a user must do before anything else works.
type Owed int

const (
	OwesNothing Owed = iota
	OwesFactor       // set up two-factor authentication, of any kind
	OwesPasskey      // add a passkey, or use one that they have
)

// Owes returns what a user owes in a session or sign-in with these proofs.
func (p Policy) Owes(u User, proofs Proofs, now time.Time) Owed {
	switch {
	case p.NeedsPasskey(u, now) && (!u.HasPasskey || !proofs.Has(ByPasskey)):
		return OwesPasskey
	case p.Forces(u, now):
		return OwesFactor
	}
	return OwesNothing
}

// Due returns the day from which a user without two-factor authentication, who is not forced yet, will be.
func (p Policy) Due(u User, now time.Time) (time.Time, bool) {
	if u.TwoFactor || u.MustSetUp || p.Required(u, now) {
		return time.Time{}, false
	}
	on, ok := p.Require2FA.Due(u.Role, u.JoinedUnder, now)
	if passkey, also := p.PhishingResistant.Due(u.Role, u.JoinedUnder, now); also && (!ok || passkey.Before(on)) {
		return passkey, true
	}
	return on, ok
}

// PasskeyDue returns the day from which a user without a passkey, who need not have one yet, must.
func (p Policy) PasskeyDue(u User, now time.Time) (time.Time, bool) {
	if u.HasPasskey {
		return time.Time{}, false
	}
	return p.PhishingResistant.Due(u.Role, u.JoinedUnder, now)
}

// TrustDays returns for how many days the user may trust a browser; 0: not at all. Trust replaces no passkey.
func (p Policy) TrustDays(u User, now time.Time) int {
	if p.NeedsPasskey(u, now) {
		return 0
	}
	return p.TrustedDeviceDays
}

// TrustUntil returns when trust ends that was given at a time for so many days. Every later lowering shortens it.
func (p Policy) TrustUntil(given time.Time, days int) time.Time {
	for _, l := range p.Lowered {
		if l.At.After(given) || l.At.Equal(given) {
			days = min(days, l.Days)
		}
	}
	return given.Add(time.Duration(days) * 24 * time.Hour)
}

// lower sets TrustedDeviceDays, and keeps each lowering only as long as it can shorten any trust.
func (p Policy) lower(days int, now time.Time) Policy {
	var kept []Lowering
	for _, l := range p.Lowered {
		if lifetime.Ahead(l.At, now) { // otherwise it would shorten trust that is given from now on
			l.At = now
		}
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

// MaxTrustedDeviceDays is the maximum of TrustedDeviceDays.
const MaxTrustedDeviceDays = 90

// MinPassword returns the minimum number of characters of a user's password (SPEC section 4).
func (p Policy) MinPassword(u User, now time.Time) int {
	if u.TwoFactor || p.Forces(u, now) {
		return 8
	}
	return LongPassword
}

// TooShort reports whether the user's password is now the only factor, but too short for that: it was chosen when there
// was another factor.
func (p Policy) TooShort(u User, now time.Time) bool {
	return u.PasswordHash != "" && !u.PasswordLong && p.MinPassword(u, now) == LongPassword
}

// LongPassword is the minimum number of characters of a password that is the only factor.
const LongPassword = 15

// States of a user's two-factor authentication, as pages and the API name them.
const (
	TwoFactorEnabled  = "enabled"
	TwoFactorDisabled = "disabled"
	TwoFactorRequired = "required" // set-up required
)

// TwoFactorState returns the state of a user's two-factor authentication under the policy.
func (p Policy) TwoFactorState(u User, now time.Time) string {
	switch {
	case u.TwoFactor:
		return TwoFactorEnabled
	case p.Forces(u, now):
		return TwoFactorRequired
	}
	return TwoFactorDisabled
}

// RoleCount is how many people have a role, and how many of them have no two-factor authentication, or no passkey.
type RoleCount struct {
	Role           Role
	People         int
	Without        int
	WithoutPasskey int
}

// Limits of settings.
const (
	MinRecoveryCodes  = 5
	MaxRecoveryCodes  = 16
	maxRequiredFromIn = 5 * 366 * 24 * time.Hour
)

// Outcomes of changing a policy. ErrPolicyMoved means that someone else has changed it since the given version.
var (
	ErrPolicyMoved   = &Error{Kind: Conflict, Code: "policy_changed", Text: text.Say("Someone else changed these settings while you were editing. Your changes are not saved yet. Compare them, then save again.")}
	ErrRaiserWithout = invalid("require_2fa", "two_factor_missing", text.Say("To require two-factor authentication, you must have it enabled. Set up your own first."))
	ErrRaiserNoKey   = invalid("phishing_resistant", "passkey_missing", text.Say("To require a passkey, you must have one. Add your own first."))
	errPhishing      = invalid("phishing_resistant", "phishing_resistant_invalid", text.Say("Choose who needs a passkey."))
	errPhishingFrom  = invalid("phishing_resistant_from", "phishing_resistant_from_invalid", text.Say("Enter a date within the next five years, or leave it empty."))
	ErrApprovals     = invalid("approvals", "approvals_invalid", text.Say("Choose whether people may approve a sign-in on another device."))
	errRequire       = invalid("require_2fa", "require_2fa_invalid", text.Say("Choose who needs two-factor authentication."))
	errTrustedDays   = invalid("trusted_device_days", "trusted_device_days_invalid", text.Say("Enter a number of days from 0 to 90."))
	errCodeCount     = invalid("recovery_code_count", "recovery_code_count_invalid", text.Say("Enter a number of codes from 5 to 16."))
	errCodeMode      = invalid("recovery_code_mode", "recovery_code_mode_invalid", text.Say("Choose how recovery codes are kept."))
	ErrResetInvalid  = invalid("allow_reset_when_required", "allow_reset_when_required_invalid", text.Say("Choose whether a reset is possible while two-factor authentication is required."))
	errInviteMethod  = invalid("invite_method", "invite_method_invalid", text.Say("Choose how people are invited."))
	errRequiredFrom  = invalid("required_from", "required_from_invalid", text.Say("Enter a date within the next five years, or leave it empty."))
)

// settled returns p as it is stored in place of another policy, and everything that is wrong with it.
func (p Policy) settled(old Policy, now time.Time) (Policy, error) {
	var wrong []error
	for _, rule := range []struct {
		kept    bool
		refusal error
	}{
		{p.Require2FA.valid(), errRequire},
		{p.Require2FA.From.Sub(now) <= maxRequiredFromIn, errRequiredFrom},
		{p.PhishingResistant.valid(), errPhishing},
		{p.PhishingResistant.From.Sub(now) <= maxRequiredFromIn, errPhishingFrom},
		{p.TrustedDeviceDays >= 0 && p.TrustedDeviceDays <= MaxTrustedDeviceDays, errTrustedDays},
		{p.RecoveryCodeCount >= MinRecoveryCodes && p.RecoveryCodeCount <= MaxRecoveryCodes, errCodeCount},
		{p.RecoveryCodeMode == RecoveryRolling || p.RecoveryCodeMode == RecoveryOnce, errCodeMode},
		{p.InviteMethod == InviteByLink || p.InviteMethod == InviteByPassword, errInviteMethod},
	} {
		if !rule.kept {
			wrong = append(wrong, rule.refusal)
		}
	}
	p.Require2FA = p.Require2FA.replacing(old.Require2FA, old.Version+1, now)
	p.PhishingResistant = p.PhishingResistant.replacing(old.PhishingResistant, old.Version+1, now)
	return p, outcomes(wrong...)
}

// Differences returns the settings in which two policies differ, by name, with both values as forms write them.
func (p Policy) Differences(other Policy) map[string][2]string {
	all := map[string][2]string{}
	theirs := other.Settings()
	for name, value := range p.Settings() {
		if value != theirs[name] {
			all[name] = [2]string{value, theirs[name]}
		}
	}
	return all
}

// Settings returns the settings by name, as forms write them.
func (p Policy) Settings() map[string]string {
	reset, approvals := "no", "off"
	if p.AllowResetWhenRequired {
		reset = "yes"
	}
	if p.Approvals {
		approvals = "on"
	}
	return map[string]string{
		"require_2fa": p.Require2FA.Of, "required_from": p.Require2FA.day(),
		"phishing_resistant": p.PhishingResistant.Of, "phishing_resistant_from": p.PhishingResistant.day(),
		"approvals": approvals, "trusted_device_days": strconv.Itoa(p.TrustedDeviceDays),
		"recovery_code_count": strconv.Itoa(p.RecoveryCodeCount), "recovery_code_mode": p.RecoveryCodeMode,
		"allow_reset_when_required": reset, "invite_method": p.InviteMethod,
	}
}

// deciding is what changing the policy needs (I22).
var deciding = access{may: SetPolicy, proof: StrongFactor}

// Decision is what saving a policy would do.
type Decision struct {
	Old, New Policy // as they are stored

	// By role, how many people would have to set up two-factor authentication or add a passkey who need not yet, or only
	// later. Both are empty if the policy forces no one.
	Hit, HitPasskey []RoleCount
}

// Decide checks a policy that is to be saved, without saving it: its errors are those of SavePolicy.
func (s *Service) Decide(ctx context.Context, by Caller, wanted Policy) (d Decision, err error) {
	var roles, passkeys []Role
	err = s.act(ctx, by, deciding, func(tx Tx, me *actor) error {
		d.Old, d.New, err = s.decided(tx, me, wanted)
		roles = d.New.Require2FA.tightens(d.Old.Require2FA, me.now)
		passkeys = d.New.PhishingResistant.tightens(d.Old.PhishingResistant, me.now)
		return err
	})
	if err != nil || len(roles)+len(passkeys) == 0 {
		return d, err
	}
	var counts []RoleCount
	err = s.Store.Read(ctx, func(tx Tx) (err error) { // not in a Write: counting a million people takes a third of a second
		counts, err = tx.CountPeople(by.workspace.ID)
		return err
	})
	d.Hit, d.HitPasskey = countsOf(counts, roles), countsOf(counts, passkeys)
	return d, err
}

func countsOf(counts []RoleCount, roles []Role) (all []RoleCount) {
	for _, role := range roles {
		of := RoleCount{Role: role}
		if i := slices.IndexFunc(counts, func(c RoleCount) bool { return c.Role == role }); i >= 0 {
			of = counts[i]
		}
		all = append(all, of)
	}
	return all
}

// SavePolicy replaces the settings if the version of wanted is still that of the policy; otherwise it returns
// ErrPolicyMoved. The new policy applies from the next request on, on every node. ErrRaiserWithout and
// ErrRaiserNoKey are for administrators who would require of more people, or sooner, what they do not have themselves.
func (s *Service) SavePolicy(ctx context.Context, by Caller, wanted Policy) error {
	return s.act(ctx, by, deciding, func(tx Tx, me *actor) error {
		old, changed, err := s.decided(tx, me, wanted)
		if err != nil {
			return err
		}
		detail := map[string]string{}
		for name, values := range old.Differences(changed) {
			detail[name] = values[0] + " → " + values[1]
		}
		if len(detail) == 0 {
			return nil
		}
		changed.Version = old.Version + 1
		changed.Lowered, changed.ShownSince = old.Lowered, old.ShownSince
		hide := old.RecoveryCodeMode == RecoveryRolling && changed.RecoveryCodeMode == RecoveryOnce
		if hide {
			changed.ShownSince = changed.Version
		}
		days := changed.TrustedDeviceDays
		changed.TrustedDeviceDays = old.TrustedDeviceDays
		changed = changed.lower(days, me.now)
		saved, err := tx.SavePolicy(me.Workspace, changed)
		if err != nil {
			return err
		}
		if !saved {
			return ErrPolicyMoved
		}
		if hide {
			if err := tx.HideRecoveryCodes(me.Workspace, changed.Version); err != nil {
				return err
			}
		}
		return s.record(tx, by, "policy.changed", "", Done, detail)
	})
}

// decided returns the policy as it is and as it would be, or why it may not be.
func (s *Service) decided(tx Tx, me *actor, wanted Policy) (now, changed Policy, err error) {
	if now, err = tx.Policy(me.Workspace); err != nil {
		return now, changed, err
	}
	if wanted.Version != now.Version {
		return now, changed, ErrPolicyMoved
	}
	changed, wrong := wanted.settled(now, me.now)
	if !me.TwoFactor && len(changed.Require2FA.tightens(now.Require2FA, me.now)) > 0 {
		wrong = outcomes(ErrRaiserWithout, wrong)
	}
	if !me.HasPasskey && len(changed.PhishingResistant.tightens(now.PhishingResistant, me.now)) > 0 {
		wrong = outcomes(ErrRaiserNoKey, wrong)
	}
	return now, changed, wrong
}
