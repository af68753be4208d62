package sallyport

import (
	"context"
	"strconv"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// ReminderPause is how long a person is left alone after a reminder to set up two-factor authentication.
const ReminderPause = 24 * time.Hour

const (
	reminderPage  = 1000 // people in one transaction
	reminderEvery = 15 * time.Second
)

// Reminders is one reminding of everybody in a workspace who is without two-factor authentication.
type Reminders struct {
	Workspace string
	StartedAt time.Time // zero: there was none
	Queued    int       // mails so far
	EndedAt   time.Time // zero: Run queues the others
}

// Open reports whether there may be people left to remind.
func (r Reminders) Open() bool { return !r.StartedAt.IsZero() && r.EndedAt.IsZero() }

// ReminderTx is the storage of reminders. They are for people who can sign in, are without two-factor authentication and
// have an e-mail address; due are those whose last one was not after a time.
type ReminderTx interface {
	// Reminders returns the newest reminding of a workspace.
	Reminders(workspace string) (Reminders, error)
	// SaveReminders replaces it.
	SaveReminders(Reminders) error
	// OpenReminders returns the workspaces that have an open one.
	OpenReminders() ([]string, error)
	// CountReminders counts who is due, and who is not.
	CountReminders(workspace string, last time.Time) (due, others int, err error)
	// TakeDue returns at most limit people who are due, and are not any more: now is their last reminder. Of concurrent
	// calls one gets each.
	TakeDue(workspace string, last, now time.Time, limit int) ([]User, error)
}

// Outcomes of reminding.
var (
	ErrNobodyToRemind = &Error{Kind: Conflict, Code: "nobody_to_remind", Text: text.Say("Nobody gets a reminder now: who is without two-factor authentication had one within the last 24 hours.")}
	ErrReminding      = &Error{Kind: Conflict, Code: "reminding", Text: text.Say("Reminders are being sent already. Wait until they are done.")}
)

// ReminderPlan is whom Remind would reach now.
type ReminderPlan struct {
	Due, Recent int       // those who would get a mail, and those who had one less than ReminderPause ago
	On          time.Time // the day that mails to those name of whom it is required then; zero: none
	Everyone    bool      // and these are all people
}

// PlanReminders tells whom Remind would reach now.
func (s *Service) PlanReminders(ctx context.Context, by Caller) (p ReminderPlan, err error) {
	if err := s.MayAct(by, RemindPeople); err != nil {
		return p, err
	}
	now := s.Now()
	if from := by.policy.RequiredFrom; by.policy.Require2FA != RequireOptional && from.After(now) {
		p.On, p.Everyone = from, by.policy.Require2FA == RequireEveryone
	}
	return p, s.Store.Read(ctx, func(tx Tx) (err error) {
		p.Due, p.Recent, err = tx.CountReminders(by.workspace.ID, now.Add(-ReminderPause))
		return err
	})
}

// Remind mails a reminder to everybody who can sign in and is without two-factor authentication, but at most one in
// ReminderPause to a person. It queues the first thousand; Run queues the others. ErrNobodyToRemind: all had one.
func (s *Service) Remind(ctx context.Context, by Caller) (r Reminders, err error) {
	if by.session == nil {
		return r, ErrSignedOut
	}
	return r, s.write(ctx, func(tx Tx) error {
		if _, err := tx.LockOwners(by.workspace.ID); err != nil {
			return err
		}
		me, err := s.actor(tx, by, need{may: RemindPeople})
		if err != nil {
			return err
		}
		if r, err = tx.Reminders(me.Workspace); err != nil {
			return err
		}
		if r.Open() {
			return ErrReminding
		}
		if r, err = s.remindSome(tx, Reminders{Workspace: me.Workspace, StartedAt: me.now}); err != nil {
			return err
		}
		if r.Queued == 0 {
			return ErrNobodyToRemind
		}
		detail := map[string]string{}
		if !r.Open() {
			detail["people"] = strconv.Itoa(r.Queued)
		}
		return s.record(tx, by, "two_factor.reminded", "", Done, detail)
	})
}

// QueueReminders queues what is left of all remindings, in pages. Run calls it; several nodes may at once.
func (s *Service) QueueReminders(ctx context.Context) error {
	var open []string
	err := s.Store.Read(ctx, func(tx Tx) (err error) {
		open, err = tx.OpenReminders()
		return err
	})
	for _, workspace := range open {
		for more := true; more && err == nil; {
			more, err = s.remindOn(ctx, workspace)
		}
	}
	return err
}

// remindOn queues one page. More tells that there may be others.
func (s *Service) remindOn(ctx context.Context, workspace string) (more bool, err error) {
	return more, s.write(ctx, func(tx Tx) error {
		if _, err := tx.LockOwners(workspace); err != nil {
			return err
		}
		r, err := tx.Reminders(workspace)
		if err == nil && r.Open() {
			r, err = s.remindSome(tx, r)
		}
		more = r.Open()
		return err
	})
}

// remindSome queues the next page of a reminding: a person's mail and the time of it are one transaction, so that after
// a crash the next page begins where the last one ended. The workspace's row is taken: it locks many users.
func (s *Service) remindSome(tx Tx, r Reminders) (Reminders, error) {
	now := s.Now()
	people, err := tx.TakeDue(r.Workspace, r.StartedAt.Add(-ReminderPause), now, reminderPage)
	if err != nil {
		return r, err
	}
	policy, err := tx.Policy(r.Workspace)
	if err != nil {
		return r, err
	}
	from, err := tx.MailSender(r.Workspace)
	if err != nil {
		return r, err
	}
	for _, u := range people {
		if policy.Requires(u.Role) && policy.RequiredFrom.After(now) {
			err = s.notifyFrom(tx, Caller{}, from, u, u.Address, "two_factor.reminder_dated", map[string]any{"on": policy.RequiredFrom})
		} else {
			err = s.notifyFrom(tx, Caller{}, from, u, u.Address, "two_factor.reminder", nil)
		}
		if err != nil {
			return r, err
		}
	}
	r.Queued += len(people)
	if len(people) < reminderPage {
		r.EndedAt = now
	}
	return r, tx.SaveReminders(r)
}
