package sallyport_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/background"
	"github.com/sallyport-2fa/sallyport/internal/mail"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

const lease = 2 * time.Minute

// outbox is an Env whose mail goes to a real server, with a person to write to.
type outbox struct {
	*sallyporttest.Env
	server *sallyporttest.MailServer
	mia    sallyporttest.Person
}

func eachOutbox(t *testing.T, fn func(t *testing.T, o *outbox)) {
	t.Helper()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		o := &outbox{Env: e, server: sallyporttest.NewMailServer(t, sallyporttest.MailServerOptions{})}
		o.mia = e.Add("mia@acme.example", sallyport.Member)
		e.Exec("UPDATE users SET sign_ins_since = 1") // the first sign-in gets no mail
		e.Mailer = o.mailer()
		fn(t, o)
	})
}

func (o *outbox) mailer() sallyport.Mailer {
	o.T.Helper()
	smtp, err := mail.New(o.server.URL(), "sallyport@acme.example")
	o.Check(err)
	return smtp.Send
}

// node returns another node, which sends through the same server.
func (o *outbox) node() *sallyport.Service {
	o.T.Helper()
	n := o.Node(o.Keys)
	n.Mailer = o.mailer()
	return n
}

// queue queues one mail, about a sign-in from a new browser.
func (o *outbox) queue() {
	o.T.Helper()
	o.Exec("UPDATE users SET sign_ins_since = 1, browser_told_at = 0") // there is no mail for the first sign-in, nor within an hour after another mail
	p, err := o.SignIn(context.Background(), o.Arriving().By(), o.mia.Address, o.mia.Password)
	o.Check(err)
	if p.Step != sallyport.StepDone {
		o.T.Fatalf("sign-in leads to %s", p.Step)
	}
}

func (o *outbox) mails() (all []sallyport.Mail) {
	o.T.Helper()
	o.Check(o.Store.Read(context.Background(), func(tx sallyport.Tx) (err error) {
		all, err = tx.Mails(o.mia.Workspace, "", "", 1000)
		return err
	}))
	return all
}

// mail returns the only mail in the outbox.
func (o *outbox) mail() sallyport.Mail {
	o.T.Helper()
	all := o.mails()
	if len(all) != 1 {
		o.T.Fatalf("%d mails in the outbox", len(all))
	}
	return all[0]
}

func (o *outbox) deliver(n *sallyport.Service, want int) {
	o.T.Helper()
	if got, err := background.Deliver(context.Background(), n); err != nil || got != want {
		o.T.Fatalf("delivery took %d mails (%v), want %d", got, err, want)
	}
}

func (o *outbox) arrived(want int) {
	o.T.Helper()
	if got := len(o.server.Mails()); got != want {
		o.T.Fatalf("%d mails arrived, want %d", got, want)
	}
}

func TestI53_TheUserIsToldAlsoWhenMailIsDown(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		o.server.GoAway()
		o.Enrol(&o.mia, "Pixel – Aegis")
		o.deliver(o.Service, 2)
		for _, m := range o.mails() {
			if m.State != sallyport.MailWaiting || m.Error == "" || m.Attempts != 1 {
				t.Errorf("%s: %s after %d attempts: %q", m.Kind, m.State, m.Attempts, m.Error)
			}
		}
		o.server.ComeBack()
		o.deliver(o.Service, 0) // not due yet
		o.Clock.Advance(time.Minute)
		o.deliver(o.Service, 2)
		subjects := o.server.Next().Subject + "\n" + o.server.Next().Subject
		for _, want := range []string{"Acme: Two-factor authentication is enabled", "Acme: Sign-in from a new browser"} {
			if !strings.Contains(subjects, want) {
				t.Errorf("no e-mail %q; the e-mails are: %s", want, subjects)
			}
		}
		o.deliver(o.Service, 0)
		o.arrived(2)
		for _, m := range o.mails() {
			if m.State != sallyport.MailSent || m.Error != "" || m.Body != nil || !m.SentAt.Equal(o.Clock.Now()) {
				t.Errorf("%s: %s at %s, body of %d bytes, %q", m.Kind, m.State, m.SentAt, len(m.Body), m.Error)
			}
		}
	})
}

