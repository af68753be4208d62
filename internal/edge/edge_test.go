package edge_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// server is an edge in front of a door that writes what it got: host, client address and one cookie.
type server struct {
	*edge.Edge
	addr string
	log  *buffer
}

// buffer is a bytes.Buffer that is safe for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start starts a server that is configured with url. If trusting, it trusts 127.0.0.1, the address of the tests, as a
// proxy.
func start(t *testing.T, url string, trusting bool) *server {
	t.Helper()
	var proxies []netip.Prefix
	if trusting {
		proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	}
	log := &buffer{}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	e, err := edge.New(url, proxies, logger)
	if err != nil {
		t.Fatal(err)
	}
	door := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visit := edge.From(r.Context())
		visit.Route = "GET /route"
		switch r.URL.Path {
		case "/panic":
			e.SetCookie(w, edge.SessionCookie, "half-made", 0)
			w.Header().Set("Location", "/secret-place")
			panic("secret-in-panic")
		case "/panic-late":
			w.WriteHeader(http.StatusOK)
			http.NewResponseController(w).Flush()
			panic("secret-in-panic")
		case "/set":
			e.SetCookie(w, edge.SessionCookie, "value", 90e9)
			e.ClearCookie(w, edge.TrustCookie)
		}
		fmt.Fprintf(w, "%s %s %s [%s]", visit.Host, r.Host, visit.Addr, e.Cookie(r, edge.SessionCookie))
	})
	health := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "healthy") })
	refuse := func(w http.ResponseWriter, r *http.Request, status int, why text.Message) {
		http.Error(w, text.English.Text(why), status)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ts := &httptest.Server{Listener: listener, Config: edge.NewServer(e.Handler(door, health, refuse), logger)}
	ts.Start()
	t.Cleanup(ts.Close)
	return &server{Edge: e, addr: listener.Addr().String(), log: log}
}

// send writes a request exactly as given, followed by "Connection: close" and a blank line.
func (s *server) send(t *testing.T, lines ...string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s\r\nConnection: close\r\n\r\n", strings.Join(lines, "\r\n"))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body) // a late panic cuts it short
	return resp, string(body)
}

func TestI15_HostIsCanonicalOrDenied(t *testing.T) {
	tests := []struct {
		url, host string
		status    int
		want      string // canonical
	}{
		{"https://login.example.com", "login.example.com", 200, "login.example.com"},
		{"https://login.example.com", "LOGIN.Example.COM", 200, "login.example.com"},
		{"https://login.example.com", "login.example.com:443", 200, "login.example.com"},
		{"https://login.example.com", "globex.example.com", 200, "globex.example.com"}, // the Service checks whether it has a workspace
		{"https://login.example.com", "login.example.com:80", 421, ""},
		{"https://login.example.com:8443", "login.example.com:8443", 200, "login.example.com:8443"},
		{"https://login.example.com:8443", "login.example.com", 421, ""},
		{"http://localhost:8080", "globex.localhost:8080", 200, "globex.localhost:8080"},
		{"http://localhost:8080", "localhost:8081", 421, ""},
		{"http://localhost", "localhost:80", 200, "localhost"},
		{"http://[::1]:8080", "[::1]:8080", 200, "[::1]:8080"},
		{"http://[::1]:8080", "[0:0:0:0:0:0:0:1]:8080", 200, "[::1]:8080"},
		{"http://127.0.0.1:8080", "127.0.0.1:8080", 200, "127.0.0.1:8080"},
		{"http://localhost", "", 400, ""},
		{"http://localhost", "localhost.", 400, ""},
		{"http://localhost", "localhost:", 400, ""},
		{"http://localhost", "localhost:080", 400, ""},
		{"http://localhost", "localhost:0", 400, ""},
		{"http://localhost", "localhost:65536", 400, ""},
		{"http://localhost", "localhost:80:80", 400, ""},
		{"http://localhost", "localhost:+80", 400, ""},
		{"http://localhost", "user@localhost", 400, ""},
		{"http://localhost", "user:pass@localhost", 400, ""},
		{"http://localhost", "a..localhost", 400, ""},
		{"http://localhost", ".localhost", 400, ""},
		{"http://localhost", "-a.localhost", 400, ""},
		{"http://localhost", "localhost,evil", 400, ""},
		{"http://localhost", "local%68ost", 400, ""},
		{"http://localhost", "lo\xc3\xb6calhost", 400, ""},
		{"http://localhost", "127.1", 400, ""},
		{"http://localhost", "0x7f.0x1", 400, ""},
		{"http://localhost", "2130706433", 400, ""},
		{"http://localhost", "127.0.0.01", 400, ""},
		{"http://localhost", "::1", 400, ""},
		{"http://localhost", "[::1", 400, ""},
		{"http://localhost", "[::1]x", 400, ""},
		{"http://localhost", "[fe80::1%25eth0]", 400, ""},
		{"http://localhost", "[::ffff:127.0.0.1]", 400, ""},
		{"http://localhost", "[127.0.0.1]", 400, ""},
		{"http://localhost", strings.Repeat("a", 64) + ".localhost", 400, ""},
		{"http://localhost", strings.Repeat("a.", 130) + "localhost", 400, ""},
	}
	for _, test := range tests {
		t.Run(test.url+"|"+test.host, func(t *testing.T) {
			s := start(t, test.url, false)
			resp, body := s.send(t, "GET / HTTP/1.1", "Host: "+test.host)
			if resp.StatusCode != test.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, test.status, body)
			}
			if want := test.want + " " + test.want + " "; test.status == 200 && !strings.HasPrefix(body, want) {
				t.Errorf("got %q, want it to begin with %q", body, want)
			}
		})
	}
}

