package sallyport

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/letter"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Mail is one row of the outbox. Its body is sealed, and erased once the mail was sent or its link has expired.
type Mail struct {
	Workspace string
	ID        string
	User      string
	Kind      string
	To        string
	Subject   string
	Body      []byte // sealed letter, or nil
	State     string
	Lease     string // of the node that is sending it, or empty
	Attempts  int
	TriedFrom time.Time // of the first attempt that failed, or zero
	NextAt    time.Time // the mail is not sent before then; during a lease, the end of the lease
	ExpiresAt time.Time // when it becomes useless because its link has expired; zero: never
	CreatedAt time.Time
	SentAt    time.Time
	Error     string // why the last attempt failed, or empty
}

// States of a mail. A failed one is tried again only if an administrator calls SendAgain.
const (
	MailWaiting = "waiting"
	MailSent    = "sent"
	MailFailed  = "failed"
)

// MailBody is the content of a mail, as text and as HTML, and the name of its sender.
type MailBody struct{ From, Text, HTML string }

// Message is a mail to one recipient, ready to be sent.
type Message struct {
	ID       string // identifies the mail, however often it is sent
	From     string // sender address; empty: the mailer's own
	FromName string
	To       string // one address, without a name
	Subject  string
	Text     string
	HTML     string // the same content; empty: the mail is text only
	At       time.Time
}

// Mailer makes one attempt to deliver a message, which ends when ctx does; nil means that the message was accepted. If
// the error has a method Permanent() bool that returns true, no attempt will ever succeed. If it has Unknown() bool
// that returns true, the message may have been accepted. The error's text is stored and shown to administrators, so it
// must not contain anything of the body.
type Mailer func(ctx context.Context, m Message) error

// MailTx is the storage of the outbox.
type MailTx interface {
	InsertMail(Mail) error
	// Mails returns the newest mails of a workspace, oldest first. If state or before are not empty, it returns only
	// mails in that state or before that id.
	Mails(workspace, state, before string, limit int) ([]Mail, error)
	// TakeMails leases at most limit waiting mails that are due: no other node takes them before until. It counts the
	// attempt that is about to be made.
	TakeMails(now, until time.Time, lease string, limit int) ([]Mail, error)
	// SettleMail replaces state, body, tried from, next, sent and error of a mail, and ends its lease. It changes
	// nothing unless the mail still has the given lease.
	SettleMail(Mail) error
	// RetryMails makes failed mails wait again as if they had never been tried: the one with the given id or, if id is
	// empty, at most limit of them. It skips mails without a body and mails that have expired. It returns how many it
	// changed.
	RetryMails(workspace, id string, now time.Time, limit int) (int64, error)
}

// MailWaitLimit is longer than any mail waits for its next attempt.
const MailWaitLimit = 2 * time.Hour

// queue inserts a mail into the outbox, in the transaction of what it is about. The letter waits as what it is written
// from: that is a fifth of the size, and writing it out takes longer than everything else that a transaction does.
func (s *Service) queue(tx Tx, m Mail, l letter.Letter) error {
	now := s.Now()
	m.ID, m.State, m.NextAt, m.CreatedAt = newID(prefixMail, now), MailWaiting, now, now
	plain, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if m.Body, err = s.Keys.Seal(plain, m.AD()); err != nil {
		return err
	}
	return tx.InsertMail(m)
}

// OpenMail writes the body of a waiting mail.
func (s *Service) OpenMail(m Mail) (MailBody, error) {
	plain, err := s.Keys.Open(m.Body, m.AD())
	if err != nil {
		return MailBody{}, err
	}
	l, err := letter.Parse(plain)
	if err != nil {
		return MailBody{}, err
	}
	l.Paths = s.Paths
	w, err := l.Write(text.English)
	return MailBody{From: w.Sender, Text: w.Text, HTML: w.HTML}, err
}

// queueing is a Tx that records whether mail was queued in it.
type queueing struct {
	Tx
	queued *bool
}

func (t queueing) InsertMail(m Mail) error {
	*t.queued = true
	return t.Tx.InsertMail(m)
}

// MailQueued returns a channel that receives something when this node has queued mail since it last did.
func (s *Service) MailQueued() <-chan struct{} { return s.wake }

// mailQueued wakes the delivery on this node. It does not wait.
func (s *Service) mailQueued() {
	select {
	case s.wake <- struct{}{}:
	default: // it has been woken already
	}
}

// OutboxMail is a mail as administrators see it.
type OutboxMail struct {
	Mail
	Readable bool // by the caller: see ReadMail
	Withheld bool // not readable in the current session, because it began with a recovery code
	Again    bool // it can be sent again: see SendAgain
}

// Outbox returns the mails of the caller's workspace without their bodies, newest first. If state or before are not
// empty, it returns only mails in that state or before that id. more reports whether there are older ones.
func (s *Service) Outbox(ctx context.Context, by Caller, state, before string, limit int) (all []OutboxMail, more bool, err error) {
	if err := s.MayAct(by, ReadOutbox); err != nil {
		return nil, false, err
	}
	err = s.Store.Read(ctx, func(tx Tx) error {
		mails, err := tx.Mails(by.workspace.ID, state, before, limit+1)
		if err != nil {
			return err
		}
		if more = len(mails) > limit; more {
			mails = mails[1:]
		}
		var to []string
		for _, m := range mails {
			to = append(to, m.User)
		}
		people, err := tx.Named(by.workspace.ID, distinct(to))
		for _, m := range slices.Backward(mails) {
			again := m.retriable(s.Now()) == nil
			m.Body = nil
			all = append(all, OutboxMail{m, s.readable(*by.user, m, people[m.User]), by.Withholds(InvitePeople, people[m.User]), again})
		}
		return err
	})
	return all, more, err
}

