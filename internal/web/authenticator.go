package web

import (
	"errors"
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

type renamePage struct {
	page
	sallyport.Authenticator
	Name string
}

func newRenamePage(a sallyport.Authenticator, name string) *renamePage {
	return &renamePage{page: page{Title: text.Say("Rename authenticator app"), OneField: true}, Authenticator: a, Name: name}
}

func (s *site) renameAuthenticator(w http.ResponseWriter, r *http.Request) error {
	a, err := s.service.OwnAuthenticator(r.Context(), by(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	name := a.Name
	if f := s.filled(w, r); f.Has("name") {
		name = f.Get("name")
	}
	return s.render(w, r, http.StatusOK, "rename", newRenamePage(a, name))
}

func (s *site) renameAuthenticatorPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	err = s.service.RenameAuthenticator(r.Context(), by(r), r.PathValue("id"), f.Get("name"))
	if mendable(err) {
		a, gone := s.service.OwnAuthenticator(r.Context(), by(r), r.PathValue("id"))
		if gone != nil {
			return gone
		}
		return s.again(w, r, "rename", newRenamePage(a, f.Get("name")), err)
	}
	if err != nil {
		return err
	}
	return s.done(w, r, "/account/2fa", "authenticator-renamed")
}

func (s *site) removeAuthenticator(w http.ResponseWriter, r *http.Request) error {
	a, err := s.service.MayRemove(r.Context(), by(r), r.PathValue("id"))
	if err != nil {
		return s.shortPassword(w, r, err)
	}
	v := &confirmPage{
		page:     page{Title: text.Say("Remove this authenticator app?")},
		Question: text.Say("Codes from <bdi>{name}</bdi> will no longer be accepted.", "name", a.Name),
		Points:   []text.Message{text.Say("You stay signed in here, and are signed out everywhere else.")},
		Button:   text.Say("Remove"), Danger: true, Back: "/account/2fa",
	}
	if a.Last {
		v.Points = append([]text.Message{text.Say("This is your only authenticator app, so removing it <strong>disables two-factor authentication</strong>. To move to another phone, <a href=\"/account/2fa/change\">change the app</a> instead.")}, disablePoints...)
	}
	return s.render(w, r, http.StatusOK, "confirm", v)
}

func (s *site) removeAuthenticatorPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	token, err := s.service.RemoveAuthenticator(r.Context(), by(r), r.PathValue("id"))
	if err != nil {
		return s.shortPassword(w, r, err)
	}
	s.setCookies(w, sallyport.SignInResult{Session: token})
	return s.done(w, r, "/account/2fa", "authenticator-removed")
}

var disablePoints = []text.Message{
	text.Say("Your password alone will protect your account."),
	text.Say("Your recovery codes stop working, and your devices are no longer trusted."),
	text.Say("You stay signed in here, and are signed out everywhere else."),
}

func (s *site) disable(w http.ResponseWriter, r *http.Request) error {
	if err := s.service.MayDisable(r.Context(), by(r)); err != nil {
		return s.shortPassword(w, r, err)
	}
	return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
		page:     page{Title: text.Say("Disable two-factor authentication?")},
		Question: text.Say("Anyone who learns your password can then sign in as you."), Points: disablePoints,
		Button: text.Say("Disable"), Danger: true, Back: "/account/2fa",
	})
}

func (s *site) disablePost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	token, err := s.service.Disable(r.Context(), by(r))
	if err != nil {
		return s.shortPassword(w, r, err)
	}
	s.setCookies(w, sallyport.SignInResult{Session: token})
	return s.done(w, r, "/account/2fa", "disabled")
}

type passwordFirstPage struct {
	page
	Say text.Message
}

// shortPassword answers the error that a password is too short to be the only factor, with a page that links to
// changing it.
func (s *site) shortPassword(w http.ResponseWriter, r *http.Request, err error) error {
	if !errors.Is(err, sallyport.ErrPasswordShort) {
		return err
	}
	return s.render(w, r, http.StatusConflict, "password-first", &passwordFirstPage{
		page: page{Title: text.Say("Change your password first")}, Say: sallyport.ErrPasswordShort.Text,
	})
}
