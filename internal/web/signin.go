package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/passkey"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// stepPaths are the addresses of the steps of a sign-in.
var stepPaths = map[sallyport.Step]string{
	sallyport.StepPassword:       "/sign-in",
	sallyport.StepChoosePassword: "/sign-in/password",
	sallyport.StepCode:           "/sign-in/2fa",
	sallyport.StepSetUp:          "/sign-in/set-up",
	sallyport.StepRecoveryCodes:  "/sign-in/set-up?step=codes",
	sallyport.StepDone:           "/",
}

// goOn redirects to the current step of a sign-in. A session that began with a recovery code first gets the page about
// its restrictions.
func (s *site) goOn(w http.ResponseWriter, r *http.Request, p sallyport.SignInResult) error {
	s.setCookies(w, p)
	switch {
	case p.Restricted:
		return s.done(w, r, afterRecoveryAddress(cmp.Or(s.onward(r.URL.Query().Get("to")), s.onward(p.Parked))), "")
	case p.Step == sallyport.StepDone:
		return s.signedIn(w, r, p, "")
	}
	return s.done(w, r, stepAddress(p.Step, s.onward(r.URL.Query().Get("to"))), "")
}

// stepAddress returns the address of a step. The sign-in ends at to, if that is not empty.
func stepAddress(step sallyport.Step, to string) string {
	at, query, _ := strings.Cut(stepPaths[step], "?")
	return setUpAddress(at, strings.TrimPrefix(query, "step="), to)
}

// signedIn redirects a user who has just signed in to where they were going. If a form of theirs arrived there after
// their session had ended, the page says that it was kept.
func (s *site) signedIn(w http.ResponseWriter, r *http.Request, p sallyport.SignInResult, notice string) error {
	to := cmp.Or(s.onward(r.URL.Query().Get("to")), s.onward(p.Parked))
	if secret := s.secret(r, formCookie); secret != "" && (p.Device == "" || p.Device == s.secret(r, edge.DeviceCookie)) {
		c, err := s.arrive(r.Clone(context.WithValue(r.Context(), renewedKey{}, p.Session)))
		if err != nil {
			return err
		}
		at, _, _ := strings.Cut(cmp.Or(to, accountPath), "?")
		if s.service.KeptForm(c, secret, at) != nil {
			to, notice = cmp.Or(to, accountPath), "form-kept"
		}
	}
	return s.done(w, r, cmp.Or(to, stepPaths[sallyport.StepDone]), notice)
}

// toSignIn answers a caller who is signed out: they sign in, from the step they are at, and then get to the page that
// they opened. A form that was sent too late is shown there again.
func (s *site) toSignIn(w http.ResponseWriter, r *http.Request) error {
	to := s.going(r)
	if r.Method == http.MethodPost {
		if err := s.keepForm(w, r); err != nil {
			return err
		}
	}
	c, err := s.service.Challenge(r.Context(), by(r))
	switch {
	case err == nil && c.Step != sallyport.StepDone:
		return s.done(w, r, stepAddress(c.Step, to), "half-way")
	case err != nil && !errors.Is(err, sallyport.ErrSignInEnded):
		return err
	case by(r).SessionEnded():
		return s.done(w, r, signInAddress(to), "session-ended-here")
	}
	return s.done(w, r, signInAddress(to), "")
}

func signInAddress(to string) string {
	if to == "" {
		return "/sign-in"
	}
	return "/sign-in?" + url.Values{"to": {to}}.Encode()
}

// going returns the page to continue to after a request that cannot be answered now. For a post or a download, that is
// the page it belongs to.
func (s *site) going(r *http.Request) string {
	to := strings.TrimSuffix(strings.TrimSuffix(r.URL.Path, ".csv"), ".txt")
	switch {
	case to == "/step-up":
		return s.onward(r.URL.Query().Get("to"))
	case (r.Method == http.MethodGet || to == continuePath) && r.URL.RawQuery != "":
		to += "?" + r.URL.RawQuery
	case r.Method == http.MethodPost:
		for behindSignIn(to) && !s.local(to) {
			to = path.Dir(to)
		}
	}
	return s.onward(to)
}

// maxOnward is the maximum length of an address to continue to, in bytes.
const maxOnward = 4000

// onward returns the address if a sign-in may lead to it, or "" (I46).
func (s *site) onward(to string) string {
	at, _, _ := strings.Cut(to, "?")
	if len(to) > maxOnward || !behindSignIn(at) && !behindRequest(at) || !s.local(to) {
		return ""
	}
	return to
}

// wayOf returns where the sign-in leads whose page sent this form.
func (s *site) wayOf(r *http.Request) string {
	from, err := url.Parse(r.Referer())
	if err != nil {
		return ""
	}
	return s.onward(from.Query().Get("to"))
}

// inSignIn answers a request for the wrong step of a sign-in: it redirects to the current step.
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
		to, err := s.home(r)
		if err != nil {
			return err
		}
		return s.done(w, r, to, "")
	}
	if from, err := url.Parse(r.Referer()); err == nil && from.Path == "/sign-in" && len(r.Header["Cookie"]) == 0 {
		v := newSignInPage("", "")
		v.Notice = text.Say(`If you see this page again after entering your password, your browser blocks cookies, which signing in needs. <a href="/help/2fa#cookies">Allow cookies</a> for this site, then sign in.`)
		return s.showSignIn(w, r, v, nil)
	}
	return s.toSignIn(w, r)
}

type signInPage struct {
	page
	Email   string
	Action  string // where the form is sent
	Options string // with which the browser asks for a passkey
}

