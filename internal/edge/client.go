package edge

import (
	"net/http"
	"net/netip"
	"strings"
)

// forwarding are the headers, by their canonical names, that tell of a proxy.
var forwarding = []string{http.CanonicalHeaderKey("forwarded"), "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"}

// clientAddr finds who is at the other end. Forwarding headers count only from trusted proxies; then the client is the
// rightmost hop that is not one of them. A hop that cannot be read, or a second header line, is not ok: somebody could
// be choosing an address. Of the headers in use X-Forwarded-For and X-Forwarded-Host are read; Forwarded,
// X-Forwarded-Proto and X-Real-IP never are, the scheme is the configured URL's.
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

// parseHop reads an address, with or without a port. One address has one form: IPv4 is never written as IPv6, zones
// are dropped.
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
