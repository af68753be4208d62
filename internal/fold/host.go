package fold

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// ErrHost means that the input is not a host name.
var ErrHost = errors.New("not a host name")

// Host parses a host with an optional port, as browsers send it, and returns both in their canonical form, the host in
// lower case. It rejects what two parsers could read differently: a trailing dot, user information, an empty port, or
// an IPv4 address in an unusual notation.
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

// HostName returns a DNS name that a user typed in the form that browsers use: ASCII, lower case. It rejects IP
// addresses and ports. The error is ErrHost.
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

// TypedHost reads a host as people type it, with a port or without, and gives what browsers make of it: münchen.example
// is xn--mnchen-3ya.example.
func TypedHost(typed string) (host string, ok bool) {
	name, port := typed, ""
	if i := strings.LastIndexByte(typed, ':'); i >= 0 && !strings.HasSuffix(typed, "]") {
		name, port = typed[:i], typed[i:]
	}
	if ascii, err := HostName(name); err == nil {
		name = ascii
	}
	name, port, ok = Host(name + port)
	if port != "" {
		name += ":" + port
	}
	return name, ok
}

// LoopbackHost reports whether a host returned by Host refers to the browser's own machine.
func LoopbackHost(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}

// validName reports whether host is a lower-case DNS name or an IPv4 address in dotted-decimal notation.
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
	// Some parsers read a last label that begins with a digit as a number (127.1, 0x7f.1, 2130706433).
	if c := labels[len(labels)-1][0]; c >= '0' && c <= '9' {
		addr, err := netip.ParseAddr(host)
		return err == nil && addr.Is4()
	}
	return true
}
