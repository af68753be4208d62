package conformance_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// fault is a way in which a provider could be wrong. Any of the functions may be nil.
type fault struct {
	name   string
	module string                               // that must notice
	asked  func(path string, q url.Values)      // changes a request before the provider gets it
	said   func(path string, r *answered)       // changes an answer before the client or the browser gets it
	sent   func(path, body string) (old string) // the answer to repeat instead of asking the provider; empty: none
}

type answered struct {
	*http.Response
	body string
}

// edit returns a change of the answers at some path.
func edit(at, expression, by string) func(path string, r *answered) {
	return func(path string, r *answered) {
		if strings.HasSuffix(path, at) {
			r.body = regexp.MustCompile(expression).ReplaceAllString(r.body, by)
		}
	}
}

// lead returns a change of where a browser is sent with a reply.
func lead(expression, by string) func(path string, r *answered) {
	return func(_ string, r *answered) {
		if to := r.Header.Get("Location"); strings.HasPrefix(to, "https://rp.example.com/") {
			r.Header.Set("Location", regexp.MustCompile(expression).ReplaceAllString(to, by))
		}
	}
}

// drop returns a change that leaves out a parameter, if it has that value, or any if that is empty.
func drop(name, value string) func(path string, q url.Values) {
	return func(_ string, q url.Values) {
		if value == "" || q.Get(name) == value {
			q.Del(name)
		}
	}
}

func put(name, value string) func(path string, q url.Values) {
	return func(_ string, q url.Values) { q.Set(name, value) }
}

func faults() []fault {
	return []fault{
		{name: "the issuer ends in a slash", module: "oidcc-discovery-endpoint-verification", said: edit("/openid-configuration", `"issuer":"([^"]*)"`, `"issuer":"$1/"`)},
		{name: "plain is offered", module: "oidcc-discovery-endpoint-verification", said: edit("/openid-configuration", `\["S256"\]`, `["S256","plain"]`)},
		{name: "a private key is published", module: "oidcc-discovery-endpoint-verification", said: edit("/jwks.json", `"kty"`, `"d":"x","kty"`)},
		{name: "tokens may be cached", module: "oidcc-server", said: func(_ string, r *answered) { r.Header.Del("Cache-Control") }},
		{name: "another state", module: "oidcc-server", said: lead(`state=[^&]*`, "state=x")},
		{name: "another issuer", module: "oidcc-server", said: lead(`iss=[^&]*`, "iss=https%3A%2F%2Fevil.example.com")},
		{name: "another signature", module: "oidcc-idtoken-signature", said: edit("/token", `("id_token":"[^"]*)[^"]{5}"`, `${1}AAAAA"`)},
		{name: "unsigned tokens are offered", module: "oidcc-idtoken-unsigned", said: edit("/openid-configuration", `\["RS256"`, `["none","RS256"`)},
		{name: "another person", module: "oidcc-userinfo-get", said: edit("/userinfo", `"sub":"[^"]*"`, `"sub":"x"`)},
		{name: "a text instead of true", module: "oidcc-scope-email", said: edit("/userinfo", `"email_verified":true`, `"email_verified":"true"`)},
		{name: "more than was asked for", module: "oidcc-scope-profile", said: edit("/userinfo", `^{`, `{"email":"a@example.com",`)},
		{name: "less than was asked for", module: "oidcc-scope-profile", asked: put("scope", "openid")},
		{name: "no nonce", module: "oidcc-server", asked: drop("nonce", "")},
		{name: "claims mean nothing", module: "oidcc-claims-essential", asked: drop("claims", "")},
		{name: "prompt=login means nothing", module: "oidcc-prompt-login", asked: drop("prompt", "login")},
		{name: "prompt=none means nothing", module: "oidcc-prompt-none-not-logged-in", asked: drop("prompt", "none")},
		{name: "always prompt=login", module: "oidcc-prompt-none-logged-in", asked: put("prompt", "login")},
		{name: "max_age means nothing", module: "oidcc-max-age-1", asked: drop("max_age", "1")},
		{name: "max_age is always 0", module: "oidcc-max-age-10000", asked: put("max_age", "0")},
		{name: "response_mode means nothing", module: "oidcc-server", asked: drop("response_mode", "")},
		{name: "response_type means nothing", module: "oidcc-response-type-missing", asked: put("response_type", "code")},
		{name: "PKCE means nothing", module: "oidcc-ensure-request-with-valid-pkce-succeeds", asked: drop("code_challenge", "")},
		{name: "a code works twice", module: "oidcc-codereuse", sent: again()},
		{name: "any address will do", module: "oidcc-ensure-registered-redirect-uri", said: func(_ string, r *answered) {
			if to := r.Request.URL.Query().Get("redirect_uri"); r.StatusCode == http.StatusBadRequest && to != "" {
				r.StatusCode = http.StatusFound
				r.Header.Set("Location", to+"?code=x")
			}
		}},
		{name: "a query may be added", module: "oidcc-redirect-uri-query-added", asked: put("redirect_uri", redirectURI)},
		{name: "a default address", module: "oidcc-ensure-redirect-uri-in-authorization-request", asked: put("redirect_uri", redirectURI)},
		{name: "no state after signing out", module: "oidcc-rp-initiated-logout", asked: drop("state", "a:st/ate")},
		{name: "any address after signing out", module: "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", asked: func(path string, q url.Values) {
			if strings.HasSuffix(path, "/end-session") {
				q.Set("post_logout_redirect_uri", postLogoutURI)
			}
		}},
		{name: "no way to be told", module: "oidcc-backchannel-logout-discovery-endpoint-verification", said: edit("/openid-configuration", `"backchannel_logout_supported":true`, `"backchannel_logout_supported":false`)},
	}
}

