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

// class fails the test if IsPermanent and IsUnknown contradict each other.
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

// A response is permanent only if it concerns the e-mail. The texts are those of Postfix, Exchange and others. If a server
// rejects our name, relaying or this sender, the configuration may be corrected later, and no e-mail must be lost.
func TestI53_OnlyFailuresOfTheMailItselfArePermanent(t *testing.T) {
	for _, c := range []struct {
		at     sallyporttest.MailStage
		code   int
		answer string
		want   string
	}{
		{sallyporttest.AtConnect, 421, "4.3.2 mail.test Service not available", temporary},
		{sallyporttest.AtConnect, 554, "5.7.1 no SMTP service for you", temporary},
		{sallyporttest.AtConnect, 554, "5.1.1 no SMTP service for you", temporary},
		{sallyporttest.AtHello, 550, "5.7.1 Helo command rejected: need a real name", temporary},
		{sallyporttest.AtHello, 501, "5.5.4 Invalid domain name", temporary},
		{sallyporttest.AtStartTLS, 454, "4.7.0 TLS not available due to local problem", temporary},
		{sallyporttest.AtStartTLS, 554, "5.6.0 no TLS", temporary},
		{sallyporttest.AtHandshake, 550, "no", temporary},
		{sallyporttest.AtAuth, 454, "4.7.0 Temporary authentication failure", temporary},
		{sallyporttest.AtAuth, 535, "5.7.8 Authentication credentials invalid", temporary},
		{sallyporttest.AtAuth, 535, "5.2.1 mailbox disabled", temporary},
		{sallyporttest.AtSender, 451, "4.3.0 Local error", temporary},
		{sallyporttest.AtSender, 550, "5.7.60 Client does not have permissions to send as this sender", temporary},
		{sallyporttest.AtSender, 550, "5.1.0 Sender address rejected: User unknown", temporary},
		{sallyporttest.AtSender, 553, "5.1.8 Sender address rejected: Domain not found", temporary},
		{sallyporttest.AtSender, 550, "5.2.1 The mailbox that mail comes from is disabled", temporary},
		{sallyporttest.AtSender, 552, "5.3.4 Message size exceeds fixed limit", permanent},
		{sallyporttest.AtSender, 550, "5.6.7 Internationalized address", permanent},
		{sallyporttest.AtRecipient, 450, "4.1.1 Recipient address rejected: unverified", temporary},
		{sallyporttest.AtRecipient, 450, "5.1.1 muddled", temporary},
		{sallyporttest.AtRecipient, 504, "5.5.2 <box>: Helo command rejected: need fully-qualified hostname", temporary},
		{sallyporttest.AtRecipient, 554, "5.7.1 <ada@example.org>: Relay access denied", temporary},
		{sallyporttest.AtRecipient, 550, "5.4.1 Recipient address rejected: Access denied", temporary},
		{sallyporttest.AtRecipient, 550, "5.0.0 no", temporary},
		{sallyporttest.AtRecipient, 550, "5.3.0 no", temporary},
		{sallyporttest.AtRecipient, 550, "5.11.1 no such code", temporary},
		{sallyporttest.AtRecipient, 550, "5.1.1x not a code", temporary},
		{sallyporttest.AtRecipient, 550, "no such mailbox, and no enhanced code", temporary},
		{sallyporttest.AtRecipient, 550, "see 5.1.1", temporary},
		{sallyporttest.AtRecipient, 553, "5.1.7 Sender address rejected", temporary},
		{sallyporttest.AtRecipient, 550, "5.1.8 Sender address rejected: Domain not found", temporary},
		{sallyporttest.AtRecipient, 550, "5.1.0 Address rejected", permanent},
		{sallyporttest.AtRecipient, 550, "5.1.1 The email account that you tried to reach does not exist", permanent},
		{sallyporttest.AtRecipient, 550, "5.1.10 RESOLVER.ADR.RecipientNotFound", permanent},
		{sallyporttest.AtRecipient, 550, "5.1.1", permanent},
		{sallyporttest.AtRecipient, 550, "5.2.1 Mailbox disabled", permanent},
		{sallyporttest.AtRecipient, 552, "5.2.2 Mailbox full", permanent},
		{sallyporttest.AtRecipient, 552, "5.3.4 Message too big", permanent},
		{sallyporttest.AtData, 451, "4.3.0 later", temporary},
		{sallyporttest.AtData, 554, "5.5.1 Error: no valid recipients", temporary},
		{sallyporttest.AtData, 550, "5.1.1 no such mailbox", permanent},
		{sallyporttest.AtAnswer, 421, "4.3.2 going down", temporary},
		{sallyporttest.AtAnswer, 452, "4.3.1 Insufficient system storage", temporary},
		{sallyporttest.AtAnswer, 554, "5.7.1 Message rejected as spam", temporary},
		{sallyporttest.AtAnswer, 550, "5.7.26 Unauthenticated mail is not accepted (SPF, DKIM)", temporary},
		{sallyporttest.AtAnswer, 554, "5.3.0 no", temporary},
		{sallyporttest.AtAnswer, 552, "5.3.4 Message too big", permanent},
		{sallyporttest.AtAnswer, 554, "5.6.0 Message content rejected", permanent},
		{sallyporttest.AtAnswer, 550, "5.2.2 Mailbox full", permanent},
	} {
		t.Run(fmt.Sprintf("stage %d %d %s", c.at, c.code, c.answer), func(t *testing.T) {
			o := sallyporttest.MailServerOptions{TLS: sallyporttest.StartTLS, User: "mailer", Password: password}
			if c.at == sallyporttest.AtData {
				o.TLS = sallyporttest.NoTLS
			}
			server := sallyporttest.NewMailServer(t, o)
			s := newSMTP(t, server)
			server.Refuse(c.at, c.code, c.answer)
			err := s.Send(t.Context(), message())
			if got := class(t, err); got != c.want {
				t.Errorf("%s: %v", got, err)
			}
			if c.at != sallyporttest.AtHandshake && !strings.Contains(err.Error(), fmt.Sprintf("%d %s", c.code, c.answer)) {
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

// troubles are the stages at which a server hangs or dies, with what is known about the e-mail then. A short message is
// sent in one piece, so in the middle of the content nobody can know what the server has received.
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

// An incomplete content is certainly not delivered.
func TestServerDiesWhileALongContentIsSent(t *testing.T) {
	server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{})
	server.Drop(sallyporttest.AtContent)
	m := message()
	m.Text = strings.Repeat(strings.Repeat("x", 70)+"\n", 100_000) // larger than the socket buffers
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
		s.RootCAs = nil // the system's, which do not know this certificate
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
	// No TLS at a host that is not a loopback address, although it leads to this machine.
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

// A server that quotes its input must not bring secrets to the page that shows errors.
func TestErrorTextIsCleaned(t *testing.T) {
	m := message()
	m.Text = "Your temporary password is Kp4-xw82-mn. Go to https://example.com/reset/Xk9aQ2mmPq81_ZZ"
	login := base64.StdEncoding.EncodeToString([]byte(password))
	plain := base64.StdEncoding.EncodeToString([]byte("\x00mailer\x00" + password))
	for _, secret := range []string{password, login, plain, "Kp4-xw82-mn", "Xk9aQ2mmPq81_ZZ", "Xk9aQ2mmPq81"} {
		server := sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{User: "mailer", Password: password})
		server.Refuse(sallyporttest.AtAnswer, 554, "5.6.0 spam: <"+secret+">, see https://filter.example/why")
		err := newSMTP(t, server).Send(t.Context(), m)
		if class(t, err) != permanent || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
			t.Errorf("%s: %v", secret, err)
		}
		if !strings.Contains(err.Error(), "554 5.6.0 spam: <[redacted]>, see https://filter.example/why") {
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

// If the server sends an invalid response after the content, the outcome is unknown.
func TestNonsenseForAnAnswer(t *testing.T) {
	for _, c := range []struct{ answer, want string }{
		{"250 2.0.0 taken", "none"},
		{"250-2.0.0 taken\r\n250 in two lines", "none"},
		{"599 5.6.0 never", permanent},
		{"599 5.0.0 never", temporary},
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

// script is a server for one connection that accepts everything, responds to the content with answer, and disconnects.
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
