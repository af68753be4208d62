package mail

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/sallyport-2fa/sallyport"
)

// stage is how far an attempt got, in words for the administrator.
type stage string

const (
	connecting     stage = "connect"
	startingTLS    stage = "TLS"
	greeting       stage = "EHLO"
	authenticating stage = "AUTH"
	namingSender   stage = "MAIL FROM"
	addressing     stage = "RCPT TO"
	announcing     stage = "DATA"
	sending        stage = "content"
	answering      stage = "end of content"
)

// sendError keeps only cleaned text, so that no wrapped error can reveal the rest.
type sendError struct {
	text               string
	permanent, unknown bool
}

func (e *sendError) Error() string { return e.text }

// Permanent and Unknown allow packages that do not import this one to ask with errors.As.
func (e *sendError) Permanent() bool { return e.permanent }
func (e *sendError) Unknown() bool   { return e.unknown }

// IsPermanent reports whether this e-mail can never be delivered, because the server rejected its address or content or
// because it is malformed. Every other failure may be temporary, including other 5xx codes: they concern the
// configuration of this server or the mail server, and would affect every e-mail.
func IsPermanent(err error) bool {
	var e *sendError
	return errors.As(err, &e) && e.permanent
}

// IsUnknown reports whether the content was sent completely but no response arrived, so that the e-mail may or may not
// have been delivered. Such an error is never permanent.
func IsUnknown(err error) bool {
	var e *sendError
	return errors.As(err, &e) && e.unknown
}

func (s *SMTP) explain(ctx context.Context, at stage, err error, m sallyport.Message) error {
	e := &sendError{}
	text := err.Error()
	var answer *textproto.Error
	refused := false
	if errors.As(err, &answer) {
		text = fmt.Sprintf("%d %s", answer.Code, answer.Msg)
		refused = answer.Code >= 400 && answer.Code < 600
		e.permanent = refused && answer.Code >= 500 && hopeless(at, answer.Msg)
	} else if ctx.Err() == context.DeadlineExceeded {
		text = "no answer in time"
	} else if ctx.Err() != nil {
		text = "broken off"
	}
	e.unknown = at == answering && !refused
	if e.unknown {
		text = "outcome unknown: " + text
	}
	e.text = string(at) + ": " + s.clean(text, m)
	return e
}

// enhanced is the status code at the beginning of a permanent refusal (RFC 2034): 5.subject.detail.
var enhanced = regexp.MustCompile(`^5\.(\d{1,3})\.(\d{1,3})(\s|$)`)

// hopeless reports whether a refusal concerns the recipient's address or mailbox (RFC 3463: 5.1 and 5.2), the size of the
// message (5.3.4) or its content (5.6). Without an enhanced code the reason is unknown, and the e-mail waits. In response
// to MAIL FROM, and as 5.1.7 or 5.1.8 anywhere, the address is the configured sender's.
func hopeless(at stage, answer string) bool {
	code := enhanced.FindStringSubmatch(answer)
	if code == nil {
		return false
	}
	switch subject, detail := code[1], code[2]; subject {
	case "1":
		return at.afterSender() && detail != "7" && detail != "8"
	case "2":
		return at.afterSender()
	case "3":
		return detail == "4" && (at == namingSender || at.afterSender())
	case "6":
		return at == namingSender || at.afterSender()
	}
	return false
}

// afterSender reports whether the server already knew the recipient.
func (at stage) afterSender() bool { return at == addressing || at == announcing || at == answering }

// clean makes a server's response safe to store: one line of bounded length, without the credentials, and without what
// the server may quote from the body (spam filters often quote links).
func (s *SMTP) clean(text string, m sallyport.Message) string {
	secrets := append(s.wireSecrets(), bodySecrets(m)...)
	// Longest first, because replacing a part of another secret would leave the rest of it readable.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return ' '
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:300]) + "..."
	}
	return text
}

// wireSecrets returns the password in every encoding that is sent to the server.
func (s *SMTP) wireSecrets() []string {
	if s.credentials == nil {
		return nil
	}
	user, password := s.credentials()
	return []string{
		base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password)),
		base64.StdEncoding.EncodeToString([]byte(password)),
		password,
	}
}

// bodySecrets returns the parts of the body that could be tokens or temporary passwords: runs of such characters that
// contain a digit or are longer than words.
func bodySecrets(m sallyport.Message) []string {
	runs := strings.FieldsFunc(m.Text+" "+m.HTML, func(r rune) bool {
		return r != '-' && r != '_' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	})
	return slices.DeleteFunc(runs, func(run string) bool {
		return len(run) < 8 || len(run) < 20 && !strings.ContainsAny(run, "0123456789")
	})
}
