package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/background"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/mail"
	"github.com/sallyport-2fa/sallyport/internal/oidc"
	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/internal/proxyauth"
	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/web"
)

type serveCmd struct {
	place
	Listen          string   `default:"127.0.0.1:8080" env:"SALLYPORT_LISTEN" placeholder:"ADDR" help:"Address and port to listen on (default: 127.0.0.1:8080)."`
	URL             string   `name:"url" env:"SALLYPORT_URL" placeholder:"URL" help:"URL at which browsers reach the first workspace (default: http://localhost and the port of --listen)."`
	TrustedProxies  []string `env:"SALLYPORT_TRUSTED_PROXIES" placeholder:"CIDR" help:"Networks of your reverse proxies. X-Forwarded-For is believed only if it comes from them."`
	MetricsListen   string   `env:"SALLYPORT_METRICS_LISTEN" placeholder:"ADDR" help:"Address and port to serve metrics on, at /metrics (default: none)."`
	Mail            string   `env:"SALLYPORT_MAIL" placeholder:"URL" help:"Mail server, smtp://user:password@host:587 or smtps:// (default: mail waits in the outbox, where administrators can read invitations)."`
	MailFrom        string   `env:"SALLYPORT_MAIL_FROM" placeholder:"ADDR" help:"Sender address of all mail."`
	MailEHLO        string   `name:"mail-ehlo" env:"SALLYPORT_MAIL_EHLO" placeholder:"HOST" help:"Host name to send in EHLO to the mail server (default: the host of --url)."`
	SecurityContact string   `env:"SALLYPORT_SECURITY_CONTACT" placeholder:"URL" help:"Where to report vulnerabilities, mailto: or https:, for /.well-known/security.txt (default: none)."`
	TLSCert         string   `name:"tls-cert" env:"SALLYPORT_TLS_CERT" placeholder:"FILE" help:"Certificate chain in PEM, if no proxy terminates TLS."`
	TLSKey          string   `name:"tls-key" env:"SALLYPORT_TLS_KEY" placeholder:"FILE" help:"Private key of the certificate, in PEM."`
	AuditDays       uint16   `env:"SALLYPORT_AUDIT_DAYS" placeholder:"DAYS" help:"How many days to keep events of the audit log. Older ones are deleted (default: keep all)."`
}

// shutdownLimit is how long requests in flight may take to finish after the server is told to stop.
const shutdownLimit = 30 * time.Second

// settling is how long background work is delayed after a start, so that it does not slow down the first requests.
const settling = time.Second

// hashQueue is how many sign-ins may wait for their password hash. At 20 ms each on two cores, the last one waits about
// a second. Any more are asked to try again later.
const hashQueue = 128

// server is a listener and everything needed to answer requests on it. The commands serve and demo each create one.
type server struct {
	listener net.Listener
	tls      *tls.Config // nil: plain HTTP
	edge     *edge.Edge
	pages    func() (web.Pages, error)
	hasher   *passwd.Hasher
	mailer   sallyport.Mailer // nil: none
	log      *slog.Logger
}

func (c *serveCmd) Run(ctx context.Context) error {
	ctx, stop := signalContext(ctx)
	defer stop()
	s, err := c.prepare(slog.LevelInfo)
	if err != nil {
		return err
	}
	defer s.listener.Close()
	parts := s.parts(time.Now)
	parts.SecurityContact, parts.AuditDays = c.SecurityContact, int(c.AuditDays)
	in, err := c.open(ctx, parts, true)
	if err != nil {
		return err
	}
	defer in.Close()
	token, err := in.OpenFirstRun(ctx)
	if err != nil {
		return err
	}
	metrics, err := c.metrics(s, in.store)
	if err != nil {
		return err
	}
	defer metrics.Close()
	if token != "" {
		// The link is shown only here. It is printed, never logged, because logs are kept and other people read them.
		fmt.Printf("Open this link within %d minutes to create the first workspace and its owner:\n%s/first-run/%s\n",
			int(sallyport.FirstRunLimit.Minutes()), in.URL, token.Reveal())
	}
	return s.run(ctx, in.Service, nil)
}

