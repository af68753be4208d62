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
	"github.com/sallyport-2fa/sallyport/internal/fold"
)

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// check returns m with its addresses in the form that mail servers accept. A message that it rejects is never sent.
func (s *SMTP) check(m sallyport.Message) (_ sallyport.Message, err error) {
	if m.From == "" {
		m.From = s.from
	}
	if !idPattern.MatchString(m.ID) {
		return m, errors.New("message id: letters, digits, _ and - only, 64 at most")
	}
	if m.From, err = mailbox(m.From); err != nil {
		return m, fmt.Errorf("sender: %w", err)
	}
	if m.To, err = mailbox(m.To); err != nil {
		return m, fmt.Errorf("recipient: %w", err)
	}
	return m, nil
}

// render writes m as RFC 5322 text.
func (s *SMTP) render(m sallyport.Message) ([]byte, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&netmail.Address{Name: m.FromName, Address: m.From})
	msg.ToMailAddress(&netmail.Address{Address: m.To})
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(m.ID + s.from[strings.LastIndexByte(s.from, '@'):])
	msg.SetDateWithValue(m.At.UTC())
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: prevents out-of-office replies
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

// mailbox returns an address with its domain in ASCII. It accepts only local@domain: other forms (names, comments, quotes,
// groups) must be parsed first, and the next server could parse them differently. Errors do not contain the address.
func mailbox(addr string) (string, error) {
	if strings.Count(addr, "@") != 1 {
		return "", errors.New("the address must have exactly one @")
	}
	if strings.ContainsFunc(addr, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }) {
		return "", errors.New("the address has line breaks, spaces or control characters")
	}
	if a, err := netmail.ParseAddress(addr); err != nil || a.Address != addr {
		return "", errors.New("the address is not of the form name@example.com")
	}
	ascii, err := fold.Mailbox(addr)
	if err != nil {
		return "", errors.New("the domain is not valid, or the address is too long (64 bytes before the @, 254 in all)")
	}
	return ascii, nil
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}
