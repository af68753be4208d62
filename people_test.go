package sallyport_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// populate adds people directly to the store, as an import would.
func populate(e *sallyporttest.Env, people []sallyport.User) {
	e.T.Helper()
	e.Check(e.Store.Write(context.Background(), func(tx sallyport.Tx) error {
		var ids []string
		for i, u := range people {
			u.Workspace, u.ID, u.Epoch = e.Owner.Workspace, fmt.Sprintf("usr_%05d", i), 1
			if err := tx.InsertUser(u); err != nil {
				return err
			}
			if err := tx.SaveLastSignIn(u); err != nil {
				return err
			}
			people[i] = u
			ids = append(ids, u.ID)
		}
		return tx.MoveSignedIn(e.Owner.Workspace, ids)
	}))
}

// finds is a search in its simplest form.
func finds(u sallyport.User, search string) bool {
	for _, word := range fold.Words(fold.Name(search)) {
		if !slices.ContainsFunc(fold.Words(fold.Name(u.Name), u.Folded, fold.Name(u.Address)), func(w string) bool { return strings.HasPrefix(w, word) }) {
			return false
		}
	}
	return true
}

// expectedList returns the list of a filter in its simplest form.
func expectedList(people []sallyport.User, f sallyport.PeopleFilter, p sallyport.Policy, now time.Time) (ids []string) {
	rank := func(u sallyport.User) int {
		return slices.Index([]string{sallyport.TwoFactorEnabled, sallyport.TwoFactorRequired, sallyport.TwoFactorDisabled}, p.TwoFactorState(u, now))
	}
	var all []sallyport.User
	for _, u := range people {
		if (f.Role == "" || f.Role == u.Role) && (f.State == "" || f.State == u.State) &&
			(f.TwoFactor == "" || f.TwoFactor == p.TwoFactorState(u, now)) && finds(u, f.Search) {
			all = append(all, u)
		}
	}
	slices.SortFunc(all, func(a, b sallyport.User) int {
		c := 0
		switch f.Order {
		case sallyport.ByAddress:
			c = strings.Compare(a.Folded, b.Folded)
		case sallyport.ByCreated:
			c = a.CreatedAt.Compare(b.CreatedAt)
		case sallyport.ByLastSignIn:
			c = a.LastSignInAt.Compare(b.LastSignInAt)
		case sallyport.ByTwoFactor:
			c = cmp.Or(rank(a)-rank(b), strings.Compare(fold.Name(a.Name), fold.Name(b.Name)))
		default:
			c = strings.Compare(fold.Name(a.Name), fold.Name(b.Name))
		}
		c = cmp.Or(c, strings.Compare(a.ID, b.ID))
		if f.Reverse {
			return -c
		}
		return c
	})
	for _, u := range all {
		ids = append(ids, u.ID)
	}
	return ids
}

// pageThrough pages through a list to its end and back, and returns the ids in their order.
func pageThrough(e *sallyporttest.Env, by sallyport.Caller, f sallyport.PeopleFilter) (ids []string, last sallyport.PeopleList) {
	e.T.Helper()
	ctx := context.Background()
	list, err := e.People(ctx, by, f, "", "")
	e.Check(err)
	if list.First != min(1, len(list.People)) {
		e.T.Errorf("%+v: the first page begins at %d", f, list.First)
	}
	pages := []sallyport.PeopleList{list}
	for list.Beyond {
		list, err = e.People(ctx, by, f, list.People[len(list.People)-1].ID, "")
		e.Check(err)
		pages = append(pages, list)
	}
	for i := len(pages) - 1; i > 0; i-- {
		back, err := e.People(ctx, by, f, "", pages[i].People[0].ID)
		e.Check(err)
		if got, want := idsOf(back.People), idsOf(pages[i-1].People); !slices.Equal(got, want) || back.First != pages[i-1].First || !back.Beyond || back.Before != (i > 1) {
			e.T.Errorf("%+v: back on page %d: %+v, then %+v", f, i, back, pages[i-1])
		}
	}
	for _, p := range pages {
		if p.First != 0 && p.First != len(ids)+1 {
			e.T.Errorf("%+v: the page after %d begins at %d", f, len(ids), p.First)
		}
		ids = append(ids, idsOf(p.People)...)
	}
	return ids, list
}

func idsOf(people []sallyport.User) (ids []string) {
	for _, u := range people {
		ids = append(ids, u.ID)
	}
	return ids
}

