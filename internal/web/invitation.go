package web

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

type newUserPage struct {
	page
	Email, Name, Role string
	Roles             []option
	ByPassword        bool // they get a temporary password instead of a link
}

func (s *site) newUserPage(r *http.Request, f form) *newUserPage {
	v := &newUserPage{
		page: page{Title: text.Say("Invite a person")}, Email: f.Get("email"), Name: f.Get("name"), Role: f.Get("role"),
		Roles: s.inviteOptions(by(r)), ByPassword: by(r).Policy().InviteMethod == sallyport.InviteByPassword,
	}
	if v.Role == "" {
		v.Role = string(sallyport.Member)
	}
	return v
}

func (s *site) newUser(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "user-new", s.newUserPage(r, s.filled(w, r)))
}

func (s *site) newUserPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	u, err := s.service.Invite(r.Context(), by(r), f.Get("email"), f.Get("name"), sallyport.Role(f.Get("role")))
	if err != nil {
		return s.again(w, r, "user-new", s.newUserPage(r, f), err)
	}
	return s.done(w, r, userPath(u.ID), s.mailed("invited"))
}

type invitationPage struct {
	newPasswordPage
	Name string
}

func (s *site) invitationPage(r *http.Request) (*invitationPage, error) {
	i, err := s.service.Invitation(r.Context(), by(r), token(r))
	title := text.Say("Welcome to <bdi>{brand}</bdi>", "brand", by(r).Workspace().Issuer())
	return &invitationPage{newPasswordPage{page: page{Title: title}, Address: i.Address, Least: i.Least}, i.Name}, err
}

func (s *site) invitation(w http.ResponseWriter, r *http.Request) error {
	v, err := s.invitationPage(r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "invitation", v)
}

func (s *site) invitationPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	wrong := s.service.AcceptInvitation(r.Context(), by(r), token(r), f.Get("name"), sallyport.Secret(f.Get("new_password")))
	if wrong == nil {
		return s.done(w, r, "/sign-in", "joined")
	}
	if !told(wrong) {
		return wrong
	}
	v, err := s.invitationPage(r)
	if err != nil {
		return err
	}
	v.Name = f.Get("name")
	return s.again(w, r, "invitation", v, wrong)
}
