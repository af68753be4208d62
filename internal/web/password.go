package web

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const passwordPath = "/account/password"

// newPasswordPage is the data of all pages that ask for a new password.
type newPasswordPage struct {
	page
	Tabs    []link
	Address string // the user's, for the browser's password manager
	Least   int
	Short   bool // it replaces a password that is too short
}

// choose shows the step in which a password is replaced, with what is wrong with the entered one, if anything.
func (s *site) choose(w http.ResponseWriter, r *http.Request, wrong error) error {
	c, err := s.service.Choosing(r.Context(), by(r).InSignIn())
	if err != nil {
		return s.inSignIn(w, r, err)
	}
	v := &newPasswordPage{page: page{Title: text.Say("Choose a password"), OneField: true}, Address: c.Address, Least: c.Least, Short: !c.Temporary}
	if wrong != nil {
		return s.again(w, r, "choose-password", v, wrong)
	}
	return s.render(w, r, http.StatusOK, "choose-password", v)
}

func (s *site) choosePassword(w http.ResponseWriter, r *http.Request) error {
	return s.choose(w, r, nil)
}

func (s *site) choosePasswordPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	p, err := s.service.ChoosePassword(r.Context(), by(r).InSignIn(), f.Get("new_password"))
	if err == nil {
		return s.goOn(w, r, p)
	}
	if !told(err) {
		return err
	}
	return s.choose(w, r, err)
}

func (s *site) accountPasswordPage(r *http.Request) *newPasswordPage {
	u, _ := by(r).User()
	return &newPasswordPage{
		page: page{Title: text.Say("Password"), Wide: true}, Tabs: accountTabs(passwordPath),
		Address: u.Address, Least: s.service.LeastPassword(by(r), u),
	}
}

func (s *site) password(w http.ResponseWriter, r *http.Request) error {
	if err := s.service.MayChangePassword(by(r)); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "password", s.accountPasswordPage(r))
}

func (s *site) passwordPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	value, err := s.service.ChangePassword(r.Context(), by(r), f.Get("current_password"), f.Get("new_password"))
	if err != nil {
		return s.again(w, r, "password", s.accountPasswordPage(r), err)
	}
	s.setCookies(w, sallyport.SignInResult{Session: value})
	return s.done(w, r, passwordPath, "password-changed")
}
