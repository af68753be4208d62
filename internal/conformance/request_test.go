package conformance_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

var requestModules = []module{
	{"oidcc-display-page", with(changes{"display": "page"})},
	{"oidcc-display-popup", with(changes{"display": "popup"})},
	{"oidcc-login-hint", with(changes{"login_hint": "somebody@example.com"})},
	{"oidcc-ui-locales", with(changes{"ui_locales": "se"})},
	{"oidcc-claims-locales", with(changes{"claims_locales": "se"})},
	{"oidcc-ensure-request-with-acr-values-succeeds", with(changes{"acr_values": "1 2"})},
	{"oidcc-ensure-request-with-unknown-parameter-succeeds", with(changes{"extra": "foobar"})},
	{"oidcc-prompt-login", func(r *run) {
		b := r.browser()
		first := b.grant(r.Main, changes{"max_age": "10000"})
		r.Wait(2 * time.Second)
		proofs := b.proofs
		second := b.grant(r.Main, changes{"prompt": "login", "max_age": "10000"})
		if b.proofs == proofs {
			r.errorf("the person was not asked to sign in again")
		}
		if !second.authTime(r).After(first.authTime(r)) || second.id.text("sub") != first.id.text("sub") {
			r.errorf("the second ID token says %v, the first %v", second.id, first.id)
		}
	}},
	{"oidcc-prompt-none-not-logged-in", func(r *run) {
		b := r.browser()
		q := r.request(r.Main, changes{"prompt": "none"})
		r.told(q, b.open(r.address(q)), "login_required", "interaction_required")
		if b.pages != 0 {
			r.errorf("%d pages were shown", b.pages)
		}
	}},
	{"oidcc-prompt-none-logged-in", func(r *run) { r.silently(nil) }},
	{"oidcc-id-token-hint", func(r *run) {
		r.silently(func(g granted) changes { return changes{"id_token_hint": g.text("id_token")} })
	}},
	{"oidcc-max-age-1", func(r *run) {
		b := r.browser()
		first := b.grant(r.Main, changes{"max_age": "10000"})
		r.Wait(3 * time.Second)
		proofs := b.proofs
		second := b.grant(r.Main, changes{"max_age": "1"})
		if b.proofs == proofs || !second.authTime(r).After(first.authTime(r)) {
			r.errorf("the person did not sign in again: %v after %v", second.id, first.id)
		}
		if age := r.Now().Sub(second.authTime(r)); age > 30*time.Second {
			r.errorf("auth_time is %s ago", age)
		}
	}},
	{"oidcc-max-age-10000", func(r *run) {
		r.silentlyAfter(changes{"max_age": "10000"}, func(granted) changes { return changes{"max_age": "10000"} })
	}},
	{"oidcc-ensure-post-request-succeeds", func(r *run) {
		b := r.browser()
		q := r.request(r.Main, nil)
		g := granted{client: r.Main, request: q, code: r.codeOf(q, b.travel(http.MethodPost, r.endpoint("authorization_endpoint"), q))}
		if g.answer = r.redeem(g, nil); g.status != http.StatusOK {
			r.fatalf("redeeming: %d %s", g.status, g.raw)
		}
		r.checkTokens(&g)
	}},
	{"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", func(r *run) {
		b := r.browser()
		q := r.request(r.Main, nil)
		q.Set("request", unsigned(map[string]string{"client_id": r.Main.ID, "response_type": "code", "redirect_uri": redirectURI, "nonce": "from-the-object", "scope": "openid", "state": q.Get("state")}))
		a := b.open(r.address(q))
		if a.Get("code") == "" {
			r.told(q, a, "request_not_supported", "invalid_request_object", "invalid_request")
			return
		}
		q.Set("nonce", "from-the-object")
		g := granted{client: r.Main, request: q, code: r.codeOf(q, a)}
		if g.answer = r.redeem(g, nil); g.status != http.StatusOK {
			r.fatalf("redeeming: %d %s", g.status, g.raw)
		}
		r.checkTokens(&g)
	}},
	{"oidcc-ensure-request-object-with-redirect-uri", func(r *run) {
		b := r.browser()
		q := r.request(r.Main, nil)
		q.Set("request", unsigned(map[string]string{"client_id": r.Main.ID, "redirect_uri": redirectURI}))
		q.Set("redirect_uri", "https://evil.example.com/callback")
		if a := b.open(r.address(q)); a.page == nil && !a.at(redirectURI) {
			r.errorf("the browser was sent to %s with %v", a.to, a.Values)
		}
	}},
}

// with checks that a request with more parameters leads to tokens.
func with(change changes) func(r *run) {
	return func(r *run) {
		b := r.browser()
		b.grant(r.Main, change)
		if b.proofs == 0 {
			r.errorf("nobody was asked to sign in")
		}
	}
}

// told checks that the client was told of one of these errors.
func (r *run) told(q map[string][]string, a reply, codes ...string) {
	switch {
	case a.page != nil:
		r.errorf("the person is on %s (%d): %.300s", a.page.Path, a.page.status, a.page.text)
	case !a.at(redirectURI) || !slices.Contains(codes, a.Get("error")) || a.Has("code"):
		r.errorf("sent to %s with %v, expected one of %v", a.to, a.Values, codes)
	case a.Get("state") != q["state"][0]:
		r.errorf("state is %s", a.Get("state"))
	case a.posted != (r.mode == "form_post"):
		r.errorf("the reply was posted: %v", a.posted)
	}
}

// silently checks that a person who is signed in sees no page with prompt=none.
func (r *run) silently(change func(granted) changes) {
	r.silentlyAfter(changes{"max_age": "10000"}, change)
}

func (r *run) silentlyAfter(before changes, change func(granted) changes) {
	b := r.browser()
	first := b.grant(r.Main, before)
	r.Wait(2 * time.Second)
	pages := b.pages
	all := changes{"prompt": "none", "max_age": "15000"}
	if change != nil {
		for name, value := range change(first) {
			all[name] = value
		}
	}
	second := b.grant(r.Main, all)
	if b.pages != pages {
		r.errorf("%d pages were shown", b.pages-pages)
	}
	if second.id.text("sub") != first.id.text("sub") || second.id["auth_time"] != first.id["auth_time"] {
		r.errorf("the second ID token says %v, the first %v", second.id, first.id)
	}
}

// unsigned returns a request object without a signature.
func unsigned(claims map[string]string) string {
	b, _ := json.Marshal(claims)
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(b) + "."
}
