package web

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const afterRecoveryPath = "/account/2fa/after-recovery"

// afterRecoveryAddress returns the address of the page after a recovery code. From there, the person continues to the
// page at to.
func afterRecoveryAddress(to string) string { return setUpAddress(afterRecoveryPath, "", to) }

type afterRecoveryPage struct {
	page
	User   sallyport.User
	Again  bool   // the used code has been replaced by a new one
	Admin  bool   // some of the restricted actions are on other people
	Change string // addresses
	StepUp string
	NotNow string
}

// afterRecovery shows a person who signed in with a recovery code what they may not do, and how to lift the
// restriction. Once it is lifted, the page redirects to where they were going.
func (s *site) afterRecovery(w http.ResponseWriter, r *http.Request) error {
	to := s.onward(r.URL.Query().Get("to"))
	if at, _, _ := strings.Cut(to, "?"); at == afterRecoveryPath {
		to = ""
	}
	if !restricted(by(r)) {
		notice := ""
		if ses, _ := by(r).Session(); ses.Proofs.Has(sallyport.ByRecoveryCode) {
			notice = "restriction-lifted"
		}
		return s.done(w, r, cmp.Or(to, "/account/2fa"), notice)
	}
	u, _ := by(r).User()
	here := afterRecoveryAddress(to)
	return s.render(w, r, http.StatusOK, "after-recovery", &afterRecoveryPage{
		page: page{Title: text.Say("You signed in with a recovery code")}, User: u, Again: by(r).Policy().RecoveryCodeMode == sallyport.RecoveryRolling, Admin: u.Role.May(sallyport.InvitePeople),
		Change: setUpAddress(changePath, "", to), NotNow: cmp.Or(to, "/"),
		StepUp: "/step-up?" + url.Values{"to": {here}, "from": {here}}.Encode(),
	})
}
