package edge

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport/internal/fold"
)

// requestHost returns the host that the browser asked for: the Host header, or the X-Forwarded-Host of a trusted proxy.
func (e *Edge) requestHost(r *http.Request) (host, port string, ok bool) {
	host, port, ok = canonicalHost(r.Host, e.scheme)
	if forwarded := r.Header.Values("X-Forwarded-Host"); len(forwarded) > 0 && e.fromProxy(r) {
		if len(forwarded) > 1 {
			return "", "", false
		}
		return canonicalHost(forwarded[0], e.scheme)
	}
	return host, port, ok
}

// Instead returns the configured URL for a request to another host, if both are on loopback: the user typed 127.0.0.1
// for localhost, or the other way round. Otherwise it is empty, because it would reveal where the server is.
func (e *Edge) Instead(r *http.Request) string {
	host, _, ok := e.requestHost(r)
	if !ok || !fold.LoopbackHost(host) || !fold.LoopbackHost(e.host) {
		return ""
	}
	return e.Origin(e.Host())
}

// canonicalHost is fold.Host without the port if that is the default of the scheme.
func canonicalHost(raw, scheme string) (host, port string, ok bool) {
	host, port, ok = fold.Host(raw)
	if scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		port = ""
	}
	return host, port, ok
}
