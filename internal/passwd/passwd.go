// Package passwd hashes passwords, bounds how many hashes run at once, and rejects passwords that are too weak.
//
// hasher.go bounds the work, phc.go defines the stored form of a hash, strength.go judges a new password, common.go
// holds the most common passwords, and list.go reads a list of compromised passwords of any size from disk.
package passwd

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// MaxBytes is the longest accepted password in bytes. It stops clients from causing work with megabytes.
const MaxBytes = 4096

// Normalise returns the form of a password that is hashed: NFC, with every Unicode space replaced by a plain space, as in
// the OpaqueString profile of RFC 8265, section 4.2. An é typed on a Mac thus equals one typed on Windows. Unlike the
// profile, it rejects nothing: emoji with joiners, and characters newer than our Unicode tables, are allowed. It returns
// ASCII unchanged, without a copy.
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
