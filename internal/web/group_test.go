package web_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

const groups = "/admin/groups"

// addGroup adds a group on its page, and returns its address.
func addGroup(t *testing.T, v *sallyporttest.Visitor, name string) string {
	t.Helper()
	if got := v.Post(groups+"/new", fields{"name": name}); got.Status != http.StatusSeeOther || !strings.HasPrefix(got.Location, groups+"/grp_") {
		t.Fatalf("group %q: %d %s %s", name, got.Status, got.Location, got.Alert())
	}
	return v.Page.Location
}

// opens makes an app that the groups at these addresses open.
func opens(e *sallyporttest.Env, name string, at ...string) {
	e.T.Helper()
	d := sallyport.AppDetails{Name: name, Access: sallyport.AccessGroups, Level: sallyport.LevelPolicy}
	for _, one := range at {
		d.Groups = append(d.Groups, strings.TrimPrefix(one, groups+"/"))
	}
	_, err := e.CreateApp(context.Background(), e.Console(), sallyport.App{AppDetails: d})
	e.Check(err)
}

func TestGroupPages(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, v := ownerOf(s)
		mia, ben := e.Add("mia@acme.example", sallyport.Member), e.Add("ben@acme.example", sallyport.Member)
		if got := v.Get(groups); !slices.Contains(got.Links(), groups) || !got.Has("There are no groups yet.") {
			t.Errorf("no groups: %s", got.Text())
		}
		for _, name := range []string{"", "a,b", strings.Repeat("x", 65)} {
			got := v.Post(groups+"/new", fields{"name": name})
			if got.Status != http.StatusUnprocessableEntity || got.Alert() == "" || got.Form("name").Values.Get("name") != name {
				t.Errorf("%q: %d %s", name, got.Status, got.Text())
			}
		}
		staff := addGroup(t, v, "Staff")
		if got := v.Follow(); !got.Has("Nobody is in this group yet.") || got.Notice() == "" {
			t.Errorf("a new group: %s", got.Text())
		}
		ops := addGroup(t, v, "Ops")
		if got := v.Post(staff, fields{"name": "OPS"}); got.Status != http.StatusUnprocessableEntity || got.Form("name").Values.Get("name") != "OPS" {
			t.Errorf("a taken name: %d %s", got.Status, got.Text())
		}
		if got := v.Post(staff, fields{"name": "Crew"}); got.Location != staff || !v.Follow().Has("Crew") {
			t.Errorf("renamed: %d %s", got.Status, got.Location)
		}
		found := v.Get(staff + "/add?q=acme")
		f := found.Form("back")
		if !found.Has("Add Mia") && !found.Has("mia@acme.example") {
			t.Fatalf("found: %s", found.Text())
		}
		f.Values.Set("user", mia.ID)
		if got := v.PostValues(f.Action, f.Values); got.Location != staff+"/add?q=acme" || !v.Follow().Has("In the group") {
			t.Errorf("added from the page of a search: %d %s", got.Status, got.Location)
		}
		v.Post(staff+"/add", fields{"user": ben.ID, "back": "https://evil.example/"})
		if v.Page.Location != staff {
			t.Errorf("back to %s", v.Page.Location)
		}
		v.Post(ops+"/add", fields{"user": mia.ID, "back": "/admin/users/" + mia.ID + "/groups"})
		if got := v.Page.Location; got != "/admin/users/"+mia.ID+"/groups" {
			t.Errorf("back to %s", got)
		}
		if got := v.Get(groups); !got.Has("Crew 2 ") || !got.Has("Ops 1 ") {
			t.Errorf("the list: %s", got.Text())
		}
		if got := v.Get(staff); !got.Has("2 people") || !got.Has("mia@acme.example") || !got.Has("ben@acme.example") {
			t.Errorf("the group: %s", got.Text())
		}
		if got := v.Get(staff + "?q=mia"); !got.Has("mia@acme.example") || got.Has("ben@acme.example") {
			t.Errorf("searched for: %s", got.Text())
		}
		if got := v.Get("/admin/users/" + mia.ID); !got.Has("GroupsCrew, Ops") || !slices.Contains(got.Links(), "/admin/users/"+mia.ID+"/groups") {
			t.Errorf("her page: %s", got.Text())
		}
		if got := v.Get("/admin/users/" + mia.ID + "/groups?q=cr"); !got.Has("In the group") {
			t.Errorf("her groups: %s", got.Text())
		}
		ask := v.Get(staff + "/remove?user=" + ben.ID + "&back=" + url.QueryEscape("/admin/users/"+ben.ID))
		f = ask.Form("user")
		if got := v.PostValues(f.Action, f.Values); got.Location != "/admin/users/"+ben.ID || !v.Follow().Has("GroupsNone") {
			t.Errorf("removed: %d %s %s", got.Status, got.Location, v.Page.Text())
		}
		if got := v.Get(staff + "/remove?user=" + ben.ID); !got.Has("is not in the group Crew.") {
			t.Errorf("removed before: %s", got.Text())
		}
		opens(e, "Wiki", staff)
		opens(e, "Board", staff, ops)
		if got := v.Get(staff + "/delete"); !got.Has("1 person is in it.") || !got.Has("Wiki is open to no other group. Nobody can use it") || !got.Has("Board stays open to its other groups.") {
			t.Errorf("what is lost: %s", got.Text())
		}
		if got := v.Post(staff+"/delete", nil); got.Location != groups || v.Get(staff).Status != http.StatusNotFound {
			t.Errorf("deleted: %d %s", got.Status, got.Location)
		}
		if got := v.Get("/admin/audit"); !got.Has("Group added: Crew") && !got.Has("Group added: Staff") || !got.Has("Group renamed: Crew") || !got.Has("Added to a group: Crew") ||
			!got.Has("Removed from a group: Crew") || !got.Has("Group deleted: Crew") {
			t.Errorf("the audit log: %s", got.Text())
		}
	})
}