func newSignInPage(email, to string) *signInPage {
	return &signInPage{page: page{Title: text.Say("Sign in"), UsesKeys: true}, Email: email, Action: signInAddress(to)}
}

// showSignIn shows the page with a challenge for a passkey, which only this browser can answer. wrong is what is wrong with
// the form, if anything.
func (s *site) showSignIn(w http.ResponseWriter, r *http.Request, v *signInPage, wrong error) error {
	if wrong != nil && !told(wrong) {
		return wrong
	}
	options, visitor, err := s.service.EnterOptions(by(r), s.secret(r, visitorCookie))
	if err != nil {
		return err
	}
	v.Options = string(options)
	s.edge.SetCookie(w, visitorCookie, visitor.Reveal(), passkey.ChallengeLimit)
	if wrong != nil {
		return s.again(w, r, "sign-in", v, wrong)
	}
	return s.render(w, r, http.StatusOK, "sign-in", v)
}

// asOther is the value of as with which the page is shown to a person who is signed in.
const asOther = "other"

func (s *site) signIn(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	to := s.onward(q.Get("to"))
	v := newSignInPage(s.hinted(r, to), to)
	if u, ok := by(r).User(); ok {
		if q.Get("as") != asOther || waitingRequest(to) == "" {
			return s.done(w, r, cmp.Or(to, "/"), "")
		}
		v.Notice = text.Say("You are signed in as <bdi>{email}</bdi>, but the app that sent you here expects somebody else.", "email", u.Address)
	}
	return s.showSignIn(w, r, v, nil)
}

func (s *site) signInPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	to := s.onward(q.Get("to"))
	var p sallyport.SignInResult
	if f.Get("credential") != "" {
		p, err = s.service.SignInByPasskey(r.Context(), by(r).To(to), s.secret(r, visitorCookie), f.Get("credential"))
	} else {
		p, err = s.service.SignIn(r.Context(), by(r).To(to), f.Get("email"), f.Get("password"))
	}
	if err != nil {
		return s.showSignIn(w, r, newSignInPage(f.Get("email"), to), err)
	}
	return s.goOn(w, r, p)
}

type challengePage struct {
	page
	sallyport.Challenge
	Options string
}

// ask is one of the two pages that ask for a second factor. Both accept the same: whether it is the code of an
// authenticator or a recovery code is recognised by its format.
type ask struct {
	page, field string
	title       text.Message
}

var (
	askCode     = ask{"challenge", "code", text.Say("Enter your code")}
	askRecovery = ask{"challenge-recovery", "recovery_code", text.Say("Enter a recovery code")}
)

// challengeFor shows a page that asks for a second factor. wrong is what is wrong with the entered one, if anything.
func (s *site) challengeFor(w http.ResponseWriter, r *http.Request, a ask, wrong error) error {
	c, err := s.service.Challenge(r.Context(), by(r))
	if err != nil {
		return err
	}
	if c.Step != sallyport.StepCode {
		return s.done(w, r, stepPaths[c.Step], "")
	}
	v := &challengePage{page: page{Title: a.title, OneField: true, UsesKeys: true}, Challenge: c, Options: string(c.Options)}
	if a.page == askCode.page && len(c.Authenticators) == 0 {
		v.Title = text.Say("Use your passkey")
	}
	if wrong != nil {
		if f := (form{Values: r.PostForm}); f.Get("credential") == "" && !aboutApproval(wrong) {
			wrong = atField(wrong, a.field)
		}
		return s.again(w, r, a.page, v, wrong)
	}
	return s.render(w, r, http.StatusOK, a.page, v)
}

// atField moves an error about a field to the field into which the user typed.
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
		var p sallyport.SignInResult
		if f.Get("credential") != "" {
			p, err = s.service.AnswerPasskey(r.Context(), by(r), f.Get("credential"), f.Ticked("trust"))
		} else {
			p, err = s.service.AnswerCode(r.Context(), by(r), f.Get(a.field), f.Ticked("trust"))
		}
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

const signOutPath = "/sign-out"

type signOutPage struct {
	page
	Request string // id of the request of an app that sent the person here
}

func (s *site) signOut(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	if _, signedIn := by(r).User(); !signedIn && s.secret(r, edge.SignInCookie) == "" {
		to, err := s.service.AfterSignOut(r.Context(), by(r), s.secret(r, edge.RequestCookie), q.Get("request"), true)
		if err == nil && to != "" {
			return s.toApp(w, r, to)
		}
		return errors.Join(err, s.done(w, r, "/sign-in", ""))
	}
	return s.render(w, r, http.StatusOK, "sign-out", &signOutPage{page{Title: text.Say("Sign out")}, q.Get("request")})
}

func (s *site) signOutPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	to, err := s.service.AfterSignOut(r.Context(), by(r), s.secret(r, edge.RequestCookie), f.Get("request"), true)
	if err != nil {
		return err
	}
	if err := s.service.SignOut(r.Context(), by(r), f.Ticked("forget")); err != nil {
		return err
	}
	if f.Ticked("forget") {
		s.edge.ClearCookie(w, edge.TrustCookie)
	}
	for _, name := range []string{edge.SessionCookie, edge.SignInCookie, codesCookie, formCookie} {
		s.edge.ClearCookie(w, name)
	}
	if to != "" {
		return s.toApp(w, r, to)
	}
	if f.Ticked("again") {
		return s.done(w, r, signInAddress(s.wayOf(r)), "")
	}
	return s.done(w, r, "/sign-in", "signed-out")
}
