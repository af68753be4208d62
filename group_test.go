package sallyport_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// grouped returns a new group of the first workspace.
func grouped(e *sallyporttest.Env, name string) sallyport.Group {
	e.T.Helper()
	g, err := e.CreateGroup(context.Background(), e.Console(), name)
	e.Check(err)
	return g
}

// opened returns an app that the groups open.
func opened(e *sallyporttest.Env, name string, groups ...string) sallyport.App {
	e.T.Helper()
	a, err := e.CreateApp(context.Background(), e.Console(), sallyport.App{
		AppDetails: sallyport.AppDetails{Name: name, Access: sallyport.AccessGroups, Groups: groups, Level: sallyport.LevelPolicy},
	})
	e.Check(err)
	return a
}

// people returns how many people a group says it has, and the names of those it lists.
func members(e *sallyporttest.Env, id string) (n int, names []string) {
	e.T.Helper()
	v, err := e.Group(context.Background(), e.Console(), id, "", "", "")
	e.Check(err)
	for _, u := range v.People.People {
		names = append(names, u.Name)
	}
	return v.Group.People, names
}

func TestGroupNames(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx, console := context.Background(), e.Console()
		for _, test := range []struct {
			typed, name string
			want        error
		}{
			{" Staff ", "Staff", nil},
			{"STAFF", "", sallyport.ErrGroupNameTaken},
			{"Ｓｔａｆｆ", "", sallyport.ErrGroupNameTaken},
			{"", "", sallyport.ErrGroupName},
			{" \t ", "", sallyport.ErrGroupName},
			{"a,b", "", sallyport.ErrGroupName},
			{"a，b", "", sallyport.ErrGroupName},
			{"a\nb", "", sallyport.ErrGroupName},
			{"a\u202eb", "", sallyport.ErrGroupName},
			{strings.Repeat("é", 64), strings.Repeat("é", 64), nil},
			{strings.Repeat("e", 65), "", sallyport.ErrGroupName},
		} {
			g, err := e.CreateGroup(ctx, console, test.typed)
			if !errors.Is(err, test.want) || err == nil && g.Name != test.name {
				t.Errorf("%q: %q, %v, want %v", test.typed, g.Name, err, test.want)
			}
		}
		ops := grouped(e, "Ops")
		for typed, want := range map[string]error{"staff": sallyport.ErrGroupNameTaken, "OPS": nil, "x,y": sallyport.ErrGroupName} {
			if err := e.RenameGroup(ctx, console, ops.ID, typed); !errors.Is(err, want) {
				t.Errorf("renamed to %q: %v, want %v", typed, err, want)
			}
		}
		list, err := e.Groups(ctx, console, "o", "", "")
		e.Check(err)
		if len(list.Groups) != 1 || list.Groups[0].Name != "OPS" || list.Before || list.Beyond {
			t.Errorf("groups that begin with o: %+v", list)
		}
		e.Check(e.DeleteGroup(ctx, console, ops.ID))
		for what, err := range map[string]error{
			"deleted": e.DeleteGroup(ctx, console, ops.ID), "renamed": e.RenameGroup(ctx, console, ops.ID, "x"),
			"joined": e.JoinGroup(ctx, console, ops.ID, e.Owner.ID), "left": e.LeaveGroup(ctx, console, ops.ID, e.Owner.ID),
		} {
			if !errors.Is(err, sallyport.ErrNotFound) {
				t.Errorf("%s after it was deleted: %v", what, err)
			}
		}
		var kinds []string
		for _, row := range e.Query("SELECT kind, detail FROM events WHERE kind LIKE 'group.%' ORDER BY kind") {
			kinds = append(kinds, row[0])
			if !strings.Contains(row[1], `"group":"grp_`) || !strings.Contains(row[1], `"name":"`) {
				t.Errorf("%s does not say which group: %s", row[0], row[1])
			}
		}
		if got := strings.Join(kinds, " "); got != "group.created group.created group.created group.deleted group.renamed" {
			t.Errorf("events: %s", got)
		}
	})
}

