package edge

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// requestHost gives the host that the browser asked for: the Host header, or what a trusted proxy says it was.
func (e *Edge) requestHost(r *http.Request) (host, port string, ok bool) {
	host, port, ok = canonicalHost(r.Host, e.scheme)
	if forwarded := r.Header.Values("X-Forwarded-Host"); len(forwarded) > 0 && e.fromProxy(r) {
		if len(forwarded) > 1 {
			return "", "", false
		}
		return canonicalHost(forwarded[0], e.scheme)
	}
	return host, port, ok
}

// canonicalHost reads a host as a browser sends it. It gives lower case, and no port where it is the scheme's own.
// What two readers could read differently is not ok: a trailing dot, user information, an empty port, an IPv4 address
// written in any but the usual way.
func canonicalHost(raw, scheme string) (host, port string, ok bool) {
	host = strings.ToLower(raw)
	if end := strings.IndexByte(host, ']'); strings.HasPrefix(host, "[") && end > 0 {
		addr, err := netip.ParseAddr(host[1:end])
		if err != nil || !addr.Is6() || addr.Is4In6() || addr.Zone() != "" {
			return "", "", false
		}
		host, port = "["+addr.String()+"]", host[end+1:]
		if port != "" && port[0] != ':' {
			return "", "", false
		}
	} else {
		if i := strings.IndexByte(host, ':'); i >= 0 {
			host, port = host[:i], host[i:]
		}
		if !validName(host) {
			return "", "", false
		}
	}
	if port == "" {
		return host, "", true
	}
	port = port[1:]
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return "", "", false
	}
	if scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		port = ""
	}
	return host, port, true
}

// validName takes lower-case DNS names and IPv4 addresses in their usual form.
func validName(host string) bool {
	if len(host) > 253 {
		return false
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	// A last label that begins with a digit makes it a number to some readers (127.1, 0x7f.1, 2130706433).
	if c := labels[len(labels)-1][0]; c >= '0' && c <= '9' {
		addr, err := netip.ParseAddr(host)
		return err == nil && addr.Is4()
	}
	return true
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}
