package web

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const sessionsPath = "/account/sessions"

type sessionsPage struct {
	page
	Tabs     []link
	Sessions []ownSession
	Others   bool // there are sessions other than the current one
}

type ownSession struct {
	sallyport.Session
	This bool // it is the current session
}

func (s *site) sessions(w http.ResponseWriter, r *http.Request) error {
	all, err := s.service.OwnSessions(r.Context(), by(r))
	if err != nil {
		return err
	}
	this, _ := by(r).Session()
	v := &sessionsPage{page: page{Title: text.Say("Sessions"), Wide: true}, Tabs: accountTabs(sessionsPath), Others: len(all) > 1}
	for _, ses := range all {
		v.Sessions = append(v.Sessions, ownSession{ses, ses.ID == this.ID})
	}
	return s.render(w, r, http.StatusOK, "sessions", v)
}

// endSession asks before a session is ended. It returns an error if there is no such session.
func (s *site) endSession(w http.ResponseWriter, r *http.Request) error {
	all, err := s.service.OwnSessions(r.Context(), by(r))
	if err != nil {
		return err
	}
	for _, ses := range all {
		if ses.ID == r.PathValue("id") {
			name := any(ses.Agent)
			if ses.Agent == "" {
				name = text.Say("Unknown browser")
			}
			return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
				page:     page{Title: text.Say("End this session?")},
				Question: text.Say("<bdi>{name}</bdi> will be signed out.", "name", name),
				Button:   text.Say("End session"), Danger: true, Back: sessionsPath,
			})
		}
	}
	return sallyport.ErrNotFound
}

func (s *site) endSessionPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	if err := s.service.EndSession(r.Context(), by(r), r.PathValue("id")); err != nil {
		return err
	}
	return s.done(w, r, sessionsPath, "session-ended")
}

func (s *site) endOtherSessions(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
		page:     page{Title: text.Say("End all other sessions?")},
		Question: text.Say("Every browser but this one will be signed out. Trusted devices stay trusted."),
		Button:   text.Say("End all other sessions"), Danger: true, Back: sessionsPath,
	})
}

func (s *site) endOtherSessionsPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	if err := s.service.EndOtherSessions(r.Context(), by(r)); err != nil {
		return err
	}
	return s.done(w, r, sessionsPath, "sessions-ended")
}
