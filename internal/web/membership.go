package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// memberFields are the fields of the forms that add a person to a group and remove one.
var memberFields = []string{"user", "back"}

type addMemberPage struct {
	page
	sallyport.Candidates
	Search string
	People []candidateRow
	Back   string // the page of the group
	Here   string
	Denied bool // this session may not change the group yet
}

// candidateRow is a person whom a search found.
type candidateRow struct {
	personRow
	Member bool
}

// addMember is the page on which people are searched for, to add them to a group.
func (s *site) addMember(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	c, id := by(r), r.PathValue("id")
	found, err := s.service.Candidates(r.Context(), c, id, q.Get("q"))
	if err != nil {
		return err
	}
	v := &addMemberPage{
		page: page{Title: text.Say("Add people to <bdi>{name}</bdi>", "name", found.Name), Wide: true}, Candidates: found, Search: q.Get("q"),
		Back: groupPath(id), Here: r.URL.RequestURI(), Denied: restricted(c) && len(found.Opens) > 0,
	}
	for _, p := range found.People {
		v.People = append(v.People, candidateRow{s.personRow(c, p.User), p.Member})
	}
	return s.render(w, r, http.StatusOK, "group-add", v)
}

func (s *site) addMemberPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	if err := s.service.JoinGroup(r.Context(), by(r), r.PathValue("id"), f.Get("user")); err != nil {
		return err
	}
	return s.done(w, r, s.backToGroup(r, f), "group-joined")
}

// removeMember asks before a person is removed from a group.
func (s *site) removeMember(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	c := by(r)
	if f := s.filled(w, r); f.Has("user") { // after the end of the session
		q = f
	}
	m, err := s.service.Member(r.Context(), c, r.PathValue("id"), q.Get("user"))
	if err != nil {
		return err
	}
	if restricted(c) && len(m.Opens) > 0 {
		return sallyport.ErrRestricted
	}
	v := &confirmPage{
		page:     page{Title: text.Say("Remove from this group?")},
		Question: text.Say("<bdi>{name}</bdi> is removed from the group <bdi>{group}</bdi>.", "name", nameOf(m.User), "group", m.Group.Name),
		Button:   text.Say("Remove"), Back: s.backToGroup(r, q), Action: r.URL.Path,
		Hidden: []hidden{{"user", m.ID}, {"back", s.backToGroup(r, q)}},
	}
	for i, a := range m.Opens {
		if i == maxNamed {
			v.Points = append(v.Points, text.Count(len(m.Opens)-i, "It opens {n} more app.", "It opens {n} more apps."))
			break
		}
		v.Points = append(v.Points, text.Say("It opens <bdi>{app}</bdi>.", "app", a.Name))
	}
	if !m.Member {
		v.Question, v.Points, v.Button = text.Say("<bdi>{name}</bdi> is not in the group <bdi>{group}</bdi>.", "name", nameOf(m.User), "group", m.Group.Name), nil, text.Message{}
	}
	return s.render(w, r, http.StatusOK, "confirm", v)
}

func (s *site) removeMemberPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	if err := s.service.LeaveGroup(r.Context(), by(r), r.PathValue("id"), f.Get("user")); err != nil {
		return err
	}
	return s.done(w, r, s.backToGroup(r, f), "group-left")
}

// backToGroup returns the page that the caller came from, among those that show who is in a group, or the page of the group.
func (s *site) backToGroup(r *http.Request, f form) string {
	back := f.Get("back")
	at, _, _ := strings.Cut(back, "?")
	if s.local(back) {
		switch s.routed(http.MethodGet, at) {
		case groupsPath + "/{id}", groupsPath + "/{id}/add", usersPath + "/{id}", usersPath + "/{id}/groups":
			return back
		}
	}
	return groupPath(r.PathValue("id"))
}

type userGroupsPage struct {
	page
	sallyport.PersonGroups
	Search string
	In     []groupRow
	Others []groupRow
	Pager  pager
	Back   string // the page of the person
	Here   string
}

// groupRow is a group in the list of a person.
type groupRow struct {
	sallyport.Group
	Href, Remove string
	Member       bool
}

func (s *site) userGroups(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	p, err := s.service.GroupsFor(r.Context(), by(r), r.PathValue("id"), q.Get("q"), q.Get("after"), q.Get("before"))
	if err != nil {
		return err
	}
	here := r.URL.RequestURI()
	v := &userGroupsPage{
		page: page{Title: text.Say("Groups of <bdi>{name}</bdi>", "name", nameOf(p.User)), Wide: true}, PersonGroups: p, Search: q.Get("q"),
		Pager: groupsPager(r.URL.Path, q.Get("q"), p.List), Back: userPath(p.ID), Here: here,
	}
	in := map[string]bool{}
	for _, g := range p.In {
		in[g.ID] = true
		v.In = append(v.In, groupRow{Group: g, Href: groupPath(g.ID), Remove: removeAddress(g.ID, p.ID, here)})
	}
	for _, g := range p.List.Groups {
		v.Others = append(v.Others, groupRow{Group: g, Href: groupPath(g.ID), Member: in[g.ID]})
	}
	return s.render(w, r, http.StatusOK, "user-groups", v)
}

// removeAddress returns the address of the page that asks before a person is removed from a group.
func removeAddress(group, user, back string) string {
	return groupPath(group) + "/remove?" + url.Values{"user": {user}, "back": {back}}.Encode()
}
