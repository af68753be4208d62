package sallyport

import (
	"context"
)

// Sweep deletes what has ended and no longer counts for anything. What has ended is refused even before it is deleted.
func (s *Service) Sweep(ctx context.Context) error {
	now := s.Now()
	return s.Store.Write(ctx, func(tx Tx) error { return tx.Sweep(now) })
}

// MailDays is how long a mail that was sent, or failed, stays in the outbox, in days after it was queued.
const MailDays = 90

// How much SweepIdle does in one transaction, so that each takes only some milliseconds.
const (
	idlePage = 5000 // rows that are read
	mailPage = 1000 // mails that are deleted
)

// SweepIdle deletes tries and known devices that have not been used for long, sessions that have ended, rows that were
// last seen in the future, and old mail that is not waiting. There are about as many rows of each as people. No index
// says which are old, because every sign-in would have to write it, so SweepIdle reads all of them, page by page.
func (s *Service) SweepIdle(ctx context.Context) error {
	now := s.Now()
	oldMail := idFrom(prefixMail, now.AddDate(0, 0, -MailDays))
	var all []HostedWorkspace
	err := s.Store.Read(ctx, func(tx Tx) (err error) {
		all, err = tx.Workspaces()
		return err
	})
	for _, w := range all {
		for _, page := range []func(tx Tx, after string) (string, error){
			func(tx Tx, after string) (string, error) { return tx.SweepTries(w.ID, after, idlePage, now) },
			func(tx Tx, after string) (string, error) { return tx.SweepKnownDevices(w.ID, after, idlePage, now) },
			func(tx Tx, after string) (string, error) { return tx.SweepSessions(w.ID, after, idlePage, now) },
		} {
			for after, more := "", true; more && err == nil; more = after != "" {
				from := after
				err = s.Store.Write(ctx, func(tx Tx) (err error) {
					after, err = page(tx, from)
					return err
				})
			}
		}
		for more := true; more && err == nil; {
			err = s.Store.Write(ctx, func(tx Tx) (err error) {
				more, err = tx.SweepMails(w.ID, oldMail, mailPage)
				return err
			})
		}
	}
	return err
}
