package edge

import "net/http"

// headers are the strictest form of each, for every answer, errors too. A door widens what it needs: pages set a
// Content-Security-Policy that allows their style and script, static files may be kept.
var headers = []struct {
	name  string   // canonical
	value []string // shared by all answers: Set puts another in its place
}{
	{"Content-Security-Policy", []string{"default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"X-Frame-Options", []string{"DENY"}},
	{"Referrer-Policy", []string{"same-origin"}}, // addresses hold tokens; a post still names its origin
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
