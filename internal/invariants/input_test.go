package invariants_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/web"
)

// fieldNames are the field names of all forms. Each form is sent all of them.
var fieldNames = []string{
	"workspace", "name", "email", "password", "new_password", "current_password", "code", "trust", "recovery_code", "saved",
	"set_up_code", "forget", "role", "reason", "required_from", "require_2fa", "trusted_device_days", "recovery_code_count",
	"recovery_code_mode", "allow_reset_when_required", "invite_method", "confirm", "scope", "return_urls", "colour", "host",
}

// badBodies are bodies, with content types, that browsers never send from our pages.
func badBodies(field string) map[string][2]string {
	const form = "application/x-www-form-urlencoded"
	return map[string][2]string{
		"a megabyte":        {field + "=" + strings.Repeat("a", 1<<20), form},
		"NUL":               {field + "=a%00b", form},
		"invalid UTF-8":     {field + "=%ff%fe", form},
		"raw bytes":         {field + "=\xff\x00", form},
		"repeated":          {field + "=000000&" + field + "=111111", form},
		"broken escape":     {field + "=%zz", form},
		"semicolon":         {field + "=a;" + field + "=b", form},
		"JSON":              {`{"` + field + `":"000000"}`, "application/json"},
		"form as JSON":      {field + "=000000", "application/json"},
		"plain":             {field + "=000000", "text/plain"},
		"no type":           {field + "=000000", ""},
		"other charset":     {field + "=000000", form + "; charset=utf-16"},
		"multipart":         {"--x\r\nContent-Disposition: form-data; name=\"" + field + "\"\r\n\r\n000000\r\n--x--\r\n", "multipart/form-data; boundary=x"},
		"broken multipart":  {"--x", "multipart/form-data"},
		"thousands of keys": {strings.Repeat("a=&", 9000) + field + "=0", form},
	}
}

func TestBadInput(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		people := everyKind(s)
		for _, who := range people {
			before := snapshot(s)
			for _, r := range routes(http.MethodPost) {
				bodies := badBodies("code")
				for i, what := range slices.Sorted(maps.Keys(bodies)) {
					if (i%2 == 0) == s.Postgres() {
						continue // half on each database, because forms are parsed before the database is read
					}
					body, kind := bodies[what][0], bodies[what][1]
					h := who.PostHeader()
					h.Set("Content-Type", kind)
					if kind == "" {
						h.Del("Content-Type")
					}
					p := who.Fork().Send(Request{Method: http.MethodPost, Target: r.Path, Header: h, Body: body})
					refused(t, r, who.kind+", "+r.Path+", "+what, p)
					if sentAway(p) {
						break
					}
				}
			}
			if diff := changed(before, snapshot(s)); diff != "" {
				t.Errorf("bad input of %s changed:\n%s", who.kind, diff)
			}
		}
	})
}

// sentAway reports whether the user was sent away before the input was read, so that later inputs would not be read either.
func sentAway(p *Page) bool {
	return p.Status == http.StatusSeeOther && (strings.HasPrefix(p.Location, "/sign-in") || p.LocationPath() == "/account/2fa/set-up") || p.Status == http.StatusNotFound
}

// refused checks for a 4xx response with a message, or a redirect for a user who may not open the page.
func refused(t *testing.T, r web.Route, what string, p *Page) {
	t.Helper()
	switch {
	case p.Status == http.StatusSeeOther && r.Access != "anyone" && r.Access != "outside":
		if to := p.LocationPath(); !strings.HasPrefix(to, "/sign-in") && to != "/account/2fa/set-up" && !strings.HasPrefix(to, "/step-up") {
			t.Errorf("%s: leads to %s", what, to)
		}
	case p.Status < 400 || p.Status >= 500:
		t.Errorf("%s: %d %s", what, p.Status, p.Location)
	case p.Alert() == "" || p.Title() == "":
		t.Errorf("%s: %d says nothing", what, p.Status)
	}
}

