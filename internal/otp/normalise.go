package otp

import "unicode"

// maxInput bounds, in bytes, what Normalise looks at. Six digits of four bytes with an invisible mark around each
// need 52.
const maxInput = 256

// Normalise returns the six ASCII digits that a person meant by input. It leaves out spaces, line ends, dashes and
// invisible characters of every kind, and reads the decimal digits of every script. Anything else in the input, more
// or fewer digits than six, invalid UTF-8, or more than 256 bytes: not ok.
func Normalise(input string) (code string, ok bool) {
	if len(input) > maxInput {
		return "", false
	}
	digits := make([]byte, 0, 6)
	for _, r := range input { // invalid UTF-8 arrives as U+FFFD, which is neither digit nor ignored
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

// digitValue returns the value of a decimal digit (category Nd). Unicode gives them out in runs of ten from zero to
// nine, and some runs touch (U+1D7CE to U+1D7FF are five), so the number of digits directly before r says it.
func digitValue(r rune) byte {
	n := rune(0)
	for unicode.IsDigit(r - n - 1) {
		n++
	}
	return byte(n % 10)
}

// Ignored tells the characters that carry nothing: spaces and line ends, dashes, and those that are not drawn (zero
// width, bidirectional marks, byte order mark, variation selectors, soft hyphen). Control characters such as NUL are
// not among them.
func Ignored(r rune) bool {
	return unicode.In(r, unicode.White_Space, unicode.Dash, unicode.Cf,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r) // Arabic number signs and their like are Cf, but drawn
}
