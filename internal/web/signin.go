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
	sallyport.StepPassword:       "/sign-in",
	sallyport.StepChoosePassword: "/sign-in/password",
	sallyport.StepCode:           "/sign-in/2fa",
	sallyport.StepSetUp:          "/sign-in/set-up",
	sallyport.StepRecoveryCodes:  "/sign-in/set-up?step=codes",
	sallyport.StepDone:           "/",
}

// goOn leads to where a sign-in is now. A session that began with a recovery code is led to a new authenticator.
func (s *site) goOn(w http.ResponseWriter, r *http.Request, p sallyport.Passage) error {
	s.keep(w, p)
	if p.Restricted {
		return s.done(w, r, changePath, "")
	}
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

// ask is one of the two pages that ask for a second factor. Their fields take the same: what was typed tells by its
// shape whether it is the code of an authenticator or a recovery code.
type ask struct {
	page, field string
	title       text.Message
}

var (
	askCode     = ask{"challenge", "code", text.Say("Enter your code")}
	askRecovery = ask{"challenge-recovery", "recovery_code", text.Say("Enter a recovery code")}
)

// challengeFor shows a page that asks for a second factor, with what is wrong with the one given, if anything.
func (s *site) challengeFor(w http.ResponseWriter, r *http.Request, a ask, wrong error) error {
	c, err := s.service.Challenge(r.Context(), by(r))
	if err != nil {
		return err
	}
	if c.Step != sallyport.StepCode {
		return s.done(w, r, stepPaths[c.Step], "")
	}
	v := &challengePage{page: page{Title: a.title}, Challenge: c}
	if wrong != nil {
		return s.again(w, r, a.page, v, atField(wrong, a.field))
	}
	return s.render(w, r, http.StatusOK, a.page, v)
}

// atField says what is wrong at the field into which it was typed.
func atField(err error, field string) error {
	var e *sallyport.Error
	if !errors.As(err, &e) || e.Field == "" {
		return err
	}
	moved := *e
	moved.Field = field
	return &moved
}

func (s *site) challenge(a ask) handler {
	return func(w http.ResponseWriter, r *http.Request) error { return s.challengeFor(w, r, a, nil) }
}

func (s *site) challengePost(a ask) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		f, err := readForm(w, r)
		if err != nil {
			return err
		}
		p, err := s.service.AnswerCode(r.Context(), by(r), f.get(a.field), f.ticked("trust"))
		if err == nil {
			return s.goOn(w, r, p)
		}
		if errors.Is(err, sallyport.ErrOtherStep) || errors.Is(err, sallyport.ErrSignInEnded) {
			return s.inSignIn(w, r, err)
		}
		if !told(err) {
			return err
		}
		return s.challengeFor(w, r, a, err)
	}
}

type signOutPage struct{ page }

func (s *site) signOut(w http.ResponseWriter, r *http.Request) error {
	if _, signedIn := by(r).User(); !signedIn && s.secret(r, edge.SignInCookie) == "" {
		return s.done(w, r, "/sign-in", "")
	}
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
	for _, name := range []string{edge.SessionCookie, edge.SignInCookie, codesCookie, setUpCodeCookie} {
		s.edge.ClearCookie(w, name)
	}
	if f.ticked("again") {
		return s.done(w, r, "/sign-in", "")
	}
	return s.done(w, r, "/sign-in", "signed-out")
}
