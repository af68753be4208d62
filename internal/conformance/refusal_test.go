package conformance_test

import (
	"net/http"
	"slices"
	"time"
)

var refusalModules = []module{
	{"oidcc-response-type-missing", func(r *run) {
		b := r.browser()
		q := r.request(r.Main, changes{"response_type": ""})
		if a := b.open(r.address(q)); a.page == nil {
			r.told(q, a, "invalid_request", "unsupported_response_type")
		}
	}},
	{"oidcc-codereuse", func(r *run) { r.codeReuse(0) }},
	{"oidcc-codereuse-30seconds", func(r *run) { r.codeReuse(31 * time.Second) }},
	{"oidcc-ensure-registered-redirect-uri", func(r *run) {
		r.goesNowhere("https://evil.example.com/callback")
		r.goesNowhere(redirectURI + "/")
		r.goesNowhere("https://RP.example.com/callback")
	}},
	{"oidcc-ensure-redirect-uri-in-authorization-request", func(r *run) { r.goesNowhere("") }},
	{"oidcc-redirect-uri-query-OK", func(r *run) { r.browser().grant(r.Main, changes{"redirect_uri": queryURI}) }},
	{"oidcc-redirect-uri-query-added", func(r *run) { r.goesNowhere(redirectURI + "?foo=bar") }},
	{"oidcc-redirect-uri-query-mismatch", func(r *run) {
		r.goesNowhere("https://rp.example.com/callback?dummy1=lorem&dummy2=dolor")
		r.goesNowhere("https://rp.example.com/callback?dummy2=ipsum&dummy1=lorem")
	}},
}

// goesNowhere checks that a browser is not sent to an address that is not registered.
func (r *run) goesNowhere(address string) {
	b := r.browser()
	if a := b.open(r.address(r.request(r.Main, changes{"redirect_uri": address}))); a.page == nil {
		r.errorf("with redirect_uri %q, the browser was sent to %s with %v", address, a.to, a.Values)
	} else if a.page.status < 400 {
		r.errorf("with redirect_uri %q, the person is on %s (%d)", address, a.page.Path, a.page.status)
	}
}

// codeReuse redeems a code twice. The second time ends what the first one brought.
func (r *run) codeReuse(wait time.Duration) {
	g := r.browser().grant(r.Main, nil)
	r.Wait(wait)
	r.refused(r.redeem(g, nil), "invalid_grant")
	a := r.send(http.MethodGet, r.endpoint("userinfo_endpoint"), nil, http.Header{"Authorization": {"Bearer " + g.text("access_token")}})
	if !slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden}, a.status) {
		r.errorf("the access token is still valid: %d", a.status)
	}
	other := r.code(r.Main, nil)
	other.client = r.Posting
	r.refused(r.redeem(other, nil), "invalid_grant")
}
