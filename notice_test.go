package sallyport_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	noticeToken    = "Xk9aQ2mmPq81Xk9aQ2mmPq81Xk9aQ2mmPq81Xk9aQ2mmPq81"
	noticePassword = "otter-lamp-93-ferry"
)

var noticeAt = time.Date(2026, 11, 22, 10, 12, 0, 0, time.FixedZone("CET", 3600))

// noticeFact returns a value for each fact, of the type that notice.go specifies.
func noticeFact(t *testing.T, name string) any {
	t.Helper()
	switch name {
	case "app":
		return "Pixel – Aegis"
	case "device":
		return "Firefox on Windows"
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
		return noticeAt.Add(72 * time.Hour)
	case "token":
		return sallyport.Secret(noticeToken)
	case "password":
		return sallyport.Secret(noticePassword)
	}
	t.Fatalf("the fact %q has no example", name)
	return nil
}

func noticeFacts(t *testing.T, kind string) map[string]any {
	t.Helper()
	facts := map[string]any{}
	for _, name := range sallyport.NoticeKinds()[kind] {
		facts[name] = noticeFact(t, name)
	}
	return facts
}

func writeNotice(t *testing.T, kind string, facts map[string]any) (string, sallyport.MailBody) {
	t.Helper()
	w := sallyport.Workspace{Name: "Acme", Colour: "#7b1fa2"}
	u := sallyport.User{ID: "usr_1", Name: "Mia Muster", Address: "mia@acme.example"}
	subject, body, err := sallyport.WriteNotice(kind, w, "https://acme.example", u, u.Address, noticeAt, "Firefox on Windows", "203.0.113.7", facts)
	if err != nil {
		t.Fatal(err)
	}
	return subject, body
}

func TestNoticesRead(t *testing.T) {
	seen := map[string]bool{}
	for kind := range sallyport.NoticeKinds() {
		subject, body := writeNotice(t, kind, noticeFacts(t, kind))
		for end, got := range map[string]string{".txt": "Subject: " + subject + "\n\n" + body.Text, ".html": body.HTML} {
			name := filepath.Join("testdata", "notice", kind+end)
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
				t.Errorf("%s differs (go test -run TestNoticesRead -update . rewrites it):\n%s", name, got)
			}
		}
	}
	files, err := filepath.Glob("testdata/notice/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if !seen[name] {
			t.Errorf("%s belongs to no kind of mail", name)
		}
	}
}

// TestNoticesHoldOneLinkAndNoMoreSecrets: an e-mail says the same in text and in HTML, links to one page of the
// workspace, loads nothing, and contains a secret only where it must.
func TestNoticesHoldOneLinkAndNoMoreSecrets(t *testing.T) {
	for kind := range sallyport.NoticeKinds() {
		t.Run(kind, func(t *testing.T) {
			facts := noticeFacts(t, kind)
			subject, body := writeNotice(t, kind, facts)
			if n := strings.Count(body.Text, "://"); n != 1 {
				t.Errorf("%d links in the text", n)
			}
			for name, secret := range map[string]string{"token": noticeToken, "password": noticePassword} {
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
				t.Errorf("something was not filled in: %s\n%s\n%s", subject, body.Text, body.HTML)
			}
		})
	}
}

func TestNoticesKeepStrangersInTheDark(t *testing.T) {
	_, body := writeNotice(t, "email.confirm", noticeFacts(t, "email.confirm"))
	for _, private := range []string{"Mia", "Firefox", "203.0.113.7"} {
		if strings.Contains(body.Text+body.HTML, private) {
			t.Errorf("the mail to an unproven address contains %q", private)
		}
	}
}

func TestNamesStayNamesInMails(t *testing.T) {
	const evil = "Eve\r\nBcc: eve@evil.example\r\n\r\n<a href=\"https://evil.example\">\"Acme\"</a>\u2028--"
	w := sallyport.Workspace{Name: evil, Colour: "red;background:url(https://evil.example)"}
	u := sallyport.User{ID: "usr_1", Name: evil, Address: "mia@acme.example"}
	subject, body, err := sallyport.WriteNotice("authenticator.added", w, "https://acme.example", u, u.Address, noticeAt, evil, "203.0.113.7", map[string]any{"app": evil})
	if err != nil {
		t.Fatal(err)
	}
	for what, s := range map[string]string{"subject": subject, "sender": body.From} {
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
	for kind := range sallyport.NoticeKinds() {
		facts := noticeFacts(t, kind)
		for name, value := range facts {
			if _, ok := value.(string); ok {
				facts[name] = hostile
			}
		}
		w := sallyport.Workspace{Name: hostile, Brand: hostile}
		u := sallyport.User{ID: "usr_1", Name: hostile, Address: hostile}
		subject, body, err := sallyport.WriteNotice(kind, w, "https://acme.example", u, hostile, noticeAt, hostile, "203.0.113.7", facts)
		if err != nil {
			t.Fatal(err)
		}
		for part, said := range map[string]string{"subject": subject, "sender": body.From, "text": body.Text, "HTML": body.HTML} {
			if at := strings.IndexFunc(said, func(r rune) bool { return text.IsBidi(r) || text.IsControl(r) && r != '\n' }); at >= 0 {
				t.Errorf("%s: the %s has %+q", kind, part, said[at:min(at+30, len(said))])
			}
			if strings.Contains(said, "\nBcc") || part != "text" && part != "HTML" && strings.Contains(said, "\n") {
				t.Errorf("%s: a name begins a line of the %s", kind, part)
			}
		}
	}
}
