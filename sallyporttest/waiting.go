package sallyporttest

import (
	"context"
	"net/url"
	"regexp"

	"github.com/sallyport-2fa/sallyport"
)

// WaitingMail is a mail that waits in the outbox, opened.
type WaitingMail struct {
	sallyport.Mail
	sallyport.MailBody
}

// WaitingMails returns the mails that wait in the first workspace, oldest first; with an address, those to it alone.
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

// MailedLink returns where the link of the newest mail of a kind to an address leads; nil if there is none.
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
