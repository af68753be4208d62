package web

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

func userPath(id string) string { return usersPath + "/" + id }

type userPage struct {
	page
	sallyport.Person
	Tabs           []link
	TwoFactorState string
	Menu           []link
	Shown          sallyport.State // may be Locked
	Lock           text.Message    // if locked
	Unlock         *link           // nil: the caller may not unlock, or it would have no effect
	Reset, Delete  string          // addresses of actions outside the menu; empty: not allowed, or not possible now
	Edit           string
	Events         string // of the person, in the audit log
	MaySignOut     bool
	Roles          []option // that the person can be given; none: the caller cannot change the role
	RoleChosen     string
	Method         text.Message
	InGroups       []link
	ChangeGroups   string // address; empty: the caller may not
}

func (s *site) userPage(r *http.Request, tab string) (*userPage, error) {
	c, now := by(r), s.service.Now()
	read := s.service.PersonDetails
	if tab != "" {
		read = s.service.Person
	}
	p, err := read(r.Context(), c, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	v := &userPage{
		page: page{Title: text.Say("<bdi>{name}</bdi>", "name", nameOf(p.User)), Wide: true}, Person: p,
		TwoFactorState: c.Policy().TwoFactorState(p.User, now), Shown: p.StateAt(now), MaySignOut: c.Offers(sallyport.SignOutPeople, p.User),
		RoleChosen: string(p.Role), Method: methodWords[p.LastSignInMethod],
		Tabs: []link{
			{Href: userPath(p.ID), Text: text.Say("Details"), Current: tab == ""},
			{Href: userPath(p.ID) + "/security", Text: text.Say("Security"), Current: tab == "security"},
		},
	}
	for _, l := range menuFor(c, p.User, now) {
		switch l.Href {
		case userPath(p.ID) + "/reset-2fa":
			v.Reset = l.Href
		case userPath(p.ID) + "/unlock":
			v.Unlock = &l
		case userPath(p.ID) + "/delete":
			v.Delete = l.Href
		default:
			v.Menu = append(v.Menu, l)
		}
	}
	if p.Locked(now) {
		v.Lock = lockWords(p.User)
	}
	me, _ := c.User()
	if me.Role.May(sallyport.ReadAudit) {
		v.Events = auditFilter{Person: p.ID}.at(auditPath, "")
	}
	for _, g := range p.Groups {
		l := link{Href: listAddress(usersPath, sallyport.PeopleFilter{Group: g.ID}), Text: text.Say("<bdi>{name}</bdi>", "name", g.Name)}
		if me.Role.May(sallyport.ManageGroups) {
			l.Href = groupPath(g.ID)
		}
		v.InGroups = append(v.InGroups, l)
	}
	if me.Role.May(sallyport.ManageGroups) {
		v.ChangeGroups = userPath(p.ID) + "/groups"
	}
	if c.Offers(sallyport.EditPeople, p.User) {
		v.Edit = userPath(p.ID) + "/edit"
	}
	if c.Offers(sallyport.ChangeRoles, p.User) {
		v.Roles = s.roleOptions(me.Role)
	}
	return v, nil
}

func (s *site) user(w http.ResponseWriter, r *http.Request) error {
	v, err := s.userPage(r, "")
	if err != nil {
		return err
	}
	if f := s.filled(w, r); f.Has("role") {
		v.RoleChosen = f.Get("role")
	}
	return s.render(w, r, http.StatusOK, "user", v)
}

func (s *site) userPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	wrong := s.service.ChangeRole(r.Context(), by(r), r.PathValue("id"), sallyport.Role(f.Get("role")))
	if wrong == nil {
		return s.done(w, r, userPath(r.PathValue("id")), s.ofInvited(r, "role-changed"))
	}
	if !mendable(wrong) {
		return wrong
	}
	v, err := s.userPage(r, "")
	if err != nil {
		return err
	}
	return s.again(w, r, "user", v, wrong)
}

func (s *site) userSecurity(w http.ResponseWriter, r *http.Request) error {
	v, err := s.userPage(r, "security")
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "user-security", v)
}
