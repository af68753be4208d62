package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/web"
)

// The demo's own routes. They take precedence over those of the product, and exist only in the demo.

var (
	//go:embed demo.html
	demoHTML string
	//go:embed demo.js
	demoJS []byte

	demoTemplate = template.Must(template.New("").Funcs(text.English.Funcs()).Funcs(template.FuncMap{
		"static": web.StaticAddress,
		"time":   func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 MST") },
		"lines":  linkedLines,
	}).Parse(demoHTML))
)

// demoMails is how many mails of each workspace are read.
const demoMails = 1000

// before serves the demo's routes on the hosts of its companies, and passes every other request to pages.
func (d *demo) before(pages http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /demo", d.serve(d.page))
	mux.HandleFunc("GET /demo/codes.json", d.serve(d.codesJSON))
	mux.HandleFunc("GET /demo/mails.json", d.serve(d.mailsJSON))
	mux.HandleFunc("POST /demo/clock", d.serve(d.moveClock))
	mux.HandleFunc("GET /demo/demo.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Write(demoJS)
	})
	own := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if app := d.app(r); app != nil {
			d.serve(app)(w, r)
			return
		}
		here := slices.ContainsFunc(d.story.Workspaces, func(c demoWorkspace) bool { return c.URL == "http://"+r.Host })
		if !here || r.URL.Path != "/demo" && !strings.HasPrefix(r.URL.Path, "/demo/") {
			pages.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; "+
			"img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		own.ServeHTTP(w, r)
	})
}

func (d *demo) serve(fn func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := fn(w, r); err != nil {
			d.log.Error("fault", "path", r.URL.Path, "error", err)
			http.Error(w, "something went wrong", http.StatusInternalServerError)
		}
	}
}

// moveClock moves the server's clock by the duration in the form, such as 336h or -30s.
func (d *demo) moveClock(w http.ResponseWriter, r *http.Request) error {
	by, err := time.ParseDuration(r.PostFormValue("advance"))
	if err != nil {
		http.Error(w, "advance is a duration, such as 336h or -30s", http.StatusUnprocessableEntity)
		return nil
	}
	d.clock.Advance(by)
	http.Redirect(w, r, "/demo", http.StatusSeeOther)
	return nil
}

// demoShown is the current state of a person.
type demoShown struct {
	sallyport.User
	Password      string
	Note          string
	RecoveryCodes []string // unused ones
	TwoFactor     string
	Codes         []demoCode
}

type demoCompanyShown struct {
	Name, URL string
	People    []demoShown
	Apps      []sallyport.App
}

// look reads the current state of all people, and what their phones show.
func (d *demo) look(ctx context.Context) ([]demoCompanyShown, error) {
	now := d.Now()
	var all []demoCompanyShown
	err := d.Store.Read(ctx, func(tx sallyport.Tx) error {
		hosted, err := tx.Workspaces()
		if err != nil {
			return err
		}
		for _, w := range hosted {
			c := demoCompanyShown{Name: w.Name, URL: "http://" + w.Host}
			policy, err := tx.Policy(w.ID)
			if err != nil {
				return err
			}
			if c.Apps, err = tx.Apps(w.ID); err != nil {
				return err
			}
			people, err := tx.People(sallyport.PeopleRange{Workspace: w.ID, Order: sallyport.ByCreated, Limit: 1000})
			if err != nil {
				return err
			}
			for _, u := range people {
				shown := demoShown{User: u, TwoFactor: policy.TwoFactorState(u, now)}
				if shown.Codes, err = d.phone.codes(tx, u, now); err != nil {
					return err
				}
				p, _ := d.story.person(w.ID, u.Address)
				shown.Password, shown.Note = p.Password, p.Note
				if shown.RecoveryCodes, err = d.phone.recoveryCodes(tx, u, p.RecoveryCodes); err != nil {
					return err
				}
				c.People = append(c.People, shown)
			}
			all = append(all, c)
		}
		return nil
	})
	return all, err
}

// person returns a person of the story.
func (s demoStory) person(workspace, email string) (demoUser, bool) {
	for _, w := range s.Workspaces {
		for _, u := range w.Users {
			if w.id == workspace && u.Email == email {
				return u, true
			}
		}
	}
	return demoUser{}, false
}

