package edge

import (
	"net/http"
	"net/netip"
	"strings"
)

// forwarding are the headers that proxies set, by their canonical names.
var forwarding = []string{http.CanonicalHeaderKey("forwarded"), "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"}

// clientAddr returns the address of the client. Forwarding headers count only from trusted proxies; then the client is
// the rightmost hop that is not one of them. ok is false for a hop that cannot be parsed and for a second header line,
// because a client could otherwise choose its address. Only X-Forwarded-For and X-Forwarded-Host are read. Forwarded,
// X-Forwarded-Proto and X-Real-IP are ignored; the scheme is that of the configured URL.
func (e *Edge) clientAddr(r *http.Request) (addr netip.Addr, ok bool) {
	addr, ok = parseHop(r.RemoteAddr)
	if !ok {
		return netip.Addr{}, false
	}
	if !e.trusted(addr) {
		for _, name := range forwarding {
			if len(r.Header[name]) > 0 {
				e.foreign.Store(true)
			}
		}
		return addr, true
	}
	lines := r.Header.Values("X-Forwarded-For")
	if len(lines) == 0 {
		return addr, true
	}
	if len(lines) > 1 {
		return netip.Addr{}, false
	}
	hops := strings.Split(lines[0], ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := parseHop(strings.TrimSpace(hops[i]))
		if !ok {
			return netip.Addr{}, false
		}
		if e.trusted(addr) {
			addr = hop
		}
	}
	return addr, true
}

func (e *Edge) fromProxy(r *http.Request) bool {
	addr, ok := parseHop(r.RemoteAddr)
	return ok && e.trusted(addr)
}

func (e *Edge) trusted(addr netip.Addr) bool {
	for _, prefix := range e.proxies {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// parseHop parses an address, with or without a port. Each address has only one form: IPv4 is never written as IPv6,
// and zones are dropped.
func parseHop(s string) (netip.Addr, bool) {
	if with, err := netip.ParseAddrPort(s); err == nil {
		return with.Addr().Unmap().WithZone(""), true
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if s, ok = strings.CutSuffix(inner, "]"); !ok {
			return netip.Addr{}, false
		}
	}
	addr, err := netip.ParseAddr(s)
	return addr.Unmap().WithZone(""), err == nil
}
