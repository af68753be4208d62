package web

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/url"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const newPasskeyPath = "/account/2fa/passkeys/new"

// removedCookie names the passkey that was just removed, until the next page has told the browser.
const removedCookie = "removed"

// visitorCookie names the browser that may answer the challenge of the sign-in page with a passkey.
const visitorCookie = "visitor"

type newPasskeyPage struct {
	page
	Options   string // for the browser
	Name      string
	SetUpCode bool
	Replaces  bool
	Why       text.Message // why nothing else works before; empty: other pages work
	App       string       // address of the page that sets up an authenticator app instead; empty: only a passkey will do
	Own       string       // address of the page on which a passkey that they have will do; empty: they have none, or it is not needed
}

func (s *site) newPasskey(w http.ResponseWriter, r *http.Request) error {
	return s.newPasskeyAgain(w, r, s.filled(w, r), nil)
}

// newPasskeyAgain shows the page, with a new challenge. wrong is what is wrong with the form, if anything.
func (s *site) newPasskeyAgain(w http.ResponseWriter, r *http.Request, f form, wrong error) error {
	set, err := s.service.NewPasskey(r.Context(), setter(r))
	if err != nil {
		return s.beforeSetUp(w, r, err)
	}
	v := &newPasskeyPage{
		page: page{Title: text.Say("Add a passkey"), UsesKeys: true}, Options: string(set.Options), Name: f.Get("name"), SetUpCode: set.SetUpCode,
		Replaces: set.Replaces, Why: s.reasonWords(r, set.Why),
		App: setUpAddress(setUpPath, "", s.onward(r.URL.Query().Get("to"))),
	}
	switch u, _ := by(r).User(); {
	case set.Why.Passkey && u.HasPasskey && !inSignInPages(r):
		v.App, v.Own = "", "/step-up?"+url.Values{"to": {cmp.Or(s.onward(r.URL.Query().Get("to")), accountPath)}}.Encode()
	case set.Why.Passkey:
		v.App = ""
	case inSignInPages(r):
		v.App = setUpAddress("/sign-in/set-up", "", s.onward(r.URL.Query().Get("to")))
	}
	if wrong != nil {
		return s.again(w, r, "passkey-new", v, wrong)
	}
	return s.render(w, r, http.StatusOK, "passkey-new", v)
}

func (s *site) newPasskeyPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	p, err := s.service.AddPasskey(r.Context(), setter(r), f.Get("name"), f.Get("set_up_code"), f.Get("credential"))
	if mendable(err) {
		return s.newPasskeyAgain(w, r, f, err)
	}
	if err != nil {
		return s.beforeSetUp(w, r, err)
	}
	s.setCookies(w, p)
	to := s.onward(r.URL.Query().Get("to"))
	switch {
	case p.RecoveryShown != "" && inSignInPages(r):
		return s.done(w, r, setUpAddress("/sign-in/set-up", "codes", to), "")
	case p.RecoveryShown != "":
		return s.done(w, r, setUpAddress(setUpPath, "codes", to), "")
	case inSignInPages(r):
		return s.goOn(w, r, p)
	}
	return s.done(w, r, cmp.Or(to, "/account/2fa"), "passkey-added")
}

func newPasskeyRenamePage(name string) *renamePage {
	return &renamePage{page: page{Title: text.Say("Rename passkey"), OneField: true}, Name: name}
}

func (s *site) renamePasskey(w http.ResponseWriter, r *http.Request) error {
	k, err := s.service.OwnPasskey(r.Context(), by(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	name := k.Name
	if f := s.filled(w, r); f.Has("name") {
		name = f.Get("name")
	}
	return s.render(w, r, http.StatusOK, "rename", newPasskeyRenamePage(name))
}

func (s *site) renamePasskeyPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	err = s.service.RenamePasskey(r.Context(), by(r), r.PathValue("id"), f.Get("name"))
	if mendable(err) {
		return s.again(w, r, "rename", newPasskeyRenamePage(f.Get("name")), err)
	}
	if err != nil {
		return err
	}
	return s.done(w, r, "/account/2fa", "passkey-renamed")
}

func (s *site) removePasskey(w http.ResponseWriter, r *http.Request) error {
	k, err := s.service.MayRemovePasskey(r.Context(), by(r), r.PathValue("id"))
	if err != nil {
		return s.shortPassword(w, r, err)
	}
	v := &confirmPage{
		page:     page{Title: text.Say("Remove this passkey?")},
		Question: text.Say("<bdi>{name}</bdi> will no longer be accepted.", "name", k.Name),
		Points:   []text.Message{text.Say("You stay signed in here, and are signed out everywhere else.")},
		Button:   text.Say("Remove"), Danger: true, Back: "/account/2fa",
	}
	if k.Last {
		v.Points = append([]text.Message{text.Say("This is your only second factor, so removing it <strong>disables two-factor authentication</strong>.")}, disablePoints...)
	}
	return s.render(w, r, http.StatusOK, "confirm", v)
}

func (s *site) removePasskeyPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	token, gone, err := s.service.RemovePasskey(r.Context(), by(r), r.PathValue("id"))
	if err != nil {
		return s.shortPassword(w, r, err)
	}
	s.setCookies(w, sallyport.SignInResult{Session: token})
	s.edge.SetCookie(w, removedCookie, base64.RawURLEncoding.EncodeToString(gone), time.Minute)
	return s.done(w, r, "/account/2fa", "passkey-removed")
}
