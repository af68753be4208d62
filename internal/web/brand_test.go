package web_test

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

func TestBrand(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		v := s.Visitor()
		v.SignIn(s.Owner)
		for _, bad := range []sallyporttest.Fields{
			{"colour": "red"}, {"colour": "#12345"}, {"colour": "#1234567"}, {"colour": "#12345g"}, {"colour": "1234567"},
			{"colour": "#fff;}"}, {"name": strings.Repeat("x", 101)}, {"name": "a\u2028b"},
		} {
			if got := v.Post("/admin/brand", bad); got.Status != http.StatusUnprocessableEntity || got.Alert() == "" {
				t.Errorf("%v: %d", bad, got.Status)
			}
		}
		if got := v.Post("/admin/brand", sallyporttest.Fields{"name": " Acme: <b>Payroll</b> ", "colour": "#FFCC00"}); got.Status != http.StatusSeeOther {
			t.Fatalf("saved: %d %s", got.Status, got.Alert())
		}
		got := v.Follow()
		if !strings.HasPrefix(got.Data("data-label-preview"), "Acme <b>Payroll</b>") {
			t.Errorf("preview: %q", got.Data("data-label-preview"))
		}
		if !strings.Contains(got.Title(), "Acme: <b>Payroll</b>") || !strings.Contains(got.Body, "/static/brand-ffcc00.css") {
			t.Errorf("the page: %s", got.Title())
		}
		sheet := s.Visitor().Get("/static/brand-ffcc00.css")
		if sheet.Status != http.StatusOK || sheet.Header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(sheet.Body, "--brand: #ffcc00") {
			t.Errorf("the sheet: %d %s", sheet.Status, sheet.Body)
		}
		for _, path := range []string{"brand-ffcc0.css", "brand-ffcc0g.css", "brand-FFCC00.css", "brand-ffcc00", "brand-.css"} {
			if got := s.Visitor().Get("/static/" + path).Status; got != http.StatusNotFound {
				t.Errorf("%s: %d", path, got)
			}
		}
		v.Post("/account/2fa/set-up", sallyporttest.Fields{"name": "Pixel"})
		page := v.Follow()
		uri, _, _ := strings.Cut(page.Body[strings.Index(page.Body, "otpauth://"):], `"`)
		if u, err := url.Parse(strings.ReplaceAll(uri, "&amp;", "&")); err != nil || u.Query().Get("issuer") != "Acme <b>Payroll</b>" {
			t.Errorf("the QR code: %s %v", uri, err)
		}
		e.Add("ben@acme.example", sallyport.Member)
		requestReset(s, "ben@acme.example")
		if mails := e.WaitingMails("ben@acme.example"); len(mails) == 0 || !strings.Contains(fmt.Sprint(mails[0]), "Acme: <b>Payroll</b>") {
			t.Errorf("the mail: %v", mails)
		}
		v.Post("/admin/brand", sallyporttest.Fields{"name": "", "colour": ""})
		if got := v.Follow(); strings.Contains(got.Body, "/static/brand-") || strings.Contains(got.Title(), "Payroll") {
			t.Errorf("without a brand: %s", got.Title())
		}
		if n := len(e.Query("SELECT id FROM events WHERE kind = 'brand.changed'")); n != 2 {
			t.Errorf("%d events", n)
		}
	})
}

var filled = regexp.MustCompile(`--(fill|fill-strong|on-fill): #([0-9a-f]{6})`)

var declared = regexp.MustCompile(`--(accent|accent-strong|on-accent): #([0-9a-f]{6})`)

// TestBrandCanBeRead checks the style sheets of many colours against WCAG's ratio of 4.5:1, with its own computation.
func TestBrandCanBeRead(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		v := sallyporttest.NewSite(t, e).Visitor()
		for n := 0; n < 0x1000000; n += 0x0a5a5b {
			colour := fmt.Sprintf("%06x", n)
			all := declared.FindAllStringSubmatch(v.Get("/static/brand-"+colour+".css").Body, -1)
			if len(all) != 6 {
				t.Fatalf("#%s: %v", colour, all)
			}
			if fill := filled.FindAllStringSubmatch(v.Get("/static/brand-"+colour+".css").Body, -1); len(fill) != 3 || fill[0][2] != colour ||
				contrast(colour, fill[2][2]) < 4.5 || contrast(fill[1][2], fill[2][2]) < 4.5 {
				t.Errorf("#%s: a button is %v", colour, fill)
			}
			for i, grounds := range [][]string{{"ffffff", "f5f6f8", "e8f1fb"}, {"1a1f27", "11151a", "14273c"}} {
				accent, strong, on := all[3*i][2], all[3*i+1][2], all[3*i+2][2]
				for _, pair := range [][2]string{{accent, on}, {strong, on}, {accent, grounds[0]}, {accent, grounds[1]}, {accent, grounds[2]}} {
					if c := contrast(pair[0], pair[1]); c < 4.5 {
						t.Errorf("#%s: %s on %s has %.2f", colour, pair[0], pair[1], c)
					}
				}
			}
		}
	})
}

