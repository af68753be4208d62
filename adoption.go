package sallyport

import (
	"context"
	"slices"
	"time"
)

// Adoption is how many people a workspace has on a day, and how many of them have two-factor authentication. Those who
// can sign in are counted: neither the invited nor the suspended.
type Adoption struct {
	Workspace       string
	Day             time.Time // its beginning, UTC
	People, Enabled int
}

// Percent is how many of a hundred have two-factor authentication, rounded: but 100 only if all do, 0 only if nobody does.
func (a Adoption) Percent() int {
	if a.Enabled == 0 || a.Enabled == a.People {
		return min(a.Enabled, 1) * 100
	}
	return min(max((a.Enabled*200+a.People)/(a.People*2), 1), 99)
}

// Without is how many people are without two-factor authentication.
func (a Adoption) Without() int { return a.People - a.Enabled }

// AdoptionTx is the storage of counts of people.
type AdoptionTx interface {
	// CountAdoption counts the people of a workspace, or with none given of each that has any. The day is left out.
	CountAdoption(workspace string) ([]Adoption, error)
	// Adoption returns what was saved for the days from the first to the last one given, oldest first.
	Adoption(workspace string, first, last time.Time) ([]Adoption, error)
	// SaveAdoption replaces what was saved for its day.
	SaveAdoption(Adoption) error
	// Resold returns the workspaces that a reseller created, newest first, those before the one with the id given if
	// there is one. Up to so many people of each are counted; of more, what was saved for the day is taken.
	Resold(reseller, before string, day time.Time, count, limit int) ([]Resold, error)
}

const (
	// AdoptionDays is how far back an Overview goes.
	AdoptionDays = 90
	// OverviewPeople is how many people an Overview names.
	OverviewPeople = 10

	// A count is at most a minute old: countAge, and one countEvery until somebody looks.
	countEvery = 20 * time.Second
	countAge   = 40 * time.Second
	countSaved = 1000   // workspaces in one transaction
	countAgain = 10_000 // up to so many people are counted whenever somebody looks
)

// dayOf is the beginning of the day of t, UTC.
func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// CountAdoption counts the people of every workspace and saves it for today: the last count of a day stands. Run calls
// it; of several nodes one counts, less than once a minute.
func (s *Service) CountAdoption(ctx context.Context) error {
	now, mine := s.Now(), false
	err := s.Store.Write(ctx, func(tx Tx) (err error) {
		mine, err = tx.TakeTurn(TurnCount, now, countAge)
		return err
	})
	if err != nil || !mine {
		return err
	}
	var all []Adoption
	err = s.Store.Read(ctx, func(tx Tx) (err error) { // where it takes long, nobody waits for it
		all, err = tx.CountAdoption("")
		return err
	})
	for some := range slices.Chunk(all, countSaved) {
		if err != nil {
			break
		}
		err = s.Store.Write(ctx, func(tx Tx) error {
			for _, a := range some {
				a.Day = dayOf(now)
				if err := tx.SaveAdoption(a); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return err
}

// Overview is how a workspace stands with two-factor authentication.
type Overview struct {
	Days      []Adoption // oldest first, at least one; the last is today
	Missing   []User     // the first of those who can sign in and are without, by name
	Reminders Reminders  // the newest
	Steps     FirstSteps // of an owner
}

// Today is how things stand now.
func (o Overview) Today() Adoption { return o.Days[len(o.Days)-1] }

// Overview returns how the caller's workspace stands. In a workspace of more than ten thousand people its figures may be
// a minute old.
func (s *Service) Overview(ctx context.Context, by Caller) (o Overview, err error) {
	if err := s.MayAct(by, SeePeople); err != nil {
		return o, err
	}
	workspace, today := by.workspace.ID, dayOf(s.Now())
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

// upTo returns the days with today's count as the last one. What was saved is taken only where counting takes long.
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
	if len(counted) > 0 { // of nobody there is no count
		now = counted[0]
	}
	now.Day = today
	return append(days, now), err
}
