package sallyport

import (
	"strings"
	"testing"
)

func TestI17_Redirects(t *testing.T) {
	public := &AppClient{Public: true, RedirectURIs: []string{"http://127.0.0.1/cb", "http://[::1]:80/cb?x=1", "com.example.app:/cb", "http://localhost/cb"}}
	confidential := &AppClient{RedirectURIs: []string{"http://127.0.0.1/cb", "https://a.example/cb"}}
	for _, test := range []struct {
		c    *AppClient
		uri  string
		want bool
	}{
		{public, "http://127.0.0.1/cb", true},
		{public, "http://127.0.0.1:1/cb", true},
		{public, "http://127.0.0.1:65535/cb", true},
		{public, "http://127.0.0.1:65536/cb", false},
		{public, "http://127.0.0.1:0/cb", false},
		{public, "http://127.0.0.1:080/cb", false},
		{public, "http://127.0.0.1:/cb", false},
		{public, "http://127.0.0.1:1@evil.example/cb", false},
		{public, "http://127.0.0.1@evil.example/cb", false},
		{public, "http://127.0.0.1.evil.example/cb", false},
		{public, "http://127.0.0.1:1/cb/", false},
		{public, "http://127.0.0.1:1/cb?x=1", false},
		{public, "http://127.0.0.1:1/cb#x", false},
		{public, "http://127.0.0.2:1/cb", false},
		{public, "https://127.0.0.1:1/cb", false},
		{public, "http://localhost:1/cb", false},
		{public, "http://localhost/cb", true},
		{public, "http://[::1]:4711/cb?x=1", true},
		{public, "com.example.app:/cb", true},
		{public, "com.example.app://cb", false},
		{confidential, "http://127.0.0.1/cb", true},
		{confidential, "http://127.0.0.1:1/cb", false},
		{confidential, "https://a.example/cb", true},
		{confidential, "https://a.example/CB", false},
		{confidential, "", false},
	} {
		if got := test.c.redirects(test.uri); got != test.want {
			t.Errorf("%q: %v", test.uri, got)
		}
	}
}

func TestClientSettings(t *testing.T) {
	for uri, want := range map[string]bool{
		"https://a.example/cb": true, "http://localhost:8080/cb": true, "http://app.localhost/cb": true, "http://127.0.0.1/cb": true, "com.example.app:/cb": true,
		"http://a.example/cb": false, "https://a.example/cb#x": false, "https://u@a.example/": false, "javascript:alert(1)": false, "data:text/html,x": false,
		"app:/cb": false, "/cb": false, "https:///cb": false, "https://a.example/c b": false, "https://a.example/\u00e4": false, "https://a.example\\cb": false,
	} {
		c := AppClient{RedirectURIs: []string{" " + uri + " "}, PostLogoutURIs: []string{""}}
		if err := c.tidy(); (err == nil) != want {
			t.Errorf("%q: %v", uri, err)
		}
	}
	public := AppClient{Public: true, PKCEOptional: true}
	if err := public.tidy(); err != nil || public.PKCEOptional || public.Algorithm != "RS256" {
		t.Errorf("a public client: %+v %v", public, err)
	}
	for name, c := range map[string]AppClient{
		"algorithm": {Algorithm: "HS256"}, "keys": {JWKS: "{}"}, "plain http": {BackchannelLogoutURI: "http://a.example/"}, "fragment": {BackchannelLogoutURI: "https://a.example/#x"},
		"a public client's keys": {Public: true, JWKS: "{}"}, "too many": {RedirectURIs: many(MaxRedirectURIs + 1)},
	} {
		if err := c.tidy(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func many(n int) (all []string) {
	for i := range n {
		all = append(all, "https://a.example/"+strings.Repeat("x", i))
	}
	return all
}

func FuzzRedirects(f *testing.F) {
	for _, uri := range []string{"http://127.0.0.1:1/cb", "http://[::1]:2/cb", "https://a.example/cb", "http://127.0.0.1@evil.example/cb", "com.example.app:/cb"} {
		f.Add(uri)
	}
	c := &AppClient{Public: true, RedirectURIs: []string{"http://127.0.0.1/cb", "http://[::1]/cb", "https://a.example/cb"}}
	f.Fuzz(func(t *testing.T, uri string) {
		if !c.redirects(uri) {
			return
		}
		rest, ok := uri, false
		for _, start := range []string{"http://127.0.0.1", "http://[::1]"} {
			if after, found := strings.CutPrefix(uri, start); found {
				rest, ok = strings.TrimLeft(strings.TrimPrefix(after, ":"), "0123456789"), true
			}
		}
		if uri != "https://a.example/cb" && (!ok || rest != "/cb") {
			t.Errorf("%q", uri)
		}
	})
}

func FuzzClaims(f *testing.F) {
	for _, raw := range []string{"", "{}", `{"id_token":{"acr":{"essential":true,"values":["phr",1]}},"userinfo":{"email":null}}`, "[]", `{"id_token":null}`, strings.Repeat("[", 5000)} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := parseClaims(raw)
		if err != nil && (len(c.IDToken) > 0 || len(c.UserInfo) > 0) {
			t.Errorf("%q: half of it was read", raw)
		}
		_ = c.IDToken["acr"].texts()
		_ = wanted(Scopes, c.UserInfo)
	})
}