// prepare checks the configuration and starts to listen. The caller opens the database only after that.
func (c *serveCmd) prepare(level slog.Level) (s *server, err error) {
	s = &server{log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))}
	if s.tls, err = c.loadTLS(); err != nil {
		return nil, err
	}
	smtp, err := c.mailServer()
	if err != nil {
		return nil, err
	}
	if u, err := url.Parse(c.SecurityContact); err != nil || c.SecurityContact != "" && u.Scheme != "mailto" && u.Scheme != "https" {
		return nil, badUsage("--security-contact: write it like mailto:security@example.com, or as an address that begins with https://")
	}
	proxies, err := parseNetworks(c.TrustedProxies)
	if err != nil {
		return nil, err
	}
	if s.listener, err = listen("--listen", c.Listen); err != nil {
		return nil, err
	}
	address := c.URL
	if address == "" {
		address = ownURL(s.listener, s.tls != nil)
	}
	if s.edge, err = newEdge(address, proxies, s.log); err == nil && s.tls != nil && !s.edge.Secure() {
		err = badUsage("--tls-cert needs a --url that begins with https://")
	}
	if err != nil {
		return nil, errors.Join(err, s.listener.Close())
	}
	if smtp != nil {
		smtp.Name = cmp.Or(smtp.Name, ehlo(s.edge.Host()))
		s.mailer = smtp.Send
	}
	// Each hash occupies a core for milliseconds. With 2 extra processors, other work runs alongside them.
	cores := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(cores + 2)
	s.hasher = passwd.NewHasher(cores, hashQueue)
	debug.SetGCPercent(garbage)
	s.pages = sync.OnceValues(func() (web.Pages, error) { return web.New(s.edge, s.log, text.English) })
	go s.pages() // in parallel with opening the database
	return s, nil
}

// newEdge is edge.New with a usage error for a wrong --url.
func newEdge(address string, proxies []netip.Prefix, log *slog.Logger) (*edge.Edge, error) {
	e, err := edge.New(address, proxies, log)
	if err != nil {
		return nil, badUsage("--url: %w", err)
	}
	return e, nil
}

func ownURL(l net.Listener, secure bool) string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	return fmt.Sprintf("%s://localhost:%d", scheme, l.Addr().(*net.TCPAddr).Port)
}

func listen(option, address string) (net.Listener, error) {
	_, _, err := net.SplitHostPort(address) // because net.Listen takes an empty address to mean any
	var l net.Listener
	if err == nil {
		l, err = net.Listen("tcp", address)
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, badUsage("%s %s: another program is already listening there; stop it, or choose another port", option, address)
	case err != nil:
		return nil, badUsage("%s: %w; write an address and a port, such as 127.0.0.1:8080", option, err)
	}
	return l, nil
}

