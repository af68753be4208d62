package sallyport

import (
	"context"
	"time"
)

// Store keeps everything. It has two methods, and every promise of the rules stands on them.
//
// Read runs fn against the newest committed state. Each statement sees what was committed before it began; two
// statements of one Read may see different states.
//
// Write runs fn in one transaction and returns after its commit is on disk. An error from fn rolls back and is
// returned as it is. fn may be run again when the database asks for it, so it must not keep state from an earlier run.
// Inside fn there is no network, no password hashing and no waiting; a Write inside a Write is refused.
//
// Both are safe for concurrent use. When the connection is lost after COMMIT was sent, Write returns ErrUnknownOutcome.
type Store interface {
	Read(ctx context.Context, fn func(Tx) error) error
	Write(ctx context.Context, fn func(Tx) error) error
}

// Tx is the sum of what the concepts need, each declared in its concept's file.
type Tx interface {
	InstallationTx
	WorkspaceTx
	UserTx
	SignInTx
	SessionTx
	AuthenticatorTx
	DraftTx
	RecoveryTx
	BrowserTx
	DeviceTx
	LinkTx
	TriesTx
	EventTx
	SealTx
	MailTx
	PeopleTx
	PeopleListTx
	AdoptionTx
	ReminderTx

	// TriesOf returns the row of a workspace, subject and bucket, without taking it.
	TriesOf(of Tries) (Tries, error)
	// SaveChanges keeps the Changes of a user whose row is taken.
	SaveChanges(User) error
	// TrimSessions removes the sessions of a user that have ended, and ends all but the newest MaxSessions. It says how
	// many it ended, and how many are left.
	TrimSessions(u User, now time.Time) (ended, left int, err error)
	// TrimSignIns ends the sign-ins of a user but for so many, with the drafts that belong to none. Those that began in a
	// known device stay longest, and of the others the newest.
	TrimSignIns(u User, now time.Time, left int) error
	// DeleteOtherSessions ends at most limit sessions of a user, not the one with the id given, and says how many it ended.
	DeleteOtherSessions(workspace, user, id string, limit int) (int, error)

	// CountPeople counts those who can sign in or are invited, by role and whether they have two-factor authentication.
	CountPeople(workspace string) ([]RoleCount, error)

	// FirstSteps returns when an owner of a workspace ticked each of the steps, zero for one that was not ticked, and
	// whether the workspace has more people than one.
	FirstSteps(workspace string) (keyset, dismissed time.Time, people bool, err error)
	// SaveFirstStep notes that a step was ticked, unless that was noted before.
	SaveFirstStep(workspace string, step FirstStep, now time.Time) error

	// Sweep deletes sign-ins, drafts and links that ended before now, or began in the future. Mail that waits for a time
	// later than MailWaitLimit is due.
	Sweep(now time.Time) error
	// SweepTries looks at a page of a workspace's tries, those after a subject, and deletes what nothing has touched for 31
	// days and locks nothing. It returns the subject that the page ended with; empty: it was the last page.
	SweepTries(workspace, after string, page int, now time.Time) (end string, err error)
	// SweepBrowsers deletes, in the same way, known devices that were last seen before BrowserLimit or in the future, and
	// trusted devices of the future. A reminder of the future becomes one of now.
	SweepBrowsers(workspace, after string, page int, now time.Time) (end string, err error)
	// SweepSessions deletes, in the same way, sessions that ended before now, or were last seen in the future.
	SweepSessions(workspace, after string, page int, now time.Time) (end string, err error)
	// SweepMails deletes at most limit mails of a workspace that do not wait, of those before an id. It returns whether
	// there may be more.
	SweepMails(workspace, before string, limit int) (more bool, err error)
	// ClockTold notes that a workspace is told that the clock went back, and says whether it was not within age before now.
	ClockTold(workspace string, now time.Time, age time.Duration) (bool, error)
	// Touch changes a row that nobody reads, to see whether anything can be written.
	Touch() error
	// TakeTurn gives true to one of the nodes that ask at now to do something, unless one did less than age ago. A time
	// in the future is that of a clock that was set back since.
	TakeTurn(what Turn, now time.Time, age time.Duration) (bool, error)
}

// Turn names work that one node does for all.
type Turn string

const (
	TurnCount Turn = "count" // people, for Adoption
	TurnSweep Turn = "sweep" // what is idle
	TurnClock Turn = "clock" // noting the time
)