// again returns a fault: what was posted to the token endpoint once is answered in the same way again.
func again() func(path, body string) string {
	seen := map[string]bool{}
	return func(path, body string) string {
		if !strings.HasSuffix(path, "/token") {
			return ""
		}
		if seen[body] {
			return `{"access_token":"x","token_type":"Bearer","expires_in":600}`
		}
		seen[body] = true
		return ""
	}
}

// RoundTrip sends a request through the fault.
func (f fault) RoundTrip(q *http.Request) (*http.Response, error) {
	if f.sent != nil && q.Body != nil {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return nil, err
		}
		if old := f.sent(q.URL.Path, string(body)); old != "" {
			return &http.Response{StatusCode: 200, Request: q, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(old))}, nil
		}
		q.Body = io.NopCloser(bytes.NewReader(body))
	}
	if values := q.URL.Query(); f.asked != nil && len(values) > 0 && strings.HasPrefix(q.URL.Path, "/oauth2/") {
		f.asked(q.URL.Path, values)
		q.URL.RawQuery = values.Encode()
	}
	res, err := http.DefaultTransport.RoundTrip(q)
	if err != nil || f.said == nil {
		return res, err
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	a := &answered{res, string(body)}
	f.said(q.URL.Path, a)
	a.Response.Body = io.NopCloser(strings.NewReader(a.body))
	return a.Response, err
}

// TestFindsFaults spoils what the product says or hears, one thing at a time. The module that is about it must notice.
func TestFindsFaults(t *testing.T) {
	p := product(t, sallyporttest.New(t, "sqlite"))
	all := map[string]module{}
	modes := map[string]string{"response_mode means nothing": "form_post"}
	for _, plan := range plans() {
		for _, m := range plan.modules {
			all[m.name] = m
		}
	}
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			m, ok := all[f.module]
			if !ok {
				t.Fatalf("there is no module %s", f.module)
			}
			if r := p.of(m, modes[f.name], f); len(r.faults) == 0 {
				t.Errorf("%s notices nothing", f.module)
			} else {
				t.Logf("%s: %q", f.module, r.faults)
			}
		})
	}
}
