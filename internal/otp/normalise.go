package otp

import "unicode"

// maxInput is the longest input of Normalise, in bytes. Six digits of four bytes, each with invisible marks around it,
// need 52.
const maxInput = 256

// Normalise returns the six ASCII digits that a user meant by input. It ignores spaces, line ends, dashes and invisible
// characters of every kind, and accepts decimal digits of every script. It returns false if the input contains
// anything else, does not have exactly six digits, is invalid UTF-8, or is longer than 256 bytes.
func Normalise(input string) (code string, ok bool) {
	if len(input) > maxInput {
		return "", false
	}
	digits := make([]byte, 0, 6)
	for _, r := range input { // invalid UTF-8 becomes U+FFFD, which is neither a digit nor ignored
		switch {
		case unicode.IsDigit(r):
			if len(digits) == 6 {
				return "", false
			}
			digits = append(digits, '0'+digitValue(r))
		case !Ignored(r):
			return "", false
		}
	}
	if len(digits) != 6 {
		return "", false
	}
	return string(digits), true
}

// digitValue returns the value of a decimal digit (category Nd). Unicode assigns digits in runs from zero to nine, and
// some runs are adjacent (U+1D7CE to U+1D7FF are five runs), so the number of digits directly before r gives its value.
func digitValue(r rune) byte {
	n := rune(0)
	for unicode.IsDigit(r - n - 1) {
		n++
	}
	return byte(n % 10)
}

// Ignored reports whether a character carries no meaning in a code: spaces and line ends, dashes, and characters that
// are not drawn (zero-width characters, bidirectional marks, byte order mark, variation selectors, soft hyphen).
// Control characters such as NUL are not ignored.
func Ignored(r rune) bool {
	return unicode.In(r, unicode.White_Space, unicode.Dash, unicode.Cf,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r) // Arabic number signs and similar are in Cf, but are drawn
}
