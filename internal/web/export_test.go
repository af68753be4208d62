package web

import (
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Kit is the basis of all pages, with some pages for tests.
type Kit struct {
	Edge  *edge.Edge
	Lang  *text.Lang
	Log   io.Writer
	Calls int // posts that were not refused
	pages *pages
}

type kitPage struct {
	page
	Value   string
	Codes   []string
	Options []option
	QR      template.HTML
	At      time.Time
	Tabs    []link
	Pager   pager
}

// NewKit returns a Kit for a configured URL, which may differ from where the server really runs.
func NewKit(address string, proxies []netip.Prefix, lang *text.Lang, log io.Writer) (*Kit, error) {
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	e, err := edge.New(address, proxies, logger)
	if err != nil {
		return nil, err
	}
	k := &Kit{Edge: e, Lang: lang}
	k.pages, err = newPages(e, logger, lang, func(r *http.Request) frame {
		f := frame{Brand: "Globex <Corp>"}
		if r.URL.Query().Has("wide") {
			f.Person = &person{Name: "Ada Lovelace", Email: "ada@example.com"}
			f.Nav = []link{{Href: "/admin", Text: text.Say("Overview"), Current: false}, {Href: "/admin/users", Text: text.Say("Users"), Current: true}, {Href: "/admin/audit", Text: text.Say("Audit log"), Current: false}}
			f.Banners = []banner{{Kind: "warn", Text: text.Say("Two-factor authentication is required from {date}.", "date", "1 December 2026"), Href: "/account/2fa/set-up", Action: text.Say("Enable")}}
		}
		return f
	})
	if err != nil {
		return nil, err
	}
	_, err = k.pages.templates.ParseFS(os.DirFS("testdata"), "*.html")
	return k, err
}

// Handler returns the kit behind its edge.
func (k *Kit) Handler() http.Handler {
	p, mux := k.pages, http.NewServeMux()
	mux.Handle("GET /static/{file}", p.serve(serveStatic))
	mux.Handle("GET /page/{name}", p.serve(k.show))
	mux.Handle("POST /page/{name}", p.serve(func(w http.ResponseWriter, r *http.Request) error {
		k.Calls++
		f, err := readForm(w, r, "scope")
		if err != nil {
			return err
		}
		if f.Ticked("echo") {
			_, err = fmt.Fprint(w, f.All("scope"))
			return err
		}
		if f.Get("email") == "" {
			return k.show(w, r)
		}
		return p.done(w, r, "/page/sign_in", "saved")
	}))
	mux.Handle("GET /confirm", p.serve(func(w http.ResponseWriter, r *http.Request) error {
		return p.render(w, r, http.StatusOK, "confirm", &confirmPage{page: page{Title: text.Say("Disable two-factor authentication?")},
			Question: text.Say("Your account will be protected by your password alone."), AskReason: true, Danger: true,
			Points: []text.Message{text.Say("Your recovery codes stop working."), text.Say("Trusted devices are forgotten.")},
			Button: text.Say("Disable"), Back: "/page/fields"})
	}))
	mux.Handle("GET /query", p.serve(func(w http.ResponseWriter, r *http.Request) error {
		f, err := readQuery(r)
		if err == nil {
			_, err = io.WriteString(w, f.Get("q"))
		}
		return err
	}))
	mux.Handle("GET /fault", p.serve(func(w http.ResponseWriter, r *http.Request) error {
		p.edge.SetCookie(w, edge.SessionCookie, "half-made", 0)
		return os.ErrPermission
	}))
	mux.Handle("GET /bad-template", p.serve(func(w http.ResponseWriter, r *http.Request) error {
		return p.render(w, r, http.StatusOK, "table", &problemPage{}) // a fault, because its data has no Tabs
	}))
	mux.Handle("GET /slow-down", p.serve(func(w http.ResponseWriter, r *http.Request) error {
		return &sallyport.Error{Kind: sallyport.TooMany, Text: text.Say("Wait."), RetryAfter: 1500 * time.Millisecond}
	}))
	mux.Handle("GET /panic/{id}", p.serve(func(w http.ResponseWriter, r *http.Request) error {
		p.edge.SetCookie(w, edge.SessionCookie, "half-made", 0)
		panic("secret-in-panic")
	}))
	health := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	return k.Edge.Handler(p.guard(mux, func(*http.Request) error { return nil }), health, p.showProblem)
}

func (k *Kit) show(w http.ResponseWriter, r *http.Request) error {
	qr, err := k.pages.qrSVG("otpauth://totp/Globex:ada@example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Globex")
	if err != nil {
		return err
	}
	data := &kitPage{
		page:    page{Title: text.Say("Sign in"), Wide: r.URL.Query().Has("wide")},
		Value:   `"><script>alert(1)</script>`,
		Codes:   []string{"7KQ2-M4XN-9PWT-3HVD", "C8RJ-5TZB-2YLF-6GQA", "X3MN-8VKD-4HWP-7JTC", "B9FL-2QYR-6ZGA-5XNE"},
		Options: []option{{Value: "member", Label: "Member", Hint: "Signs in."}, {Value: "admin", Label: "Administrator"}},
		QR:      qr,
		At:      time.Date(2026, 11, 22, 1, 42, 0, 0, time.UTC),
	}
	if data.Wide {
		data.Tabs = []link{{Href: "/a", Text: text.Say("Details"), Current: false}, {Href: "/b", Text: text.Say("Security"), Current: true}}
		data.Pager.Older = "/older"
	}
	status := http.StatusOK
	if r.Method == http.MethodPost || r.URL.Query().Has("error") {
		status = http.StatusUnprocessableEntity
		data.Errors = []fieldError{{"email", text.Say("Enter your e-mail address.")}, {"code", text.Say("This code is wrong. Enter the code that is shown now.")}}
	}
	if r.URL.Query().Has("leads") {
		data.LeadsTo = []string{"https://app.example.com"}
	}
	return k.pages.render(w, r, status, r.PathValue("name"), data)
}

// Refused shows the page for a person who may not use an app: through answer, unless there is a way back.
func (k *Kit) Refused(refused *sallyport.Error, back *sallyport.Reply) (status int, body string) {
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	r.Host = "globex.example.com"
	k.Edge.Handler(k.pages.serve(func(w http.ResponseWriter, r *http.Request) error {
		if back == nil {
			return fmt.Errorf("wrapped: %w", refused)
		}
		return k.pages.showRefused(w, r, refused, back)
	}), http.NotFoundHandler(), k.pages.showProblem).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// QR draws a QR code.
func (k *Kit) QR(content string) (template.HTML, error) { return k.pages.qrSVG(content) }

// Initials returns the initials of a person.
func Initials(name, email string) string { return person{name, email}.Initials() }

// HasWords reports whether a kind of event has words.
func HasWords(kind string) bool { return !eventWords[kind].IsZero() }

// HasGroup reports whether a kind of event has a group on the page of the audit log.
func HasGroup(kind string) bool {
	about, _, _ := strings.Cut(kind, ".")
	_, has := kindParts[about]
	return has
}

// Harmless returns a cell as it is in a downloaded table.
func Harmless(cell string) string { return harmless(cell) }

// Download responds with a table whose pages next returns.
func (k *Kit) Download(w http.ResponseWriter, r *http.Request, next func() ([][]string, error)) error {
	return k.pages.download(w, r, "people.csv", []string{"name", "note"}, next)
}

// TotalWords returns the text of the list of people about how many it has.
func TotalWords(l sallyport.PeopleList) string { return text.English.Text(totalWords(l)) }

// Keeps returns the fields of the form of a route that come back after an interruption, and whether the route is listed.
func Keeps(path string) (fields []string, listed bool) {
	a, listed := actions[path]
	return a.fields, listed
}

// Said returns the text of an outcome, as pages show it.
func Said(e *sallyport.Error) text.Message { return said(e) }
