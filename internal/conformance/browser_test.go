package conformance_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// browser is a person's browser without scripts. It stops where it would leave the provider.
type browser struct {
	*run
	jar    http.CookieJar
	proofs int  // how often the person gave a secret
	pages  int  // how many pages they saw
	guest  bool // they do not want to sign in
}

func (r *run) browser() *browser {
	jar, err := cookiejar.New(nil)
	r.check(err)
	return &browser{run: r, jar: jar}
}

// page is a page that a person sees.
type page struct {
	*url.URL
	status int
	forms  []*form
	text   string
}

// form is a form as the page has it, with its hidden fields and buttons.
type form struct {
	action *url.URL
	post   bool
	values url.Values
	fields map[string]string // names of all fields, and their types
	proof  bool              // the person has given a secret in it
}

// reply is what a client gets through the browser, or the page at which the person is stuck.
type reply struct {
	url.Values
	to     string // address of the client, without what was added to its query
	posted bool
	page   *page
}

// at reports whether the reply went to an address.
func (a reply) at(address string) bool { return a.to == address }

// open goes to an address, and lets the person do what pages ask for, until the browser leaves the provider.
func (b *browser) open(address string) reply { return b.travel(http.MethodGet, address, nil) }

func (b *browser) travel(method, address string, values url.Values) reply {
	from := "https://rp.example.com"
	for range 30 {
		here, err := url.Parse(address)
		b.check(err)
		if out, gone := leaves(address); gone {
			if method == http.MethodPost {
				out.Values, out.posted = values, true
			}
			return out
		}
		p, next := b.send(method, here, values, from)
		from = b.Issuer
		if next != "" {
			method, address, values = http.MethodGet, next, nil
			continue
		}
		f := p.leading()
		if f == nil {
			b.pages++
			filled, ok := b.Fill(p)
			if !ok || filled.proof && b.guest {
				return reply{page: p}
			}
			if f = filled; f.proof {
				b.proofs++
			}
		}
		method, address, values = http.MethodPost, f.action.String(), f.values
		if !f.post {
			f.action.RawQuery = f.values.Encode()
			method, address, values = http.MethodGet, f.action.String(), nil
		}
	}
	b.fatalf("the browser is sent in circles: %s", address)
	return reply{}
}

// leaves returns the reply that an address of a client means.
func leaves(address string) (reply, bool) {
	for _, own := range []string{queryURI, redirectURI, postLogoutURI} {
		rest, ok := strings.CutPrefix(address, own)
		if !ok || rest != "" && rest[0] != '?' && rest[0] != '&' {
			continue
		}
		q, _ := url.ParseQuery(strings.TrimLeft(rest, "?&"))
		return reply{Values: q, to: own}, true
	}
	return reply{to: address}, !strings.HasPrefix(address, "http://localhost:") && !strings.HasPrefix(address, "http://127.0.0.1:")
}

// send sends one request, and returns a page or where it leads. A cross-site post carries no cookies, because those of
// the provider are lax.
func (b *browser) send(method string, to *url.URL, values url.Values, from string) (*page, string) {
	q, err := http.NewRequest(method, to.String(), strings.NewReader(values.Encode()))
	b.check(err)
	q.Header.Set("Accept", "text/html,application/xhtml+xml")
	q.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0")
	q.Header.Set("Sec-Fetch-Mode", "navigate")
	q.Header.Set("Sec-Fetch-Dest", "document")
	q.Header.Set("Sec-Fetch-Site", map[bool]string{true: "same-origin", false: "cross-site"}[from == b.Issuer])
	if method == http.MethodPost {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		q.Header.Set("Origin", from)
	}
	if method == http.MethodGet || from == b.Issuer {
		for _, c := range b.jar.Cookies(to) {
			q.AddCookie(c)
		}
	}
	res, err := b.http.Do(q)
	b.check(err)
	defer res.Body.Close()
	b.jar.SetCookies(to, res.Cookies())
	if next := res.Header.Get("Location"); next != "" && res.StatusCode >= 300 && res.StatusCode < 400 {
		there, err := to.Parse(next)
		b.check(err)
		return nil, there.String()
	}
	body, err := io.ReadAll(res.Body)
	b.check(err)
	p := &page{URL: to, status: res.StatusCode, text: string(body)}
	root, err := html.Parse(strings.NewReader(p.text))
	b.check(err)
	p.read(root)
	return p, ""
}

// leading returns the form that leads to a client, as a script submits it.
func (p *page) leading() *form {
	for _, f := range p.forms {
		if _, gone := leaves(f.action.String()); gone && f.post {
			return f
		}
	}
	return nil
}

// read adds the forms of a document. A button may belong to a form by its id.
func (p *page) read(root *html.Node) {
	byID := map[string]*form{}
	var current *form
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		outer := current
		if n.Type == html.ElementNode && n.Data == "form" {
			to, err := p.Parse(attr(n, "action"))
			if err != nil {
				to = p.URL
			}
			current = &form{action: to, post: strings.EqualFold(attr(n, "method"), "post"), values: url.Values{}, fields: map[string]string{}}
			p.forms = append(p.forms, current)
			byID[attr(n, "id")] = current
		}
		if f := current; n.Type == html.ElementNode && (n.Data == "input" || n.Data == "button") && attr(n, "name") != "" {
			if id := attr(n, "form"); id != "" && byID[id] != nil {
				f = byID[id]
			}
			if f != nil {
				f.take(n)
			}
		}
		for c := range n.ChildNodes() {
			walk(c)
		}
		current = outer
	}
	walk(root)
}

// take adds a field. Of several buttons with the same name, the person would press the first.
func (f *form) take(n *html.Node) {
	name, kind := attr(n, "name"), attr(n, "type")
	if _, known := f.fields[name]; known && n.Data == "button" {
		return
	}
	f.fields[name] = kind
	if n.Data == "button" || kind == "hidden" || kind == "text" || kind == "email" || kind == "" {
		f.values.Set(name, attr(n, "value"))
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