func TestI15_TwoHostsAreDenied(t *testing.T) {
	s := start(t, "http://localhost", true)
	tests := map[string][]string{
		"none":                 {"GET / HTTP/1.0"},
		"doubled":              {"GET / HTTP/1.1", "Host: localhost", "Host: localhost"},
		"doubled forwarded":    {"GET / HTTP/1.1", "Host: localhost", "X-Forwarded-Host: a.localhost", "X-Forwarded-Host: b.localhost"},
		"list forwarded":       {"GET / HTTP/1.1", "Host: localhost", "X-Forwarded-Host: a.localhost, b.localhost"},
		"empty forwarded":      {"GET / HTTP/1.1", "Host: localhost", "X-Forwarded-Host: "},
		"in the request line":  {"GET //evil.example/ HTTP/1.1", "Host: localhost"},
		"no path but an aster": {"GET * HTTP/1.1", "Host: localhost"},
	}
	for name, lines := range tests {
		t.Run(name, func(t *testing.T) {
			if resp, body := s.send(t, lines...); resp.StatusCode != 400 {
				t.Errorf("status %d: %s", resp.StatusCode, body)
			}
		})
	}
}

func TestI15_AbsoluteTargetIsDenied(t *testing.T) {
	s := start(t, "http://localhost", false)
	if resp, body := s.send(t, "GET http://evil.localhost/ HTTP/1.1", "Host: localhost"); resp.StatusCode != 400 {
		t.Errorf("status %d: %s", resp.StatusCode, body)
	}
}

func TestI15_TargetHasOneReading(t *testing.T) {
	s := start(t, "http://localhost", false)
	tests := map[string]int{
		"/":                      200,
		"/sign-in":               200,
		"/sign-in?a=b&c=%26%3D+": 200,
		"/x/%C3%B6?q=%C3%B6":     200,
		"/static/a.css?":         200,
		"/x/%3Fy%20z":            200,
		"//":                     400,
		"//sign-in":              400,
		"/admin//users":          400,
		"/./sign-in":             400,
		"/x/../sign-in":          400,
		"/x/..":                  400,
		"/.":                     400,
		"/%2e%2e/sign-in":        400,
		"/%2E/sign-in":           400,
		"/x%2fsign-in":           400,
		"/x%2Fsign-in":           400,
		"/x%5csign-in":           400,
		`/x\sign-in`:             400,
		"/sign-in%00":            400,
		"/sign-in%0d%0ax":        400,
		"/sign-in%7f":            400,
		"/%73ign-in":             400,
		"/%2573ign-in":           400,
		"/%ff":                   400,
		"/%c0%af":                400,
		"/\xc3\xb6":              400,
		"/x%2":                   400,
		"/x%zz":                  400,
		"/x?a=1;b=2":             400,
		"/x?a=%zz":               400,
		"/x?a=%":                 400,
		"/x?a=%00":               400,
		"/x?%00=a":               400,
		"/x?a=%ff":               400,
	}
	for target, want := range tests {
		t.Run(target, func(t *testing.T) {
			if resp, body := s.send(t, "GET "+target+" HTTP/1.1", "Host: localhost"); resp.StatusCode != want {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, want, body)
			}
		})
	}
}