// TestBadFields sends empty, long and odd values: only for the code on SQLite, for every field on PostgreSQL, which is
// stricter. There must be no fault, and no session.
func TestBadFields(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		odd := []string{
			"", " ", "\t\r\n", strings.Repeat("9", 60000), "𝟙𝟚𝟛𝟜𝟝𝟞", "-1", "1e309", "NaN", "' OR ''='", "<script>alert(1)</script>",
			"{{.}}", "${jndi:x}", "\u202e\u200d", "../../x", "a\r\nSet-Cookie: session=x", "%s%n",
		}
		for _, who := range everyKind(s) {
			authenticators := len(s.Query("SELECT id FROM authenticators"))
			signedIn := who.SignedIn()
			for _, r := range routes(http.MethodPost) {
				if r.Path == "/sign-out" || r.Path == "/account/2fa/disable" {
					continue // they have no fields, and always succeed
				}
				if signedIn && !who.SignedIn() {
					t.Fatalf("%s was signed out before %s, so the rest would test nothing", who.kind, r.Path)
				}
				for _, value := range odd {
					values := url.Values{"code": {value}}
					if s.Postgres() && len(value) < 1000 {
						for _, name := range fieldNames {
							values.Set(name, value)
						}
					}
					p := who.PostValues(r.Path, values)
					if p.Status >= 500 {
						t.Errorf("%s, %s %.80q: %d", who.kind, r.Path, values, p.Status)
					}
					if strings.Contains(p.Body, "<script>alert") || len(p.Header.Values("Set-Cookie")) > 3 {
						t.Errorf("%s, %s: injected %.80q", who.kind, r.Path, value)
					}
					if names := sessionCookies(p); len(names) > 0 && strings.HasPrefix(r.Path, "/sign-in") {
						t.Errorf("%s, %s %.80q: sets %v", who.kind, r.Path, values, names)
					}
					if sentAway(p) {
						break
					}
				}
			}
			if n := len(s.Query("SELECT id FROM authenticators")); n != authenticators {
				t.Errorf("%s: %d authenticators, before %d", who.kind, n, authenticators)
			}
		}
		if strings.Contains(s.Logged(), "level=ERROR") {
			t.Errorf("faults:\n%s", grep(s.Logged(), "level=ERROR"))
		}
	})
}

// grep returns the lines that contain a text.
func grep(all, what string) string {
	var lines []string
	for line := range strings.Lines(all) {
		if strings.Contains(line, what) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// TestI56_NoMassAssignment submits every form with all columns of the user table as additional fields.
func TestI56_NoMassAssignment(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ben := member(s, "ben")
		v := s.Visitor()
		v.SignIn(ben)
		extra := url.Values{}
		for name, value := range map[string]string{
			"role": "owner", "state": "active", "two_factor": "1", "workspace": "x", "workspace_id": "x", "id": s.Owner.ID, "user_id": s.Owner.ID,
			"user": s.Owner.ID, "address": "eve@evil.example", "epoch": "99", "must_set_up": "0", "password_hash": "x", "admin": "true",
			"Role": "owner", "is_admin": "1", "user[role]": "owner", "secret": "JBSWY3DPEHPK3PXP", "key": "JBSWY3DPEHPK3PXP", "step": "done",
		} {
			extra.Set(name, value)
		}
		before := s.Query("SELECT id, workspace_id, address, role, state FROM users ORDER BY id")
		for _, r := range routes(http.MethodPost) {
			if r.Access != "outside" && !strings.Contains(r.Path, "sign-out") {
				v.Fork().PostValues(r.Path, extra)
			}
		}
		extra.Set("name", "Pixel")
		extra.Set("email", ben.Address)
		v.PostValues("/account/2fa/set-up", extra)
		v.Follow()
		if key := v.Page.Key(); key == "" || key == "JBSWY3DPEHPK3PXP" {
			t.Errorf("the key is %q: %d %s", key, v.Page.Status, v.Page.Alert())
		}
		if diff := changed(lines(before), lines(s.Query("SELECT id, workspace_id, address, role, state FROM users ORDER BY id"))); diff != "" {
			t.Errorf("additional fields changed users:\n%s", diff)
		}
	})
}

func lines(rows [][]string) string {
	var all []string
	for _, row := range rows {
		all = append(all, strings.Join(row, " "))
	}
	return strings.Join(all, "\n")
}
