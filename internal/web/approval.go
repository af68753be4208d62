package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const (
	approvePath       = "/sign-in/2fa/approve"
	approvalsPath     = "/account/approvals"
	approvalsWaitPath = approvalsPath + "/wait"
)

// waitLimit is how long a request of a script waits before it is sent again.
const waitLimit = 25 * time.Second

func (s *site) askApproval(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	if err := s.service.AskApproval(r.Context(), by(r)); err != nil {
		return s.notApproved(w, r, err)
	}
	return s.done(w, r, setUpAddress(approvePath, "", s.onward(r.URL.Query().Get("to"))), "")
}

// notApproved shows the challenge again, with the reason.
func (s *site) notApproved(w http.ResponseWriter, r *http.Request, err error) error {
	if mendable(err) {
		return s.challengeFor(w, r, askCode, err)
	}
	return s.inSignIn(w, r, err)
}

// aboutApproval reports whether an outcome is about asking for approval, not about a code.
func aboutApproval(err error) bool {
	return slices.ContainsFunc(sallyport.Outcomes(err), func(e *sallyport.Error) bool { return e.Field == "approval" })
}

type approvePage struct {
	page
	sallyport.Waiting
	Wait string // address that answers once the request waits no longer
}

// awaitApproval shows the number to type on the other device. Once the sign-in is approved there, it goes on.
func (s *site) awaitApproval(w http.ResponseWriter, r *http.Request) error {
	waiting, p, err := s.service.AwaitApproval(r.Context(), by(r))
	switch {
	case err != nil:
		return s.notApproved(w, r, err)
	case p != nil:
		return s.goOn(w, r, *p)
	}
	return s.render(w, r, http.StatusOK, "approve", &approvePage{
		page: page{Title: text.Say("Approve this sign-in"), Refresh: 3}, Waiting: waiting, Wait: approvePath + "/wait",
	})
}

// waitForApproval answers a script of the page: 200 once it should be loaded again, 204 if it should ask again.
func (s *site) waitForApproval(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := edge.UntilStopping(r.Context(), waitLimit)
	defer cancel()
	changed, err := s.service.WaitForApproval(ctx, by(r))
	if err != nil {
		return err
	}
	return waited(w, changed)
}

func waited(w http.ResponseWriter, changed bool) error {
	if !changed {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return edge.JSON(w, http.StatusOK, struct{}{})
}

// waitUntilAsked answers a script of every page: 200 once its banner should be shown, 204 if it should ask again.
func (s *site) waitUntilAsked(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := edge.UntilStopping(r.Context(), waitLimit)
	defer cancel()
	asked, err := s.service.WaitUntilAsked(ctx, by(r))
	if err != nil {
		return err
	}
	return waited(w, asked)
}

// approvalBanner tells of a sign-in that waits for approval. While none does, it is hidden, and a script shows it.
func (s *site) approvalBanner(r *http.Request, c sallyport.Caller) []banner {
	if !c.Approves() || s.owes(c) != sallyport.OwesNothing || strings.HasPrefix(r.URL.Path, approvalsPath) {
		return nil
	}
	b := banner{Kind: "warn", Text: text.Say("Somebody is signing in with your password on another device, and asks for your approval."), Href: approvalsPath, Action: text.Say("Look at it")}
	if !s.service.Asked(c) {
		b.Wait = approvalsWaitPath
	}
	return []banner{b}
}

type approvalsPage struct {
	page
	sallyport.Approval
	Found bool
}

func (s *site) approvals(w http.ResponseWriter, r *http.Request) error {
	return s.approvalsFor(w, r, nil)
}

// approvalsFor shows the sign-in that waits for approval. wrong is what is wrong with the form, if anything.
func (s *site) approvalsFor(w http.ResponseWriter, r *http.Request, wrong error) error {
	a, found, err := s.service.AskedApproval(r.Context(), by(r))
	if err != nil {
		return err
	}
	v := &approvalsPage{page: page{Title: text.Say("Approve a sign-in?")}, Approval: a, Found: found}
	if !found {
		v.Title = text.Say("Approve a sign-in")
	}
	if wrong != nil {
		return s.again(w, r, "approvals", v, wrong)
	}
	return s.render(w, r, http.StatusOK, "approvals", v)
}

func (s *site) approvalPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	switch f.Get("answer") {
	case "approve":
		if err := s.service.Approve(r.Context(), by(r), r.PathValue("id"), f.Get("number")); err != nil {
			return s.approvalsFor(w, r, err)
		}
		return s.done(w, r, accountPath, "approved")
	case "not_me":
		if err := s.service.RefuseApproval(r.Context(), by(r), r.PathValue("id")); err != nil {
			return s.approvalsFor(w, r, err)
		}
		return s.done(w, r, "/account/password", "approval-refused")
	}
	return s.approvalsFor(w, r, sallyport.ErrApprovalUnchosen)
}
