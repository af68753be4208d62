package web_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/web"
)

type server struct {
	*web.Kit
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

func start(t *testing.T, lang *text.Lang) *server {
	t.Helper()
	log := &buffer{}
	kit, err := web.NewKit("https://globex.example.com", nil, lang, log)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(kit.Handler())
	t.Cleanup(ts.Close)
	return &server{kit, strings.TrimPrefix(ts.URL, "http://"), log}
}

// send writes a request as given. Headers are whole lines. The Host header is the server's own.
func (s *server) send(t *testing.T, method, target, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	head := append([]string{method + " " + target + " HTTP/1.1", "Host: globex.example.com", "Connection: close"}, headers...)
	if body != "" {
		head = append(head, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	go fmt.Fprintf(conn, "%s\r\n\r\n%s", strings.Join(head, "\r\n"), body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(content)
}

const formType = "Content-Type: application/x-www-form-urlencoded"

func TestI23_OnlyOurOwnPagesChangeSomething(t *testing.T) {
	const own, same, cookie = "Origin: https://globex.example.com", "Sec-Fetch-Site: same-origin", "Cookie: __Host-session=x"
	tests := []struct {
		name    string
		headers []string
		passes  bool
	}{
		{"origin and site", []string{own, same, cookie}, true},
		{"origin alone", []string{own, cookie}, true},
		{"site alone", []string{same, cookie}, true},
		{"neither, no cookie", nil, false},
		{"neither, cookie", []string{cookie}, false},
		{"neither, any cookie", []string{"Cookie: a=b"}, false},
		{"null", []string{"Origin: null", cookie}, false},
		{"null without cookie", []string{"Origin: null"}, false},
		{"empty", []string{"Origin: ", same, cookie}, false},
		{"another site", []string{"Origin: https://evil.example", cookie}, false},
		{"another site without cookie", []string{"Origin: https://evil.example"}, false},
		{"sibling", []string{"Origin: https://initech.example.com", cookie}, false},
		{"parent", []string{"Origin: https://example.com", cookie}, false},
		{"own by http", []string{"Origin: http://globex.example.com", cookie}, false},
		{"own on another port", []string{"Origin: https://globex.example.com:8443", cookie}, false},
		{"own and more", []string{"Origin: https://globex.example.com.evil.example", cookie}, false},
		{"own with a path", []string{own + "/", cookie}, false},
		{"own in capitals", []string{"Origin: HTTPS://GLOBEX.EXAMPLE.COM", cookie}, false},
		{"doubled", []string{own, own, cookie}, false},
		{"cross-site", []string{"Sec-Fetch-Site: cross-site", cookie}, false},
		{"same-site", []string{"Sec-Fetch-Site: same-site", cookie}, false},
		{"typed by the user", []string{"Sec-Fetch-Site: none", cookie}, false},
		{"site unknown to us", []string{"Sec-Fetch-Site: new-word", cookie}, false},
		{"site doubled", []string{same, same, cookie}, false},
		{"origin right, site wrong", []string{own, "Sec-Fetch-Site: cross-site", cookie}, false},
		{"origin wrong, site right", []string{"Origin: https://evil.example", same, cookie}, false},
		{"host forged along", []string{"Origin: https://evil.example", "X-Forwarded-Host: evil.example", cookie}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, text.English)
			resp, body := s.send(t, "POST", "/page/sign_in", "email=a", append(test.headers, formType)...)
			if passed := resp.StatusCode == 303; passed != test.passes || (s.Calls == 1) != test.passes {
				t.Fatalf("status %d, %d calls: %s", resp.StatusCode, s.Calls, body)
			}
			if !test.passes && (resp.StatusCode != 403 || !strings.Contains(body, `role="alert"`)) {
				t.Errorf("status %d: %s", resp.StatusCode, body)
			}
		})
	}
}

func TestI41_FormsAreStrict(t *testing.T) {
	big := "a=" + strings.Repeat("x", 64<<10)
	tests := []struct {
		name, contentType, body string
		status                  int
	}{
		{"plain", formType, "email=a", 303},
		{"charset", formType + "; charset=UTF-8", "email=a", 303},
		{"unknown field", formType, "email=a&role=owner", 303},
		{"may repeat", formType, "email=a&scope=x&scope=y", 303},
		{"no field", formType, "x=y", 422},
		{"empty field", formType, "email=", 422},
		{"nothing", formType, "", 422},
		{"largest", formType, "email=" + big[8:], 303},
		{"too large", formType, big, 413},
		{"other charset", formType + "; charset=utf-7", "email=a", 415},
		{"JSON", "Content-Type: application/json", `{"email":"a"}`, 415},
		{"multipart", "Content-Type: multipart/form-data; boundary=x", "--x--", 415},
		{"text", "Content-Type: text/plain", "email=a", 415},
		{"two types in one", formType + ", text/plain", "email=a", 415},
		{"broken type", "Content-Type: ;;", "email=a", 415},
		{"no type", "X: y", "email=a", 415},
		{"two types", formType + "\r\n" + formType, "email=a", 415},
		{"compressed", formType + "\r\nContent-Encoding: gzip", "email=a", 415},
		{"repeated", formType, "email=a&email=b", 400},
		{"repeated and the same", formType, "email=a&email=a", 400},
		{"repeated unknown", formType, "email=a&x=1&x=2", 400},
		{"repeated, encoded", formType, "email=a&e%6dail=a", 400},
		{"NUL", formType, "email=a%00b", 400},
		{"NUL in a name", formType, "email=a&b%00=c", 400},
		{"invalid UTF-8", formType, "email=%ff", 400},
		{"invalid UTF-8, raw", formType, "email=\xff", 400},
		{"overlong", formType, "email=%c0%80", 400},
		{"semicolon", formType, "email=a;b=c", 400},
		{"broken escape", formType, "email=%zz", 400},
		{"cut escape", formType, "email=%2", 400},
		{"many fields", formType, "email=a" + strings.Repeat("&x=y", 12000), 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, text.English)
			resp, body := s.send(t, "POST", "/page/sign_in", test.body, test.contentType, "Origin: https://globex.example.com")
			if resp.StatusCode != test.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, test.status, body)
			}
			if test.status >= 400 && !strings.Contains(body, `role="alert"`) {
				t.Errorf("no word about what to do: %s", body)
			}
		})
	}
}