// TestPeopleLists: for every filter, order and search, the list has the right people, each once and in order, on pages
// that lead there and back, and it says how many people there are.
func TestPeopleLists(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		names := []string{"Anna Okafor", "Zoë O'Neill-Okafor", "Ana Ann Annis", "山田 太郎", "Okan Family", "maria  GARCÍA", "X"}
		domains := []string{"northwind.example", "acme.example", "münchen.example"}
		now := e.Clock.Now()
		var people []sallyport.User
		for i := range 160 {
			address, folded, err := fold.Address(fmt.Sprintf("%s.%d@%s", []string{"Anna", "o_k", "z+family"}[i%3], i, domains[i%7%3]))
			e.Check(err)
			u := sallyport.User{
				Address: address, Folded: folded, Name: names[i*5%len(names)], Role: sallyport.Roles[i%11%4],
				State: sallyport.States[i%13%3], TwoFactor: i%3 == 0, MustSetUp: i%9 == 1, CreatedAt: now.Add(time.Duration(i*7919%1000) * time.Minute),
			}
			if i%4 > 0 {
				u.LastSignInAt, u.LastSignInMethod = now.Add(time.Duration(i*6007%500)*time.Minute), sallyport.ByAuthenticator
			}
			people = append(people, u)
		}
		populate(e, people)
		owner := e.Owner
		by := e.Enrol(&owner, "Owner's").By()
		me, _ := by.User()
		people = append(people, me)
		for turn, order := range []sallyport.Order{"", sallyport.ByAddress, sallyport.ByCreated, sallyport.ByLastSignIn, sallyport.ByTwoFactor} {
			for i, search := range []string{"", "okafor", "OKA", "ann", "family", "northwind", "münchen xn", "oka acme anna", "neill", "kafor", "太", "garcía", "e", "nobody here", "@ -"} {
				for j, f := range []sallyport.PeopleFilter{{}, {Role: sallyport.Admin}, {State: sallyport.Suspended}, {TwoFactor: sallyport.TwoFactorEnabled},
					{TwoFactor: sallyport.TwoFactorRequired}, {TwoFactor: sallyport.TwoFactorDisabled, Role: sallyport.Member, State: sallyport.Active}} {
					if search != "" && (turn+i+j)%6 != 0 {
						continue // combine each search with each filter only once
					}
					f.Order, f.Search, f.Reverse = order, search, (i/6+j)%2 == 1
					want := expectedList(people, f, by.Policy(), e.Clock.Now())
					got, last := pageThrough(e, by, f)
					if !slices.Equal(got, want) || last.Total != len(want) || last.More {
						t.Fatalf("%+v: %d of %d %v, %v", f, len(got), last.Total, got, want)
					}
				}
			}
		}
	})
}

// TestPeopleSearchFindsMany: a search that finds too many people to sort lists them by the words found. It still finds
// all of them. If a filter or another word narrows it, it is sorted again.
func TestPeopleSearchFindsMany(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		var people []sallyport.User
		for i := range sallyport.MaxSorted + 130 {
			address := fmt.Sprintf("a%04d@northwind.example", i*7919%5000)
			u := sallyport.User{Address: address, Folded: address, Name: fmt.Sprintf("Nora%d North", i%900), Role: sallyport.Member, State: sallyport.Active, CreatedAt: time.UnixMilli(int64(1 + i))}
			if i%100 == 0 {
				u.Role, u.Name = sallyport.Admin, "Seldom Admin"
			}
			people = append(people, u)
		}
		populate(e, people)
		owner := e.Owner
		by := e.Enrol(&owner, "Owner's").By()
		for i, search := range []string{"north", "n northw"} {
			for _, reverse := range []bool{i == 1} {
				f := sallyport.PeopleFilter{Search: search, Order: sallyport.ByCreated, Reverse: reverse}
				got, last := pageThrough(e, by, f)
				if last.Order != sallyport.ByWord || !last.More {
					t.Errorf("%q: by %s, more %v", search, last.Order, last.More)
				}
				want := expectedList(people, f, by.Policy(), e.Clock.Now())
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%q: %d of %d, or some twice", search, len(got), len(want))
				}
				f.Role = sallyport.Admin
				if got, _ := pageThrough(e, by, f); !slices.Equal(got, expectedList(people, f, by.Policy(), e.Clock.Now())) {
					t.Errorf("%q among admins: %v", search, got)
				}
				f.Role, f.Search = "", search+" seldom"
				if got, _ := pageThrough(e, by, f); !slices.Equal(got, expectedList(people, f, by.Policy(), e.Clock.Now())) {
					t.Errorf("%q: %v", f.Search, got)
				}
				f.Search = search
				var all []string
				var after sallyport.User
				for {
					some, err := e.NextPeople(context.Background(), by, f, after)
					e.Check(err)
					if len(some) == 0 {
						break
					}
					all, after = append(all, idsOf(some)...), some[len(some)-1]
				}
				slices.Sort(all)
				if !slices.Equal(all, want) {
					t.Errorf("%q as a file: %d of %d", search, len(all), len(want))
				}
			}
		}
	})
}

