package proxyauth_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// situations are what every proxy goes through, in this order, each on the state that the ones before have left.
var situations = []struct {
	name string
	run  func(b *behind, p *sallyporttest.Person)
}{
	{"signed out", (*behind).signedOut},
	{"public", (*behind).public},
	{"ambiguous paths", (*behind).ambiguous},
	{"sign-in with a code", (*behind).signInWithCode},
	{"identity", (*behind).identity},
	{"many groups", (*behind).manyGroups},
	{"answers of the app", (*behind).ownAnswers},
	{"forged headers", (*behind).forged},
	{"another host", (*behind).anotherHost},
	{"bodies", (*behind).bodies},
	{"refusals", (*behind).refusals},
	{"WebSocket", (*behind).webSocket},
	{"access token", (*behind).accessToken},
	{"addresses of ours", (*behind).ownAddresses},
	{"step-up", (*behind).stepUp},
	{"sign-out everywhere", (*behind).signedOutEverywhere},
}

// TestI13_I14_Proxies runs the configuration of each proxy, in the program itself or in an imitation of it.
func TestI13_I14_Proxies(t *testing.T) {
	for _, db := range sallyporttest.Databases {
		for kind := range starters {
			t.Run(db+"/"+kind, func(t *testing.T) {
				b := newBehind(t, sallyporttest.New(t, db), kind, appRules)
				p := b.person("ada@acme.example")
				for _, s := range situations {
					t.Run(s.name, func(t *testing.T) {
						outer := b.t
						b.t = t
						defer func() { b.t = outer }()
						b.reached()
						s.run(b, p)
					})
				}
			})
		}
	}
}

// person adds a person with an authenticator app and an access token.
func (b *behind) person(address string) *sallyporttest.Person {
	b.t.Helper()
	p := b.Add(address, sallyport.Member)
	client := b.Enrol(&p, "Phone")
	token, err := b.CreateToken(context.Background(), client.By(), "Backup", b.app.ID, b.Clock.Now().AddDate(0, 1, 0))
	b.Check(err)
	b.token = token.Reveal()
	return &p
}

// want fails the test unless the answer has the status and, if it is not 200, the app got nothing.
func (b *behind) want(what string, r reply, status int) {
	b.t.Helper()
	if r.Status != status {
		b.t.Errorf("%s: %d %v %s, want %d", what, r.Status, r.Header, r.Body, status)
	}
	if n := b.reached(); r.Status != 200 && len(n) > 0 {
		b.t.Errorf("%s: %d, but the app got %v", what, r.Status, n)
	}
}

func (b *behind) signedOut(*sallyporttest.Person) {
	b.want("a page", b.page("/docs"), 302)
	b.want("a page, HEAD", b.send("HEAD", "/docs", "", "Accept: text/html"), 302)
	r := b.send("GET", "/docs", "", "Accept: application/json")
	b.want("a script", r, 401)
	if len(r.Header["Www-Authenticate"]) != 1 || r.Header.Get("Location") != "" || !strings.Contains(r.Body, `"sign_in":"`+b.URL) {
		b.t.Errorf("a script gets %v %s", r.Header, r.Body)
	}
	b.want("a part of a page", b.page("/docs", "Sec-Fetch-Dest: image"), 401)
	long := "/docs?q=" + strings.Repeat("x", 1400)
	b.want("a long address", b.page(long), 302)
	b.want("a query is not a path", b.page("/docs?/open"), 302)
}

func (b *behind) public(*sallyporttest.Person) {
	r := b.page("/open/a?x=%2F&rd=//evil.example.com", "Remote-User: root", "Remote_User: root", "REMOTE_GROUPS: admin", "Sallyport-Assertion: x.y.z")
	if r.App == nil || r.App.Target != "/open/a?x=%2F&rd=//evil.example.com" {
		b.t.Fatalf("a public path: %d %s", r.Status, r.Body)
	}
	for _, name := range identity {
		if got := strings.Join(r.App.claims(name), ""); got != "" {
			b.t.Errorf("the app of a public path gets %s %q (I13)", name, got)
		}
	}
	b.want("a preflight of a public method", b.send("OPTIONS", "/api/x", "", "Origin: https://other.example.com"), 200)
	b.want("a preflight", b.send("OPTIONS", "/docs", "", "Origin: https://other.example.com"), 401)
}

var clear = regexp.MustCompile(`^/open(/[a-z]+)*$`)

