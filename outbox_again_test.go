package sallyport_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// signedIn returns a caller with a role, in a new browser. It deletes the e-mails about the sign-in.
func (o *outbox) signedIn(name string, role sallyport.Role) sallyport.Caller {
	o.T.Helper()
	p := o.Owner
	if name != "olive" {
		p = o.Add(name+"@acme.example", role)
	}
	b := o.Arriving()
	result, err := o.SignIn(context.Background(), b.By(), p.Address, p.Password)
	o.Check(err)
	b.Keep(result)
	o.Exec("DELETE FROM outbox WHERE user_id = $1 OR kind LIKE 'user.%'", p.ID)
	return b.By()
}

// refused queues an e-mail that the server rejects permanently, and returns its id.
func (o *outbox) refused(queue func()) string {
	o.T.Helper()
	o.Clock.Advance(time.Second) // ids from the same millisecond have no order
	queue()
	o.server.Refuse(sallyporttest.AtRecipient, 550, "5.1.1 no such mailbox")
	o.deliver(o.Service, 1)
	o.server.Behave()
	all := o.mails()
	m := all[len(all)-1]
	if m.State != sallyport.MailFailed || m.Body == nil {
		o.T.Fatalf("%s, body of %d bytes", m.State, len(m.Body))
	}
	return m.ID
}

func TestFailedMailIsSentAgain(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		ctx := context.Background()
		id := o.refused(o.queue)
		o.Clock.Advance(30 * 24 * time.Hour)
		ada := o.signedIn("ada", sallyport.Admin)
		o.Check(o.SendAgain(ctx, ada, id))
		if m := o.mail(); m.State != sallyport.MailWaiting || m.Attempts != 0 || m.Error != "" {
			t.Errorf("%s after %d attempts: %q", m.State, m.Attempts, m.Error)
		}
		o.server.Refuse(sallyporttest.AtRecipient, 554, "5.7.1 relay access denied")
		o.deliver(o.Service, 1)
		if m := o.mail(); m.State != sallyport.MailWaiting {
			t.Errorf("it gets one attempt and no more: %s %q", m.State, m.Error)
		}
		o.server.Behave()
		o.Clock.Advance(time.Hour)
		o.deliver(o.Service, 1)
		if got := o.server.Next(); got.To != o.mia.Address || !strings.Contains(got.Subject, "new browser") {
			t.Errorf("%s to %s", got.Subject, got.To)
		}
		if m := o.mail(); m.State != sallyport.MailSent || m.Body != nil {
			t.Errorf("%s, body of %d bytes", m.State, len(m.Body))
		}
		events := o.Query("SELECT actor_kind, subject FROM events WHERE kind = 'mail.sent_again'")
		if len(events) != 1 || events[0][0] != "user" || events[0][1] != o.mia.ID {
			t.Errorf("events: %q", events)
		}
	})
}

func TestWhoMaySendMailAgain(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		ctx := context.Background()
		for _, c := range []struct {
			name string
			role sallyport.Role
			want error
		}{
			{"max", sallyport.Manager, sallyport.ErrNotAllowed}, {"mona", sallyport.Member, sallyport.ErrNotAllowed},
			{"olive", sallyport.Owner, nil}, {"ada", sallyport.Admin, nil},
		} {
			by := o.signedIn(c.name, c.role)
			id := o.refused(o.queue)
			if err := o.SendAgain(ctx, by, id); !errors.Is(err, c.want) {
				t.Errorf("one, by a %s: %v", c.role, err)
			}
			if c.want == nil {
				o.deliver(o.Service, 1)
				id = o.refused(o.queue)
			}
			if _, err := o.SendAllAgain(ctx, by); !errors.Is(err, c.want) {
				t.Errorf("all, by a %s: %v", c.role, err)
			}
			o.Exec("DELETE FROM outbox WHERE id = $1 OR state = 'sent'", id)
		}
		for _, by := range []sallyport.Caller{o.Console(), o.Arriving().By()} {
			if err := o.SendAgain(ctx, by, "mai_x"); !errors.Is(err, sallyport.ErrSignedOut) {
				t.Errorf("one, signed out: %v", err)
			}
		}
	})
}

func TestWhichMailIsSentAgain(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		ctx := context.Background()
		link := o.refused(o.queueLink)
		o.Clock.Advance(31 * time.Minute)
		ada := o.signedIn("ada", sallyport.Admin)
		if _, err := o.SendAllAgain(ctx, ada); !errors.Is(err, sallyport.ErrMailNotFailed) {
			t.Errorf("nothing to send: %v", err)
		}
		first, second := o.refused(o.queue), o.refused(o.queue)
		o.Clock.Advance(time.Second)
		o.queue()
		waiting := o.mails()[3].ID
		o.Check(o.AddWorkspace(ctx, "", "globex.localhost", sallyport.FirstOwner{
			Workspace: "Globex", Name: "Gil", Address: "gil@globex.example", Password: sallyporttest.Password}))
		o.Exec(`INSERT INTO outbox (workspace_id, id, user_id, kind, address, subject, body, state, next_at, created_at)
			SELECT w.id, 'mai_foreign', '', 'x', 'x@globex.example', 'x', o.body, 'failed', 0, 0 FROM workspaces w, outbox o
			WHERE w.name = 'Globex' AND o.id = '` + first + `'`)
		for id, want := range map[string]error{
			link: sallyport.ErrMailExpired, waiting: sallyport.ErrMailNotFailed, "mai_foreign": sallyport.ErrNotFound, "mai_none": sallyport.ErrNotFound,
		} {
			if err := o.SendAgain(ctx, ada, id); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", id, err, want)
			}
			if _, err := o.FailedMail(ctx, ada, id); !errors.Is(err, want) {
				t.Errorf("the page for %s: %v, want %v", id, err, want)
			}
		}
		if n, err := o.SendAllAgain(ctx, ada); err != nil || n != 2 {
			t.Errorf("all again: %d, %v", n, err)
		}
		if err := o.SendAgain(ctx, ada, second); !errors.Is(err, sallyport.ErrMailNotFailed) {
			t.Errorf("a second time: %v", err)
		}
		o.deliver(o.Service, 3)
		o.arrived(3)
		if state := o.Query("SELECT state FROM outbox WHERE id = 'mai_foreign'")[0][0]; state != sallyport.MailFailed {
			t.Errorf("of the other workspace: %s", state)
		}
		for state, want := range map[string]int{sallyport.MailSent: 3, sallyport.MailFailed: 1, sallyport.MailWaiting: 0, "": 4} {
			got, _, err := o.Outbox(ctx, ada, state, "", 10)
			if err != nil || len(got) != want {
				t.Errorf("%q: %d e-mails, %v", state, len(got), err)
			}
			for _, m := range got {
				if state != "" && m.State != state || m.Body != nil || m.Again {
					t.Errorf("%q: %+v", state, m)
				}
			}
		}
		o.Mailer = nil
		if err := o.SendAgain(ctx, ada, link); !errors.Is(err, sallyport.ErrNoMailServer) {
			t.Errorf("without a mail server: %v", err)
		}
	})
}