// TestI28_GroupsOfOthers: unknown ids and people of a higher role look the same, and who may not manage groups sees no page.
func TestI28_GroupsOfOthers(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		staff := addGroup(t, owners, "Staff")
		owners.Post(staff+"/add", fields{"user": e.Owner.ID})
		ada, max, mia := e.Add("ada@acme.example", sallyport.Admin), e.Add("max@acme.example", sallyport.Manager), e.Add("mia@acme.example", sallyport.Member)
		admins, managers, members := s.Visitor(), s.Visitor(), s.Visitor()
		admins.Enrol(&ada, "Ada's")
		managers.SignIn(max)
		members.SignIn(mia)
		owners.Post(staff+"/add", fields{"user": mia.ID})
		for _, path := range []string{groups, groups + "/new", staff, staff + "/add?q=mia", staff + "/remove?user=" + mia.ID, staff + "/delete", "/admin/users/" + mia.ID + "/groups"} {
			if m, n := managers.Get(path).Status, members.Get(path).Status; m != http.StatusForbidden || n != http.StatusForbidden {
				t.Errorf("%s: a manager gets %d, a member %d", path, m, n)
			}
		}
		if got := managers.Get("/admin/users/" + mia.ID); !got.Has("GroupsStaff") || slices.Contains(got.Links(), staff) || got.Has("Change groups") {
			t.Errorf("what a manager sees: %s %v", got.Text(), got.Links())
		}
		if got := managers.Get("/admin/users?group=" + strings.TrimPrefix(staff, groups+"/")); !got.Has("mia@acme.example") || strings.Contains(got.Body, max.ID) {
			t.Errorf("a manager lists the group: %s", got.Text())
		}
		unknown := admins.Get(staff + "/remove?user=usr_0")
		for _, got := range []*sallyporttest.Page{
			admins.Get(staff + "/remove?user=" + e.Owner.ID), admins.Post(staff+"/remove", fields{"user": e.Owner.ID}), admins.Post(staff+"/add", fields{"user": e.Owner.ID}),
			admins.Get("/admin/users/" + e.Owner.ID + "/groups"), admins.Get(groups + "/grp_0"), admins.Get(groups + "/grp_0/add"), admins.Post(groups+"/grp_0", fields{"name": "x"}),
			admins.Post(groups+"/grp_0/add", fields{"user": mia.ID}), admins.Post(groups+"/grp_0/delete", nil), admins.Get(groups + "/grp_0/delete"), admins.Post(staff+"/add", nil),
		} {
			if got.Status != http.StatusNotFound || got.Text() != unknown.Text() {
				t.Errorf("%s: %d %s", got.Target, got.Status, got.Text())
			}
		}
		if got := admins.Get(staff); !got.Has(e.Owner.Address) || strings.Contains(got.Body, "user="+e.Owner.ID) || !strings.Contains(got.Body, "user="+mia.ID) {
			t.Errorf("an admin's page of the group: %s", got.Body)
		}
	})
}

