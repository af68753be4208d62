package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

//go:embed pages/*.html
var pageFiles embed.FS

// pages renders. Every page is a file in pages/, executed with its own data; what it gives stands between the top and
// the bottom of layout.html.
type pages struct {
	lang      *text.Lang
	log       *slog.Logger
	edge      *edge.Edge
	frame     func(*http.Request) frame // what the layout shows around a page
	templates *template.Template
	made      sync.Map // by part
}

// newPages parses all templates; a broken one is a fault at the start. Lang is [text.English], but in tests.
func newPages(e *edge.Edge, log *slog.Logger, lang *text.Lang, f func(*http.Request) frame) (*pages, error) {
	p := &pages{lang: lang, log: log, edge: e, frame: f, templates: template.New("")}
	p.templates.Funcs(p.funcs())
	files, err := pageFiles.ReadDir("pages")
	for _, file := range files {
		page, err := pageFiles.ReadFile("pages/" + file.Name())
		if err != nil {
			return nil, err
		}
		if _, err = p.templates.New(file.Name()).Parse(p.say(string(page))); err != nil {
			return nil, err
		}
	}
	return p, err
}

// fixedText is a text without values in the source of a template.
var fixedText = regexp.MustCompile(`{{t "([^"\\]+)"}}`)

// say puts the texts without values in their places, once and for all: said again in every row, they were most of what a
// list took. One that has a character with a meaning in HTML is left for the template to escape, which knows where it stands.
func (p *pages) say(source string) string {
	return fixedText.ReplaceAllStringFunc(source, func(action string) string {
		said := string(p.lang.HTML(text.Say(text.Key(fixedText.FindStringSubmatch(action)[1]))))
		if strings.ContainsAny(said, "<>&'\"`+={}\x00") {
			return action
		}
		return said
	})
}

// view is the data of a page: a struct that embeds page.
type view interface{ base() *page }

// page is what the data of every page has.
type page struct {
	frame    // set by render
	Title    text.Message
	Wide     bool // tables and settings; else one narrow card
	OneField bool // the form has one field, which keeps the focus when it is wrong
	Errors   []fieldError
	Notice   text.Message // what was just done; render sets it after a redirect by done
	LeadsTo  []string     // origins of apps at which this page's form may end
}

func (p *page) base() *page { return p }

// Summary is what is wrong, as a list above the form. A form of one field needs none: the field says it.
func (p *page) Summary() []fieldError {
	if p.OneField && len(p.Errors) == 1 && p.Errors[0].Field != "" {
		return nil
	}
	return p.Errors
}

// frame is what stands around a page. It is the same for all pages of one request.
type frame struct {
	NoMail     bool   // no mail server is set up
	Lift       string // where a session that began with a recovery code is told what it may not do; empty: no such session
	Brand      string // "" where no workspace is known
	BrandStyle string // address of a style sheet of the brand's own, or ""
	Person     *person
	Nav        []link
	Banners    []banner
}

// person is who is signed in.
type person struct{ Name, Email string }

