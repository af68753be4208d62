package sallyport

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Outcomes of step-up.
var (
	ErrOwnPasswordWrong = invalid("password", "password_wrong", text.Say("This password is not right. After several wrong tries, you have to wait before the next one."))
	ErrCodeWanted       = invalid("code", "authenticator_wanted", text.Say("You cannot use a recovery code here. Enter the code that your authenticator app shows now."))
	ErrOtherFactor      = &Error{Kind: Conflict, Code: "other_factor", Text: text.Say("Confirm with a code from your authenticator app.")}
)

// StepUpCode takes a code of an authenticator, or a recovery code, from somebody who is signed in, as fresh proof. A
// strong one is wanted where a recovery code does not count (I60): then none is spent. It returns the session's new
// value. The budget is that of signing in.
func (s *Service) StepUpCode(ctx context.Context, by Caller, code string, strong bool) (Secret, error) {
	given, err := readAnswer(code)
	if err != nil {
		return "", err
	}
	if strong && given.recovery != "" {
		return "", ErrCodeWanted
	}
	var token Secret
	err = s.act(ctx, by, need{forced: true}, func(tx Tx, me *actor) error {
		method, err := s.checkAnswer(tx, by, &me.User, given, nil)
		if err != nil {
			return err
		}
		token, err = s.stepUp(tx, by, me, method)
		return err
	})
	return token, err
}

// StepUpPassword takes the password, from somebody without two-factor authentication. It draws on the budget of
// signing in, and runs one hash.
func (s *Service) StepUpPassword(ctx context.Context, by Caller, password string) (Secret, error) {
	me, ok := by.User()
	if !ok {
		return "", ErrSignedOut
	}
	if me.TwoFactor {
		return "", ErrOtherFactor
	}
	try, err := s.tryPassword(ctx, by, me.Address, password)
	if err != nil {
		return "", err
	}
	var token Secret
	err = s.act(ctx, by, need{forced: true}, func(tx Tx, me *actor) error {
		u, ok, err := s.settle(tx, by, try)
		if err != nil {
			return err
		}
		if !ok || u.ID != me.ID {
			return keep(ErrOwnPasswordWrong)
		}
		me.User = u
		token, err = s.stepUp(tx, by, me, ByPassword)
		return err
	})
	return token, err
}

// stepUp keeps a fresh proof with the session, under a new value.
func (s *Service) stepUp(tx Tx, by Caller, me *actor, m Method) (Secret, error) {
	me.session.Proofs = me.session.Proofs.With(m, me.now)
	token := me.rotate()
	if err := tx.SaveSession(me.session); err != nil {
		return "", err
	}
	return token, s.record(tx, by, "session.stepped_up", me.ID, Done, map[string]string{"method": string(m)})
}

// Parked is what a step-up interrupted: a page of the door's, and what was entered in its form. It is authorised like
// every other request when it is carried out at last.
type Parked struct {
	ID        string            `json:"id"`        // of this parking; Park makes it
	Path      string            `json:"path"`      // of the page, with the id of what it is about
	Confirmed bool              `json:"confirmed"` // it is carried out after the step-up
	Fields    map[string]string `json:"fields,omitempty"`
	Browser   []byte            `json:"browser"` // hash of the known device that parked it; Park sets it
	At        time.Time         `json:"at"`      // when; KeepForm sets it
}

// ParkedLimit is how long something waits for a step-up.
const ParkedLimit = 10 * time.Minute

// maxParked is how much of a form is kept, in bytes; a larger one comes back empty.
const maxParked = 8 << 10

// Park keeps what a step-up interrupted, sealed, with the session in hand, in place of what was parked before. It
// returns the id to take it by. A record belongs to the browser that parked it: a stolen session cookie alone can
// neither park an action for its owner to confirm nor find what the owner parked. In a browser that is not a known
// device nothing is parked, and the id is empty.
func (s *Service) Park(ctx context.Context, by Caller, p Parked) (string, error) {
	if err := s.may(by, need{forced: true}); err != nil {
		return "", err
	}
	if by.browser == "" {
		return "", nil
	}
	p.ID, p.Browser = newID(prefixParked, s.Now()), hashToken(by.browser)
	plain, err := json.Marshal(p)
	if err == nil && len(plain) > maxParked {
		p.Fields = nil
		plain, err = json.Marshal(p)
	}
	if err != nil {
		return "", err
	}
	return p.ID, s.act(ctx, by, need{forced: true}, func(tx Tx, me *actor) error {
		var err error
		if me.session.Parked, err = s.Keys.Seal(plain, me.session.AD()); err != nil {
			return err
		}
		me.session.ParkedAt = me.now
		return tx.SaveSession(me.session)
	})
}

