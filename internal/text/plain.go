package text

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Plain returns a text fit to stand on one line beside others, in a terminal, an e-mail or a table: control characters
// become spaces, and characters that change the direction of what follows are left out. The text alone then decides how
// it reads, and nothing around it.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case IsControl(r):
			return ' '
		case IsBidi(r):
			return -1
		}
		return r
	}, s)
}

// PlainJSON returns JSON in which such characters are escaped. Programs read the same values from it.
func PlainJSON(encoded []byte) []byte {
	var b []byte
	for _, r := range string(encoded) {
		if r != '\n' && (IsControl(r) || IsBidi(r)) {
			b = fmt.Appendf(b, `\u%04x`, r)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

// IsControl reports the characters that end a line or steer a terminal.
func IsControl(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029'
}

// IsBidi reports the invisible characters that change the direction of the text around them (Unicode Bidi_Control, less
// the marks U+061C, U+200E and U+200F, which stand for a single letter and which names in Arabic and Hebrew have).
func IsBidi(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// WithoutBidi leaves out what IsBidi reports.
func WithoutBidi(s string) string {
	return strings.Map(func(r rune) rune {
		if IsBidi(r) {
			return -1
		}
		return r
	}, s)
}
