package web

import (
	"net/http"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// accountTabs are the tabs of a person's own pages.
func accountTabs(current string) []link {
	tabs := []link{
		{Href: "/account", Text: text.Say("Profile")},
		{Href: "/account/2fa", Text: text.Say("Two-factor authentication")},
		{Href: trustedDevicesPath, Text: text.Say("Trusted devices")},
		{Href: passwordPath, Text: text.Say("Password")},
		{Href: sessionsPath, Text: text.Say("Sessions")},
		{Href: tokensPath, Text: text.Say("Access tokens")},
		{Href: activityPath, Text: text.Say("Activity")},
	}
	for i := range tabs {
		tabs[i].Current = tabs[i].Href == current
	}
	return tabs
}

type accountPage struct {
	page
	Tabs   []link
	Method text.Message // of the last sign-in
	sallyport.User
}

func (s *site) accountPage(r *http.Request) *accountPage {
	u, _ := by(r).User()
	return &accountPage{page: page{Title: text.Say("Your account"), Wide: true, OneField: true}, Tabs: accountTabs("/account"), Method: methodWords[u.LastSignInMethod], User: u}
}

func (s *site) account(w http.ResponseWriter, r *http.Request) error {
	v := s.accountPage(r)
	if f := s.filled(w, r); f.Has("name") {
		v.User.Name = f.Get("name")
	}
	return s.render(w, r, http.StatusOK, "account", v)
}

func (s *site) accountPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	if err := s.service.Rename(r.Context(), by(r), f.Get("name")); err != nil {
		v := s.accountPage(r)
		v.User.Name = f.Get("name")
		return s.again(w, r, "account", v, err)
	}
	return s.done(w, r, "/account", "saved")
}

type twoFactorPage struct {
	page
	Tabs           []link
	State          string
	Required       bool
	Since          time.Time
	Authenticators []sallyport.Authenticator
	Keys           []sallyport.Passkey
	Removed, Site  string // the credential of a passkey that was just removed, and the site that it was for
	User           sallyport.User
	Rolling        bool // recovery codes can be shown again
}

// Factors returns how many second factors the user has.
func (v *twoFactorPage) Factors() int { return len(v.Authenticators) + len(v.Keys) }

func (s *site) twoFactor(w http.ResponseWriter, r *http.Request) error {
	c := by(r)
	u, _ := c.User()
	all, err := s.service.OwnAuthenticators(r.Context(), c)
	if err != nil {
		return err
	}
	keys, err := s.service.OwnPasskeys(r.Context(), c)
	if err != nil {
		return err
	}
	removed := s.edge.Cookie(r, removedCookie)
	if removed != "" {
		s.edge.ClearCookie(w, removedCookie)
	}
	now := s.service.Now()
	return s.render(w, r, http.StatusOK, "two-factor", &twoFactorPage{
		page: page{Title: text.Say("Two-factor authentication"), Wide: true, UsesKeys: removed != ""}, Tabs: accountTabs("/account/2fa"),
		State: c.Policy().TwoFactorState(u, now), Required: c.Policy().Required(u, now),
		Since: u.TwoFactorSince, Authenticators: all, Keys: keys, Removed: removed, Site: sallyport.PasskeySite(edge.From(r.Context()).Host),
		User: u, Rolling: c.Policy().RecoveryCodeMode == sallyport.RecoveryRolling,
	})
}
