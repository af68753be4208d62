package edge

import "net/http"

// setHeaders gives every answer, errors too, the strictest form of each header. A door widens what it needs: pages set
// a Content-Security-Policy that allows their style and script, static files may be kept.
func (e *Edge) setHeaders(h http.Header, id string) {
	h.Set("X-Request-Id", id)
	h.Set("Content-Security-Policy", "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // addresses hold tokens; a post still names its origin
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), "+
		"clipboard-write=(self), publickey-credentials-create=(self), publickey-credentials-get=(self)")
	h.Set("Cache-Control", "no-store")
	if e.Secure() {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}
