package edge

import (
	"cmp"
	"net/http"
	"strings"
	"time"
)

// The cookies, by the names that code uses; CookieName is what a browser calls them.
const (
	SessionCookie = "session" // a signed-in browser
	SignInCookie  = "sign-in" // a sign-in on its way
	BrowserCookie = "browser" // a browser that completed a sign-in before
	TrustCookie   = "trust"   // a trusted device
)

const maxCookieValue = 4096

// SetCookie gives the browser a cookie, for as long as said; zero lets it live until the browser is closed. Scripts
// cannot read it, and of other sites' requests only a followed link carries it.
func (e *Edge) SetCookie(w http.ResponseWriter, name, value string, keep time.Duration) {
	c := e.cookie(name, value)
	c.MaxAge = int(keep / time.Second)
	http.SetCookie(w, c)
}

// ClearCookie makes the browser forget a cookie.
func (e *Edge) ClearCookie(w http.ResponseWriter, name string) {
	c := e.cookie(name, "")
	c.MaxAge = -1
	http.SetCookie(w, c)
}

func (e *Edge) cookie(name, value string) *http.Cookie {
	return &http.Cookie{Name: e.CookieName(name), Value: value, Path: "/", Secure: e.Secure(), HttpOnly: true,
		SameSite: http.SameSiteLaxMode}
}

// CookieName is what a browser calls a cookie. Under https that is a name with the prefix __Host-, which holds the
// cookie to this host, to the whole of it, and to https. Under plain http, which is for loopback alone, browsers send the
// cookies of a host to all of its ports: the name includes ours, so that other servers there do not overwrite it.
func (e *Edge) CookieName(name string) string {
	if e.Secure() {
		return "__Host-" + name
	}
	return "sallyport-" + cmp.Or(e.port, "80") + "-" + name
}

// Cookie gives the value of the cookie the browser sent, or "". A name sent twice (one may be planted), a value longer
// than 4 KiB, and characters that are in none of our values count as no cookie.
func (e *Edge) Cookie(r *http.Request, name string) string {
	name = e.CookieName(name)
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