// TestPeopleSearchTooWide: if each word finds more people than a page checks, the list says that people may be missing.
// A CSV file has everyone, and so has a list if one of the words finds few enough.
func TestPeopleSearchTooWide(t *testing.T) {
	defer sallyport.FindAtMost(20, 30)()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		var people []sallyport.User
		for i := range 200 {
			address := fmt.Sprintf("x%04d@%s.example", i, []string{"north", "south"}[i%2])
			u := sallyport.User{Address: address, Folded: address, Name: []string{"Ada", "Nora"}[i%2], Role: sallyport.Member, State: sallyport.Active, CreatedAt: time.UnixMilli(int64(1 + i))}
			if i%40 == 0 && i > 60 { // the only people with both words, and not among the first with either
				u.Name = "Nora Zwo"
			}
			people = append(people, u)
		}
		populate(e, people)
		owner := e.Owner
		by := e.Enrol(&owner, "Owner's").By()
		for search, wide := range map[string]bool{"nora north": true, "north nora": true, "nora": false, "north zwo": false, "nora north zw": false} {
			f := sallyport.PeopleFilter{Search: search}
			want := expectedList(people, f, by.Policy(), e.Clock.Now())
			slices.Sort(want)
			list, err := e.People(context.Background(), by, f, "", "")
			e.Check(err)
			if list.Wide != wide || !wide && len(list.People) != min(len(want), sallyport.PeoplePage) || wide && len(list.People) >= len(want) {
				t.Errorf("%q: too wide %t, %d of %d people", search, list.Wide, len(list.People), len(want))
			}
			var all []string
			for after := (sallyport.User{}); ; {
				some, err := e.NextPeople(context.Background(), by, f, after)
				e.Check(err)
				if len(some) == 0 {
					break
				}
				all, after = append(all, idsOf(some)...), some[len(some)-1]
			}
			slices.Sort(all)
			if !slices.Equal(all, want) {
				t.Errorf("%q as a file: %d of %d people", search, len(all), len(want))
			}
		}
	})
}

// TestPeopleAreFoundAsTheyAre: the copies of a user's data for lists follow each change, whichever verb makes it.
func TestPeopleAreFoundAsTheyAre(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		owner := e.Owner
		b := e.Enrol(&owner, "Owner's")
		mia := e.Add("mia@acme.example", sallyport.Member)
		found := func(search string, f sallyport.PeopleFilter) bool {
			f.Search = search
			f.Order = sallyport.ByLastSignIn
			list, err := e.People(ctx, b.By(), f, "", "")
			e.Check(err)
			f.Search = ""
			without, err := e.People(ctx, b.By(), f, "", "")
			e.Check(err)
			return slices.Contains(idsOf(list.People), mia.ID) && slices.Contains(idsOf(without.People), mia.ID)
		}
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
			if !found(step.search, step.filter) || found(step.search, step.other) {
				t.Errorf("%s: %v %v", step.what, found(step.search, step.filter), found(step.search, step.other))
			}
		}
		if n := e.Query(`SELECT count(*) FROM entries WHERE user_id = $1`, mia.ID)[0][0]; n != "5" { // ndidi okafor mia acme example
			t.Errorf("%s entries", n)
		}
		e.Check(e.Delete(ctx, b.By(), mia.ID))
		for _, table := range []string{"entries", "last_sign_ins"} {
			if n := e.Query(`SELECT count(*) FROM `+table+` WHERE user_id = $1`, mia.ID)[0][0]; n != "0" {
				t.Errorf("%s: %s rows of a deleted person", table, n)
			}
		}
	})
}

// TestListsFollowSignIns: the order by last sign-in has people in their place as soon as their sign-ins are sealed, also
// if one of them was changed, signed in again or deleted in between.
func TestListsFollowSignIns(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		owner := e.Owner
		b := e.Enrol(&owner, "Owner's")
		var people []sallyporttest.Person
		for _, name := range []string{"ada", "ben", "cleo", "dan"} {
			people = append(people, e.Add(name+"@acme.example", sallyport.Member))
		}
		order := func() (names []string) {
			list, err := e.People(ctx, b.By(), sallyport.PeopleFilter{Role: sallyport.Member, Order: sallyport.ByLastSignIn, Reverse: true}, "", "")
			e.Check(err)
			for _, u := range list.People {
				name, _, _ := strings.Cut(u.Address, "@")
				names = append(names, name)
			}
			return names
		}
		for _, i := range []int{2, 0, 3, 2, 1} {
			e.Clock.Advance(time.Second)
			signedIn(e, people[i])
		}
		b = signedIn(e, owner)
		e.Check(e.ChangeRole(ctx, b.By(), people[0].ID, sallyport.Manager))
		e.Check(e.ChangeRole(ctx, b.By(), people[0].ID, sallyport.Member))
		e.Check(e.Delete(ctx, b.By(), people[3].ID))
		e.Check(e.Seal(ctx))
		if got, want := order(), []string{"ben", "cleo", "ada"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		e.Clock.Advance(time.Second)
		signedIn(e, people[0])
		e.Check(e.Seal(ctx))
		if got, want := order(), []string{"ada", "ben", "cleo"}; !slices.Equal(got, want) {
			t.Errorf("after another sign-in: %v, want %v", got, want)
		}
	})
}
