package openid

import (
	"slices"
	"strconv"
	"strings"
)

// Redirects reports whether an app registered an address, byte for byte. A program on the person's own machine gets a port from
// its system each time, so the port of a public client's loopback address does not count (RFC 8252 section 7.3).
func Redirects(registered []string, public bool, uri string) bool {
	if slices.Contains(registered, uri) {
		return true
	}
	if !public {
		return false
	}
	asked, ok := withoutPort(uri)
	return ok && slices.ContainsFunc(registered, func(one string) bool {
		r, ok := withoutPort(one)
		return ok && r == asked
	})
}

// withoutPort returns an address on a loopback IP address without its port. ok is false for every other address.
func withoutPort(uri string) (rest string, ok bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]"} {
		rest, ok = strings.CutPrefix(uri, host)
		if !ok {
			continue
		}
		if port, found := strings.CutPrefix(rest, ":"); found {
			rest = strings.TrimLeft(port, "0123456789")
			digits := port[:len(port)-len(rest)]
			if n, err := strconv.ParseUint(digits, 10, 16); err != nil || n == 0 || digits[0] == '0' {
				return "", false
			}
		}
		return host + rest, rest == "" || rest[0] == '/' || rest[0] == '?'
	}
	return "", false
}
