// Package clients_test puts clients that others wrote in front of Sallyport, unchanged, and goes through them as a
// person with a browser does. The programs in testdata are also those of docs/guides/openid-connect.md.
package clients_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// subject is a client, and how it is used.
type subject struct {
	name     string
	start    func(t *testing.T, at setting)
	callback string // path of its redirect address
	home     string // shows the person's address, and needs a sign-in
	stepUp   string // needs a second factor in this session; empty: its sign-in always does
	signOut  string // may contain {address}
	noPKCE   bool
	after    string // path to which people return after signing out; empty: they stay at Sallyport
}

// setting is what is entered in a client.
type setting struct {
	issuer, id, secret string
	address            string // origin of the client
	listen             string // host and port of the same
}

func (s setting) environment() []string {
	return append(os.Environ(), "ISSUER="+s.issuer, "CLIENT_ID="+s.id, "CLIENT_SECRET="+s.secret, "ADDRESS="+s.address, "LISTEN="+s.listen)
}

// run starts a program and waits until it listens.
func run(t *testing.T, at setting, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, at.environment(), t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
	for range 200 {
		if c, err := net.Dial("tcp", at.listen); err == nil {
			c.Close()
			return
		}
		select {
		case <-exited:
			t.Fatalf("%s has ended", program)
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not listen on %s", program, at.listen)
}

// free returns an address on loopback that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// journey is a person's browser, which visits a client and Sallyport.
type journey struct {
	*sallyporttest.Visitor
	site  *sallyporttest.Site
	ada   *sallyporttest.Person
	app   *http.Client
	at    setting
	codes []string // addresses with a code to which the browser was sent
	asked []string // pages on which the person gave a code
	guest bool     // the person does not want to sign in
}

// seen is what the browser shows.
type seen struct {
	address string
	status  int
	body    string
}

// newApp returns a client that follows no redirects, with a copy of cookies.
func newApp(t testing.TB, from http.CookieJar, address string) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := url.Parse(address); err == nil && from != nil {
		jar.SetCookies(u, from.Cookies(u))
	}
	return &http.Client{Jar: jar, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// open goes to an address of the client or of Sallyport, and does what pages ask for, until one is reached that asks
// nothing.
func (j *journey) open(address string) seen {
	j.site.T.Helper()
	for range 30 {
		path, ours := strings.CutPrefix(address, j.site.URL)
		if !ours {
			if u, _ := url.Parse(address); u.Query().Has("code") {
				j.codes = append(j.codes, address)
			}
			got, next := j.visit(address)
			if next == "" {
				return got
			}
			address = next
			continue
		}
		p := j.Get(path)
		for p.Location == "" {
			if !j.answer(p) {
				return seen{address, p.Status, p.Body}
			}
			if p = j.Page; p.Status >= 400 {
				return seen{address, p.Status, p.Body}
			}
		}
		if address = p.Location; strings.HasPrefix(address, "/") {
			address = j.site.URL + address
		}
	}
	j.site.T.Fatalf("the browser is sent in circles: %s", address)
	return seen{}
}

func (j *journey) visit(address string) (seen, string) {
	j.site.T.Helper()
	q, err := http.NewRequest(http.MethodGet, address, nil)
	j.site.Check(err)
	q.Header.Set("Accept", "text/html")
	q.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0")
	res, err := j.app.Do(q)
	j.site.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	j.site.Check(err)
	next := ""
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		to, err := q.URL.Parse(res.Header.Get("Location"))
		j.site.Check(err)
		next = to.String()
	}
	if _, to, found := strings.Cut(string(body), `<meta http-equiv="refresh" content="0; url=`); found {
		next, _, _ = strings.Cut(to, `"`)
	}
	return seen{address, res.StatusCode, string(body)}, next
}

// answer fills in a page of Sallyport's. It returns false if the page asks nothing.
func (j *journey) answer(p *sallyporttest.Page) bool {
	if f := p.Form("code"); len(f.Names) > 0 {
		f.Values.Set("code", j.ada.Code(j.site.Clock.Now()))
		j.asked = append(j.asked, strings.SplitN(p.Target, "?", 2)[0])
		j.PostValues(f.Action, f.Values)
		return true
	}
	if f := p.Form("password"); len(f.Names) > 0 && !j.guest {
		f.Values.Set("email", j.ada.Address)
		f.Values.Set("password", j.ada.Password)
		j.PostValues(f.Action, f.Values)
		return true
	}
	if f := p.Form("forget"); len(f.Names) > 0 {
		j.PostValues(f.Action, f.Values)
		return true
	}
	return false
}

// each goes through a client on one or both kinds of database.
func each(t *testing.T, databases []string, c subject) {
	for _, database := range databases {
		t.Run(database, func(t *testing.T) { through(t, sallyporttest.NewSite(t, sallyporttest.New(t, database)), c) })
	}
}

// through registers a client, starts it, and goes the whole way. The clients have the machine's clock, and so must
// Sallyport.
func through(t *testing.T, s *sallyporttest.Site, c subject) {
	ctx := context.Background()
	s.Clock.Set(time.Now().Add(-5 * time.Minute))
	s.Exec("UPDATE policies SET trusted_device_days = 30")
	ada := s.Add("ada@acme.example", sallyport.Member)
	s.Visitor().Enrol(&ada, "Phone")
	at := setting{issuer: s.URL, listen: free(t)}
	at.address = "http://" + at.listen
	a := sallyport.App{AppDetails: sallyport.AppDetails{Name: c.name, Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy}}
	a.Client = sallyport.NewAppClient(at.address + c.callback)
	a.Client.PKCEOptional = c.noPKCE
	if c.after != "" {
		a.Client.PostLogoutURIs = []string{at.address + c.after}
	}
	a, err := s.CreateApp(ctx, s.Console(), a)
	s.Check(err)
	secret, err := s.NewClientSecret(ctx, s.Console(), a.ID)
	s.Check(err)
	at.id, at.secret = a.ID, secret.Reveal()
	trusted := s.Visitor()
	trusted.GivePassword(ada)
	trusted.Post("/sign-in/2fa", sallyporttest.Fields{"code": ada.Code(s.Clock.Now()), "trust": "yes"})
	trusted.Post("/sign-out", nil)
	s.Clock.Set(time.Now().Add(-45 * time.Second).Truncate(time.Second))
	c.start(t, at)

	j := &journey{Visitor: s.Visitor(), site: s, ada: &ada, app: newApp(t, nil, ""), at: at}
	j.signIn(t, c)
	j.again(t, c)
	s.Clock.Advance(30 * time.Second)
	(&journey{Visitor: trusted, site: s, ada: &ada, app: newApp(t, nil, ""), at: at}).stepUp(t, c)
	j.leave(t, c)
}

// signIn signs in with password and code.
func (j *journey) signIn(t *testing.T, c subject) {
	t.Helper()
	got := j.open(j.at.address + c.home)
	if got.status != http.StatusOK || !strings.Contains(got.body, j.ada.Address) || !strings.HasPrefix(got.address, j.at.address) {
		t.Fatalf("after signing in: %d %s: %.1000s", got.status, got.address, got.body)
	}
	if len(j.asked) != 1 || len(j.codes) != 1 {
		t.Errorf("asked for codes on %v, sent back with %v", j.asked, j.codes)
	}
}

// again uses both codes a second time: the one-time code, and the code of the reply.
func (j *journey) again(t *testing.T, c subject) {
	t.Helper()
	other := j.site.Visitor()
	other.GivePassword(*j.ada)
	if p := other.Post("/sign-in/2fa", sallyporttest.Fields{"code": j.ada.Code(j.site.Clock.Now())}); p.Status != http.StatusUnprocessableEntity || other.SignedIn() {
		t.Errorf("the one-time code again: %d", p.Status)
	}
	u, err := url.Parse(j.codes[0])
	j.site.Check(err)
	form := url.Values{"grant_type": {"authorization_code"}, "code": {u.Query().Get("code")}, "redirect_uri": {j.at.address + c.callback}}
	q, err := http.NewRequest(http.MethodPost, j.site.URL+"/oauth2/token", strings.NewReader(form.Encode()))
	j.site.Check(err)
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(j.at.id+":"+j.at.secret)))
	res, err := http.DefaultClient.Do(q)
	j.site.Check(err)
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "invalid_grant") {
		t.Errorf("the code again: %d %s", res.StatusCode, body)
	}
	stranger := &journey{Visitor: j.site.Visitor(), site: j.site, ada: j.ada, app: newApp(t, nil, ""), at: j.at}
	if got, next := stranger.visit(j.codes[0]); got.status < 400 && !strings.HasPrefix(next, j.site.URL+"/oauth2/authorize") {
		t.Errorf("the reply in another browser: %d %s", got.status, next)
	}
}

