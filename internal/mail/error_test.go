package mail_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/mail"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

const (
	temporary = "temporary"
	permanent = "permanent"
	unknown   = "unknown"
)

// class fails the test when the two questions contradict each other.
func class(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return "none"
	}
	var asked interface {
		Permanent() bool
		Unknown() bool
	}
	if !errors.As(err, &asked) || asked.Permanent() != mail.IsPermanent(err) || asked.Unknown() != mail.IsUnknown(err) {
		t.Errorf("methods and functions disagree on %v", err)
	}
	switch wrapped := fmt.Errorf("outbox: %w", err); {
	case mail.IsPermanent(wrapped) && mail.IsUnknown(wrapped):
		t.Errorf("permanent and unknown: %v", err)
	case mail.IsPermanent(wrapped):
		return permanent
	case mail.IsUnknown(wrapped):
		return unknown
	}
	return temporary
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		at   sallyporttest.MailStage
		code int
		want string
	}{
		{sallyporttest.AtConnect, 421, temporary},
		{sallyporttest.AtConnect, 554, temporary},
		{sallyporttest.AtHello, 550, temporary},
		{sallyporttest.AtHandshake, 550, temporary},
		{sallyporttest.AtAuth, 454, temporary},
		{sallyporttest.AtAuth, 535, temporary},
		{sallyporttest.AtSender, 451, temporary},
		{sallyporttest.AtSender, 550, temporary},
		{sallyporttest.AtRecipient, 450, temporary},
		{sallyporttest.AtRecipient, 550, permanent},
		{sallyporttest.AtAnswer, 452, temporary},
		{sallyporttest.AtAnswer, 421, temporary},
		{sallyporttest.AtAnswer, 554, permanent},
	} {
		t.Run(fmt.Sprintf("stage %d code %d", c.at, c.code), func(t *testing.T) {
			server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{
				TLS: sallyporttest.StartTLS, User: "mailer", Password: password,
			})
			s := newSMTP(t, server)
			server.Refuse(c.at, c.code, "no, for a reason of mine")
			err := s.Send(t.Context(), message())
			if got := class(t, err); got != c.want {
				t.Errorf("%s: %v", got, err)
			}
			answer := fmt.Sprintf("%d ", c.code)
			if c.at != sallyporttest.AtHandshake &&
				(!strings.Contains(err.Error(), answer) || !strings.Contains(err.Error(), "no, for a reason of mine")) {
				t.Errorf("the server's answer is missing: %v", err)
			}
			if n := len(server.Mails()); n != 0 {
				t.Errorf("%d mails kept", n)
			}
			server.Behave()
			if err := s.Send(t.Context(), message()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// troubles are the stages at which a server hangs or dies, and what may be said of the mail then. A mail as short as
// ours leaves in one piece, so that in the middle of its content nobody can tell what the server has.
var troubles = []struct {
	name string
	at   sallyporttest.MailStage
	want string
	kept int
}{
	{"connect", sallyporttest.AtConnect, temporary, 0},
	{"handshake", sallyporttest.AtHandshake, temporary, 0},
	{"hello", sallyporttest.AtHello, temporary, 0},
	{"auth", sallyporttest.AtAuth, temporary, 0},
	{"sender", sallyporttest.AtSender, temporary, 0},
	{"recipient", sallyporttest.AtRecipient, temporary, 0},
	{"content", sallyporttest.AtContent, unknown, 0},
	{"answer", sallyporttest.AtAnswer, unknown, 1},
}

func TestServerDies(t *testing.T) {
	for _, c := range troubles {
		for _, tls := range []sallyporttest.MailTLS{sallyporttest.StartTLS, sallyporttest.ImplicitTLS} {
			t.Run(fmt.Sprintf("%s/%d", c.name, tls), func(t *testing.T) {
				server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{TLS: tls, User: "mailer", Password: password})
				s := newSMTP(t, server)
				server.Drop(c.at)
				err := s.Send(t.Context(), message())
				if got := class(t, err); got != c.want {
					t.Errorf("%s: %v", got, err)
				}
				server.Behave()
				if err := s.Send(t.Context(), message()); err != nil {
					t.Fatal(err)
				}
				for range c.kept {
					server.Next()
				}
				server.Next()
				if n := len(server.Mails()); n != c.kept+1 {
					t.Errorf("%d mails arrived, want %d", n, c.kept+1)
				}
			})
		}
	}
}

func TestServerHangsAndContextEnds(t *testing.T) {
	for _, c := range troubles {
		for _, tls := range []sallyporttest.MailTLS{sallyporttest.StartTLS, sallyporttest.ImplicitTLS} {
			t.Run(fmt.Sprintf("%s/%d", c.name, tls), func(t *testing.T) {
				server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{TLS: tls, User: "mailer", Password: password})
				server.Hang(c.at)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				s := newSMTP(t, server)
				go func() { done <- s.Send(ctx, message()) }()
				server.WaitHung()
				cancel()
				if err := <-done; class(t, err) != c.want || !strings.Contains(err.Error(), "broken off") {
					t.Errorf("%s: %v", class(t, err), err)
				}
			})
		}
	}
}

func TestServerHangsAndTimePasses(t *testing.T) {
	for _, c := range troubles {
		t.Run(c.name, func(t *testing.T) {
			server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{
				TLS: sallyporttest.StartTLS, User: "mailer", Password: password,
			})
			server.Hang(c.at)
			s := newSMTP(t, server)
			s.Timeout = 50 * time.Millisecond
			err := s.Send(t.Context(), message())
			if got := class(t, err); got == "none" || got == permanent {
				t.Errorf("%s: %v", got, err)
			}
		})
	}
}

