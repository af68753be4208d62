package sallyporttest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// MailStage is a stage of an SMTP session at which a MailServer can misbehave.
type MailStage int

// The stages, in order.
const (
	AtConnect   MailStage = iota + 1 // before the greeting
	AtHandshake                      // the TLS handshake
	AtHello                          // EHLO
	AtStartTLS                       // the command; Refuse only
	AtAuth
	AtSender    // MAIL FROM
	AtRecipient // RCPT TO
	AtData      // the command, before any content; Refuse only, and only on a connection without TLS
	AtContent   // while the content is being received; the e-mail is not kept
	AtAnswer    // after the content; Drop and Hang keep the e-mail, Refuse does not
)

// MailTLS is how clients must use TLS with a MailServer.
type MailTLS int

// The ways to use TLS. NoTLS is the zero value.
const (
	NoTLS MailTLS = iota
	StartTLS
	ImplicitTLS
)

// MailServerOptions configures a MailServer. The zero value accepts e-mails from everyone, without TLS.
type MailServerOptions struct {
	TLS            MailTLS
	User, Password string   // if set, clients must authenticate
	Mechanisms     []string // for AUTH; nil means PLAIN
	UTF8           bool     // accept non-ASCII addresses (SMTPUTF8)
}

// MailServer is a real SMTP server on loopback that keeps the e-mails it accepts. After Refuse, Hang or Drop it
// misbehaves on every connection until Behave. It is safe for concurrent use.
type MailServer struct {
	t    testing.TB
	o    MailServerOptions
	cert tls.Certificate
	pool *x509.CertPool
	addr string

	hung    chan struct{} // one token for each connection that hangs
	arrived chan struct{} // a token after each e-mail kept

	mu      sync.Mutex
	server  *smtp.Server
	door    net.Listener
	closed  chan struct{} // Serve has returned
	trouble trouble
	mails   []ReceivedMail
	next    int
}

type trouble struct {
	at      MailStage
	refusal *smtp.SMTPError
	hang    bool
	release chan struct{} // closed to end the hanging
}

var errDropped = errors.New("connection dropped")

// NewMailServer starts a MailServer. It ends with the test.
func NewMailServer(t testing.TB, o MailServerOptions) *MailServer {
	t.Helper()
	if o.Mechanisms == nil {
		o.Mechanisms = []string{sasl.Plain}
	}
	s := &MailServer{t: t, o: o, hung: make(chan struct{}, 1000), arrived: make(chan struct{}, 1),
		addr: "127.0.0.1:0", trouble: trouble{release: make(chan struct{})}}
	if o.TLS != NoTLS {
		s.cert, s.pool = loopbackCertificate(t)
	}
	s.ComeBack()
	t.Cleanup(func() { s.Behave(); s.GoAway() })
	return s
}

// URL returns the server's URL with user and password, in the form that internal/mail accepts.
func (s *MailServer) URL() string {
	u := url.URL{Scheme: "smtp", Host: s.addr}
	if s.o.User != "" {
		u.User = url.UserPassword(s.o.User, s.o.Password)
	}
	switch s.o.TLS {
	case ImplicitTLS:
		u.Scheme = "smtps"
	case StartTLS:
		// 0.0.0.0 reaches this machine, but is not a loopback address, for which TLS would be optional.
		_, port, _ := net.SplitHostPort(s.addr)
		u.Host = net.JoinHostPort("0.0.0.0", port)
	}
	return u.String()
}

// Pool returns a pool with the server's certificate, for 127.0.0.1 and 0.0.0.0, or nil without TLS.
func (s *MailServer) Pool() *x509.CertPool { return s.pool }

// Refuse makes the server respond at a stage with an SMTP code and text. The text may begin with an enhanced status
// code. At AtHandshake, and at AtConnect with ImplicitTLS, no response is possible, so the connection is dropped.
func (s *MailServer) Refuse(at MailStage, code int, text string) {
	s.make(trouble{at: at, refusal: &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: text}})
}

