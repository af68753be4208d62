package web

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const outboxPath = "/admin/outbox"

// listPage is how many lines of a list are on a page.
const listPage = 50

type outboxPage struct {
	page
	Days     int // for which e-mails are kept
	Filters  []link
	Filtered bool
	Mails    []mailRow
	AllAgain bool // offer to send all failed e-mails again
	Pager    pager
}

// mailRow is an e-mail. Its values are prepared, as in userRow.
type mailRow struct {
	ID, To, Subject, Error string
	At, State, Whose       template.HTML
	Readable, Again        bool
	Withheld               bool
}

func (s *site) mailRow(m sallyport.OutboxMail) mailRow {
	row := mailRow{ID: m.ID, To: m.To, Subject: m.Subject, Error: m.Error, At: s.shortTime(m.CreatedAt), State: s.part("mail-state", m.State),
		Readable: m.Readable, Withheld: m.Withheld, Again: m.Again && s.service.Mailer != nil}
	if row.Readable || row.Again {
		row.Whose = s.lang.HTML(text.Say("the e-mail to <bdi>{address}</bdi>", "address", m.To))
	}
	return row
}

func outboxAddress(state, before string) string {
	q := url.Values{}
	if state != "" {
		q.Set("state", state)
	}
	if before != "" {
		q.Set("before", before)
	}
	if len(q) == 0 {
		return outboxPath
	}
	return outboxPath + "?" + q.Encode()
}

func (s *site) outbox(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	state := oneOf(q.Get("state"), sallyport.MailSent, sallyport.MailWaiting, sallyport.MailFailed)
	all, more, err := s.service.Outbox(r.Context(), by(r), state, q.Get("before"), listPage)
	if err != nil {
		return err
	}
	v := &outboxPage{page: page{Title: text.Say("Mail outbox"), Wide: true}, Days: sallyport.MailDays, Filtered: state != ""}
	for _, f := range []link{
		{Href: "", Text: text.Say("All")},
		{Href: sallyport.MailSent, Text: text.Say("Sent")},
		{Href: sallyport.MailWaiting, Text: text.Say("Waiting")},
		{Href: sallyport.MailFailed, Text: text.Say("Failed")},
	} {
		v.Filters = append(v.Filters, link{Href: outboxAddress(f.Href, ""), Text: f.Text, Current: f.Href == state})
	}
	for _, m := range all {
		row := s.mailRow(m)
		v.Mails = append(v.Mails, row)
		v.AllAgain = v.AllAgain || row.Again
	}
	if q.Get("before") != "" {
		v.Pager.Newer = outboxAddress(state, "")
	}
	if more {
		v.Pager.Older = outboxAddress(state, all[len(all)-1].ID)
	}
	return s.render(w, r, http.StatusOK, "outbox", v)
}

type outboxMailPage struct {
	page
	sallyport.Mail
	Body string
}

func (s *site) outboxMail(w http.ResponseWriter, r *http.Request) error {
	m, b, err := s.service.ReadMail(r.Context(), by(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "outbox-mail", &outboxMailPage{page: page{Title: text.Say("Invitation"), Wide: true}, Mail: m, Body: b.Text})
}

// sendAgain asks before a failed e-mail is sent again.
func (s *site) sendAgain(w http.ResponseWriter, r *http.Request) error {
	m, err := s.service.FailedMail(r.Context(), by(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
		page: page{Title: text.Say("Send this e-mail again?")}, Button: text.Say("Send again"), Back: outboxAddress(sallyport.MailFailed, ""),
		Question: text.Say("“{subject}” goes to <bdi>{address}</bdi>. It is tried for three days.", "subject", m.Subject, "address", m.To),
	})
}

func (s *site) sendAgainPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	if err := s.service.SendAgain(r.Context(), by(r), r.PathValue("id")); err != nil {
		return err
	}
	return s.done(w, r, outboxPath, "mail-again")
}

// sendAllAgain asks before all failed e-mails are sent again.
func (s *site) sendAllAgain(w http.ResponseWriter, r *http.Request) error {
	if s.service.Mailer == nil {
		return sallyport.ErrNoMailServer
	}
	return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
		page: page{Title: text.Say("Send all failed e-mails again?")}, Button: text.Say("Send all again"), Back: outboxAddress(sallyport.MailFailed, ""),
		Question: text.Count(sallyport.RetryLimit, "The oldest failed e-mail goes to its address again, unless its link has expired.",
			"Up to {n} failed e-mails, the oldest first, go to their addresses again. E-mails whose link has expired are left out."),
	})
}

func (s *site) sendAllAgainPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	if _, err := s.service.SendAllAgain(r.Context(), by(r)); err != nil {
		return err
	}
	return s.done(w, r, outboxAddress(sallyport.MailWaiting, ""), "mails-again")
}

// mailBanner says on the pages for administrators that no e-mail is delivered.
func (s *site) mailBanner(r *http.Request, u sallyport.User) []banner {
	if s.service.Mailer != nil || !u.Role.May(sallyport.ReadOutbox) || !strings.HasPrefix(r.URL.Path, overviewPath) {
		return nil
	}
	b := banner{Kind: "warn", Href: outboxPath, Action: text.Say("Open the mail outbox"),
		Text: text.Say("No mail server is set up, so no one gets e-mails: no invitations, links, reminders or warnings. They wait in the outbox. To send them, start the server with <code>--mail</code> and <code>--mail-from</code>.")}
	if by(r).Workspace().Reseller != "" { // its administrators cannot reach the server
		b.Text = text.Say("No mail server is set up, so no one gets e-mails: no invitations, links, reminders or warnings. They wait in the outbox. Ask the company that created your workspace to set one up.")
	}
	return []banner{b}
}