func TestMemberships(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx, console := context.Background(), e.Console()
		staff, ops := grouped(e, "Staff"), grouped(e, "Ops")
		mia, ben := e.Add("mia@acme.example", sallyport.Member), e.Add("ben@acme.example", sallyport.Member)
		e.Check(e.JoinGroup(ctx, console, "STAFF", "Mia@acme.example")) // as an operator types them
		e.Check(e.JoinGroup(ctx, console, staff.ID, mia.ID))
		e.Check(e.JoinGroup(ctx, console, staff.ID, ben.ID))
		e.Check(e.JoinGroup(ctx, console, ops.ID, mia.ID))
		if n, names := members(e, staff.ID); n != 2 || len(names) != 2 {
			t.Errorf("%d people, and %q", n, names)
		}
		of, err := e.GroupsOfPeople(ctx, e.Enrol(&e.Owner, "Phone").By(), []sallyport.User{mia.User, ben.User, e.Owner.User})
		e.Check(err)
		if len(of[mia.ID]) != 2 || of[mia.ID][0].Name != "Ops" || of[mia.ID][1].Name != "Staff" || len(of[ben.ID]) != 1 || len(of[e.Owner.ID]) != 0 {
			t.Errorf("groups of people: %v", of)
		}
		e.Check(e.LeaveGroup(ctx, console, staff.ID, ben.ID))
		e.Check(e.LeaveGroup(ctx, console, staff.ID, ben.ID))
		if err := e.JoinGroup(ctx, console, staff.ID, "usr_0"); !errors.Is(err, sallyport.ErrNotFound) {
			t.Errorf("nobody joins: %v", err)
		}
		e.Check(e.Delete(ctx, console, mia.ID))
		for _, g := range []sallyport.Group{staff, ops} {
			if n, names := members(e, g.ID); n != 0 || len(names) != 0 {
				t.Errorf("%s after she was deleted: %d people, and %q", g.Name, n, names)
			}
		}
		for id, want := range map[string]string{mia.ID: "[[group.joined 2]]", ben.ID: "[[group.joined 1] [group.left 1]]"} {
			if got := fmt.Sprint(e.Query("SELECT kind, count(*) FROM events WHERE kind LIKE 'group.%' AND subject = $1 GROUP BY kind ORDER BY kind", id)); got != want {
				t.Errorf("events: %s, want %s", got, want)
			}
		}
	})
}

// TestI66_Groups: a workspace and a person have a limited number of groups, and deleting a large one takes bounded steps.
func TestI66_Groups(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx, console := context.Background(), e.Console()
		last := grouped(e, "Last")
		series := "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) "
		e.Exec(series+`INSERT INTO groups (workspace_id, id, name, name_folded, created_at) SELECT w.id, 'grp_' || (100000 + i), 'g' || i, 'g' || i, 0 FROM n, workspaces w`, sallyport.MaxGroups-1)
		if _, err := e.CreateGroup(ctx, console, "One more"); !errors.Is(err, sallyport.ErrGroupsLimit) {
			t.Errorf("one more group: %v", err)
		}
		mia := e.Add("mia@acme.example", sallyport.Member)
		for i := range sallyport.MaxGroupsOfPerson {
			e.Check(e.Store.Write(ctx, func(tx sallyport.Tx) error {
				_, err := tx.Join(sallyport.Group{Workspace: mia.Workspace, ID: fmt.Sprint("grp_", 100001+i)}, mia.User)
				return err
			}))
		}
		if err := e.JoinGroup(ctx, console, last.ID, mia.ID); !errors.Is(err, sallyport.ErrGroupsOfPerson) {
			t.Errorf("one more group of one person: %v", err)
		}
		e.Check(e.JoinGroup(ctx, console, "grp_100001", mia.ID)) // she is in it already
		e.Exec(series+`INSERT INTO users (workspace_id, id, address, address_folded, name, name_folded, role, state, epoch, created_at)
			SELECT w.id, 'usr_' || (1000000 + i), '', '', 'P', 'p', 'member', 'active', 1, 0 FROM n, workspaces w`, 52_000)
		e.Exec(`INSERT INTO memberships (workspace_id, user_id, group_id, words, role, state, two_factor, must_set_up, joined_under)
			SELECT workspace_id, id, $1, 'p', role, state, 0, 0, 0 FROM users WHERE name = 'P'`, last.ID)
		left := func() string {
			return e.Query("SELECT count(*) FROM memberships WHERE group_id = $1", last.ID)[0][0]
		}
		e.Check(e.DeleteGroup(ctx, console, last.ID))
		if n := left(); n == "0" || n == "52000" {
			t.Errorf("%s memberships are left, want some but not all", n)
		}
		owner := e.Enrol(&e.Owner, "Phone")
		if list, err := e.People(ctx, owner.By(), sallyport.PeopleFilter{Group: last.ID}, "", ""); err != nil || len(list.People) > 0 {
			t.Errorf("people of a deleted group: %d, %v", len(list.People), err)
		}
		e.Check(e.EraseDeleted(ctx))
		if n := left(); n != "0" {
			t.Errorf("%s memberships are left in the end", n)
		}
	})
}

