package web

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// site is the pages of a Service.
type site struct {
	*pages
	service *sallyport.Service
	served  *http.ServeMux // the route table
}

// Pages returns the handler of all pages of a Service, and of the other doors, behind the edge. health answers /healthz and
// /readyz on any host. It is called once.
type Pages func(service *sallyport.Service, health http.Handler, doors ...edge.Door) http.Handler

// New parses the pages. That takes milliseconds, during which the caller can open the database. lang is [text.English]
// except in tests.
func New(e *edge.Edge, log *slog.Logger, lang *text.Lang) (Pages, error) {
	s := &site{}
	var err error
	if s.pages, err = newPages(e, log, lang, s.frame); err != nil {
		return nil, err
	}
	return func(service *sallyport.Service, health http.Handler, doors ...edge.Door) http.Handler {
		s.service, s.served = service, s.mux()
		return e.Handler(edge.Beside(s.guard(s.served, s.name), service, s.showProblem, doors), health, s.showProblem)
	}, nil
}

// by returns the caller, as enter has determined it.
func by(r *http.Request) sallyport.Caller {
	c, _ := edge.From(r.Context()).By.(sallyport.Caller)
	return c
}

// enter determines the caller, and admits those that the route is for.
func (s *site) enter(a access, h handler) handler {
	if a == outside {
		return s.atURL(h)
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		c, err := s.arrive(r)
		if err != nil {
			return err
		}
		edge.From(r.Context()).By = c
		if err = s.admit(a, c); err == nil {
			err = h(w, r)
		}
		if interrupted(err) {
			err = s.toStepUp(w, r, wanted(err))
		}
		switch _, signedIn := c.User(); {
		case errors.Is(err, sallyport.ErrSignedOut):
			err = s.toSignIn(w, r)
		case errors.Is(err, sallyport.ErrSetUpRequired):
			to := s.going(r)
			if to == accountPath {
				to = "" // a set-up ends at the account anyway
			}
			err = s.done(w, r, setUpAddress(s.owedPath(c, err), "", to), "")
		case errors.Is(err, sallyport.ErrSignInEnded) && signedIn && (r.Method == http.MethodGet || !s.holdsSignIn(r)):
			err = s.done(w, r, cmp.Or(s.onward(r.URL.Query().Get("to")), "/"), "") // the Back button after a completed sign-in
		case errors.Is(err, sallyport.ErrSignInEnded) && !s.holdsSignIn(r):
			err = errNoSignIn.again(signInAddress(s.onward(r.URL.Query().Get("to"))))
		case errors.Is(err, sallyport.ErrSignInEnded):
			err = errSignInEnded.again(signInAddress(s.onward(r.URL.Query().Get("to"))))
		}
		if err != nil {
			s.answer(w, r, err)
		}
		return nil
	}
}

// holdsSignIn reports whether the browser has the cookie of a sign-in. A completed sign-in clears that cookie, so it
// may belong to another person than the session.
func (s *site) holdsSignIn(r *http.Request) bool { return s.secret(r, edge.SignInCookie) != "" }

// arrive asks the Service for the caller of a request.
func (s *site) arrive(r *http.Request) (sallyport.Caller, error) {
	c, err := s.service.Arrive(r.Context(), s.arrival(r))
	if errors.Is(err, sallyport.ErrUnknownHost) && edge.From(r.Context()).Host == s.edge.Host() {
		return c, errNotSetUp
	}
	return c, err
}

// arrival returns what identifies the caller of a request.
func (s *site) arrival(r *http.Request) sallyport.Arrival {
	visit := edge.From(r.Context())
	return sallyport.Arrival{
		Door: sallyport.DoorWeb,
		Host: visit.Host, Address: visit.Addr, Agent: s.edge.Agent(r),
		Session: s.secret(r, edge.SessionCookie), SignIn: s.secret(r, edge.SignInCookie),
		Device: s.secret(r, edge.DeviceCookie), Trust: s.secret(r, edge.TrustCookie),
		Background: r.URL.Path == approvalsWaitPath,
	}
}

// namedIn is how long a page about a refusal waits for the name of the workspace.
const namedIn = time.Second

// name determines the workspace of a request, and nothing about the caller. It returns ErrUnknownHost if there is none.
// If the database does not answer, it leaves the request as it was.
func (s *site) name(r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), namedIn)
	defer cancel()
	visit := edge.From(ctx)
	c, err := s.service.Arrive(ctx, sallyport.Arrival{Door: sallyport.DoorWeb, Host: visit.Host})
	if err == nil {
		visit.By = c
	}
	if errors.Is(err, sallyport.ErrUnknownHost) && visit.Host != s.edge.Host() {
		return err
	}
	return nil
}

// atURL admits requests to the host of the configured URL: before there is a workspace, no other host is known.
func (s *site) atURL(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if edge.From(r.Context()).Host != s.edge.Host() {
			return sallyport.ErrUnknownHost
		}
		return h(w, r)
	}
}

