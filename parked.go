package sallyport

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
)

// Parked is a request that a step-up has interrupted: a page of the door, and what was entered in its form. When it is
// carried out, it is authorised like any other request.
type Parked struct {
	ID          string            `json:"id"`        // of this record; Park sets it
	Path        string            `json:"path"`      // of the page, with the id of what it acts on
	Confirmed   bool              `json:"confirmed"` // it is carried out after the step-up
	Fields      map[string]string `json:"fields,omitempty"`
	KnownDevice []byte            `json:"browser"` // hash of the known device that parked it; Park sets it
	Proof       Strength          `json:"proof"`   // what it needs, from ErrStepUp
	At          time.Time         `json:"at"`      // when it was parked; KeepForm sets it
}

// ParkedLimit is how long a parked request waits for a step-up.
const ParkedLimit = 10 * time.Minute

// maxParked is the maximum size of a parked form, in bytes. A larger one comes back empty.
const maxParked = 8 << 10

// Park seals an interrupted request into the current session, in place of what was parked before, and returns its id.
// The record belongs to the browser that parked it: with only a stolen session cookie, a thief can neither park an
// action for its owner to confirm, nor read what the owner has parked. In a browser that is not a known device, Park
// stores nothing and returns "".
func (s *Service) Park(ctx context.Context, by Caller, p Parked) (string, error) {
	if err := s.may(by, access{forced: true, keyed: true}); err != nil {
		return "", err
	}
	if by.device == "" {
		return "", nil
	}
	p.ID, p.KnownDevice = newID(prefixParked, s.Now()), hashToken(by.device)
	plain, err := json.Marshal(p)
	if err == nil && len(plain) > maxParked {
		p.Fields = nil
		plain, err = json.Marshal(p)
	}
	if err != nil {
		return "", err
	}
	return p.ID, s.act(ctx, by, access{forced: true, keyed: true}, func(tx Tx, me *actor) error {
		var err error
		if me.session.Parked, err = s.Keys.Seal(plain, me.session.AD()); err != nil {
			return err
		}
		me.session.ParkedAt = me.now
		return tx.SaveSession(me.session)
	})
}

// ParkedFor returns what the caller's browser has parked for a page in the current session. It stays parked.
func (s *Service) ParkedFor(by Caller, path string) (Parked, bool) {
	if by.session == nil {
		return Parked{}, false
	}
	p, found := s.parked(by, *by.session)
	return p, found && p.Path == path
}

// TakeConfirmed returns the confirmed action of a page that was parked under an id, once: of concurrent calls, one gets
// it. It returns nothing after ParkedLimit, for another browser, or if something else was parked since.
func (s *Service) TakeConfirmed(ctx context.Context, by Caller, id, path string) (p Parked, found bool, err error) {
	err = s.act(ctx, by, access{forced: true, keyed: true}, func(tx Tx, me *actor) error {
		var ok bool
		p, ok = s.parked(by, me.session)
		if found = ok && p.Confirmed && p.ID == id && p.Path == path; !found {
			return nil
		}
		me.session.Parked = nil
		return tx.SaveSession(me.session)
	})
	return p, found && err == nil, err
}

// parked opens what the caller's browser has parked in a session. What cannot be opened counts as nothing.
func (s *Service) parked(by Caller, ses Session) (Parked, bool) {
	var p Parked
	if ses.Parked == nil || by.device == "" || !lifetime.Within(ses.ParkedAt, ParkedLimit, s.Now()) {
		return p, false
	}
	plain, err := s.Keys.Open(ses.Parked, ses.AD())
	if err != nil || json.Unmarshal(plain, &p) != nil || !bytes.Equal(p.KnownDevice, hashToken(by.device)) {
		return Parked{}, false
	}
	return p, true
}

// FormLimit is how long a form waits for its user to sign in again.
const FormLimit = 15 * time.Minute

// maxKeptForm is the maximum size of such a form, in bytes. Sealed and encoded, it fits into a cookie.
const maxKeptForm = 2 << 10

// KeepForm seals a form that arrived after its user's session had ended, for a cookie that lasts until that user has
// signed in there again. It returns "" if there was no session, if the browser is not a known device, and if the form
// is too large. It writes nothing to the database, because strangers can post forms too.
func (s *Service) KeepForm(by Caller, p Parked) (Secret, error) {
	if by.ended == "" || by.device == "" || len(p.Fields) == 0 {
		return "", nil
	}
	p.KnownDevice, p.At = hashToken(by.device), s.Now()
	plain, err := json.Marshal(p)
	if err != nil || len(plain) > maxKeptForm {
		return "", err
	}
	sealed, err := s.Keys.Seal(plain, formAD(by, by.ended, p.Path))
	return Secret(base64.RawURLEncoding.EncodeToString(sealed)), err
}

// KeptForm returns what was entered in the form of a page, from the secret that KeepForm returned. It returns it only
// to the user who entered it, in the same browser.
func (s *Service) KeptForm(by Caller, secret Secret, path string) map[string]string {
	sealed, err := base64.RawURLEncoding.DecodeString(secret.Reveal())
	if err != nil || secret == "" || by.user == nil || by.device == "" {
		return nil
	}
	plain, err := s.Keys.Open(sealed, formAD(by, by.user.ID, path))
	var p Parked
	if err != nil || json.Unmarshal(plain, &p) != nil || !bytes.Equal(p.KnownDevice, hashToken(by.device)) {
		return nil
	}
	if !lifetime.Within(p.At, FormLimit, s.Now()) {
		return nil
	}
	return p.Fields
}
