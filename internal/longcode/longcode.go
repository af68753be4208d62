// Package longcode makes and reads the codes of 125 bits that people type: recovery codes and set-up codes.
package longcode

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/sallyport-2fa/sallyport/internal/otp"
)

// Alphabet is Crockford's base 32: without I, L, O and U, which look like other characters or form words.
const Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	Length   = 25  // characters of 5 bits
	MaxInput = 256 // bytes of input that are read

	group = 5
)

// New returns 25 random characters.
func New() string {
	var b [16]byte
	rand.Read(b[:])
	return base32.NewEncoding(Alphabet).EncodeToString(b[:])[:Length]
}

// Group returns the characters as they are shown to people: five groups of five, separated by dashes.
func Group(code string) string {
	var b strings.Builder
	for i, c := range code {
		if i > 0 && i%group == 0 {
			b.WriteByte('-')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// Parse returns the 25 characters that a person meant. It accepts any case, full-width characters, spaces, dashes and
// invisible characters anywhere, O for 0, and I or L for 1.
func Parse(input string) (code string, ok bool) {
	if len(input) > MaxInput {
		return "", false
	}
	code, ok = Characters(input)
	return code, ok && len(code) == Length
}

// Characters converts input to the alphabet, and reports whether it has no other characters. Its length may be any.
func Characters(input string) (string, bool) {
	var b strings.Builder
	for _, r := range input {
		if r >= '！' && r <= '～' {
			r -= '！' - '!'
		}
		if otp.Ignored(r) {
			continue
		}
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		switch r {
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if !strings.ContainsRune(Alphabet, r) {
			return "", false
		}
		b.WriteRune(r)
	}
	return b.String(), true
}

// Hash returns what is stored of a code: its SHA-256. With 125 random bits, it needs no salt.
func Hash(code string) []byte {
	h := sha256.Sum256([]byte(code))
	return h[:]
}