// stepUp signs in on a trusted device, where the password is enough, and opens what needs a second factor.
func (j *journey) stepUp(t *testing.T, c subject) {
	t.Helper()
	if c.stepUp != "" {
		got := j.open(j.at.address + c.home)
		if got.status != http.StatusOK || len(j.asked) != 0 {
			t.Fatalf("on a trusted device: %d %s, asked on %v: %.1000s", got.status, got.address, j.asked, got.body)
		}
	}
	got := j.open(j.at.address + c.stepUp)
	if got.status != http.StatusOK || !strings.HasPrefix(got.address, j.at.address) || fmt.Sprint(j.asked) != "[/step-up]" {
		t.Errorf("stepping up: %d %s, asked on %v: %.1000s", got.status, got.address, j.asked, got.body)
	}
}

// leave signs out of the client and of Sallyport.
func (j *journey) leave(t *testing.T, c subject) {
	t.Helper()
	if !j.SignedIn() {
		t.Fatal("the person is not signed in")
	}
	j.guest = true
	end := j.at.address + c.after
	if c.after == "" {
		end = j.site.URL + "/sign-in"
	}
	got := j.open(j.at.address + strings.ReplaceAll(c.signOut, "{address}", url.QueryEscape(j.at.address)))
	if got.status >= 400 || !strings.HasPrefix(got.address, end) {
		t.Errorf("after signing out: %d %s: %.1000s", got.status, got.address, got.body)
	}
	if j.SignedIn() {
		t.Error("the person is still signed in")
	}
}
