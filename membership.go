package sallyport

import (
	"context"
	"slices"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// MembershipTx is the storage of who is in which group.
type MembershipTx interface {
	// Join adds a user to a group; the rows of both are locked. It returns false if the user is in the group already.
	Join(g Group, u User) (bool, error)
	// Leave removes a user from a group whose row is locked, and returns whether the user was in it.
	Leave(g Group, user string) (bool, error)
	// GroupsOfPeople returns the groups of users, by id, each ordered by name.
	GroupsOfPeople(workspace string, ids []string) (map[string][]Group, error)
}

// ErrGroupsOfPerson means that a person is in as many groups as possible.
var ErrGroupsOfPerson = &Error{Kind: Conflict, Code: "too_many_groups_of_person", Text: text.Say("A person can be in 200 groups. Remove this person from another one first.")}

// JoinGroup adds a person to a group. Nothing changes if the person is in it already. A person whose role is above the caller's
// is ErrNotFound. Administrators may add themselves: they decide anyway which group opens what.
func (s *Service) JoinGroup(ctx context.Context, by Caller, group, id string) error {
	return s.changeMember(ctx, by, group, id, func(tx Tx, g Group, u User) error {
		all, err := tx.GroupsOf(u.Workspace, u.ID)
		if err != nil || slices.ContainsFunc(all, func(o Group) bool { return o.ID == g.ID }) {
			return err
		}
		if len(all) >= MaxGroupsOfPerson {
			return ErrGroupsOfPerson
		}
		joined, err := tx.Join(g, u)
		if err != nil || !joined {
			return err
		}
		return s.record(tx, by, "group.joined", u.ID, Done, g.detail())
	})
}

// LeaveGroup removes a person from a group. Nothing changes if the person is not in it. A person whose role is above the
// caller's is ErrNotFound.
func (s *Service) LeaveGroup(ctx context.Context, by Caller, group, id string) error {
	return s.changeMember(ctx, by, group, id, func(tx Tx, g Group, u User) error {
		left, err := tx.Leave(g, u.ID)
		if err != nil || !left {
			return err
		}
		return s.record(tx, by, "group.left", u.ID, Done, g.detail())
	})
}

// changeMember runs a change to a group and a person, whose rows are locked. The console may name both by what people call them.
func (s *Service) changeMember(ctx context.Context, by Caller, group, id string, fn func(Tx, Group, User) error) error {
	return s.changeGroup(ctx, by, group, func(tx Tx, me *actor, g Group) (err error) {
		who := id
		if me == nil {
			if who, err = idOf(tx, by, id); err != nil {
				return err
			}
		}
		u, found, err := tx.LockUser(by.workspace.ID, who)
		if err != nil {
			return err
		}
		if !found || me != nil && !me.Role.Over(u.Role) {
			return ErrNotFound
		}
		return fn(tx, g, u)
	})
}

// Candidate is a person whom a search found, and whether they are in a group.
type Candidate struct {
	User
	Member bool
}

// Candidates is a group, the apps that it opens, and people who may be added to it.
type Candidates struct {
	Group
	Opens  []OpenedApp
	People []Candidate
	More   bool // there are others
}

// Candidates returns the first people whom a search finds in the workspace, to choose from for a group. Without a search, it
// returns nobody.
func (s *Service) Candidates(ctx context.Context, by Caller, group string, search string) (c Candidates, err error) {
	if err := s.MayAct(by, ManageGroups); err != nil {
		return c, err
	}
	return c, s.Store.Read(ctx, func(tx Tx) error {
		c = Candidates{}
		if c.Group, c.Opens, err = groupOf(tx, by, group); err != nil || search == "" {
			return err
		}
		list, err := s.people(tx, by, PeopleFilter{Search: search}, "", "")
		if err != nil {
			return err
		}
		c.More = list.Beyond
		of, err := groupsOfPeople(tx, by, list.People)
		for _, u := range list.People {
			c.People = append(c.People, Candidate{u, slices.ContainsFunc(of[u.ID], func(g Group) bool { return g.ID == group })})
		}
		return err
	})
}

// MemberView is a person, and a group that they may be added to or removed from.
type MemberView struct {
	Candidate
	Group Group
	Opens []OpenedApp
}

// Member returns a person and a group, before the one is removed from the other. A person whose role is above the caller's is
// ErrNotFound.
func (s *Service) Member(ctx context.Context, by Caller, group, id string) (v MemberView, err error) {
	if v.User, err = s.see(ctx, by, ManageGroups, id); err != nil {
		return v, err
	}
	return v, s.Store.Read(ctx, func(tx Tx) error {
		if v.Group, v.Opens, err = groupOf(tx, by, group); err != nil {
			return err
		}
		all, err := tx.GroupsOf(v.Workspace, v.ID)
		v.Member = slices.ContainsFunc(all, func(g Group) bool { return g.ID == group })
		return err
	})
}

// PersonGroups is a person with their groups, and a page of all groups to choose from.
type PersonGroups struct {
	User
	In   []Group
	List GroupList
}

// GroupsFor returns a person's groups, and a page of the groups whose names begin with begins. See Groups. A person whose role
// is above the caller's is ErrNotFound.
func (s *Service) GroupsFor(ctx context.Context, by Caller, id, begins, after, before string) (v PersonGroups, err error) {
	if v.User, err = s.see(ctx, by, ManageGroups, id); err != nil {
		return v, err
	}
	return v, s.Store.Read(ctx, func(tx Tx) error {
		if v.In, err = tx.GroupsOf(v.Workspace, v.ID); err != nil {
			return err
		}
		v.List, err = groupPage(tx, v.Workspace, begins, after, before)
		return err
	})
}

// PersonDetails returns a person with their groups, without what they sign in with. A person who does not exist, or whose role
// is above the caller's, is ErrNotFound.
func (s *Service) PersonDetails(ctx context.Context, by Caller, id string) (p Person, err error) {
	if p.User, err = s.see(ctx, by, SeePeople, id); err != nil {
		return p, err
	}
	p.Self = by.user.ID == p.ID
	return p, s.Store.Read(ctx, func(tx Tx) error {
		p.Groups, err = tx.GroupsOf(p.Workspace, p.ID)
		return err
	})
}

// GroupsOfPeople returns the groups of people, by id, each ordered by name.
func (s *Service) GroupsOfPeople(ctx context.Context, by Caller, people []User) (of map[string][]Group, err error) {
	if err := s.MayAct(by, SeePeople); err != nil {
		return nil, err
	}
	return of, s.Store.Read(ctx, func(tx Tx) error {
		of, err = groupsOfPeople(tx, by, people)
		return err
	})
}

func groupsOfPeople(tx Tx, by Caller, people []User) (map[string][]Group, error) {
	ids := make([]string, len(people))
	for i, u := range people {
		ids[i] = u.ID
	}
	return tx.GroupsOfPeople(by.workspace.ID, ids)
}
