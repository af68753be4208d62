package web

import (
	"html/template"
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const outboxPath = "/admin/outbox"

// listPage is how many lines of a list stand on a page.
const listPage = 50

type outboxPage struct {
	page
	Days  int // that they are kept
	Mails []mailRow
	Pager pager
}

// mailRow is a mail, its values ready as those of a userRow.
type mailRow struct {
	ID, To, Subject, Error string
	At, State, Whose       template.HTML
	Readable               bool
}

func (s *site) mailRow(m sallyport.OutboxMail) mailRow {
	row := mailRow{ID: m.ID, To: m.To, Subject: m.Subject, Error: m.Error, At: s.time(m.CreatedAt), State: s.part("mail-state", m.State), Readable: m.Readable}
	if row.Readable {
		row.Whose = s.lang.HTML(text.Say("the mail to <bdi>{address}</bdi>", "address", m.To))
	}
	return row
}

func (s *site) outbox(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	all, more, err := s.service.Outbox(r.Context(), by(r), q.get("before"), listPage)
	if err != nil {
		return err
	}
	v := &outboxPage{page: page{Title: text.Say("Mail outbox"), Wide: true}, Days: sallyport.MailDays}
	for _, m := range all {
		v.Mails = append(v.Mails, s.mailRow(m))
	}
	if q.get("before") != "" {
		v.Pager.Newer = outboxPath
	}
	if more {
		v.Pager.Older = outboxPath + "?before=" + all[len(all)-1].ID
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
