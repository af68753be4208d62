package proxyauth_test

import (
	"bufio"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/snippet"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// starters start each kind of proxy with its configuration from package snippet. Caddy and Traefik are in clients_built_test.go.
var starters = map[string]func(b *behind, d snippet.Data){
	"nginx": func(b *behind, d snippet.Data) { sallyporttest.StartNginx(b.t, b.configure("nginx", d)) },
	"haproxy": func(b *behind, d snippet.Data) {
		sallyporttest.StartHAProxy(b.t, b.configure("haproxy", d))
	},
	"apache":  func(b *behind, d snippet.Data) { sallyporttest.StartApache(b.t, b.configure("apache", d)) },
	"traefik": func(b *behind, d snippet.Data) { b.imitate(d, traefik) },
	"envoy":   func(b *behind, d snippet.Data) { b.imitate(d, envoy) },
}

// echo is what the app got.
type echo struct {
	Method, Target, Host, Body string
	Header                     http.Header
}

// behind is an app behind a proxy of one kind, and a browser that goes there.
type behind struct {
	*world
	kind    string
	origin  string
	second  string // another origin of the app
	address string
	roots   *x509.CertPool
	dir     string
	visitor *sallyporttest.Visitor // the browser at the workspace
	cookie  *http.Cookie           // that it has on the app's host
	token   string                 // access token of the person

	mu   sync.Mutex
	hits []echo // requests that got to the app
}

const appHost = "wiki.example.com"

var appRules = []string{
	"/open = public", "/admin = two_factor fresh:5", "/closed = deny", "/finance = groups:Finance", "/api OPTIONS = public",
}

// newBehind starts an app and a proxy in front of it.
func newBehind(t *testing.T, e *sallyporttest.Env, kind string, rules []string) *behind {
	t.Helper()
	b := newProxy(t, kind, "https://"+appHost, "https://intranet.example.com")
	b.world = newWorld(t, e, func(a *sallyport.App) {
		a.Proxy.Hosts, a.Proxy.Rules, a.Proxy.Tokens = []string{b.origin, b.second}, rules, true
	})
	b.visitor = b.Visitor()
	b.start(strings.TrimPrefix(b.URL, "http://localhost"))
	return b
}

// newProxy chooses a port for a proxy in front of two origins, and starts nothing.
func newProxy(t *testing.T, kind, first, second string) *behind {
	t.Helper()
	port := sallyporttest.FreePort(t)
	at := func(origin string) string { return fmt.Sprintf("%s:%d", origin, port) }
	return &behind{kind: kind, dir: sallyporttest.ProxyFolder(t), world: &world{t: t}, address: at("127.0.0.1"), origin: at(first), second: at(second)}
}

// start starts the app and the proxy, which asks at a port of 127.0.0.1.
func (b *behind) start(server string) {
	b.t.Helper()
	app := httptest.NewServer(http.HandlerFunc(b.serveApp))
	b.t.Cleanup(app.Close)
	d := snippet.Data{
		Workspace: "https://login.example.com", Server: "127.0.0.1" + server, Hosts: []string{b.origin, b.second},
		App: app.Listener.Addr().String(), Listen: "127.0.0.1", Folder: b.dir,
	}
	d.Certificate, b.roots = sallyporttest.ProxyCertificate(b.t, b.dir, appHost)
	starters[b.kind](b, d)
}

// configure writes the files of a configuration, and returns the text of the first.
func (b *behind) configure(kind string, d snippet.Data) string {
	b.t.Helper()
	files, err := snippet.Files(kind, d)
	b.Check(err)
	for _, f := range files {
		b.Check(os.WriteFile(f.Name, []byte(f.Text), 0o644))
	}
	if len(files) > 2 || filepath.Dir(files[0].Name) != b.dir {
		b.t.Fatalf("the files of %s are %v", kind, files)
	}
	return files[0].Text
}

// serveApp is the app: it repeats what it got, and accepts WebSockets that repeat a line.
func (b *behind) serveApp(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	got := echo{r.Method, r.RequestURI, r.Host, string(body), r.Header}
	b.mu.Lock()
	b.hits = append(b.hits, got)
	b.mu.Unlock()
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		accept := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455 section 1.3
		_, _ = fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			base64.StdEncoding.EncodeToString(accept[:]))
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString("again: " + line)
		_ = rw.Flush()
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if strings.HasPrefix(r.URL.Path, "/docs/own-") {
		status, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/docs/own-"))
		w.Header()["Set-Cookie"] = []string{"app=1; Path=/app"}
		w.Header().Set("WWW-Authenticate", `Basic realm="app"`)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}
	_ = json.NewEncoder(w).Encode(got)
}

// reached returns the requests that got to the app since the last call.
func (b *behind) reached() []echo {
	b.mu.Lock()
	defer b.mu.Unlock()
	hits := b.hits
	b.hits = nil
	return hits
}

