package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/jose"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sallyport": main,
		"http":      httpMain,
	})
}

// TestScripts runs the commands as an administrator types them, on both databases.
func TestScripts(t *testing.T) {
	for _, kind := range sallyporttest.Databases {
		t.Run(kind, func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir:                 "testdata",
				Deadline:            time.Now().Add(5 * time.Minute), // because a server that should have refused to start never ends
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
				Setup: func(e *testscript.Env) error {
					if kind == "postgres" {
						e.Setenv("SALLYPORT_DATABASE", sallyporttest.Postgres(t))
						e.Setenv("OTHER_DATABASE", sallyporttest.Postgres(t))
					}
					e.Setenv("PASSWORD", sallyporttest.Password)
					e.Setenv("PORT", freePort(t))
					return nil
				},
				Condition: func(cond string) (bool, error) {
					return cond == kind, nil
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"code":   code,
					"find":   find,
					"listen": listenAt,
					"sql":    changeDatabase,

					"signingkey": storeSigningKey,
				},
			})
		})
	}
}

// TestReadPassword: a byte order mark and the line end are not part of the password; everything else on the line is.
func TestReadPassword(t *testing.T) {
	for in, want := range map[string]sallyport.Secret{
		"two words":                "two words",
		"two words\n":              "two words",
		"two words\r\n":            "two words",
		"\ufefftwo words\r\n":      "two words",
		"\ufefftwo words":          "two words",
		" two words \r\nthree\r\n": " two words ",
		"two\ufeffwords":           "two\ufeffwords",
		"":                         "",
		"\r\n":                     "",
		"\ufeff":                   "",
		"\ufeff\r\n":               "",
	} {
		got, err := readPassword(strings.NewReader(in))
		if _, misuse := errors.AsType[usage](err); got != want || misuse != (want == "") || err != nil && !misuse {
			t.Errorf("%q: %q, %v", in, got.Reveal(), err)
		}
	}
}

// TestSettingsFromFiles: each option that has a variable can also be set by a file, whichever editor wrote the file.
func TestSettingsFromFiles(t *testing.T) {
	parser, err := kong.New(&commands{}, kong.Vars{"url": "http://localhost:8080"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("\ufeff 7 \r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	seen := 0
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		flag, ok := node.(*kong.Flag)
		if !ok {
			return next(nil)
		}
		for _, name := range flag.Envs {
			seen++
			t.Setenv(name+"_FILE", file)
			if got, err := fromFile(nil, nil, flag); err != nil || got != any(" 7 ") {
				t.Errorf("%s_FILE: %q, %v", name, got, err)
			}
		}
		return next(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 10 {
		t.Errorf("only %d options have a variable", seen)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// code runs a command and checks its exit code: code 2 COMMAND...
func code(ts *testscript.TestScript, _ bool, args []string) {
	got := 0
	err := ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if args[0] != strconv.Itoa(got) {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// listenAt listens on an address until the script ends: listen 127.0.0.1:PORT.
func listenAt(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", args[0])
	ts.Check(err)
	ts.Defer(func() { l.Close() })
}

// changeDatabase changes the database directly: sql STATEMENT.
func changeDatabase(ts *testscript.TestScript, _ bool, args []string) {
	driver, address := "pgx", ts.Getenv("SALLYPORT_DATABASE")
	if address == "" {
		driver, address = "sqlite", ts.MkAbs("sallyport-data/sallyport.db")
	}
	db, err := sql.Open(driver, address)
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(args[0])
	ts.Check(err)
}

// storeSigningKey gives the first workspace a signing key, as the server does when an app first needs one: signingkey
// ALGORITHM.
func storeSigningKey(ts *testscript.TestScript, _ bool, args []string) {
	ctx, p := context.Background(), place{Data: ts.MkAbs("sallyport-data"), Database: ts.Getenv("SALLYPORT_DATABASE")}
	in, err := p.open(ctx, console(), false)
	ts.Check(err)
	defer in.Close()
	by, err := in.Console(ctx, "")
	ts.Check(err)
	private, err := jose.Generate(jose.Algorithm(args[0]))
	ts.Check(err)
	k := sallyport.SigningKey{Workspace: by.Workspace().ID, ID: "sig_first_" + args[0], Algorithm: jose.Algorithm(args[0]), Number: 1, SignsFrom: time.Now()}
	signer, err := jose.Load(k.ID, private)
	ts.Check(err)
	public, err := signer.Public().MarshalJSON()
	ts.Check(err)
	k.Public = string(public)
	k.Private, err = in.Keys.Seal(private, k.AD())
	ts.Check(err)
	ts.Check(in.Store.Write(ctx, func(tx sallyport.Tx) error {
		_, err := tx.InsertSigningKey(k)
		return err
	}))
}

// find waits until a file that another program writes contains a word with a prefix, and stores the word in a variable:
// find VARIABLE FILE PREFIX.
func find(ts *testscript.TestScript, _ bool, args []string) {
	for begun := time.Now(); time.Since(begun) < 2*time.Minute; time.Sleep(5 * time.Millisecond) {
		content, err := os.ReadFile(ts.MkAbs(args[1]))
		if err != nil && !os.IsNotExist(err) {
			ts.Fatalf("%v", err)
		}
		_, rest, found := strings.Cut(string(content), args[2])
		if found && strings.ContainsAny(rest, " \n") {
			ts.Setenv(args[0], args[2]+strings.Fields(rest)[0])
			return
		}
	}
	ts.Fatalf("%s still does not contain %q", args[1], args[2])
}

// httpMain is a small client for scripts: http METHOD URL [FIELD=VALUE...] [Header:VALUE...]. It waits until the server
// responds, prints status, headers and body, and follows no redirects.
func httpMain() {
	form, header := url.Values{}, http.Header{}
	for _, arg := range os.Args[3:] {
		if name, value, ok := strings.Cut(arg, "="); ok {
			form.Set(name, value)
		} else if name, value, ok := strings.Cut(arg, ":"); ok {
			header.Set(name, value)
		}
	}
	var answer *http.Response
	var err error
	for begun := time.Now(); time.Since(begun) < 2*time.Minute; time.Sleep(5 * time.Millisecond) {
		if answer, err = send(os.Args[1], os.Args[2], form, header); err == nil {
			break
		}
	}
	if err == nil {
		fmt.Println(answer.Status)
		answer.Header.Write(os.Stdout)
		_, err = io.Copy(os.Stdout, answer.Body)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// send sends one request to a server on this machine, whatever the URL's host.
func send(method, address string, form url.Values, header http.Header) (*http.Response, error) {
	r, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", r.URL.Scheme+"://"+r.URL.Host)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	return local(net.JoinHostPort("127.0.0.1", r.URL.Port())).RoundTrip(r)
}

// local returns a transport that sends every request to one address, whatever the host of its URL.
func local(addr string) *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
}