// describe fills in the TwoFactor state of the story's people.
func (d *demoSeed) describe(ctx context.Context, story *demoStory) error {
	return d.Store.Read(ctx, func(tx sallyport.Tx) error {
		for _, w := range story.Workspaces {
			policy, err := tx.Policy(w.id)
			if err != nil {
				return err
			}
			for i, shown := range w.Users {
				u, _, err := tx.UserByAddress(w.id, shown.Email)
				if err != nil {
					return err
				}
				w.Users[i].TwoFactor = policy.TwoFactorState(u, d.Now())
			}
		}
		return nil
	})
}

func secondsLeft(now time.Time) int { return otp.Default.Period - int(now.Unix())%otp.Default.Period }

type demoCodeJSON struct {
	Email       string `json:"email"`
	Workspace   string `json:"workspace"`
	Code        string `json:"code"`
	SecondsLeft int    `json:"seconds_left"`
}

func (d *demo) codesJSON(w http.ResponseWriter, r *http.Request) error {
	companies, err := d.look(r.Context())
	if err != nil {
		return err
	}
	codes := []demoCodeJSON{}
	for _, c := range companies {
		for _, p := range c.People {
			for _, code := range p.Codes {
				if !code.Draft {
					codes = append(codes, demoCodeJSON{p.Address, c.Name, code.Code, secondsLeft(d.Now())})
				}
			}
		}
	}
	return writeJSON(w, codes)
}

type demoMail struct {
	At      time.Time `json:"at"`
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	HTML    string    `json:"html"`
}

// mails returns the newest mails of all workspaces, newest last. A mail that was sent no longer has a body.
func (d *demo) mails(ctx context.Context) ([]demoMail, error) {
	mails := []demoMail{}
	err := d.Store.Read(ctx, func(tx sallyport.Tx) error {
		mails = mails[:0]
		hosted, err := tx.Workspaces()
		if err != nil {
			return err
		}
		for _, w := range hosted {
			all, err := tx.Mails(w.ID, "", "", demoMails)
			if err != nil {
				return err
			}
			for _, m := range all {
				shown := demoMail{At: m.CreatedAt.UTC(), To: m.To, Subject: m.Subject}
				if m.State == sallyport.MailWaiting {
					body, err := d.OpenMail(m)
					if err != nil {
						return err
					}
					shown.Text, shown.HTML = body.Text, body.HTML
				}
				mails = append(mails, shown)
			}
		}
		return nil
	})
	slices.SortStableFunc(mails, func(a, b demoMail) int { return a.At.Compare(b.At) })
	return mails, err
}

func (d *demo) mailsJSON(w http.ResponseWriter, r *http.Request) error {
	mails, err := d.mails(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, mails)
}

func writeJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}

// demoPageMails is how many mails the page shows.
const demoPageMails = 50

func (d *demo) page(w http.ResponseWriter, r *http.Request) error {
	companies, err := d.look(r.Context())
	if err != nil {
		return err
	}
	mails, err := d.mails(r.Context())
	if err != nil {
		return err
	}
	slices.Reverse(mails)
	now, ahead := d.Now(), d.clock.Ahead().Round(time.Second)
	var page bytes.Buffer
	if err := demoTemplate.Execute(&page, map[string]any{
		"Companies": companies, "Mails": mails[:min(len(mails), demoPageMails)], "Now": now, "Left": secondsLeft(now),
		"Ahead": ahead.String(), "Back": (-ahead).String(), "Moved": ahead != 0,
	}); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page.Bytes()) // the browser may be gone
	return nil
}

// linkedLines returns a mail's text as HTML, in which URLs are links.
func linkedLines(s string) template.HTML {
	var b strings.Builder
	for line := range strings.Lines(s) {
		for i, word := range strings.Split(strings.TrimRight(line, "\n"), " ") {
			if i > 0 {
				b.WriteByte(' ')
			}
			safe := template.HTMLEscapeString(word)
			if strings.HasPrefix(word, "http://") || strings.HasPrefix(word, "https://") {
				safe = fmt.Sprintf(`<a href="%s">%s</a>`, safe, safe)
			}
			b.WriteString(safe)
		}
		b.WriteString("<br>\n")
	}
	return template.HTML(b.String())
}