func TestMailIsTriedForThreeDays(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		o.queue()
		queued := o.Clock.Now()
		o.server.Refuse(sallyporttest.AtConnect, 421, "come back later")
		for i := 1; o.Clock.Now().Before(queued.Add(72 * time.Hour)); i++ {
			o.deliver(o.Service, 1)
			wait := min(time.Minute<<min(i-1, 10), time.Hour)
			if m := o.mail(); m.State != sallyport.MailWaiting || m.Attempts != i || !m.NextAt.Equal(o.Clock.Now().Add(wait)) {
				t.Fatalf("after %d failures: %s, %d attempts, next in %s, want %s", i, m.State, m.Attempts, m.NextAt.Sub(o.Clock.Now()), wait)
			}
			o.Clock.Advance(wait - time.Second)
			o.deliver(o.Service, 0)
			o.Clock.Advance(time.Second)
		}
		o.deliver(o.Service, 1)
		if m := o.mail(); m.State != sallyport.MailFailed || !strings.Contains(m.Error, "come back later") {
			t.Errorf("after three days: %s, body of %d bytes, %q", m.State, len(m.Body), m.Error)
		}
		o.server.Behave()
		o.Clock.Advance(time.Hour)
		o.deliver(o.Service, 0)
		o.arrived(0)
	})
}

func TestMailThatIsRefusedForGoodFails(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		o.queue()
		o.server.Refuse(sallyporttest.AtRecipient, 550, "5.1.1 no such mailbox")
		o.deliver(o.Service, 1)
		if m := o.mail(); m.State != sallyport.MailFailed || !strings.Contains(m.Error, "no such mailbox") {
			t.Errorf("%s, body of %d bytes, %q", m.State, len(m.Body), m.Error)
		}
		o.server.Behave()
		o.Clock.Advance(time.Hour)
		o.deliver(o.Service, 0)
	})
}

// TestMailWhoseAnswerWasLostWaitsForItsLease: if the server's answer to a mail is lost, the mail is not sent again
// during the lease, but is sent after it.
func TestMailWhoseAnswerWasLostWaitsForItsLease(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		other := o.node()
		o.queue()
		o.server.Drop(sallyporttest.AtAnswer)
		o.deliver(o.Service, 1)
		o.arrived(1)
		o.server.Behave()
		o.Clock.Advance(lease - time.Second)
		o.deliver(o.Service, 0)
		o.deliver(other, 0)
		o.arrived(1)
		o.Clock.Advance(time.Second)
		o.deliver(other, 1)
		if a, b := o.server.Next(), o.server.Next(); a.Header.Get("Message-ID") != b.Header.Get("Message-ID") {
			t.Errorf("the second copy is another mail: %s, %s", a.Header.Get("Message-ID"), b.Header.Get("Message-ID"))
		}
		if m := o.mail(); m.State != sallyport.MailSent || m.Attempts != 2 {
			t.Errorf("%s after %d attempts", m.State, m.Attempts)
		}
	})
}

func TestMailOfADeadNodeIsTakenAfterItsLease(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		o.queue()
		now := o.Clock.Now()
		o.Check(o.Store.Write(context.Background(), func(tx sallyport.Tx) error {
			_, err := tx.TakeMails(now, now.Add(lease), "of a node that dies", 10)
			return err
		}))
		o.deliver(o.Service, 0)
		o.Clock.Advance(lease)
		o.deliver(o.Service, 1)
		o.arrived(1)
	})
}

