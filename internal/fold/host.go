package fold

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// ErrHost is returned for what is no host name.
var ErrHost = errors.New("not a host name")

// Host reads a host as a browser sends it, with a port or without, and gives both in their only spelling, the host in
// lower case. What two readers could read differently is not ok: a trailing dot, user information, an empty port, an
// IPv4 address written in any but the usual way.
func Host(raw string) (host, port string, ok bool) {
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
	return host, port, true
}

// HostName reads a DNS name as people type it, and gives what browsers make of it: ASCII, in lower case. Addresses and
// ports are refused.
func HostName(typed string) (string, error) {
	ascii, err := idna.Lookup.ToASCII(strings.TrimSpace(typed))
	if err != nil || mixed(typed) {
		return "", ErrHost
	}
	name, port, ok := Host(ascii)
	if !ok || port != "" {
		return "", ErrHost
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return "", ErrHost
	}
	return name, nil
}

// LoopbackHost reports whether a host from Host leads browsers to the machine that they run on.
func LoopbackHost(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
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
