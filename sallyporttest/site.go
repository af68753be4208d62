package sallyporttest

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/oidc"
	"github.com/sallyport-2fa/sallyport/internal/proxyauth"
	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/web"
)

// Site serves the pages of an Env on a real listener, as browsers, attackers and proxies see them.
type Site struct {
	*Env
	URL  string // of the first workspace; Visitor.At leads to others
	addr string // where this node listens
	edge *edge.Edge
}

// CookieName returns the name that browsers see for a cookie, given its name in the code.
func (s *Site) CookieName(name string) string { return s.edge.CookieName(name) }

// codeName is the inverse of CookieName. It does not change the names of other cookies.
func (s *Site) codeName(name string) string { return strings.TrimPrefix(name, s.CookieName("")) }

// listen opens a port on loopback, and returns the URL of the first workspace on that port.
func listen(t testing.TB) (net.Listener, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return l, "http://localhost:" + port
}

// NewSite serves the pages of the Env at its URL, for Visitors and Browsers. Call it once for each Env; Node adds more
// nodes.
func NewSite(t testing.TB, e *Env) *Site {
	t.Helper()
	return e.serve(e.door, e.Service, text.English)
}

// NewSiteBehind is like NewSite for a proxy that answers at the URL of the Env: the port is free for it, and the site is at Addr.
func NewSiteBehind(t testing.TB, e *Env) *Site {
	t.Helper()
	door, _ := listen(t)
	e.Check(e.door.Close())
	return e.serve(door, e.Service, text.English)
}

// Addr returns the host and port at which this node listens.
func (s *Site) Addr() string { return s.addr }

// Node starts another node of the installation, with the same database and keyset, but its own store and listener. It
// has the URL of the first node: a Visitor reaches it with Through.
func (s *Site) Node() *Site {
	s.T.Helper()
	return s.Over(s.Env.Node(s.Keys))
}

// Over starts a node that serves another Service on the same database, for example one with failing parts.
func (s *Site) Over(service *sallyport.Service) *Site {
	s.T.Helper()
	door, _ := listen(s.T)
	return s.serve(door, service, text.English)
}

// In starts a node with another language.
func (s *Site) In(lang *text.Lang) *Site {
	s.T.Helper()
	door, _ := listen(s.T)
	return s.serve(door, s.Service, lang)
}

// loopback is the trusted proxy of every Site, see Visitor.From.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func (e *Env) serve(door net.Listener, service *sallyport.Service, lang *text.Lang) *Site {
	e.T.Helper()
	log := e.log.logger()
	edges, err := edge.New(e.URL, loopback, log)
	e.Check(err)
	health := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	pages, err := web.New(edges, log, lang)
	e.Check(err)
	edges.Proxies = proxyauth.New(edges, log, lang, service)
	server := edge.NewServer(pages(service, health, oidc.New(edges, log)), log)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = server.Serve(door)
	}()
	e.T.Cleanup(func() {
		server.Close()
		<-closed
	})
	at := *e
	at.Service = service
	return &Site{Env: &at, URL: e.URL, addr: door.Addr().String(), edge: edges}
}
