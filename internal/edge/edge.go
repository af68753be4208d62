// Package edge is what happens to a request before any door looks into it: the pages, the API and whatever comes
// later stand behind the same one.
//
//	edge.go     the order of things; what it finds out, for whoever comes after
//	host.go     the host, made canonical once
//	target.go   path and query: one reading only
//	client.go   who is at the other end, through proxies that are trusted
//	headers.go  security headers, on every answer
//	cookie.go   cookies: their names, how they are set, how they are read
//	server.go   limits of the HTTP server
//
// What is ambiguous is denied here, so that nothing behind has to think of it.
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
	"sync/atomic"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Edge knows where the installation answers and which proxies to believe. It is safe for concurrent use.
type Edge struct {
	// Observe is told of each answer once it is given: the pattern that matched ("" for none) and the status. It is
	// set before Handler; nil is nobody.
	Observe func(route string, status int)

	scheme  string
	host    string // canonical: where the first workspace answers
	port    string // "" when it is the scheme's own
	proxies []netip.Prefix
	log     *slog.Logger
	foreign atomic.Bool
}

// New takes the configured URL, a scheme and a host and nothing more, and the addresses of trusted proxies. Plain
// http is for loopback alone: elsewhere cookies would travel in the clear.
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
		return nil, fmt.Errorf("http is for loopback only, %s needs https", host)
	}
	return &Edge{scheme: u.Scheme, host: host, port: port, proxies: proxies, log: log}, nil
}

// Host is the canonical host of the configured URL, where the first workspace answers; with the port, unless that is
// the scheme's own.
func (e *Edge) Host() string { return e.withPort(e.host) }

// Secure tells whether browsers come by https.
func (e *Edge) Secure() bool { return e.scheme == "https" }

// Origin is what a browser calls a page on a canonical host: scheme, host and, where it is not the usual one, port.
// Links in mails begin with it.
func (e *Edge) Origin(host string) string { return e.scheme + "://" + host }

func (e *Edge) withPort(host string) string {
	if e.port != "" {
		return host + ":" + e.port
	}
	return host
}

// ForeignForwarding tells whether, since the start, forwarding headers came from an address that is no trusted proxy:
// most often a proxy that somebody forgot to name.
func (e *Edge) ForeignForwarding() bool { return e.foreign.Load() }

// Visit is what the edge found out about a request.
type Visit struct {
	ID    string     // random; in the log, on fault pages and in X-Request-Id
	Host  string     // canonical, with the port unless it is the scheme's own
	Addr  netip.Addr // of the client; IPv4 is never written as IPv6
	Route string     // the pattern that matched, set by the door. Paths hold tokens and are never logged
	By    any        // who asks, set by the door, for itself: nil until it has found out
}

type visitKey struct{}

// From gives what is known of the request, or an empty one where no edge was passed.
func From(ctx context.Context) *Visit {
	if v, ok := ctx.Value(visitKey{}).(*Visit); ok {
		return v
	}
	return &Visit{}
}

// Refuse answers a request that goes no further, with a status and a reason for the person. The request's Visit
// holds what was known by then.
type Refuse func(w http.ResponseWriter, r *http.Request, status int, why text.Message)

// Handler puts the edge before next. Health answers /healthz and /readyz before the host is looked at. Refuse answers
// whatever is denied here, and panics.
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
		if status, why := e.admit(r, visit); status != http.StatusOK {
			refuse(answer, r, status, why)
			return
		}
		next.ServeHTTP(answer, r)
	})
}

// admit settles host, target and client address, or says why the request goes no further.
func (e *Edge) admit(r *http.Request, visit *Visit) (status int, why text.Message) {
	if !clearTarget(r.RequestURI) {
		return http.StatusBadRequest, text.Say("This address is not written in a way that can be read safely. Check it, or go to the start page.")
	}
	addr, ok := e.clientAddr(r)
	if !ok {
		return http.StatusBadRequest, text.Say("The proxy in front of this server sent an address that cannot be read. Tell whoever runs this server.")
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

// recovered turns a panic into an answer that gives nothing: no cookie, no redirect, no word of what was in memory.
func (e *Edge) recovered(w *answer, r *http.Request, refuse Refuse, fault any) {
	if fault == http.ErrAbortHandler {
		panic(fault)
	}
	visit := From(r.Context())
	reason := fmt.Sprintf("%T", fault) // its value may hold anything
	if err, ok := fault.(runtime.Error); ok {
		reason = err.Error()
	}
	e.log.Error("panic", "request", visit.ID, "route", visit.Route, "reason", reason, "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler) // half an answer is out: let it be seen as broken
	}
	clear(w.Header())
	e.setHeaders(w.Header(), visit.ID)
	refuse(w, r, http.StatusInternalServerError, text.Say("Something went wrong on this server. Nothing was changed. Try again in a moment."))
}

// answer remembers the status.
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

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
