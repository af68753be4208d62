// Package mail delivers a message to a mail server by SMTP (RFC 5321).
//
// It has no queue: each call of [SMTP.Send] is one attempt, on its own connection. The error tells the caller's queue what
// to do: [IsPermanent] means that trying again is useless, [IsUnknown] that the server may already have the message.
package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"github.com/sallyport-2fa/sallyport"
)

// SMTP delivers through one mail server. Create it with New and set its fields before the first Send. It is safe for
// concurrent use.
type SMTP struct {
	// Timeout limits one Send, from dialling to the last response. New sets it to 30 seconds.
	Timeout time.Duration
	// RootCAs verify the server's certificate; nil means the system's, which the environment variable SSL_CERT_FILE can
	// replace.
	RootCAs *x509.CertPool
	// Name is the host name of this server for EHLO, in ASCII. New sets it to localhost, which many mail servers refuse
	// from other machines.
	Name string

	host, port  string
	implicitTLS bool
	plain       bool // no TLS: the server is on this machine
	from        string
	credentials func() (user, password string) // a function, so that printing an SMTP does not show them; nil: no AUTH
}

// New returns an SMTP for the URL of a mail server and the sender's address:
//
//	smtp://user:password@host:587    STARTTLS, required
//	smtps://user:password@host:465   TLS from the start
//	smtp://127.0.0.1:2525            no TLS, on loopback only
//
// User and password are optional, and so are the ports 587 and 465. The certificate is always verified. Errors have one
// line and never contain the password.
func New(rawURL, from string) (*SMTP, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		// The error of url.Parse contains the URL, and thereby the password.
		return nil, errors.New("mail server: not a URL (special characters in user and password are percent-encoded)")
	}
	s := &SMTP{Timeout: 30 * time.Second, Name: "localhost", host: u.Hostname(), port: u.Port()}
	switch u.Scheme {
	case "smtp":
		s.plain = isLoopback(s.host)
		s.port = cmp.Or(s.port, "587")
	case "smtps":
		s.implicitTLS = true
		s.port = cmp.Or(s.port, "465")
	default:
		return nil, errors.New("mail server: the URL must begin with smtp:// or smtps://")
	}
	if s.host == "" {
		return nil, errors.New("mail server: the URL names no host")
	}
	if n, err := strconv.Atoi(s.port); err != nil || n < 1 || n > 65535 {
		return nil, errors.New("mail server: the port must be between 1 and 65535")
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("mail server: nothing may follow host and port in the URL")
	}
	if u.User != nil {
		user := u.User.Username()
		password, _ := u.User.Password()
		if user == "" || password == "" {
			return nil, errors.New("mail server: the URL needs both user and password, or neither")
		}
		s.credentials = func() (string, string) { return user, password }
	}
	if s.from, err = mailbox(from); err != nil {
		return nil, errors.New("mail sender: " + err.Error())
	}
	if !isASCII(s.from) {
		return nil, errors.New("mail sender: the part before the @ must be ASCII")
	}
	return s, nil
}

// Send tries once to deliver m and returns nil if the server accepted it. It gives up after Timeout, or at once when ctx
// ends. The error contains the server's response and is safe to show to an administrator: it has no credentials and
// nothing of the body. See IsPermanent and IsUnknown.
func (s *SMTP) Send(ctx context.Context, m sallyport.Message) error {
	m, err := s.check(m)
	var raw []byte
	if err == nil {
		raw, err = s.render(m)
	}
	if err != nil {
		return &sendError{text: err.Error(), permanent: true}
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	if at, err := s.deliver(ctx, m, raw); err != nil {
		return s.explain(ctx, at, err, m)
	}
	return nil
}

// deliver also returns how far it got.
func (s *SMTP) deliver(ctx context.Context, m sallyport.Message, raw []byte) (stage, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(s.host, s.port))
	if err != nil {
		return connecting, err
	}
	defer conn.Close()
	if s.plain && !conn.RemoteAddr().(*net.TCPAddr).IP.IsLoopback() {
		return connecting, errors.New("without TLS the mail server must be on loopback")
	}
	// A deadline in the past interrupts any read or write in progress.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	client, at, err := s.open(ctx, conn)
	if err != nil {
		return at, err
	}
	at, err = s.transfer(client, m, raw)
	if at != sending {
		// Do not wait for the response to QUIT: it changes nothing. Do not send QUIT while the content is being sent,
		// because closing the content would deliver part of a message.
		_ = client.Text.PrintfLine("QUIT")
	}
	return at, err
}

// open connects, greets the server, authenticates and starts TLS as configured, so that mail can be sent.
func (s *SMTP) open(ctx context.Context, conn net.Conn) (*smtp.Client, stage, error) {
	config := &tls.Config{ServerName: s.host, RootCAs: s.RootCAs, MinVersion: tls.VersionTLS12}
	if s.implicitTLS {
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, startingTLS, err
		}
		conn = secure
	}
	client, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return nil, connecting, err
	}
	if err := client.Hello(s.Name); err != nil {
		return nil, greeting, err
	}
	if !s.plain && !s.implicitTLS {
		if ok, _ := client.Extension("STARTTLS"); !ok {
			return nil, startingTLS, errors.New("the server does not offer STARTTLS")
		}
		if err := client.StartTLS(config); err != nil {
			return nil, startingTLS, err
		}
	}
	if s.credentials != nil {
		if err := s.authenticate(client); err != nil {
			return nil, authenticating, err
		}
	}
	return client, authenticating, nil
}

func (s *SMTP) authenticate(client *smtp.Client) error {
	user, password := s.credentials()
	_, offered := client.Extension("AUTH")
	for _, mechanism := range strings.Fields(offered) {
		switch strings.ToUpper(mechanism) {
		case "PLAIN":
			return client.Auth(smtp.PlainAuth("", user, password, s.host, s.plain))
		case "LOGIN":
			return client.Auth(smtp.LoginAuth(user, password, s.host, s.plain))
		}
	}
	return errors.New("the server offers neither AUTH PLAIN nor AUTH LOGIN")
}

func (s *SMTP) transfer(client *smtp.Client, m sallyport.Message, raw []byte) (stage, error) {
	beyondASCII := !isASCII(m.To) || !isASCII(m.From)
	if ok, _ := client.Extension("SMTPUTF8"); beyondASCII && !ok {
		return addressing, errors.New("the address has letters beyond ASCII before the @, and the server does not take those (no SMTPUTF8)")
	}
	// Request SMTPUTF8 only if needed: without support for it, the next server would have to bounce the message.
	client.SkipSMTPUTF8(!beyondASCII)
	if err := client.Mail("<" + s.from + ">"); err != nil {
		return namingSender, err
	}
	if err := client.Rcpt("<" + m.To + ">"); err != nil {
		return addressing, err
	}
	content, err := client.Data()
	if err != nil {
		return announcing, err
	}
	if _, err := content.Write(raw); err != nil {
		return sending, err
	}
	return answering, content.Close()
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
