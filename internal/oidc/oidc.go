// Package oidc is the door for apps that sign people in with OpenID Connect. Each handler reads a request strictly, calls one
// verb of the Service, and writes the answer of the standard. The pages that people see on the way are those of the web.
//
//	oidc.go       routes, and how outcomes are answered
//	discovery.go  what the server supports
//	authorize.go  endpoints that browsers are sent to
//	client.go     how an app proves which it is
//	token.go      endpoints that apps call
//	cors.go       which scripts may call them
package oidc

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// The endpoints.
const (
	authorizePath  = "/oauth2/authorize"
	pushPath       = "/oauth2/par"
	tokenPath      = "/oauth2/token"
	userInfoPath   = "/oauth2/userinfo"
	introspectPath = "/oauth2/introspect"
	revokePath     = "/oauth2/revoke"
	devicePath     = "/oauth2/device_authorization"
	endSessionPath = "/oauth2/end-session"
	discoveryPath  = "/.well-known/openid-configuration"
	metadataPath   = "/.well-known/oauth-authorization-server"
)

// Pages of the web that people are sent to.
const (
	continuePage = "/apps/continue"
	signOutPage  = "/sign-out"
	devicePage   = "/device"
)

type door struct {
	service *sallyport.Service
	edge    *edge.Edge
	log     *slog.Logger
	refuse  edge.Refuse
}

// New returns the door.
func New(e *edge.Edge, log *slog.Logger) edge.Door {
	return edge.Door{
		Paths: []string{"/oauth2/", discoveryPath, metadataPath},
		Handler: func(service *sallyport.Service, refuse edge.Refuse) http.Handler {
			d := &door{service: service, edge: e, log: log, refuse: refuse}
			return d.mux()
		},
	}
}

type handler func(w http.ResponseWriter, r *http.Request) error

type route struct {
	method, path string
	page         bool // a browser is sent there, so a refusal is a page
	script       bool // scripts of apps may call it
	handle       handler
}

// Route is one line of the route table.
type Route struct {
	Method, Path string
	Page         bool // a browser is sent there
}

// Routes returns the route table, for tests that check something at every endpoint.
func Routes() (all []Route) {
	for _, r := range (&door{}).routes() {
		all = append(all, Route{r.method, r.path, r.page})
	}
	return all
}

func (d *door) routes() []route {
	return []route{
		{"GET", discoveryPath, false, false, d.discovery},
		{"GET", metadataPath, false, false, d.discovery},
		{"GET", authorizePath, true, false, d.authorize},
		{"POST", authorizePath, true, false, d.authorizePost},
		{"GET", endSessionPath, true, false, d.endSession},
		{"POST", endSessionPath, true, false, d.endSessionPost},
		{"POST", pushPath, false, false, d.push},
		{"POST", tokenPath, false, true, d.token},
		{"GET", userInfoPath, false, true, d.userInfo},
		{"POST", userInfoPath, false, true, d.userInfo},
		{"POST", introspectPath, false, false, d.introspect},
		{"POST", revokePath, false, true, d.revoke},
		{"POST", devicePath, false, false, d.deviceAuthorization},
	}
}

func (d *door) mux() http.Handler {
	mux := http.NewServeMux()
	for _, r := range d.routes() {
		mux.Handle(r.method+" "+r.path, d.serve(r))
		if r.script && r.method == http.MethodPost {
			mux.Handle("OPTIONS "+r.path, d.serve(route{handle: d.preflight}))
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visit := edge.From(r.Context())
		if _, visit.Route = mux.Handler(r); visit.Route != "" {
			mux.ServeHTTP(w, r)
			return
		}
		if _, err := d.arrive(r, false); err != nil { // there must be a workspace
			d.page(w, r, err)
			return
		}
		trial := httpHeader{}
		mux.ServeHTTP(trial, r)
		if allow := http.Header(trial)["Allow"]; allow != nil {
			w.Header()["Allow"] = allow
			d.refuse(w, r, http.StatusMethodNotAllowed, text.Say("This address cannot be used in this way. Go to the start page."))
			return
		}
		d.refuse(w, r, http.StatusNotFound, text.Say("This page does not exist, or you may not see it. Check the address, or go to the start page."))
	})
}

// httpHeader is an http.ResponseWriter that keeps only the headers.
type httpHeader http.Header

