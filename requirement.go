package sallyport

import "time"

// Who a requirement applies to.
const (
	RequireOptional = "optional"
	RequireAdmins   = "admins" // owners and admins
	RequireEveryone = "everyone"
)

// Requirement is a requirement that people must meet, and the day from which they must. Until that day, the previous
// requirement still applies to the people it applied to before. People who join after the decision must meet the new
// one immediately. So a date gives people time, but never lifts a requirement.
type Requirement struct {
	Of    string    // RequireOptional, RequireAdmins or RequireEveryone
	From  time.Time // zero: immediately
	Until Interim   // what applies before From
	Since Since     // when it began, or will begin, to apply
}

// Since is when a requirement began to apply to people, or the day from which it will. Saving the policy again does not
// change it. It is zero for people to whom it does not apply.
type Since struct {
	Admins time.Time // owners and admins
	Others time.Time // managers and members
}

func (s Since) of(role Role) time.Time {
	if administers(role) {
		return s.Admins
	}
	return s.Others
}

// Interim is what applies until the day of a future requirement. It uses versions of the policy to tell who joined
// before a decision, because clocks may be set back, and two events may happen in the same millisecond.
type Interim struct {
	Of     string `json:"of"`               // who the previous requirement applies to
	Admins int64  `json:"admins,omitempty"` // owners and admins who joined under this version or later get no time; 0: all do
	Others int64  `json:"others,omitempty"` // the same for managers and members
}

func covers(of string, role Role) bool {
	switch of {
	case RequireEveryone:
		return true
	case RequireAdmins:
		return administers(role)
	}
	return false
}

func administers(role Role) bool { return role == Owner || role == Admin }

// since returns the version with which it was decided that a role must meet the requirement, or 0 if that needs no
// date.
func (i Interim) since(role Role) int64 {
	if administers(role) {
		return i.Admins
	}
	return i.Others
}

func (r Requirement) valid() bool {
	return r.Of == RequireOptional || r.Of == RequireAdmins || r.Of == RequireEveryone
}

// day returns From as forms write it.
func (r Requirement) day() string {
	if r.From.IsZero() {
		return ""
	}
	return r.From.UTC().Format(time.DateOnly)
}

// Pending reports whether the day of the requirement is in the future.
func (r Requirement) Pending(now time.Time) bool { return r.From.After(now) }

// Binds reports whether a person with a role, who joined under a version of the policy, must meet the requirement now.
func (r Requirement) Binds(role Role, joined int64, now time.Time) bool {
	if !r.Pending(now) {
		return covers(r.Of, role)
	}
	since := r.Until.since(role)
	return covers(r.Until.Of, role) || covers(r.Of, role) && since > 0 && joined >= since
}

// Due returns the day from which a person must meet the requirement. It returns false if they must now, or need not at
// all.
func (r Requirement) Due(role Role, joined int64, now time.Time) (time.Time, bool) {
	if !covers(r.Of, role) || r.Binds(role, joined, now) {
		return time.Time{}, false
	}
	return r.From, true
}

// Applies returns who must meet the requirement now, apart from people who joined after a decision that has a date.
func (r Requirement) Applies(now time.Time) string {
	if r.Pending(now) {
		return r.Until.Of
	}
	return r.Of
}

// joinedSince returns the version that divides the people with a role: those who joined under it or later must meet the
// requirement now, the others have until its day. It returns 0 if the requirement is the same for all of them.
func (r Requirement) joinedSince(role Role, now time.Time) int64 {
	if _, due := r.Due(role, 0, now); !due {
		return 0
	}
	return r.Until.since(role)
}

// replacing returns r as it is stored when it replaces another requirement, with a version of the policy. It drops the
// date if that has come, if nothing is required, or if the same is required already.
func (r Requirement) replacing(old Requirement, version int64, now time.Time) Requirement {
	applies := old.Applies(now)
	if !r.Pending(now) || r.Of == RequireOptional || r.Of == applies {
		r = Requirement{Of: r.Of}
		r.Since = r.beginning(old, now)
		return r
	}
	r.Until = Interim{Of: applies}
	decided := func(role Role) int64 {
		switch waiting := old.joinedSince(role, now); {
		case !covers(r.Of, role) || covers(applies, role):
			return 0
		case waiting > 0:
			return waiting
		}
		return version
	}
	r.Until.Admins, r.Until.Others = decided(Admin), decided(Member)
	r.Since = r.beginning(old, now)
	return r
}

// beginning returns the Since of r when it replaces another requirement now. For people to whom that applies already, it
// does not change.
func (r Requirement) beginning(old Requirement, now time.Time) Since {
	begins := func(role Role) time.Time {
		switch {
		case !covers(r.Of, role) && !covers(r.Applies(now), role):
			return time.Time{}
		case covers(old.Applies(now), role):
			return old.Since.of(role)
		case r.Pending(now):
			return r.From
		}
		return now
	}
	return Since{begins(Admin), begins(Member)}
}

// tightens returns the roles whose people must meet r but need not meet old, or only later.
func (r Requirement) tightens(old Requirement, now time.Time) (roles []Role) {
	begins := func(r Requirement, role Role) (time.Time, bool) {
		if r.Binds(role, 0, now) {
			return now, true
		}
		return r.Due(role, 0, now)
	}
	for _, role := range Roles {
		was, already := begins(old, role)
		if at, ok := begins(r, role); ok && (!already || at.Before(was)) {
			roles = append(roles, role)
		}
	}
	return roles
}

// Reason is why a person must set up two-factor authentication, or use a passkey, before anything else works. It is zero
// for people who need not.
type Reason struct {
	By    string    // ByReset, ByJoining or ByRequirement; empty: nothing forces them
	Of    string    // ByRequirement: who it is required of, RequireAdmins or RequireEveryone
	Since time.Time // of the reset, or of the requirement; zero: unknown

	Passkey bool // they must use a passkey; any other second factor is not enough
}

// Values of Reason.By.
const (
	ByReset       = "reset"       // an administrator reset their two-factor authentication
	ByJoining     = "joining"     // they are new, and it is required of them
	ByRequirement = "requirement" // it is required of people who were there before
)

// Reason returns why a user owes something in a session or sign-in with these proofs.
func (p Policy) Reason(u User, proofs Proofs, now time.Time) Reason {
	owed := p.Owes(u, proofs, now)
	passkey := owed == OwesPasskey
	switch {
	case owed == OwesNothing:
		return Reason{}
	case u.MustSetUp && !u.TwoFactor:
		why := Reason{By: ByReset, Passkey: passkey}
		if !u.SetUpCodeEnds.IsZero() {
			why.Since = u.SetUpCodeEnds.Add(-SetUpCodeLimit)
		}
		return why
	case u.LastSignInAt.IsZero():
		return Reason{By: ByJoining, Passkey: passkey}
	}
	r := p.Require2FA
	if passkey {
		r = p.PhishingResistant
	}
	why := Reason{By: ByRequirement, Of: r.Applies(now), Since: r.Since.of(u.Role), Passkey: passkey}
	if !covers(why.Of, u.Role) { // they joined after a decision that has a date, which gives them no time
		why.Of = r.Of
	}
	if administers(u.Role) && !r.Since.Admins.Equal(r.Since.Others) {
		why.Of = RequireAdmins
	}
	if why.Since.After(now) {
		why.Since = time.Time{}
	}
	return why
}
