package web

import (
	"errors"
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// stepPaths is where each step of a sign-in stands.
var stepPaths = map[sallyport.Step]string{
	sallyport.StepPassword: "/sign-in",
	sallyport.StepCode:     "/sign-in/2fa",
	sallyport.StepSetUp:    "/sign-in/set-up",
	sallyport.StepDone:     "/",
}

// goOn leads to where a sign-in is now.
func (s *site) goOn(w http.ResponseWriter, r *http.Request, p sallyport.Passage) error {
	s.keep(w, p)
	return s.done(w, r, stepPaths[p.Step], "")
}

// inSignIn answers a step that is not the sign-in's: the browser goes to the one that is.
func (s *site) inSignIn(w http.ResponseWriter, r *http.Request, err error) error {
	if !errors.Is(err, sallyport.ErrOtherStep) {
		return err
	}
	c, err := s.service.Challenge(r.Context(), by(r))
	if err != nil {
		return err
	}
	return s.done(w, r, stepPaths[c.Step], "")
}

func (s *site) start(w http.ResponseWriter, r *http.Request) error {
	if _, ok := by(r).User(); ok {
		return s.done(w, r, "/account", "")
	}
	return s.done(w, r, "/sign-in", "")
}

type signInPage struct {
	page
	Email string
}

func newSignInPage(email string) *signInPage {
	return &signInPage{page: page{Title: text.Say("Sign in")}, Email: email}
}

func (s *site) signIn(w http.ResponseWriter, r *http.Request) error {
	if _, ok := by(r).User(); ok {
		return s.done(w, r, "/", "")
	}
	return s.render(w, r, http.StatusOK, "sign-in", newSignInPage(""))
}

func (s *site) signInPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	p, err := s.service.SignIn(r.Context(), by(r), f.get("email"), f.get("password"))
	if err != nil {
		return s.again(w, r, "sign-in", newSignInPage(f.get("email")), err)
	}
	return s.goOn(w, r, p)
}

type challengePage struct {
	page
	sallyport.Challenge
}

// challengeFor shows the page that asks for a code, with what is wrong with the one given, if anything.
func (s *site) challengeFor(w http.ResponseWriter, r *http.Request, wrong error) error {
	c, err := s.service.Challenge(r.Context(), by(r))
	if err != nil {
		return err
	}
	if c.Step != sallyport.StepCode {
		return s.done(w, r, stepPaths[c.Step], "")
	}
	v := &challengePage{page: page{Title: text.Say("Enter your code")}, Challenge: c}
	if wrong != nil {
		return s.again(w, r, "challenge", v, wrong)
	}
	return s.render(w, r, http.StatusOK, "challenge", v)
}

func (s *site) challenge(w http.ResponseWriter, r *http.Request) error {
	return s.challengeFor(w, r, nil)
}

func (s *site) challengePost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	p, err := s.service.AnswerCode(r.Context(), by(r), f.get("code"), f.ticked("trust"))
	if err == nil {
		return s.goOn(w, r, p)
	}
	if errors.Is(err, sallyport.ErrOtherStep) || errors.Is(err, sallyport.ErrSignInEnded) {
		return s.inSignIn(w, r, err)
	}
	return s.challengeFor(w, r, err)
}

type signOutPage struct{ page }

func (s *site) signOut(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "sign-out", &signOutPage{page{Title: text.Say("Sign out")}})
}

func (s *site) signOutPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	if err := s.service.SignOut(r.Context(), by(r), f.ticked("forget")); err != nil {
		return err
	}
	if f.ticked("forget") {
		s.edge.ClearCookie(w, edge.TrustCookie)
	}
	s.edge.ClearCookie(w, edge.SessionCookie)
	return s.done(w, r, "/sign-in", "signed-out")
}
