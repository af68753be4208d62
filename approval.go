package sallyport

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Approval is a request of a sign-in to be approved in another browser, where the user is signed in. A user has at most
// one that waits.
type Approval struct {
	Workspace string
	User      string
	ID        string
	SignIn    string // id of the sign-in that asked; only its browser can use the answer (I61)
	Number    int    // of two digits, shown there and typed here
	State     ApprovalState
	Failed    int    // how many requests in a row before this one were refused, or never answered
	Agent     string // that asked, such as "Firefox on Windows"
	Address   string // that asked
	CreatedAt time.Time
	ExpiresAt time.Time
}

// ApprovalState is what became of an Approval.
type ApprovalState string

const (
	ApprovalWaits   ApprovalState = "waiting"
	ApprovalGiven   ApprovalState = "approved"
	ApprovalRefused ApprovalState = "refused"
	ApprovalUsed    ApprovalState = "used" // the sign-in has gone on
)

// ApprovalLimit is how long a request for approval waits for an answer.
const ApprovalLimit = 2 * time.Minute

// maxFailedApprovals is how many requests in a row may be refused or never answered. Then none is offered until the user
// has used a code or a passkey, so that nobody can be worn down.
const maxFailedApprovals = 2

// ApprovalTx is the storage of requests for approval.
type ApprovalTx interface {
	// Approval returns the newest request for a user.
	Approval(workspace, user string) (Approval, bool, error)
	// SaveApproval replaces the newest request of a user whose row is locked. While it waits, the user has its ExpiresAt as
	// AskedUntil.
	SaveApproval(Approval) error
	// LiveApprovals returns the requests of all workspaces that expire after now.
	LiveApprovals(now time.Time) ([]Approval, error)
}

// Outcomes of approvals.
var (
	ErrApprovalsOff    = &Error{Kind: Conflict, Code: "approvals_off", Text: text.Say("You cannot be approved on another device now. Use a code or a passkey."), Field: "approval"}
	ErrApprovalsOver   = &Error{Kind: Conflict, Code: "approvals_over", Text: text.Say("Two requests were refused or not answered. Use a code or a passkey this time."), Field: "approval"}
	ErrApprovalWaiting = &Error{Kind: Conflict, Code: "approval_waiting", Text: text.Say("Another sign-in of yours waits for approval already. Answer that first, or wait 2 minutes."), Field: "approval"}
	ErrNoApprover      = &Error{Kind: Conflict, Code: "no_approver", Text: text.Say("You are not signed in on another device with a code or a passkey. Use another method."), Field: "approval"}
	ErrApprovalRefused = &Error{Kind: Conflict, Code: "approval_refused", Text: text.Say("Your request was refused. Use a code or a passkey."), Field: "approval"}
	ErrApprovalExpired = &Error{Kind: Conflict, Code: "approval_expired", Text: text.Say("Your request has expired after 2 minutes. Use a code or a passkey, or ask again."), Field: "approval"}

	ErrApprovalGone     = &Error{Kind: Gone, Code: "approval_gone", Text: text.Say("This request was answered already, or has expired. Nothing was approved."), Field: "number"}
	ErrNotApprover      = &Error{Kind: Denied, Code: "not_approver", Text: text.Say("You cannot approve a sign-in in this browser, because you used neither a code nor a passkey when you signed in here.")}
	ErrApprovalUnsaid   = invalid("number", "number_missing", text.Say("Enter the two digits that the other device shows."))
	ErrApprovalNumber   = &Error{Kind: Conflict, Code: "number_wrong", Text: text.Say("This is not the number that the other device shows, so the sign-in was refused. If you are signing in there, ask again."), Field: "number"}
	ErrApprovalUnchosen = invalid("answer", "answer_missing", text.Say("Choose whether to approve the sign-in."))
)

// waits reports whether the request can be answered now.
func (a Approval) waits(now time.Time) bool {
	return a.State == ApprovalWaits && lifetime.Until(a.ExpiresAt, ApprovalLimit, now)
}

// failed returns how many requests in a row have failed, this one included. One that was answered in time has not, and
// neither has any before a code or passkey was last used.
func (a Approval) failed(used, now time.Time) int {
	switch {
	case used.After(a.CreatedAt), a.State == ApprovalGiven, a.State == ApprovalUsed, a.ID == "":
		return 0
	case a.waits(now):
		return a.Failed
	}
	return a.Failed + 1
}

// mayApprove reports whether other sign-ins may be approved in the session: a second factor was used in it, and no other
// device vouched for it.
func (s Session) mayApprove() bool {
	for _, p := range s.Proofs {
		if p.Method.Strength() >= StrongFactor {
			return true
		}
	}
	return false
}

