// Package edge processes every request before it reaches a door, such as the pages. All doors are behind the same edge.
//
//	edge.go     the order of the checks, and what they find out
//	host.go     the canonical host
//	target.go   refuses paths and queries that can be read in several ways
//	client.go   the address of the client, through trusted proxies
//	proxy.go    requests in which a proxy asks about a request to an app
//	headers.go  security headers, on every response
//	agent.go    the name of the browser
//	cookie.go   cookies: their names, how they are set, how they are read
//	server.go   limits of the HTTP server
//
// The edge refuses ambiguous requests, so that the code behind it never sees one.
package edge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Edge knows the URL of the installation and which proxies to trust. It is safe for concurrent use.
type Edge struct {
	// Observe is called after each response, with the pattern that matched ("" for none) and the status. It is set
	// before Handler is called, and may be nil.
	Observe func(route string, status int)
	// Proxies answers the requests in which a proxy asks about a request to an app. Their paths begin with ProxyPrefix, and
	// are read by nobody else. It is set before Handler is called; nil: there are none.
	Proxies http.Handler

	scheme  string
	host    string // canonical, of the first workspace
	port    string // "" if it is the default port of the scheme
	proxies []netip.Prefix
	log     *slog.Logger
	foreign atomic.Bool
	agents  agents
}

// New returns an Edge for the configured URL, which is a scheme and a host and nothing more, and the networks of
// trusted proxies. Plain http is allowed only on loopback, because anywhere else cookies would be sent unencrypted.
func New(address string, proxies []netip.Prefix, log *slog.Logger) (*Edge, error) {
	u, err := url.Parse(address)
	if err != nil || u.User != nil || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the URL must be a scheme and a host, like https://login.example.com")
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("the URL must begin with https:// or http://, not %q", u.Scheme)
	}
	typed, _ := fold.TypedHost(u.Host)
	host, port, ok := canonicalHost(typed, u.Scheme)
	if !ok {
		return nil, fmt.Errorf("the URL has no usable host: %q", u.Host)
	}
	if u.Scheme == "http" && !fold.LoopbackHost(host) {
		return nil, fmt.Errorf("http is allowed only on loopback; %s needs https", host)
	}
	return &Edge{scheme: u.Scheme, host: host, port: port, proxies: proxies, log: log}, nil
}

// Host returns the canonical host of the configured URL, which is the host of the first workspace. It includes the port
// unless that is the default port of the scheme.
func (e *Edge) Host() string { return e.withPort(e.host) }

// Secure reports whether browsers use https.
func (e *Edge) Secure() bool { return e.scheme == "https" }

// Origin returns the origin of pages on a canonical host: scheme, host, and port unless that is the default. Links in
// mails begin with it.
func (e *Edge) Origin(host string) string { return e.scheme + "://" + host }

func (e *Edge) withPort(host string) string {
	if e.port != "" {
		return host + ":" + e.port
	}
	return host
}

// ForeignForwarding reports whether, since the start, forwarding headers came from an address that is not a trusted
// proxy. Usually that is a proxy missing from the configuration.
func (e *Edge) ForeignForwarding() bool { return e.foreign.Load() }

// Visit is what the edge has found out about a request.
type Visit struct {
	ID    string     // random; in the log, on fault pages and in X-Request-Id
	Host  string     // canonical, with the port unless that is the default of the scheme
	Addr  netip.Addr // of the client; IPv4 is never written as IPv6
	Route string     // the pattern that matched, set by the door. Paths contain tokens and are never logged
	By    any        // the caller, set by the door for its own use; nil until it is known
}

type visitKey struct{}

// From returns the Visit of the request, or an empty one if the request has not passed an edge.
func From(ctx context.Context) *Visit {
	if v, ok := ctx.Value(visitKey{}).(*Visit); ok {
		return v
	}
	return &Visit{}
}

// Refuse answers a request that was refused, with a status and a reason for the user. The request's Visit contains what
// was known by then.
type Refuse func(w http.ResponseWriter, r *http.Request, status int, why text.Message)

// Handler wraps next in the edge. health answers /healthz and /readyz on any host. refuse answers requests that the
// edge refuses, and those that panicked.
func (e *Edge) Handler(next, health http.Handler, refuse Refuse) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visit := &Visit{ID: rand.Text()}
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, visit))
		answer := &answer{ResponseWriter: w}
		e.setHeaders(answer.Header(), visit.ID)
		start := time.Now()
		defer func() {
			if fault := recover(); fault != nil {
				e.recovered(answer, r, refuse, fault)
			}
			if e.Observe != nil {
				e.Observe(visit.Route, answer.status)
			}
			if !e.log.Enabled(r.Context(), slog.LevelDebug) {
				return
			}
			e.log.Debug("request", "request", visit.ID, "method", r.Method, "host", visit.Host, "route", visit.Route,
				"status", answer.status, "addr", visit.Addr, "took", time.Since(start))
		}()
		if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
			visit.Route = r.URL.Path
			health.ServeHTTP(answer, r)
			return
		}
		if e.Proxies != nil && strings.HasPrefix(r.URL.Path, ProxyPrefix) {
			visit.Route = ProxyPrefix
			e.Proxies.ServeHTTP(answer, r)
			return
		}
		if status, why := e.admit(r, visit); status != http.StatusOK {
			refuse(answer, r, status, why)
			return
		}
		next.ServeHTTP(answer, r)
	})
}

// admit checks the target and determines host and client address, or returns why the request is refused.
func (e *Edge) admit(r *http.Request, visit *Visit) (status int, why text.Message) {
	if !clearTarget(r.RequestURI) {
		return http.StatusBadRequest, text.Say("This address is not written in a way that can be read safely. Check it, or go to the start page.")
	}
	addr, ok := e.clientAddr(r)
	if !ok {
		return http.StatusBadRequest, text.Say("The proxy in front of this server sent an address that cannot be read. Tell the people who run this server.")
	}
	visit.Addr = addr
	host, port, ok := e.requestHost(r)
	if !ok {
		return http.StatusBadRequest, text.Say("The host name in this address cannot be read. Check the address.")
	}
	if port != e.port {
		return http.StatusMisdirectedRequest, text.Say("No workspace uses this host name and port. Check the address.")
	}
	visit.Host = e.withPort(host)
	r.Host = visit.Host
	return http.StatusOK, text.Message{}
}

// recovered answers a request that panicked. The response reveals nothing: no cookie, no redirect, nothing from memory.
func (e *Edge) recovered(w *answer, r *http.Request, refuse Refuse, fault any) {
	if fault == http.ErrAbortHandler {
		panic(fault)
	}
	visit := From(r.Context())
	reason := fmt.Sprintf("%T", fault) // not its value, which may contain secrets
	if err, ok := fault.(runtime.Error); ok {
		reason = err.Error()
	}
	e.log.Error("panic", "request", visit.ID, "route", visit.Route, "reason", reason, "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler) // part of the response was sent, so break the connection
	}
	clear(w.Header())
	e.setHeaders(w.Header(), visit.ID)
	refuse(w, r, http.StatusInternalServerError, text.Say("Something went wrong on this server. Nothing was changed. Try again in a moment."))
}

// answer is a ResponseWriter that remembers the status.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is used by http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
