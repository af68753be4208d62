package mail_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/mail"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

const (
	sender   = "sallyport@example.com"
	password = "p@ss/w0rd:%"
)

func message() sallyport.Message {
	return sallyport.Message{
		ID:       "mail_01h455vb4pex5vsknk084sn02q",
		From:     "security@example.com",
		FromName: "Zürich Wärme, AG",
		To:       "ada@example.org",
		Subject:  "Deine Anmeldung wurde geändert: 二要素認証が有効になりました, und zwar für alle Geräte",
		Text:     "Grüße,\n.\n..ein Punkt am Anfang\nFrom hier\nam Ende Leerzeichen \n" + strings.Repeat("lang=", 300) + "\n",
		HTML:     "<p>Grüße, <b>ein Punkt</b> &amp; mehr\n.\n<a href=\"https://example.com/reset/Xk9aQ2mmPq81\">hier</a></p>",
		At:       time.Date(2026, 11, 5, 9, 30, 0, 0, time.FixedZone("CET", 3600)),
	}
}

func newSMTP(t *testing.T, server *sallyporttest.MailServer) *mail.SMTP {
	t.Helper()
	s, err := mail.New(server.URL(), sender)
	if err != nil {
		t.Fatal(err)
	}
	s.RootCAs = server.Pool()
	return s
}

func TestSendArrivesAsWritten(t *testing.T) {
	credentials := sallyporttest.MailServerOptions{User: "mailer", Password: password}
	for _, c := range []struct {
		name string
		o    sallyporttest.MailServerOptions
	}{
		{"plain on loopback", sallyporttest.MailServerOptions{}},
		{"plain on loopback with AUTH", credentials},
		{"STARTTLS", sallyporttest.MailServerOptions{TLS: sallyporttest.StartTLS}},
		{"STARTTLS with AUTH PLAIN", with(credentials, sallyporttest.StartTLS, "PLAIN")},
		{"STARTTLS with AUTH LOGIN", with(credentials, sallyporttest.StartTLS, "LOGIN")},
		{"implicit TLS", sallyporttest.MailServerOptions{TLS: sallyporttest.ImplicitTLS}},
		{"implicit TLS with AUTH", with(credentials, sallyporttest.ImplicitTLS, "XOAUTH2", "PLAIN")},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := sallyporttest.NewMailServer(t, c.o)
			m := message()
			if err := newSMTP(t, server).Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			got := server.Next()
			for _, f := range []struct{ name, got, want string }{
				{"text", got.Text, m.Text},
				{"HTML", got.HTML, m.HTML},
				{"subject", got.Subject, m.Subject},
				{"envelope sender", got.From, sender},
				{"envelope recipient", got.To, m.To},
				{"To", got.Header.Get("To"), "<ada@example.org>"},
				{"Message-ID", got.Header.Get("Message-ID"), "<" + m.ID + "@example.com>"},
				{"Auto-Submitted", got.Header.Get("Auto-Submitted"), "auto-generated"},
				{"user", got.User, c.o.User},
				{"encrypted", fmt.Sprint(got.TLS), fmt.Sprint(c.o.TLS != sallyporttest.NoTLS)},
			} {
				if f.got != f.want {
					t.Errorf("%s: got %q, want %q", f.name, f.got, f.want)
				}
			}
			from, err := got.Header.AddressList("From")
			if err != nil || len(from) != 1 || from[0].Address != m.From || from[0].Name != m.FromName {
				t.Errorf("From: %v, %v", from, err)
			}
			if at, err := got.Header.Date(); err != nil || !at.Equal(m.At) {
				t.Errorf("Date: %v, %v", at, err)
			}
			if kind := got.Header.Get("Content-Type"); !strings.HasPrefix(kind, "multipart/alternative;") {
				t.Errorf("Content-Type: %s", kind)
			}
			for name := range got.Header {
				switch name {
				case "From", "To", "Subject", "Date", "Message-Id", "Auto-Submitted", "Mime-Version", "Content-Type":
				default:
					t.Errorf("unexpected header %s: %s", name, got.Header.Get(name))
				}
			}
		})
	}
}

func with(o sallyporttest.MailServerOptions, tls sallyporttest.MailTLS, mechanisms ...string) sallyporttest.MailServerOptions {
	o.TLS, o.Mechanisms = tls, mechanisms
	return o
}

func TestSendTextAlone(t *testing.T) {
	server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{})
	m := message()
	m.From, m.FromName, m.HTML = "", "", ""
	if err := newSMTP(t, server).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := server.Next()
	if got.Text != m.Text || got.HTML != "" || got.Header.Get("From") != "<"+sender+">" {
		t.Errorf("got %+v", got)
	}
}

