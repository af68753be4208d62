package web

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

type forgotPage struct {
	page
	Email string
}

func (s *site) forgot(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "forgot", &forgotPage{page: page{Title: text.Say("Forgot password")}})
}

func (s *site) forgotPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	if err := s.service.Forgot(r.Context(), by(r), f.Get("email")); err != nil {
		return s.again(w, r, "forgot", &forgotPage{page{Title: text.Say("Forgot password"), OneField: s.service.Mailer != nil}, f.Get("email")}, err)
	}
	return s.done(w, r, "/sign-in", s.mailed("link-mailed"))
}

// token returns the secret of the link that the browser followed.
func token(r *http.Request) sallyport.Secret { return sallyport.Secret(r.PathValue("token")) }

func (s *site) resetPage(r *http.Request) (*newPasswordPage, error) {
	reset, err := s.service.Reset(r.Context(), by(r), token(r))
	return &newPasswordPage{page: page{Title: text.Say("Choose a new password"), OneField: true}, Address: reset.Address, Least: reset.Least}, err
}

func (s *site) reset(w http.ResponseWriter, r *http.Request) error {
	v, err := s.resetPage(r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "reset", v)
}

func (s *site) resetPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	wrong := s.service.ResetPassword(r.Context(), by(r), token(r), f.Get("new_password"))
	if wrong == nil {
		return s.done(w, r, "/sign-in", "password-reset")
	}
	if !told(wrong) {
		return wrong
	}
	v, err := s.resetPage(r)
	if err != nil {
		return err
	}
	return s.again(w, r, "reset", v, wrong)
}

// passwordLink asks before a link to a new password is created for a person.
func (s *site) passwordLink(w http.ResponseWriter, r *http.Request) error {
	u, err := s.service.MayMakePasswordLink(r.Context(), by(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	v := &confirmPage{
		page: page{Title: text.Say("Create a link to a new password?")}, Button: text.Say("Create the link"), Back: userPath(u.ID),
		Question: text.Say("<bdi>{name}</bdi> can then choose a new password. First make sure that the request really comes from this person.", "name", nameOf(u)),
		Points: []text.Message{
			text.Say("The link is shown only once, and you give it to the person yourself. It works once, within 24 hours."),
			text.Say("Two-factor authentication stays as it is: they still need their authenticator app."),
			text.Say("They get an e-mail that says that you did this."),
		},
	}
	if s.service.Mailer == nil {
		v.Points[2] = text.Say("No mail server is set up, so they get no e-mail about this.")
	}
	return s.render(w, r, http.StatusOK, "confirm", v)
}

type passwordLinkPage struct {
	page
	sallyport.PasswordLink
	Name, Back string
}

// passwordLinkPost shows the link in its response, and keeps it nowhere, so it can be seen only once.
func (s *site) passwordLinkPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	made, err := s.service.MakePasswordLink(r.Context(), by(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "password-link", &passwordLinkPage{
		page: page{Title: text.Say("Link to a new password")}, PasswordLink: made, Name: nameOf(made.User), Back: userPath(made.User.ID)})
}