// Approves reports whether the caller's pages show requests for approval.
func (by Caller) Approves() bool {
	return by.session != nil && by.policy.Approvals && by.session.mayApprove()
}

// Asked reports whether a sign-in of the caller waits for approval.
func (s *Service) Asked(by Caller) bool {
	return by.Approves() && lifetime.Until(by.user.AskedUntil, ApprovalLimit, s.Now())
}

// approvable returns the newest request of a user at a challenge, with how many have failed, or why there can be none.
func (s *Service) approvable(tx Tx, by Caller, si SignIn, u User, keys []Passkey) (Approval, int, error) {
	now := s.Now()
	if !by.policy.Approvals || by.policy.NeedsPasskey(u, now) {
		return Approval{}, 0, ErrApprovalsOff
	}
	a, found, err := tx.Approval(u.Workspace, u.ID)
	if err != nil || !found {
		return a, 0, err
	}
	var used time.Time
	for _, x := range si.Authenticators {
		used = latest(used, x.LastUsedAt)
	}
	for _, x := range keys {
		used = latest(used, x.LastUsedAt)
	}
	failed := a.failed(used, now)
	if failed >= maxFailedApprovals {
		return a, failed, ErrApprovalsOver
	}
	return a, failed, nil
}

// AskApproval asks for the caller's sign-in to be approved in another browser. If it has asked already, that request
// stays. It returns ErrApprovalsOff, ErrApprovalsOver, ErrApprovalWaiting or ErrNoApprover if the user cannot be asked.
func (s *Service) AskApproval(ctx context.Context, by Caller) error {
	return s.write(ctx, func(tx Tx) error {
		si, u, err := s.signIn(tx, by)
		if err != nil {
			return err
		}
		if next(si, u, by.policy, s.Now()) != StepCode {
			return ErrOtherStep
		}
		keys, err := tx.Passkeys(u.Workspace, u.ID)
		if err != nil {
			return err
		}
		before, failed, err := s.approvable(tx, by, si, u, keys)
		now := s.Now()
		switch {
		case err != nil:
			return err
		case before.waits(now) && before.SignIn == si.ID:
			return nil
		case before.waits(now):
			return ErrApprovalWaiting
		}
		if err := s.hasApprover(tx, u); err != nil {
			return err
		}
		a := Approval{
			Workspace: u.Workspace, User: u.ID, ID: newID(prefixApproval, now), SignIn: si.ID, Number: randomNumber(), State: ApprovalWaits,
			Failed: failed, Agent: by.agent, Address: addressOf(by), CreatedAt: now, ExpiresAt: now.Add(ApprovalLimit),
		}
		if err := tx.SaveApproval(a); err != nil {
			return err
		}
		return s.record(tx, by.as(u), "approval.asked", u.ID, Done, map[string]string{"approval": a.ID})
	})
}

// randomNumber returns a number of two digits.
func randomNumber() int {
	var b [8]byte
	rand.Read(b[:])
	return 10 + int(binary.BigEndian.Uint64(b[:])%90)
}

// hasApprover returns ErrNoApprover if the user has no session in which the request can be approved.
func (s *Service) hasApprover(tx Tx, u User) error {
	now := s.Now()
	all, err := tx.Sessions(u, now)
	if err != nil {
		return err
	}
	for _, ses := range all {
		if ses.lives(ses.Hash, u, now) && ses.mayApprove() {
			return nil
		}
	}
	return ErrNoApprover
}

// Waiting is what the browser shows whose sign-in waits for approval.
type Waiting struct {
	Number int
	Ends   time.Time
}

// AwaitApproval returns what to show while the caller's sign-in waits for approval. Once it is approved, the sign-in
// continues, and done is where it leads. Other outcomes are ErrApprovalRefused, ErrApprovalExpired, and ErrOtherStep if
// the sign-in has not asked.
func (s *Service) AwaitApproval(ctx context.Context, by Caller) (w Waiting, done *SignInResult, err error) {
	err = s.write(ctx, func(tx Tx) error {
		w, done = Waiting{}, nil
		si, u, err := s.signIn(tx, by)
		if err != nil {
			return err
		}
		a, found, err := tx.Approval(u.Workspace, u.ID)
		now := s.Now()
		switch {
		case err != nil:
			return err
		case !found || a.SignIn != si.ID || next(si, u, by.policy, now) != StepCode:
			return ErrOtherStep
		case a.State == ApprovalRefused, !by.policy.Approvals, by.policy.NeedsPasskey(u, now):
			return ErrApprovalRefused
		case !lifetime.Until(a.ExpiresAt, ApprovalLimit, now):
			return ErrApprovalExpired
		case a.State == ApprovalWaits:
			w = Waiting{a.Number, a.ExpiresAt}
			return nil
		}
		a.State = ApprovalUsed
		if err := tx.SaveApproval(a); err != nil {
			return err
		}
		si.Proofs = si.Proofs.With(ByApproval, now)
		p, err := s.advance(tx, by, si, u)
		done = &p
		return err
	})
	return w, done, err
}

