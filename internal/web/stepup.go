package web

import (
	"net/http"
	"net/url"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

type stepUpPage struct {
	page
	TwoFactor bool
}

// toStepUp leads to the page that asks for fresh proof, and from there back to where the browser is.
func toStepUp(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/step-up?to="+url.QueryEscape(r.URL.Path), http.StatusSeeOther)
}

func (s *site) newStepUpPage(r *http.Request) *stepUpPage {
	u, _ := by(r).User()
	return &stepUpPage{page{Title: text.Say("Confirm that it is you")}, u.TwoFactor}
}

func (s *site) stepUp(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "step-up", s.newStepUpPage(r))
}

func (s *site) stepUpPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	v := s.newStepUpPage(r)
	var token sallyport.Secret
	if v.TwoFactor {
		token, err = s.service.StepUpCode(r.Context(), by(r), f.get("code"))
	} else {
		token, err = s.service.StepUpPassword(r.Context(), by(r), f.get("password"))
	}
	if err != nil {
		return s.again(w, r, "step-up", v, err)
	}
	s.keep(w, sallyport.Passage{Session: token})
	to := q.get("to")
	if !s.local(to) {
		to = "/account"
	}
	return s.done(w, r, to, "")
}
