// Package proxyauth is the door for apps that know nothing about sign-in. A proxy in front of such an app asks about each request
// (forward authentication), and is told who sends it, or where to send the browser.
//
//	read.go       the request to the app, as the three kinds of proxy describe it
//	proxyauth.go  the answer
//	page.go       the page for a person who is refused
//
// The rules are those of [sallyport.Service.Pass]. There are no other answers than 200, 302, 400, 401 and 403, because proxies
// treat anything else as an error of ours. 200 is the last statement of its function.
package proxyauth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/rule"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Door answers proxies. It is safe for concurrent use.
type Door struct {
	edge    *edge.Edge
	log     *slog.Logger
	lang    *text.Lang
	service *sallyport.Service
}

// New returns the door of a Service.
func New(e *edge.Edge, log *slog.Logger, lang *text.Lang, service *sallyport.Service) *Door {
	return &Door{e, log, lang, service}
}

// The headers that tell an app who sends a request. Every 200 sets all of them.
const (
	userHeader      = "Remote-User"
	nameHeader      = "Remote-Name"
	emailHeader     = "Remote-Email"
	groupsHeader    = "Remote-Groups"
	assertionHeader = "Sallyport-Assertion"
)

// ServeHTTP answers a proxy.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := asked{w: w, r: r}
	if err := d.answer(&a); err != nil {
		d.refuse(&a, err)
	}
}

// asked is a question of a proxy.
type asked struct {
	w       http.ResponseWriter
	r       *http.Request
	request sallyport.ProxyRequest
	path    string // as rules compare it
	query   string
	byProxy bool // a redirect is 401 with Location, which the proxy turns into 302
	page    bool // a person looks at the answer
}

func (d *Door) answer(a *asked) error {
	if err := d.read(a); err != nil {
		return err
	}
	if ours(a.path) {
		return d.own(a)
	}
	p, err := d.service.Pass(a.r.Context(), a.request)
	if err != nil {
		return d.lacking(a, p, err)
	}
	h := a.w.Header()
	user, name, groups := "", "", ""
	if p.Person != nil {
		user, name, groups = headerText(p.Person.Address), headerText(p.Person.Name), headerText(strings.Join(p.Groups, ","))
	}
	h[userHeader], h[emailHeader], h[nameHeader], h[groupsHeader] = []string{user}, []string{user}, []string{name}, []string{groups}
	h[assertionHeader] = []string{p.Assertion.Reveal()}
	a.w.WriteHeader(http.StatusOK)
	return nil
}

// lacking sends a browser to where it gets what it lacks, and tells a program what that is.
func (d *Door) lacking(a *asked, p sallyport.Passage, err error) error {
	signedOut := errors.Is(err, sallyport.ErrSignedOut)
	if !signedOut && !errors.Is(err, sallyport.ErrStepUp) && !errors.Is(err, sallyport.ErrSetUpRequired) || p.Workspace == "" {
		return err
	}
	enter := edge.EnterAppPath + "?" + url.Values{"for": {p.For}, "browser": {p.Browser}}.Encode()
	in := p.Workspace + edge.SignInPath + "?" + url.Values{"to": {enter}}.Encode()
	if p.Fresh != "" { // also for a script, which may open the address
		d.setCookie(a, p.Fresh, 0)
	}
	if a.page {
		a.redirect(in)
		return nil
	}
	status := http.StatusForbidden
	switch {
	case signedOut:
		status = http.StatusUnauthorized
		a.w.Header().Set("WWW-Authenticate", "Bearer")
	case errors.Is(err, sallyport.ErrStepUp):
		status = http.StatusUnauthorized
		a.w.Header().Set("WWW-Authenticate", challenge(p.Demand))
	}
	var e *sallyport.Error
	errors.As(err, &e)
	return edge.JSON(a.w, status, map[string]string{"code": e.Code, "message": d.lang.Text(e.Text), "sign_in": in})
}

// challenge says what a request lacks (RFC 9470 section 3).
func challenge(demand sallyport.Demand) string {
	s := `Bearer error="insufficient_user_authentication"`
	switch demand.Level {
	case sallyport.LevelPhishingResistant:
		s += `, acr_values="phr"`
	case sallyport.LevelTwoFactor:
		s += `, acr_values="aal2"`
	}
	if demand.Fresh > 0 {
		s += fmt.Sprintf(`, max_age=%d`, int(demand.Fresh/time.Second))
	}
	return s
}

// ours reports whether a path on an app's host belongs to us, and never to the app.
func ours(path string) bool {
	return path == strings.TrimSuffix(edge.AppPrefix, "/") || strings.HasPrefix(path, edge.AppPrefix)
}

// own answers the addresses on an app's host that belong to us.
func (d *Door) own(a *asked) error {
	target, _, _ := strings.Cut(a.request.Target, "?")
	if a.request.Method != http.MethodGet {
		return sallyport.ErrNoApp
	}
	switch target {
	case edge.AppCallback:
		return d.callback(a)
	case edge.AppSignOut:
		home, err := d.service.HomeOf(a.r.Context(), a.request)
		if err != nil {
			return err
		}
		a.redirect(home + edge.SignOutPath)
		return nil
	}
	return sallyport.ErrNoApp
}

// callback signs the browser in to the host, for a ticket.
func (d *Door) callback(a *asked) error {
	values, err := url.ParseQuery(a.query)
	if err != nil || len(values["ticket"]) != 1 {
		return sallyport.ErrTicketWrong
	}
	got, err := d.service.RedeemTicket(a.r.Context(), a.request, sallyport.Secret(values["ticket"][0]))
	if err != nil {
		return err
	}
	if got.Cookie != "" {
		d.setCookie(a, got.Cookie, sallyport.SessionLimit)
	}
	a.redirect(a.request.Origin + got.Target)
	return nil
}

// redirect sends a browser to an address, through the proxy.
func (a *asked) redirect(to string) {
	a.w.Header().Set("Location", to)
	if a.byProxy {
		a.w.WriteHeader(http.StatusUnauthorized)
		return
	}
	a.w.WriteHeader(http.StatusFound)
}

// refuse answers a request that may not pass. A fault is logged, and looks like a refusal.
func (d *Door) refuse(a *asked, err error) {
	var e *sallyport.Error
	if !errors.As(err, &e) {
		d.log.Error("fault", "request", edge.From(a.r.Context()).ID, "route", edge.ProxyPrefix, "error", err)
		e = errFault
	}
	status := http.StatusForbidden
	switch e.Kind {
	case sallyport.Invalid:
		status = http.StatusBadRequest
	case sallyport.Unauthenticated:
		status = http.StatusUnauthorized
		a.w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	if a.page && status != http.StatusUnauthorized {
		d.showRefusal(a.w, status, e)
		return
	}
	_ = edge.JSON(a.w, status, map[string]string{"code": e.Code, "message": d.lang.Text(e.Text)})
}

func (d *Door) setCookie(a *asked, value sallyport.Secret, lasts time.Duration) {
	http.SetCookie(a.w, &http.Cookie{
		Name: edge.AppCookieName(a.request.Origin), Value: value.Reveal(), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(a.request.Origin, "https:"), MaxAge: int(lasts / time.Second),
	})
}

// headerText returns a text for a header: whatever is not printable ASCII is percent-encoded, and the percent sign too.
func headerText(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && printable(s[i])
	}
	if plain {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if printable(s[i]) {
			b.WriteByte(s[i])
			continue
		}
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

func printable(c byte) bool { return c >= ' ' && c < 0x7f && c != '%' }

// pathOf returns the path of a target as rules compare it.
func pathOf(target string) string { return rule.ReadPath(target).String() }