// TestI22_GroupsThatOpenAnApp: only a group that opens something needs fresh proof, for each change; one that began with a
// recovery code cannot change it at all (I60).
func TestI22_GroupsThatOpenAnApp(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		mia := e.Add("mia@acme.example", sallyport.Member)
		owner := e.Owner
		client := e.Enrol(&owner, "Phone")
		restricted, err := withRecoveryCode(e, owner, owner.RecoveryCodes[0])
		e.Check(err)
		plain, opens := grouped(e, "Plain"), grouped(e, "Opens")
		opened(e, "Wiki", opens.ID)
		e.Clock.Advance(sallyport.StepUpLimit)
		changes := map[string]func(by sallyport.Caller, id string) error{
			"rename": func(by sallyport.Caller, id string) error { return e.RenameGroup(ctx, by, id, id) },
			"join":   func(by sallyport.Caller, id string) error { return e.JoinGroup(ctx, by, id, mia.ID) },
			"leave":  func(by sallyport.Caller, id string) error { return e.LeaveGroup(ctx, by, id, mia.ID) },
			"delete": func(by sallyport.Caller, id string) error { return e.DeleteGroup(ctx, by, id) },
		}
		for name, change := range changes {
			if err := change(restricted.By(), opens.ID); !errors.Is(err, sallyport.ErrRestricted) {
				t.Errorf("%s in a session that began with a recovery code: %v", name, err)
			}
			var got *sallyport.Error
			if err := change(client.By(), opens.ID); !errors.As(err, &got) || got.Code != sallyport.ErrStepUp.Code || got.Proof != sallyport.StrongFactor {
				t.Errorf("%s of a group that opens an app: %v", name, err)
			}
		}
		for _, name := range []string{"rename", "join", "leave", "delete"} {
			if err := changes[name](client.By(), plain.ID); err != nil {
				t.Errorf("%s of a group that opens nothing: %v", name, err)
			}
		}
		if _, err := e.CreateGroup(ctx, restricted.By(), "New"); err != nil {
			t.Errorf("a new group opens nothing: %v", err)
		}
		token, err := e.StepUpCode(ctx, client.By(), owner.Code(e.Clock.Now()), sallyport.StrongFactor)
		e.Check(err)
		client.Keep(sallyport.SignInResult{Session: token})
		for _, name := range []string{"rename", "join", "leave", "delete"} {
			if err := changes[name](client.By(), opens.ID); err != nil {
				t.Errorf("%s with fresh proof: %v", name, err)
			}
		}
	})
}

