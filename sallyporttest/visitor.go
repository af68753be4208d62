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

// Visitor is an HTTP client that acts like a browser without scripts: it keeps cookies, sends the origin of a post, and
// submits forms as they are on the page. It follows no redirects by itself. Only one goroutine at a time may use a
// Visitor; Fork returns another one.
type Visitor struct {
	Page *Page // the latest response

	site   *Site
	base   *url.URL
	jar    *cookiejar.Jar
	client http.RoundTripper
	header http.Header // sent with every request
}

// Visitor returns a new Visitor at the first workspace.
func (s *Site) Visitor() *Visitor {
	s.T.Helper()
	jar, err := cookiejar.New(nil)
	s.Check(err)
	v := &Visitor{site: s, jar: jar, header: http.Header{
		"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"},
	}}
	return v.At(s.URL).Through(s)
}

// At switches to another workspace, with the cookies that the visitor has there.
func (v *Visitor) At(address string) *Visitor {
	v.site.T.Helper()
	base, err := url.Parse(address)
	v.site.Check(err)
	v.base = base
	return v
}

// Through sends later requests to another node.
func (v *Visitor) Through(node *Site) *Visitor {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, node.addr)
	}
	t := &http.Transport{DialContext: dial, DisableCompression: true, MaxIdleConnsPerHost: 8}
	v.site.T.Cleanup(t.CloseIdleConnections)
	v.site, v.client = node, t
	return v
}

// From sends later requests from another IP address, as reported by a trusted proxy. The default is 127.0.0.1.
func (v *Visitor) From(address string) *Visitor {
	v.header.Set("X-Forwarded-For", address)
	return v
}

// Fork returns a Visitor with a copy of the cookies: a thief's copy, or a second tab whose responses overlap with those
// of the first.
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

// Cookies returns the cookies that the visitor sends to its workspace, by their names in the code.
func (v *Visitor) Cookies() map[string]string {
	all := map[string]string{}
	for _, c := range v.jar.Cookies(v.root()) {
		all[v.site.codeName(c.Name)] = c.Value
	}
	return all
}

// SetCookie sets a cookie by its name in the code. An empty value removes it.
func (v *Visitor) SetCookie(name, value string) {
	c := &http.Cookie{Name: v.site.CookieName(name), Value: value, Path: "/"}
	if value == "" {
		c.MaxAge = -1
	}
	v.jar.SetCookies(v.root(), []*http.Cookie{c})
}

// Request is sent unchanged, except that the visitor's User-Agent, address and cookies are added.
type Request struct {
	Method string
	Target string      // path and query, sent unchanged
	Host   string      // empty means the workspace's
	Header http.Header // a Cookie header replaces the visitor's cookies
	Body   string
	Long   int64 // Content-Length if it is not the length of Body
}

// Send sends a request and keeps the response's cookies. It fails the test if the connection fails.
func (v *Visitor) Send(r Request) *Page {
	v.site.T.Helper()
	p, err := v.TrySend(context.Background(), r)
	if err != nil {
		v.site.T.Fatalf("%s %s: %v", r.Method, r.Target, err)
	}
	return p
}

// TrySend is like Send for requests that may fail or be cancelled.
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

// Get opens a page as if the user had typed its address.
func (v *Visitor) Get(path string) *Page {
	v.site.T.Helper()
	return v.Send(Request{Method: http.MethodGet, Target: path, Header: http.Header{
		"Sec-Fetch-Site": {"none"}, "Sec-Fetch-Mode": {"navigate"},
	}})
}

// PostHeader returns the header that a browser sends with a form of the workspace's own page.
func (v *Visitor) PostHeader() http.Header {
	return http.Header{
		"Origin": {v.base.Scheme + "://" + v.base.Host}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"navigate"},
		"Content-Type": {"application/x-www-form-urlencoded"},
	}
}

// Fields are the fields of a form, each once.
type Fields map[string]string

// Post submits a form from a page of the workspace.
func (v *Visitor) Post(path string, f Fields) *Page {
	v.site.T.Helper()
	values := url.Values{}
	for name, value := range f {
		values.Set(name, value)
	}
	return v.PostValues(path, values)
}

// PostValues is like Post, for fields that occur more than once.
func (v *Visitor) PostValues(path string, values url.Values) *Page {
	v.site.T.Helper()
	return v.Send(Request{Method: http.MethodPost, Target: path, Header: v.PostHeader(), Body: values.Encode()})
}

// Edit opens a page and submits its form with some fields changed. All of them must be fields of the same form.
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

// Follow follows redirects from the latest response until it reaches a page.
func (v *Visitor) Follow() *Page {
	v.site.T.Helper()
	for range 10 {
		if v.Page.Location == "" {
			return v.Page
		}
		v.Get(v.Page.Location)
	}
	v.site.T.Fatalf("too many redirects: %s", v.Page.Target)
	return nil
}

// SignedIn asks the server whether the visitor has a valid session.
func (v *Visitor) SignedIn() bool {
	v.site.T.Helper()
	page := v.Page
	defer func() { v.Page = page }()
	switch status := v.Get("/session").Status; status {
	case http.StatusOK, http.StatusForbidden: // forbidden: the user must set up two-factor authentication first
		return true
	case http.StatusUnauthorized:
		return false
	default:
		v.site.T.Fatalf("GET /session: %d", status)
		return false
	}
}

// GivePassword submits the person's password and returns the response.
func (v *Visitor) GivePassword(p Person) *Page {
	v.site.T.Helper()
	return v.Post("/sign-in", Fields{"email": p.Address, "password": p.Password})
}

// SignIn signs the person in, with the current code if there is an authenticator. It fails the test if this does not
// lead to a session. Advance the clock by a minute between two sign-ins of the same person.
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

// Enrol signs the person in, unless the visitor is signed in, and sets up an authenticator with this name on the pages.
// It advances the clock by a minute, so that the next code is a new one.
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
		v.site.T.Fatalf("there is no key on the page %s: %d %s", v.Page.Target, v.Page.Status, v.Page.Alert())
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