// ambiguous: whatever a proxy makes of a path, none that begins like a public one leads elsewhere (I15, I69).
func (b *behind) ambiguous(*sallyporttest.Person) {
	for _, target := range []string{
		"/open%2fdocs", "/open/%2e%2e/docs", "/open/..%2fdocs", "/open/../docs", "/open//docs", "/open//../docs", "/open/..;/docs", "/open;/../docs",
		"/open/%2e%2e%2fdocs", "/open/..%5cdocs", "/open/..\\docs", "/open/%252e%252e/docs", "//open/../docs", "/openness", "/open/x%00/../docs",
		"/open/%c0%ae%c0%ae/docs", "/%6fpen/../docs", "/open/./../docs", "/open/.%2e/docs",
	} {
		r := b.page(target)
		hits := b.reached()
		if r.Status >= 500 || r.Status < 300 && len(hits) == 0 {
			b.t.Errorf("%s: %d %s", target, r.Status, r.Body)
		}
		for _, got := range hits {
			// Traefik cleans paths before it asks, so that what is asked about is clear, and what the app gets.
			if b.kind != "traefik itself" && b.kind != "traefik" || !clear.MatchString(got.Target) {
				b.t.Errorf("%s reaches the app as %s", target, got.Target)
			}
		}
	}
	b.want("an encoded letter", b.page("/%6fpen"), 200)
	b.want("a dot segment to a public path", b.page("/docs/../closed"), 403)
}

func (b *behind) signInWithCode(p *sallyporttest.Person) {
	b.signIn("/docs?x=1&y=%2F&z=a+b", p, "X-Forwarded-For: 203.0.113.9", "X-Real-IP: 203.0.113.9", "Forwarded: for=203.0.113.9")
	if got := b.Query(`SELECT address FROM events WHERE kind = 'app.opened'`); len(got) != 1 || got[0][0] != "127.0.0.1" {
		b.t.Errorf("the address of the browser is %v", got)
	}
	thief := b.Visitor()
	page := thief.PostValues("/sign-in", map[string][]string{"email": {p.Address}, "password": {p.Password}})
	if page = thief.Post(page.Location, sallyporttest.Fields{"code": p.Code(b.Clock.Now())}); page.Status != 422 {
		b.t.Errorf("the code works twice: %d %s (I01)", page.Status, page.Location)
	}
	if c := b.cookie; c.Name != "__Host-sallyport_app" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" {
		b.t.Errorf("the cookie is %v", c)
	}
}

func (b *behind) identity(p *sallyporttest.Person) {
	r := b.page("/docs/%41%7e%20b?x=%2F") // the app gets what the rules were asked about
	want := "/docs/%41%7e%20b?x=%2F"
	if strings.HasPrefix(b.kind, "traefik") {
		want = "/docs/A~%20b?x=%2F"
	}
	if r.App == nil || r.App.Target != want || r.App.Host != b.host() {
		b.t.Fatalf("signed in: %d %s", r.Status, r.Body)
	}
	for name, want := range map[string]string{"Remote-User": p.Address, "Remote-Name": p.Name, "Remote-Email": p.Address, "Remote-Groups": ""} {
		if got := r.App.claims(name); strings.Join(got, "|") != want {
			b.t.Errorf("the app gets %s %q", name, got)
		}
	}
	assertion := r.App.claims("Sallyport-Assertion")
	if len(assertion) != 1 {
		b.t.Fatalf("the app gets %d assertions", len(assertion))
	}
	b.checkAssertion(assertion[0], b.origin, p)
	for name, want := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"} {
		if got := r.App.claims(name); strings.Join(got, "|") != want {
			b.t.Errorf("the app gets %s %q", name, got)
		}
	}
	if r.App.Header.Get("Cookie") == "" {
		b.t.Error("the app does not get the cookies")
	}
}

// manyGroups: answers may be larger than the 4 KiB that some proxies expect.
func (b *behind) manyGroups(p *sallyporttest.Person) {
	for i := range 40 {
		name := fmt.Sprintf("Group %02d %s", i, strings.Repeat("x", 50))
		g, err := b.CreateGroup(b.t.Context(), b.Console(), name)
		b.Check(err)
		b.Check(b.JoinGroup(b.t.Context(), b.Console(), g.ID, p.ID))
	}
	r := b.page("/docs")
	if r.App == nil {
		b.t.Fatalf("many groups: %d", r.Status)
	}
	if got := r.App.claims("Remote-Groups"); len(got) != 1 || strings.Count(got[0], "Group ") != 40 {
		b.t.Errorf("the app gets the groups %q", got)
	}
	for _, row := range b.Query(`SELECT id FROM groups`) {
		b.Check(b.DeleteGroup(b.t.Context(), b.Console(), row[0]))
	}
}

