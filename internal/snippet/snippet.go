// Package snippet fills in the configuration of the proxies that can stand in front of an app. The files are in files/; the
// guides show them, and the tests of the proxy door run them in the real programs.
package snippet

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

// Data is what a configuration needs to know. Workspace, Server, Hosts and App are required.
type Data struct {
	Workspace string   // origin at which people sign in
	Server    string   // host:port where this Sallyport answers the proxy, without TLS
	Hosts     []string // origins of the app
	App       string   // host:port of the app behind the proxy

	// The rest has defaults that suit an installation from packages.
	Listen      string // address on which the proxy listens; empty: all
	Certificate string // file with the certificate; HAProxy also reads the key from it
	Key         string // file with the key
	Folder      string // in which the files are saved
}

// File is one file of a configuration.
type File struct {
	Name string // path at which the other files expect it
	Text string
}

type proxy struct {
	kind   string
	folder string
	files  []string
}

// kinds are the proxies, in the order in which they are offered, with the folder and the names of their files.
var kinds = []proxy{
	{"nginx", "/etc/nginx/conf.d", []string{"sallyport-nginx.conf"}},
	{"caddy", "/etc/caddy", []string{"Caddyfile"}},
	{"traefik", "/etc/traefik/dynamic", []string{"sallyport-traefik.yaml"}},
	{"haproxy", "/etc/haproxy", []string{"haproxy.cfg", "sallyport-haproxy.lua"}},
	{"envoy", "/etc/envoy", []string{"envoy.yaml"}},
	{"apache", "/etc/apache2", []string{"sallyport-apache.conf", "sallyport-apache.lua"}},
}

// Kinds returns the proxies for which there is a configuration.
func Kinds() (all []string) {
	for _, k := range kinds {
		all = append(all, k.kind)
	}
	return all
}

//go:embed files
var files embed.FS

var templates = template.Must(template.New("").Option("missingkey=error").ParseFS(files, "files/*"))

// Fill returns the configuration of a proxy as one text. If it has several files, each begins with a line that names it.
func Fill(kind string, d Data) (string, error) {
	all, err := Files(kind, d)
	if err != nil {
		return "", err
	}
	if len(all) == 1 {
		return all[0].Text, nil
	}
	parts := make([]string, len(all))
	for i, f := range all {
		comment := "#"
		if strings.HasSuffix(f.Name, ".lua") {
			comment = "--"
		}
		parts[i] = comment + " File " + f.Name + ":\n" + f.Text
	}
	return strings.Join(parts, "\n"), nil
}

// Files returns the configuration of a proxy. It refuses data that could change the meaning of a configuration.
func Files(kind string, d Data) ([]File, error) {
	at := slices.IndexFunc(kinds, func(p proxy) bool { return p.kind == kind })
	if at < 0 {
		return nil, fmt.Errorf("there is no configuration for %q", kind)
	}
	if d.Folder == "" {
		d.Folder = kinds[at].folder
	}
	f, err := newFields(d)
	if err != nil {
		return nil, err
	}
	var all []File
	for _, name := range kinds[at].files {
		var b strings.Builder
		if err := templates.ExecuteTemplate(&b, name, f); err != nil {
			return nil, err
		}
		all = append(all, File{d.Folder + "/" + name, b.String()})
	}
	return all, nil
}

// site is one origin of the app.
type site struct {
	Origin string // https://wiki.example.com:8443
	Host   string // wiki.example.com:8443, without the default port of the scheme
	Name   string // wiki.example.com
	Port   string
	TLS    bool
}

// Scheme returns https or http.
func (s site) Scheme() string {
	if s.TLS {
		return "https"
	}
	return "http"
}

// fields are what the files refer to.
type fields struct {
	Data
	Sites []site
	ID    string // of the app, for names of parts
	Files bool   // the certificate is in files that were named
}

// Ports returns one site for each port.
func (f fields) Ports() (all []site) {
	for _, s := range f.Sites {
		if !slices.ContainsFunc(all, func(seen site) bool { return seen.Port == s.Port }) {
			all = append(all, s)
		}
	}
	return all
}

// At returns the address and port on which to listen, in the form that nginx, HAProxy and Apache share.
func (f fields) At(port string) string {
	if addr, err := netip.ParseAddr(f.Listen); err == nil && addr.Is6() {
		return "[" + f.Listen + "]:" + port
	}
	return f.Listen + ":" + port
}