func contrast(a, b string) float64 {
	light := func(hex string) float64 {
		sum := .05
		for i, weight := range []float64{.2126, .7152, .0722} {
			n, _ := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
			v := float64(n) / 255
			if v <= .04045 {
				v /= 12.92
			} else {
				v = math.Pow((v+.055)/1.055, 2.4)
			}
			sum += weight * v
		}
		return sum
	}
	x, y := light(a), light(b)
	return max(x, y) / min(x, y)
}

// TestI33_AfterAnIdleHour: what an administrator sends after an idle hour waits for the step-up. A form is then shown
// as it was, and a confirmed action is performed.
func TestI33_AfterAnIdleHour(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		v := sallyporttest.NewSite(t, e).Visitor()
		v.SignIn(e.Owner)
		late := func(path string, f sallyporttest.Fields) *sallyporttest.Page {
			e.Clock.Advance(sallyport.AdminIdleLimit)
			if got := v.Post(path, f); !strings.HasPrefix(got.Location, "/step-up?") {
				t.Fatalf("%s after an hour: %d %s", path, got.Status, got.Location)
			}
			return v.Post(v.Page.Location, sallyporttest.Fields{"password": e.Owner.Password})
		}
		late("/admin/brand", sallyporttest.Fields{"name": "Acme Payroll", "colour": "#0b5cad"})
		f := v.Follow().Form("colour")
		if f.Values.Get("name") != "Acme Payroll" || f.Values.Get("colour") != "#0b5cad" {
			t.Errorf("the brand comes back as %v", f.Values)
		}
		if got := v.PostValues(f.Action, f.Values); got.Status != http.StatusSeeOther || v.Follow().Form("colour").Values.Get("name") != "Acme Payroll" {
			t.Errorf("saved at last: %d %s", got.Status, got.Alert())
		}
		if got := late("/admin/reminders", nil); got.Location != "/admin" || len(e.Query("SELECT id FROM events WHERE kind = 'two_factor.reminded'")) != 1 {
			t.Errorf("the reminder, which was confirmed: %d %s", got.Status, got.Location)
		}
	})
}

// TestBrandOnProblems: a request that is refused before its caller is known gets a page with the name of the workspace
// on that host. It is also refused if the database does not return the name.
func TestBrandOnProblems(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	e.Exec("UPDATE workspaces SET brand = 'Acme Payroll', colour = '#ffcc00'")
	closed, err := sqlstore.Open(t.Context(), e.Database)
	e.Check(err)
	e.Check(closed.Close())
	broken := *e.Service
	broken.Store = closed
	here, away := s.Visitor(), s.Visitor().Through(s.Over(sallyport.New(broken)))
	here.SignIn(e.Owner)
	for _, c := range []struct {
		method, path, site string
		status             int
	}{
		{"GET", "/nothing", "none", http.StatusNotFound},
		{"POST", "/help/2fa", "same-origin", http.StatusMethodNotAllowed},
		{"POST", "/sign-out", "cross-site", http.StatusForbidden},
		{"GET", "/admin/users/usr_none", "none", http.StatusNotFound},
	} {
		r := sallyporttest.Request{Method: c.method, Target: c.path, Header: http.Header{"Sec-Fetch-Site": {c.site}}}
		got := here.Send(r)
		if got.Status != c.status || !strings.HasSuffix(got.Title(), " – Acme Payroll") || !strings.Contains(got.Body, "/static/brand-ffcc00.css") {
			t.Errorf("%s %s: %d %q", c.method, c.path, got.Status, got.Title())
		}
		if strings.HasPrefix(c.path, "/admin") {
			c.status = http.StatusInternalServerError
		}
		if got := away.Send(r); got.Status != c.status || !strings.HasSuffix(got.Title(), " – Sallyport") {
			t.Errorf("%s %s without a database: %d %q", c.method, c.path, got.Status, got.Title())
		}
	}
	if got := here.Send(sallyporttest.Request{Method: "GET", Target: "/nothing", Host: "elsewhere.example"}); strings.Contains(got.Body, "Acme") {
		t.Errorf("on an unknown host: %d %s", got.Status, got.Text())
	}
	if !here.SignedIn() {
		t.Error("signed out by a refusal")
	}
}
