package otp

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strings"
	"unicode"
)

// secretBytes is 160 bits, the length that RFC 4226, section 4 (R6) recommends.
const secretBytes = 20

// ErrSecret means that a text is not a base32 secret. It does not contain the text.
var ErrSecret = errors.New("otp: the key is not base32 (letters A to Z, digits 2 to 7)")

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewSecret returns 160 random bits.
func NewSecret() []byte {
	secret := make([]byte, secretBytes)
	rand.Read(secret) // never fails: crypto/rand crashes the program instead
	return secret
}

// EncodeSecret returns the secret in the form that apps accept: base32, upper case, without padding.
func EncodeSecret(secret []byte) string { return encoding.EncodeToString(secret) }

// DecodeSecret decodes a base32 secret in upper or lower case, with or without padding, spaces and dashes. It returns
// [ErrSecret] for anything else, including an empty secret.
func DecodeSecret(key string) ([]byte, error) {
	key = strings.Map(func(r rune) rune {
		if r == '-' || unicode.IsSpace(r) {
			return -1
		}
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, key)
	key = strings.TrimRight(key, "=")
	secret, err := encoding.DecodeString(key)
	// Some lengths are not the encoding of any number of bytes: a character was lost. The decoder accepts them.
	if err != nil || len(secret) == 0 || len(key) != encoding.EncodedLen(len(secret)) {
		return nil, ErrSecret
	}
	return secret, nil
}

// Group splits an encoded secret into groups of four, so that it is easier to type. [DecodeSecret] accepts the result.
func Group(key string) string {
	var b strings.Builder
	for i := 0; i < len(key); i += 4 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(key[i:min(i+4, len(key))])
	}
	return b.String()
}