func (c *serveCmd) loadTLS() (*tls.Config, error) {
	if c.TLSCert == "" && c.TLSKey == "" {
		return nil, nil
	}
	if c.TLSCert == "" || c.TLSKey == "" {
		return nil, badUsage("--tls-cert and --tls-key go together: set both")
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, badUsage("--tls-cert, --tls-key: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// mailServer returns the configured mail server, or nil if there is none. Its Name is empty unless --mail-ehlo is set.
func (c *serveCmd) mailServer() (*mail.SMTP, error) {
	if c.Mail == "" && c.MailFrom == "" {
		if c.MailEHLO != "" {
			return nil, badUsage("--mail-ehlo needs --mail and --mail-from")
		}
		return nil, nil
	}
	if c.Mail == "" || c.MailFrom == "" {
		return nil, badUsage("--mail and --mail-from go together: set both the mail server and the sender address")
	}
	server, err := mail.New(c.Mail, c.MailFrom)
	if err != nil {
		return nil, badUsage("--mail, --mail-from: %w", err)
	}
	server.Name = ""
	if c.MailEHLO != "" {
		if server.Name, err = fold.HostName(c.MailEHLO); err != nil {
			return nil, badUsage("--mail-ehlo: %q is not a host name; write it like login.example.com", c.MailEHLO)
		}
	}
	return server, nil
}

// ehlo returns the name to send in EHLO for a host: without its port, and an IP address as an address literal (RFC 5321
// section 4.1.3).
func ehlo(host string) string {
	name, _, _ := fold.Host(host)
	addr, err := netip.ParseAddr(strings.Trim(name, "[]"))
	switch {
	case err != nil:
		return name
	case addr.Is6():
		return "[IPv6:" + addr.String() + "]"
	}
	return "[" + addr.String() + "]"
}

// parseNetworks parses networks. A plain address is a network of one address.
func parseNetworks(all []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, s := range all {
		s = strings.TrimSpace(s)
		p, err := netip.ParsePrefix(s)
		if a, plain := netip.ParseAddr(s); err != nil && plain == nil && !strings.Contains(s, "/") { // a slash would be part of a zone
			p, err = a.Prefix(a.BitLen())
		}
		if err == nil && p.Addr().Is4In6() && p.Bits() >= 96 { // ::ffff:10.0.0.0/104 is 10.0.0.0/8, as clients are compared
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		} else if err == nil && p.Addr().Is4In6() {
			err = errors.New("wider than IPv4")
		}
		if err != nil {
			return nil, badUsage("--trusted-proxies: %q is not a network; write it like 10.0.0.0/8 or 192.0.2.7", s)
		}
		networks = append(networks, p.Masked())
	}
	return networks, nil
}

// parts returns a Service with the parts that come from the server.
func (s *server) parts(now func() time.Time) sallyport.Service {
	return sallyport.Service{Now: now, Hasher: s.hasher, Log: s.log, URL: s.edge.Origin(s.edge.Host()), Mailer: s.mailer}
}

// signalContext returns a context that ends at the first SIGTERM or SIGINT. Further signals are ignored: shutting down
// takes at most shutdownLimit.
func signalContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
}

// pause returns after d, or earlier if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// run serves until ctx ends, then lets requests in flight finish. If wrap is not nil, it wraps the handler of the
// pages.
func (s *server) run(ctx context.Context, service *sallyport.Service, wrap func(http.Handler) http.Handler) error {
	pages, err := s.pages()
	if err != nil {
		return err
	}
	s.edge.Proxies = proxyauth.New(s.edge, s.log, text.English, service)
	handler := pages(service, health(service.Store, s.log), oidc.New(s.edge, s.log))
	if wrap != nil {
		handler = wrap(handler)
	}
	until, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	working.Go(func() {
		pause(until, settling)
		background.Run(until, service)
	})
	working.Go(func() { giveBackMemory(until) })
	defer working.Wait() // before the database is closed
	defer cancel()
	srv := edge.NewServer(handler, s.log)
	srv.TLSConfig = s.tls
	ended := make(chan error, 1)
	go func() { ended <- s.serve(srv) }()
	s.log.Info("serving", "url", service.URL, "listen", s.listener.Addr().String())
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	s.log.Info("stopping once requests in flight have finished")
	limit, done := context.WithTimeout(context.Background(), shutdownLimit)
	defer done()
	if err := srv.Shutdown(limit); err != nil {
		return fmt.Errorf("some requests did not finish within %v: %w", shutdownLimit, errors.Join(err, srv.Close()))
	}
	return nil
}

func (s *server) serve(srv *http.Server) error {
	if s.tls != nil {
		return srv.ServeTLS(s.listener, "", "")
	}
	return srv.Serve(s.listener)
}
