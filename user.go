package sallyport

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Role determines what a user may do to others (SPEC 6.1).
type Role string

const (
	Owner   Role = "owner"
	Admin   Role = "admin"
	Manager Role = "manager"
	Member  Role = "member"
)

// Roles lists the roles from the highest to the lowest.
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
	App       string // id of the app that manages this user, or empty
	Ref       string // the app's own id of the user
	Address   string // e-mail address as shown
	Folded    string // e-mail address as compared
	Name      string
	Role      Role
	State     State
	Epoch     int64 // sessions and the like with another epoch have ended

	PasswordHash  Secret // PHC string; empty: none yet
	PasswordAt    time.Time
	PasswordLong  bool      // it has at least LongPassword characters, so it may be the only factor
	TemporaryEnds time.Time // until when a temporary password works; it is good only for choosing another

	TwoFactor       bool
	HasPasskey      bool // among the second factors is a passkey
	TwoFactorSince  time.Time
	MustSetUp       bool // reset by an administrator: must set up at the next sign-in, even if that is optional
	SetUpCodeHash   []byte
	SetUpCodeEnds   time.Time
	RecoveryCount   int // codes in the set when it was made
	RecoveryLeft    int // codes that can still be used
	RecoveryMadeAt  time.Time
	RecoverySavedAt time.Time // when the user ticked "I have saved these recovery codes"

	LockedBy    Lock      // why the user's tries are refused, if LockedUntil has not passed
	LockedUntil time.Time // see Locked; zero: no lock, or its end has been recorded

	LastSignInAt     time.Time
	ListedAt         time.Time // the last sign-in by which lists are ordered; it follows LastSignInAt within seconds
	LastSignInMethod Method    // its second factor, or NoSecondFactor
	RemindedAt       time.Time // when last reminded by mail to set up two-factor authentication; zero: never
	CreatedAt        time.Time
	ProfileAt        time.Time // when the name or the address last changed; zero: never

	SignIns            Window    // completed sign-ins
	Changes            Window    // changes of the user to their own account
	AskedUntil         time.Time // until when a sign-in waits for approval on another device; zero: none does
	OpenSessions       int       // at most so many sessions exist
	OpenSignIns        int       // sign-ins that exist, if TakeTries returned the user; else 0
	NewBrowserMailedAt time.Time // when the user last got an e-mail about a new browser
	JoinedUnder        int64     // version of the policy when they were invited or added
}

// UserTx is the storage of users.
type UserTx interface {
	// LockUser locks the user's row until the end of the transaction, and returns it.
	LockUser(workspace, id string) (User, bool, error)
	// UserByAddress returns the user of the workspace itself (not of an app) with this folded address.
	UserByAddress(workspace, folded string) (User, bool, error)
	// InsertUser inserts a new user. An address or ref that is taken is ErrDuplicate.
	InsertUser(User) error
	// SaveUser replaces everything about a locked user except the last sign-in, the budgets and the lock.
	SaveUser(User) error
	// SaveLastSignIn saves when and how a locked user last signed in, with SignIns, OpenSessions and NewBrowserMailedAt.
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

// cleanName returns a name without surrounding space, or ErrNameInvalid for the field.
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

// newUser checks the data of a person and returns a user without a password.
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

// enters reports whether the user may sign in with a password. An invited person may use only a temporary one.
func (u User) enters() bool {
	return u.State == Active || u.State == Invited && !u.TemporaryEnds.IsZero()
}

// endAll raises the epoch, which ends all sessions, sign-ins, trusted devices and links. A temporary password ends too,
// like the link of an invitation (I24, I27).
func (u *User) endAll() {
	u.Epoch++
	if !u.TemporaryEnds.IsZero() {
		u.PasswordHash, u.PasswordAt, u.TemporaryEnds = "", time.Time{}, time.Time{}
	}
}

// updatedAt returns since when the name and the address are as they are.
func (u User) updatedAt() time.Time {
	if u.ProfileAt.IsZero() {
		return u.CreatedAt
	}
	return u.ProfileAt
}

// about returns texts that a password must not consist of.
func (u User) about(w Workspace) []string {
	return []string{u.Name, u.Address, w.Name, w.Issuer()}
}