// reply is what the browser gets.
type reply struct {
	Status int
	Header http.Header
	Body   string
	App    *echo // if it is from the app
}

// Check fails the situation, not the test around it.
func (b *behind) Check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *behind) dial() net.Conn {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.address)
	b.Check(err)
	if strings.HasPrefix(b.origin, "https:") {
		conn = tls.Client(conn, &tls.Config{RootCAs: b.roots, ServerName: appHost})
	}
	b.t.Cleanup(func() { conn.Close() })
	b.Check(conn.SetDeadline(time.Now().Add(20 * time.Second)))
	return conn
}

func (b *behind) host() string {
	_, host, _ := strings.Cut(b.origin, "://")
	return host
}

// write sends a request as it is, with the browser's cookie. The first line of header may replace Host.
func (b *behind) write(conn net.Conn, method, target, body string, header ...string) {
	b.t.Helper()
	lines := []string{method + " " + target + " HTTP/1.1"}
	if len(header) == 0 || !strings.HasPrefix(header[0], "Host:") {
		lines = append(lines, "Host: "+b.host())
	}
	lines = append(lines, header...)
	if b.cookie != nil {
		lines = append(lines, "Cookie: theme=dark; "+b.cookie.Name+"="+b.cookie.Value)
	}
	if body != "" {
		lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	_, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"+body)
	b.Check(err)
}

// send sends a request and keeps the cookie of the answer.
func (b *behind) send(method, target, body string, header ...string) reply {
	b.t.Helper()
	conn := b.dial()
	defer conn.Close()
	b.write(conn, method, target, body, append(header, "Connection: close")...)
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	b.Check(err)
	r := reply{Status: res.StatusCode, Header: res.Header, Body: string(text)}
	if n := len(res.Header["Set-Cookie"]); n > 1 || n > 0 && r.Status == 200 {
		b.t.Errorf("%s %s: %d sets %d cookies", method, target, r.Status, n)
	}
	for _, c := range res.Cookies() {
		if c.Name != "app" {
			b.cookie = c
		}
	}
	var got echo
	if r.Status == 200 && json.Unmarshal(text, &got) == nil && got.Method != "" {
		r.App = &got
	}
	for _, name := range identity {
		if len(r.Header[name]) > 0 {
			b.t.Errorf("%s %s: the browser gets %s", method, target, name)
		}
	}
	return r
}

// page opens a page of the app.
func (b *behind) page(target string, header ...string) reply {
	b.t.Helper()
	return b.send("GET", target, "", append(header, "Accept: text/html,*/*", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0")...)
}

// enter follows the way from a refused page through the workspace, and returns the callback.
func (b *behind) enter(r reply, p *sallyporttest.Person) (callback string) {
	b.t.Helper()
	in, ok := strings.CutPrefix(r.Header.Get("Location"), b.URL)
	if r.Status != 302 || !ok || !strings.HasPrefix(in, "/sign-in?to=") || r.Header.Get("Set-Cookie") == "" && b.cookie == nil {
		b.t.Fatalf("the browser is not sent to the workspace: %d %v", r.Status, r.Header)
	}
	page := b.visitor.Get(in)
	if page.Location == "" {
		page = b.visitor.PostValues(in, url.Values{"email": {p.Address}, "password": {p.Password}})
		page = b.visitor.Post(page.Location, sallyporttest.Fields{"code": p.Code(b.Clock.Now())})
	}
	for range 9 {
		if strings.HasPrefix(page.LocationPath(), "/step-up") {
			page = b.visitor.Post(page.Location, sallyporttest.Fields{"code": p.Code(b.Clock.Now())})
		}
		if !strings.HasPrefix(page.Location, "/") {
			break
		}
		page = b.visitor.Get(page.Location)
	}
	if callback, ok = strings.CutPrefix(page.Location, b.origin); !ok {
		b.t.Fatalf("the workspace sends the browser to %q: %d %s", page.Location, page.Status, page.Alert())
	}
	return callback
}

// signIn opens a page as a person who is not signed in to the app.
func (b *behind) signIn(target string, p *sallyporttest.Person, header ...string) {
	b.t.Helper()
	back := b.page(b.enter(b.page(target), p), header...)
	if to := back.Header.Get("Location"); back.Status != 302 || to != b.origin+target || len(back.Header["Set-Cookie"]) != 1 {
		b.t.Fatalf("the ticket leads to %d %v, not to %s", back.Status, back.Header, target)
	}
	if got := b.page(target); got.App == nil || got.App.Target != target {
		b.t.Fatalf("signed in, %s is %d %s", target, got.Status, got.Body)
	}
}

// claims returns the values of a header that the app got, also of those with underscores for hyphens.
func (g *echo) claims(name string) (values []string) {
	for sent, v := range g.Header {
		if strings.EqualFold(strings.ReplaceAll(sent, "_", "-"), name) {
			values = append(values, v...)
		}
	}
	return values
}
