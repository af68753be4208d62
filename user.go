package sallyport

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Role is what a user may do to others (SPEC 6.1).
type Role string

const (
	Owner   Role = "owner"
	Admin   Role = "admin"
	Manager Role = "manager"
	Member  Role = "member"
)

// Roles lists them from the most to the least.
var Roles = []Role{Owner, Admin, Manager, Member}

// Valid reports whether r is one of Roles.
func (r Role) Valid() bool { return r.rank() > 0 }

func (r Role) rank() int {
	for i, x := range Roles {
		if x == r {
			return len(Roles) - i
		}
	}
	return 0
}

// State is whether a user may sign in.
type State string

const (
	Active    State = "active"
	Invited   State = "invited"
	Suspended State = "suspended"

	// Locked is what lists and pages show for a person whose tries are refused. It is never stored.
	Locked State = "locked"
)

// User is someone with an account in one workspace. A zero time means never.
type User struct {
	Workspace string
	ID        string
	App       string // id of the app that keeps this user, or empty
	Ref       string // the app's own id of the user
	Address   string // e-mail address as shown
	Folded    string // and as compared
	Name      string
	Role      Role
	State     State
	Epoch     int64 // what carries another epoch has ended

	PasswordHash  Secret // PHC string; empty: none yet
	PasswordAt    time.Time
	PasswordLong  bool      // it has LongPassword characters: it may be the only factor
	TemporaryEnds time.Time // the password is temporary and opens nothing but the choice of another, until then

	TwoFactor       bool
	TwoFactorSince  time.Time
	MustSetUp       bool // reset by an administrator: must set up at the next sign-in, also where it is optional
	SetUpCodeHash   []byte
	SetUpCodeEnds   time.Time
	RecoveryCount   int // of the set when it was made
	RecoveryLeft    int // of them not used, or replaced
	RecoveryMadeAt  time.Time
	RecoverySavedAt time.Time // the tick "I have saved these recovery codes"

	LockedBy    Lock      // what refuses the user's tries, if LockedUntil has not passed
	LockedUntil time.Time // see Locked; zero: no lock whose end was not recorded

	LastSignInAt     time.Time
	LastSignInMethod Method    // the second factor it was done with, or NoSecondFactor
	RemindedAt       time.Time // by mail, to set up two-factor authentication; zero: never
	CreatedAt        time.Time

	SignIns      Window    // completed
	Changes      Window    // that the user made to their own account
	OpenSessions int       // no more sessions than this exist
	OpenSignIns  int       // sign-ins that exist, if TakeTries returned the user; else 0
	BrowserTold  time.Time // when the user last got an e-mail about a new browser
	JoinedUnder  int64     // version of the policy when they were invited or added
}

// UserTx is the storage of users.
type UserTx interface {
	// LockUser takes the user's row until the end of the transaction, and returns it.
	LockUser(workspace, id string) (User, bool, error)
	// UserByAddress returns the user of the workspace itself (of no app) with this folded address.
	UserByAddress(workspace, folded string) (User, bool, error)
	// InsertUser keeps a new user. An address or ref that is taken is ErrDuplicate.
	InsertUser(User) error
	// SaveUser replaces everything about a locked user but the last sign-in, the budgets and the lock.
	SaveUser(User) error
	// SaveLastSignIn keeps when and how a locked user last signed in, with SignIns, OpenSessions and BrowserTold.
	SaveLastSignIn(User) error
}

// Limits of what people type, in characters.
const (
	MaxName   = 100
	maxReason = 500
)

// Outcomes about people.
var (
	ErrAddressInvalid = invalid("email", "address_invalid", text.Say("Enter an e-mail address such as name@example.com."))
	ErrAddressTaken   = invalid("email", "address_taken", text.Say("There is already a person with this e-mail address."))
	ErrNameInvalid    = invalid("name", "name_invalid", text.Say("Enter a name of at most 100 characters, without control characters or characters that reverse text."))
	ErrRoleInvalid    = invalid("role", "role_invalid", text.Say("Choose one of the roles owner, admin, manager, member."))
)

// cleanName returns a name without surrounding space, or ErrNameInvalid about the field.
func cleanName(field, name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return "", ErrNameInvalid.saying(text.Say("Enter a name.")).in(field)
	}
	if utf8.RuneCountInString(name) > MaxName || strings.ContainsFunc(name, steers) {
		return "", ErrNameInvalid.in(field)
	}
	return name, nil
}

// steers reports the characters that change how the text around a name reads. No name has them.
func steers(r rune) bool { return text.IsControl(r) || text.IsBidi(r) }

// newUser checks what describes a person and returns a user without a password.
func newUser(workspace, address, name string, role Role, p Policy, now time.Time) (User, error) {
	var wrong []error
	shown, folded, err := fold.Address(address)
	if err != nil {
		wrong = append(wrong, ErrAddressInvalid)
	}
	if name, err = cleanName("name", name); err != nil {
		wrong = append(wrong, err)
	}
	if !role.Valid() {
		wrong = append(wrong, ErrRoleInvalid)
	}
	if len(wrong) > 0 {
		return User{}, outcomes(wrong...)
	}
	return User{
		Workspace: workspace, ID: newID(prefixUser, now), Address: shown, Folded: folded, Name: name,
		Role: role, State: Active, Epoch: 1, CreatedAt: now, JoinedUnder: p.Version,
	}, nil
}

// enters reports whether the user may give a password: whoever was invited gives the temporary one, and no other.
func (u User) enters() bool {
	return u.State == Active || u.State == Invited && !u.TemporaryEnds.IsZero()
}

// endAll raises the epoch: what carries another one has ended. A temporary password ends with it, as the link of an
// invitation does (I24, I27).
func (u *User) endAll() {
	u.Epoch++
	if !u.TemporaryEnds.IsZero() {
		u.PasswordHash, u.PasswordAt, u.TemporaryEnds = "", time.Time{}, time.Time{}
	}
}

// about lists what a password must not be made of.
func (u User) about(w Workspace) []string {
	return []string{u.Name, u.Address, w.Name, w.Issuer()}
}
