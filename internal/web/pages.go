package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
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

// pages renders pages. Every page is a template in pages/, executed with its own data. Its output is placed between the
// top and the bottom of layout.html.
type pages struct {
	lang      *text.Lang
	log       *slog.Logger
	edge      *edge.Edge
	frame     func(*http.Request) frame // what the layout shows around a page
	templates *template.Template
	made      sync.Map // by part
}

// newPages parses all templates, so that an invalid one is an error at the start. lang is [text.English] except in
// tests.
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

// say replaces the texts without values in a template's source. Looking them up again in every row would take most of
// the time of a list. It leaves texts that contain special characters of HTML, because only the template knows how to
// escape them in their place.
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
	Wide     bool // for tables and settings; otherwise one narrow card
	OneField bool // the form has one field, which has the focus even if it is wrong
	Errors   []fieldError
	Notice   text.Message // what was just done; render sets it after a redirect by done
	UsesKeys bool         // a script of the page uses passkeys
	Refresh  int          // after how many seconds the page loads again without scripts; 0: never
	LeadsTo  []string     // origins of apps to which this page's form may redirect
}

func (p *page) base() *page { return p }

// Scripts returns the scripts of the page, besides the one that all pages have.
func (p *page) Scripts() (all []string) {
	if p.UsesKeys {
		all = append(all, "passkey.js")
	}
	if p.Refresh > 0 || slices.ContainsFunc(p.Banners, func(b banner) bool { return b.Wait != "" }) {
		all = append(all, "wait.js")
	}
	return all
}

// Again returns the element that loads the page again where no script does.
func (p *page) Again() template.HTML {
	if p.Refresh == 0 {
		return ""
	}
	return template.HTML(`<noscript><meta http-equiv="refresh" content="` + strconv.Itoa(p.Refresh) + `"></noscript>`)
}

// Summary returns the errors for the list above the form. A form with one field has none: its error is at the field.
func (p *page) Summary() []fieldError {
	if p.OneField && len(p.Errors) == 1 && p.Errors[0].Field != "" && !slices.Contains([]string{"credential", "approval"}, p.Errors[0].Field) { // which have no message beside them
		return nil
	}
	return p.Errors
}

// frame is what surrounds a page. It is the same for all pages of one request.
type frame struct {
	NoMail     bool   // no mail server is set up
	Lift       string // address of the page about the restrictions of this session; empty: it has none
	Brand      string // "" if the workspace is not known
	BrandStyle string // address of the brand's own style sheet, or ""
	Person     *person
	Nav        []link
	Banners    []banner
	ToApp      []string // origin of the app to which the page leads in the end
}

// person is the user who is signed in.
type person struct{ Name, Email string }

// Initials returns one or two letters for the avatar.
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

// link is a link to another of our pages. Current marks the current page, or the part that contains it.
type link struct {
	Href    string
	Text    text.Message
	Current bool
	Denied  bool // not allowed in a session that began with a recovery code
}

// pager has the links between the pages of a long list. Either address may be empty.
type pager struct {
	Newer, Older string
	Sorted       bool // not by time, so the links are called previous and next
}

// banner is shown above pages until its reason is gone. Href and Action are empty if there is nothing to do.
type banner struct {
	Kind   string // "info", "warn" or "danger"
	Text   text.Message
	Href   string
	Action text.Message
	ID     string // of its element, for elements that it explains; may be empty
	Wait   string // hidden until a request to this address says otherwise; empty: it is shown
}

// fieldError is an error in a form. Field is the name of the form field, or "" for the whole form.
type fieldError struct {
	Field string
	Text  text.Message
}

// buffers are reused for rendering pages. A list has 60 kB, and a buffer that grew that far would leave as much garbage
// at each doubling.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// render responds with a page. It writes nothing before the page is complete, so that an error it returns can still be
// answered properly.
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
	h.Set("Content-Security-Policy", contentSecurityPolicy(slices.Concat(base.LeadsTo, base.ToApp)))
	w.WriteHeader(status)
	_, err := w.Write(whole.Bytes())
	if err != nil {
		p.log.Debug("browser went away", "request", edge.From(r.Context()).ID)
	}
	return nil
}

// head returns the text of the title element.
func (p *pages) head(base *page) string {
	title := base.Title
	if len(base.Errors) > 0 {
		title = text.Say("Error: {title}", "title", title)
	}
	return p.lang.Text(text.Say("{title} – {brand}", "title", title, "brand", base.BrandName()))
}

// BrandName returns the brand, or our own name if the workspace is not known.
func (f frame) BrandName() string {
	if f.Brand == "" {
		return "Sallyport"
	}
	return f.Brand
}

// contentSecurityPolicy allows our own styles, scripts and images. Browsers also apply form-action to the redirects
// that follow a post, so a page whose form leads to an app allows the app's origin.
func contentSecurityPolicy(leadsTo []string) string {
	forms := strings.Join(append([]string{"'self'"}, leadsTo...), " ")
	return "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action " + forms + "; frame-ancestors 'none'; base-uri 'none'"
}

// funcs are the functions that templates have besides the standard ones and those of the catalogue.
func (p *pages) funcs() template.FuncMap {
	words := p.lang.Funcs()
	words["time"] = p.time
	words["date"] = p.date
	words["moment"] = p.shortTime
	words["static"] = StaticAddress
	words["field"] = p.newField
	return words
}

// part executes a template for a value once, and caches the result. It is for parts that many rows of lists share. The
// value must come from a small set, so never a name or anything else that people type.
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
		panic(err) // the template is wrong
	}
	part := template.HTML(b.String())
	p.made.Store(key{name, value}, part)
	return part
}

func (p *pages) time(t time.Time) template.HTML {
	return timeElement(t, p.lang.Time(t.UTC()), true)
}

// shortTime returns a short form of a time for a table. Browsers show all of it, with the time zone, on hover.
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

// timeElement returns a time element. A script converts exact times to the browser's time zone.
func timeElement(t time.Time, shown string, exact bool) template.HTML {
	local := ""
	if exact {
		local = " data-local"
	}
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339) + `"` + local + `>` +
		template.HTMLEscapeString(shown) + `</time>`)
}