func TestSendIsRepeatable(t *testing.T) {
	server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{})
	s := newSMTP(t, server)
	for range 2 {
		if err := s.Send(t.Context(), message()); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := server.Next(), server.Next(); a.Header.Get("Message-ID") != b.Header.Get("Message-ID") {
		t.Errorf("Message-ID differs: %s, %s", a.Header.Get("Message-ID"), b.Header.Get("Message-ID"))
	}
}

// Only a non-ASCII local part needs a server with SMTPUTF8, because a domain is sent in its ASCII form.
func TestAddressesBeyondASCII(t *testing.T) {
	for _, c := range []struct {
		to, want string
		utf8     bool // must be requested
	}{
		{"ada@example.org", "ada@example.org", false},
		{"ada@münchen.example", "ada@xn--mnchen-3ya.example", false},
		{"ada@MÜNCHEN.example", "ada@xn--mnchen-3ya.example", false},
		{"ada@mu\u0308nchen.example", "ada@xn--mnchen-3ya.example", false},
		{"ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah", false},
		{"ada@почта.рф", "ada@xn--80a1acny.xn--p1ai", false},
		{"žofie@example.org", "žofie@example.org", true},
		{"žofie@münchen.example", "žofie@xn--mnchen-3ya.example", true},
	} {
		for _, able := range []bool{true, false} {
			m := message()
			m.To = c.to
			server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{UTF8: able})
			err := newSMTP(t, server).Send(t.Context(), m)
			if c.utf8 && !able {
				if err == nil || mail.IsPermanent(err) || !strings.Contains(err.Error(), "SMTPUTF8") {
					t.Errorf("%s: %v", c.to, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s, SMTPUTF8 %v: %v", c.to, able, err)
				continue
			}
			got := server.Next()
			if got.To != c.want || got.UTF8 != c.utf8 {
				t.Errorf("the e-mail to %s arrived for %s, SMTPUTF8 %v", c.to, got.To, got.UTF8)
			}
			if header := got.Header.Get("To"); !c.utf8 && header != "<"+c.want+">" {
				t.Errorf("To: %s", header)
			}
		}
	}
}

func TestSenderBeyondASCII(t *testing.T) {
	server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{})
	s, err := mail.New(server.URL(), "login@münchen.example")
	if err != nil {
		t.Fatal(err)
	}
	m := message()
	m.From = ""
	if err := s.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := server.Next()
	if want := "login@xn--mnchen-3ya.example"; got.From != want || !strings.Contains(got.Header.Get("From"), "<"+want+">") ||
		!strings.HasSuffix(got.Header.Get("Message-ID"), "@xn--mnchen-3ya.example>") {
		t.Errorf("envelope %s, header %v", got.From, got.Header)
	}
	if _, err := mail.New(server.URL(), "žofie@example.org"); err == nil || !strings.Contains(err.Error(), "ASCII") {
		t.Errorf("a sender that some servers do not accept: %v", err)
	}
}

func TestNameInEHLO(t *testing.T) {
	for _, tls := range []sallyporttest.MailTLS{sallyporttest.NoTLS, sallyporttest.StartTLS} {
		server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{TLS: tls})
		s := newSMTP(t, server)
		for _, name := range []string{"login.example.com", "xn--mnchen-3ya.example", "[192.0.2.7]", "[IPv6:2001:db8::7]"} {
			s.Name = name
			if err := s.Send(t.Context(), message()); err != nil {
				t.Fatal(err)
			}
			if got := server.Next(); got.Hello != name {
				t.Errorf("EHLO %s", got.Hello)
			}
		}
	}
}

