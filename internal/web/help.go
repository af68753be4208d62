package web

import (
	"net/http"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

type helpPage struct {
	page
	ServerTime time.Time
}

func (s *site) help(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "help", &helpPage{
		page: page{Title: text.Say("Help with two-factor authentication"), Wide: true}, ServerTime: s.service.Now(),
	})
}

// changePassword redirects password managers to the page that changes a password.
func (s *site) changePassword(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, passwordPath, http.StatusFound)
	return nil
}

// securityTxtLimit is how long security.txt is valid (RFC 9116 section 2.5.5: less than a year).
const securityTxtLimit = 180 * 24 * time.Hour

// securityTxt says where to report vulnerabilities (RFC 9116), if that is configured.
func (s *site) securityTxt(w http.ResponseWriter, r *http.Request) error {
	if s.service.SecurityContact == "" {
		return errNoSuchPage
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fields := http.Header{}
	fields.Set("Contact", s.service.SecurityContact)
	fields.Set("Expires", s.service.Now().Add(securityTxtLimit).UTC().Format(time.RFC3339))
	_ = fields.Write(w) // the client may be gone
	return nil
}
