package sallyporttest

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/otp"
)

// Visitor is an HTTP client that behaves as a browser without scripts does: it keeps cookies, names the origin of a
// post, and sends forms as they stand on the page. It follows no redirect by itself. It may be used by one goroutine
// at a time; a Fork is another browser.
type Visitor struct {
	Page *Page // the newest answer

	site   *Site
	base   *url.URL
	jar    *cookiejar.Jar
	client http.RoundTripper
	header http.Header // of every request
}

// Visitor returns a new browser at the first workspace.
func (s *Site) Visitor() *Visitor {
	s.T.Helper()
	jar, err := cookiejar.New(nil)
	s.Check(err)
	v := &Visitor{site: s, jar: jar, header: http.Header{
		"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"},
	}}
	return v.At(s.URL).Through(s)
}

// At goes to another workspace, with the cookies the browser has there.
func (v *Visitor) At(address string) *Visitor {
	v.site.T.Helper()
	base, err := url.Parse(address)
	v.site.Check(err)
	v.base = base
	return v
}

// Through sends what follows to another node.
func (v *Visitor) Through(node *Site) *Visitor {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, node.addr)
	}
	t := &http.Transport{DialContext: dial, DisableCompression: true, MaxIdleConnsPerHost: 8}
	v.site.T.Cleanup(t.CloseIdleConnections)
	v.site, v.client = node, t
	return v
}

// From sends what follows from another IP address, as a trusted proxy reports it. Without it that is 127.0.0.1.
func (v *Visitor) From(address string) *Visitor {
	v.header.Set("X-Forwarded-For", address)
	return v
}

// Fork is a browser with the same cookies, which from here on changes them for itself: a thief's copy, or a second tab
// whose answers cross with the first one's.
func (v *Visitor) Fork() *Visitor {
	v.site.T.Helper()
	f := *v
	var err error
	f.jar, err = cookiejar.New(nil)
	v.site.Check(err)
	f.header = v.header.Clone()
	f.jar.SetCookies(f.root(), v.jar.Cookies(v.root()))
	return &f
}

func (v *Visitor) root() *url.URL { return v.base.JoinPath("/") }

// Cookies returns those the browser sends to the workspace it is at, by the names that code uses.
func (v *Visitor) Cookies() map[string]string {
	all := map[string]string{}
	for _, c := range v.jar.Cookies(v.root()) {
		all[v.site.codeName(c.Name)] = c.Value
	}
	return all
}

// SetCookie plants a cookie, by the name that code uses; an empty value removes it.
func (v *Visitor) SetCookie(name, value string) {
	c := &http.Cookie{Name: v.site.CookieName(name), Value: value, Path: "/"}
	if value == "" {
		c.MaxAge = -1
	}
	v.jar.SetCookies(v.root(), []*http.Cookie{c})
}

// Request is one request as it stands: nothing is added to it but the browser's User-Agent, address and cookies.
type Request struct {
	Method string
	Target string      // path and query, sent as they are
	Host   string      // empty: the workspace's
	Header http.Header // with a Cookie header, the browser's cookies stay at home
	Body   string
	Long   int64 // Content-Length, where it is not Body's
}

// Send sends a request and keeps the cookies of the answer. A connection that breaks fails the test.
func (v *Visitor) Send(r Request) *Page {
	v.site.T.Helper()
	p, err := v.TrySend(context.Background(), r)
	if err != nil {
		v.site.T.Fatalf("%s %s: %v", r.Method, r.Target, err)
	}
	return p
}

// TrySend is Send for whoever expects it to fail, or cancels it midway.
func (v *Visitor) TrySend(ctx context.Context, r Request) (*Page, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	address := &url.URL{Scheme: v.base.Scheme, Host: v.base.Host, Opaque: r.Target}
	req := (&http.Request{Method: r.Method, URL: address, Host: r.Host, Header: v.header.Clone()}).WithContext(ctx)
	maps.Copy(req.Header, r.Header)
	if r.Body != "" {
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(r.Body)), int64(len(r.Body))
	}
	if r.Long != 0 {
		req.ContentLength = r.Long
	}
	if req.Header.Get("Cookie") == "" {
		for _, c := range v.jar.Cookies(v.root()) {
			req.AddCookie(c)
		}
	}
	res, err := v.client.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	v.jar.SetCookies(v.root(), res.Cookies())
	v.Page, err = newPage(r.Target, res, string(body))
	if err == nil {
		for _, c := range v.Page.Cookies {
			c.Name = v.site.codeName(c.Name)
		}
	}
	return v.Page, err
}

