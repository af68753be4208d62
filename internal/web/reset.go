package web

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// setUpCodeCookie holds a set-up code, sealed, from the reset that made it to the page that shows it once.
const setUpCodeCookie = "set-up-code"

func (s *site) resetTwoFactorPage(r *http.Request) (*confirmPage, error) {
	u, err := s.service.MayReset(r.Context(), by(r), r.PathValue("id"))
	return &confirmPage{
		page: page{Title: text.Say("Reset two-factor authentication?"), OneField: true}, Button: text.Say("Reset two-factor authentication"),
		Question: text.Say("For <bdi>{name}</bdi>, who must set it up again at the next sign-in. Make sure first that it is really this person who asks.", "name", nameOf(u)),
		Points: []text.Message{
			text.Say("Authenticator apps, recovery codes and trusted devices are deleted."),
			text.Say("All sessions end."),
			text.Say("You get a set-up code to hand over personally. It works for 24 hours, and it is never sent by e-mail."),
		},
		Danger: true, AskReason: true, Back: userPath(r.PathValue("id")) + "/security",
	}, err
}

func (s *site) resetTwoFactor(w http.ResponseWriter, r *http.Request) error {
	v, err := s.resetTwoFactorPage(r)
	if err != nil {
		return err
	}
	v.Reason = s.filled(w, r).get("reason")
	return s.render(w, r, http.StatusOK, "confirm", v)
}

func (s *site) resetTwoFactorPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	code, wrong := s.service.ResetTwoFactor(r.Context(), by(r), r.PathValue("id"), f.get("reason"))
	if mendable(wrong) {
		v, err := s.resetTwoFactorPage(r)
		if err != nil {
			return err
		}
		v.Reason = f.get("reason")
		return s.again(w, r, "confirm", v, wrong)
	}
	if wrong != nil {
		return wrong
	}
	held, err := s.service.SealSetUpCode(by(r), code)
	if err != nil {
		return err
	}
	s.edge.SetCookie(w, setUpCodeCookie, held.Reveal(), sallyport.SetUpCodeShownLimit)
	return s.done(w, r, userPath(code.User)+"/security", "reset")
}