func TestCheckboxesMayRepeat(t *testing.T) {
	s := start(t, text.English)
	resp, body := s.send(t, "POST", "/page/sign_in", "scope=read&scope=manage&echo=yes", formType, "Origin: https://globex.example.com")
	if resp.StatusCode != 200 || body != "[read manage]" {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestI23_ValuesInTheAddressAreNoForm(t *testing.T) {
	s := start(t, text.English)
	resp, body := s.send(t, "POST", "/page/sign_in?email=a", "x=y", formType, "Origin: https://globex.example.com")
	if resp.StatusCode != 422 {
		t.Errorf("status %d: %s", resp.StatusCode, body)
	}
}

func TestQueriesAreStrict(t *testing.T) {
	s := start(t, text.English)
	for target, want := range map[string]string{"/query?q=a+b%26": "a b&", "/query?x=y": "", "/query": ""} {
		if resp, body := s.send(t, "GET", target, ""); resp.StatusCode != 200 || body != want {
			t.Errorf("%s: %d %q", target, resp.StatusCode, body)
		}
	}
	for _, target := range []string{"/query?q=a&q=b", "/query?q=a;b", "/query?q=%zz", "/query?q=%00", "/query?q=%ff"} {
		if resp, body := s.send(t, "GET", target, ""); resp.StatusCode != 400 || !strings.Contains(body, "<h1>") {
			t.Errorf("%s: %d %q", target, resp.StatusCode, body)
		}
	}
}

func TestI11_FaultsShowNothing(t *testing.T) {
	for _, target := range []string{"/fault", "/panic/secret-in-path", "/bad-template"} {
		s := start(t, text.English)
		resp, body := s.send(t, "GET", target, "")
		id := resp.Header.Get("X-Request-Id")
		if resp.StatusCode != 500 || len(resp.Header["Set-Cookie"]) > 0 || !strings.Contains(body, "<code>"+id+"</code>") {
			t.Errorf("%s: status %d, headers %v: %s", target, resp.StatusCode, resp.Header, body)
		}
		for _, secret := range []string{"permission", "secret", "half-made", "goroutine", "template"} {
			if strings.Contains(body, secret) {
				t.Errorf("%s: the page holds %q", target, secret)
			}
		}
		if log := s.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, id) || strings.Contains(log, "secret") {
			t.Errorf("%s: log: %s", target, log)
		}
	}
}

func TestI54_PagesOfEveryStatus(t *testing.T) {
	const csp = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	s := start(t, text.English)
	tests := []struct {
		method, target string
		status         int
		header, value  string
	}{
		{"GET", "/page/sign_in", 200, "Content-Security-Policy", csp},
		{"HEAD", "/page/sign_in", 200, "Content-Security-Policy", csp},
		{"GET", "/page/sign_in?leads", 200, "Content-Security-Policy", strings.Replace(csp, "form-action 'self'", "form-action 'self' https://app.example.com", 1)},
		{"GET", "/page/sign_in?error", 422, "Content-Security-Policy", csp},
		{"GET", "/nowhere", 404, "Content-Security-Policy", csp},
		{"GET", "/static/nothing.css", 404, "Cache-Control", "no-store"},
		{"GET", "//", 400, "Content-Security-Policy", csp},
		{"DELETE", "/page/sign_in", 405, "Allow", "GET, HEAD, POST"},
		{"OPTIONS", "/page/sign_in", 405, "Allow", "GET, HEAD, POST"},
		{"GET", "/slow-down", 429, "Retry-After", "2"},
		{"GET", "/fault", 500, "Content-Security-Policy", csp},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.target, func(t *testing.T) {
			resp, body := s.send(t, test.method, test.target, "")
			if resp.StatusCode != test.status || resp.Header.Get(test.header) != test.value {
				t.Errorf("status %d, %s is %q", resp.StatusCode, test.header, resp.Header.Get(test.header))
			}
			if resp.Header.Get("Content-Type") != "text/html; charset=utf-8" || resp.Header.Get("Cache-Control") != "no-store" ||
				resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Strict-Transport-Security") == "" {
				t.Errorf("headers %v", resp.Header)
			}
			if test.method != "HEAD" && !strings.Contains(body, "<h1>") {
				t.Errorf("no page: %s", body)
			}
		})
	}
}