// TestMailIsSettledByWhoHasTheLease: a slow node returns after its lease, and finds that another node has sent the
// mail.
func TestMailIsSettledByWhoHasTheLease(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		other := o.node()
		o.queue()
		begun, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error)
		o.Mailer = func(context.Context, sallyport.Message) error {
			close(begun)
			<-goOn
			return errors.New("too late")
		}
		go func() {
			_, err := o.Deliver(context.Background())
			done <- err
		}()
		<-begun
		o.deliver(other, 0)
		o.Clock.Advance(lease)
		o.deliver(other, 1)
		close(goOn)
		o.Check(<-done)
		if m := o.mail(); m.State != sallyport.MailSent || m.Error != "" {
			t.Errorf("the late result replaced the earlier one: %s %q", m.State, m.Error)
		}
		o.Clock.Advance(24 * time.Hour)
		o.deliver(other, 0)
		o.arrived(1)
	})
}

func TestMailIsSentOnceByTwoNodes(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		const mails = 25
		nodes := []*sallyport.Service{o.Service, o.node()}
		for range mails {
			o.queue()
		}
		var all sync.WaitGroup
		for _, n := range append(nodes, nodes...) {
			all.Go(func() {
				for {
					got, err := background.Deliver(context.Background(), n)
					if err != nil {
						t.Error(err)
					}
					if err != nil || got == 0 {
						return
					}
				}
			})
		}
		all.Wait()
		o.arrived(mails)
		for _, m := range o.mails() {
			if m.State != sallyport.MailSent || m.Attempts != 1 {
				t.Errorf("%s: %s after %d attempts", m.ID, m.State, m.Attempts)
			}
		}
	})
}

func TestAHungMailServerHoldsNobodyUp(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		o.server.Hang(sallyporttest.AtContent)
		go func() {
			defer close(done)
			background.Run(ctx, o.Service)
		}()
		o.queue()
		o.server.WaitHung()
		o.queue()
		stop()
		<-done
		for _, m := range o.mails() {
			if m.Lease != "" || m.Attempts == 1 && m.Error == "" {
				t.Errorf("a node that stopped still holds the lease of an e-mail: %+v", m)
			}
		}
		o.server.Behave()
		o.Clock.Advance(lease)
		o.deliver(o.Service, 2)
		o.arrived(2)
	})
}

// TestQueuedMailIsSentAtOnce: Run polls for mail from other nodes every 15 seconds, but mail from this node arrives
// within the 10 seconds that the server of the test waits.
func TestQueuedMailIsSentAtOnce(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			background.Run(ctx, o.Service)
		}()
		for range 3 {
			o.queue()
			o.server.Next()
		}
		stop()
		<-done
	})
}

func TestMailWaitsWhereThereIsNoMailServer(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		o.Mailer = nil
		o.queue()
		o.deliver(o.Service, 0)
		o.Clock.Advance(100 * time.Hour)
		o.deliver(o.Service, 0)
		m := o.mail()
		body, err := o.OpenMail(m)
		if err != nil || m.State != sallyport.MailWaiting || m.Attempts != 0 || !strings.Contains(body.Text, "a browser that has not been used for it before") {
			t.Errorf("%s after %d attempts: %v %q", m.State, m.Attempts, err, body.Text)
		}
	})
}

const mailedToken = "p7Jq2WzR5tK9vB3nM6cX8yL1dF4gH0sAp7Jq2WzR5tK9"

func (o *outbox) queueLink() {
	o.T.Helper()
	facts := map[string]any{"token": sallyport.Secret(mailedToken), "ends": o.Clock.Now().Add(30 * time.Minute)}
	o.Check(o.QueueNotice(context.Background(), o.Arriving().By(), o.mia.User, "password.forgotten", facts))
}