// TestI28_GroupsAndHigherRoles: who may not manage groups may not read them either, and a person of a higher role, or of
// another workspace, is not found.
func TestI28_GroupsAndHigherRoles(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		g := grouped(e, "Staff")
		ada, max, mia := e.Add("ada@acme.example", sallyport.Admin), e.Add("max@acme.example", sallyport.Manager), e.Add("mia@acme.example", sallyport.Member)
		admin, manager, member := e.Enrol(&ada, "Ada's"), e.Enrol(&max, "Max's"), e.Enrol(&mia, "Mia's")
		e.Check(e.JoinGroup(ctx, e.Console(), g.ID, e.Owner.ID))
		for name, client := range map[string]*sallyporttest.Client{"a manager": manager, "a member": member} {
			by := client.By()
			for verb, err := range map[string]error{
				"create": second(e.CreateGroup(ctx, by, "x")), "rename": e.RenameGroup(ctx, by, g.ID, "x"), "delete": e.DeleteGroup(ctx, by, g.ID),
				"join": e.JoinGroup(ctx, by, g.ID, mia.ID), "leave": e.LeaveGroup(ctx, by, g.ID, e.Owner.ID),
				"list": second(e.Groups(ctx, by, "", "", "")), "read": second(e.Group(ctx, by, g.ID, "", "", "")),
				"candidates": second(e.Candidates(ctx, by, g.ID, "m")), "groups for": second(e.GroupsFor(ctx, by, mia.ID, "", "", "")),
				"member": second(e.Member(ctx, by, g.ID, mia.ID)),
			} {
				if !errors.Is(err, sallyport.ErrNotAllowed) {
					t.Errorf("%s, %s: %v", name, verb, err)
				}
			}
		}
		by := admin.By()
		for verb, err := range map[string]error{
			"join": e.JoinGroup(ctx, by, g.ID, e.Owner.ID), "leave": e.LeaveGroup(ctx, by, g.ID, e.Owner.ID),
			"groups for": second(e.GroupsFor(ctx, by, e.Owner.ID, "", "", "")), "member": second(e.Member(ctx, by, g.ID, e.Owner.ID)),
			"by address": e.JoinGroup(ctx, by, g.ID, mia.Address), "by name": e.JoinGroup(ctx, by, "Staff", mia.ID),
		} {
			if !errors.Is(err, sallyport.ErrNotFound) {
				t.Errorf("an admin, the owner, %s: %v", verb, err)
			}
		}
		e.Check(e.JoinGroup(ctx, by, g.ID, ada.ID)) // herself
		e.Exec("INSERT INTO workspaces (id, name, created_at) VALUES ('wsp_other', 'Other', 1)")
		e.Exec("INSERT INTO groups (workspace_id, id, name, name_folded, created_at) VALUES ('wsp_other', 'grp_other', 'Other', 'other', 1)")
		for verb, err := range map[string]error{
			"join": e.JoinGroup(ctx, by, "grp_other", mia.ID), "delete": e.DeleteGroup(ctx, by, "grp_other"), "rename": e.RenameGroup(ctx, by, "grp_other", "x"),
			"read": second(e.Group(ctx, by, "grp_other", "", "", "")), "candidates": second(e.Candidates(ctx, by, "grp_other", "m")),
		} {
			if !errors.Is(err, sallyport.ErrNotFound) {
				t.Errorf("a group of another workspace, %s: %v", verb, err)
			}
		}
	})
}

// second returns the error of a call with two results.
func second[T any](_ T, err error) error { return err }