// Get opens a page, as somebody does who types its address.
func (v *Visitor) Get(path string) *Page {
	v.site.T.Helper()
	return v.Send(Request{Method: http.MethodGet, Target: path, Header: http.Header{
		"Sec-Fetch-Site": {"none"}, "Sec-Fetch-Mode": {"navigate"},
	}})
}

// PostHeader is what a browser says with the form of a page of the workspace's own.
func (v *Visitor) PostHeader() http.Header {
	return http.Header{
		"Origin": {v.base.Scheme + "://" + v.base.Host}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"navigate"},
		"Content-Type": {"application/x-www-form-urlencoded"},
	}
}

// Fields are those of a form, each once.
type Fields map[string]string

// Post sends a form from a page of the workspace's own.
func (v *Visitor) Post(path string, f Fields) *Page {
	v.site.T.Helper()
	values := url.Values{}
	for name, value := range f {
		values.Set(name, value)
	}
	return v.PostValues(path, values)
}

// PostValues is Post for names that repeat.
func (v *Visitor) PostValues(path string, values url.Values) *Page {
	v.site.T.Helper()
	return v.Send(Request{Method: http.MethodPost, Target: path, Header: v.PostHeader(), Body: values.Encode()})
}

// Edit opens a page and sends its form with some fields changed. All of them must be fields of that form.
func (v *Visitor) Edit(path string, changes Fields) *Page {
	v.site.T.Helper()
	page := v.Get(path)
	for name := range changes {
		f := page.Form(name)
		for name, value := range changes {
			f.Values.Set(name, value)
		}
		return v.PostValues(f.Action, f.Values)
	}
	v.site.T.Fatal("nothing is changed")
	return nil
}

// Follow goes where the newest answer leads, and on, until it comes to a page.
func (v *Visitor) Follow() *Page {
	v.site.T.Helper()
	for range 10 {
		if v.Page.Location == "" {
			return v.Page
		}
		v.Get(v.Page.Location)
	}
	v.site.T.Fatalf("redirects do not end: %s", v.Page.Target)
	return nil
}

// SignedIn reports whether the browser holds a living session, as the server sees it.
func (v *Visitor) SignedIn() bool {
	v.site.T.Helper()
	page := v.Page
	defer func() { v.Page = page }()
	switch status := v.Get("/session").Status; status {
	case http.StatusOK, http.StatusForbidden: // the latter must set up first
		return true
	case http.StatusUnauthorized:
		return false
	default:
		v.site.T.Fatalf("GET /session: %d", status)
		return false
	}
}

// GivePassword signs in as far as the password takes the person, and returns the answer to it.
func (v *Visitor) GivePassword(p Person) *Page {
	v.site.T.Helper()
	return v.Post("/sign-in", Fields{"email": p.Address, "password": p.Password})
}

// SignIn signs the person in, with the code that shows now where there is an authenticator. It fails the test when
// there is no session at the end: turn the clock by a minute between two sign-ins of one person.
func (v *Visitor) SignIn(p Person) {
	v.site.T.Helper()
	if v.GivePassword(p).Location == "/sign-in/2fa" {
		v.Post("/sign-in/2fa", Fields{"code": p.Code(v.site.Clock.Now())})
	}
	if !v.SignedIn() {
		v.site.T.Fatalf("%s is not signed in: %d %s", p.Address, v.Page.Status, v.Page.Alert())
	}
	v.Follow()
}

// Enrol signs the person in, unless the browser is signed in already, and sets up an authenticator of that name over
// the pages. The clock goes on by a minute, so that its next code is a new one.
func (v *Visitor) Enrol(p *Person, name string) {
	v.site.T.Helper()
	at := "/account/2fa/set-up"
	if !v.SignedIn() && v.GivePassword(*p).Location == "/sign-in/set-up" {
		at = "/sign-in/set-up"
	}
	v.Post(at, Fields{"name": name})
	var err error
	p.Secret, err = otp.DecodeSecret(v.Follow().Key())
	if err != nil {
		v.site.T.Fatalf("no key on the page %s: %d %s", v.Page.Target, v.Page.Status, v.Page.Alert())
	}
	v.Post(at, Fields{"code": p.Code(v.site.Clock.Now())})
	v.Follow()
	if codes := v.Page.RecoveryCodes(); len(codes) > 0 {
		p.RecoveryCodes = codes
		f := v.Page.Form("saved")
		f.Values.Set("saved", "yes")
		v.PostValues(f.Action, f.Values)
		v.Follow()
	}
	if !v.SignedIn() {
		v.site.T.Fatalf("%s is not signed in after set-up: %d %s", p.Address, v.Page.Status, v.Page.Alert())
	}
	p.TwoFactor = true
	v.site.Clock.Advance(time.Minute)
}
