package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// process is a running sallyport serve or demo.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	addr   string
	out    output
	errs   output
	exited chan struct{}
}

// start runs sallyport serve with the options, on a free port.
func start(t *testing.T, options ...string) *process {
	t.Helper()
	return startCommand(t, "serve", options...)
}

func startCommand(t *testing.T, command string, options ...string) *process {
	t.Helper()
	p := &process{t: t, addr: "127.0.0.1:" + freePort(t), exited: make(chan struct{})}
	p.cmd = exec.Command("sallyport", append([]string{command, "--listen", p.addr}, options...)...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait() // the result is in ProcessState
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill() // it may have ended already
		<-p.exited
		if t.Failed() {
			t.Logf("%s\n%s", p.cmd, &p.errs)
		}
	})
	return p
}

// output is what a process has written so far.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

// printed waits until the process has printed at least so many lines, and returns all of its output.
func (p *process) printed(lines int) string {
	p.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if out := p.out.String(); strings.Count(out, "\n") >= lines {
			return out
		}
	}
	p.t.Fatalf("it has only printed %q", p.out.String())
	return ""
}

// code waits for the process to end and returns its exit code, or -1 if a signal ended it.
func (p *process) code() int {
	<-p.exited
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// ready waits until the process serves or has ended, and reports whether it serves.
func (p *process) ready() bool {
	p.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		answer, err := http.Get("http://" + p.addr + "/readyz")
		if err == nil {
			answer.Body.Close()
			return answer.StatusCode == http.StatusOK
		}
		select {
		case <-p.exited:
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
	p.t.Fatal("the process neither serves nor ends")
	return false
}

// visitor is an HTTP client with cookies. It sends every request to a given process, whatever the URL says.
type visitor struct {
	t       *testing.T
	url     string
	cookies map[string]string
}

// get and post return status and body.
func (v *visitor) get(at *process, path string) (int, string) {
	return v.do(at, http.MethodGet, path, nil)
}

func (v *visitor) post(at *process, path string, form url.Values) (int, string) {
	return v.do(at, http.MethodPost, path, form)
}

func (v *visitor) do(at *process, method, path string, form url.Values) (int, string) {
	v.t.Helper()
	r, err := http.NewRequest(method, v.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", v.url)
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	answer, err := local(at.addr).RoundTrip(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	for _, c := range answer.Cookies() {
		v.cookies[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		}
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// only returns the visitor's cookies whose names end in - and end.
func (v *visitor) only(end string) map[string]string {
	all := maps.Clone(v.cookies)
	maps.DeleteFunc(all, func(name, _ string) bool { return !strings.HasSuffix(name, "-"+end) })
	return all
}

// installed creates an installation with an owner on each database, and passes fn the options that name it.
func installed(t *testing.T, fn func(t *testing.T, options []string)) {
	for _, kind := range sallyporttest.Databases {
		t.Run(kind, func(t *testing.T) {
			options := []string{"--data", filepath.Join(t.TempDir(), "data")}
			if kind == "postgres" {
				options = append(options, "--database", sallyporttest.Postgres(t))
			}
			initialise(t, options)
			fn(t, options)
		})
	}
}

func initialise(t *testing.T, options []string) {
	t.Helper()
	cmd := exec.Command("sallyport", append([]string{"init", "--workspace", "Acme", "--email", "olive@acme.example"}, options...)...)
	cmd.Stdin = strings.NewReader(sallyporttest.Password)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func passwordForm() url.Values {
	return url.Values{"email": {"olive@acme.example"}, "password": {sallyporttest.Password}}
}

var dataKey = regexp.MustCompile(`data-key data-value="([A-Z2-7]+)"`)

// enrol signs in at a process and sets up an authenticator. It returns its key and the code that this used.
func (v *visitor) enrol(at *process) (secret []byte, burnt string) {
	v.t.Helper()
	v.expect(303)(v.post(at, "/sign-in", passwordForm()))
	v.expect(303)(v.post(at, "/account/2fa/set-up", url.Values{"name": {"Pixel"}}))
	body := v.expect(200)(v.get(at, "/account/2fa/set-up?step=scan"))
	key := dataKey.FindStringSubmatch(body)
	if key == nil {
		v.t.Fatalf("no key on the page\n%s", body)
	}
	secret, err := otp.DecodeSecret(key[1])
	if err != nil {
		v.t.Fatal(err)
	}
	burnt = code6(secret, 0)
	v.expect(303)(v.post(at, "/account/2fa/set-up", url.Values{"code": {burnt}}))
	return secret, burnt
}

// code6 returns the code that the authenticator shows so many steps from now.
func code6(secret []byte, ahead int64) string {
	return otp.Default.Code(secret, otp.Default.Step(time.Now())+ahead)
}

// expect returns a function that checks a response's status and returns its body.
func (v *visitor) expect(want int) func(status int, body string) string {
	return func(status int, body string) string {
		v.t.Helper()
		if status != want {
			v.t.Fatalf("status %d, want %d\n%s", status, want, body)
		}
		return body
	}
}

// A request's changes are on disk before its response is sent: after kill -9, the code is still used and the session
// still exists.
func TestI10_KillDirectlyAfterTheAnswer(t *testing.T) {
	installed(t, func(t *testing.T, options []string) {
		p := start(t, options...)
		p.ready()
		v := &visitor{t, "http://" + strings.Replace(p.addr, "127.0.0.1", "localhost", 1), map[string]string{}}
		secret, _ := v.enrol(p)

		thief := &visitor{t, v.url, map[string]string{}}
		v.cookies = map[string]string{}
		v.expect(303)(v.post(p, "/sign-in", passwordForm()))
		thief.expect(303)(thief.post(p, "/sign-in", passwordForm()))
		code := code6(secret, 1) // the set-up has used the current one
		v.expect(303)(v.post(p, "/sign-in/2fa", url.Values{"code": {code}}))
		p.signal(syscall.SIGKILL)
		p.code()

		again := start(t, append(options, "--url", v.url)...)
		again.ready()
		v.expect(200)(v.get(again, "/session"))
		body := thief.expect(422)(thief.post(again, "/sign-in/2fa", url.Values{"code": {code}}))
		if !strings.Contains(body, "already used") {
			t.Errorf("the page does not say that the code was already used\n%s", body)
		}
		thief.expect(401)(thief.get(again, "/session"))
	})
}

// After SIGTERM, the server accepts no new requests, finishes the one in flight, and exits with 0.
func TestSIGTERMFinishesWhatIsInFlight(t *testing.T) {
	installed(t, func(t *testing.T, options []string) {
		p := start(t, options...)
		p.ready()
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		host := strings.Replace(p.addr, "127.0.0.1", "localhost", 1)
		body := passwordForm().Encode()
		fmt.Fprintf(conn, "POST /sign-in HTTP/1.1\r\nHost: %s\r\nOrigin: http://%s\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
			"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", host, host, len(body))
		answers := bufio.NewReader(conn)
		if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
			t.Fatalf("%q, %v", line, err)
		}
		if _, err := answers.ReadString('\n'); err != nil {
			t.Fatal(err)
		}

		p.signal(syscall.SIGTERM) // the handler waits for the body
		p.signal(syscall.SIGTERM) // a second signal changes nothing
		for {
			other, err := net.Dial("tcp", p.addr)
			if errors.Is(err, syscall.ECONNREFUSED) {
				break
			}
			if err == nil {
				other.Close()
			}
		}
		io.WriteString(conn, body)
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusSeeOther {
			t.Errorf("the request in flight got %s", answer.Status)
		}
		if code := p.code(); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
	})
}

// If two nodes with different keysets start on an empty database, exactly one serves. The other refuses to start.
func TestI50_TwoNodesOnAnEmptyDatabase(t *testing.T) {
	database := sallyporttest.Postgres(t)
	one := start(t, "--database", database, "--data", filepath.Join(t.TempDir(), "one"))
	two := start(t, "--database", database, "--data", filepath.Join(t.TempDir(), "two"), "--url", "http://localhost:1")
	first, second := one.ready(), two.ready()
	if first == second {
		t.Fatalf("one serves: %v, the other serves: %v", first, second)
	}
	loser := one
	if first {
		loser = two
	}
	if code := loser.code(); code != exitUsage {
		t.Errorf("exit code %d, want %d", code, exitUsage)
	}
	if !strings.Contains(loser.errs.String(), "keyset") {
		t.Errorf("it does not say why: %s", &loser.errs)
	}
}

// Two nodes with the same PostgreSQL database and keyset are one installation: each sees what the other does.
func TestTwoNodesAreOneInstallation(t *testing.T) {
	dir, database := t.TempDir(), sallyporttest.Postgres(t)
	one := start(t, "--database", database, "--data", dir)
	one.ready()
	v := &visitor{t, "http://" + strings.Replace(one.addr, "127.0.0.1", "localhost", 1), map[string]string{}}
	two := start(t, "--database", database, "--keyset", filepath.Join(dir, "keyset.json"), "--url", v.url)
	two.ready()
	// Only the link that the second node printed works.
	_, link, found := strings.Cut(two.printed(2), v.url)
	if !found {
		t.Fatalf("no link was printed: %s", &two.out)
	}
	owner := passwordForm()
	owner.Set("workspace", "Acme")
	owner.Set("name", "Olive Owens")
	v.expect(303)(v.post(one, strings.TrimSpace(link), owner))

	secret, burnt := v.enrol(one)
	v.expect(200)(v.get(two, "/session"))
	v.expect(303)(v.post(two, "/sign-out", url.Values{}))
	v.expect(303)(v.post(two, "/sign-in", passwordForm()))
	v.expect(422)(v.post(two, "/sign-in/2fa", url.Values{"code": {burnt}}))
	v.expect(303)(v.post(one, "/sign-in/2fa", url.Values{"code": {code6(secret, 1)}}))
	copied := &visitor{t, v.url, v.only("session")}
	copied.expect(200)(copied.get(two, "/session"))
	v.expect(303)(v.post(one, "/sign-out", url.Values{}))
	copied.expect(401)(copied.get(two, "/session"))
}

// The machine's own name means nothing to a mail server, and reveals more than it should.
func TestEHLOGivesTheHostOfTheURL(t *testing.T) {
	for _, c := range []struct {
		host, ehlo, want string
	}{
		{"localhost", "", "localhost"},
		{"büro.localhost", "", "xn--bro-hoa.localhost"},
		{"127.0.0.1", "", "[127.0.0.1]"},
		{"[::1]", "", "[IPv6:::1]"},
		{"localhost", "login.example.com", "login.example.com"},
		{"localhost", "münchen.example", "xn--mnchen-3ya.example"},
	} {
		server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{})
		data := filepath.Join(t.TempDir(), "data")
		port := freePort(t)
		options := []string{"--data", data, "--url", "http://" + c.host + ":" + port, "--mail", server.URL(), "--mail-from", "login@example.com"}
		if c.ehlo != "" {
			options = append(options, "--mail-ehlo", c.ehlo)
		}
		initialise(t, []string{"--data", data})
		p := start(t, options...)
		if !p.ready() {
			t.Fatalf("%s: the server does not answer", c.host)
		}
		host := strings.Replace(c.host, "büro", "xn--bro-hoa", 1)
		v := &visitor{t: t, url: "http://" + host + ":" + port, cookies: map[string]string{}}
		v.expect(303)(v.post(p, "/forgot", url.Values{"email": {"olive@acme.example"}}))
		if got := server.Next(); got.Hello != c.want {
			t.Errorf("--url with %s, --mail-ehlo %q: EHLO %s, want %s", c.host, c.ehlo, got.Hello, c.want)
		}
	}
}

// TestI14_NetworksOfProxies: the addresses of an IPv4 network are recognised, whichever way the network is written. A
// network that would match no address, or more than intended, is refused.
func TestI14_NetworksOfProxies(t *testing.T) {
	for network, in := range map[string]map[string]bool{
		"127.0.0.0/8":             {"127.0.0.1": true, "128.0.0.1": false},
		"127.9.9.9/8":             {"127.0.0.1": true, "128.0.0.1": false},
		"::ffff:127.0.0.0/104":    {"127.0.0.1": true, "128.0.0.1": false},
		"::ffff:7f00:0/104":       {"127.0.0.1": true, "128.0.0.1": false},
		" ::ffff:127.9.9.9/104 ":  {"127.0.0.1": true, "128.0.0.1": false},
		"::ffff:0:0/96":           {"127.0.0.1": true, "::1": false},
		"::ffff:127.0.0.1":        {"127.0.0.1": true, "127.0.0.2": false},
		"::ffff:127.0.0.1/128":    {"127.0.0.1": true, "127.0.0.2": false},
		"127.0.0.1":               {"127.0.0.1": true, "127.0.0.2": false},
		"2001:db8::/32":           {"2001:db8::1": true, "127.0.0.1": false},
		"::1":                     {"::1": true, "127.0.0.1": false},
		"::ffff:0:0/95":           nil,
		"::ffff:127.0.0.0/64":     nil,
		"::ffff:127.0.0.0/129":    nil,
		"::ffff:127.0.0.0/104/8":  nil,
		"::ffff:127.0.0.0%lo/104": nil,
		"fe80::%eth0/64":          nil,
		"fe80::1%eth0":            {"fe80::1": true, "fe80::2": false},
		"":                        nil,
	} {
		parsed, err := parseNetworks([]string{network})
		if _, misuse := errors.AsType[usage](err); misuse != (in == nil) || err != nil && !misuse {
			t.Errorf("%q: %v", network, err)
		}
		for addr, want := range in {
			e, err := edge.New("http://localhost:8080", parsed, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			var got string
			next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = edge.From(r.Context()).Addr.String() })
			r := httptest.NewRequest("GET", "/", nil)
			r.Host, r.RemoteAddr = "localhost:8080", net.JoinHostPort(addr, "1234")
			r.Header.Set("X-Forwarded-For", "198.51.100.7")
			e.Handler(next, next, nil).ServeHTTP(httptest.NewRecorder(), r)
			if (got == "198.51.100.7") != want {
				t.Errorf("%q: a client behind %s is %s", network, addr, got)
			}
		}
	}
}
