package sallyport

import (
	"strings"
	"testing"
)

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
