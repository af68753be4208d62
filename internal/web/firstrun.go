package web

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

type firstRunPage struct {
	page
	Workspace, Name, Email string
	Least                  int
}

func newFirstRunPage() *firstRunPage {
	return &firstRunPage{page: page{Title: text.Say("Welcome to Sallyport")}, Least: sallyport.LongPassword}
}

func (s *site) firstRun(w http.ResponseWriter, r *http.Request) error {
	if err := s.service.CheckFirstRun(r.Context(), sallyport.Secret(r.PathValue("token"))); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "first-run", newFirstRunPage())
}

func (s *site) firstRunPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	v := newFirstRunPage()
	v.Workspace, v.Name, v.Email = f.Get("workspace"), f.Get("name"), f.Get("email")
	p, err := s.service.FirstRunByLink(r.Context(), s.arrival(r), sallyport.Secret(r.PathValue("token")), sallyport.FirstOwner{
		Workspace: v.Workspace, Name: v.Name, Address: v.Email, Password: sallyport.Secret(f.Get("password")),
	})
	if err != nil {
		return s.again(w, r, "first-run", v, err)
	}
	s.setCookies(w, p)
	return s.done(w, r, overviewPath, "first-owner")
}
