package proxyauth_test

import (
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport-2fa/sallyport/internal/snippet"
)

// imitated makes the question that a kind of proxy asks about a request, and says whether the answer lets it pass.
type imitated struct {
	clean   func(u *url.URL) *url.URL
	ask     func(b *behind, d snippet.Data, r *http.Request) *http.Request
	allowed func(status int) bool
	refused func(h http.Header, server string)
}

var unreserved = regexp.MustCompile(`(?i)%(4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a]|3[0-9]|2d|2e|5f|7e)`)

// hop are the headers of one connection, which proxies do not pass on.
var hop = []string{"Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authorization", "Proxy-Connection"}

// traefik imitates Traefik 3: it cleans the path, and then does as pkg/middlewares/auth/forward.go. make test-clients runs Traefik itself.
var traefik = imitated{
	clean: func(u *url.URL) *url.URL {
		u = u.JoinPath()
		if clear := unreserved.ReplaceAllStringFunc(u.EscapedPath(), func(s string) string { c, _ := url.PathUnescape(s); return c }); clear != u.EscapedPath() {
			u.RawPath = clear
		}
		return u
	},
	ask: func(b *behind, d snippet.Data, r *http.Request) *http.Request {
		ask, err := http.NewRequestWithContext(r.Context(), "GET", "http://"+d.Server+"/api/authz/forward-auth", nil)
		b.Check(err)
		ask.Header = r.Header.Clone()
		for _, name := range hop {
			ask.Header.Del(name)
		}
		ask.Header.Del("Content-Length")
		proto := "https"
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			proto = "wss"
		}
		client, _, _ := net.SplitHostPort(r.RemoteAddr)
		for name, value := range map[string]string{
			"X-Forwarded-Method": r.Method, "X-Forwarded-Proto": proto, "X-Forwarded-Host": r.Host, "X-Forwarded-Uri": r.URL.RequestURI(),
			"X-Forwarded-For": client, "X-Forwarded-Port": "443", "X-Forwarded-Server": "traefik", "X-Real-Ip": client,
		} {
			ask.Header.Set(name, value)
		}
		return ask
	},
	allowed: func(status int) bool { return status >= 200 && status < 300 },
	refused: func(h http.Header, server string) {
		if to, err := url.Parse(h.Get("Location")); err == nil && h.Get("Location") != "" {
			h.Set("Location", (&url.URL{Scheme: "http", Host: server}).ResolveReference(to).String())
		}
	},
}

// envoy imitates the HTTP service of Envoy's ext_authz: the method and the path of the request, with the prefix, the Host, and of
// the other headers only those of the configuration. It has no body, but says how long that of the request is.
var envoy = imitated{
	clean: func(u *url.URL) *url.URL { return u },
	ask: func(b *behind, d snippet.Data, r *http.Request) *http.Request {
		ask, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+d.Server, nil)
		b.Check(err)
		ask.URL.Opaque = "/api/authz/ext-authz" + r.URL.RequestURI()
		ask.Host = r.Host
		for _, name := range []string{"Accept", "Cookie", "Sec-Fetch-Dest", "User-Agent", "Authorization"} {
			if v := r.Header[name]; v != nil {
				ask.Header[name] = []string{strings.Join(v, ",")}
			}
		}
		client, _, _ := net.SplitHostPort(r.RemoteAddr)
		for name, value := range map[string]string{
			"X-Forwarded-Proto": "https", "X-Forwarded-For": client + ",127.0.0.1", "X-Envoy-Internal": "true", "X-Envoy-Expected-Rq-Timeout-Ms": "10000",
			"X-Request-Id": "6d5b2a46-8f0e-4b9e-9d0c-4cf0e0ab8f50",
		} {
			ask.Header.Set(name, value)
		}
		return ask
	},
	allowed: func(status int) bool { return status == 200 },
	refused: func(http.Header, string) {},
}

// imitate serves an imitation of a proxy.
func (b *behind) imitate(d snippet.Data, kind imitated) {
	b.t.Helper()
	pair, err := tls.LoadX509KeyPair(d.Certificate, d.Certificate)
	b.Check(err)
	l, err := tls.Listen("tcp", b.address, &tls.Config{Certificates: []tls.Certificate{pair}})
	b.Check(err)
	client := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 8}
	b.t.Cleanup(client.CloseIdleConnections)
	app := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(&url.URL{Scheme: "http", Host: d.App})
		p.Out.Host = p.In.Host
		p.SetXForwarded()
	}}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != b.host() && r.Host != strings.TrimPrefix(b.second, "https://") {
			http.NotFound(w, r) // the router knows no such host
			return
		}
		r.URL = kind.clean(r.URL)
		maps.DeleteFunc(r.Header, func(name string, _ []string) bool { return cleaned(name) })
		answer, err := client.RoundTrip(kind.ask(b, d, r))
		if err != nil {
			http.Error(w, "", http.StatusInternalServerError)
			return
		}
		defer answer.Body.Close()
		if !kind.allowed(answer.StatusCode) {
			maps.Copy(w.Header(), answer.Header)
			for _, name := range hop {
				w.Header().Del(name)
			}
			kind.refused(w.Header(), d.Server)
			w.WriteHeader(answer.StatusCode)
			_, _ = io.Copy(w, answer.Body)
			return
		}
		for _, name := range identity {
			r.Header[name] = answer.Header[name]
		}
		app.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(l) }()
	b.t.Cleanup(func() { server.Close() })
}

// cleaned reports whether the configurations of the imitated proxies remove a header that a browser sent.
func cleaned(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	return slices.ContainsFunc([]string{"remote-", "sallyport-", "x-original-", "x-forwarded-", "x-rewrite-", "x-real-ip", "forwarded"}, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