func TestExpiredLinksAreNotSent(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		o.server.GoAway()
		o.queueLink()
		o.deliver(o.Service, 1)
		o.server.ComeBack()
		o.Clock.Advance(30 * time.Minute)
		o.deliver(o.Service, 1)
		o.arrived(0)
		if m := o.mail(); m.State != sallyport.MailFailed || m.Body != nil || !strings.Contains(m.Error, "expired") {
			t.Errorf("%s, body of %d bytes, %q", m.State, len(m.Body), m.Error)
		}
	})
}

func TestI47_WaitingMailIsCiphertextAndSentMailIsErased(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		o.queueLink()
		m := o.mail()
		if row := string(m.Body) + fmt.Sprint(m); strings.Contains(row, mailedToken) || strings.Contains(row, o.mia.Name) {
			t.Errorf("the row can be read: %q", row)
		}
		moved := m
		moved.ID = "mai_" + strings.Repeat("0", 26)
		if _, err := o.OpenMail(moved); err == nil {
			t.Error("a body opens in another row")
		}
		o.deliver(o.Service, 1)
		if got := o.server.Next(); !strings.Contains(got.Text, o.URL+"/reset/"+mailedToken) || strings.Contains(got.Subject, mailedToken) {
			t.Errorf("%s\n%s", got.Subject, got.Text)
		}
		if m := o.mail(); m.Body != nil {
			t.Error("a sent mail keeps its body")
		}
	})
}

func TestI49_NoLinkInLogsAndErrors(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		o.queueLink()
		o.server.Refuse(sallyporttest.AtAnswer, 451, "suspicious link "+o.URL+"/reset/"+mailedToken)
		o.deliver(o.Service, 1)
		if m := o.mail(); !strings.Contains(m.Error, "suspicious") || strings.Contains(m.Error, mailedToken) {
			t.Errorf("the stored error is %q", m.Error)
		}
		if log := o.Logged(); !strings.Contains(log, "suspicious") || strings.Contains(log, mailedToken) || strings.Contains(log, o.mia.Address) {
			t.Errorf("the log is %s", log)
		}
	})
}

func TestNamesStayNamesInHeaders(t *testing.T) {
	eachOutbox(t, func(t *testing.T, o *outbox) {
		const name = `"Globex", Inc. <eve@evil.example>; Bcc: eve`
		o.Check(o.AddWorkspace(context.Background(), "", "globex.localhost", sallyport.FirstOwner{
			Workspace: name, Name: `Eve "E" <eve@evil.example>`, Address: "gil@globex.example", Password: sallyporttest.Password,
		}))
		b := o.Arriving()
		b.Host = "globex.localhost"
		o.Exec("UPDATE users SET sign_ins_since = 1") // the first sign-in gets no mail
		_, err := o.SignIn(context.Background(), b.By(), "gil@globex.example", sallyporttest.Password)
		o.Check(err)
		o.deliver(o.Service, 1)
		got := o.server.Next()
		from, err := got.Header.AddressList("From")
		if err != nil || len(from) != 1 || from[0].Name != name || from[0].Address != "sallyport@acme.example" {
			t.Errorf("From: %v, %v", from, err)
		}
		if got.To != "gil@globex.example" || got.Header.Get("To") != "<gil@globex.example>" || got.Header.Get("Bcc") != "" {
			t.Errorf("to %s, header %v", got.To, got.Header)
		}
	})
}

