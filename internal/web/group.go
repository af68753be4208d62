package web

import (
	"net/http"
	"net/url"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const groupsPath = "/admin/groups"

func groupPath(id string) string { return groupsPath + "/" + id }

type groupsPage struct {
	page
	Groups []sallyport.Group
	Pager  pager
}

func (s *site) groups(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	list, err := s.service.Groups(r.Context(), by(r), "", q.Get("after"), q.Get("before"))
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "groups", &groupsPage{
		page: page{Title: text.Say("Groups"), Wide: true}, Groups: list.Groups, Pager: groupsPager(groupsPath, "", list),
	})
}

// groupsPager returns the links between the pages of a list of groups, with what was searched for.
func groupsPager(path, search string, list sallyport.GroupList) pager {
	at := func(name, id string) string {
		q := url.Values{name: {id}}
		if search != "" {
			q.Set("q", search)
		}
		return path + "?" + q.Encode()
	}
	p := pager{Sorted: true}
	if n := len(list.Groups); n > 0 {
		if list.Before {
			p.Newer = at("before", list.Groups[0].ID)
		}
		if list.Beyond {
			p.Older = at("after", list.Groups[n-1].ID)
		}
	}
	return p
}

type newGroupPage struct {
	page
	Name string
}

func newGroup(name string) *newGroupPage {
	return &newGroupPage{page{Title: text.Say("Add a group"), OneField: true}, name}
}

func (s *site) newGroup(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "group-new", newGroup(s.filled(w, r).Get("name")))
}

func (s *site) newGroupPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	g, wrong := s.service.CreateGroup(r.Context(), by(r), f.Get("name"))
	if wrong == nil {
		return s.done(w, r, groupPath(g.ID), "group-added")
	}
	if !mendable(wrong) {
		return wrong
	}
	return s.again(w, r, "group-new", newGroup(f.Get("name")), wrong)
}

type groupPage struct {
	page
	sallyport.GroupView
	Name         string // as typed
	Search       string
	Members      []personRow
	Total        text.Message
	Unsorted     bool // a search finds too many people to sort
	Pager        pager
	Add, List    string // addresses of the page to add people, and of the same people in the list of all
	Delete, Here string
	Denied       bool // this session may not change the group yet
	MoreApps     int  // how many apps it opens besides those in Opens
}

func (s *site) groupPage(r *http.Request) (*groupPage, error) {
	q, err := readQuery(r)
	if err != nil {
		return nil, err
	}
	c, id := by(r), r.PathValue("id")
	g, err := s.service.Group(r.Context(), c, id, q.Get("q"), q.Get("after"), q.Get("before"))
	if err != nil {
		return nil, err
	}
	f := sallyport.PeopleFilter{Search: q.Get("q")}
	v := &groupPage{
		page: page{Title: text.Say("<bdi>{name}</bdi>", "name", g.Name), Wide: true, OneField: true}, GroupView: g, Name: g.Name, Search: f.Search,
		Unsorted: g.People.Order == sallyport.ByWord && f.Search != "", Pager: pager{Sorted: true}, Add: groupPath(id) + "/add",
		List: listAddress(usersPath, sallyport.PeopleFilter{Group: id}), Delete: groupPath(id) + "/delete", Here: r.URL.RequestURI(),
		Denied: restricted(c) && len(g.Opens) > 0,
	}
	if more := len(g.Opens) - maxNamed; more > 0 {
		v.Opens, v.MoreApps = g.Opens[:maxNamed], more
	}
	if f.Search != "" {
		v.Total = totalWords(g.People)
	} else {
		v.Total = peopleWords(g.Group.People)
	}
	for _, u := range g.People.People {
		v.Members = append(v.Members, s.personRow(c, u))
	}
	if n := len(v.Members); n > 0 {
		if g.People.Before {
			v.Pager.Newer = listAddress(groupPath(id), f, "before", v.Members[0].ID)
		}
		if g.People.Beyond {
			v.Pager.Older = listAddress(groupPath(id), f, "after", v.Members[n-1].ID)
		}
	}
	return v, nil
}

func peopleWords(n int) text.Message { return text.Count(n, "{n} person", "{n} people") }

func (s *site) group(w http.ResponseWriter, r *http.Request) error {
	v, err := s.groupPage(r)
	if err != nil {
		return err
	}
	if f := s.filled(w, r); f.Has("name") {
		v.Name = f.Get("name")
	}
	return s.render(w, r, http.StatusOK, "group", v)
}

func (s *site) groupPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	wrong := s.service.RenameGroup(r.Context(), by(r), id, f.Get("name"))
	if wrong == nil {
		return s.done(w, r, groupPath(id), "group-renamed")
	}
	if !mendable(wrong) {
		return wrong
	}
	v, err := s.groupPage(r)
	if err != nil {
		return err
	}
	v.Name = f.Get("name")
	return s.again(w, r, "group", v, wrong)
}

// deleteGroup asks before a group is deleted, and says which apps its people may then no longer use.
func (s *site) deleteGroup(w http.ResponseWriter, r *http.Request) error {
	c, id := by(r), r.PathValue("id")
	g, err := s.service.Group(r.Context(), c, id, "", "", "")
	if err != nil {
		return err
	}
	if restricted(c) && len(g.Opens) > 0 {
		return sallyport.ErrRestricted
	}
	v := &confirmPage{
		page:     page{Title: text.Say("Delete this group?")},
		Question: text.Say("The group <bdi>{name}</bdi> is deleted for good. Its people stay.", "name", g.Name),
		Button:   text.Say("Delete"), Danger: true, Back: groupPath(id),
	}
	if g.Group.People > 0 {
		v.Points = append(v.Points, text.Count(g.Group.People, "{n} person is in it.", "{n} people are in it."))
	}
	v.Points = append(v.Points, lostApps(g.Opens)...)
	return s.render(w, r, http.StatusOK, "confirm", v)
}

// maxNamed is how many apps a page names.
const maxNamed = 20

// lostApps says of each app what becomes of it without one of its groups.
func lostApps(all []sallyport.OpenedApp) (points []text.Message) {
	for i, a := range all {
		switch {
		case i == maxNamed:
			return append(points, text.Count(len(all)-i, "{n} more app loses this group.", "{n} more apps lose this group."))
		case a.Alone:
			points = append(points, text.Say("<bdi>{app}</bdi> is open to no other group. Nobody can use it until you choose another one.", "app", a.Name))
		default:
			points = append(points, text.Say("<bdi>{app}</bdi> stays open to its other groups.", "app", a.Name))
		}
	}
	return points
}

func (s *site) deleteGroupPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	if err := s.service.DeleteGroup(r.Context(), by(r), r.PathValue("id")); err != nil {
		return err
	}
	return s.done(w, r, groupsPath, "group-deleted")
}
