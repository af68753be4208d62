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
	if err := s.service.Forgot(r.Context(), by(r), f.get("email")); err != nil {
		return s.again(w, r, "forgot", &forgotPage{page{Title: text.Say("Forgot password")}, f.get("email")}, err)
	}
	return s.done(w, r, "/sign-in", "link-mailed")
}

// token is the secret of the link that the browser followed.
func token(r *http.Request) sallyport.Secret { return sallyport.Secret(r.PathValue("token")) }

func (s *site) resetPage(r *http.Request) (*newPasswordPage, error) {
	reset, err := s.service.Reset(r.Context(), by(r), token(r))
	return &newPasswordPage{page: page{Title: text.Say("Choose a new password")}, Address: reset.Address, Least: reset.Least}, err
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
	wrong := s.service.ResetPassword(r.Context(), by(r), token(r), f.get("new_password"))
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
