package proxyauth

import (
	"net/http"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// The three addresses, and the headers that each reads. A proxy passes on every header that the browser made up, so each
// address reads its own, and no others.
const (
	forwardAuth = edge.ProxyPrefix + "forward-auth" // Traefik, Caddy: X-Forwarded-Method, -Proto, -Host, -Uri
	authRequest = edge.ProxyPrefix + "auth-request" // nginx, HAProxy, Apache: X-Original-Method, X-Original-URL
	extAuthz    = edge.ProxyPrefix + "ext-authz"    // Envoy: the request itself, X-Forwarded-Proto
)

var (
	errNotProxy  = &sallyport.Error{Kind: sallyport.Invalid, Code: "not_a_proxy", Text: text.Say("This address answers only proxies that the server trusts. Start the server with --trusted-proxies and the address of the proxy.")}
	errHeaders   = &sallyport.Error{Kind: sallyport.Invalid, Code: "headers_invalid", Text: text.Say("The proxy did not say which request it asks about, or said it more than once. Check its configuration.")}
	errClient    = &sallyport.Error{Kind: sallyport.Invalid, Code: "client_invalid", Text: text.Say("The proxy sent an address of the client that cannot be read, or sent it more than once. Check its configuration.")}
	errNoAddress = &sallyport.Error{Kind: sallyport.Denied, Code: "access_denied", Text: text.Say("Proxies do not ask at this address. Check the configuration of the proxy.")}
	errFault     = &sallyport.Error{Kind: sallyport.Denied, Code: "unavailable", Text: text.Say("Something went wrong, so nobody can be let in now. Try again in a moment.")}
)

// read reads the request that a proxy asks about.
func (d *Door) read(a *asked) error {
	addr, trusted := d.edge.ProxyClient(a.r)
	switch {
	case !trusted:
		return errNotProxy
	case !addr.IsValid():
		return errClient
	}
	method, scheme, host, target, err := described(a)
	if err != nil {
		return err
	}
	origin, ok := sallyport.AppOrigin(scheme + "://" + host)
	if !ok || strings.ContainsAny(host, "/@") || !validMethod(method) || !strings.HasPrefix(target, "/") {
		return errHeaders
	}
	h := a.r.Header
	a.request = sallyport.ProxyRequest{
		Method: method, Origin: origin, Target: target, Address: addr, Agent: d.edge.Agent(a.r),
		Cookie: sallyport.Secret(d.edge.CookieNamed(a.r, edge.AppCookieName(origin))),
	}
	_, a.query, _ = strings.Cut(target, "?")
	a.path = pathOf(target)
	a.page = isPage(method, h)
	a.request.Token, a.request.TokenUser = accessToken(a.r)
	return nil
}

// described returns the request to the app.
func described(a *asked) (method, scheme, host, target string, err error) {
	h := a.r.Header
	one := func(name string) string {
		all := h[name]
		if len(all) != 1 || all[0] == "" {
			err = errHeaders
			return ""
		}
		return all[0]
	}
	path := a.r.URL.Path
	switch {
	case path == forwardAuth:
		return one("X-Forwarded-Method"), httpScheme(one("X-Forwarded-Proto")), one("X-Forwarded-Host"), one("X-Forwarded-Uri"), err
	case path == authRequest:
		a.byProxy = true
		method = one("X-Original-Method")
		scheme, host, target = split(one("X-Original-Url"))
		return method, scheme, host, target, err
	case path == extAuthz || strings.HasPrefix(path, extAuthz+"/"):
		target = strings.TrimPrefix(a.r.RequestURI, extAuthz)
		if target == "" || strings.HasPrefix(target, "?") {
			target = "/" + target
		}
		return a.r.Method, httpScheme(one("X-Forwarded-Proto")), a.r.Host, target, err
	}
	return "", "", "", "", errNoAddress
}

// httpScheme returns the scheme of the page that a WebSocket belongs to; Traefik names that of the socket.
func httpScheme(scheme string) string {
	switch scheme {
	case "ws":
		return "http"
	case "wss":
		return "https"
	}
	return scheme
}

// split splits an address without interpreting it.
func split(address string) (scheme, host, target string) {
	scheme, rest, _ := strings.Cut(address, "://")
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		return "", "", ""
	}
	return scheme, rest[:slash], rest[slash:]
}

func validMethod(method string) bool {
	return method != "" && len(method) <= 20 && strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == ""
}

// isPage reports whether a person will look at the answer, so that it may be a redirect. A script that is redirected would get a
// page it cannot read.
func isPage(method string, h http.Header) bool {
	if method != http.MethodGet && method != http.MethodHead {
		return false
	}
	if dest := h["Sec-Fetch-Dest"]; len(dest) > 0 {
		return len(dest) == 1 && dest[0] == "document"
	}
	return strings.Contains(strings.Join(h["Accept"], ","), "text/html")
}

// accessToken returns the access token of a program, if the request has one. All else in Authorization belongs to the app.
func accessToken(r *http.Request) (token sallyport.Secret, user *string) {
	all := r.Header["Authorization"]
	if len(all) != 1 {
		return "", nil
	}
	if scheme, value, _ := strings.Cut(all[0], " "); strings.EqualFold(scheme, "Bearer") && strings.HasPrefix(value, sallyport.TokenMark) {
		return sallyport.Secret(value), nil
	}
	if user, password, ok := r.BasicAuth(); ok && strings.HasPrefix(password, sallyport.TokenMark) {
		return sallyport.Secret(password), &user
	}
	return "", nil
}
