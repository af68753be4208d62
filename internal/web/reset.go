package web

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

type setUpCodePage struct {
	page
	sallyport.SetUpCode
	Name, Back string
}

func (s *site) resetTwoFactorPage(r *http.Request) (*confirmPage, error) {
	u, err := s.service.MayReset(r.Context(), by(r), r.PathValue("id"))
	return &confirmPage{
		page: page{Title: text.Say("Reset two-factor authentication?"), OneField: true}, Button: text.Say("Reset two-factor authentication"),
		Question: text.Say("<bdi>{name}</bdi> must then set it up again at the next sign-in. First make sure that the request really comes from this person.", "name", nameOf(u)),
		Points: []text.Message{
			text.Say("Authenticator apps, recovery codes and trusted devices are deleted."),
			text.Say("All sessions end."),
			text.Say("You get a set-up code. Give it to the person yourself: it is never sent by e-mail. It works for 24 hours."),
		},
		Danger: true, AskReason: true, Back: userPath(r.PathValue("id")) + "/security",
	}, err
}

func (s *site) resetTwoFactor(w http.ResponseWriter, r *http.Request) error {
	v, err := s.resetTwoFactorPage(r)
	if err != nil {
		return err
	}
	v.Reason = s.filled(w, r).Get("reason")
	return s.render(w, r, http.StatusOK, "confirm", v)
}

// resetTwoFactorPost shows the set-up code in its response and keeps it nowhere, so that no cookie can show it again.
func (s *site) resetTwoFactorPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	code, wrong := s.service.ResetTwoFactor(r.Context(), by(r), r.PathValue("id"), f.Get("reason"))
	if mendable(wrong) {
		v, err := s.resetTwoFactorPage(r)
		if err != nil {
			return err
		}
		v.Reason = f.Get("reason")
		return s.again(w, r, "confirm", v, wrong)
	}
	if wrong != nil {
		return wrong
	}
	u := code.User
	return s.render(w, r, http.StatusOK, "set-up-code", &setUpCodePage{
		page: page{Title: text.Say("Two-factor authentication is reset")}, SetUpCode: code, Name: nameOf(u), Back: userPath(u.ID) + "/security"})
}
