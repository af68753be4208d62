package web

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/snippet"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// proxyNames are the proxies for which there is a configuration, by their kind.
var proxyNames = map[string]text.Message{
	"nginx": text.Say("nginx"), "caddy": text.Say("Caddy"), "traefik": text.Say("Traefik"), "haproxy": text.Say("HAProxy"), "envoy": text.Say("Envoy"),
	"apache": text.Say("Apache"),
}

// configuration is what to enter in the proxy in front of an app.
type configuration struct {
	Kind   string
	Kinds  []option
	Server string // where this server answers the proxy
	Behind string // where the app is
	Files  []snippet.File
	Wrong  bool // Server or Behind cannot be read
}

// configuration fills in the configuration of a proxy. Nothing says where this server and the app are for the proxy, so both are
// asked for.
func (s *site) configuration(r *http.Request, a sallyport.App, q form) *configuration {
	c := &configuration{
		Kind: cmp.Or(q.Get("kind"), snippet.Kinds()[0]), Server: cmp.Or(strings.TrimSpace(q.Get("server")), "127.0.0.1:8080"),
		Behind: cmp.Or(strings.TrimSpace(q.Get("behind")), "127.0.0.1:3000"),
	}
	for _, kind := range snippet.Kinds() {
		c.Kinds = append(c.Kinds, option{Value: kind, Label: s.lang.HTML(proxyNames[kind])})
	}
	var err error
	c.Files, err = snippet.Files(c.Kind, snippet.Data{
		Workspace: s.edge.Origin(edge.From(r.Context()).Host), Server: c.Server, Hosts: a.Proxy.Hosts, App: c.Behind,
	})
	c.Wrong = err != nil
	return c
}