func TestI45_LinksLeadToTheWorkspaceAndMailToTheStoredAddress(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		site := sallyporttest.NewSite(t, e)
		globex := strings.Replace(e.URL, "localhost", "globex.localhost", 1)
		e.Check(e.AddWorkspace(context.Background(), "", strings.TrimPrefix(globex, "http://"), sallyport.FirstOwner{
			Workspace: "Globex", Name: "Gil", Address: "gil@globex.example", Password: sallyporttest.Password,
		}))
		host := strings.TrimPrefix(e.URL, "http://")
		for name, c := range map[string]struct {
			at, host, forwarded, email string
		}{
			"as it should be":     {at: e.URL, email: e.Owner.Address},
			"the other workspace": {at: globex, email: "gil@globex.example"},
			"written otherwise":   {at: e.URL, host: strings.ToUpper(host), email: " OLIVE@Acme.EXAMPLE "},
			"a forwarded host":    {at: e.URL, forwarded: "evil.example", email: e.Owner.Address},
			"another host":        {at: e.URL, host: "evil.example", email: e.Owner.Address},
			"another port":        {at: e.URL, host: "localhost:1", email: e.Owner.Address},
		} {
			e.Exec("UPDATE users SET sign_ins_since = 1, browser_told_at = 0") // so that each sign-in gets a mail
			before := allMails(e)
			v := site.Visitor().At(c.at)
			header := v.PostHeader()
			if c.forwarded != "" {
				header.Set("X-Forwarded-Host", c.forwarded)
				header.Set("Forwarded", "host="+c.forwarded)
			}
			v.Send(sallyporttest.Request{Method: "POST", Target: "/sign-in", Host: c.host, Header: header,
				Body: "email=" + strings.ReplaceAll(c.email, " ", "+") + "&password=" + sallyporttest.Password})
			added := slices.DeleteFunc(allMails(e), func(m sallyport.Mail) bool {
				return slices.ContainsFunc(before, func(b sallyport.Mail) bool { return b.ID == m.ID })
			})
			if wrong := c.host != "" && !strings.EqualFold(c.host, host); wrong {
				if v.Page.Status != 421 || len(added) != 0 {
					t.Errorf("%s: %d, and %d mails", name, v.Page.Status, len(added))
				}
				continue
			}
			if len(added) == 0 && c.forwarded != "" && v.Page.Status >= 400 {
				continue // a refusal is fine too
			}
			if len(added) != 1 {
				t.Errorf("%s: %d, and %d mails", name, v.Page.Status, len(added))
				continue
			}
			body, err := e.OpenMail(added[0])
			e.Check(err)
			if strings.Count(body.Text, "://") != 1 || !strings.Contains(body.Text, "\n"+c.at+"/account/activity\n") || strings.Contains(body.HTML, "evil") {
				t.Errorf("%s: %s", name, body.Text)
			}
			if want := map[string]string{e.URL: e.Owner.Address, globex: "gil@globex.example"}[c.at]; added[0].To != want {
				t.Errorf("%s: mail goes to %q", name, added[0].To)
			}
		}
	})
}

// allMails returns the mails of all workspaces.
func allMails(e *sallyporttest.Env) (all []sallyport.Mail) {
	e.T.Helper()
	e.Check(e.Store.Read(context.Background(), func(tx sallyport.Tx) error {
		workspaces, err := tx.Workspaces()
		if err != nil {
			return err
		}
		all = nil
		for _, w := range workspaces {
			mails, err := tx.Mails(w.ID, "", "", 1000)
			if err != nil {
				return err
			}
			all = append(all, mails...)
		}
		return nil
	}))
	return all
}

// TestNothingStartsThatCannotWriteALink: a Service that does not know where a page is, to which e-mails link, does not
// start, and sends no e-mail with half a link.
func TestNothingStartsThatCannotWriteALink(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	ctx := context.Background()
	for page := range e.Paths {
		without := *e.Service
		without.Paths = maps.Clone(e.Paths)
		delete(without.Paths, page)
		if err := sallyport.New(without).Start(ctx); err == nil || !strings.Contains(err.Error(), string(page)) {
			t.Errorf("without %q: %v", page, err)
		}
	}
	e.Check(e.QueueNotice(ctx, e.Arriving().By(), e.Owner.User, "codes.wrong", nil))
	waiting := e.WaitingMails("")
	without := *e.Service
	without.Paths = nil
	if body, err := sallyport.New(without).OpenMail(waiting[0].Mail); err == nil || body.Text != "" {
		t.Errorf("an e-mail is written: %q", body.Text)
	}
}
