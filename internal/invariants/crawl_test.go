package invariants_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/oidc"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

func TestI23_GetChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		for _, who := range everyKind(s) {
			before := snapshot(s)
			for _, r := range routes(http.MethodGet) {
				for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
					who.Fork().Send(Request{Method: method, Target: r.Path})
				}
				who.Fork().Get(r.Path + "?step=scan&confirm=yes&code=000000&name=x&forget=yes")
			}
			for _, r := range oidc.Routes() {
				for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
					who.Fork().Send(Request{Method: method, Target: r.Path + "?client_id=none&id_token_hint=none&user_code=none"})
				}
			}
			for _, r := range routes(http.MethodPost) { // addresses that only forms lead to
				for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
					who.Fork().Send(Request{Method: method, Target: r.Path})
				}
			}
			if diff := changed(before, snapshot(s)); diff != "" {
				t.Errorf("%s: GET requests changed:\n%s", who.kind, diff)
			}
		}
	})
}

func TestI23_CrossOriginPostsAreRefused(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		globex, _ := secondWorkspace(s)
		_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
		form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		elsewhere := map[string]http.Header{
			"another site":           {"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}},
			"another site, old":      {"Origin": {"https://evil.example"}},
			"a sibling":              {"Origin": {"http://evil.localhost:" + port}, "Sec-Fetch-Site": {"same-site"}},
			"a sibling, old":         {"Origin": {"http://evil.localhost:" + port}},
			"another workspace":      {"Origin": {globex}, "Sec-Fetch-Site": {"same-site"}},
			"the same host by https": {"Origin": {"https://localhost:" + port}},
			"another port":           {"Origin": {"http://localhost:1"}},
			"no origin (sandbox)":    {"Origin": {"null"}, "Sec-Fetch-Site": {"cross-site"}},
			"no origin, old":         {"Origin": {"null"}},
			"empty origin":           {"Origin": {""}},
			"neither header":         {},
			"a link of the user's":   {"Sec-Fetch-Site": {"none"}},
			"a liar":                 {"Origin": {s.URL}, "Sec-Fetch-Site": {"cross-site"}},
			"two origins":            {"Origin": {s.URL, "https://evil.example"}, "Sec-Fetch-Site": {"same-origin"}},
			"two sites":              {"Sec-Fetch-Site": {"same-origin", "cross-site"}},
		}
		for _, who := range everyKind(s) {
			before := snapshot(s)
			for _, r := range routes(http.MethodPost) {
				for what, header := range elsewhere {
					h := form.Clone()
					for name, value := range header {
						h[name] = value
					}
					body := "code=000000&name=x&password=" + sallyporttest.Password + "&email=" + who.Address
					p := who.Fork().Send(Request{Method: http.MethodPost, Target: r.Path, Header: h, Body: body})
					if p.Status != http.StatusForbidden {
						t.Errorf("%s, %s from %s: %d %s", who.kind, r.Path, what, p.Status, p.Location)
					}
				}
			}
			if diff := changed(before, snapshot(s)); diff != "" {
				t.Errorf("%s: cross-origin posts changed:\n%s", who.kind, diff)
			}
		}
	})
}

// TestI23_EndpointsForAppsTakeNoCookie: what apps call is not opened by what a browser holds. Where browsers are sent, a post from
// another site changes nothing.
func TestI23_EndpointsForAppsTakeNoCookie(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		for _, who := range everyKind(s) {
			before := snapshot(s)
			for _, r := range oidc.Routes() {
				if r.Method != http.MethodPost {
					continue
				}
				for _, origin := range []string{s.URL, "https://evil.example"} {
					for _, body := range []string{"", "client_id=none&grant_type=refresh_token&token=none&access_token=none"} {
						h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {origin}}
						p := who.Fork().Send(Request{Method: http.MethodPost, Target: r.Path, Header: h, Body: body})
						if p.Status < 400 && p.Location != "/sign-out" || len(sessionCookies(p)) > 0 {
							t.Errorf("%s, %s from %s: %d %s %s", who.kind, r.Path, origin, p.Status, p.Location, p.Body)
						}
						if got := p.Header.Get("Access-Control-Allow-Origin"); got != "" {
							t.Errorf("%s lets scripts of %s read it", r.Path, got)
						}
					}
				}
			}
			if diff := changed(before, snapshot(s)); diff != "" {
				t.Errorf("%s: posts changed:\n%s", who.kind, diff)
			}
		}
	})
}

