package web

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const recoveryCodesPath = "/account/2fa/recovery-codes"

// codesCookie contains a new set of recovery codes, sealed, until the user has saved them.
const codesCookie = "codes"

type recoveryCodesPage struct {
	page
	Tabs     []link // empty during set-up
	Set      sallyport.RecoverySet
	Account  string // as the authenticator app shows it
	Download string
	SetUp    bool // it is the last step of setting up
	Ask      bool // ask for the tick that the codes are saved
	Rolling  bool
}

// recoverySet returns the codes that may be shown now: the new ones in the browser's cookie, or those that the policy
// allows to be shown again.
func (s *site) recoverySet(r *http.Request) (sallyport.RecoverySet, error) {
	c, held := setter(r), s.secret(r, codesCookie)
	_, signedIn := c.User()
	if !signedIn || held != "" {
		set, err := s.service.ShownRecoveryCodes(r.Context(), c, held)
		if !signedIn || !errors.Is(err, sallyport.ErrCodesNotShown) {
			return set, err
		}
	}
	return s.service.RecoveryCodes(r.Context(), c)
}

// showCodes shows the set. wrong is what is wrong with the tick, if anything.
func (s *site) showCodes(w http.ResponseWriter, r *http.Request, wrong error) error {
	set, err := s.recoverySet(r)
	if err != nil {
		return s.inSignIn(w, r, err)
	}
	v := &recoveryCodesPage{
		page: page{Title: text.Say("Recovery codes"), OneField: true}, Set: set, SetUp: r.URL.Path != recoveryCodesPath,
		Account: by(r).Workspace().Issuer() + ": " + set.Address, Ask: set.RecoveryUnsaved() && len(set.Codes) > 0,
		Rolling: set.Mode == sallyport.RecoveryRolling, Download: recoveryCodesPath + ".txt",
	}
	switch {
	case inSignInPages(r):
		v.Download = "/sign-in/set-up/recovery-codes.txt"
	case !v.SetUp:
		v.Wide, v.Tabs = true, accountTabs("/account/2fa")
	}
	if wrong != nil {
		return s.again(w, r, "recovery-codes", v, wrong)
	}
	return s.render(w, r, http.StatusOK, "recovery-codes", v)
}

func (s *site) recoveryCodes(w http.ResponseWriter, r *http.Request) error {
	return s.showCodes(w, r, nil)
}

func (s *site) recoveryCodesPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	return s.saveCodes(w, r, f)
}

// saveCodes handles the tick that the codes are saved, for all pages that show them.
func (s *site) saveCodes(w http.ResponseWriter, r *http.Request, f form) error {
	if !f.Ticked("saved") {
		return s.showCodes(w, r, sallyport.ErrNotSaved)
	}
	p, err := s.service.SaveRecoveryCodes(r.Context(), setter(r))
	if err != nil {
		return s.inSignIn(w, r, err)
	}
	s.edge.ClearCookie(w, codesCookie)
	s.setCookies(w, p)
	switch {
	case p.Session != "":
		return s.signedIn(w, r, p, "enabled")
	case r.URL.Path == recoveryCodesPath:
		return s.done(w, r, "/account/2fa", "codes-saved")
	}
	return s.done(w, r, cmp.Or(s.onward(r.URL.Query().Get("to")), "/account/2fa"), "enabled")
}

// recoveryCodesFile responds with the set as a text file.
func (s *site) recoveryCodesFile(w http.ResponseWriter, r *http.Request) error {
	set, err := s.recoverySet(r)
	if errors.Is(err, sallyport.ErrStepUp) {
		return s.done(w, r, recoveryCodesPath, "") // which continues here, and stays open behind the download
	}
	if err != nil {
		return s.inSignIn(w, r, err)
	}
	if len(set.Codes) == 0 {
		return sallyport.ErrCodesNotShown
	}
	lines := []string{
		s.lang.Text(text.Say("Recovery codes of {account}", "account", by(r).Workspace().Issuer()+": "+set.Address)),
		s.lang.Text(text.Say("Made on {date}. Each code works once.", "date", s.lang.Date(set.RecoveryMadeAt.UTC()))), "",
	}
	for _, code := range set.Codes {
		lines = append(lines, code.Reveal())
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="recovery-codes.txt"`)
	_, _ = w.Write([]byte(strings.Join(lines, "\r\n") + "\r\n")) // the browser may be gone
	return nil
}

func (s *site) regenerate(w http.ResponseWriter, r *http.Request) error {
	if err := s.service.MayRegenerateRecoveryCodes(r.Context(), by(r)); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
		page:     page{Title: text.Say("Regenerate recovery codes?")},
		Question: text.Say("You get a full new set. The codes that you have now stop working at once."),
		Button:   text.Say("Regenerate"), Back: "/account/2fa",
	})
}

func (s *site) regeneratePost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	p, err := s.service.RegenerateRecoveryCodes(r.Context(), by(r))
	if err != nil {
		return err
	}
	s.setCookies(w, p)
	return s.done(w, r, recoveryCodesPath, "codes-made")
}

// withoutBanners are the pages that the banners lead to.
var withoutBanners = []string{recoveryCodesPath, recoveryCodesPath + "/regenerate", changePath, "/account/2fa/set-up", afterRecoveryPath}

// recoveryBanners warn of recovery codes that are not saved or nearly used up, and of a restricted session. lift is the
// address of the page about the restriction, or empty.
func (s *site) recoveryBanners(r *http.Request, u sallyport.User, lift string) []banner {
	switch {
	case !u.TwoFactor || slices.Contains(withoutBanners, r.URL.Path):
		return nil
	case lift != "":
		return []banner{{Kind: "warn", Text: text.Say("You signed in with a recovery code, so some actions are not possible yet."),
			Href: lift, Action: text.Say("See how to lift this restriction"), ID: "restricted"}}
	case u.RecoveryUnsaved():
		return []banner{{Kind: "warn", Text: text.Say("You have not saved your recovery codes. Without them a lost phone locks you out."),
			Href: recoveryCodesPath, Action: text.Say("Save them now")}}
	case u.RecoveryLow(by(r).Policy()):
		return []banner{{Kind: "warn", Text: text.Count(u.RecoveryLeft, "You have {n} recovery code left.", "You have {n} recovery codes left."),
			Href: recoveryCodesPath + "/regenerate", Action: text.Say("Make new ones")}}
	}
	return nil
}
