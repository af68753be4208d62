package letter_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sallyport-2fa/sallyport/internal/colour"
	"github.com/sallyport-2fa/sallyport/internal/letter"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	exampleToken    = "Xk9aQ2mmPq81Xk9aQ2mmPq81Xk9aQ2mmPq81Xk9aQ2mmPq81"
	examplePassword = "otter-lamp-93-ferry"
)

var exampleAt = time.Date(2026, 11, 22, 10, 12, 0, 0, time.FixedZone("CET", 3600))

// exampleFact returns a value for each fact, of the type that kinds.go specifies.
func exampleFact(t *testing.T, name string) any {
	t.Helper()
	switch name {
	case "app":
		return "Pixel – Aegis"
	case "key":
		return "YubiKey 5"
	case "device":
		return "Firefox on Windows"
	case "from":
		return "198.51.100.23"
	case "person":
		return "ben@acme.example"
	case "old":
		return "mia@acme.example"
	case "new":
		return "mia.m@acme.example"
	case "workspace":
		return "Globex & Sons"
	case "days":
		return 14
	case "left":
		return 1
	case "low":
		return true
	case "on", "ends":
		return exampleAt.Add(72 * time.Hour)
	case "token":
		return exampleToken
	case "password":
		return examplePassword
	}
	t.Fatalf("the fact %q has no example", name)
	return nil
}

func exampleFacts(t *testing.T, kind string) map[string]any {
	t.Helper()
	facts := map[string]any{}
	for _, name := range letter.Facts(kind) {
		facts[name] = exampleFact(t, name)
	}
	return facts
}

// example returns a letter to a user of Acme.
func example(t *testing.T, kind string) letter.Letter {
	t.Helper()
	return letter.Letter{
		Kind: kind, Facts: exampleFacts(t, kind), Brand: "Acme", Colour: colourOf(t, "#7b1fa2"),
		To: "mia@acme.example", Name: "Mia Muster", Account: "mia@acme.example",
		Browser: "Firefox on Windows", Address: "203.0.113.7", At: exampleAt, Base: "https://acme.example",
		Paths: letter.Paths{
			letter.TwoFactor:      "/account/2fa",
			letter.RecoveryCodes:  "/account/2fa/recovery-codes",
			letter.TrustedDevices: "/account/trusted-devices",
			letter.Activity:       "/account/activity",
			letter.AuditLog:       "/admin/audit",
			letter.SignIn:         "/sign-in",
			letter.Reset:          "/reset/",
			letter.Invitation:     "/invitation/",
			letter.ConfirmEmail:   "/email/",
			letter.UndoEmail:      "/email/undo/",
		},
	}
}

func colourOf(t *testing.T, s string) colour.RGB {
	t.Helper()
	c, ok := colour.Parse(s)
	if !ok {
		t.Fatalf("%q is not a colour", s)
	}
	return c
}

func write(t *testing.T, l letter.Letter) letter.Written {
	t.Helper()
	w, err := l.Write(text.English)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestLettersRead(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range letter.Kinds() {
		got := write(t, example(t, kind))
		for end, got := range map[string]string{".txt": "Subject: " + got.Subject + "\n\n" + got.Text, ".html": got.HTML} {
			name := filepath.Join("testdata", kind+end)
			seen[name] = true
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs (go test -run TestLettersRead -update . rewrites it):\n%s", name, got)
			}
		}
	}
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if !seen[name] {
			t.Errorf("%s belongs to no kind of mail", name)
		}
	}
}

// TestLettersHoldOneLinkAndNoMoreSecrets: an e-mail says the same in text and in HTML, links to one page of the
// workspace, loads nothing, and contains a secret only where it must.
func TestLettersHoldOneLinkAndNoMoreSecrets(t *testing.T) {
	for _, kind := range letter.Kinds() {
		t.Run(kind, func(t *testing.T) {
			l := example(t, kind)
			facts, body := l.Facts, write(t, l)
			subject := body.Subject
			if n := strings.Count(body.Text, "://"); n != 1 {
				t.Errorf("%d links in the text", n)
			}
			for name, secret := range map[string]string{"token": exampleToken, "password": examplePassword} {
				want, inHTML := 0, 0
				if _, ok := facts[name]; ok {
					want, inHTML = 1, 1
					if name == "token" {
						inHTML = 3 // the button, the link below it, and its text
					}
				}
				if n := strings.Count(body.Text, secret); n != want {
					t.Errorf("%d times the %s in the text", n, name)
				}
				if n := strings.Count(body.HTML, secret); n != inHTML {
					t.Errorf("%d times the %s in the HTML", n, name)
				}
				if strings.Contains(subject, secret) {
					t.Errorf("the %s is in the subject", name)
				}
			}
			var words strings.Builder
			links := map[string]int{}
			for tokens := html.NewTokenizer(strings.NewReader(body.HTML)); ; {
				kind := tokens.Next()
				if kind == html.ErrorToken {
					break
				}
				token := tokens.Token()
				if kind == html.TextToken {
					words.WriteString(token.Data)
				}
				for _, a := range token.Attr {
					if a.Key == "href" && token.Data == "a" {
						links[a.Val]++
						words.WriteString(" " + a.Val + " ")
					} else if a.Key == "src" || a.Key == "href" || strings.Contains(a.Val, "url(") {
						t.Errorf("it loads something: %s", token)
					}
				}
				if slices.Contains([]string{"img", "script", "link", "form"}, token.Data) {
					t.Errorf("it has a %s", token)
				}
			}
			for address, n := range links {
				if n != 2 || len(links) != 1 || !strings.Contains(body.Text, "\n"+address+"\n") {
					t.Errorf("%d links to %s in the HTML, which is in the text: %s", n, address, body.Text)
				}
			}
			if len(links) == 0 {
				t.Error("no link in the HTML")
			}
			for _, line := range strings.Split(body.Text, "\n") {
				line = strings.TrimSuffix(line, ":")
				if line != "-- " && !strings.Contains(words.String(), line) {
					t.Errorf("the HTML does not say %q", line)
				}
			}
			if strings.ContainsAny(subject+body.Text, "{}<>") || strings.Contains(body.HTML, "ZgotmplZ") || strings.Contains(body.HTML, "redacted") {
				t.Errorf("a placeholder was not filled in: %s\n%s\n%s", subject, body.Text, body.HTML)
			}
		})
	}
}

