package edge

import "net/http"

// headers are set on every response, including errors, each in its strictest form. A door relaxes what it needs to:
// pages set a Content-Security-Policy that allows their style and script, and static files may be cached.
var headers = []struct {
	name  string   // canonical
	value []string // shared by all responses; Set replaces it without changing it
}{
	{"Content-Security-Policy", []string{"default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"X-Frame-Options", []string{"DENY"}},
	{"Referrer-Policy", []string{"same-origin"}}, // URLs contain tokens; a post still sends its origin
	{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	{"Permissions-Policy", []string{"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), " +
		"clipboard-write=(self), publickey-credentials-create=(self), publickey-credentials-get=(self)"}},
	{"Cache-Control", []string{"no-store"}},
}

var strictTransport = []string{"max-age=31536000"}

func (e *Edge) setHeaders(h http.Header, id string) {
	h["X-Request-Id"] = []string{id}
	for _, c := range headers {
		h[c.name] = c.value
	}
	if e.Secure() {
		h["Strict-Transport-Security"] = strictTransport
	}
}
