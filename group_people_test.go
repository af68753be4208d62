package sallyport_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// asFile returns the ids of all people of a filter, as a CSV file has them.
func asFile(e *sallyporttest.Env, by sallyport.Caller, f sallyport.PeopleFilter) (all []string) {
	e.T.Helper()
	for after := (sallyport.User{}); ; {
		some, err := e.NextPeople(context.Background(), by, f, after)
		e.Check(err)
		if len(some) == 0 {
			return all
		}
		all, after = append(all, idsOf(some)...), some[len(some)-1]
	}
}

// TestPeopleOfAGroup: the list of a group has the right people, on pages that lead there and back, with every filter, order and
// search: whether the group is small or large, and the search finds few people or many.
func TestPeopleOfAGroup(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		now := e.Clock.Now()
		var people []sallyport.User
		for i := range 260 {
			address := fmt.Sprintf("x%04d@%s.example", i, []string{"north", "south"}[i%2])
			people = append(people, sallyport.User{
				Address: address, Folded: address, Name: []string{"Ada Okafor", "Zoë Nora", "Nora Ada", "Ben"}[i%4], Role: sallyport.Roles[i%11%4],
				State: sallyport.States[i%13%3], TwoFactor: i%3 == 0, CreatedAt: now.Add(time.Duration(i*7919%1000) * time.Minute),
			})
		}
		populate(e, people)
		in := map[string][]sallyport.User{}
		for size, every := range map[string]int{"large": 2, "small": 20, "empty": 1000} {
			g := grouped(e, size)
			for i, u := range people[1:] {
				if i%every == every-1 {
					e.Check(e.JoinGroup(context.Background(), e.Console(), g.ID, u.ID))
					in[g.ID] = append(in[g.ID], u)
				}
			}
			in[g.ID] = append(in[g.ID], []sallyport.User{}...)
		}
		by := e.Enrol(&e.Owner, "Owner's").By()
		limit := 0
		check := func(f sallyport.PeopleFilter) {
			t.Helper()
			want := expectedList(in[f.Group], f, by.Policy(), e.Clock.Now())
			got, last := pageThrough(e, by, f)
			file := asFile(e, by, f)
			if last.Group.ID != f.Group {
				t.Errorf("%+v: the list is of group %q", f, last.Group.ID)
			}
			if last.Order == sallyport.ByWord {
				slices.Sort(want)
				slices.Sort(got)
				slices.Sort(file)
			}
			if !slices.Equal(file, want) {
				t.Errorf("%+v as a file: %d of %d", f, len(file), len(want))
			}
			if last.Wide {
				for _, id := range got {
					if !slices.Contains(want, id) {
						t.Errorf("%+v: too wide, and %s is not in it", f, id)
					}
				}
			} else if !slices.Equal(got, want) || !last.More && last.Total != len(want) || last.More && last.Total > 0 && len(want) <= limit {
				t.Errorf("%+v: %d of %d (%d, more %t), by %s", f, len(got), len(want), last.Total, last.More, last.Order)
			}
		}
		seen := map[string]bool{}
		for _, limits := range [][2]int{{1000, 2000}, {20, 2000}, {20, 30}} {
			restore := sallyport.FindAtMost(limits[0], limits[1])
			limit = limits[0]
			for id := range in {
				for i, search := range []string{"", "nora", "ada north", "x0002", "ben south", "nobody"} {
					for j, f := range []sallyport.PeopleFilter{{}, {Role: sallyport.Admin}, {State: sallyport.Suspended}, {TwoFactor: sallyport.TwoFactorEnabled}, {Role: sallyport.Owner, State: sallyport.Active}} {
						f.Group, f.Search, f.Reverse = id, search, (i+j)%2 == 1
						f.Order = []sallyport.Order{"", sallyport.ByAddress, sallyport.ByCreated, sallyport.ByLastSignIn, sallyport.ByTwoFactor}[(i+j)%5]
						check(f)
						list, err := e.People(context.Background(), by, f, "", "")
						e.Check(err)
						seen[fmt.Sprint(list.Order == sallyport.ByWord, list.Wide)] = true
					}
				}
			}
			restore()
		}
		if len(seen) != 3 {
			t.Errorf("not every kind of list was seen: %v", seen)
		}
		e.Exec("UPDATE users SET locked_by = 'code', locked_until = $1 WHERE id IN ('usr_00002', 'usr_00003', 'usr_00001')", now.Add(time.Hour).UnixMilli())
		for id, all := range in {
			want := 0
			for _, u := range all {
				if u.State == sallyport.Active && slices.Contains([]string{"usr_00001", "usr_00002", "usr_00003"}, u.ID) {
					want++
				}
			}
			f := sallyport.PeopleFilter{Group: id, State: sallyport.Locked}
			if got, _ := pageThrough(e, by, f); len(got) != want || len(asFile(e, by, f)) != want {
				t.Errorf("locked in %s: %v, want %d", id, got, want)
			}
		}
	})
}

// TestGroupsFollowTheirPeople: the copies of a user's data for the lists of groups follow each change.
func TestGroupsFollowTheirPeople(t *testing.T) {
	defer sallyport.FindAtMost(0, 100)() // so that the list is read from these copies
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		b := e.Enrol(&e.Owner, "Owner's")
		g, mia := grouped(e, "Staff"), e.Add("mia@acme.example", sallyport.Member)
		e.Check(e.JoinGroup(ctx, b.By(), g.ID, mia.ID))
		for _, step := range []struct {
			what          string
			do            func() error
			search        string
			filter, other sallyport.PeopleFilter
		}{
			{"is a member", func() error { return nil }, "mia", sallyport.PeopleFilter{Role: sallyport.Member}, sallyport.PeopleFilter{Role: sallyport.Admin}},
			{"is made an admin", func() error { return e.ChangeRole(ctx, b.By(), mia.ID, sallyport.Admin) }, "mia",
				sallyport.PeopleFilter{Role: sallyport.Admin}, sallyport.PeopleFilter{Role: sallyport.Member}},
			{"enrols", func() error { e.Enrol(&mia, "Mia's"); return nil }, "mia",
				sallyport.PeopleFilter{TwoFactor: sallyport.TwoFactorEnabled}, sallyport.PeopleFilter{TwoFactor: sallyport.TwoFactorDisabled}},
			{"takes another name", func() error { return e.Rename(ctx, signedIn(e, mia).By(), "Ndidi Okafor") }, "okafor acme",
				sallyport.PeopleFilter{State: sallyport.Active}, sallyport.PeopleFilter{State: sallyport.Suspended}},
			{"is suspended", func() error { return e.Suspend(ctx, b.By(), mia.ID) }, "ndidi",
				sallyport.PeopleFilter{State: sallyport.Suspended}, sallyport.PeopleFilter{State: sallyport.Active}},
		} {
			e.Check(step.do())
			for f, want := range map[sallyport.PeopleFilter]int{step.filter: 1, step.other: 0} {
				f.Group = g.ID
				for _, f.Search = range []string{"", step.search} {
					if list, err := e.People(ctx, b.By(), f, "", ""); err != nil || len(list.People) != want {
						t.Errorf("%s: %+v: %d, %v", step.what, f, len(list.People), err)
					}
				}
			}
		}
	})
}