// ownAnswers: what the app answers itself is not taken for an answer of ours.
func (b *behind) ownAnswers(*sallyporttest.Person) {
	for _, status := range []int{401, 403, 404, 500, 302} {
		r := b.page(fmt.Sprintf("/docs/own-%d", status))
		if len(b.reached()) != 1 || r.Status != status || r.Header.Get("Www-Authenticate") != `Basic realm="app"` || !strings.HasSuffix(r.Header.Get("Location"), "/elsewhere") ||
			r.Header.Get("Set-Cookie") != "app=1; Path=/app" || !strings.Contains(r.Body, `"Target"`) {
			b.t.Errorf("the app answers %d, the browser gets %d %v", status, r.Status, r.Header)
		}
	}
}

func (b *behind) forged(p *sallyporttest.Person) {
	lines := []string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: nobody", "X_Forwarded_For: 203.0.113.9"}
	for _, name := range append(slices.Clone(identity), "X-Original-URL", "X-Original-URI", "X-Original-Method", "X-Rewrite-URL",
		"X-Forwarded-Host", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Forwarded-Port", "X-Forwarded-Server",
		"X-Forwarded-Scheme", "X-Forwarded-Ssl", "X-Real-IP", "Forwarded") {
		for _, sent := range []string{name, strings.ToLower(name), strings.ReplaceAll(name, "-", "_"), strings.ToUpper(strings.ReplaceAll(name, "-", "_"))} {
			lines = append(lines, sent+": "+b.origin+"/open")
		}
	}
	signedIn := b.cookie
	b.cookie = nil
	b.want("signed out, with forged headers", b.page("/docs", lines...), 302)
	b.cookie = signedIn
	b.want("denied, with forged headers", b.page("/closed", lines...), 403)
	r := b.page("/docs", lines...)
	if r.App == nil {
		b.t.Fatalf("signed in, with forged headers: %d %s", r.Status, r.Body)
	}
	for _, name := range identity {
		want := map[string]string{"Remote-User": p.Address, "Remote-Name": p.Name, "Remote-Email": p.Address, "Sallyport-Assertion": "ey"}[name]
		got := r.App.claims(name)
		if len(got) > 1 || !strings.HasPrefix(strings.Join(got, ""), want) || strings.Contains(strings.Join(got, ""), b.origin) {
			b.t.Errorf("the app gets %s %q", name, got)
		}
	}
	for name, values := range r.App.Header {
		if all := strings.Join(values, ","); strings.Contains(all, "/open") || strings.Contains(all, "203.0.113.9") || strings.Contains(all, "nobody") {
			b.t.Errorf("the app gets the forged %s %q", name, all)
		}
	}
}

