package sallyporttest

import (
	"context"
	"net/url"
	"regexp"

	"github.com/sallyport-2fa/sallyport"
)

// WaitingMail is an e-mail waiting in the outbox, with its decrypted body.
type WaitingMail struct {
	sallyport.Mail
	sallyport.MailBody
}

// WaitingMails returns the e-mails waiting in the first workspace, the oldest first. If to is not empty, it returns only
// those to that address.
func (e *Env) WaitingMails(to string) (all []WaitingMail) {
	e.T.Helper()
	var mails []sallyport.Mail
	e.Check(e.Store.Read(context.Background(), func(tx sallyport.Tx) (err error) {
		mails, err = tx.Mails(e.Owner.Workspace, "", "", 1000)
		return err
	}))
	for _, m := range mails {
		if m.State != sallyport.MailWaiting || to != "" && m.To != to {
			continue
		}
		body, err := e.OpenMail(m)
		e.Check(err)
		all = append(all, WaitingMail{m, body})
	}
	return all
}

var mailedURL = regexp.MustCompile(`https?://\S+`)

// MailedLink returns the link in the newest e-mail of a kind to an address, or nil if there is none.
func (e *Env) MailedLink(kind, to string) *url.URL {
	e.T.Helper()
	var found *url.URL
	for _, m := range e.WaitingMails(to) {
		if m.Kind != kind {
			continue
		}
		var err error
		found, err = url.Parse(mailedURL.FindString(m.Text))
		e.Check(err)
	}
	return found
}

// SetUpMail makes the pages behave as if a mail server were configured. E-mails stay in the outbox.
func (e *Env) SetUpMail() {
	e.Mailer = func(context.Context, sallyport.Message) error { return nil }
}