// TestI23_OriginIsTheWorkspacesNotHosts sends an Origin that matches a forged Host.
func TestI23_OriginIsTheWorkspacesNotHosts(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		v := s.Visitor()
		v.SignIn(member(s, "ben"))
		_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
		before := snapshot(s)
		for _, r := range routes(http.MethodPost) {
			host := "evil.example:" + port
			p := v.Fork().Send(Request{Method: http.MethodPost, Target: r.Path, Host: host, Header: http.Header{
				"Origin": {"http://" + host}, "Content-Type": {"application/x-www-form-urlencoded"},
			}, Body: "code=1"})
			if p.Status != http.StatusMisdirectedRequest && p.Status != http.StatusForbidden {
				t.Errorf("%s on the attacker's host: %d %s", r.Path, p.Status, p.Location)
			}
		}
		if diff := changed(before, snapshot(s)); diff != "" {
			t.Errorf("changed:\n%s", diff)
		}
	})
}

// everyRequest is every route with every method, and addresses that are not in the table.
func everyRequest() (all []Request) {
	targets := []string{"/no/such/page", "/admin/none/none", "/favicon.ico", "/static/", "/static/none.css", "/static/none/none"}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for _, r := range routes(method) {
			targets = append(targets, r.Path)
		}
	}
	for _, r := range oidc.Routes() {
		targets = append(targets, r.Path)
	}
	slices.Sort(targets)
	for _, target := range slices.Compact(targets) {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodOptions} {
			all = append(all, Request{Method: method, Target: target})
		}
	}
	return all
}

func TestI15_HostsAndPaths(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		v := s.Visitor()
		v.SignIn(member(s, "ben"))
		_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
		for _, host := range []string{
			"evil.example:" + port, "acme.localhost:" + port, "127.0.0.1:" + port, "[::1]:" + port, "localhost:1", "localhost",
			"localhost.evil.example:" + port,
		} {
			for _, r := range everyRequest() {
				r.Host = host
				if p := v.Fork().Send(r); p.Status != http.StatusMisdirectedRequest {
					t.Errorf("%s %s at %s: %d", r.Method, r.Target, host, p.Status)
				}
			}
			p := v.Fork().Send(Request{Method: http.MethodGet, Target: "/no/such/page", Host: host})
			onLoopback := !strings.Contains(host, "evil.example")
			if slices.Contains(p.Links(), s.URL+"/") != onLoopback {
				t.Errorf("the page at %s leads to %q", host, p.Links())
			}
		}
		for _, host := range []string{"localhost.:" + port, "local_host:x", "a@localhost:" + port, "localhost:0" + port, "localhost:"} {
			p, err := v.Fork().TrySend(t.Context(), Request{Method: http.MethodGet, Target: "/account", Host: host})
			if err == nil && p.Status != http.StatusBadRequest && p.Status != http.StatusMisdirectedRequest {
				t.Errorf("ambiguous host %q: %d", host, p.Status)
			}
		}
		for _, target := range []string{
			"/account/", "//account", "/./account", "/account/../account", "/%61ccount", "/account%2f2fa", "/account%00",
			"/account;x=1", "/ACCOUNT", "/account%5c", "/account/%2e%2e/account", "/sign-in/../account", "/account/.",
		} {
			p := v.Fork().Send(Request{Method: http.MethodGet, Target: target})
			if p.Status != http.StatusBadRequest && p.Status != http.StatusNotFound {
				t.Errorf("%s: %d %s", target, p.Status, p.Location)
			}
		}
		for name, value := range map[string]string{
			"X-Forwarded-Host": "evil.example:" + port, "X-Forwarded-For": "not an address",
		} {
			p := v.Fork().Send(Request{Method: http.MethodGet, Target: "/account", Header: http.Header{name: {value}}})
			if p.Status < 400 {
				t.Errorf("%s: %s: %d", name, value, p.Status)
			}
		}
	})
}