func TestI14_ForwardingHeadersCountFromTrustedProxiesOnly(t *testing.T) {
	tests := []struct {
		name     string
		trusting bool
		headers  []string
		status   int
		want     string // canonical host, host and client address
		foreign  bool
	}{
		{"direct", false, nil, 200, "localhost localhost 127.0.0.1", false},
		{"client sets X-Forwarded-For", false, []string{"X-Forwarded-For: 9.9.9.9"}, 200, "localhost localhost 127.0.0.1", true},
		{"client sets X-Forwarded-Host", false, []string{"X-Forwarded-Host: globex.localhost"}, 200, "localhost localhost 127.0.0.1", true},
		{"client sets Forwarded", false, []string{"Forwarded: for=9.9.9.9;host=globex.localhost"}, 200, "localhost localhost 127.0.0.1", true},
		{"client sets junk", false, []string{"X-Forwarded-For: junk", "X-Forwarded-For: junk"}, 200, "localhost localhost 127.0.0.1", true},
		{"proxy sets nothing", true, nil, 200, "localhost localhost 127.0.0.1", false},
		{"proxy sets X-Forwarded-For", true, []string{"X-Forwarded-For: 9.9.9.9"}, 200, "localhost localhost 9.9.9.9", false},
		{"proxy sets X-Forwarded-Host", true, []string{"X-Forwarded-Host: Globex.localhost"}, 200, "globex.localhost globex.localhost 127.0.0.1", false},
		{"proxy sets X-Forwarded-Host with another port", true, []string{"X-Forwarded-Host: globex.localhost:81"}, 421, "", false},
		{"proxy sets Forwarded", true, []string{"Forwarded: for=9.9.9.9;host=globex.localhost"}, 200, "localhost localhost 127.0.0.1", false},
		{"client lied to the proxy", true, []string{"X-Forwarded-For: 1.1.1.1, 9.9.9.9"}, 200, "localhost localhost 9.9.9.9", false},
		{"two proxies", true, []string{"X-Forwarded-For: 1.1.1.1, 9.9.9.9, 10.1.2.3"}, 200, "localhost localhost 9.9.9.9", false},
		{"proxies only", true, []string{"X-Forwarded-For: 10.1.2.4, 10.1.2.3"}, 200, "localhost localhost 10.1.2.4", false},
		{"address with port", true, []string{"X-Forwarded-For: 9.9.9.9:1234"}, 200, "localhost localhost 9.9.9.9", false},
		{"IPv6", true, []string{"X-Forwarded-For: 2001:DB8::0:1"}, 200, "localhost localhost 2001:db8::1", false},
		{"IPv6 with port", true, []string{"X-Forwarded-For: [2001:db8::1]:1234"}, 200, "localhost localhost 2001:db8::1", false},
		{"IPv6 with zone", true, []string{"X-Forwarded-For: fe80::1%eth0"}, 200, "localhost localhost fe80::1", false},
		{"IPv4 written as IPv6", true, []string{"X-Forwarded-For: ::ffff:9.9.9.9"}, 200, "localhost localhost 9.9.9.9", false},
		{"proxy written as IPv6", true, []string{"X-Forwarded-For: 9.9.9.9, ::ffff:10.1.2.3"}, 200, "localhost localhost 9.9.9.9", false},
		{"unreadable", true, []string{"X-Forwarded-For: junk"}, 400, "", false},
		{"unreadable on the left", true, []string{"X-Forwarded-For: unknown, 9.9.9.9"}, 400, "", false},
		{"empty", true, []string{"X-Forwarded-For: "}, 400, "", false},
		{"empty hop", true, []string{"X-Forwarded-For: 9.9.9.9,"}, 400, "", false},
		{"missing bracket", true, []string{"X-Forwarded-For: [2001:db8::1"}, 400, "", false},
		{"port out of range", true, []string{"X-Forwarded-For: 9.9.9.9:99999"}, 400, "", false},
		{"doubled", true, []string{"X-Forwarded-For: 9.9.9.9", "X-Forwarded-For: 9.9.9.9"}, 400, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, "http://localhost", test.trusting)
			resp, body := s.send(t, append([]string{"GET / HTTP/1.1", "Host: localhost"}, test.headers...)...)
			if resp.StatusCode != test.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, test.status, body)
			}
			if test.status == 200 && body != test.want+" []" {
				t.Errorf("got %q, want %q", body, test.want)
			}
			if got := s.ForeignForwarding(); got != test.foreign {
				t.Errorf("ForeignForwarding is %v, want %v", got, test.foreign)
			}
		})
	}
}

