package web

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const remindersPath = "/admin/reminders"

// remindedNotice is the code of the notice with the number of reminders, which the overview shows.
const remindedNotice = "reminded"

// remindedWords says how many reminders are on their way, or wait for a mail server.
func remindedWords(r sallyport.Reminders, noMail bool) text.Message {
	if noMail {
		return text.Count(r.Queued, "{n} reminder is waiting. It is sent when a mail server is set up.", "{n} reminders are waiting. They are sent when a mail server is set up.")
	}
	if r.Open() {
		return text.Count(r.Queued, "{n} reminder is on its way. The others follow within minutes.", "{n} reminders are on their way. The others follow within minutes.")
	}
	return text.Count(r.Queued, "{n} reminder is on its way.", "{n} reminders are on their way.")
}

// noReminder says why no one is reminded.
var noReminder = text.Say("No mail server is set up, so nobody would get a reminder.")

// reminders asks before reminders are sent.
func (s *site) reminders(w http.ResponseWriter, r *http.Request) error {
	p, err := s.service.PlanReminders(r.Context(), by(r))
	if err != nil {
		return err
	}
	v := &confirmPage{page: page{Title: text.Say("Send a reminder?")}, Back: overviewPath,
		Question: text.Count(p.Due, "{n} person without two-factor authentication gets an e-mail that asks them to set it up.",
			"{n} people without two-factor authentication get an e-mail that asks them to set it up."), Button: text.Say("Send a reminder")}
	if s.service.Mailer == nil {
		v.Title, v.Question, v.Button = text.Say("No reminder can be sent"), noReminder, text.Message{}
		return s.render(w, r, http.StatusOK, "confirm", v)
	}
	if p.Due == 0 {
		v.Title, v.Question, v.Button = text.Say("No reminder to send"), text.Say("Everybody who can sign in and has an e-mail address has two-factor authentication."), text.Message{}
		if p.Recent > 0 {
			v.Question = sallyport.ErrNobodyToRemind.Text
		}
		return s.render(w, r, http.StatusOK, "confirm", v)
	}
	if p.Recent > 0 {
		v.Points = append(v.Points, text.Count(p.Recent, "{n} more person has had a reminder within the last 24 hours, and gets none now.",
			"{n} more people have had a reminder within the last 24 hours, and get none now."))
	}
	if !p.On.IsZero() {
		v.Points = append(v.Points, text.Say("The e-mail tells people who do not have to set it up yet that they must from {date}.", "date", s.lang.Date(p.On.UTC())))
	}
	return s.render(w, r, http.StatusOK, "confirm", v)
}

func (s *site) remindersPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	if _, err := s.service.Remind(r.Context(), by(r)); err != nil {
		return err
	}
	return s.done(w, r, overviewPath, remindedNotice)
}
