package openid

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestI17_Redirects(t *testing.T) {
	public := []string{"http://127.0.0.1/cb", "http://[::1]:80/cb?x=1", "com.example.app:/cb", "http://localhost/cb"}
	confidential := []string{"http://127.0.0.1/cb", "https://a.example/cb"}
	for _, test := range []struct {
		public bool
		uri    string
		want   bool
	}{
		{true, "http://127.0.0.1/cb", true},
		{true, "http://127.0.0.1:1/cb", true},
		{true, "http://127.0.0.1:65535/cb", true},
		{true, "http://127.0.0.1:65536/cb", false},
		{true, "http://127.0.0.1:0/cb", false},
		{true, "http://127.0.0.1:080/cb", false},
		{true, "http://127.0.0.1:/cb", false},
		{true, "http://127.0.0.1:1@evil.example/cb", false},
		{true, "http://127.0.0.1@evil.example/cb", false},
		{true, "http://127.0.0.1.evil.example/cb", false},
		{true, "http://127.0.0.1:1/cb/", false},
		{true, "http://127.0.0.1:1/cb?x=1", false},
		{true, "http://127.0.0.1:1/cb#x", false},
		{true, "http://127.0.0.2:1/cb", false},
		{true, "https://127.0.0.1:1/cb", false},
		{true, "http://localhost:1/cb", false},
		{true, "http://localhost/cb", true},
		{true, "http://[::1]:4711/cb?x=1", true},
		{true, "com.example.app:/cb", true},
		{true, "com.example.app://cb", false},
		{false, "http://127.0.0.1/cb", true},
		{false, "http://127.0.0.1:1/cb", false},
		{false, "https://a.example/cb", true},
		{false, "https://a.example/CB", false},
		{false, "", false},
	} {
		registered := confidential
		if test.public {
			registered = public
		}
		if got := Redirects(registered, test.public, test.uri); got != test.want {
			t.Errorf("%q: %v", test.uri, got)
		}
	}
}

func TestAssertions(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for claims, want := range map[string]bool{
		`{"exp":1800000060}`: true, `{"exp":1800003600}`: true, `{"exp":1800003601}`: false, `{"exp":1800000000}`: false, `{"exp":1799999999}`: false, `{}`: false,
		`{"exp":1e300}`: false, `{"exp":-1e300}`: false, `{"exp":1800000060.9}`: true, `{"exp":1800000060,"nbf":1800000050}`: true, `{"exp":1800000900,"nbf":1800000061}`: false,
		`{"exp":1800000900,"iat":1800000061}`: false, `{"exp":1800000900,"nbf":1e300}`: false, `{"exp":1800000900,"iat":-1e300}`: true,
	} {
		a, ok := ParseAssertion([]byte(claims))
		if got := ok && a.InTime(now); got != want {
			t.Errorf("%s: %v", claims, got)
		}
	}
	for _, broken := range []string{"", "[]", `{"exp":"1800000060"}`, `{"aud":1}`, `{"aud":[1]}`, `{"iss":{}}`} {
		if a, ok := ParseAssertion([]byte(broken)); ok {
			t.Errorf("%s: %+v", broken, a)
		}
	}
}

func FuzzRedirects(f *testing.F) {
	for _, uri := range []string{"http://127.0.0.1:1/cb", "http://[::1]:2/cb", "https://a.example/cb", "http://127.0.0.1@evil.example/cb", "com.example.app:/cb"} {
		f.Add(uri)
	}
	registered := []string{"http://127.0.0.1/cb", "http://[::1]/cb", "https://a.example/cb"}
	f.Fuzz(func(t *testing.T, uri string) {
		if !Redirects(registered, true, uri) {
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
		c, ok := ParseClaims(raw)
		if !ok && (len(c.IDToken) > 0 || len(c.UserInfo) > 0) {
			t.Errorf("%q: half of it was read", raw)
		}
		if ok && raw != "" && !json.Valid([]byte(raw)) {
			t.Errorf("%q is not JSON", raw)
		}
		for _, one := range c.IDToken {
			_ = one.Texts()
		}
	})
}

func FuzzAssertion(f *testing.F) {
	for _, claims := range []string{`{"iss":"a","sub":"a","aud":["b"],"exp":1800000060,"jti":"x"}`, `{"aud":"b","exp":1e300}`, `{"exp":-1e300,"nbf":1e308}`, `{"EXP":1800000060,"exp":1}`, "[]", "{"} {
		f.Add([]byte(claims))
	}
	now := time.Unix(1_800_000_000, 0)
	f.Fuzz(func(t *testing.T, claims []byte) {
		a, ok := ParseAssertion(claims)
		if !ok {
			if a.Subject != "" || a.Expires != 0 {
				t.Errorf("%q: half of it was read", claims)
			}
			return
		}
		if a.InTime(now) && (a.Expires <= 1_800_000_000 || a.Expires >= 1_800_003_601 || a.Begins >= 1_800_000_062 || a.Issued >= 1_800_000_062) {
			t.Errorf("%q is in time", claims)
		}
	})
}
