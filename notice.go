package sallyport

import (
	"encoding/json"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/seal"
)

// Mail is one row of the outbox. Its body is sealed while it waits, and erased of links once sent.
type Mail struct {
	Workspace string
	ID        string
	User      string
	Kind      string
	To        string
	Subject   string
	Body      []byte // sealed MailBody
	State     string
	Attempts  int
	NextAt    time.Time
	CreatedAt time.Time
	SentAt    time.Time
	Error     string
}

// States of a mail.
const (
	MailWaiting = "waiting"
	MailSent    = "sent"
	MailFailed  = "failed"
)

// MailBody is the same facts twice.
type MailBody struct {
	Text string `json:"text"`
	HTML string `json:"html"`
}

// MailTx is the storage of the outbox.
type MailTx interface {
	InsertMail(Mail) error
	// Mails returns the newest mails of a workspace, oldest first.
	Mails(workspace string, limit int) ([]Mail, error)
}

func (m Mail) ad() seal.AD {
	return seal.AD{Purpose: "mail", Workspace: m.Workspace, User: m.User, Row: m.ID}
}

// notify queues the mail that follows an event, in the event's transaction.
func (s *Service) notify(tx Tx, by Caller, u User, kind string, facts map[string]any) error {
	if u.Address == "" {
		return nil
	}
	now := s.Now()
	subject, body := notice(kind, by.workspace, u, facts)
	m := Mail{
		Workspace: u.Workspace, ID: newID(prefixMail, now), User: u.ID, Kind: kind, To: u.Address, Subject: subject,
		State: MailWaiting, NextAt: now, CreatedAt: now,
	}
	plain, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if m.Body, err = s.Keys.Seal(plain, m.ad()); err != nil {
		return err
	}
	return tx.InsertMail(m)
}

// OpenMail returns the body of a mail that waits.
func (s *Service) OpenMail(m Mail) (MailBody, error) {
	var b MailBody
	plain, err := s.Keys.Open(m.Body, m.ad())
	if err != nil {
		return b, err
	}
	return b, json.Unmarshal(plain, &b)
}

func notice(kind string, w Workspace, u User, facts map[string]any) (string, MailBody) {
	subjects := map[string]string{
		"two_factor.enabled":    "Two-factor authentication is enabled",
		"authenticator.added":   "An authenticator app was added",
		"sign_in.new_browser":   "Sign-in from a new browser",
		"trusted_device.added":  "A device is trusted",
		"trusted_device.copied": "A trusted device was ended: its secret was used elsewhere",
		"codes.wrong":           "Wrong codes after your password",
		"codes.delayed":         "Too many wrong codes after your password",
		"codes.locked":          "Codes are locked after too many wrong ones",
	}
	subject := w.Issuer() + ": " + subjects[kind]
	return subject, MailBody{Text: "Hello " + u.Name + ",\n\n" + subjects[kind] + ".\n"}
}
