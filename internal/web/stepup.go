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
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// A verb that needs fresher proof returns ErrStepUp. Whatever the page, the browser is then redirected to /step-up, and
// from there back to the page. An action that was already confirmed is performed then. Any other form is shown again,
// filled in.

// toStepUp answers ErrStepUp: it parks the interrupted request and redirects to the page that asks for fresh proof.
func (s *site) toStepUp(w http.ResponseWriter, r *http.Request, proof sallyport.Strength) error {
	if asked, probing := r.Context().Value(probeKey{}).(*sallyport.Strength); probing {
		*asked = proof
		return nil
	}
	to := url.URL{Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	q := url.Values{"to": {to.String()}}
	if from := s.cameFrom(r); from != "" {
		q.Set("from", from)
	}
	if r.Method == http.MethodPost {
		a := actions[s.routed(http.MethodPost, r.URL.Path)]
		if r.PostForm == nil {
			if _, err := readForm(w, r, a.repeats...); err != nil {
				return err
			}
		}
		p := sallyport.Parked{Path: r.URL.Path, Confirmed: a.confirmed || a.asks && r.PostForm.Get(confirmField) != "", Fields: keptFields(a, form{Values: r.PostForm}), Proof: proof}
		if p.Confirmed && a.asks {
			p.Fields[confirmField] = "yes"
		}
		id, err := s.service.Park(r.Context(), by(r), p)
		if err != nil {
			return err
		}
		if p.Confirmed && id != "" {
			q.Set("parked", id)
		}
	}
	return s.done(w, r, "/step-up?"+q.Encode(), "")
}

// cameFrom returns the page, among those for signed-in users, that the user was on when a step-up interrupted them, or
// "".
func (s *site) cameFrom(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if err != nil || u.Scheme+"://"+u.Host != s.edge.Origin(edge.From(r.Context()).Host) {
		return ""
	}
	at := url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}
	if r.Method == http.MethodGet && at.Path == r.URL.Path || !behindSignIn(at.Path) || !s.local(at.String()) {
		return ""
	}
	return at.String()
}

// accountPath is a page that every signed-in user may open.
const accountPath = "/account"

func behindSignIn(path string) bool {
	return path == launcherPath || path == accountPath || strings.HasPrefix(path, accountPath+"/") || isAdmin(path) || path == edge.EnterAppPath
}

func isAdmin(path string) bool {
	return path == overviewPath || strings.HasPrefix(path, overviewPath+"/")
}

// without returns the page to go to if the user cancels: the one they came from, or the nearest page above the
// interrupted one. It is never a page that would ask again because the session was idle for an hour.
func (s *site) without(r *http.Request, q form) string {
	to := q.Get("from")
	if !s.local(to) {
		to, _, _ = strings.Cut(q.Get("to"), "?")
		to = path.Dir(to)
		for behindSignIn(to) && !s.local(to) {
			to = path.Dir(to)
		}
	}
	at, _, _ := strings.Cut(to, "?")
	asleep := interrupted(s.service.MayAct(by(r), sallyport.SeePeople))
	if !behindSignIn(at) || isAdmin(at) && asleep {
		return accountPath
	}
	return to
}

// probeKey is the key of a *sallyport.Strength in the context of a request that only finds out what a page needs.
type probeKey struct{}

// needs returns the strength of the proof that opening a page needs. It opens the page, and shows it to nobody.
func (s *site) needs(r *http.Request, to string) (proof sallyport.Strength) {
	if r.Context().Value(probeKey{}) != nil {
		return sallyport.NoProof // a step-up for a page that is itself a step-up
	}
	u, err := url.Parse(to)
	if err != nil {
		return sallyport.NoProof
	}
	probe := r.Clone(context.WithValue(r.Context(), probeKey{}, &proof))
	probe.Method, probe.URL, probe.Body = http.MethodGet, u, http.NoBody
	s.served.ServeHTTP(&headerOnly{header: http.Header{}}, probe)
	return proof
}

// routed returns the path in the route table that answers an address, or "".
func (s *site) routed(method, to string) string {
	_, pattern := s.served.Handler(&http.Request{Method: method, URL: &url.URL{Path: to}})
	_, in, _ := strings.Cut(pattern, " ")
	return in
}

type stepUpPage struct {
	page
	Action    text.Message
	Confirmed bool // the action is performed right after the step-up
	TwoFactor bool
	Names     []string // of the authenticators
	Options   string   // with which the browser asks for a passkey; empty: there is none

	PasskeyFirst bool
	TrustDays    int // always 0: a step-up trusts nothing
	Proof        sallyport.Strength
	Recovery     bool   // asks for a recovery code
	Switch       string // address of the page that asks for the other kind of code
	Back         string // where Cancel leads
}

// Codes reports whether a code will do.
func (v *stepUpPage) Codes() bool { return v.Proof <= sallyport.StrongFactor }

// AnyKind reports whether a recovery code will do.
func (v *stepUpPage) AnyKind() bool { return v.Proof <= sallyport.AnyFactor }