// TestI22_GroupsThatOpenAppsAskForProof: the step-up says what it is for, and a change that was asked for follows. A session that
// began with a recovery code cannot change such a group (I60), but others.
func TestI22_GroupsThatOpenAppsAskForProof(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		owner, v := ownerOf(s)
		mia := e.Add("mia@acme.example", sallyport.Member)
		staff, plain := addGroup(t, v, "Staff"), addGroup(t, v, "Plain")
		opens(e, "Wiki", staff)
		members := func(of string) string {
			return e.Query("SELECT people FROM groups WHERE id = $1", strings.TrimPrefix(of, groups+"/"))[0][0]
		}
		for _, c := range []struct {
			path  string
			f     fields
			words string
			after string
		}{
			{staff + "/add", fields{"user": mia.ID, "back": staff + "/add?q=mia"}, "Needed for: Add a person to a group", staff + "/add?q=mia"},
			{staff + "/remove", fields{"user": mia.ID}, "Needed for: Remove a person from a group", staff},
			{staff + "/delete", fields{}, "Needed for: Delete a group", groups},
		} {
			e.Clock.Advance(sallyport.StepUpLimit + time.Second)
			at := v.Post(c.path, c.f).Location
			if got := v.Get(at); !strings.HasPrefix(at, "/step-up?") || !got.Has(c.words) || got.Has("recovery code instead") {
				t.Errorf("%s: %s %s", c.path, at, got.Text())
			}
			if got := v.Post(at, fields{"code": owner.Code(e.Clock.Now())}); got.Location != c.after {
				t.Errorf("%s, confirmed: %d %s", c.path, got.Status, got.Location)
			}
			if c.path == staff+"/add" && members(staff) != "1" || c.path == staff+"/remove" && members(staff) != "0" {
				t.Errorf("%s: %s people", c.path, members(staff))
			}
		}
		staff = addGroup(t, v, "Staff")
		opens(e, "Board", staff)
		e.Clock.Advance(sallyport.StepUpLimit + time.Second)
		at := v.Post(staff, fields{"name": "Crew"}).Location
		if got := v.Post(at, fields{"code": owner.Code(e.Clock.Now())}); got.Location != staff || v.Follow().Form("name").Values.Get("name") != "Crew" {
			t.Errorf("renamed: %d %s: what was typed is lost", got.Status, got.Location)
		}
		w := recovering(s, &owner)
		for path, f := range map[string]fields{"": {"name": "x"}, "/add": {"user": mia.ID}, "/remove": {"user": mia.ID}, "/delete": {}} {
			if got := w.Post(staff+path, f); got.Status != http.StatusForbidden || !got.Has("You signed in with a recovery code") {
				t.Errorf("I60: %s: %d %s", path, got.Status, got.Text())
			}
		}
		if got := w.Get(staff); len(got.Disabled()) < 3 {
			t.Errorf("I60: the page offers what it refuses: %q", got.Disabled())
		}
		if got := w.Post(plain+"/add", fields{"user": mia.ID}); got.Status != http.StatusSeeOther || members(plain) != "1" {
			t.Errorf("a group that opens nothing: %d %s", got.Status, got.Text())
		}
	})
}

// TestGroupsOfManyPages: lists of groups and of a group's people lead there and back, and the file of people names their groups.
func TestGroupsOfManyPages(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, v := ownerOf(s)
		var people []someone
		for i := range 120 {
			people = append(people, someone{fmt.Sprintf("Kim %03d", i), fmt.Sprintf("k%03d@acme.example", i), []string{"member", "manager"}[i%2]})
			e.Check(second(e.CreateGroup(context.Background(), e.Console(), fmt.Sprintf("Group %03d", i))))
		}
		fill(e, people)
		var all []string
		pages := 0
		for to, back := groups, ""; to != ""; pages++ {
			got := v.Get(to)
			to = ""
			for _, link := range got.Links() {
				switch {
				case strings.HasPrefix(link, groups+"?after="):
					to = link
				case strings.HasPrefix(link, groups+"?before="):
					back = link
				case strings.HasPrefix(link, groups+"/grp_"):
					all = append(all, link)
				}
			}
			if pages == 1 {
				if first := v.Get(back); !first.Has("Group 000") || first.Has("Group 050") {
					t.Errorf("back: %s", first.Text())
				}
			}
		}
		if n := len(slices.Compact(slices.Sorted(slices.Values(all)))); pages != 3 || len(all) != 120 || n != 120 {
			t.Errorf("%d pages of %d groups, %d of them once", pages, len(all), n)
		}
		id := strings.TrimPrefix(all[7], groups+"/")
		for i := range 110 {
			e.Check(e.JoinGroup(context.Background(), e.Console(), id, people[i].address))
		}
		e.Check(e.JoinGroup(context.Background(), e.Console(), "Group 100", people[3].address))
		if on := walk(v, groups+"/"+id, "after"); len(on) != 3 || len(slices.Concat(on...)) != 110 {
			t.Errorf("%d pages of the group", len(on))
		}
		for query, want := range map[string]int{"": 110, "&role=manager": 55, "&q=kim": 110, "&q=k007": 1, "&sort=-address&role=member": 55, "&state=suspended": 0} {
			on := walk(v, "/admin/users?group="+id+query, "after")
			if n := len(slices.Concat(on...)); n != want {
				t.Errorf("%s: %d people, want %d", query, n, want)
			}
			if got := v.Page; !got.Has("You see the people of the group Group 007.") || want > 0 && !strings.Contains(got.Body, "/admin/users.csv?group="+id) {
				t.Errorf("%s: %s", query, got.Text())
			}
		}
		if got := v.Get("/admin/users?group=grp_0"); got.Status != http.StatusOK || !got.Has("This group does not exist any more.") || got.Has("k001@") {
			t.Errorf("no such group: %d %s", got.Status, got.Text())
		}
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(v.Get("/admin/users.csv?group="+id).Body, "\ufeff"))).ReadAll()
		e.Check(err)
		last := len(rows[0]) - 1
		if len(rows) != 111 || rows[0][last] != "groups" || rows[1][last] != "Group 007" || rows[4][last] != "Group 007, Group 100" {
			t.Errorf("the file: %d rows, %q", len(rows), rows[:5])
		}
	})
}

// second returns the error of a call with two results.
func second[T any](_ T, err error) error { return err }