// Hang makes the server stop responding at a stage until Behave, GoAway or the end of the test; then it drops the
// connection.
func (s *MailServer) Hang(at MailStage) { s.make(trouble{at: at, hang: true}) }

// Drop makes the server close the connection at a stage.
func (s *MailServer) Drop(at MailStage) { s.make(trouble{at: at}) }

// Behave ends the effect of Refuse, Hang and Drop.
func (s *MailServer) Behave() { s.make(trouble{}) }

func (s *MailServer) make(t trouble) {
	t.release = make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.trouble.release)
	s.trouble = t
}

// WaitHung waits until a connection hangs. Each call waits for another connection, and fails after two minutes.
func (s *MailServer) WaitHung() {
	s.t.Helper()
	select {
	case <-s.hung:
	case <-time.After(2 * time.Minute):
		s.t.Fatal("mail server: no connection hangs")
	}
}

// GoAway stops listening and drops every connection, so that connections are refused.
func (s *MailServer) GoAway() {
	s.mu.Lock()
	server, door, closed := s.server, s.door, s.closed
	s.server = nil
	close(s.trouble.release)
	s.trouble.release = make(chan struct{})
	s.mu.Unlock()
	if server != nil {
		_ = server.Close()
		_ = door.Close() // server.Close misses the listener if Serve has only just started
		<-closed
	}
}

// ComeBack listens again at the same address after GoAway.
func (s *MailServer) ComeBack() {
	s.t.Helper()
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatalf("mail server: %v", err)
	}
	s.addr = listener.Addr().String()
	listener = door{listener, s}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &mailSession{s: s, c: c}, s.meet(AtHello, c.Conn())
	}))
	server.Domain = "mail.test"
	server.AllowInsecureAuth = true
	server.EnableSMTPUTF8 = s.o.UTF8
	server.ErrorLog = log.New(io.Discard, "", 0)
	config := &tls.Config{Certificates: []tls.Certificate{s.cert}}
	config.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		return nil, s.meet(AtHandshake, h.Conn)
	}
	switch s.o.TLS {
	case StartTLS:
		server.TLSConfig = config
	case ImplicitTLS:
		listener = tls.NewListener(listener, config)
	}
	closed := make(chan struct{})
	s.mu.Lock()
	s.server, s.door, s.closed = server, listener, closed
	s.mu.Unlock()
	go func() {
		defer close(closed)
		_ = server.Serve(listener)
	}()
}

// Mails returns all e-mails accepted so far, the newest last.
func (s *MailServer) Mails() []ReceivedMail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]ReceivedMail(nil), s.mails...)
}

// Next returns the oldest e-mail that Next has not returned yet. It waits for one, and fails the test after two minutes.
func (s *MailServer) Next() ReceivedMail {
	s.t.Helper()
	timeout := time.After(2 * time.Minute)
	for {
		s.mu.Lock()
		if s.next < len(s.mails) {
			m := s.mails[s.next]
			s.next++
			s.mu.Unlock()
			return m
		}
		s.mu.Unlock()
		select {
		case <-s.arrived:
		case <-timeout:
			s.t.Fatal("mail server: no e-mail arrived")
		}
	}
}

// meet misbehaves if asked to at this stage. An error ends the step. Unless the error is a refusal, conn is closed.
func (s *MailServer) meet(at MailStage, conn net.Conn) error {
	s.mu.Lock()
	t := s.trouble
	s.mu.Unlock()
	if t.at != at {
		return nil
	}
	if t.refusal != nil {
		return t.refusal
	}
	if t.hang {
		s.hung <- struct{}{}
		<-t.release
	}
	_ = conn.Close()
	return errDropped
}

