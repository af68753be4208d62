package sallyport

import (
	"context"
	"time"
)

// Adoption is how many people a workspace has on a day, and how many of them have two-factor authentication. It counts
// only people who can sign in: neither invited nor suspended ones.
type Adoption struct {
	Workspace       string
	Day             time.Time // the start of the day, UTC
	People, Enabled int
	Passkeys        int // people who have a passkey
}

// Percent returns the percentage of people with two-factor authentication, rounded. It is 100 only if all have it, and
// 0 only if no one has it.
func (a Adoption) Percent() int { return percent(a.Enabled, a.People) }

// PasskeyPercent is Percent for people who have a passkey.
func (a Adoption) PasskeyPercent() int { return percent(a.Passkeys, a.People) }

func percent(some, all int) int {
	if some == 0 || some == all {
		return min(some, 1) * 100
	}
	return min(max((some*200+all)/(all*2), 1), 99)
}

// Without returns how many people have no two-factor authentication.
func (a Adoption) Without() int { return a.People - a.Enabled }

// AdoptionTx is the storage of counts of people.
type AdoptionTx interface {
	// CountAdoption counts the people of a workspace, or of every workspace that has any if workspace is empty. It
	// leaves Day empty.
	CountAdoption(workspace string) ([]Adoption, error)
	// Adoption returns what was saved for the days from first to last, oldest first.
	Adoption(workspace string, first, last time.Time) ([]Adoption, error)
	// SaveAdoption replaces what was saved for its day.
	SaveAdoption(Adoption) error
	// Resold returns the workspaces that a reseller created, newest first: those before the one with the id before, or
	// the newest if before is empty. It counts the people of each workspace that has at most count. For larger ones, it
	// returns what was saved for the day.
	Resold(reseller, before string, day time.Time, count, limit int) ([]Resold, error)
}

const (
	// AdoptionDays is how far back an Overview goes.
	AdoptionDays = 90
	// OverviewPeople is how many people an Overview names.
	OverviewPeople = 10

	countAgain = 10_000 // up to so many people are counted for each Overview
)

// Day returns the start of the day of t, in UTC.
func Day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// Overview is the state of two-factor authentication in a workspace.
type Overview struct {
	Days      []Adoption // oldest first, at least one; the last is today
	Missing   []User     // the first people, by name, who can sign in and have none
	Reminders Reminders  // the newest round
	Steps     FirstSteps // for an owner
}

// Today returns the current figures.
func (o Overview) Today() Adoption { return o.Days[len(o.Days)-1] }

// Overview returns the state of the caller's workspace. If it has more than 10,000 people, the figures may be a minute
// old.
func (s *Service) Overview(ctx context.Context, by Caller) (o Overview, err error) {
	if err := s.MayAct(by, SeePeople); err != nil {
		return o, err
	}
	workspace, today := by.workspace.ID, Day(s.Now())
	return o, s.Store.Read(ctx, func(tx Tx) (err error) {
		if o.Days, err = tx.Adoption(workspace, today.AddDate(0, 0, 1-AdoptionDays), today); err != nil {
			return err
		}
		if o.Days, err = upTo(tx, workspace, today, o.Days); err != nil {
			return err
		}
		missing := PeopleRange{Workspace: workspace, Order: ByName, Filtered: true, Limit: OverviewPeople}
		for _, role := range Roles {
			missing.Cells = append(missing.Cells, PeopleCell{Role: role, State: Active}, PeopleCell{Role: role, State: Active, MustSetUp: true})
		}
		if o.Missing, err = tx.People(missing); err != nil {
			return err
		}
		if o.Reminders, err = tx.Reminders(workspace); err != nil {
			return err
		}
		o.Steps, err = s.firstSteps(tx, by)
		return err
	})
}

// upTo returns the days with today's count as the last one. It counts unless today's saved count is of so many people
// that counting takes long.
func upTo(tx Tx, workspace string, today time.Time, days []Adoption) ([]Adoption, error) {
	saved := len(days) > 0 && days[len(days)-1].Day.Equal(today)
	if saved && days[len(days)-1].People > countAgain {
		return days, nil
	}
	if saved {
		days = days[:len(days)-1]
	}
	now := Adoption{Workspace: workspace}
	counted, err := tx.CountAdoption(workspace)
	if len(counted) > 0 { // a workspace without people has no count
		now = counted[0]
	}
	now.Day = today
	return append(days, now), err
}