// anotherHost: the rules of one app never decide about a request that gets to another.
func (b *behind) anotherHost(*sallyporttest.Person) {
	for name, r := range map[string]reply{
		"another host":               b.page("/open", "Host: other.example.com"),
		"another host in the line":   b.send("GET", "https://other.example.com/open", ""),
		"another host beside it":     b.send("GET", b.origin+"/closed", "", "Host: other.example.com"),
		"the host, and a closed one": b.send("GET", "https://other.example.com/open", "", "Host: other.example.com"),
	} {
		if r.Status < 300 && r.Body != "" { // Caddy answers unknown hosts with an empty 200
			b.t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
		for _, got := range b.reached() {
			b.t.Errorf("%s reaches the app as %s%s", name, got.Host, got.Target)
		}
	}

	if r := b.page("/open", "Host: "+strings.TrimPrefix(b.second, "https://")); r.App == nil || r.App.Host != strings.TrimPrefix(b.second, "https://") {
		b.t.Errorf("the app's other host: %d %s", r.Status, r.Body)
	}
	b.reached()
	b.want("the app's other host", b.page("/docs", "Host: "+strings.TrimPrefix(b.second, "https://")), 302)
}

func (b *behind) bodies(*sallyporttest.Person) {
	form, kind := "text=hello&more="+strings.Repeat("x", 100_000), "Content-Type: application/x-www-form-urlencoded"
	if r := b.send("POST", "/docs", form, kind); r.App == nil || r.App.Method != "POST" || r.App.Body != form {
		b.t.Errorf("a posted form: %d", r.Status)
	}
	b.reached()
	signedIn := b.cookie
	b.cookie = nil
	b.want("signed out", b.send("POST", "/docs", "text=hello", kind, "Accept: text/html"), 401)
	b.cookie = signedIn
	b.want("signed in again", b.page("/docs"), 200)
	for _, got := range b.reached() {
		if got.Method != "GET" {
			b.t.Errorf("the form is posted again: %v", got)
		}
	}
}

func (b *behind) refusals(*sallyporttest.Person) {
	for target, says := range map[string]string{"/closed": "Nobody can open this address", "/finance": "Wiki", "/open%2fdocs": "read safely"} {
		r := b.page(target)
		status := 403
		if says == "read safely" {
			if status = 400; b.kind == "nginx" && r.Status == 500 {
				b.t.Errorf("%s: nginx makes 500 of it", target)
			}
		}
		b.want(target, r, status)
		if !strings.Contains(r.Body, says) || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
			b.t.Errorf("%s: the page says %s: %s", target, r.Header.Get("Content-Type"), r.Body)
		}
	}
	r := b.send("POST", "/closed", "x", "Accept: application/json")
	b.want("a script", r, 403)
	if !strings.Contains(r.Body, "access_denied") {
		b.t.Errorf("a script gets %s", r.Body)
	}
}

func (b *behind) webSocket(*sallyporttest.Person) {
	upgrade := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-Fetch-Dest: websocket", "Origin: " + b.origin}
	conn := b.dial()
	b.write(conn, "GET", "/docs/live", "", upgrade...)
	read := bufio.NewReader(conn)
	res, err := http.ReadResponse(read, nil)
	b.Check(err)
	if res.StatusCode != 101 {
		b.t.Fatalf("signed in: %d", res.StatusCode)
	}
	_, err = fmt.Fprintf(conn, "hello\n")
	b.Check(err)
	if line, err := read.ReadString('\n'); line != "again: hello\n" {
		b.t.Errorf("the app says %q, %v", line, err)
	}
	b.reached()
	signedIn := b.cookie
	b.cookie = nil
	defer func() { b.cookie = signedIn }()
	conn = b.dial()
	b.write(conn, "GET", "/docs/live", "", upgrade...)
	res, err = http.ReadResponse(bufio.NewReader(conn), nil)
	b.Check(err)
	b.want("signed out", reply{Status: res.StatusCode}, 401)
}

func (b *behind) accessToken(p *sallyporttest.Person) {
	signedIn := b.cookie
	b.cookie = nil
	defer func() { b.cookie = signedIn }()
	r := b.send("PUT", "/docs", "x", "Authorization: Bearer "+b.token)
	if r.App == nil || strings.Join(r.App.claims("Remote-User"), "|") != p.Address || r.App.Body != "x" {
		b.t.Errorf("a program: %d %s", r.Status, r.Body)
	}
	b.reached()
	r = b.send("PUT", "/docs", "x", "Authorization: Bearer "+b.token+"x")
	b.want("a wrong token", r, 401)
	if len(r.Header["Www-Authenticate"]) != 1 || !strings.Contains(r.Body, "token_invalid") {
		b.t.Errorf("a wrong token: %v %s", r.Header, r.Body)
	}
	b.want("a token where two factors are needed", b.send("GET", "/admin", "", "Authorization: Bearer "+b.token), 403)
}