// A content that was not sent to its end was not delivered, and that is known.
func TestServerDiesWhileALongContentIsSent(t *testing.T) {
	server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{})
	server.Drop(sallyporttest.AtContent)
	m := message()
	m.Text = strings.Repeat(strings.Repeat("x", 70)+"\n", 100_000) // more than the sockets' buffers hold
	err := newSMTP(t, server).Send(t.Context(), m)
	if got := class(t, err); got != temporary {
		t.Errorf("%s: %v", got, err)
	}
	if n := len(server.Mails()); n != 0 {
		t.Errorf("%d mails kept", n)
	}
}

func TestServerGoesAwayAndComesBack(t *testing.T) {
	server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{})
	s := newSMTP(t, server)
	server.GoAway()
	err := s.Send(t.Context(), message())
	if got := class(t, err); got != temporary {
		t.Errorf("%s: %v", got, err)
	}
	server.ComeBack()
	if err := s.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	server.Next()
}

func TestCertificateIsVerified(t *testing.T) {
	for _, tls := range []sallyporttest.MailTLS{sallyporttest.StartTLS, sallyporttest.ImplicitTLS} {
		server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{TLS: tls, User: "mailer", Password: password})
		s := newSMTP(t, server)
		s.RootCAs = nil // of the system, where nobody vouches for this one
		err := s.Send(t.Context(), message())
		if class(t, err) != temporary || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("unknown authority: %v", err)
		}
		server.Behave()
		if n := len(server.Mails()); n != 0 {
			t.Errorf("%d mails kept", n)
		}
	}
	server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{TLS: sallyporttest.ImplicitTLS})
	s, err := mail.New(strings.Replace(server.URL(), "127.0.0.1", "localhost", 1), sender)
	if err != nil {
		t.Fatal(err)
	}
	s.RootCAs = server.Pool()
	if err := s.Send(t.Context(), message()); class(t, err) != temporary || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("another name: %v", err)
	}
}

func TestWithoutTLSNothingLeaves(t *testing.T) {
	// No TLS at a host that is no loopback address, though it leads to this machine.
	server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{User: "mailer", Password: password})
	s, err := mail.New(strings.Replace(server.URL(), "127.0.0.1", "0.0.0.0", 1), sender)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), message()); class(t, err) != temporary || !strings.Contains(err.Error(), "STARTTLS") {
		t.Errorf("got %v", err)
	}
	if n := len(server.Mails()); n != 0 {
		t.Errorf("%d mails kept", n)
	}
}

