package edge

import (
	"net/http"
	"net/netip"
	"strings"
)

// ProxyPrefix begins the paths at which proxies ask about requests to apps. The rest of the path may be anything, because some
// proxies append that of the app.
const ProxyPrefix = "/api/authz/"

// The pages to which a browser is sent that lacks something for an app.
const (
	SignInPath   = "/sign-in"
	SignOutPath  = "/sign-out"
	EnterAppPath = "/apps/enter" // with the fields for and browser of sallyport.Passage
)

// The addresses on an app's own host that belong to us. Proxies ask about them as about any other.
const (
	AppPrefix   = "/.sallyport/"
	AppCallback = AppPrefix + "callback" // with a ticket
	AppSignOut  = AppPrefix + "sign-out"
)

// AppCookieName returns the name of our cookie on the host of an app.
func AppCookieName(origin string) string {
	if strings.HasPrefix(origin, "https:") {
		return "__Host-sallyport_app"
	}
	return "sallyport_app"
}

// ProxyClient returns the address of the client behind a proxy that asks about a request, which is not valid if it cannot be
// read. trusted is false if the request is not from a trusted proxy, which the owners of the first workspace are told.
func (e *Edge) ProxyClient(r *http.Request) (addr netip.Addr, trusted bool) {
	if !e.fromProxy(r) {
		e.foreign.Store(true)
		return netip.Addr{}, false
	}
	addr, _ = e.clientAddr(r)
	return addr, true
}