func (h httpHeader) Header() http.Header         { return http.Header(h) }
func (h httpHeader) WriteHeader(int)             {}
func (h httpHeader) Write(b []byte) (int, error) { return len(b), nil }

func (d *door) serve(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if err := r.handle(w, q); err != nil && r.page {
			d.page(w, q, err)
		} else if err != nil {
			d.answer(w, q, err)
		}
	})
}

// arrive returns the caller of a request. Only at endpoints for browsers do cookies mean anything.
func (d *door) arrive(r *http.Request, browser bool) (sallyport.Caller, error) {
	visit := edge.From(r.Context())
	a := sallyport.Arrival{Door: sallyport.DoorOIDC, Host: visit.Host, Address: visit.Addr, Agent: d.edge.Agent(r)}
	if browser {
		a.Session = sallyport.Secret(d.edge.Cookie(r, edge.SessionCookie))
		a.Device = sallyport.Secret(d.edge.Cookie(r, edge.DeviceCookie))
	}
	by, err := d.service.Arrive(r.Context(), a)
	if err == nil {
		visit.By = by // for pages about refusals
	}
	return by, err
}

// problem is the answer of an endpoint that refuses.
type problem struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// answer answers a program with an outcome. Every other error is a fault, of which nothing is shown.
func (d *door) answer(w http.ResponseWriter, r *http.Request, err error) {
	var e *sallyport.Error
	switch {
	case errors.Is(err, sallyport.ErrUnknownHost):
		d.page(w, r, err)
	case errors.Is(err, sallyport.ErrUnknownOutcome), errors.Is(err, sallyport.ErrUnavailable):
		d.log.Error("database not available", "request", edge.From(r.Context()).ID, "error", err)
		w.Header().Set("Retry-After", "1")
		_ = edge.JSON(w, http.StatusServiceUnavailable, problem{"temporarily_unavailable", "The server cannot save anything at the moment. Try again."})
	case !errors.As(err, &e):
		d.fault(r, err)
		_ = edge.JSON(w, http.StatusInternalServerError, problem{"server_error", "Something went wrong on this server. Try again in a moment."})
	default:
		d.outcome(w, e)
	}
}

func (d *door) outcome(w http.ResponseWriter, e *sallyport.Error) {
	p := problem{e.Code, sallyport.Describe(e)}
	edge.SetRetryAfter(w, e.RetryAfter)
	status := http.StatusBadRequest
	switch e.Kind {
	case sallyport.Unauthenticated:
		status = http.StatusUnauthorized
		if e.Code == sallyport.ErrToken.Code {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="`+p.Description+`"`)
		} else {
			w.Header().Set("WWW-Authenticate", `Basic realm="`+tokenPath+`"`)
		}
	case sallyport.Denied:
		status = http.StatusForbidden
		w.Header().Set("WWW-Authenticate", `Bearer error="`+e.Code+`", scope="openid"`)
	case sallyport.TooMany, sallyport.Unavailable:
		status, p.Error = edge.Status(e.Kind), "temporarily_unavailable"
	}
	_ = edge.JSON(w, status, p)
}

// page shows a person an outcome.
func (d *door) page(w http.ResponseWriter, r *http.Request, err error) {
	var e *sallyport.Error
	switch {
	case errors.As(err, &e):
		edge.SetRetryAfter(w, e.RetryAfter)
		status := edge.Status(e.Kind)
		if e.Kind == sallyport.Invalid {
			status = http.StatusBadRequest
		}
		d.refuse(w, r, status, e.Text)
	case errors.Is(err, sallyport.ErrUnknownOutcome), errors.Is(err, sallyport.ErrUnavailable):
		d.log.Error("database not available", "request", edge.From(r.Context()).ID, "error", err)
		w.Header().Set("Retry-After", "60")
		d.refuse(w, r, http.StatusServiceUnavailable, text.Say("The server cannot save anything at the moment, so nothing was changed. Try again in a minute."))
	default:
		d.fault(r, err)
		w.Header().Del("Set-Cookie")
		w.Header().Del("Location")
		d.refuse(w, r, http.StatusInternalServerError, text.Say("Something went wrong on this server. Try again in a moment."))
	}
}

func (d *door) fault(r *http.Request, err error) {
	visit := edge.From(r.Context())
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		d.log.Debug("client went away", "request", visit.ID, "route", visit.Route)
		return
	}
	d.log.Error("fault", "request", visit.ID, "route", visit.Route, "error", err)
}
