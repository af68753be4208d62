package conformance_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

var basicModules = []module{
	{"oidcc-server", func(r *run) {
		g := r.browser().grant(r.Main, nil)
		r.userinfo(g)
	}},
	{"oidcc-server-client-secret-post", func(r *run) {
		g := r.browser().grant(r.Posting, nil)
		r.userinfo(g)
	}},
	{"oidcc-idtoken-signature", func(r *run) {
		for _, c := range []Client{r.Main, r.Posting, r.Strict} {
			r.browser().grant(c, nil)
		}
	}},
	{"oidcc-idtoken-unsigned", func(r *run) {
		if slices.Contains(r.metadata().list("id_token_signing_alg_values_supported"), "none") {
			r.fatalf("the provider offers unsigned ID tokens")
		}
	}},
	{"oidcc-userinfo-get", func(r *run) { r.userinfo(r.browser().grant(r.Main, nil)) }},
	{"oidcc-userinfo-post-header", func(r *run) {
		g := r.browser().grant(r.Main, nil)
		r.about(g, r.send(http.MethodPost, r.endpoint("userinfo_endpoint"), nil, http.Header{"Authorization": {"Bearer " + g.text("access_token")}}))
	}},
	{"oidcc-userinfo-post-body", func(r *run) {
		g := r.browser().grant(r.Main, nil)
		r.about(g, r.send(http.MethodPost, r.endpoint("userinfo_endpoint"), url.Values{"access_token": {g.text("access_token")}}, nil))
	}},
	{"oidcc-ensure-request-without-nonce-succeeds-for-code-flow", func(r *run) {
		if g := r.browser().grant(r.Main, changes{"nonce": ""}); g.id["nonce"] != nil {
			r.errorf("nonce is %v", g.id["nonce"])
		}
	}},
	{"oidcc-scope-profile", func(r *run) { r.scopes("openid profile") }},
	{"oidcc-scope-email", func(r *run) { r.scopes("openid email") }},
	{"oidcc-scope-address", func(r *run) { r.scopes("openid address") }},
	{"oidcc-scope-phone", func(r *run) { r.scopes("openid phone") }},
	{"oidcc-scope-all", func(r *run) { r.scopes("openid profile email address phone") }},
	{"oidcc-ensure-other-scope-order-succeeds", func(r *run) { r.scopes("email openid") }},
	{"oidcc-claims-essential", func(r *run) {
		if r.metadata().object["claims_parameter_supported"] != true {
			r.skipf("the claims parameter is not supported")
		}
		g := r.browser().grant(r.Main, changes{"claims": `{"userinfo":{"name":{"essential":true}}}`})
		if info := r.userinfo(g); info.text("name") == "" {
			r.errorf("userinfo has no name: %v", info)
		}
	}},
	{"oidcc-refresh-token", refreshToken},
	{"oidcc-ensure-request-with-valid-pkce-succeeds", func(r *run) {
		r.browser().grant(r.Main, changes{"code_challenge": challenge(verifier), "code_challenge_method": "S256"})
		for _, wrong := range []string{"", strings.Repeat("x", 43), challenge(verifier)} {
			g := r.code(r.Strict, nil)
			r.refused(r.redeem(g, changes{"code_verifier": wrong}), "invalid_grant", "invalid_request")
		}
	}},
}

// claimsOf are the claims that each scope asks for (OpenID Connect Core 5.4).
var claimsOf = map[string][]string{
	"profile": {"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"},
	"email":   {"email", "email_verified"}, "address": {"address"}, "phone": {"phone_number", "phone_number_verified"},
}

// scopes asks for scopes. Userinfo must contain a claim of each that the provider supports, none of another, and each
// of the right type.
func (r *run) scopes(asked string) {
	info := r.userinfo(r.browser().grant(r.Main, changes{"scope": asked}))
	supported := r.metadata().list("scopes_supported")
	for scope, claims := range claimsOf {
		has := slices.ContainsFunc(claims, func(name string) bool { return info[name] != nil })
		if want := slices.Contains(strings.Fields(asked), scope) && slices.Contains(supported, scope); has != want {
			r.errorf("claims of %s: %v, expected %v in %v", scope, has, want, info)
		}
	}
	for name, value := range info {
		_, isText := value.(string)
		_, isTrue := value.(bool)
		_, isNumber := value.(float64)
		switch {
		case strings.HasSuffix(name, "_verified") && !isTrue, name == "updated_at" && !isNumber:
			r.errorf("%s is %v", name, value)
		case (name == "email" || name == "name" || name == "preferred_username" || name == "locale") && (!isText || value == ""):
			r.errorf("%s is %v", name, value)
		}
	}
}

// code returns a code that nobody has redeemed.
func (r *run) code(c Client, change changes) granted {
	b := r.browser()
	q := r.request(c, change)
	return granted{client: c, request: q, code: r.codeOf(q, b.open(r.address(q)))}
}

// refused checks that an endpoint refused something with one of these errors.
func (r *run) refused(a answer, codes ...string) {
	if a.status != http.StatusBadRequest || !slices.Contains(codes, a.text("error")) || a.object["access_token"] != nil {
		r.errorf("expected %v, got %d %s", codes, a.status, a.raw)
	}
}

func refreshToken(r *run) {
	first := r.browser().grant(r.Main, changes{"scope": "openid offline_access", "prompt": "consent"})
	token := first.text("refresh_token")
	if token == "" {
		r.fatalf("there is no refresh token: %s", first.raw)
	}
	refresh := func(c Client, token string) answer {
		return r.token(c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	}
	r.refused(refresh(r.Posting, token), "invalid_grant")
	r.Wait(2 * 1e9)
	second := granted{client: r.Main, request: url.Values{}, answer: refresh(r.Main, token)}
	if second.status != http.StatusOK {
		r.fatalf("refreshing: %d %s", second.status, second.raw)
	}
	if second.text("id_token") != "" {
		again := r.verify(second.text("id_token"), r.Main.Algorithm)
		second.request.Set("nonce", again.text("nonce"))
		r.checkTokens(&second)
		for _, name := range []string{"iss", "sub", "aud", "auth_time"} {
			if name == "auth_time" && (first.id[name] == nil || again[name] == nil) {
				continue
			}
			if first.id.text(name) != again.text(name) {
				r.errorf("%s is %v after %v", name, again[name], first.id[name])
			}
		}
		if nonce := again.text("nonce"); nonce != "" && nonce != first.id.text("nonce") {
			r.errorf("nonce is %s", nonce)
		}
		if again["iat"].(float64) <= first.id["iat"].(float64) {
			r.errorf("iat has not moved")
		}
	}
	second.id = first.id
	r.userinfo(second)
	if next := second.text("refresh_token"); next != "" {
		if a := refresh(r.Main, next); a.status != http.StatusOK {
			r.errorf("refreshing again: %d %s", a.status, a.raw)
		}
	}
}
