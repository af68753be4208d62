package sallyporttest

import (
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// Page is a response of a Site, parsed as a browser would parse it.
type Page struct {
	Target   string // of the request
	Status   int
	Header   http.Header
	Cookies  []*http.Cookie // set by the response
	Location string         // path and query if it is on the same host, otherwise the full URL
	Body     string

	root *html.Node
}

func newPage(target string, res *http.Response, body string) (*Page, error) {
	p := &Page{Target: target, Status: res.StatusCode, Header: res.Header, Cookies: res.Cookies(), Body: body}
	if to := res.Header.Get("Location"); to != "" {
		here := &url.URL{Scheme: res.Request.URL.Scheme, Host: res.Request.URL.Host, Path: target}
		there, err := here.Parse(to)
		if err != nil {
			return nil, err
		}
		p.Location = there.String()
		if there.Scheme == here.Scheme && there.Host == here.Host {
			p.Location = there.RequestURI()
		}
	}
	var err error
	p.root, err = html.Parse(strings.NewReader(body))
	return p, err
}

// find returns every matching element, in document order.
func (p *Page) find(fits func(*html.Node) bool) (all []*html.Node) {
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && fits(n) {
			all = append(all, n)
		}
	}
	return all
}

func attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func has(name, value string) func(*html.Node) bool {
	return func(n *html.Node) bool {
		v, ok := attr(n, name)
		return ok && (value == "" || v == value)
	}
}

func textOf(n *html.Node) string {
	var s strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			s.WriteString(c.Data)
		}
	}
	return strings.Join(strings.Fields(s.String()), " ")
}

func first(all []*html.Node) string {
	if len(all) == 0 {
		return ""
	}
	return textOf(all[0])
}

// Title returns the title of the page.
func (p *Page) Title() string {
	return first(p.find(func(n *html.Node) bool { return n.Data == "title" }))
}

// Text returns the text of the body, with one space for each run of white space.
func (p *Page) Text() string {
	return first(p.find(func(n *html.Node) bool { return n.Data == "body" }))
}

// Has reports whether the body contains the text.
func (p *Page) Has(text string) bool { return strings.Contains(p.Text(), text) }

// Alert returns the page's error message, or "" if there is none.
func (p *Page) Alert() string { return first(p.find(has("role", "alert"))) }

// Notice returns the page's success message, or "" if there is none.
func (p *Page) Notice() string { return first(p.find(has("role", "status"))) }

// Data returns the text of the first element with the attribute, such as "data-set-up-code", or "" if there is none.
func (p *Page) Data(attribute string) string { return first(p.find(has(attribute, ""))) }

// Key returns the secret of the authenticator that is being set up, without spaces, or "" if the page shows none.
func (p *Page) Key() string { return strings.ReplaceAll(p.Data("data-key"), " ", "") }

// RecoveryCodes returns the recovery codes that the page shows.
func (p *Page) RecoveryCodes() (codes []string) {
	for _, n := range p.find(has("class", "recovery-code")) {
		codes = append(codes, textOf(n))
	}
	return codes
}

// Disabled are the buttons and options that are disabled.
func (p *Page) Disabled() (all []string) {
	for _, n := range p.find(has("disabled", "")) {
		all = append(all, textOf(n))
	}
	return all
}

// Links returns the addresses of all links on the page.
func (p *Page) Links() (to []string) {
	for _, n := range p.find(func(n *html.Node) bool { return n.Data == "a" }) {
		if href, ok := attr(n, "href"); ok {
			to = append(to, href)
		}
	}
	return to
}

// LocationPath returns Location without the query.
func (p *Page) LocationPath() string {
	path, _, _ := strings.Cut(p.Location, "?")
	return path
}

// Form is a form of a page with its current values: what a browser sends if the user types nothing.
type Form struct {
	Method string // "get" or "post"
	Action string // path and query
	Values url.Values
	Names  []string // of all fields, including unticked checkboxes
}

// Forms returns all forms of the page.
func (p *Page) Forms() (all []Form) {
	for _, n := range p.find(func(n *html.Node) bool { return n.Data == "form" }) {
		f := Form{Method: "get", Action: p.Target, Values: url.Values{}}
		if m, ok := attr(n, "method"); ok {
			f.Method = strings.ToLower(m)
		}
		if a, _ := attr(n, "action"); a != "" {
			f.Action = a
		}
		id, _ := attr(n, "id")
		for c := range n.Descendants() {
			if of, named := attr(c, "form"); !named || of == id {
				f.take(c)
			}
		}
		for _, c := range p.find(has("form", id)) {
			if id != "" {
				f.take(c)
			}
		}
		all = append(all, f)
	}
	return all
}

// Form returns the first form that has a field with this name, or an empty form if there is none.
func (p *Page) Form(field string) Form {
	for _, f := range p.Forms() {
		for _, name := range f.Names {
			if name == field {
				return f
			}
		}
	}
	return Form{Action: p.Target, Values: url.Values{}}
}

// take adds what a browser would send for a field.
func (f *Form) take(n *html.Node) {
	name, ok := attr(n, "name")
	if n.Type != html.ElementNode || !ok {
		return
	}
	value, _ := attr(n, "value")
	kind, _ := attr(n, "type")
	switch n.Data {
	case "input":
		if kind == "checkbox" || kind == "radio" {
			if _, ticked := attr(n, "checked"); !ticked {
				f.Names = append(f.Names, name)
				return
			}
		}
	case "textarea":
		value = textOf(n)
	case "select":
		value = chosen(n)
	default:
		return
	}
	f.Names = append(f.Names, name)
	f.Values.Add(name, value)
}

// chosen returns the value of the selected option, or of the first one if none is selected.
func chosen(n *html.Node) string {
	value, found := "", false
	for o := range n.Descendants() {
		if o.Type != html.ElementNode || o.Data != "option" {
			continue
		}
		v, _ := attr(o, "value")
		if _, selected := attr(o, "selected"); selected || !found {
			value, found = v, true
		}
	}
	return value
}