// Confirmed reports whether TakeConfirmed would find this action of a page.
func (s *Service) Confirmed(by Caller, id, path string) bool {
	if by.session == nil {
		return false
	}
	p, found := s.parked(by, *by.session)
	return found && p.is(id, path)
}

// TakeConfirmed returns the action of a page that was parked under an id and had been confirmed, once: of concurrent
// calls one gets it. There is nothing after ParkedLimit, for another browser, or when something else was parked since.
func (s *Service) TakeConfirmed(ctx context.Context, by Caller, id, path string) (p Parked, found bool, err error) {
	err = s.act(ctx, by, need{forced: true}, func(tx Tx, me *actor) error {
		var ok bool
		p, ok = s.parked(by, me.session)
		if found = ok && p.is(id, path); !found {
			return nil
		}
		me.session.Parked = nil
		return tx.SaveSession(me.session)
	})
	return p, found && err == nil, err
}

func (p Parked) is(id, path string) bool { return p.Confirmed && p.ID == id && p.Path == path }

// Interrupted returns what was entered in the form of a page when a step-up interrupted it; it stays parked.
func (s *Service) Interrupted(by Caller, path string) map[string]string {
	if by.session == nil {
		return nil
	}
	if p, found := s.parked(by, *by.session); found && !p.Confirmed && p.Path == path {
		return p.Fields
	}
	return nil
}

// parked opens what the caller's browser parked with a session. What does not open is nothing.
func (s *Service) parked(by Caller, ses Session) (Parked, bool) {
	var p Parked
	if ses.Parked == nil || by.browser == "" || !within(ses.ParkedAt, ParkedLimit, s.Now()) {
		return p, false
	}
	plain, err := s.Keys.Open(ses.Parked, ses.AD())
	if err != nil || json.Unmarshal(plain, &p) != nil || !bytes.Equal(p.Browser, hashToken(by.browser)) {
		return Parked{}, false
	}
	return p, true
}

// FormLimit is how long a form waits for its user to sign in again.
const FormLimit = 15 * time.Minute

// maxKeptForm is how much of such a form is kept, in bytes: sealed and encoded, it fits into a cookie.
const maxKeptForm = 2 << 10

// KeepForm seals a form that arrived after its user's session had ended, for the browser to hold until that user has
// signed in there again. It is empty where there was no session, in a browser that is not a known device, and where the
// form is too large. Nothing is written: strangers post forms, too.
func (s *Service) KeepForm(by Caller, p Parked) (Secret, error) {
	if by.ended == "" || by.browser == "" || len(p.Fields) == 0 {
		return "", nil
	}
	p.Browser, p.At = hashToken(by.browser), s.Now()
	plain, err := json.Marshal(p)
	if err != nil || len(plain) > maxKeptForm {
		return "", err
	}
	sealed, err := s.Keys.Seal(plain, formAD(by, by.ended, p.Path))
	return Secret(base64.RawURLEncoding.EncodeToString(sealed)), err
}

// KeptForm returns what was entered in the form of a page, out of what the browser holds of it: to the user who entered
// it, in the browser in which they did.
func (s *Service) KeptForm(by Caller, held Secret, path string) map[string]string {
	sealed, err := base64.RawURLEncoding.DecodeString(held.Reveal())
	if err != nil || held == "" || by.user == nil || by.browser == "" {
		return nil
	}
	plain, err := s.Keys.Open(sealed, formAD(by, by.user.ID, path))
	var p Parked
	if err != nil || json.Unmarshal(plain, &p) != nil || !bytes.Equal(p.Browser, hashToken(by.browser)) {
		return nil
	}
	if !within(p.At, FormLimit, s.Now()) {
		return nil
	}
	return p.Fields
}
