package background

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

// How apps are told of sessions that have ended.
const (
	logoutLease   = time.Minute      // longer than an attempt may take
	logoutAttempt = 10 * time.Second // one attempt, in real time
	logoutAtOnce  = 10               // concurrent attempts
	logoutGiveUp  = 24 * time.Hour   // after the first attempt that failed
	logoutPoll    = 2 * time.Second
)

// apps follows no redirect: what an app registered is what is called.
var apps = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// DeliverLogouts makes one attempt for each of at most 10 messages that are due, concurrently, and returns how many it took.
// Run calls it. It uses leases as Deliver does.
func DeliverLogouts(ctx context.Context, s *sallyport.Service) (int, error) {
	var due []sallyport.Logout
	now, lease := s.Now(), rand.Text()
	err := s.Store.Write(ctx, func(tx sallyport.Tx) (err error) {
		due, err = tx.TakeLogouts(now, now.Add(logoutLease), lease, logoutAtOnce)
		return err
	})
	if err != nil {
		return 0, err
	}
	faults := make([]error, len(due))
	var all sync.WaitGroup
	for i, l := range due {
		all.Go(func() {
			l = settledLogout(l, tell(ctx, s, l), s.Now())
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mailSettle)
			defer cancel()
			faults[i] = s.LogoutSettled(ctx, l)
		})
	}
	all.Wait()
	return len(due), errors.Join(faults...)
}

// deliverLogouts delivers all messages that are due.
func deliverLogouts(ctx context.Context, s *sallyport.Service) error {
	for {
		if n, err := DeliverLogouts(ctx, s); n == 0 || err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// tell posts a logout token to an app. The error's text is stored and shown to administrators.
func tell(ctx context.Context, s *sallyport.Service, l sallyport.Logout) error {
	to, token, err := s.LogoutMessage(ctx, l)
	if err != nil || to == "" {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, logoutAttempt)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := apps.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the app answered %s", answer.Status)
	}
	return nil
}

// settledLogout returns the message after an attempt that ended now with err.
func settledLogout(l sallyport.Logout, err error, now time.Time) sallyport.Logout {
	if err == nil {
		l.State = sallyport.MailSent
		return l
	}
	l.Error = err.Error()
	if l.TriedFrom.IsZero() {
		l.TriedFrom = now
	}
	if now.Sub(l.TriedFrom) >= logoutGiveUp {
		l.State = sallyport.MailFailed
		return l
	}
	l.NextAt = now.Add(mailWait(l.Attempts))
	return l
}