// AskedApproval returns the sign-in of the caller that waits for approval, if any, without its number. It returns
// ErrNotApprover if it cannot be approved in this session.
func (s *Service) AskedApproval(ctx context.Context, by Caller) (a Approval, found bool, err error) {
	if err := s.may(by, access{}); err != nil {
		return a, false, err
	}
	if !by.session.mayApprove() {
		return a, false, ErrNotApprover
	}
	err = s.Store.Read(ctx, func(tx Tx) (err error) {
		a, found, err = tx.Approval(by.workspace.ID, by.user.ID)
		return err
	})
	if err != nil || !found || !a.waits(s.Now()) {
		return Approval{}, false, err
	}
	a.Number = 0
	return a, true, nil
}

// Approve approves a sign-in of the caller, given the number that its browser shows. A wrong number refuses the sign-in,
// and counts as a wrong code. ErrApprovalGone means that the request no longer waits.
func (s *Service) Approve(ctx context.Context, by Caller, id, number string) error {
	if len(number) != 2 {
		return ErrApprovalUnsaid
	}
	return s.answerApproval(ctx, by, id, func(tx Tx, me *actor, a Approval, open bool) error {
		if !open {
			return ErrApprovalGone
		}
		j, err := s.judgement(tx, by, &me.User, nil)
		if err != nil {
			return err
		}
		if err := j.codesRefused(); err != nil {
			return s.refuse(tx, j.client(bucketCode), err)
		}
		if number != strconv.Itoa(a.Number) {
			a.State = ApprovalRefused
			if err := tx.SaveApproval(a); err != nil {
				return err
			}
			if err := s.record(tx, by, "approval.wrong_number", me.ID, Refused, a.detail()); err != nil {
				return err
			}
			return s.wrongCode(tx, j, ErrApprovalNumber)
		}
		a.State = ApprovalGiven
		if err := tx.SaveApproval(a); err != nil {
			return err
		}
		return s.record(tx, by, "approval.given", me.ID, Done, a.detail())
	})
}

// RefuseApproval refuses a sign-in that was not the caller's: somebody else knows their password. The sign-in ends, and
// the caller gets an e-mail.
func (s *Service) RefuseApproval(ctx context.Context, by Caller, id string) error {
	return s.answerApproval(ctx, by, id, func(tx Tx, me *actor, a Approval, open bool) error {
		a.State = ApprovalRefused
		if err := tx.SaveApproval(a); err != nil {
			return err
		}
		if open {
			if err := tx.EndSignIn(a.Workspace, a.User, a.SignIn); err != nil {
				return err
			}
		}
		if err := s.notify(tx, by, me.User, "approval.refused", map[string]any{"device": a.Agent, "from": a.Address}); err != nil {
			return err
		}
		detail := a.detail()
		detail["alarm"] = "somebody else has the password"
		return s.record(tx, by, "approval.refused", me.ID, Refused, detail)
	})
}

// answerApproval runs fn with a request that waits. open reports whether its sign-in can still go on.
func (s *Service) answerApproval(ctx context.Context, by Caller, id string, fn func(tx Tx, me *actor, a Approval, open bool) error) error {
	return s.act(ctx, by, access{coded: true}, func(tx Tx, me *actor) error {
		if !me.session.mayApprove() {
			return ErrNotApprover
		}
		a, found, err := tx.Approval(me.Workspace, me.ID)
		if err != nil {
			return err
		}
		if !found || a.ID != id || !a.waits(me.now) {
			return ErrApprovalGone
		}
		si, _, found, err := tx.TakeSignIn(me.Workspace, me.ID, a.SignIn, nil)
		if err != nil {
			return err
		}
		open := found && si.Epoch == me.Epoch && lifetime.Until(si.ExpiresAt, SignInLimit, me.now) && by.policy.Approvals
		return fn(tx, me, a, open)
	})
}

// withdrawApproval refuses a sign-in that was approved but has not gone on yet: its user ends everything elsewhere.
func (s *Service) withdrawApproval(tx Tx, me *actor) error {
	a, found, err := tx.Approval(me.Workspace, me.ID)
	if err != nil || !found || a.State != ApprovalGiven {
		return err
	}
	a.State = ApprovalRefused
	return tx.SaveApproval(a)
}

func (a Approval) detail() map[string]string {
	return map[string]string{"approval": a.ID, "device": a.Agent, "address": a.Address}
}