func TestNoticeIsShownOnce(t *testing.T) {
	s := start(t, text.English)
	resp, _ := s.send(t, "POST", "/page/sign_in", "email=a", formType, "Origin: https://globex.example.com")
	cookies := resp.Cookies()
	if resp.StatusCode != 303 || resp.Header.Get("Location") != "/page/sign_in" || len(cookies) != 1 || cookies[0].Name != "__Host-notice" {
		t.Fatalf("status %d, headers %v", resp.StatusCode, resp.Header)
	}
	resp, body := s.send(t, "GET", "/page/sign_in", "", "Cookie: __Host-notice="+cookies[0].Value)
	if !strings.Contains(body, `role="status"><p>Saved.</p>`) || resp.Cookies()[0].MaxAge >= 0 {
		t.Errorf("headers %v: %s", resp.Header, body)
	}
	if _, body := s.send(t, "GET", "/page/sign_in", "", "Cookie: __Host-notice=made-up"); strings.Contains(body, `role="status"`) {
		t.Errorf("a made-up notice is shown: %s", body)
	}
}

func TestPageSaysWhatIsWrong(t *testing.T) {
	_, body := start(t, text.English).send(t, "GET", "/page/fields?error", "")
	for _, want := range []string{
		`<title>Error: Sign in – Globex &lt;Corp&gt;</title>`,
		`<div class="summary" role="alert" tabindex="-1" autofocus>`,
		`<a href="#field-email">Enter your e-mail address.</a>`,
		`id="field-email" name="email" aria-describedby="field-email-hint field-email-error" aria-invalid="true"`,
		`<p class="error" id="field-email-error">Enter your e-mail address.</p>`,
		`value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"`,
		`<option value="admin" selected>`,
		`value="member" checked`,
		`autocomplete="new-password"`,
		`autocomplete="off"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(body, "<script>") {
		t.Error("a value is not escaped")
	}
}

func TestCodeFieldCutsNothing(t *testing.T) {
	_, body := start(t, text.English).send(t, "GET", "/page/code", "")
	input := regexp.MustCompile(`<input type="text" [^>]*name="code"[^>]*>`).FindString(body)
	for _, want := range []string{`inputmode="numeric"`, `autocomplete="one-time-code"`, ` autofocus`} {
		if !strings.Contains(input, want) {
			t.Errorf("%s lacks %s", input, want)
		}
	}
	if strings.Contains(input, "maxlength") || strings.Contains(input, "pattern") || !strings.Contains(body, `<a href="/help/2fa#code">`) {
		t.Errorf("%s", body)
	}
}

func TestPagesAskNothingElsewhereAndHoldNoCode(t *testing.T) {
	s := start(t, text.English)
	address := regexp.MustCompile(`(?:src|href|action)="([^"]*)"`)
	inline := regexp.MustCompile(`<style|\sstyle=|\son[a-z]+=|<script(?:>| [^>]*>[^<])|javascript:`)
	for _, page := range []string{"sign_in", "code", "fields", "set_up", "table"} {
		_, body := s.send(t, "GET", "/page/"+page+"?wide&error", "")
		for _, m := range address.FindAllStringSubmatch(body, -1) {
			if !strings.HasPrefix(m[1], "/") && !strings.HasPrefix(m[1], "#") || strings.HasPrefix(m[1], "//") {
				t.Errorf("%s: asks %s", page, m[1])
			}
		}
		if found := inline.FindString(body); found != "" {
			t.Errorf("%s: holds %s", page, found)
		}
	}
}

