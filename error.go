package sallyport

import (
	"errors"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Kind is the kind of an outcome. Doors map it to a status, and use it for nothing else.
type Kind int

const (
	Invalid         Kind = iota + 1 // the input must be changed: 422
	Unauthenticated                 // the caller is not signed in, or the sign-in has ended: 401, or a redirect to /sign-in
	Denied                          // signed in, but not allowed: 403
	NotFound                        // no such thing, here or for this person: 404
	Conflict                        // the current state does not allow it: 409
	Gone                            // a link or sign-in that is no longer valid: 410
	Misdirected                     // there is no workspace on this host: 421
	TooMany                         // a budget of tries is spent: 429, RetryAfter says how long
	Unavailable                     // too busy, or the outcome is unknown: 503
)

// Error is an outcome that users may see. Code is stable; Text explains it in plain words; Field is the form field it
// is about, or empty. Every other error is a fault: it is logged and never shown. Errors are immutable. errors.Is
// compares only codes, whatever values the text contains.
type Error struct {
	Kind       Kind
	Code       string
	Text       text.Message
	Field      string
	RetryAfter time.Duration
	Proof      Strength // of ErrStepUp: what the verb needs
}

func (e *Error) Error() string { return e.Code + ": " + text.English.Text(e.Text) }

// Is reports whether target is an outcome with the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// saying returns a copy with another text, for texts with numbers or names.
func (e *Error) saying(m text.Message) *Error {
	c := *e
	c.Text = m
	return &c
}

// in returns a copy that is about another field.
func (e *Error) in(field string) *Error {
	c := *e
	c.Field = field
	return &c
}

// after returns a copy that says how long to wait.
func (e *Error) after(d time.Duration) *Error {
	c := *e
	c.RetryAfter = (d + time.Second - 1).Truncate(time.Second)
	n := int(c.RetryAfter / time.Second)
	if n < 120 {
		c.Text = text.Count(n, "There were too many tries. Try again in {n} second.", "There were too many tries. Try again in {n} seconds.")
		return &c
	}
	n = (n + 59) / 60
	c.Text = text.Count(n, "There were too many tries. Try again in {n} minute.", "There were too many tries. Try again in {n} minutes.")
	return &c
}

// waiting returns a copy that says how long to wait only in the header.
func (e *Error) waiting(d time.Duration) *Error {
	c := *e
	c.RetryAfter = (d + time.Second - 1).Truncate(time.Second)
	return &c
}

// wanting returns a copy that says which proof is needed.
func (e *Error) wanting(proof Strength) *Error {
	c := *e
	c.Proof = proof
	return &c
}

func invalid(field, code string, say text.Message) *Error {
	return &Error{Kind: Invalid, Code: code, Text: say, Field: field}
}

// Errors of the store that the rules handle.
var (
	// ErrDuplicate is returned by a Tx method whose row would violate a unique key.
	ErrDuplicate = errors.New("duplicate key")
	// ErrUnknownOutcome means that the connection was lost after COMMIT was sent. Doors answer 503.
	ErrUnknownOutcome = errors.New("the database did not say whether it committed")
	// ErrUnavailable means that the database cannot be reached or written to: its disk is full, it is read-only, or it
	// is a standby. Nothing was done. Doors answer 503.
	ErrUnavailable = errors.New("the database is not available")
)

// several is a list of what is wrong with the fields of a form.
type several []error

func (s several) Error() string   { return errors.Join(s...).Error() }
func (s several) Unwrap() []error { return s }

// outcomes joins the outcomes about the fields of a form, so that all can be shown at once. If one of the errors is a
// fault, it returns only that.
func outcomes(errs ...error) error {
	var all several
	for _, err := range errs {
		found := Outcomes(err)
		if err != nil && len(found) == 0 {
			return err
		}
		for _, one := range found {
			all = append(all, one)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return all
}

// Outcomes returns every outcome in an error, in the order in which they were found. A fault has none.
func Outcomes(err error) (all []*Error) {
	if wrong, ok := errors.AsType[several](err); ok {
		for _, err := range wrong {
			all = append(all, Outcomes(err)...)
		}
		return all
	}
	if one, ok := errors.AsType[*Error](err); ok {
		return []*Error{one}
	}
	return nil
}

// committed marks an outcome whose changes must be committed, such as the charge of a wrong code.
type committed struct{ err error }

func (k committed) Error() string { return k.err.Error() }

// commit makes Service.write commit what was written, and then return the outcome.
func commit(err error) error { return committed{err} }
