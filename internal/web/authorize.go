package web

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// continuePath is where a request of an app goes on that had to wait.
const continuePath = "/apps/continue"

func continueAddress(id string) string {
	return continuePath + "?" + url.Values{"request": {id}}.Encode()
}

// behindRequest reports whether a sign-in may lead to an address because a request of an app or a device waits there.
func behindRequest(path string) bool { return path == continuePath || path == devicePath }

// waitingRequest returns the id of the request of an app to which an address leads, or "".
func waitingRequest(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Path != continuePath {
		return ""
	}
	return u.Query().Get("request")
}

// leadsTo returns the origin of the app to which a page leads in the end, for its Content-Security-Policy.
func (s *site) leadsTo(r *http.Request) []string {
	q := r.URL.Query()
	if origin := s.entryOrigin(r, q.Get("to")); origin != "" {
		return []string{origin}
	}
	id := waitingRequest(q.Get("to"))
	if r.URL.Path == continuePath || r.URL.Path == signOutPath {
		id = q.Get("request")
	}
	if id == "" {
		return nil
	}
	if _, origin := s.service.LoginHint(r.Context(), by(r), s.secret(r, edge.RequestCookie), id); origin != "" {
		return []string{origin}
	}
	return nil
}

// waitingPage is a page on the way to an app.
type waitingPage struct {
	page
	App     string
	Request string
	User    sallyport.User
	Learns  []text.Message // what the app will learn
	Values  [][2]string    // to post to the app
	To      template.URL   // where they are posted; registered, so it may have a scheme of the app's own
}

// learns says what an app learns with each scope.
var learns = map[string]text.Message{
	"openid":         text.Say("Who you are, and how you signed in"),
	"profile":        text.Say("Your name"),
	"email":          text.Say("Your e-mail address"),
	"groups":         text.Say("Your groups"),
	"offline_access": text.Say("All of this also while you are not signed in"),
}

func (s *site) continueToApp(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	id, browser := q.Get("request"), s.secret(r, edge.RequestCookie)
	if r.Context().Value(probeKey{}) != nil {
		_, err := s.service.PendingAuthorization(r.Context(), by(r), browser, id)
		return err
	}
	o, err := s.service.ResumeAuthorization(r.Context(), by(r), browser, id)
	if o.Browser != "" {
		s.edge.SetCookie(w, edge.RequestCookie, o.Browser.Reveal(), sallyport.AppRequestLimit)
	}
	if err != nil {
		return err
	}
	return s.showWaiting(w, r, id, o)
}

// showWaiting shows the page on the way to an app, or sends the person there.
func (s *site) showWaiting(w http.ResponseWriter, r *http.Request, id string, o sallyport.OnTheWay) error {
	v := &waitingPage{App: o.App.Name, Request: id}
	v.User, _ = by(r).User()
	name := ""
	switch o.Show {
	case sallyport.ShowAccount:
		name, v.Title = "waiting-account", text.Say("Choose an account")
	case sallyport.ShowSignIn:
		return s.done(w, r, "/sign-in?"+url.Values{"as": {asOther}, "to": {s.onward(continueAddress(id))}}.Encode(), "")
	case sallyport.ShowConsent:
		name, v.Title = "waiting-consent", text.Say("Go on to {app}?", "app", v.App)
		for _, scope := range o.Scopes {
			v.Learns = append(v.Learns, learns[scope])
		}
	case sallyport.ShowRefusal:
		return s.showRefused(w, r, o.App.Refusal(), o.Reply)
	case sallyport.ShowPost:
		name, v.Title = "waiting-post", text.Say("Go on to {app}", "app", v.App)
		v.To, v.Values = template.URL(o.Reply.To), o.Reply.Values
	default:
		return s.toApp(w, r, o.Reply.Address())
	}
	if o.Reply != nil {
		v.LeadsTo = []string{o.Reply.Origin()} // the request does not wait any more
	}
	return s.render(w, r, http.StatusOK, name, v)
}

// toApp sends the browser to an address of an app, which the Service has checked. A notice about what was done on the way would
// appear on whichever page of ours the person opens next.
func (s *site) toApp(w http.ResponseWriter, r *http.Request, address string) error {
	s.takeNotice(w, r)
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

func (s *site) continueToAppPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	id := f.Get("request")
	at := continueAddress(id)
	if f.Get("answer") == "other" {
		if err := s.service.SignOut(r.Context(), by(r), false); err != nil {
			return err
		}
		for _, name := range []string{edge.SessionCookie, edge.SignInCookie, codesCookie, formCookie} {
			s.edge.ClearCookie(w, name)
		}
		return s.done(w, r, signInAddress(s.onward(at)), "")
	}
	agree := f.Get("answer") == "yes"
	o, err := s.service.AnswerAuthorization(r.Context(), by(r), s.secret(r, edge.RequestCookie), id, agree)
	if err != nil {
		return err
	}
	if !agree && o.Reply != nil {
		if o.Reply.Mode == sallyport.ModeForm {
			o.Show = sallyport.ShowPost
		} else {
			o.Show = ""
		}
		return s.showWaiting(w, r, id, o)
	}
	return s.done(w, r, at, "")
}

// hinted returns the address to fill into the sign-in page that leads to an address.
func (s *site) hinted(r *http.Request, to string) string {
	id := waitingRequest(to)
	if id == "" {
		return ""
	}
	hint, _ := s.service.LoginHint(r.Context(), by(r), s.secret(r, edge.RequestCookie), id)
	if len(hint) > 320 || strings.ContainsFunc(hint, text.IsControl) {
		return ""
	}
	return hint
}
