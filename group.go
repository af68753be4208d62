package sallyport

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Group is a named set of people in one workspace. Groups decide who may use which app, and apps learn them.
type Group struct {
	Workspace string
	ID        string
	Name      string
	People    int // how many are in it
	CreatedAt time.Time
}

// OpenedApp is an app that a group opens, or addresses of it.
type OpenedApp struct {
	ID    string
	Name  string
	Alone bool // no other group opens it
}

// MaybeOpened is an app that a group opens if the app lists it, or if one of the app's rules names it.
type MaybeOpened struct {
	OpenedApp
	Listed bool
	Rules  []string
}

// GroupRange is a range of the groups of a workspace, by name.
type GroupRange struct {
	Workspace string
	Begins    string // the folded beginning of their names
	From      string // a folded name: the groups after this one
	Backward  bool   // from the end
	Limit     int
}

// Limits of groups.
const (
	MaxGroups         = 10_000 // in a workspace
	MaxGroupsOfPerson = 200
	MaxGroupName      = 64 // characters
	GroupsPage        = 50
)

// GroupTx is the storage of groups.
type GroupTx interface {
	// TakeGroup returns a group. Inside Write, it locks the group's row until the end of the transaction.
	TakeGroup(workspace, id string) (Group, bool, error)
	// InsertGroup inserts a group, in which there is nobody yet. A taken name is ErrDuplicate.
	InsertGroup(Group) error
	// RenameGroup saves the name of a group whose row is locked. A taken name is ErrDuplicate.
	RenameGroup(Group) error
	// DeleteGroup deletes a group whose row is locked. From then on nobody is in it, and it opens no app.
	DeleteGroup(Group) error
	// Opens returns the apps that a group may open, ordered by name: those that list it, and those with rules for groups.
	Opens(workspace, id string) ([]MaybeOpened, error)
}

// GroupListTx is the storage of lists of groups.
type GroupListTx interface {
	// Groups returns the groups of a workspace, ordered by name.
	Groups(workspace string) ([]Group, error)
	// GroupPage returns the groups of a range.
	GroupPage(GroupRange) ([]Group, error)
	// CountGroups returns how many groups a workspace has.
	CountGroups(workspace string) (int, error)
}

// Outcomes of changing groups.
var (
	ErrGroupName      = invalid("name", "group_name_invalid", text.Say("Enter a name of at most 64 characters, without commas, control characters or characters that reverse text."))
	ErrGroupNameTaken = invalid("name", "group_name_taken", text.Say("Another group has this name. Choose another."))
	ErrGroupsLimit    = &Error{Kind: Conflict, Code: "too_many_groups_here", Text: text.Say("A workspace can have 10,000 groups. Delete one that is no longer used."), Field: "name"}
)

// grouping is what changing a group needs. opening is what it needs besides if the group opens an app (I22, I60).
var (
	grouping = access{may: ManageGroups}
	opening  = access{may: ManageGroups, proof: StrongFactor}
)

// GroupList is a page of the groups of a workspace, ordered by name, and whether there are others before and after it.
type GroupList struct {
	Groups         []Group
	Before, Beyond bool
}

// Groups returns a page of the groups whose names begin with begins, in any case: those after the one with the id after, those
// before the one with the id before, or the first ones if both are empty. An id that no longer exists counts as empty.
func (s *Service) Groups(ctx context.Context, by Caller, begins, after, before string) (list GroupList, err error) {
	if err := s.mayManage(by, ManageGroups); err != nil {
		return list, err
	}
	return list, s.Store.Read(ctx, func(tx Tx) error {
		list, err = groupPage(tx, by.workspace.ID, begins, after, before)
		return err
	})
}

func groupPage(tx Tx, workspace, begins, after, before string) (list GroupList, err error) {
	r := GroupRange{Workspace: workspace, Begins: fold.Name(begins), Limit: GroupsPage + 1}
	if id := cmp.Or(after, before); id != "" {
		from, found, err := tx.TakeGroup(workspace, id)
		if err != nil {
			return list, err
		}
		if found {
			r.From, r.Backward = fold.Name(from.Name), after == ""
		}
	}
	all, err := tx.GroupPage(r)
	more := len(all) > GroupsPage
	list = GroupList{Groups: all[:min(len(all), GroupsPage)], Before: r.From != "", Beyond: more}
	if r.Backward {
		slices.Reverse(list.Groups)
		list.Before, list.Beyond = more, true
	}
	return list, err
}

// GroupView is a group, the apps that it opens, and a page of its people.
type GroupView struct {
	Group
	Opens  []OpenedApp
	People PeopleList
}

// Group returns a group with a page of those of its people whom a search finds. See People.
func (s *Service) Group(ctx context.Context, by Caller, id, search, after, before string) (v GroupView, err error) {
	if err := s.mayManage(by, ManageGroups); err != nil {
		return v, err
	}
	return v, s.Store.Read(ctx, func(tx Tx) error {
		if v.Group, v.Opens, err = groupOf(tx, by, id); err != nil {
			return err
		}
		v.People, err = s.people(tx, by, PeopleFilter{Search: search, Group: id}, after, before)
		return err
	})
}