func (s *MailServer) keep(m ReceivedMail) {
	s.mu.Lock()
	s.mails = append(s.mails, m)
	s.mu.Unlock()
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// door handles AtConnect, before the SMTP server sees the connection.
type door struct {
	net.Listener
	s *MailServer
}

func (d door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		d.s.mu.Lock()
		t := d.s.trouble
		d.s.mu.Unlock()
		if t.at != AtConnect {
			return refusing{conn, d.s}, nil
		}
		if t.refusal != nil && d.s.o.TLS != ImplicitTLS {
			_, _ = fmt.Fprintf(conn, "%d %s\r\n", t.refusal.Code, t.refusal.Message)
		}
		go func() {
			_ = d.s.meet(AtConnect, conn)
			_ = conn.Close()
		}()
	}
}

// refusing is a connection that refuses commands which the SMTP library answers by itself: it replaces the library's
// response with the refusal.
type refusing struct {
	net.Conn
	s *MailServer
}

func (c refusing) Write(b []byte) (int, error) {
	c.s.mu.Lock()
	t := c.s.trouble
	c.s.mu.Unlock()
	ready := t.at == AtStartTLS && bytes.HasPrefix(b, []byte("220 2.0.0 Ready")) || t.at == AtData && bytes.HasPrefix(b, []byte("354 "))
	if !ready || t.refusal == nil {
		return c.Conn.Write(b)
	}
	_, err := fmt.Fprintf(c.Conn, "%d %s\r\n", t.refusal.Code, t.refusal.Message)
	return len(b), err
}

// mailSession is one connection, beginning with EHLO.
type mailSession struct {
	s              *MailServer
	c              *smtp.Conn
	user, from, to string
	utf8           bool
}

func (m *mailSession) Reset()        { m.from, m.to = "", "" }
func (m *mailSession) Logout() error { return nil }

func (m *mailSession) AuthMechanisms() []string {
	if m.s.o.User == "" {
		return nil
	}
	return m.s.o.Mechanisms
}

func (m *mailSession) Auth(mechanism string) (sasl.Server, error) {
	if err := m.s.meet(AtAuth, m.c.Conn()); err != nil {
		return nil, err
	}
	check := func(user, password string) error {
		if user != m.s.o.User || password != m.s.o.Password {
			return smtp.ErrAuthFailed
		}
		m.user = user
		return nil
	}
	if mechanism == sasl.Login {
		return &loginServer{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

func (m *mailSession) Mail(from string, o *smtp.MailOptions) error {
	if m.s.o.User != "" && m.user == "" {
		return smtp.ErrAuthRequired
	}
	m.from, m.utf8 = from, o.UTF8
	return m.s.meet(AtSender, m.c.Conn())
}

func (m *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	m.to = to
	return m.s.meet(AtRecipient, m.c.Conn())
}

func (m *mailSession) Data(r io.Reader) error {
	first := make([]byte, 1)
	if _, err := io.ReadFull(r, first); err != nil {
		return err
	}
	if err := m.s.meet(AtContent, m.c.Conn()); err != nil {
		return err
	}
	rest, err := io.ReadAll(r)
	if err != nil {
		return err // incomplete, so not an e-mail
	}
	_, secure := m.c.TLSConnectionState()
	mail := ReceivedMail{Hello: m.c.Hostname(), From: m.from, To: m.to, UTF8: m.utf8, User: m.user, TLS: secure, Raw: bytes.Join([][]byte{first, rest}, nil)}
	if err := mail.parse(); err != nil {
		m.s.t.Errorf("mail server: invalid e-mail: %v\n%s", err, mail.Raw)
	}
	m.s.mu.Lock()
	t := m.s.trouble
	m.s.mu.Unlock()
	if t.at == AtAnswer && t.refusal != nil {
		return t.refusal
	}
	m.s.keep(mail)
	return m.s.meet(AtAnswer, m.c.Conn())
}

// loginServer is the server side of AUTH LOGIN, as Exchange implements it.
type loginServer struct {
	check func(user, password string) error
	step  int
	user  string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}
