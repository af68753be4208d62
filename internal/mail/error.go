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

// stage is how far an attempt came, in the words the administrator reads.
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

// sendError keeps nothing but text that was cleaned, so that no wrapped error can bring the rest back.
type sendError struct {
	text               string
	permanent, unknown bool
}

func (e *sendError) Error() string { return e.text }

// Permanent and Unknown let packages that do not import this one ask the same questions with errors.As.
func (e *sendError) Permanent() bool { return e.permanent }
func (e *sendError) Unknown() bool   { return e.unknown }

// IsPermanent reports whether err says that this mail will never be taken: the server said so of its address or content,
// or the message is malformed. Everything else may pass another time, other 5xx included: they are about how this server
// or the mail server is configured, and would condemn every mail alike.
func IsPermanent(err error) bool {
	var e *sendError
	return errors.As(err, &e) && e.permanent
}

// IsUnknown reports whether err means that the content was sent to its end and no answer came: the mail may or may not
// arrive. It is never permanent.
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

// hopeless reports whether a refusal is about the recipient's address or mailbox (RFC 3463: 5.1 and 5.2), the size of
// the message (5.3.4) or its content (5.6). Without an enhanced code nobody can tell, and the mail waits. In answer to
// MAIL FROM, and as 5.1.7 and 5.1.8 anywhere, an address is the sender's, which is configured here.
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

// afterSender reports whether the server knew whom the mail is for.
func (at stage) afterSender() bool { return at == addressing || at == announcing || at == answering }

// clean makes a server's words fit to be kept: on one line, of bounded length, without the credentials and without
// what a server may quote from the body (filters like to name the link they object to).
func (s *SMTP) clean(text string, m sallyport.Message) string {
	secrets := append(s.wireSecrets(), bodySecrets(m)...)
	// The longest first: replacing a part of another would leave its rest to be read.
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

// wireSecrets returns the password in every form in which it crosses the wire.
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

// bodySecrets returns what in the body could be a token or a temporary password: runs of such characters that have a
// digit or are longer than words are.
func bodySecrets(m sallyport.Message) []string {
	runs := strings.FieldsFunc(m.Text+" "+m.HTML, func(r rune) bool {
		return r != '-' && r != '_' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	})
	return slices.DeleteFunc(runs, func(run string) bool {
		return len(run) < 8 || len(run) < 20 && !strings.ContainsAny(run, "0123456789")
	})
}