// groupOf returns a group and the apps that it opens, or ErrNotFound.
func groupOf(tx Tx, by Caller, id string) (Group, []OpenedApp, error) {
	g, found, err := tx.TakeGroup(by.workspace.ID, id)
	if err == nil && !found {
		err = ErrNotFound
	}
	if err != nil {
		return Group{}, nil, err
	}
	apps, err := opened(tx, g)
	return g, apps, err
}

// opened returns the apps that a group opens, wholly or in part: a rule of an app behind a proxy may name it.
func opened(tx Tx, g Group) (apps []OpenedApp, err error) {
	all, err := tx.Opens(g.Workspace, g.ID)
	for _, a := range all {
		if a.Listed || namesGroup(a.Rules, g.Name) {
			apps = append(apps, a.OpenedApp)
		}
	}
	return apps, err
}

// CreateGroup adds a group, in which there is nobody yet.
func (s *Service) CreateGroup(ctx context.Context, by Caller, name string) (Group, error) {
	now := s.Now()
	g := Group{Workspace: by.workspace.ID, ID: newID(prefixGroup, now), CreatedAt: now}
	err := s.changeGroups(ctx, by, func(tx Tx, _ *actor) (err error) {
		if g.Name, err = groupName(name); err != nil {
			return err
		}
		n, err := tx.CountGroups(g.Workspace)
		if err != nil {
			return err
		}
		if n >= MaxGroups {
			return ErrGroupsLimit
		}
		if err := tx.InsertGroup(g); err != nil {
			return groupErr(err)
		}
		return s.record(tx, by, "group.created", "", Done, g.detail())
	})
	return g, err
}

// RenameGroup changes the name of a group. Apps learn the new name with the next answer that names the groups of a person.
func (s *Service) RenameGroup(ctx context.Context, by Caller, id, name string) error {
	return s.changeGroup(ctx, by, id, func(tx Tx, _ *actor, g Group) (err error) {
		was := g.Name
		if g.Name, err = groupName(name); err != nil || g.Name == was {
			return err
		}
		if err := tx.RenameGroup(g); err != nil {
			return groupErr(err)
		}
		detail := g.detail()
		detail["was"] = was
		return s.record(tx, by, "group.renamed", "", Done, detail)
	})
}

// DeleteGroup deletes a group. An app that no other group opens is then open to nobody.
func (s *Service) DeleteGroup(ctx context.Context, by Caller, id string) error {
	return s.erasing(ctx, s.changeGroup(ctx, by, id, func(tx Tx, _ *actor, g Group) error {
		if err := tx.DeleteGroup(g); err != nil {
			return err
		}
		return s.record(tx, by, "group.deleted", "", Done, g.detail())
	}))
}

// changeGroup runs a change to a group whose row is locked. The console may also name the group by its name.
func (s *Service) changeGroup(ctx context.Context, by Caller, id string, fn func(Tx, *actor, Group) error) error {
	return s.changeGroups(ctx, by, func(tx Tx, me *actor) error {
		if me == nil {
			named, err := tx.GroupPage(GroupRange{Workspace: by.workspace.ID, Begins: fold.Name(id), Limit: 1})
			if err != nil {
				return err
			}
			if len(named) > 0 && fold.Name(named[0].Name) == fold.Name(id) {
				id = named[0].ID
			}
		}
		g, apps, err := groupOf(tx, by, id)
		if err != nil {
			return err
		}
		if me != nil && len(apps) > 0 {
			if err := me.meets(opening, by.policy); err != nil {
				return err
			}
		}
		return fn(tx, me, g)
	})
}

// changeGroups runs a change to the groups of the workspace, one after the other. me is nil for a command on the host.
func (s *Service) changeGroups(ctx context.Context, by Caller, fn func(Tx, *actor) error) error {
	if by.session == nil && by.kind != callerConsole {
		return ErrSignedOut
	}
	return s.write(ctx, func(tx Tx) (err error) {
		if _, err := tx.LockOwners(by.workspace.ID); err != nil {
			return err
		}
		var me *actor
		if by.kind != callerConsole {
			if me, err = s.actor(tx, by, grouping); err != nil {
				return err
			}
		}
		return fn(tx, me)
	})
}

// groupName returns a name without surrounding space, or ErrGroupName. Apps and proxies get lists of names, separated by commas.
func groupName(typed string) (string, error) {
	name := strings.TrimSpace(typed)
	switch {
	case name == "":
		return "", ErrGroupName.saying(text.Say("Enter a name."))
	case utf8.RuneCountInString(name) > MaxGroupName || strings.ContainsFunc(name, steers) || strings.Contains(fold.Name(name), ","):
		return "", ErrGroupName
	}
	return name, nil
}

// groupErr returns the outcome for a duplicate name.
func groupErr(err error) error {
	if errors.Is(err, ErrDuplicate) {
		return ErrGroupNameTaken
	}
	return err
}

// detail returns what events say about a group.
func (g Group) detail() map[string]string { return map[string]string{"group": g.ID, "name": g.Name} }
