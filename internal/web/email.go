package web

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

type emailPage struct {
	page
	Tabs    []link
	Address string // the current one
	Email   string // the new one
}

func (s *site) emailPage(r *http.Request, email string) *emailPage {
	u, _ := by(r).User()
	return &emailPage{page: page{Title: text.Say("E-mail address"), Wide: true, OneField: s.service.Mailer != nil}, Tabs: accountTabs("/account"), Address: u.Address, Email: email}
}

func (s *site) email(w http.ResponseWriter, r *http.Request) error {
	if err := s.service.MayChangeEmail(by(r)); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "email", s.emailPage(r, s.filled(w, r).Get("email")))
}

func (s *site) emailPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	if err := s.service.ChangeEmail(r.Context(), by(r), f.Get("email")); err != nil {
		return s.again(w, r, "email", s.emailPage(r, f.Get("email")), err)
	}
	return s.done(w, r, "/account", s.mailed("email-asked"))
}

// confirmEmail asks before the address changes, because programs that scan mail open links too.
func (s *site) confirmEmail(w http.ResponseWriter, r *http.Request) error {
	address, err := s.service.NewEmail(r.Context(), by(r), token(r))
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
		page:     page{Title: text.Say("Use this e-mail address?")},
		Question: text.Say("You will sign in with <bdi>{address}</bdi> from now on.", "address", address),
		Points: []text.Message{
			text.Say("You will be signed out everywhere else."),
			text.Say("Your old address gets an e-mail with a link that undoes this for 72 hours."),
		},
		Button: text.Say("Change e-mail address"), Back: "/", Mailed: true,
	})
}

// readMailed reads the form on the page of an e-mailed link. A post without its field was not sent by that page.
func readMailed(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err == nil && !f.Ticked(confirmField) {
		err = errFormEmpty
	}
	return err
}

func (s *site) confirmEmailPost(w http.ResponseWriter, r *http.Request) error {
	if err := readMailed(w, r); err != nil {
		return err
	}
	value, err := s.service.ConfirmEmail(r.Context(), by(r), token(r))
	if err != nil {
		return err
	}
	s.setCookies(w, sallyport.SignInResult{Session: value})
	if value == "" {
		return s.done(w, r, "/sign-in", "email-changed")
	}
	return s.done(w, r, "/account", "email-changed")
}

func (s *site) undoEmail(w http.ResponseWriter, r *http.Request) error {
	address, err := s.service.OldEmail(r.Context(), by(r), token(r))
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
		page:     page{Title: text.Say("Undo the change of address?")},
		Question: text.Say("Your account goes back to <bdi>{address}</bdi>.", "address", address),
		Points: []text.Message{
			text.Say("Everyone who is signed in to your account is signed out."),
			text.Say("Your password stops working. You choose a new one next."),
		},
		Button: text.Say("Undo the change"), Danger: true, Back: "/", Mailed: true,
	})
}

func (s *site) undoEmailPost(w http.ResponseWriter, r *http.Request) error {
	if err := readMailed(w, r); err != nil {
		return err
	}
	reset, err := s.service.UndoEmail(r.Context(), by(r), token(r))
	if err != nil {
		return err
	}
	return s.done(w, r, "/reset/"+reset.Reveal(), "email-undone")
}