// TestI28_NothingOfAnotherWorkspaceWorks uses every cookie and id of one workspace in another.
func TestI28_NothingOfAnotherWorkspaceWorks(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		globex, gustav := secondWorkspace(s)
		there := s.Visitor().At(globex)
		there.SignIn(gustav)
		mia, mias := enrolled(s, "mia")
		half := atChallenge(s, mia)
		for _, v := range []*Visitor{mias, half} {
			w := s.Visitor().At(globex)
			for name, value := range v.Cookies() {
				w.SetCookie(name, value)
			}
			for _, r := range routes(http.MethodGet) {
				checkClosed(t, r.Access, "with cookies of Acme at Globex "+r.Path, w.Fork().Get(r.Path))
			}
			if answer(w, mia.Code(s.Clock.Now())); w.SignedIn() {
				t.Error("a sign-in of Acme continues at Globex")
			}
			if p := w.GivePassword(mia); p.Status != http.StatusUnprocessableEntity {
				t.Errorf("Mia of Acme signs in at Globex: %d", p.Status)
			}
		}
		if answer(half, mia.Code(s.Clock.Now())); !half.SignedIn() {
			t.Error("her code was used up at Globex")
		}
		for _, host := range []string{"", strings.TrimPrefix(globex, "http://")} {
			by, err := s.Service.Console(t.Context(), host)
			s.Check(err)
			_, err = s.CreateGroup(t.Context(), by, "Staff")
			s.Check(err)
		}
		owner := s.Owner
		owners := s.Visitor()
		owners.Enrol(&owner, "Owner's")
		idsOfOthers(s, there, mia)
		idsOfOthers(s, owners, gustav) // Acme created Globex, but has no further access
		for _, page := range []string{"/admin/users", "/admin/users.csv", "/admin/audit", "/admin/audit.csv", "/admin/outbox", "/admin/workspaces"} {
			if p := owners.Get(page); p.Status != http.StatusOK || strings.Contains(p.Body, "gustav") || strings.Contains(p.Body, gustav.ID) {
				t.Errorf("%s of the reseller: %d, shows people of Globex", page, p.Status)
			}
		}
	})
}

// idsOfOthers checks that every page responds to an id of another workspace as it does to an unknown id.
func idsOfOthers(s *Site, v *Visitor, p Person) {
	s.T.Helper()
	ids := []string{p.ID, p.Workspace}
	for _, table := range []string{"authenticators", "sessions", "trusted_devices", "outbox", "groups"} {
		for _, row := range s.Query("SELECT id FROM " + table + " WHERE workspace_id = '" + p.Workspace + "'") {
			ids = append(ids, row[0])
		}
	}
	before := snapshot(s)
	for _, r := range append(routes(http.MethodGet), routes(http.MethodPost)...) {
		if !strings.Contains(r.Path, "none") || r.Access == "anyone" || r.Access == "outside" {
			continue
		}
		ask := func(id string) string {
			path := strings.ReplaceAll(r.Path, "none", id)
			p := v.Fork().Send(Request{Method: r.Method, Target: path, Header: v.PostHeader()})
			return fmt.Sprint(p.Status, p.Location == "", strings.ReplaceAll(p.Text(), id, ""))
		}
		nothing := ask(strings.Repeat("0", len(ids[0])))
		for _, id := range ids {
			if got := ask(id); got != nothing {
				s.T.Errorf("%s %s: the response to an id of another workspace is %s, to an unknown id %s", r.Method, r.Path, got, nothing)
			}
		}
	}
	if diff := changed(before, snapshot(s)); diff != "" {
		s.T.Errorf("changed by a request of another workspace:\n%s", diff)
	}
}