func (s *site) newStepUpPage(r *http.Request) (*stepUpPage, form, error) {
	q, err := readQuery(r)
	if err != nil {
		return nil, q, err
	}
	u, _ := by(r).User()
	v := &stepUpPage{page: page{Title: text.Say("Confirm that it is you"), OneField: true, UsesKeys: true}, TwoFactor: u.TwoFactor, Back: s.without(r, q)}
	to, _, _ := strings.Cut(q.Get("to"), "?")
	opens := s.local(q.Get("to"))
	parked, waiting := s.service.ParkedFor(by(r), to)
	v.Confirmed = waiting && parked.Confirmed && parked.ID == q.Get("parked")
	waiting = waiting && v.Confirmed == parked.Confirmed
	switch {
	case waiting:
		v.Proof = parked.Proof
	case to == afterRecoveryPath:
		v.Proof = sallyport.StrongFactor // nothing less lifts the restriction
	case opens:
		v.Proof = s.needs(r, q.Get("to"))
	}
	if waiting || opens {
		if a := actions[cmp.Or(s.routed(http.MethodGet, to), s.routed(http.MethodPost, to))]; waiting || !a.shows {
			v.Action = a.say
		}
	}
	if v.Action.IsZero() {
		v.Action = s.opening(r, q.Get("to"))
	}
	if u.HasPasskey && to != newPasskeyPath && s.owes(by(r)) == sallyport.OwesPasskey {
		v.Proof = sallyport.PhishingResistant
	}
	ses, _ := by(r).Session()
	v.Recovery = v.AnyKind() && (q.Get("with") == "recovery" || ses.Restricted() && q.Get("with") == "")
	other := url.Values{"to": {q.Get("to")}, "with": {"recovery"}}
	if v.Recovery {
		other.Set("with", "code")
	}
	for _, name := range []string{"parked", "from"} {
		if q.Has(name) {
			other.Set(name, q.Get(name))
		}
	}
	v.Switch = "/step-up?" + other.Encode()
	if !u.TwoFactor {
		return v, q, nil
	}
	have, err := s.service.StepUp(r.Context(), by(r))
	v.Names, v.Options, v.PasskeyFirst = have.Authenticators, string(have.Options), have.PasskeyFirst
	return v, q, err
}

func (s *site) stepUp(w http.ResponseWriter, r *http.Request) error {
	v, _, err := s.newStepUpPage(r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "step-up", v)
}

func (s *site) stepUpPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	v, q, err := s.newStepUpPage(r)
	if err != nil {
		return err
	}
	var token sallyport.Secret
	switch {
	case !v.TwoFactor:
		token, err = s.service.StepUpPassword(r.Context(), by(r), f.Get("password"))
	case f.Get("credential") != "":
		token, err = s.service.StepUpPasskey(r.Context(), by(r), f.Get("credential"))
	case f.Has("recovery_code"):
		v.Recovery = v.AnyKind()
		token, err = s.service.StepUpCode(r.Context(), by(r), f.Get("recovery_code"), v.Proof)
	default:
		token, err = s.service.StepUpCode(r.Context(), by(r), f.Get("code"), v.Proof)
	}
	if err != nil {
		if field := "code"; v.TwoFactor && f.Get("credential") == "" {
			if v.Recovery {
				field = "recovery_code"
			}
			err = atField(err, field)
		}
		return s.again(w, r, "step-up", v, err)
	}
	s.setCookies(w, sallyport.SignInResult{Session: token})
	if v.Confirmed {
		return s.resume(w, r, token, q)
	}
	return s.back(w, r, q.Get("to"))
}

// back redirects to where a step-up began.
func (s *site) back(w http.ResponseWriter, r *http.Request, to string) error {
	if !s.local(to) {
		to = accountPath
	}
	return s.done(w, r, to, "")
}

type renewedKey struct{}

// secret returns the value of a cookie. After a step-up in the same request, it returns the session's new secret, not
// the one that was sent.
func (s *site) secret(r *http.Request, cookie string) sallyport.Secret {
	if v, ok := r.Context().Value(renewedKey{}).(sallyport.Secret); ok && cookie == edge.SessionCookie {
		return v
	}
	return sallyport.Secret(s.edge.Cookie(r, cookie))
}

// local reports whether an address is one of our own pages that can be opened, so that a browser may be redirected
// there (I46).
func (s *site) local(address string) bool {
	to, query, _ := strings.Cut(address, "?")
	if !strings.HasPrefix(to, "/") || to != path.Clean(to) || strings.ContainsAny(to, "\\#%") {
		return false
	}
	if values, err := url.ParseQuery(query); err != nil || strings.ContainsAny(query, "\\#") || !edge.ValidText(values.Encode()) {
		return false
	}
	return s.routed(http.MethodGet, to) != ""
}

// interrupted reports whether a step-up must come first.
func interrupted(err error) bool { return errors.Is(err, sallyport.ErrStepUp) }

// wanted returns the strength of the proof that an outcome asks for.
func wanted(err error) (proof sallyport.Strength) {
	for _, outcome := range sallyport.Outcomes(err) {
		proof = max(proof, outcome.Proof)
	}
	return proof
}