// TestGroupRaces: of concurrent changes each counts once, and nobody is in a group that is gone.
func TestGroupRaces(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx, console := context.Background(), e.Console()
		g := grouped(e, "Staff")
		mia := e.Add("mia@acme.example", sallyport.Member)
		at := func(all ...func() error) (failed []error) {
			var mu sync.Mutex
			var group sync.WaitGroup
			for _, fn := range all {
				group.Go(func() {
					if err := fn(); err != nil {
						mu.Lock()
						failed = append(failed, err)
						mu.Unlock()
					}
				})
			}
			group.Wait()
			return failed
		}
		join := func() error { return e.JoinGroup(ctx, console, g.ID, mia.ID) }
		if failed := at(join, join, join, join); len(failed) > 0 {
			t.Errorf("joining at once: %v", failed)
		}
		if n := len(e.Query("SELECT id FROM events WHERE kind = 'group.joined'")); n != 1 {
			t.Errorf("%d events about one who joined", n)
		}
		if n, names := members(e, g.ID); n != 1 || len(names) != 1 {
			t.Errorf("%d people, and %q", n, names)
		}
		same := func() error { return second(e.CreateGroup(ctx, console, "Same")) }
		if failed := at(same, same, same); len(failed) != 2 || !errors.Is(failed[0], sallyport.ErrGroupNameTaken) {
			t.Errorf("the same name at once: %v", failed)
		}
		for i := range 8 {
			g := grouped(e, fmt.Sprint("Short ", i))
			p := e.Add(fmt.Sprintf("p%d@acme.example", i), sallyport.Member)
			failed := at(
				func() error { return e.JoinGroup(ctx, console, g.ID, p.ID) },
				func() error { return e.DeleteGroup(ctx, console, g.ID) },
				func() error { return e.JoinGroup(ctx, console, g.ID, mia.ID) },
				func() error { return e.Delete(ctx, console, p.ID) },
			)
			for _, err := range failed {
				if !errors.Is(err, sallyport.ErrNotFound) {
					t.Errorf("joining a group that is deleted: %v", err)
				}
			}
		}
		e.Check(e.EraseDeleted(ctx))
		if n := e.Query("SELECT count(*) FROM memberships")[0][0]; n != "1" {
			t.Errorf("%s memberships are left, want hers", n)
		}
	})
}

// TestGroupOpens: what a group opens and who gets in, before and after it is deleted.
func TestGroupOpens(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx, console := context.Background(), e.Console()
		staff, ops := grouped(e, "Staff"), grouped(e, "Ops")
		alone, both := opened(e, "Wiki", staff.ID), opened(e, "Board", staff.ID, ops.ID)
		mia := e.Add("mia@acme.example", sallyport.Member)
		e.Check(e.JoinGroup(ctx, console, staff.ID, mia.ID))
		v, err := e.Group(ctx, console, staff.ID, "", "", "")
		e.Check(err)
		want := []sallyport.OpenedApp{{ID: both.ID, Name: "Board"}, {ID: alone.ID, Name: "Wiki", Alone: true}}
		if !slices.Equal(v.Opens, want) {
			t.Errorf("it opens %v, want %v", v.Opens, want)
		}
		ruled, err := e.CreateApp(ctx, console, sallyport.App{
			AppDetails: sallyport.AppDetails{Name: "Shop", Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy},
			Proxy:      sallyport.AppProxy{Hosts: []string{"shop.example.com"}, Rules: []string{"/pay = groups:ops,STAFF"}},
		})
		e.Check(err)
		v, err = e.Group(ctx, console, staff.ID, "", "", "")
		e.Check(err)
		if want = slices.Insert(want, 1, sallyport.OpenedApp{ID: ruled.ID, Name: "Shop"}); !slices.Equal(v.Opens, want) {
			t.Errorf("with a rule, it opens %v, want %v", v.Opens, want)
		}
		may := func(a sallyport.App) (may bool) {
			e.Check(e.Store.Read(ctx, func(tx sallyport.Tx) (err error) {
				if a, _, err = tx.TakeApp(a.Workspace, a.ID); err == nil {
					may, err = tx.MayUse(a, mia.ID)
				}
				return err
			}))
			return may
		}
		if !may(alone) || !may(both) {
			t.Error("who is in the group may not use its apps")
		}
		e.Check(e.DeleteGroup(ctx, console, staff.ID))
		if may(alone) || may(both) {
			t.Error("who was in a group that is deleted may still use its apps")
		}
		for id, want := range map[string]int{alone.ID: 0, both.ID: 1} {
			a, err := e.App(ctx, console, id)
			e.Check(err)
			if a.Access != sallyport.AccessGroups || len(a.Groups) != want {
				t.Errorf("%s is open to %s %v", a.Name, a.Access, a.Groups)
			}
		}
	})
}
