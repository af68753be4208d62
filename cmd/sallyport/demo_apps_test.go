package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/otp"
)

// TestDemoApps opens the demo's apps as their people do: one behind a proxy, one by OpenID Connect.
func TestDemoApps(t *testing.T) {
	_, d := startDemo(t)
	at, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range d.Workspaces {
		owner, boss := w.Users[0], newBrowser(t, at.Host)
		boss.signIn(w.URL, owner)
		for _, a := range w.Apps {
			home := strings.Replace(w.URL, "//", "//"+strings.ToLower(a.Name)+".", 1)
			if body := boss.open(home + "/"); !strings.Contains(body, owner.Email) || !strings.Contains(body, "Finance") {
				t.Errorf("%s does not tell %s who they are: %s", home, owner.Email, body)
			}
		}
	}
	mona := newBrowser(t, at.Host)
	for _, u := range d.Workspaces[0].Users {
		if u.Email == "mona@acme.example" {
			mona.signIn(d.URL, u)
		}
	}
	wiki, charts := strings.Replace(d.URL, "//", "//wiki.", 1), strings.Replace(d.URL, "//", "//charts.", 1)
	if body := mona.open(wiki + "/"); !strings.Contains(body, "mona@acme.example") {
		t.Errorf("the wiki is closed to a member: %s", body)
	}
	if body := mona.open(wiki + "/settings"); !strings.Contains(body, "Set up") {
		t.Errorf("a page that needs a second factor is open without one: %s", body)
	}
	if body := mona.open(charts + "/"); !strings.Contains(body, "You may not use Charts") {
		t.Errorf("an app is open to somebody who is not in its group: %s", body)
	}
	stranger := newBrowser(t, at.Host)
	if body := stranger.open(wiki + "/about"); !strings.Contains(body, "A page for everyone") {
		t.Errorf("a page for everyone is closed: %s", body)
	}
}

// follower is an HTTP client that keeps cookies and follows redirects, over all hosts of the demo.
type follower struct {
	t *testing.T
	http.Client
}

func newBrowser(t *testing.T, host string) *follower {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(host)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &follower{t, http.Client{Jar: jar, Transport: transport}}
}

// open opens an address as a page, and returns where it leads in the end.
func (f *follower) open(address string) string {
	f.t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	return f.do(r)
}

func (f *follower) do(r *http.Request) string {
	f.t.Helper()
	answer, err := f.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(body)
}

func (f *follower) post(address string, fields url.Values) string {
	f.t.Helper()
	r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(fields.Encode()))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", regexp.MustCompile(`^http://[^/]+`).FindString(address))
	return f.do(r)
}

func (f *follower) signIn(company string, u toldUser) {
	f.t.Helper()
	f.post(company+"/sign-in", url.Values{"email": {u.Email}, "password": {u.Password}})
	if *u.Secret == "" {
		return
	}
	secret, err := otp.DecodeSecret(*u.Secret)
	if err != nil {
		f.t.Fatal(err)
	}
	f.post(company+"/sign-in/2fa", url.Values{"code": {code6(secret, 0)}})
}