// readable reports whether me may read a mail. If there is no mail server, people who may act on an invited person may
// read the waiting invitation (SPEC 6.9). People who may create workspaces may read the invitation of the first owner
// of one.
func (s *Service) readable(me User, m Mail, to User) bool {
	if s.Mailer != nil || m.State != MailWaiting {
		return false
	}
	switch m.Kind {
	case "workspace.invitation":
		return me.Role.May(ManageWorkspaces)
	case "invitation", "temporary_password":
		return to.ID != "" && to.ID != me.ID && me.Role.May(InvitePeople) && me.Role.Over(to.Role)
	}
	return false
}

// ReadMail opens an invitation that waits because there is no mail server, for an administrator who hands it over. It
// needs the same proof as creating the invitation, and records an event. For every other mail, it returns ErrNotFound,
// as for one that does not exist.
func (s *Service) ReadMail(ctx context.Context, by Caller, id string) (m Mail, b MailBody, err error) {
	err = s.act(ctx, by, access{may: ReadOutbox}, func(tx Tx, me *actor) error {
		found, err := mailOf(tx, me.Workspace, id)
		if err != nil {
			return err
		}
		m = found
		to, _, err := tx.User(me.Workspace, m.User)
		if err != nil || !s.readable(me.User, m, to) {
			return errOr(err, ErrNotFound)
		}
		if err := me.meets(inviting(to.Role), by.policy); err != nil { // to is zero for the owner of another workspace
			return err
		}
		if b, err = s.OpenMail(m); err != nil {
			return err
		}
		return s.record(tx, by, "invitation.read", m.User, Done, nil)
	})
	return m, b, err
}

func mailOf(tx Tx, workspace, id string) (Mail, error) {
	found, err := tx.Mails(workspace, "", id+"~", 1) // the newest mail up to this id
	if err == nil && (len(found) == 0 || found[0].ID != id) {
		err = ErrNotFound
	}
	if err != nil {
		return Mail{}, err
	}
	return found[0], nil
}

// Outcomes of sending e-mails again.
var (
	ErrMailNotFailed = &Error{Kind: Conflict, Code: "mail_not_failed", Text: text.Say("This e-mail has not failed: it was sent, or it is waiting to be sent.")}
	ErrMailExpired   = &Error{Kind: Gone, Code: "mail_expired", Text: text.Say("This e-mail can no longer be sent, because its link has expired. Ask for a new one.")}
	ErrNoMailServer  = &Error{Kind: Conflict, Code: "no_mail_server", Text: text.Say("No mail server is set up, so no e-mails are sent.")}
)

// RetryLimit is how many failed mails SendAllAgain takes at a time.
const RetryLimit = 1000

// retriable returns the error that SendAgain would return for a mail, or nil.
func (m Mail) retriable(now time.Time) error {
	switch {
	case m.State != MailFailed:
		return ErrMailNotFailed
	case m.Body == nil, !m.ExpiresAt.IsZero() && !now.Before(m.ExpiresAt):
		return ErrMailExpired
	}
	return nil
}

// SendAgain makes a failed mail wait again. It is tried as if it were new, and goes to the same address. Its link ends
// when it would have ended anyway.
func (s *Service) SendAgain(ctx context.Context, by Caller, id string) error {
	err := s.act(ctx, by, access{may: SendMailAgain}, func(tx Tx, me *actor) error {
		m, err := mailOf(tx, me.Workspace, id)
		if err != nil {
			return err
		}
		if err := s.retry(m); err != nil {
			return err
		}
		n, err := tx.RetryMails(me.Workspace, id, me.now, 1)
		if err != nil || n == 0 { // n is 0 if another administrator was faster
			return errOr(err, ErrMailNotFailed)
		}
		return s.record(tx, by, "mail.sent_again", m.User, Done, map[string]string{"mail": m.Kind})
	})
	if err == nil {
		s.mailQueued()
	}
	return err
}

// FailedMail returns a mail that SendAgain would accept now, without its body.
func (s *Service) FailedMail(ctx context.Context, by Caller, id string) (m Mail, err error) {
	if err := s.MayAct(by, SendMailAgain); err != nil {
		return Mail{}, err
	}
	err = s.Store.Read(ctx, func(tx Tx) error {
		m, err = mailOf(tx, by.workspace.ID, id)
		return errOr(err, s.retry(m))
	})
	m.Body = nil
	return m, err
}

func (s *Service) retry(m Mail) error {
	if s.Mailer == nil {
		return ErrNoMailServer
	}
	return m.retriable(s.Now())
}

// SendAllAgain is SendAgain for the oldest failed mails that can be sent, at most RetryLimit of them. It returns how many
// there were.
func (s *Service) SendAllAgain(ctx context.Context, by Caller) (n int64, err error) {
	err = s.act(ctx, by, access{may: SendMailAgain}, func(tx Tx, me *actor) error {
		if s.Mailer == nil {
			return ErrNoMailServer
		}
		if n, err = tx.RetryMails(me.Workspace, "", me.now, RetryLimit); err != nil || n == 0 {
			return errOr(err, ErrMailNotFailed)
		}
		return s.record(tx, by, "mail.sent_again", "", Done, map[string]string{"mails": strconv.FormatInt(n, 10)})
	})
	if err == nil {
		s.mailQueued()
	}
	return n, err
}