// ownAddresses: nothing below /.sallyport/ reaches the app, and a ticket works once.
func (b *behind) ownAddresses(p *sallyporttest.Person) {
	r := b.page("/.sallyport/sign-out")
	b.want("sign-out", r, 302)
	if to := r.Header.Get("Location"); to != b.URL+"/sign-out" {
		b.t.Errorf("sign-out leads to %s", to)
	}
	for _, target := range []string{
		"/.sallyport", "/.sallyport/", "/.sallyport/x", "/.sallyport/ask", "/.sallyport/sign-out/x", "//.sallyport/callback", "/x/../.sallyport/x",
		"/%2esallyport/callback", "/.sallyport%2fcallback", "/.sallyport/..;/docs", "/.sallyport/callback",
	} {
		r := b.page(target)
		if r.Status < 400 || r.Status >= 500 {
			b.t.Errorf("%s: %d %v", target, r.Status, r.Header)
		}
		for _, got := range b.reached() {
			b.t.Errorf("%s reaches the app as %s", target, got.Target)
		}
	}
	b.want("a post", b.send("POST", "/.sallyport/callback", "x"), 403)
	signedIn := b.cookie
	b.cookie = nil
	callback := b.enter(b.page("/docs"), p)
	mine := b.cookie
	b.want("the ticket", b.page(callback), 302)
	r = b.page(callback)
	b.want("the ticket again", r, 403)
	if !strings.Contains(r.Body, "worked once") {
		b.t.Errorf("the ticket again: %s", r.Body)
	}
	b.cookie = mine // the proxy has dropped the cookie of the callback
	if r = b.page(b.enter(b.page("/docs"), p)); r.Status != 403 || !strings.Contains(r.Body, "does not keep the cookie") {
		b.t.Errorf("without the cookie: %d %s", r.Status, r.Body)
	}
	b.cookie = signedIn
}

func (b *behind) stepUp(p *sallyporttest.Person) {
	b.cookie = nil
	b.Clock.Advance(time.Minute)
	b.signIn("/docs", p)
	b.Clock.Advance(6 * time.Minute)
	b.reached()
	r := b.send("POST", "/admin", "x", "Accept: text/html")
	b.want("a form", r, 401)
	want := `Bearer error="insufficient_user_authentication", acr_values="aal2", max_age=300`
	if got := r.Header["Www-Authenticate"]; strings.Join(got, "|") != want || !strings.Contains(r.Body, "step_up") {
		b.t.Errorf("a form gets %q %s", got, r.Body)
	}
	b.signIn("/admin?a=b", p)
	b.want("/admin", b.page("/admin"), 200)
}

func (b *behind) signedOutEverywhere(*sallyporttest.Person) {
	b.want("before", b.page("/docs"), 200)
	b.visitor.Post("/sign-out", nil)
	b.want("after", b.page("/docs"), 302)
	b.want("a script", b.send("POST", "/docs", "x"), 401)
}

// TestPlainProxies: on loopback, apps and proxies also work without TLS.
func TestPlainProxies(t *testing.T) {
	for kind := range starters {
		if kind == "traefik" || kind == "envoy" {
			continue // the imitations know only TLS
		}
		t.Run(kind, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			b := newProxy(t, kind, "http://wiki.localhost", "http://intranet.localhost")
			b.world = newWorld(t, e, func(a *sallyport.App) { a.Proxy.Hosts, a.Proxy.Tokens = []string{b.origin, b.second}, true })
			b.visitor = b.Visitor()
			b.start(strings.TrimPrefix(b.URL, "http://localhost"))
			b.signIn("/docs?x=%2F", b.person("ada@acme.example"))
			if b.cookie.Name != "sallyport_app" || b.cookie.Secure {
				t.Errorf("the cookie is %v", b.cookie)
			}
			if r := b.page("/docs"); strings.Join(r.App.claims("X-Forwarded-Proto"), "|") != "http" {
				t.Errorf("the app gets %v", r.App.Header)
			}
		})
	}
}

// TestI11_ProxiesFailClosed: if Sallyport does not answer, or not as it should, nobody gets to the app. nginx and Traefik let every 2xx
// pass, of which Sallyport answers only 200.
func TestI11_ProxiesFailClosed(t *testing.T) {
	for kind := range starters {
		t.Run(kind, func(t *testing.T) {
			var status atomic.Int64
			fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if status.Load() == 0 {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(int(status.Load()))
			}))
			defer fake.Close()
			b := newProxy(t, kind, "https://"+appHost, "https://intranet.example.com")
			b.start(strings.TrimPrefix(fake.URL, "http://127.0.0.1"))
			refuse := []int64{0, 202, 204, 302, 303, 400, 401, 403, 404, 421, 500, 503}
			if kind == "nginx" || strings.HasPrefix(kind, "traefik") {
				refuse = slices.DeleteFunc(refuse, func(s int64) bool { return s >= 200 && s < 300 })
			}
			for _, s := range append(refuse, -1) {
				if s < 0 {
					fake.Close()
				}
				status.Store(s)
				if r := b.page("/docs"); r.App != nil || len(b.reached()) > 0 {
					t.Errorf("answered with %d, the app is reached", s)
				}
			}
		})
	}
}
