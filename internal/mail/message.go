package mail

import (
	"bytes"
	"errors"
	"fmt"
	netmail "net/mail"
	"regexp"
	"strings"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/sallyport-2fa/sallyport"
)

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// render checks m and writes it as RFC 5322 text. What it refuses no server ever sees.
func (s *SMTP) render(m sallyport.Message) ([]byte, error) {
	if m.From == "" {
		m.From = s.from
	}
	if !idPattern.MatchString(m.ID) {
		return nil, errors.New("message id: letters, digits, _ and - only, 64 at most")
	}
	if err := checkAddress(m.From); err != nil {
		return nil, fmt.Errorf("sender: %w", err)
	}
	if err := checkAddress(m.To); err != nil {
		return nil, fmt.Errorf("recipient: %w", err)
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&netmail.Address{Name: m.FromName, Address: m.From})
	msg.ToMailAddress(&netmail.Address{Address: m.To})
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(m.ID + s.from[strings.LastIndexByte(s.from, '@'):])
	msg.SetDateWithValue(m.At.UTC())
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	var raw bytes.Buffer
	if _, err := msg.WriteTo(&raw); err != nil {
		return nil, errors.New("the message cannot be written as mail")
	}
	return raw.Bytes(), nil
}

// checkAddress takes nothing but local@domain as it stands: what only becomes one address by parsing (names, comments,
// quotes, groups) could be read differently by the next server. The errors do not repeat the address, which may hold
// anything.
func checkAddress(addr string) error {
	if len(addr) > 254 { // RFC 5321 4.5.3.1.3, less the angle brackets
		return errors.New("the address is longer than 254 characters")
	}
	if strings.Count(addr, "@") != 1 {
		return errors.New("the address must have exactly one @")
	}
	if strings.ContainsFunc(addr, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }) {
		return errors.New("the address has line breaks, spaces or control characters")
	}
	if a, err := netmail.ParseAddress(addr); err != nil || a.Address != addr {
		return errors.New("the address is not of the form name@example.com")
	}
	return nil
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}
