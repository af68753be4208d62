package web

import (
	"cmp"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// The set-up pages work in a session and in a sign-in. They add an authenticator or replace one. The URL says which.

const (
	setUpPath  = "/account/2fa/set-up"
	changePath = "/account/2fa/change"
)

// setUpAddress returns the address of a step of the set-up pages. to is where they lead at the end, or empty.
func setUpAddress(path, step, to string) string {
	q := url.Values{}
	for name, value := range map[string]string{"step": step, "to": to} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// at returns the address of another step of the same set-up.
func (s *site) at(r *http.Request, step string) string {
	return setUpAddress(r.URL.Path, step, s.onward(r.URL.Query().Get("to")))
}

func setter(r *http.Request) sallyport.Caller {
	if inSignInPages(r) {
		return by(r).InSignIn()
	}
	return by(r)
}

func inSignInPages(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/sign-in/") }

// authenticatorApp is a well-known authenticator app, with a note on what happens to its codes if the phone is lost.
type authenticatorApp struct {
	id   string
	name text.Message
	note text.Message
}

var authenticatorApps = []authenticatorApp{
	{"google", text.Say("Google Authenticator"), text.Say("Your codes come back when you sign in to your Google account on a new phone.")},
	{"microsoft", text.Say("Microsoft Authenticator"), text.Say("Has a backup that you must switch on. It can be restored only on the same kind of phone.")},
	{"authy", text.Say("Authy"), text.Say("Has an encrypted backup, and runs on several devices.")},
	{"1password", text.Say("1Password"), text.Say("Your codes come back when you sign in to your 1Password account on any device.")},
	{"aegis", text.Say("Aegis"), text.Say("For Android. You can restore your codes from a backup file that you keep.")},
	{"2fas", text.Say("2FAS"), text.Say("Has a backup in Google Drive or iCloud that you must switch on.")},
	{"freeotp", text.Say("FreeOTP"), text.Say("Has no online backup. You have to set up a new phone from the beginning.")},
}

// authenticatorAppOptions returns the radio buttons of the first page.
func (s *site) authenticatorAppOptions() []option {
	var all []option
	for _, a := range authenticatorApps {
		all = append(all, option{Value: a.id, Label: s.lang.HTML(a.name), Hint: s.lang.HTML(a.note)})
	}
	return append(all, option{Value: "other", Label: s.lang.HTML(text.Say("Another app")),
		Hint: s.lang.HTML(text.Say("Any app for time-based codes works. Such apps often call them TOTP."))})
}

// nameOf returns the name that was entered or, if there is none, the name of the chosen app.
func (s *site) nameOf(f form) string {
	if name := f.Get("name"); strings.TrimSpace(name) != "" {
		return name
	}
	for _, a := range authenticatorApps {
		if a.id == f.Get("app") {
			return s.lang.Text(a.name)
		}
	}
	return f.Get("name")
}

func setUpTitle(r *http.Request) text.Message {
	u, _ := by(r).User()
	switch {
	case r.URL.Path == changePath:
		return text.Say("Change authenticator app")
	case u.TwoFactor && !inSignInPages(r):
		return text.Say("Add an authenticator app")
	}
	return text.Say("Set up two-factor authentication")
}

// reasonWords says why the caller must set up two-factor authentication before anything else but signing out. It is
// empty if they need not.
func (s *site) reasonWords(r *http.Request, why sallyport.Reason) text.Message {
	name, day := by(r).Workspace().Issuer(), s.lang.Date(why.Since.UTC())
	switch known := !why.Since.IsZero(); {
	case why.By == "":
		return text.Message{}
	case why.By == sallyport.ByReset && known:
		return text.Say("An administrator of <bdi>{name}</bdi> reset your two-factor authentication on {date}. Set it up again to go on.", "name", name, "date", day)
	case why.By == sallyport.ByReset:
		return text.Say("An administrator of <bdi>{name}</bdi> reset your two-factor authentication. Set it up again to go on.", "name", name)
	case why.By == sallyport.ByJoining && why.Passkey:
		return text.Say("<bdi>{name}</bdi> requires a passkey. You add one once, at your first sign-in.", "name", name)
	case why.By == sallyport.ByJoining:
		return text.Say("<bdi>{name}</bdi> requires two-factor authentication. You set it up once, at your first sign-in.", "name", name)
	case why.Passkey && !known:
		return text.Say("<bdi>{name}</bdi> requires a passkey. Use one to go on.", "name", name)
	case why.Passkey && why.Of == sallyport.RequireAdmins:
		return text.Say("<bdi>{name}</bdi> has required a passkey of owners and admins since {date}. Use one to go on.", "name", name, "date", day)
	case why.Passkey:
		return text.Say("<bdi>{name}</bdi> has required a passkey of everyone since {date}. Use one to go on.", "name", name, "date", day)
	case !known:
		return text.Say("<bdi>{name}</bdi> requires two-factor authentication. Set it up to go on.", "name", name)
	case why.Of == sallyport.RequireAdmins:
		return text.Say("<bdi>{name}</bdi> has required two-factor authentication of owners and admins since {date}. Set it up to go on.", "name", name, "date", day)
	}
	return text.Say("<bdi>{name}</bdi> has required two-factor authentication of everyone since {date}. Set it up to go on.", "name", name, "date", day)
}

// setUpSteps returns the number of steps: only the first authenticator is followed by recovery codes.
func setUpSteps(r *http.Request) int {
	if u, _ := by(r).User(); u.TwoFactor && !inSignInPages(r) {
		return 3
	}
	return 4
}

type setUpNamePage struct {
	page
	Steps                  int
	Name, Chosen, Replaces string
	Choices                []option
	Change                 bool
	Old                    []option     // authenticators to replace, to choose from
	All                    bool         // it replaces all old ones
	SetUpCode              bool         // ask for the set-up code from an administrator
	Why                    text.Message // why nothing else works before; empty: other pages work
	Passkey                string       // address of the page that adds a passkey instead; empty: not offered
}

func (s *site) newSetUpNamePage(r *http.Request, f form, old []sallyport.Authenticator) *setUpNamePage {
	v := &setUpNamePage{
		page: page{Title: setUpTitle(r)}, Steps: setUpSteps(r), Choices: s.authenticatorAppOptions(), Change: r.URL.Path == changePath,
		Name: f.Get("name"), Chosen: f.Get("app"), Replaces: f.Get("replaces"),
	}
	v.All = v.Change && len(old) == 0
	if len(old) > 1 {
		for _, a := range old {
			v.Old = append(v.Old, option{Value: a.ID, Label: s.lang.HTML(text.Say("<bdi>{name}</bdi>", "name", a.Name))})
		}
		v.Old = append(v.Old, option{Value: sallyport.ReplacesAll, Label: s.lang.HTML(text.Say("All of them"))})
	}
	return v
}

// setUp shows the first page or, with ?step=scan, the current draft.
func (s *site) setUp(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	switch q.Get("step") {
	case "scan":
		return s.scan(w, r, nil)
	case "codes":
		return s.showCodes(w, r, nil)
	}
	return s.setUpName(w, r, s.filled(w, r), nil)
}

// setUpName shows the first page. wrong is what is wrong with the form, if anything.
func (s *site) setUpName(w http.ResponseWriter, r *http.Request, f form, wrong error) error {
	var old []sallyport.Authenticator
	var withCode bool
	var why sallyport.Reason
	var err error
	if r.URL.Path == changePath {
		old, err = s.service.Replaceable(r.Context(), by(r))
	} else {
		withCode, why, err = s.service.MaySetUp(r.Context(), setter(r))
	}
	if err != nil {
		return s.beforeSetUp(w, r, err)
	}
	v := s.newSetUpNamePage(r, f, old)
	v.SetUpCode, v.Why = withCode, s.reasonWords(r, why)
	switch to := s.onward(r.URL.Query().Get("to")); {
	case inSignInPages(r):
		v.Passkey = setUpAddress("/sign-in/set-up/passkey", "", to)
	case r.URL.Path == setUpPath, v.All:
		v.Passkey = setUpAddress(newPasskeyPath, "", to)
	}
	if wrong != nil {
		return s.again(w, r, "set-up-name", v, wrong)
	}
	return s.render(w, r, http.StatusOK, "set-up-name", v)
}

type setUpScanPage struct {
	page
	sallyport.SetUp
	Steps   int
	Issuer  string
	Groups  string // the key in groups of four
	Link    template.URL
	QR      template.HTML
	Restart string
	Why     text.Message // as in setUpNamePage
}

// scan shows the draft. wrong is what is wrong with the code, if anything.
func (s *site) scan(w http.ResponseWriter, r *http.Request, wrong error) error {
	d, err := s.service.SetUp(r.Context(), setter(r))
	if err != nil {
		return s.beforeSetUp(w, r, err)
	}
	qr, err := s.qrSVG(d.URI.Reveal())
	if err != nil { // the page still has the key and the link
		s.log.Error("no QR code", "request", edge.From(r.Context()).ID, "error", err)
	}
	v := &setUpScanPage{
		page: page{Title: setUpTitle(r), OneField: true}, SetUp: d, Steps: setUpSteps(r), QR: qr, Restart: s.at(r, ""), Why: s.reasonWords(r, d.Why),
		Issuer: by(r).Workspace().Issuer(), Groups: otp.Group(d.Key.Reveal()), Link: template.URL(d.URI.Reveal()),
	}
	if wrong != nil {
		return s.again(w, r, "set-up-scan", v, wrong)
	}
	return s.render(w, r, http.StatusOK, "set-up-scan", v)
}

// setUpPost handles the form of the first page, the code that confirms the draft, and the tick that the recovery codes
// are saved.
func (s *site) setUpPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	switch {
	case f.Has("code"):
		return s.confirmSetUp(w, r, f)
	case f.Has("saved") || q.Get("step") == "codes":
		return s.saveCodes(w, r, f)
	}
	if r.URL.Path == changePath {
		err = s.service.StartChange(r.Context(), by(r), s.nameOf(f), f.Get("replaces"))
	} else {
		err = s.service.StartSetUp(r.Context(), setter(r), s.nameOf(f), f.Get("set_up_code"))
	}
	if mendable(err) {
		return s.setUpName(w, r, f, err)
	}
	if err != nil {
		return s.beforeSetUp(w, r, err)
	}
	return s.done(w, r, s.at(r, "scan"), "")
}

// mendable reports whether the user can correct the error in the form, so that it is shown again.
func mendable(err error) bool {
	var e *sallyport.Error
	return errors.As(err, &e) && (e.Kind == sallyport.Invalid || e.Field != "")
}

func (s *site) confirmSetUp(w http.ResponseWriter, r *http.Request, f form) error {
	p, err := s.service.ConfirmSetUp(r.Context(), setter(r), f.Get("draft"), f.Get("code"))
	if mendable(err) {
		return s.scan(w, r, err)
	}
	if err != nil {
		return s.beforeSetUp(w, r, err)
	}
	s.setCookies(w, p)
	if p.RecoveryShown != "" {
		return s.done(w, r, s.at(r, "codes"), "")
	}
	notice := "enabled"
	if u, _ := by(r).User(); u.TwoFactor && !inSignInPages(r) {
		notice = "authenticator-added"
		if r.URL.Path == changePath {
			notice = "authenticator-changed"
		}
	}
	return s.done(w, r, cmp.Or(s.onward(r.URL.Query().Get("to")), "/account/2fa"), notice)
}

type setUpEndedPage struct {
	page
	Say     text.Message
	Restart string
}

// beforeSetUp answers an error that prevents set-up.
func (s *site) beforeSetUp(w http.ResponseWriter, r *http.Request, err error) error {
	ses, signedIn := by(r).Session()
	switch {
	case errors.Is(err, sallyport.ErrNoDraft) && r.Method == http.MethodGet:
		return s.done(w, r, s.at(r, ""), "")
	case errors.Is(err, sallyport.ErrNoDraft), errors.Is(err, sallyport.ErrSignInEnded) && signedIn && !inSignInPages(r):
		return s.render(w, r, http.StatusGone, "set-up-ended", &setUpEndedPage{
			page: page{Title: text.Say("This set-up has ended")}, Say: sallyport.ErrNoDraft.Text, Restart: s.at(r, ""),
		})
	case errors.Is(err, sallyport.ErrTwoFactorOff) && r.Method == http.MethodGet:
		return s.done(w, r, "/account/2fa/set-up", "")
	case errors.Is(err, sallyport.ErrSetUpRequired) && inSignInPages(r): // a passkey; the caller has chosen an app
		return s.done(w, r, setUpAddress("/sign-in/set-up/passkey", "", s.onward(r.URL.Query().Get("to"))), "")
	case signedIn && ses.Restricted() && r.URL.Path == setUpPath && r.Method == http.MethodGet && s.owes(by(r)) == sallyport.OwesNothing:
		return s.done(w, r, changePath, "")
	}
	return s.inSignIn(w, r, err)
}
