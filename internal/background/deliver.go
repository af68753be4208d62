package background

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

// How mail is delivered.
const (
	mailLease     = 2 * time.Minute  // longer than an attempt may take
	mailAttempt   = time.Minute      // one attempt, in real time
	mailAtOnce    = 10               // concurrent attempts
	mailFirstWait = time.Minute      // after the first failure; it doubles with each further one
	mailMaxWait   = time.Hour        // between two attempts
	mailGiveUp    = 72 * time.Hour   // after the first attempt that failed
	mailPoll      = 15 * time.Second // for mail that becomes due, or that another node has left behind
	mailSettle    = 5 * time.Second  // to save the result of an attempt, even if the node is stopping
)

// deliver sends mail until ctx ends: mail from this node immediately, all other mail when it is due.
func deliver(ctx context.Context, s *sallyport.Service) {
	tick := time.NewTicker(mailPoll)
	defer tick.Stop()
	for {
		n, err := Deliver(ctx, s)
		if err != nil && ctx.Err() == nil {
			s.Log.Error("outbox", "error", err)
		}
		if n > 0 && err == nil && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.MailQueued():
		}
	}
}

// Deliver makes one attempt for each of at most 10 mails that are due, concurrently, and returns how many it took. Run
// calls it. Over all nodes, a mail has at most one lease at a time, and only the holder of the lease saves the result.
// So a mail is not sent twice during a lease, and if its node dies, another takes it after the lease. Without a Mailer,
// Deliver takes none.
func Deliver(ctx context.Context, s *sallyport.Service) (int, error) {
	if s.Mailer == nil {
		return 0, nil
	}
	var mails []sallyport.Mail
	now, lease := s.Now(), rand.Text()
	err := s.Store.Write(ctx, func(tx sallyport.Tx) (err error) {
		mails, err = tx.TakeMails(now, now.Add(mailLease), lease, mailAtOnce)
		return err
	})
	if err != nil {
		return 0, err
	}
	faults := make([]error, len(mails))
	var all sync.WaitGroup
	for i, m := range mails {
		all.Go(func() { faults[i] = attempt(ctx, s, m) })
	}
	all.Wait()
	return len(mails), errors.Join(faults...)
}

// attempt sends a mail that this node has leased, outside of any transaction, and saves the result.
func attempt(ctx context.Context, s *sallyport.Service, m sallyport.Mail) error {
	err := send(ctx, s, m)
	m = settled(m, err, s.Now())
	if err != nil {
		s.Log.Warn("mail not sent", "workspace", m.Workspace, "mail", m.ID, "kind", m.Kind, "state", m.State,
			"attempts", m.Attempts, "error", m.Error)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mailSettle)
	defer cancel()
	return s.Store.Write(ctx, func(tx sallyport.Tx) error { return tx.SettleMail(m) })
}

// hopeless is the error of a mail that can no longer be sent, whatever the mail server says.
type hopeless string

func (h hopeless) Error() string { return string(h) }
func (hopeless) Permanent() bool { return true }

func send(ctx context.Context, s *sallyport.Service, m sallyport.Mail) error {
	if !m.ExpiresAt.IsZero() && !s.Now().Before(m.ExpiresAt) {
		return hopeless("not sent in time: its link has expired")
	}
	b, err := s.OpenMail(m)
	if err != nil {
		return hopeless("its body cannot be read with the keyset")
	}
	ctx, cancel := context.WithTimeout(ctx, mailAttempt)
	defer cancel()
	return s.Mailer(ctx, sallyport.Message{
		ID: m.ID, FromName: b.From, To: m.To, Subject: m.Subject, Text: b.Text, HTML: b.HTML, At: m.CreatedAt,
	})
}

// settled returns the mail after an attempt that ended now with err.
func settled(m sallyport.Mail, err error, now time.Time) sallyport.Mail {
	if err == nil {
		m.State, m.SentAt, m.Body, m.Error = sallyport.MailSent, now, nil, ""
		return m
	}
	m.Error = err.Error()
	if m.TriedFrom.IsZero() {
		m.TriedFrom = now
	}
	var useless hopeless
	if errors.As(err, &useless) {
		m.Body = nil
	}
	var permanent interface{ Permanent() bool }
	var unknown interface{ Unknown() bool }
	if errors.As(err, &permanent) && permanent.Permanent() || now.Sub(m.TriedFrom) >= mailGiveUp {
		m.State = sallyport.MailFailed
		return m
	}
	next := now.Add(mailWait(m.Attempts))
	if errors.As(err, &unknown) && unknown.Unknown() && next.Before(m.NextAt) {
		next = m.NextAt // the mail may have arrived, so it is not sent again during this lease
	}
	m.NextAt = next
	return m
}

// mailWait returns how long to wait after so many failed attempts.
func mailWait(attempts int) time.Duration {
	wait := mailFirstWait
	for range attempts - 1 {
		if wait *= 2; wait >= mailMaxWait {
			return mailMaxWait
		}
	}
	return wait
}
