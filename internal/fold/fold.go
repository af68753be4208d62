// Package fold makes one spelling of what people type as a name or an address, so that one person is one row, one
// lookup and one counter. No state.
package fold

import (
	"errors"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// ErrAddress is returned for what is no e-mail address that a mail could be sent to.
var ErrAddress = errors.New("not an e-mail address")

// MaxAddress is the longest address SMTP carries, in bytes (RFC 5321 section 4.5.3.1.3, less the brackets).
const MaxAddress = 254

// maxLocal is the longest part before the @, in bytes (RFC 5321 section 4.5.3.1.1).
const maxLocal = 64

// Address returns an e-mail address as it is kept and shown, and the form it is compared by: compatibility-composed,
// case-folded, its domain in ASCII. Letters of look-alike scripts within one address are refused, so that no second
// spelling of an address passes for the first.
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
	if err != nil || local == "" || len(local) > maxLocal || ascii == "" || mixed(local) || mixed(domain) {
		return "", "", ErrAddress
	}
	folded = norm.NFKC.String(cases.Fold().String(local)) + "@" + strings.ToLower(ascii)
	if _, err := mail.ParseAddress(s); err != nil || len(folded) > MaxAddress {
		return "", "", ErrAddress
	}
	return s, folded, nil
}

// Mailbox returns an address of the form name@domain as mail servers take it, its domain in ASCII. Anything else of it
// stays as it is.
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

// Name returns the form a person's or company's name is sorted and searched by.
func Name(name string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(strings.TrimSpace(name))))
}

// mixed reports letters of scripts whose letters pass for one another.
func mixed(s string) bool {
	seen := 0
	for _, script := range []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee} {
		if strings.IndexFunc(s, func(r rune) bool { return unicode.Is(script, r) }) >= 0 {
			seen++
		}
	}
	return seen > 1
}