func TestStaticFiles(t *testing.T) {
	s := start(t, text.English)
	_, page := s.send(t, "GET", "/page/sign_in", "")
	limits := map[string]int{"css": 20 << 10, "js": 10 << 10, "svg": 2 << 10}
	files := regexp.MustCompile(`/static/[a-z]+\.[0-9a-f]{12}\.([a-z]+)`).FindAllStringSubmatch(page, -1)
	if len(files) != 3 {
		t.Fatalf("files are %v", files)
	}
	for _, file := range files {
		resp, plain := s.send(t, "GET", file[0], "", "Accept-Encoding: br, gzip;q=0")
		if resp.StatusCode != 200 || resp.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" ||
			resp.Header.Get("Vary") != "Accept-Encoding" || resp.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %v", file[0], resp.StatusCode, resp.Header)
		}
		if len(plain) > limits[file[1]] {
			t.Errorf("%s has %d bytes, at most %d are allowed", file[0], len(plain), limits[file[1]])
		}
		resp, packed := s.send(t, "GET", file[0], "", "Accept-Encoding: br, gzip; q=0.5")
		z, err := gzip.NewReader(strings.NewReader(packed))
		if err != nil || resp.Header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("%s: %v, headers %v", file[0], err, resp.Header)
		}
		if unpacked, err := io.ReadAll(z); err != nil || string(unpacked) != plain {
			t.Errorf("%s: differs when compressed: %v", file[0], err)
		}
	}
}

// TestScriptsAreSmall: all scripts together have at most 10 kB.
func TestScriptsAreSmall(t *testing.T) {
	s, size := start(t, text.English), 0
	for _, name := range []string{"app.js", "passkey.js", "wait.js"} {
		resp, script := s.send(t, "GET", web.StaticAddress(name), "")
		if resp.StatusCode != 200 || strings.Contains(script, "\n//") {
			t.Errorf("%s: %d, with comments", name, resp.StatusCode)
		}
		size += len(script)
	}
	if size > 10<<10 {
		t.Errorf("%d bytes", size)
	}
}

func TestRightToLeft(t *testing.T) {
	_, body := start(t, text.Pseudo(true)).send(t, "GET", "/page/sign_in", "")
	if !strings.Contains(body, `<html lang="qps" dir="rtl">`) || !strings.Contains(body, "<bdi>Globex &lt;Corp&gt;</bdi>") {
		t.Errorf("%s", body)
	}
}

func TestInitials(t *testing.T) {
	tests := []struct{ name, email, want string }{
		{"Ada Lovelace", "a@b.c", "AL"},
		{"  ada  maria von lovelace ", "", "AL"},
		{"Ada", "", "A"},
		{"", "zoe@b.c", "Z"},
		{"ömer çelik", "", "ÖÇ"},
		{"(--)", "x@b.c", "X"},
		{"", "", ""},
		{"李 小龙", "", "李小"},
	}
	for _, test := range tests {
		if got := web.Initials(test.name, test.email); got != test.want {
			t.Errorf("%q %q: got %q, want %q", test.name, test.email, got, test.want)
		}
	}
}
