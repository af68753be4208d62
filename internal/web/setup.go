package web

import (
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// The pages of setting up serve a session and a sign-in alike: which one, the address says.

func setter(r *http.Request) sallyport.Caller {
	if strings.HasPrefix(r.URL.Path, "/sign-in/") {
		return by(r).InSignIn()
	}
	return by(r)
}

type setUpNamePage struct {
	page
	Name string
}

type setUpScanPage struct {
	page
	Name    string
	Account string
	Issuer  string
	Key     string // in groups of four
	URI     template.URL
	QR      template.HTML
}

// setUp shows step 1, and with ?step=scan the draft in hand.
func (s *site) setUp(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	if q.get("step") == "scan" {
		return s.scan(w, r, nil)
	}
	if err := s.service.MaySetUp(r.Context(), setter(r)); err != nil {
		return s.beforeSetUp(w, r, err)
	}
	return s.render(w, r, http.StatusOK, "set-up-name", newSetUpNamePage(""))
}

func newSetUpNamePage(name string) *setUpNamePage {
	return &setUpNamePage{page{Title: text.Say("Set up two-factor authentication")}, name}
}

// scan shows the draft, with what is wrong with the code given, if anything.
func (s *site) scan(w http.ResponseWriter, r *http.Request, wrong error) error {
	d, err := s.service.SetUp(r.Context(), setter(r))
	if err != nil {
		return s.beforeSetUp(w, r, err)
	}
	qr, err := s.qrSVG(d.URI.Reveal())
	if err != nil {
		return err
	}
	v := &setUpScanPage{
		page: page{Title: text.Say("Set up two-factor authentication")}, Name: d.Name, Account: d.Account, QR: qr,
		Issuer: by(r).Workspace().Issuer(), Key: otp.Group(d.Key.Reveal()), URI: template.URL(d.URI.Reveal()),
	}
	if wrong != nil {
		return s.again(w, r, "set-up-scan", v, wrong)
	}
	return s.render(w, r, http.StatusOK, "set-up-scan", v)
}

// setUpPost takes step 1, the name, or step 3, the code.
func (s *site) setUpPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	if !f.has("code") {
		if err := s.service.StartSetUp(r.Context(), setter(r), f.get("name")); err != nil {
			return s.beforeSetUp(w, r, s.again(w, r, "set-up-name", newSetUpNamePage(f.get("name")), err))
		}
		return s.done(w, r, r.URL.Path+"?step=scan", "")
	}
	p, err := s.service.ConfirmSetUp(r.Context(), setter(r), f.get("draft"), f.get("code"))
	if errors.Is(err, sallyport.ErrCodeMalformed) || errors.Is(err, sallyport.ErrSetUpCodeWrong) || errors.Is(err, sallyport.ErrClockOff) {
		return s.scan(w, r, err)
	}
	if err != nil {
		return s.beforeSetUp(w, r, err)
	}
	s.keep(w, p)
	return s.done(w, r, "/account/2fa", "enabled")
}

// beforeSetUp answers what stands in the way of setting up.
func (s *site) beforeSetUp(w http.ResponseWriter, r *http.Request, err error) error {
	if errors.Is(err, sallyport.ErrNoDraft) && r.Method == http.MethodGet {
		return s.done(w, r, r.URL.Path, "")
	}
	return s.inSignIn(w, r, err)
}
