package main

import (
	"database/sql"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// relay forwards connections to a server that can be changed, like a host name that moves in a failover.
type relay struct {
	net.Listener
	mu   sync.Mutex
	to   string
	open []net.Conn
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l, to: to}
	t.Cleanup(func() { l.Close(); r.moveTo("") })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			r.pass(in)
		}
	}()
	return r
}

func (r *relay) pass(in net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out, err := net.Dial("tcp", r.to)
	if err != nil {
		in.Close()
		return
	}
	r.open = append(r.open, in, out)
	go io.Copy(in, out)
	go io.Copy(out, in)
}

// moveTo closes all connections, and forwards new ones to another server.
func (r *relay) moveTo(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.open {
		c.Close()
	}
	r.open, r.to = nil, to
}

// hostOf returns the host and port of a database.
func hostOf(t *testing.T, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func query(t *testing.T, database, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// trouble is a condition that makes the database of a running server read-only, until it ends.
type trouble struct {
	database   string // empty: SQLite
	begin, end func(*process)
	honours    int // status of /session while it lasts
}

func troubles(t *testing.T) map[string]trouble {
	limit := func(size string) func(*process) {
		return func(p *process) {
			if out, err := exec.Command("prlimit", "--pid", strconv.Itoa(p.cmd.Process.Pid), "--fsize="+size+":unlimited").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}
	readOnly := sallyporttest.Postgres(t)
	say := func(statement string) func(*process) {
		return func(*process) {
			query(t, readOnly, statement)
			query(t, readOnly, "SELECT pg_reload_conf()")
		}
	}
	t.Cleanup(func() { say("ALTER SYSTEM RESET default_transaction_read_only")(nil) })

	primary := sallyporttest.Postgres(t)
	host := newRelay(t, hostOf(t, primary))
	standby := ""
	return map[string]trouble{
		"a full disk": {"", limit("0"), limit("unlimited"), http.StatusOK},
		"a server that became read-only": {
			readOnly, say("ALTER SYSTEM SET default_transaction_read_only = on"), say("ALTER SYSTEM RESET default_transaction_read_only"), http.StatusOK,
		},
		"a host name that points to a standby": {
			strings.Replace(primary, hostOf(t, primary), host.Addr().String(), 1),
			func(*process) {
				standby = sallyporttest.Standby(t, primary)
				host.moveTo(hostOf(t, standby))
			},
			func(*process) { query(t, standby, "SELECT pg_promote()") },
			http.StatusServiceUnavailable,
		},
	}
}

// until waits until the server's /readyz has a status.
func (p *process) until(what string, status int) {
	p.t.Helper()
	got := 0
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get("http://" + p.addr + "/readyz")
		if err != nil {
			p.t.Fatal(err)
		}
		answer.Body.Close()
		if got = answer.StatusCode; got == status {
			return
		}
	}
	p.t.Fatalf("%s: /readyz is %d, want %d", what, got, status)
}

// TestI64_ReadinessFollowsTheDatabase: while the database of a running server cannot be written to, /readyz and every
// page that would change something return 503, and pages say when to try again. A standby may lag behind, so sessions
// are not looked up there. All of this ends without a restart, and no data is lost.
func TestI64_ReadinessFollowsTheDatabase(t *testing.T) {
	for name, c := range troubles(t) {
		t.Run(name, func(t *testing.T) {
			options := []string{"--data", filepath.Join(t.TempDir(), "data")}
			if c.database != "" {
				options = append(options, "--database", c.database)
			}
			initialise(t, options)
			p := start(t, options...)
			p.ready()
			v := &visitor{t, "http://" + strings.Replace(p.addr, "127.0.0.1", "localhost", 1), map[string]string{}}
			v.expect(303)(v.post(p, "/sign-in", passwordForm()))

			c.begin(p)
			p.until("during the trouble", http.StatusServiceUnavailable)
			answer, err := send(http.MethodPost, v.url+"/sign-in", passwordForm(), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || answer.StatusCode != 503 || answer.Header.Get("Retry-After") == "" || len(answer.Cookies()) > 0 || !strings.Contains(string(body), "cannot save anything") {
				t.Errorf("signing in: %s %v %v\n%s", answer.Status, answer.Header, err, body)
			}
			v.expect(503)(v.post(p, "/account", url.Values{"name": {"Somebody Else"}}))
			v.expect(c.honours)(v.get(p, "/session"))
			v.expect(503)(v.post(p, "/sign-out", url.Values{}))

			c.end(p)
			p.until("after the trouble", http.StatusOK)
			shown := v.expect(200)(v.get(p, "/account"))
			if strings.Contains(shown, "Somebody Else") {
				t.Error("a refused change was saved")
			}
			v.expect(303)(v.post(p, "/account", url.Values{"name": {"Somebody Else"}}))
			v.expect(303)(v.post(p, "/sign-out", url.Values{}))
			v.expect(303)(v.post(p, "/sign-in", passwordForm()))
		})
	}
}