// Initials are one or two letters for the avatar.
func (p person) Initials() string {
	words := strings.FieldsFunc(p.Name, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	if len(words) == 0 {
		words = []string{p.Email}
	}
	initials := firstLetter(words[0])
	if len(words) > 1 {
		initials += firstLetter(words[len(words)-1])
	}
	return initials
}

func firstLetter(s string) string {
	c, _ := utf8.DecodeRuneInString(s)
	if c == utf8.RuneError {
		return ""
	}
	return string(unicode.ToUpper(c))
}

// link leads to another page of ours. Current marks the page itself, or the part that it is in.
type link struct {
	Href    string
	Text    text.Message
	Current bool
	Denied  bool // in a session that began with a recovery code
}

// pager leads through a list that is longer than a page. Either address may be empty.
type pager struct {
	Newer, Older string
	Sorted       bool // not by time: they are called previous and next
}

// banner stands above a page until its reason is gone. Href and Action are empty where there is nothing to do.
type banner struct {
	Kind   string // "info", "warn" or "danger"
	Text   text.Message
	Href   string
	Action text.Message
	ID     string // of its element, for what it is the reason of; may be empty
}

// fieldError is something wrong with what was sent. Field is the name of the form field, or "" for the whole form.
type fieldError struct {
	Field string
	Text  text.Message
}

// buffers are those in which pages are put together: a list has 60 kB, and a buffer that grows there leaves as much again
// behind at every doubling.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// render answers with a page. It writes nothing before the page is whole: an error it returns is a fault that can
// still be answered cleanly.
func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, name string, v view) error {
	base := v.base()
	base.frame = p.frame(r)
	if base.Notice.IsZero() {
		base.Notice = p.takeNotice(w, r)
	}
	layout := struct {
		*page
		Lang, Dir, Head string
	}{base, p.lang.Tag, p.lang.Dir, p.head(base)}
	whole := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(whole)
	whole.Reset()
	for _, part := range []struct {
		template string
		data     any
	}{{"top", layout}, {name + ".html", v}, {"bottom", layout}} {
		if err := p.templates.ExecuteTemplate(whole, part.template, part.data); err != nil {
			return fmt.Errorf("page %s, %s: %w", name, part.template, err)
		}
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(whole.Len()))
	h.Set("Content-Security-Policy", contentSecurityPolicy(base.LeadsTo))
	w.WriteHeader(status)
	_, err := w.Write(whole.Bytes())
	if err != nil {
		p.log.Debug("browser went away", "request", edge.From(r.Context()).ID)
	}
	return nil
}

// head is the text of the title element.
func (p *pages) head(base *page) string {
	title := base.Title
	if len(base.Errors) > 0 {
		title = text.Say("Error: {title}", "title", title)
	}
	return p.lang.Text(text.Say("{title} – {brand}", "title", title, "brand", base.BrandName()))
}

// BrandName is the brand, or our own name where no workspace is known.
func (f frame) BrandName() string {
	if f.Brand == "" {
		return "Sallyport"
	}
	return f.Brand
}

// contentSecurityPolicy allows our own style, script and pictures. Browsers hold form-action also against the redirects
// that follow a post, so a page whose form leads on to an app names the app's origin.
func contentSecurityPolicy(leadsTo []string) string {
	forms := strings.Join(append([]string{"'self'"}, leadsTo...), " ")
	return "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action " + forms + "; frame-ancestors 'none'; base-uri 'none'"
}

// funcs are the words templates have beside the standard ones and those of the catalogue.
func (p *pages) funcs() template.FuncMap {
	words := p.lang.Funcs()
	words["time"] = p.time
	words["date"] = p.date
	words["static"] = StaticAddress
	words["field"] = p.newField
	return words
}

// part is a template filled in for a value, once, and kept: for what many rows of lists have alike. There are only so many
// such values: no name, and nothing else that somebody types, is among them.
func (p *pages) part(name string, value any) template.HTML {
	type key struct {
		name  string
		value any
	}
	if made, known := p.made.Load(key{name, value}); known {
		return made.(template.HTML)
	}
	var b strings.Builder
	if err := p.templates.ExecuteTemplate(&b, name, value); err != nil {
		panic(err) // as a page would fail whose template is wrong
	}
	part := template.HTML(b.String())
	p.made.Store(key{name, value}, part)
	return part
}

func (p *pages) time(t time.Time) template.HTML {
	return timeElement(t, p.lang.Time(t.UTC()), true)
}

// shortTime is a moment on one line of a table; a browser shows the whole of it, with the zone, on hover.
func (p *pages) shortTime(t time.Time) template.HTML {
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `" data-local="short" title="` +
		template.HTMLEscapeString(p.lang.Time(t)) + `">` + template.HTMLEscapeString(p.lang.ShortTime(t)) + `</time>`)
}

func (p *pages) shortDate(t time.Time) template.HTML {
	return timeElement(t, p.lang.ShortDate(t.UTC()), false)
}

func (p *pages) date(t time.Time) template.HTML {
	return timeElement(t, p.lang.Date(t.UTC()), false)
}

// timeElement marks up a moment. A script turns exact ones into the browser's own zone.
func timeElement(t time.Time, shown string, exact bool) template.HTML {
	local := ""
	if exact {
		local = " data-local"
	}
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339) + `"` + local + `>` +
		template.HTMLEscapeString(shown) + `</time>`)
}