func TestWrongPassword(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "LOGIN"} {
		server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{
			TLS: sallyporttest.ImplicitTLS, User: "mailer", Password: "another", Mechanisms: []string{mechanism},
		})
		s, err := mail.New(strings.Replace(server.URL(), "another", "hunter2secret", 1), sender)
		if err != nil {
			t.Fatal(err)
		}
		s.RootCAs = server.Pool()
		err = s.Send(t.Context(), message())
		if class(t, err) != temporary || !strings.Contains(err.Error(), "535") {
			t.Errorf("%s: %v", mechanism, err)
		}
	}
	server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{
		User: "mailer", Password: password, Mechanisms: []string{"XOAUTH2"},
	})
	if err := newSMTP(t, server).Send(t.Context(), message()); class(t, err) != temporary {
		t.Errorf("no mechanism in common: %v", err)
	}
}

// A server that repeats what it was told must not bring it to the page where errors are shown.
func TestErrorTextIsCleaned(t *testing.T) {
	m := message()
	m.Text = "Your temporary password is Kp4-xw82-mn. Go to https://example.com/reset/Xk9aQ2mmPq81_ZZ"
	login := base64.StdEncoding.EncodeToString([]byte(password))
	plain := base64.StdEncoding.EncodeToString([]byte("\x00mailer\x00" + password))
	for _, secret := range []string{password, login, plain, "Kp4-xw82-mn", "Xk9aQ2mmPq81_ZZ", "Xk9aQ2mmPq81"} {
		server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{User: "mailer", Password: password})
		server.Refuse(sallyporttest.AtAnswer, 554, "spam: <"+secret+">, see https://filter.example/why")
		err := newSMTP(t, server).Send(t.Context(), m)
		if class(t, err) != permanent || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
			t.Errorf("%s: %v", secret, err)
		}
		if !strings.Contains(err.Error(), "554 5.0.0 spam: <[redacted]>, see https://filter.example/why") {
			t.Errorf("%s: %v", secret, err)
		}
	}
	server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{})
	server.Refuse(sallyporttest.AtRecipient, 550, "\x1b[31mred\ttab\u202e "+strings.Repeat("long ", 200))
	err := newSMTP(t, server).Send(t.Context(), m)
	if text := err.Error(); len(text) > 320 || strings.ContainsAny(text, "\x1b\t\r\n\u202e") || !strings.Contains(text, "[31mred tab long") {
		t.Errorf("got %q", text)
	}
}

// A server that talks nonsense after the content leaves the outcome open.
func TestNonsenseForAnAnswer(t *testing.T) {
	for _, c := range []struct{ answer, want string }{
		{"250 2.0.0 taken", "none"},
		{"250-2.0.0 taken\r\n250 in two lines", "none"},
		{"599 5.0.0 never", permanent},
		{"299 what", unknown},
		{"354 go on", unknown},
		{"hello", unknown},
		{"", unknown},
	} {
		t.Run(c.answer, func(t *testing.T) {
			s, err := mail.New("smtp://"+script(t, c.answer), sender)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Send(t.Context(), message()); class(t, err) != c.want {
				t.Errorf("%s: %v", class(t, err), err)
			}
		})
	}
}

// script is a server of one connection that answers everything well and the content with answer, then goes.
func script(t *testing.T, answer string) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = fmt.Fprint(conn, "220 mail.test\r\n")
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			switch line := lines.Text(); {
			case line == "DATA":
				_, _ = fmt.Fprint(conn, "354 go ahead\r\n")
			case line == ".":
				_, _ = fmt.Fprint(conn, answer+"\r\n")
				return
			case strings.HasPrefix(line, "EHLO"), strings.HasPrefix(line, "MAIL"), strings.HasPrefix(line, "RCPT"):
				_, _ = fmt.Fprint(conn, "250 fine\r\n")
			}
		}
	}()
	return listener.Addr().String()
}
