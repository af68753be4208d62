// Package fold normalises names and e-mail addresses that users type, so that every spelling of one address leads to
// the same row, lookup and counter. It keeps no state and is safe for concurrent use.
package fold

import (
	"errors"
	"net/mail"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// ErrAddress means that the input is not an e-mail address that can receive mail.
var ErrAddress = errors.New("not an e-mail address")

// MaxAddress is the longest address that SMTP can carry, in bytes (RFC 5321 section 4.5.3.1.3, without the brackets).
const MaxAddress = 254

// maxLocal is the longest local part, in bytes (RFC 5321 section 4.5.3.1.1).
const maxLocal = 64

// Address returns an e-mail address in the form that is stored and shown (NFKC), and in the form that is compared
// (NFKC, case-folded, with an ASCII domain). It rejects addresses that mix scripts with similar letters in the local
// part or in one label of the domain, so that a look-alike cannot pass for an existing address. The error is
// ErrAddress.
func Address(input string) (address, folded string, err error) {
	s := strings.TrimSpace(norm.NFKC.String(input))
	if s == "" || len(s) > MaxAddress || !utf8.ValidString(input) || strings.Count(s, "@") != 1 {
		return "", "", ErrAddress
	}
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune(`<>(),;:"\[]`, r) {
			return "", "", ErrAddress
		}
	}
	local, domain, _ := strings.Cut(s, "@")
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || local == "" || len(local) > maxLocal || ascii == "" || slices.ContainsFunc(append(strings.Split(domain, "."), local), mixed) {
		return "", "", ErrAddress
	}
	folded = norm.NFKC.String(cases.Fold().String(local)) + "@" + strings.ToLower(ascii)
	if _, err := mail.ParseAddress(s); err != nil || len(folded) > MaxAddress {
		return "", "", ErrAddress
	}
	return s, folded, nil
}

// Mailbox returns an address of the form name@domain with its domain in ASCII, as mail servers expect it. It does not
// change the local part. The error is ErrAddress.
func Mailbox(address string) (string, error) {
	at := strings.LastIndexByte(address, '@')
	if at < 1 || at > maxLocal {
		return "", ErrAddress
	}
	domain, err := idna.Lookup.ToASCII(address[at+1:])
	if err != nil || domain == "" {
		return "", ErrAddress
	}
	mailbox := address[:at+1] + domain
	if len(mailbox) > MaxAddress {
		return "", ErrAddress
	}
	return mailbox, nil
}

// Name returns the form by which the name of a person or company is sorted and searched.
func Name(name string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(strings.TrimSpace(name))))
}

// mixed reports whether s contains letters of several scripts whose letters look alike.
func mixed(s string) bool {
	seen := 0
	for _, script := range []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee} {
		if strings.IndexFunc(s, func(r rune) bool { return unicode.Is(script, r) }) >= 0 {
			seen++
		}
	}
	return seen > 1
}