func TestLettersKeepStrangersInTheDark(t *testing.T) {
	body := write(t, example(t, "email.confirm"))
	for _, private := range []string{"Mia", "Firefox", "203.0.113.7"} {
		if strings.Contains(body.Text+body.HTML, private) {
			t.Errorf("the mail to an unproven address contains %q", private)
		}
	}
}

func TestNamesStayNamesInMails(t *testing.T) {
	const evil = "Eve\r\nBcc: eve@evil.example\r\n\r\n<a href=\"https://evil.example\">\"Acme\"</a>\u2028--"
	l := example(t, "authenticator.added")
	l.Brand, l.Name, l.Browser, l.Facts = evil, evil, evil, map[string]any{"app": evil}
	body := write(t, l)
	for what, s := range map[string]string{"subject": body.Subject, "sender": body.Sender} {
		if strings.ContainsAny(s, "\r\n\u2028") {
			t.Errorf("%s of several lines: %q", what, s)
		}
	}
	if strings.Contains(body.Text, "\nBcc:") || strings.ContainsAny(body.Text, "\r\u2028") {
		t.Errorf("a name adds lines: %q", body.Text)
	}
	if strings.Count(body.HTML, "<a ") != 2 || strings.Contains(body.HTML, "url(") {
		t.Errorf("a name makes markup: %s", body.HTML)
	}
}

// TestNothingSteersTheReaderOfAMail: names that were stored before they were refused, and names of browsers, neither
// reverse the text after them, nor begin a new line, nor control a terminal.
func TestNothingSteersTheReaderOfAMail(t *testing.T) {
	const hostile = "Mia\u202egnp.\u2066x\u2069\u202c\x1b[31m\r\nBcc: eve@evil.example\u2028y\u009bz\x7f"
	for _, kind := range letter.Kinds() {
		l := example(t, kind)
		for name, value := range l.Facts {
			if _, ok := value.(string); ok && name != "token" {
				l.Facts[name] = hostile
			}
		}
		l.Brand, l.To, l.Name, l.Account, l.Browser = hostile, hostile, hostile, hostile, hostile
		body := write(t, l)
		for part, said := range map[string]string{"subject": body.Subject, "sender": body.Sender, "text": body.Text, "HTML": body.HTML} {
			if at := strings.IndexFunc(said, func(r rune) bool { return text.IsBidi(r) || text.IsControl(r) && r != '\n' }); at >= 0 {
				t.Errorf("%s: the %s contains %+q", kind, part, said[at:min(at+30, len(said))])
			}
			if strings.Contains(said, "\nBcc") || part != "text" && part != "HTML" && strings.Contains(said, "\n") {
				t.Errorf("%s: a name begins a line of the %s", kind, part)
			}
		}
	}
}

func TestLettersNameTheirFacts(t *testing.T) {
	for _, kind := range letter.Kinds() {
		for _, key := range letter.Texts(kind) {
			for _, m := range regexp.MustCompile(`\{([a-z]+)\}`).FindAllStringSubmatch(string(key), -1) {
				if m[1] != "brand" && m[1] != "n" && !slices.Contains(letter.Facts(kind), m[1]) {
					t.Errorf("%s: %q has {%s}, which is none of its facts", kind, key, m[1])
				}
			}
		}
	}
}

// TestLettersWait: every kind reads the same after it has waited as JSON.
func TestLettersWait(t *testing.T) {
	for _, kind := range letter.Kinds() {
		l := example(t, kind)
		waiting, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		again, err := letter.Parse(waiting)
		if err != nil {
			t.Fatal(err)
		}
		again.Paths = l.Paths
		got, want := write(t, again), write(t, l)
		if got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
		if subject, err := l.Subject(text.English); err != nil || subject != want.Subject {
			t.Errorf("%s: its subject alone is %q, %v", kind, subject, err)
		}
	}
	for _, spoilt := range []string{"", "{", `{"Facts":{"ends":"` + exampleToken + `"}}`} {
		if _, err := letter.Parse([]byte(spoilt)); err == nil || strings.Contains(err.Error(), exampleToken) {
			t.Errorf("%q: %v", spoilt, err)
		}
	}
}

// TestNothingIsLeftOut: a letter is not written if its kind is unknown, a fact is missing or one too many, or its page
// has no path.
func TestNothingIsLeftOut(t *testing.T) {
	for name, spoil := range map[string]func(*letter.Letter){
		"a kind that does not exist": func(l *letter.Letter) { l.Kind = "no.such_kind" },
		"a fact too few":             func(l *letter.Letter) { delete(l.Facts, "ends") },
		"a fact too many":            func(l *letter.Letter) { l.Facts["app"] = "Pixel" },
		"another fact":               func(l *letter.Letter) { delete(l.Facts, "ends"); l.Facts["app"] = "Pixel" },
		"no path":                    func(l *letter.Letter) { delete(l.Paths, letter.Reset) },
	} {
		l := example(t, "password.forgotten")
		spoil(&l)
		if w, err := l.Write(text.English); err == nil || strings.Contains(err.Error(), exampleToken) {
			t.Errorf("%s: %v, %q", name, err, w.Text)
		}
	}
}
