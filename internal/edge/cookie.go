package edge

import (
	"cmp"
	"net/http"
	"strings"
	"time"
)

// The names of cookies in this program. CookieName returns their names in browsers.
const (
	SessionCookie = "session" // a signed-in browser
	SignInCookie  = "sign-in" // an unfinished sign-in
	DeviceCookie  = "browser" // the secret of a known device: a browser that has completed a sign-in
	TrustCookie   = "trust"   // a trusted device
	RequestCookie = "request" // the browser in which requests of apps wait
)

const maxCookieValue = 4096

// SetCookie sets a cookie that lasts for maxAge, or until the browser is closed if maxAge is zero. Scripts cannot read it,
// and of the requests from other sites, only followed links send it.
func (e *Edge) SetCookie(w http.ResponseWriter, name, value string, maxAge time.Duration) {
	c := e.cookie(name, value)
	c.MaxAge = int(maxAge / time.Second)
	http.SetCookie(w, c)
}

// ClearCookie deletes a cookie from the browser.
func (e *Edge) ClearCookie(w http.ResponseWriter, name string) {
	c := e.cookie(name, "")
	c.MaxAge = -1
	http.SetCookie(w, c)
}

func (e *Edge) cookie(name, value string) *http.Cookie {
	return &http.Cookie{Name: e.CookieName(name), Value: value, Path: "/", Secure: e.Secure(), HttpOnly: true,
		SameSite: http.SameSiteLaxMode}
}

// CookieName returns the name of a cookie in browsers. With https, it has the prefix __Host-, which restricts the
// cookie to https, to this host and to the path /. With plain http, which is only for loopback, browsers send a host's
// cookies to all of its ports, so the name includes our port, to keep other servers on the host from overwriting it.
func (e *Edge) CookieName(name string) string {
	if e.Secure() {
		return "__Host-" + name
	}
	return "sallyport-" + cmp.Or(e.port, "80") + "-" + name
}

// Cookie returns the value of a cookie in the request, or "". It ignores a cookie that was sent twice (one may be
// planted), is longer than 4 KiB, or has characters that our values never have.
func (e *Edge) Cookie(r *http.Request, name string) string {
	return e.CookieNamed(r, e.CookieName(name))
}

// CookieNamed is Cookie for the name that the browser knows.
func (e *Edge) CookieNamed(r *http.Request, name string) string {
	found, seen := "", 0
	for _, line := range r.Header["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			n, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if strings.TrimSpace(n) == name {
				found, seen = value, seen+1
			}
		}
	}
	if seen != 1 || len(found) > maxCookieValue {
		return ""
	}
	for _, c := range []byte(found) {
		if !unreserved(c) {
			return ""
		}
	}
	return found
}