func TestI54_HeadersOnEveryAnswer(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		people := everyKind(s)
		check := func(what string, p *Page) {
			t.Helper()
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
				"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
			} {
				if got := p.Header.Values(name); !slices.Equal(got, []string{want}) {
					t.Errorf("%s: %s: %q", what, name, got)
				}
			}
			csp := p.Header.Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action"} {
				if !strings.Contains(csp, want) || strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
					t.Errorf("%s: Content-Security-Policy: %s", what, csp)
				}
			}
			public := p.Target == "/.well-known/jwks.json" && p.Status == http.StatusOK // for everyone, on every site
			if !strings.HasPrefix(p.Target, "/static/") && !public && p.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: Cache-Control: %s", what, p.Header.Get("Cache-Control"))
			}
			if p.Header.Get("X-Request-Id") == "" || p.Header.Get("Server") != "" || !public && len(p.Header.Values("Access-Control-Allow-Origin")) > 0 {
				t.Errorf("%s: %v", what, p.Header)
			}
			for _, c := range p.Cookies {
				if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Secure {
					t.Errorf("%s: cookie %s", what, c.Raw)
				}
			}
		}
		for _, who := range people {
			for _, r := range append(routes(http.MethodGet), routes(http.MethodPost)...) {
				what := who.kind + ", " + r.Method + " " + r.Path
				check(what, who.Fork().Send(Request{Method: r.Method, Target: r.Path, Header: who.PostHeader()}))
				check(what+" from elsewhere", who.Fork().Send(Request{Method: r.Method, Target: r.Path, Header: http.Header{"Origin": {"null"}}}))
			}
		}
		for _, r := range oidc.Routes() {
			if strings.HasPrefix(r.Path, "/oauth2/") { // what is for everyone says so
				what := r.Method + " " + r.Path
				check(what, people[0].Fork().Send(Request{Method: r.Method, Target: r.Path, Header: people[0].PostHeader()}))
				check(what+" from elsewhere", people[0].Fork().Send(Request{Method: r.Method, Target: r.Path, Header: http.Header{"Origin": {"null"}}}))
			}
		}
		for _, r := range []Request{
			{Method: "GET", Target: "/nowhere"}, {Method: "DELETE", Target: "/sign-in"}, {Method: "PUT", Target: "/account"},
			{Method: "GET", Target: "/static/none.css"}, {Method: "GET", Target: "//"}, {Method: "GET", Target: "/%2e"},
			{Method: "GET", Target: "/", Host: "evil.example"}, {Method: "GET", Target: "/", Host: "a..b"},
			{Method: "OPTIONS", Target: "*"}, {Method: "TRACE", Target: "/"}, {Method: "GET", Target: "/healthz"},
			{Method: "GET", Target: "/readyz"}, {Method: "GET", Target: "/?a=%zz"}, {Method: "BREW", Target: "/sign-in"},
			{Method: "POST", Target: "/sign-in", Body: strings.Repeat("x", 1<<20)}, {Method: "GET", Target: "/favicon.ico"},
			{Method: "GET", Target: "/" + strings.Repeat("x", 1<<14)}, {Method: "PRI", Target: "*"}, {Method: "OPTIONS", Target: "/"},
		} {
			p, err := s.Visitor().TrySend(t.Context(), r)
			if err != nil {
				t.Errorf("%s %.40s: %v", r.Method, r.Target, err)
				continue
			}
			check(fmt.Sprintf("%s %.40s", r.Method, r.Target), p)
			if p.Status == http.StatusOK && r.Method == "TRACE" {
				t.Error("TRACE is accepted")
			}
		}
	})
}

// forgedCookies returns cookie values that the server never issued.
func forgedCookies(own string) []string {
	flipped := own
	if own != "" {
		c := byte('A')
		if own[len(own)-1] == c {
			c = 'B'
		}
		flipped = own[:len(own)-1] + string(c)
	}
	return []string{
		"", " ", "x", strings.Repeat("A", 86), strings.Repeat("A", 85), strings.Repeat("A", 64<<10), own + "A", "A" + own, flipped,
		own[:len(own)/2], strings.ToLower(own), `"` + own + `"`, own + "=", own + "%00", "../../etc/passwd", "' OR 1=1 --", "\xff\xfe", "null", "0",
	}
}

func TestForgedCookies(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, mias := enrolled(s, "mia")
		half := atChallenge(s, mia)
		for _, v := range []*Visitor{mias, half} {
			for name, own := range v.Cookies() {
				if name == "browser" || name == "notice" {
					continue // it grants no rights; see I38
				}
				for _, value := range forgedCookies(own) {
					header := http.Header{"Cookie": {name + "=" + value}}
					if value == "" {
						header = http.Header{"Cookie": {"a=b"}}
					}
					for _, path := range []string{"/account", "/account/2fa/set-up", "/sign-in/2fa", "/sign-in", "/session", "/"} {
						p := s.Visitor().Send(Request{Method: http.MethodGet, Target: path, Header: header})
						want := []int{http.StatusSeeOther, http.StatusOK}
						switch path {
						case "/session":
							want = []int{http.StatusUnauthorized}
						case "/sign-in/2fa":
							want = []int{http.StatusGone, http.StatusSeeOther}
						}
						if !slices.Contains(want, p.Status) || p.Location != "" && p.LocationPath() != "/sign-in" {
							t.Errorf("%s=%.60q at %s: %d %s", name, value, path, p.Status, p.Location)
						}
					}
				}
			}
		}
		if !mias.SignedIn() {
			t.Error("the genuine session has ended")
		}
		// A cookie that is sent twice may be planted: neither value signs in.
		name := s.CookieName("session") + "="
		own := name + mias.Cookies()["session"]
		for _, line := range []string{name + "x; " + own, own + "; " + own} {
			if p := s.Visitor().Send(Request{Method: "GET", Target: "/session", Header: http.Header{"Cookie": {line}}}); p.Status != http.StatusUnauthorized {
				t.Errorf("a cookie sent twice: %d", p.Status)
			}
		}
	})
}
