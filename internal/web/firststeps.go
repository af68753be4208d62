package web

import (
	"net/http"
	"strings"

	"github.com/sallyport-2fa/sallyport"
)

const firstStepsPath = "/admin/first-steps"

// firstSteps are those of the Service, with what the edge knows.
type firstSteps struct {
	sallyport.FirstSteps
	HTTPS bool // people reach the server by https, and all proxies in front of it are configured
}

// Shown reports whether there is something left to do and the list was not dismissed.
func (f firstSteps) Shown() bool { return !f.Dismissed && !(f.Done() && (f.HTTPS || !f.Server)) }

func (s *site) firstSteps(f sallyport.FirstSteps) firstSteps {
	return firstSteps{f, strings.HasPrefix(s.service.URL, "https://") && !s.edge.ForeignForwarding()}
}

func (s *site) firstStepsPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	if err := s.service.TickFirstStep(r.Context(), by(r), sallyport.FirstStep(f.Get("step"))); err != nil {
		return err
	}
	return s.done(w, r, overviewPath, "")
}