func TestHealthBeforeTheHostIsLookedAt(t *testing.T) {
	s := start(t, "https://login.example.com", false)
	for _, path := range []string{"/healthz", "/readyz"} {
		if resp, body := s.send(t, "GET "+path+" HTTP/1.1", "Host: 10.0.0.1:8080"); resp.StatusCode != 200 || body != "healthy" {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestI54_HeadersOnEveryAnswer(t *testing.T) {
	want := map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "same-origin",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cache-Control":                "no-store",
		"Content-Security-Policy":      "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
	}
	for _, url := range []string{"http://localhost", "https://localhost"} {
		s := start(t, url, false)
		for _, target := range []string{"/", "/healthz", "//", "/panic", "/x?;"} {
			resp, _ := s.send(t, "GET "+target+" HTTP/1.1", "Host: localhost")
			for name, value := range want {
				if got := resp.Header.Values(name); len(got) != 1 || got[0] != value {
					t.Errorf("%s%s: %s is %q, want %q", url, target, name, got, value)
				}
			}
			if !strings.Contains(resp.Header.Get("Permissions-Policy"), "geolocation=()") || len(resp.Header.Get("X-Request-Id")) < 16 {
				t.Errorf("%s%s: headers are %v", url, target, resp.Header)
			}
			if got := resp.Header.Get("Strict-Transport-Security"); (got != "") != (url == "https://localhost") {
				t.Errorf("%s%s: Strict-Transport-Security is %q", url, target, got)
			}
		}
	}
}

func TestI11_PanicGivesNothing(t *testing.T) {
	s := start(t, "http://localhost", false)
	resp, body := s.send(t, "GET /panic?token=secret-in-query HTTP/1.1", "Host: localhost", "Cookie: sallyport-80-session=secret-in-cookie")
	if resp.StatusCode != 500 || len(resp.Header["Set-Cookie"]) > 0 || resp.Header.Get("Location") != "" {
		t.Errorf("status %d, headers %v", resp.StatusCode, resp.Header)
	}
	id := resp.Header.Get("X-Request-Id")
	if log := s.log.String(); strings.Contains(body+log, "secret") || !strings.Contains(log, "level=ERROR") || !strings.Contains(log, id) {
		t.Errorf("request %s, body %q, log %s", id, body, log)
	}
	if _, body := s.send(t, "GET /panic-late HTTP/1.1", "Host: localhost"); strings.Contains(body, "secret") {
		t.Errorf("body %q", body)
	}
	if resp, _ := s.send(t, "GET / HTTP/1.1", "Host: localhost"); resp.StatusCode != 200 {
		t.Errorf("after a panic: status %d", resp.StatusCode)
	}
}

func TestI49_PathsAreNotLogged(t *testing.T) {
	s := start(t, "http://localhost", false)
	s.send(t, "GET /reset/secret-token?x=secret-query HTTP/1.1", "Host: localhost")
	if log := s.log.String(); !strings.Contains(log, `route="GET /route"`) || strings.Contains(log, "secret") {
		t.Errorf("log: %s", log)
	}
}

func TestI54_CookieAttributes(t *testing.T) {
	tests := map[string][2]string{
		"http://localhost":  {"sallyport-80-session=value; Path=/; Max-Age=90; HttpOnly; SameSite=Lax", "sallyport-80-trust=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"},
		"https://localhost": {"__Host-session=value; Path=/; Max-Age=90; HttpOnly; Secure; SameSite=Lax", "__Host-trust=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"},
	}
	tests["http://localhost:8080"] = [2]string{strings.Replace(tests["http://localhost"][0], "-80-", "-8080-", 1), strings.Replace(tests["http://localhost"][1], "-80-", "-8080-", 1)}
	for url, want := range tests {
		_, host, _ := strings.Cut(url, "://")
		resp, _ := start(t, url, false).send(t, "GET /set HTTP/1.1", "Host: "+host)
		if got := resp.Header["Set-Cookie"]; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("%s: %q", url, got)
		}
	}
}

func TestI31_StrangeCookiesAreNoCookies(t *testing.T) {
	long := strings.Repeat("x", 4097)
	tests := []struct {
		name, url string
		headers   []string
		want      string
	}{
		{"plain", "http://localhost", []string{"Cookie: sallyport-80-session=abc-_.~9"}, "abc-_.~9"},
		{"among others", "http://localhost", []string{"Cookie: a=b; sallyport-80-session=abc;c=d; sallyport-80-sessionx=1; xsallyport-80-session=2"}, "abc"},
		{"of another port", "http://localhost", []string{"Cookie: sallyport-8080-session=abc"}, ""},
		{"of another program", "http://localhost", []string{"Cookie: session=abc"}, ""},
		{"secure", "https://localhost", []string{"Cookie: __Host-session=abc"}, "abc"},
		{"plain under https", "https://localhost", []string{"Cookie: sallyport-443-session=abc; session=abc"}, ""},
		{"doubled", "http://localhost", []string{"Cookie: sallyport-80-session=abc; sallyport-80-session=abc"}, ""},
		{"doubled over lines", "http://localhost", []string{"Cookie: sallyport-80-session=abc", "Cookie: sallyport-80-session=abc"}, ""},
		{"doubled, one of them broken", "http://localhost", []string{"Cookie: sallyport-80-session=abc; sallyport-80-session=a b"}, ""},
		{"doubled, one of them with a space", "http://localhost", []string{"Cookie: sallyport-80-session=abc; sallyport-80-session =x"}, ""},
		{"empty", "http://localhost", []string{"Cookie: sallyport-80-session="}, ""},
		{"no value", "http://localhost", []string{"Cookie: sallyport-80-session"}, ""},
		{"quoted", "http://localhost", []string{`Cookie: sallyport-80-session="abc"`}, ""},
		{"other characters", "http://localhost", []string{"Cookie: sallyport-80-session=a\xffb"}, ""},
		{"long", "http://localhost", []string{"Cookie: sallyport-80-session=" + long}, ""},
		{"longest", "http://localhost", []string{"Cookie: sallyport-80-session=" + long[1:]}, long[1:]},
		{"other case", "http://localhost", []string{"Cookie: Sallyport-80-session=abc"}, ""},
		{"64 KiB beside it", "http://localhost", []string{"Cookie: a=" + strings.Repeat("x", 32<<10), "Cookie: b=" + strings.Repeat("x", 32<<10), "Cookie: sallyport-80-session=abc"}, "abc"},
		{"thousands beside it", "http://localhost", []string{"Cookie: " + strings.Repeat("a=b; ", 12000) + "sallyport-80-session=abc"}, "abc"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resp, body := start(t, test.url, false).send(t, append([]string{"GET / HTTP/1.1", "Host: localhost"}, test.headers...)...)
			if want := "localhost localhost 127.0.0.1 [" + test.want + "]"; resp.StatusCode != 200 || body != want {
				t.Errorf("status %d, got %q, want %q", resp.StatusCode, body, want)
			}
		})
	}
}

