// Package passwd is all that Sallyport knows about passwords: how they are hashed, how many hashes may run at once,
// and which passwords are too weak to be chosen.
//
// hasher.go bounds the work, phc.go is the form in which a hash is stored, strength.go judges a new password,
// common.go knows the most common ones and list.go a compromised list of any size on disk.
package passwd

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// MaxBytes is the longest password in bytes. It only keeps a sender from buying time with megabytes.
const MaxBytes = 4096

// Normalise gives the one form of a password that is hashed: NFC, with every space of Unicode as a plain space, as the
// OpaqueString profile of RFC 8265 section 4.2 maps them. An é typed on a Mac and one typed on Windows are the same é,
// and so are the two spaces of a Mac keyboard. Unlike that profile it refuses nothing: emoji with joiners and
// characters newer than our Unicode tables are as good as any. ASCII comes back as it is, without a copy.
func Normalise(password string) string {
	if isASCII(password) {
		return password
	}
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, password))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
