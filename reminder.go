package sallyport

import (
	"context"
	"strconv"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// ReminderPause is how long a person gets no further reminder to set up two-factor authentication.
const ReminderPause = 24 * time.Hour

const (
	reminderPage = 1000 // people in one transaction
)

// Reminders is one round of reminders to everyone in a workspace who has no two-factor authentication.
type Reminders struct {
	Workspace string
	StartedAt time.Time // zero: there was none
	Queued    int       // mails so far
	EndedAt   time.Time // zero: Run queues the remaining ones
}

// Open reports whether there may be people left to remind.
func (r Reminders) Open() bool { return !r.StartedAt.IsZero() && r.EndedAt.IsZero() }

// ReminderTx is the storage of reminders. They are for people who can sign in, have no two-factor authentication, and
// have an e-mail address. A person is due if their last reminder was at last or earlier.
type ReminderTx interface {
	// Reminders returns the newest round of a workspace.
	Reminders(workspace string) (Reminders, error)
	// SaveReminders replaces it.
	SaveReminders(Reminders) error
	// OpenReminders returns the workspaces that have an open round.
	OpenReminders() ([]string, error)
	// CountReminders counts the people who are due, and the others.
	CountReminders(workspace string, last time.Time) (due, others int, err error)
	// TakeDue sets the last reminder of at most limit people who are due to now, and returns these people. Concurrent
	// calls never return the same person.
	TakeDue(workspace string, last, now time.Time, limit int) ([]User, error)
}

// Outcomes of reminders.
var (
	ErrNobodyToRemind = &Error{Kind: Conflict, Code: "nobody_to_remind", Text: text.Say("Everyone without two-factor authentication has had a reminder within the last 24 hours. Send the next one later.")}
	ErrReminding      = &Error{Kind: Conflict, Code: "reminding", Text: text.Say("Reminders are being sent already. Wait until they are done.")}
	ErrReminded       = &Error{Kind: Conflict, Code: "reminded", Text: text.Say("This person has had a reminder within the last 24 hours.")}
	ErrHasTwoFactor   = &Error{Kind: Conflict, Code: "has_two_factor", Text: text.Say("This person has two-factor authentication already.")}
	ErrNoAddress      = &Error{Kind: Conflict, Code: "no_address", Text: text.Say("This person has no e-mail address.")}
)

// ReminderPlan is whom Remind would reach now.
type ReminderPlan struct {
	Due, Recent int       // people who would get an e-mail, and people who got one less than ReminderPause ago
	On          time.Time // the day on which people who still have time must have set up; zero: no one has a day
}

// PlanReminders returns whom Remind would reach now.
func (s *Service) PlanReminders(ctx context.Context, by Caller) (p ReminderPlan, err error) {
	if err := s.MayAct(by, RemindPeople); err != nil {
		return p, err
	}
	now := s.Now()
	for _, role := range Roles {
		if on, ok := by.policy.Due(User{Role: role}, now); ok {
			p.On = on
		}
	}
	return p, s.Store.Read(ctx, func(tx Tx) (err error) {
		p.Due, p.Recent, err = tx.CountReminders(by.workspace.ID, now.Add(-ReminderPause))
		return err
	})
}

// Remind mails a reminder to everyone who can sign in and has no two-factor authentication, but to each person at most
// one in ReminderPause. It queues the first 1,000; Run queues the others. ErrNobodyToRemind means that no one is due.
func (s *Service) Remind(ctx context.Context, by Caller) (r Reminders, err error) {
	if by.session == nil {
		return r, ErrSignedOut
	}
	return r, s.write(ctx, func(tx Tx) error {
		if _, err := tx.LockOwners(by.workspace.ID); err != nil {
			return err
		}
		me, err := s.actor(tx, by, access{may: RemindPeople})
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
		detail := map[string]string{}
		if !r.Open() {
			detail["people"] = strconv.Itoa(r.Queued)
		}
		return s.record(tx, by, "two_factor.reminded", "", Done, detail)
	})
}

// Remindable returns the error that RemindPerson would return now, or nil.
func (u User) Remindable(now time.Time) error {
	switch {
	case u.State != Active:
		return ErrNotActive
	case u.TwoFactor:
		return ErrHasTwoFactor
	case u.Address == "":
		return ErrNoAddress
	case now.Sub(u.RemindedAt) < ReminderPause:
		return ErrReminded
	}
	return nil
}

// RemindPerson mails a reminder to one person, under the same conditions as Remind.
func (s *Service) RemindPerson(ctx context.Context, by Caller, id string) error {
	return s.actOn(ctx, by, access{may: RemindPeople}, id, func(tx Tx, t *target) error {
		now := s.Now()
		if err := t.Remindable(now); err != nil {
			return err
		}
		from, err := tx.MailSender(t.Workspace)
		if err != nil {
			return err
		}
		policy, err := tx.Policy(t.Workspace)
		if err != nil {
			return err
		}
		if err := s.remind(tx, by, from, t.User, policy); err != nil {
			return err
		}
		t.RemindedAt = now
		if err := tx.SaveUser(t.User); err != nil {
			return err
		}
		return s.record(tx, by, "user.reminded", t.ID, Done, nil)
	})
}

// remind queues one reminder. If two-factor authentication will be required of the person, it names the day.
func (s *Service) remind(tx Tx, by Caller, from HostedWorkspace, u User, p Policy) error {
	if on, ok := p.Due(u, s.Now()); ok {
		return s.notifyFrom(tx, by, from, u, u.Address, "two_factor.reminder_dated", map[string]any{"on": on})
	}
	return s.notifyFrom(tx, by, from, u, u.Address, "two_factor.reminder", nil)
}

// QueueReminders queues the remaining mails of all open rounds, page by page. Package background calls it. Several nodes may run it at
// the same time.
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

// remindOn queues one page. more reports whether there may be others.
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

// remindSome queues the next page of a round. A person's mail and its time are saved in one transaction, so that after
// a crash the next page begins where the last one ended. The workspace's row must be locked, because this locks many
// users. If the first page is empty, it writes nothing and returns ErrNobodyToRemind.
func (s *Service) remindSome(tx Tx, r Reminders) (Reminders, error) {
	now := s.Now()
	began := r.StartedAt
	if began.After(now) { // the clock was set back; with a later time, people would get a second reminder
		began = now
	}
	people, err := tx.TakeDue(r.Workspace, began.Add(-ReminderPause), now, reminderPage)
	if err != nil {
		return r, err
	}
	if len(people) == 0 && r.Queued == 0 {
		return r, ErrNobodyToRemind
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
		if err := s.remind(tx, Caller{}, from, u, policy); err != nil {
			return r, err
		}
	}
	r.Queued += len(people)
	if len(people) < reminderPage {
		r.EndedAt = now
	}
	return r, tx.SaveReminders(r)
}