// claims are headers by which a browser could claim what only a proxy says, besides those that each proxy sets itself. Some apps
// take an underscore for a hyphen.
var claims = []string{
	"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", "Sallyport-Assertion",
	"X-Original-URL", "X-Original-URI", "X-Original-Method", "X-Rewrite-URL",
	"X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Prefix", "X-Forwarded-Scheme", "X-Forwarded-Ssl", "Forwarded",
}

// Claims returns the headers that a configuration removes.
func (f fields) Claims() []string { return claims }

// Underscored returns their forms with underscores, and those of headers that a proxy sets.
func (f fields) Underscored() (all []string) {
	for _, name := range append(slices.Clone(claims), "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
		"X-Forwarded-Port", "X-Forwarded-Server", "X-Real-IP") {
		if under := strings.ReplaceAll(name, "-", "_"); under != name {
			all = append(all, under)
		}
	}
	return all
}

// Forwarding returns Claims without the headers of Sallyport, for proxies that set those after asking.
func (f fields) Forwarding() []string { return claims[5:] }

// cluster is a server behind Envoy.
type cluster struct{ Name, Host, Port string }

// Clusters returns the servers to which Envoy sends requests.
func (f fields) Clusters() (all []cluster) {
	for _, c := range []cluster{{Name: "sallyport", Host: f.Server}, {Name: f.ID + "-app", Host: f.App}} {
		c.Host, c.Port, _ = splitPort(c.Host) // checked before
		c.Host = strings.Trim(c.Host, "[]")
		all = append(all, c)
	}
	return all
}

var (
	hostName = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)
	filePath = regexp.MustCompile(`^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$`)
	notWord  = regexp.MustCompile(`[^a-z0-9]+`)
)

func newFields(d Data) (fields, error) {
	f := fields{Data: d, Files: d.Certificate != ""}
	if _, err := readOrigin(d.Workspace); err != nil {
		return f, fmt.Errorf("the workspace: %w", err)
	}
	if len(d.Hosts) == 0 {
		return f, errors.New("the app has no hosts")
	}
	for _, origin := range d.Hosts {
		s, err := readOrigin(origin)
		if err != nil {
			return f, fmt.Errorf("the hosts of the app: %w", err)
		}
		f.Sites = append(f.Sites, s)
	}
	f.ID = strings.Trim(notWord.ReplaceAllString(f.Sites[0].Name, "-"), "-")
	for _, address := range []string{d.Server, d.App} {
		if host, port, ok := splitPort(address); !ok || port == "" || !validHost(host) {
			return f, fmt.Errorf("%q is not an address with a port, such as 127.0.0.1:8080", address)
		}
	}
	if _, err := netip.ParseAddr(d.Listen); err != nil && d.Listen != "" || strings.Contains(d.Listen, "%") {
		return f, fmt.Errorf("%q is not an IP address", d.Listen)
	}
	f.Certificate = cmp.Or(d.Certificate, "/etc/ssl/private/"+f.ID+".pem")
	f.Key = cmp.Or(d.Key, f.Certificate)
	for _, path := range []string{f.Certificate, f.Key, f.Folder} {
		if !filePath.MatchString(path) {
			return f, fmt.Errorf("%q is not an absolute path of letters, digits, dots, hyphens and underscores", path)
		}
	}
	return f, nil
}

// readOrigin reads an origin in the form that browsers write.
func readOrigin(origin string) (site, error) {
	wrong := fmt.Errorf("%q is not an address such as https://wiki.example.com", origin)
	scheme, host, ok := strings.Cut(origin, "://")
	s := site{Origin: origin, Host: host, TLS: scheme == "https"}
	if !ok || scheme != "https" && scheme != "http" {
		return s, wrong
	}
	if s.Name, s.Port, ok = splitPort(host); !ok || !validHost(s.Name) {
		return s, wrong
	}
	standard := map[bool]string{true: "443", false: "80"}[s.TLS]
	if s.Port == standard {
		return s, wrong
	}
	if s.Port == "" {
		s.Port = standard
	}
	return s, nil
}

// splitPort splits a host, in brackets if it is an IPv6 address, from its port, which may be missing.
func splitPort(s string) (host, port string, ok bool) {
	host = s
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port = s[:i], s[i+1:]
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return "", "", false
		}
	}
	return host, port, true
}

func validHost(host string) bool {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return ok && err == nil && addr.Is6() && addr.Zone() == ""
	}
	return len(host) <= 253 && hostName.MatchString(host)
}
