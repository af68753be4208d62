package web

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

type editPage struct {
	page
	Name, Email string
	Back        string
}

func (s *site) editPage(r *http.Request) (*editPage, error) {
	p, err := s.service.Person(r.Context(), by(r), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if p.Self {
		return nil, sallyport.ErrYourself
	}
	return &editPage{page: page{Title: text.Say("Edit <bdi>{name}</bdi>", "name", nameOf(p.User))}, Name: p.Name, Email: p.Address, Back: userPath(p.ID)}, nil
}

func (s *site) editUser(w http.ResponseWriter, r *http.Request) error {
	v, err := s.editPage(r)
	if err != nil {
		return err
	}
	if f := s.filled(w, r); f.Has("name") {
		v.Name, v.Email = f.Get("name"), f.Get("email")
	}
	return s.render(w, r, http.StatusOK, "user-edit", v)
}

func (s *site) editUserPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	asked, wrong := s.service.EditPerson(r.Context(), by(r), r.PathValue("id"), f.Get("name"), f.Get("email"))
	if wrong == nil {
		notice := "person-saved"
		if asked {
			notice = s.mailed("person-asked")
		}
		return s.done(w, r, userPath(r.PathValue("id")), notice)
	}
	if !told(wrong) || interrupted(wrong) {
		return wrong
	}
	v, err := s.editPage(r)
	if err != nil {
		return err
	}
	v.Name, v.Email = f.Get("name"), f.Get("email")
	return s.again(w, r, "user-edit", v, wrong)
}

// endSessionOf asks before another person's session is ended.
func (s *site) endSessionOf(w http.ResponseWriter, r *http.Request) error {
	p, err := s.service.Person(r.Context(), by(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	for _, ses := range p.Sessions {
		if ses.ID == r.PathValue("session") && !p.Self {
			return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
				page:     page{Title: text.Say("End this session?")},
				Question: text.Say("<bdi>{name}</bdi> is signed out in <bdi>{browser}</bdi>, and gets an e-mail about it.", "name", nameOf(p.User), "browser", browserName(ses.Agent)),
				Button:   text.Say("End session"), Danger: true, Back: userPath(p.ID) + "/security",
			})
		}
	}
	return sallyport.ErrNotFound
}

// browserName returns a browser's name, which comes from its User-Agent header.
func browserName(name string) any {
	if name == "" {
		return text.Say("an unknown browser")
	}
	return name
}

func (s *site) endSessionOfPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	id := r.PathValue("id")
	if err := s.service.EndSessionOf(r.Context(), by(r), id, r.PathValue("session")); err != nil {
		return err
	}
	return s.done(w, r, userPath(id)+"/security", "session-ended")
}

// removeTrustedOf asks before another person's trusted device is removed.
func (s *site) removeTrustedOf(w http.ResponseWriter, r *http.Request) error {
	p, err := s.service.Person(r.Context(), by(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	for _, d := range p.Trusted {
		if d.ID == r.PathValue("device") && !p.Self {
			return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
				page:     page{Title: text.Say("Remove this trusted device?")},
				Question: text.Say("<bdi>{name}</bdi> is asked for a code in <bdi>{browser}</bdi> at the next sign-in, and gets an e-mail about it.", "name", nameOf(p.User), "browser", browserName(d.Name)),
				Button:   text.Say("Remove"), Danger: true, Back: userPath(p.ID) + "/security",
			})
		}
	}
	return sallyport.ErrNotFound
}

func (s *site) removeTrustedOfPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	id := r.PathValue("id")
	if err := s.service.RemoveTrustedDeviceOf(r.Context(), by(r), id, r.PathValue("device")); err != nil {
		return err
	}
	return s.done(w, r, userPath(id)+"/security", "device-removed")
}