func TestNew(t *testing.T) {
	good := map[string]string{
		"https://Login.Example.com/":    "https://login.example.com",
		"https://login.example.com:443": "https://login.example.com",
		"https://10.0.0.1:8443":         "https://10.0.0.1:8443",
		"http://localhost:8080":         "http://localhost:8080",
		"http://globex.localhost":       "http://globex.localhost",
		"http://127.0.0.1:80":           "http://127.0.0.1",
		"http://[::1]:81":               "http://[::1]:81",
		"https://münchen.example":       "https://xn--mnchen-3ya.example",
		"https://MÜNCHEN.example:8443/": "https://xn--mnchen-3ya.example:8443",
		"https://例え.テスト":                "https://xn--r8jz45g.xn--zckzah",
		"http://büro.localhost:8080":    "http://xn--bro-hoa.localhost:8080",
	}
	for address, want := range good {
		e, err := edge.New(address, nil, slog.Default())
		if err != nil {
			t.Errorf("%s: %v", address, err)
		} else if got := e.Origin(e.Host()); got != want {
			t.Errorf("%s: origin %s, want %s", address, got, want)
		}
	}
	bad := []string{"", "login.example.com", "https://", "https://a.example/path", "https://a.example/?q", "https://a.example/#f",
		"https://u@a.example", "ftp://a.example", "http://a.example", "http://192.168.1.1", "https://a.example.", "https://a.example:",
		"https://pаypal.example", "http://münchen.example", "https://münchen.example:"}
	for _, address := range bad {
		if _, err := edge.New(address, nil, slog.Default()); err == nil {
			t.Errorf("%q was taken", address)
		}
	}
}
