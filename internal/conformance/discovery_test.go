package conformance_test

import (
	"net/url"
	"slices"
	"strings"
)

var discoveryModules = []module{
	{"oidcc-discovery-endpoint-verification", discovery},
	{"oidcc-server-rotate-keys", func(r *run) {
		if r.Rotate == nil {
			r.skipf("the provider cannot be asked to change its keys")
		}
		b := r.browser()
		before := b.grant(r.Main, nil)
		r.Rotate()
		b.grant(r.Main, nil)
		r.verify(before.text("id_token"), r.Main.Algorithm) // its key is still published
	}},
}

func discovery(r *run) {
	m := r.metadata()
	if !strings.HasPrefix(m.header.Get("Content-Type"), "application/json") {
		r.errorf("the type is %s", m.header.Get("Content-Type"))
	}
	if m.text("issuer") != r.Issuer || strings.HasSuffix(r.Issuer, "/") {
		r.errorf("the issuer is %s", m.text("issuer"))
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint"} {
		if u, err := url.Parse(m.text(name)); err != nil || !u.IsAbs() || u.Fragment != "" || !strings.HasPrefix(u.String(), r.Issuer+"/") {
			r.errorf("%s is %q", name, m.text(name))
		}
	}
	for name, want := range map[string][]string{
		"scopes_supported": {"openid"}, "response_types_supported": {"code"}, "response_modes_supported": {"query", "form_post"},
		"grant_types_supported": {"authorization_code", "refresh_token"}, "subject_types_supported": {"public"},
		"id_token_signing_alg_values_supported": {"RS256"}, "token_endpoint_auth_methods_supported": {"client_secret_basic", "client_secret_post"},
		"claims_supported": {"sub", "iss"}, "code_challenge_methods_supported": {"S256"},
	} {
		for _, value := range want {
			if !slices.Contains(m.list(name), value) {
				r.errorf("%s does not contain %s: %v", name, value, m.list(name))
			}
		}
	}
	for _, name := range []string{"claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported", "authorization_response_iss_parameter_supported"} {
		if _, ok := m.object[name].(bool); m.object[name] != nil && !ok {
			r.errorf("%s is %v", name, m.object[name])
		}
	}
	if slices.Contains(m.list("code_challenge_methods_supported"), "plain") {
		r.errorf("PKCE with plain is offered")
	}
	discoveredKeys(r)
}

func discoveredKeys(r *run) {
	set, raw := r.keys()
	all, _ := raw["keys"].([]any)
	seen := map[string]bool{}
	for i, one := range all {
		key := object(one.(map[string]any))
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "oth"} {
			if key[private] != nil {
				r.errorf("key %d has the private member %s", i, private)
			}
		}
		if key.text("kid") == "" || seen[key.text("kid")] || key.text("kty") == "" || key.text("use") != "sig" {
			r.errorf("key %d has kid %q, kty %q, use %q", i, key.text("kid"), key.text("kty"), key.text("use"))
		}
		seen[key.text("kid")] = true
	}
	if len(set.Keys) == 0 {
		r.errorf("there are no keys")
	}
	for _, key := range set.Keys {
		if !key.Valid() || !key.IsPublic() {
			r.errorf("key %s is not valid", key.KeyID)
		}
	}
}