func (s *site) admit(a access, c sallyport.Caller) error {
	_, signedIn := c.User()
	switch {
	case a == anyone || a == signingIn:
		return nil
	case !signedIn:
		return sallyport.ErrSignedOut
	case a != setUp && s.owes(c) != sallyport.OwesNothing:
		return sallyport.ErrSetUpRequired
	case a == managers:
		return s.service.MayAct(c, sallyport.SeePeople)
	case a == admins:
		return s.service.MayAct(c, sallyport.SeeSecurity)
	}
	return nil
}

// owes returns what a signed-in caller must do before anything else works.
func (s *site) owes(c sallyport.Caller) sallyport.Owed {
	u, _ := c.User()
	ses, _ := c.Session()
	return c.Policy().Owes(u, ses.Proofs, s.service.Now())
}

// owedPath returns the page on which they do it. Only an app may ask for a passkey where the policy does not.
func (s *site) owedPath(c sallyport.Caller, outcome error) string {
	if s.owes(c) == sallyport.OwesPasskey || wanted(outcome) == sallyport.PhishingResistant {
		return newPasskeyPath
	}
	return setUpPath
}

// frame returns what the layout shows around a page.
func (s *site) frame(r *http.Request) frame {
	c := by(r)
	f := frame{NoMail: s.service.Mailer == nil, Brand: c.Workspace().Issuer(), BrandStyle: brandStyle(c.Workspace().BrandColour()), ToApp: s.leadsTo(r)}
	if u, ok := c.User(); ok {
		f.Person = &person{Name: u.Name, Email: u.Address}
		f.Nav = adminNav(r, u)
		if s.owes(c) == sallyport.OwesNothing {
			f.Nav = append(f.Nav, link{Href: launcherPath, Text: text.Say("Your apps"), Current: r.URL.Path == launcherPath})
		}
		if restricted(c) {
			f.Lift = afterRecoveryAddress(s.going(r))
		}
		f.Banners = slices.Concat(s.proxyBanner(c, u), s.mailBanner(r, u), s.requirementBanner(c, u), s.approvalBanner(r, c), s.recoveryBanners(r, u, f.Lift))
	}
	return f
}

// proxyBanner warns of a proxy that is not configured. It is for the owners of the first workspace, who run the server
// or know who does.
func (s *site) proxyBanner(c sallyport.Caller, u sallyport.User) []banner {
	if u.Role != sallyport.Owner || c.Workspace().Reseller != "" || !s.edge.ForeignForwarding() {
		return nil
	}
	return []banner{{Kind: "warn", Text: text.Say("A request had forwarding headers, but did not come from a trusted proxy. If there is a proxy in front of this server, start the server with <code>--trusted-proxies</code>. Otherwise everyone seems to come from one address, and shares one limit of wrong passwords. If there is no proxy, ignore this.")}}
}

// setCookies sets the cookies for the secrets in a result.
func (s *site) setCookies(w http.ResponseWriter, p sallyport.SignInResult) {
	if p.SignIn != "" {
		s.edge.SetCookie(w, edge.SignInCookie, p.SignIn.Reveal(), sallyport.SignInLimit)
	}
	if p.Session != "" {
		s.edge.SetCookie(w, edge.SessionCookie, p.Session.Reveal(), sallyport.SessionLimit)
		s.edge.ClearCookie(w, edge.SignInCookie)
	}
	if p.RecoveryShown != "" {
		s.edge.SetCookie(w, codesCookie, p.RecoveryShown.Reveal(), sallyport.RecoveryShownLimit)
	}
	if p.Trust != "" {
		s.edge.SetCookie(w, edge.TrustCookie, p.Trust.Reveal(), trustLimit)
	}
	if p.Device != "" {
		s.edge.SetCookie(w, edge.DeviceCookie, p.Device.Reveal(), sallyport.KnownDeviceLimit)
	}
}

// told reports whether an error is an outcome for the user. Otherwise it is a fault, or it is not known what was done.
// Then the error must be shown, because the previous page, shown again, would say something else.
func told(err error) bool {
	var e *sallyport.Error
	return errors.As(err, &e)
}

// again shows a form again with what is wrong with it, if err is about one of its fields or the user can correct it
// there.
func (s *site) again(w http.ResponseWriter, r *http.Request, name string, v view, err error) error {
	all := sallyport.Outcomes(err)
	if len(all) == 0 {
		return err
	}
	e := all[0]
	if e.Field == "" && e.Kind != sallyport.Invalid && e.Kind != sallyport.TooMany && e.Kind != sallyport.Unavailable {
		return err
	}
	for _, e := range all {
		v.base().Errors = append(v.base().Errors, fieldError{Field: e.Field, Text: said(e)})
	}
	edge.SetRetryAfter(w, e.RetryAfter)
	return s.render(w, r, edge.Status(e.Kind), name, v)
}
