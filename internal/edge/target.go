package edge

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// clearTarget reports whether a request's target can be read in only one way. A proxy in front and the router behind
// must see the same path. So it allows no encoded slash, dot or letter, no empty, "." or ".." segment, no control
// character, and no query that parsers split in different places.
func clearTarget(target string) bool {
	path, query, _ := strings.Cut(target, "?")
	return clearPath(path) && clearQuery(query)
}

func clearPath(path string) bool {
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") {
		return false
	}
	decoded := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case c == '%':
			if i+2 >= len(path) {
				return false
			}
			high, low := unhex(path[i+1]), unhex(path[i+2])
			if high < 0 || low < 0 {
				return false
			}
			c = byte(high<<4 | low)
			if c < 0x20 || c == 0x7f || c == '/' || c == '\\' || c == '%' || unreserved(c) {
				return false
			}
			i += 2
		case c <= 0x20 || c >= 0x7f || c == '\\' || c == '#':
			return false
		}
		decoded = append(decoded, c)
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return utf8.Valid(decoded)
}

func clearQuery(query string) bool {
	values, err := url.ParseQuery(query) // an error for semicolons and invalid escapes
	if err != nil {
		return false
	}
	for name, all := range values {
		if !clean(name) {
			return false
		}
		for _, value := range all {
			if !clean(value) {
				return false
			}
		}
	}
	return true
}

func clean(s string) bool {
	return utf8.ValidString(s) && !strings.Contains(s, "\x00")
}

// unreserved reports whether c is an unreserved character (RFC 3986, section 2.3). These mean the same encoded or not,
// so an honest client never encodes them.
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
