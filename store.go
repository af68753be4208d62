package sallyport

import (
	"context"
	"time"
)

// Store stores everything. It has two methods, and all guarantees of the rules depend on them.
//
// Read runs fn against the newest committed state. Each statement sees what was committed before it began; two
// statements of one Read may see different states.
//
// Write runs fn in one transaction, and returns after its commit is on disk. An error of fn rolls back and is returned
// as it is. fn may run again if the transaction must be retried, so it must not keep state from an earlier run. fn must
// not use the network, hash passwords or wait. A Write inside a Write is an error.
//
// Both are safe for concurrent use. If the connection is lost after COMMIT was sent, Write returns ErrUnknownOutcome.
type Store interface {
	Read(ctx context.Context, fn func(Tx) error) error
	Write(ctx context.Context, fn func(Tx) error) error
}

// Tx is the sum of the storage that the concepts need. Each part is declared in the file of its concept.
type Tx interface {
	InstallationTx
	WorkspaceTx
	UserTx
	SignInTx
	SessionTx
	AuthenticatorTx
	PasskeyTx
	ApprovalTx
	DraftTx
	RecoveryTx
	KnownDeviceTx
	DeviceTx
	LinkTx
	TriesTx
	EventTx
	SealTx
	UnsealedTx
	LogTx
	MailTx
	PeopleTx
	PeopleListTx
	LockTx
	AdoptionTx
	ReminderTx
	GroupTx
	GroupListTx
	MembershipTx
	AppTx
	AppUseTx
	PassTx
	TicketTx
	AppTokenTx
	SigningTx
	AppEventTx
	ClientSecretTx
	ClientTx
	AppRequestTx
	GrantTx
	RevokeTx
	DeviceCodeTx
	LogoutTx

	// TriesOf returns the row of a workspace, subject and bucket, without locking it.
	TriesOf(of Tries) (Tries, error)
	// SaveChanges saves the Changes of a user whose row is locked.
	SaveChanges(User) error
	// TrimSessions deletes the sessions of a user that have ended, then all except the newest MaxSessions. It returns
	// how many of the latter it deleted, and how many are left.
	TrimSessions(u User, now time.Time) (ended, left int, err error)
	// TrimSignIns deletes sign-ins of a user until left are left, and drafts that no longer have a holder. It keeps
	// sign-ins that began in a known device first, then the newest of the others.
	TrimSignIns(u User, now time.Time, left int) error
	// DeleteOtherSessions deletes at most limit sessions of a user, except the one with the given id. It returns how
	// many it deleted.
	DeleteOtherSessions(workspace, user, id string, limit int) (int, error)

	// CountPeople counts the people who can sign in or are invited, by role and by whether they have two-factor
	// authentication.
	CountPeople(workspace string) ([]RoleCount, error)

	// FirstSteps returns when an owner of a workspace ticked each of the steps, or zero for a step that was not ticked,
	// and whether the workspace has more than one person.
	FirstSteps(workspace string) (keyset, dismissed time.Time, people bool, err error)
	// SaveFirstStep records that a step was ticked, unless that was recorded before.
	SaveFirstStep(workspace string, step FirstStep, now time.Time) error

	// Sweep deletes sign-ins, drafts and links that ended before now or began in the future. It makes mail due that
	// would wait for longer than MailWaitLimit.
	Sweep(now time.Time) error
	// SweepTries reads a page of a workspace's tries, after a subject. It deletes rows that have not changed for 31
	// days and do not lock anyone. It returns the last subject of the page, or "" for the last page.
	SweepTries(workspace, after string, page int, now time.Time) (end string, err error)
	// SweepKnownDevices deletes, in the same way, known devices that were last seen longer ago than KnownDeviceLimit or in the
	// future, and trusted devices and links from the future. It sets the time of reminders from the future to now.
	SweepKnownDevices(workspace, after string, page int, now time.Time) (end string, err error)
	// SweepSessions deletes, in the same way, sessions that ended before now, or were last seen in the future.
	SweepSessions(workspace, after string, page int, now time.Time) (end string, err error)
	// SweepMails deletes at most limit mails of a workspace that come before an id and are not waiting. It returns
	// whether there may be more.
	SweepMails(workspace, before string, limit int) (more bool, err error)
	// ClockMailed records that the owners of a workspace are now mailed that the clock went back, unless they were within
	// age before now. It returns whether it did.
	ClockMailed(workspace string, now time.Time, age time.Duration) (bool, error)
	// Touch changes a column that is never read, to check that the database can be written to.
	Touch() error
	// TakeTurn returns true to only one of several nodes that want to do some work, and only if none has done it within
	// age before now. It ignores an earlier turn that lies in the future, because the clock was set back since.
	TakeTurn(what Turn, now time.Time, age time.Duration) (bool, error)
}

// Turn names work that one node does for all nodes.
type Turn string

const (
	TurnCount Turn = "count" // counting people for Adoption
	TurnSweep Turn = "sweep" // sweeping idle rows
	TurnClock Turn = "clock" // recording the time

	TurnSigning Turn = "signing" // looking after signing keys
)