func TestI45_AddressesThatAreNotOneAddressAreRefused(t *testing.T) {
	server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{UTF8: true})
	s := newSMTP(t, server)
	for name, addr := range map[string]string{
		"empty":            "",
		"no @":             "ada",
		"two @":            "ada@example.org@evil.example",
		"quoted @":         `"ada@example.org"@evil.example`,
		"CRLF":             "ada@example.org\r\nBcc: eve@evil.example",
		"LF at the end":    "ada@example.org\n",
		"CR":               "ada@exam\rple.org",
		"NUL":              "ada@example.org\x00",
		"NEL":              "ada@example.org\u0085",
		"right-to-left":    "ada\u202e@example.org",
		"second command":   "ada@example.org> NOTIFY=NEVER",
		"angle brackets":   "<ada@example.org>",
		"with a name":      "Ada <ada@example.org>",
		"comment":          "ada@example.org(x)",
		"list":             "ada@example.org,eve",
		"space":            "ada lovelace@example.org",
		"quoted":           `"ada lovelace"@example.org`,
		"not UTF-8":        "ada\xff@example.org",
		"255 bytes":        "ada@" + strings.Repeat(strings.Repeat("b", 49)+".", 5) + "c",
		"local of 65":      strings.Repeat("a", 65) + "@example.org",
		"local of 66":      strings.Repeat("é", 33) + "@example.org",
		"no such domain":   "ada@exa mple.org",
		"domain not valid": "ada@-münchen.example",
		"no local part":    "@example.org",
		"no domain":        "ada@",
		"trailing dot":     "ada.@example.org",
		"group":            "g:ada@example.org;",
		"wide at sign too": "ada@example.org＠evil.example@",
	} {
		t.Run(name, func(t *testing.T) {
			m := message()
			m.To = addr
			if err := s.Send(t.Context(), m); !mail.IsPermanent(err) {
				t.Errorf("recipient: got %v", err)
			}
			if _, err := mail.New(server.URL(), addr); err == nil {
				t.Error("New accepted it")
			}
			if addr == "" {
				return // it means the sender given to New
			}
			m = message()
			m.From = addr
			if err := s.Send(t.Context(), m); !mail.IsPermanent(err) {
				t.Errorf("sender: got %v", err)
			}
		})
	}
	if n := len(server.Mails()); n != 0 {
		t.Errorf("%d mails were sent", n)
	}
	for _, addr := range []string{
		"adas@" + strings.Repeat(strings.Repeat("b", 49)+".", 4) + strings.Repeat("b", 49),
		strings.Repeat("a", 64) + "@example.org", strings.Repeat("é", 32) + "@example.org",
	} {
		longest := message()
		longest.To = addr
		if err := s.Send(t.Context(), longest); err != nil {
			t.Errorf("%d bytes: %v", len(addr), err)
		}
	}
}

func TestHeadersCannotBeInjected(t *testing.T) {
	server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{})
	s := newSMTP(t, server)
	m := message()
	m.Subject = "Hello\r\nBcc: eve@evil.example\r\n\r\nbody"
	m.FromName = "Globex\r\nBcc: eve@evil.example\r\n\r\nbody"
	if err := s.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := server.Next()
	if got.Header.Get("Bcc") != "" || got.Text != m.Text || got.Subject != m.Subject {
		t.Errorf("got %s", got.Raw)
	}
	for _, id := range []string{"", "a b", "a>\r\nBcc: eve@evil.example", "a@b", strings.Repeat("a", 65)} {
		m := message()
		m.ID = id
		if err := s.Send(t.Context(), m); !mail.IsPermanent(err) {
			t.Errorf("id %q: got %v", id, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct{ url, says string }{
		{"", "smtp://"},
		{"mail.example.com:587", "smtp://"},
		{"http://mailer:hunter2secret@mail.example.com", "smtp://"},
		{"smtp://mailer:hunter2secret%@mail.example.com", "not a URL"},
		{"smtp://mailer:hunter2secret#x@mail.example.com", ""},
		{"smtp://mailer:hunter2secret/x@mail.example.com", ""},
		{"smtp://mailer:hunter2secret@", "no host"},
		{"smtp://mailer:hunter2secret@mail.example.com:0", "port"},
		{"smtp://mailer:hunter2secret@mail.example.com:65536", "port"},
		{"smtp://mailer:hunter2secret@mail.example.com:hunter2secret", ""},
		{"smtp://mailer:hunter2secret@mail.example.com/path", "nothing may follow"},
		{"smtp://mailer:hunter2secret@mail.example.com?starttls=off", "nothing may follow"},
		{"smtp://mailer@mail.example.com", "both user and password"},
		{"smtp://:hunter2secret@mail.example.com", "both user and password"},
	} {
		_, err := mail.New(c.url, sender)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", c.url, err, c.says)
			continue
		}
		if strings.Contains(err.Error(), "hunter2secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", c.url, err)
		}
	}
}

func TestPrintingDoesNotShowThePassword(t *testing.T) {
	s, err := mail.New("smtps://mailer:hunter2secret@mail.example.com", sender)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if printed := fmt.Sprintf(verb, s) + fmt.Sprintf(verb, *s); strings.Contains(printed, "hunter2") {
			t.Errorf("%s: %s", verb, printed)
		}
	}
}

func TestSendWithEndedContext(t *testing.T) {
	server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := newSMTP(t, server).Send(ctx, message())
	if err == nil || mail.IsPermanent(err) || mail.IsUnknown(err) {
		t.Errorf("got %v", err)
	}
	if n := len(server.Mails()); n != 0 {
		t.Errorf("%d mails arrived", n)
	}
}
