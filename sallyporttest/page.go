package sallyporttest

import (
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// Page is an answer of a Site, and what a browser would make of it.
type Page struct {
	Target   string // of the request
	Status   int
	Header   http.Header
	Cookies  []*http.Cookie // that the answer sets
	Location string         // path and query, for one of the same host; else the whole address
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

// find returns every element that fits, in the order of the page.
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

// Title is the title of the page.
func (p *Page) Title() string {
	return first(p.find(func(n *html.Node) bool { return n.Data == "title" }))
}

// Text is all that the page says, without its title, with one space for each run of white space.
func (p *Page) Text() string {
	return first(p.find(func(n *html.Node) bool { return n.Data == "body" }))
}

// Has reports whether the page says the text.
func (p *Page) Has(text string) bool { return strings.Contains(p.Text(), text) }

// Alert is what the page says went wrong; empty: nothing.
func (p *Page) Alert() string { return first(p.find(has("role", "alert"))) }

// Notice is what the page says was done; empty: nothing.
func (p *Page) Notice() string { return first(p.find(has("role", "status"))) }

// Data is the text of the first element that has the attribute, such as "data-set-up-code"; empty if there is none.
func (p *Page) Data(attribute string) string { return first(p.find(has(attribute, ""))) }

// Key is the key of an authenticator that is being set up, without its spaces; empty if the page shows none.
func (p *Page) Key() string { return strings.ReplaceAll(p.Data("data-key"), " ", "") }

// RecoveryCodes are those that the page shows.
func (p *Page) RecoveryCodes() (codes []string) {
	for _, n := range p.find(has("class", "recovery-code")) {
		codes = append(codes, textOf(n))
	}
	return codes
}

// Links are the addresses that the page leads to.
func (p *Page) Links() (to []string) {
	for _, n := range p.find(func(n *html.Node) bool { return n.Data == "a" }) {
		if href, ok := attr(n, "href"); ok {
			to = append(to, href)
		}
	}
	return to
}

// Form is a form of a page, with its fields as they stand: what a browser would send if nothing were typed.
type Form struct {
	Method string // "get" or "post"
	Action string // path and query
	Values url.Values
	Names  []string // of all fields, also of boxes that are not ticked
}

// Forms returns those of the page.
func (p *Page) Forms() (all []Form) {
	for _, n := range p.find(func(n *html.Node) bool { return n.Data == "form" }) {
		f := Form{Method: "get", Action: p.Target, Values: url.Values{}}
		if m, ok := attr(n, "method"); ok {
			f.Method = strings.ToLower(m)
		}
		if a, _ := attr(n, "action"); a != "" {
			f.Action = a
		}
		for c := range n.Descendants() {
			f.take(c)
		}
		all = append(all, f)
	}
	return all
}

// Form returns the first form that has a field of that name; the zero Form if there is none.
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

// chosen is the value of the option that is selected, or of the first.
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
