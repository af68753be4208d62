package mail

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/textproto"
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

// IsPermanent reports whether err says that this mail will never be taken: the server answered 5xx to its recipient or
// content, or the message is malformed. Everything else may pass another time, also a 5xx to greeting, AUTH or sender:
// that is about how Sallyport is configured and would condemn every mail alike.
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
		aboutMail := at == addressing || at == announcing || at == answering
		e.permanent = refused && answer.Code >= 500 && aboutMail
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
