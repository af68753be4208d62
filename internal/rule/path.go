package rule

import (
	"strings"
	"unicode/utf8"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Path is the path of a request as rules compare it: percent-decoded once, dot segments resolved, without a slash at the
// end. If programs could read the path differently, Reason says why.
type Path struct {
	text   string // "" for the start page, otherwise "/a/b"; as it was sent if there is a reason
	cut    int    // where the first of cuts is in text; len(text) if there is none
	reason Reason
}

// cuts are characters at which some programs end a name, and some the path: parameters, and a query or a fragment for
// those that decode before they split. Whether this matters depends on the rule (see compare).
const cuts = ";?#"

// ReadPath reads the path of a request's target, such as /a/b?c. What follows the first question mark means nothing.
func ReadPath(target string) Path {
	raw, _, _ := strings.Cut(target, "?")
	if !strings.HasPrefix(raw, "/") {
		return unread(raw, NotPath)
	}
	s, dotEncoded, reason := decode(raw)
	if reason == BrokenEncoding {
		return unread(raw, reason)
	}
	if reason == 0 && strings.IndexByte(raw, ' ') >= 0 { // programs may end the target there
		reason = Control
	}
	if reason == 0 {
		reason = odd(s)
	}
	dots := false
	if reason == 0 {
		dots, reason = segments(s)
	}
	cut := strings.IndexAny(s, cuts)
	if reason == 0 && dots && (dotEncoded || cut >= 0) {
		reason = HiddenDots
	}
	if reason != 0 {
		return unread(raw, reason)
	}
	if dots {
		s = resolve(s)
	}
	s = strings.TrimSuffix(s, "/")
	if cut < 0 {
		cut = len(s)
	}
	return Path{s, cut, 0}
}

// unread is a path that no rule may match.
func unread(raw string, why Reason) Path { return Path{raw, len(raw), why} }

// Reason returns why the path matches no rule, or 0.
func (p Path) Reason() Reason { return p.reason }

// Malformed reports whether the path must be refused whatever the rules: it is not a path at all.
func (p Path) Malformed() bool { return p.reason == NotPath || p.reason == BrokenEncoding }

// String returns the path on one line: as rules compare it or, if Reason is not 0, as it was sent.
func (p Path) String() string {
	if p.text == "" && p.reason == 0 {
		return "/"
	}
	return text.Plain(p.text)
}

// decode decodes the percent-encoding of a path, and reports whether a dot was encoded. It allocates only if there is an
// encoding. Of several reasons it prefers BrokenEncoding, because the others do not matter without rules.
func decode(raw string) (s string, dot bool, reason Reason) {
	if strings.IndexByte(raw, '%') < 0 {
		return raw, false, 0
	}
	b := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if !encoded(raw[i:]) {
				return raw, false, BrokenEncoding
			}
			c = unhex(raw[i+1])<<4 | unhex(raw[i+2])
			i += 2
			dot = dot || c == '.'
			if c == '/' {
				reason = EncodedSlash
			}
		}
		b = append(b, c)
	}
	return string(b), dot, reason
}

// odd looks for characters in a decoded path that programs read differently.
func odd(s string) Reason {
	ascii := true
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			return Backslash
		case c == '%' && encoded(s[i:]):
			return EncodedTwice
		case c < ' ' || c == 0x7f:
			return Control
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	switch {
	case ascii:
		return 0
	case !utf8.ValidString(s):
		return NotUTF8
	case strings.ContainsFunc(s, text.IsControl):
		return Control
	}
	return 0
}

// segments reports whether a path has dot segments. Some programs remove parameters first, so a segment that has nothing
// else is empty, and dots with parameters are dots.
func segments(s string) (dots bool, _ Reason) {
	for from := 1; from <= len(s); {
		end := segmentEnd(s, from)
		switch name(s[from:end]) {
		case "":
			if from < len(s) {
				return dots, EmptySegment
			}
		case ".", "..":
			dots = true
		}
		from = end + 1
	}
	return dots, 0
}

// segmentEnd returns where the segment ends that begins at from.
func segmentEnd(s string, from int) int {
	if i := strings.IndexByte(s[from:], '/'); i >= 0 {
		return from + i
	}
	return len(s)
}

// name returns a segment up to the first of cuts.
func name(segment string) string {
	if i := strings.IndexAny(segment, cuts); i >= 0 {
		return segment[:i]
	}
	return segment
}

// resolve removes dot segments (RFC 3986, section 5.2.4). The path has no empty segments but the last.
func resolve(s string) string {
	var kept []string
	for segment := range strings.SplitSeq(s[1:], "/") {
		switch segment {
		case ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/")
}

// encoded reports whether s begins with a percent-encoded byte.
func encoded(s string) bool { return len(s) > 2 && s[0] == '%' && isHex(s[1]) && isHex(s[2]) }

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}
