package sallyport_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// asking is a person who is signed in in one browser, and asks for approval in another.
type asking struct {
	e      *sallyporttest.Env
	person sallyporttest.Person
	here   *sallyporttest.Client // signed in
	there  *sallyporttest.Client // waits
}

func newAsking(e *sallyporttest.Env, name string) *asking {
	e.T.Helper()
	e.Exec(`UPDATE policies SET approvals = 1`)
	a := &asking{e: e, person: e.Add(name+"@acme.example", sallyport.Member)}
	a.here = e.Enrol(&a.person, "Pixel")
	return a
}

// ask gives the password in a new browser, and asks for approval.
func (a *asking) ask() error {
	a.e.T.Helper()
	a.there = a.e.Arriving()
	in, err := a.e.SignIn(context.Background(), a.there.By(), a.person.Address, a.person.Password)
	a.e.Check(err)
	a.there.Keep(in)
	return a.e.AskApproval(context.Background(), a.there.By())
}

// await returns the number that is shown there, and what has become of the sign-in.
func (a *asking) await() (string, *sallyport.SignInResult, error) {
	w, done, err := a.e.AwaitApproval(context.Background(), a.there.By())
	return fmt.Sprint(w.Number), done, err
}

func (a *asking) id() string {
	a.e.T.Helper()
	asked, _, err := a.e.AskedApproval(context.Background(), a.here.By())
	a.e.Check(err)
	return asked.ID
}

func TestApproval(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		a := newAsking(e, "mia")
		if e.Asked(a.here.By()) || a.id() != "" {
			t.Fatal("something waits before anybody asks")
		}
		e.Check(a.ask())
		number, done, err := a.await()
		if err != nil || done != nil || len(number) != 2 {
			t.Fatalf("waiting: %q, %+v, %v", number, done, err)
		}
		asked, found, err := e.AskedApproval(ctx, a.here.By())
		if err != nil || !found || asked.Number != 0 || !e.Asked(a.here.By()) {
			t.Fatalf("asked: %+v, %t, %v", asked, found, err)
		}
		e.Check(e.AskApproval(ctx, a.there.By())) // again, from the same browser
		if again, _, _ := a.await(); again != number {
			t.Errorf("asking again changes the number from %s to %s", number, again)
		}
		e.Check(e.Approve(ctx, a.here.By(), asked.ID, number))
		_, done, err = a.await()
		if err != nil || done == nil || done.Session == "" || done.Restricted {
			t.Fatalf("approved: %+v, %v", done, err)
		}
		a.there.Keep(*done)
		if _, _, err := a.await(); err == nil {
			t.Error("an approval is used twice")
		}
		u, _ := a.there.By().User()
		if u.LastSignInMethod != sallyport.ByApproval {
			t.Errorf("the method is %s", u.LastSignInMethod)
		}
		if e.Asked(a.here.By()) || a.id() != "" {
			t.Error("the request waits after it was answered")
		}
	})
}

// TestI61_AnApprovalIsForItsBrowser: only the browser that asked goes on, and only with a sign-in that still exists.
func TestI61_AnApprovalIsForItsBrowser(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		a, ben := newAsking(e, "mia"), newAsking(e, "ben")
		e.Check(a.ask())
		number, _, err := a.await()
		e.Check(err)
		id, first := a.id(), a.there
		if err := a.ask(); !errors.Is(err, sallyport.ErrApprovalWaiting) {
			t.Errorf("a second request while one waits: %v", err)
		}
		if _, _, err := a.await(); !errors.Is(err, sallyport.ErrOtherStep) {
			t.Errorf("the number in a browser that did not ask: %v", err)
		}
		if err := e.Approve(ctx, ben.here.By(), id, number); !errors.Is(err, sallyport.ErrApprovalGone) {
			t.Errorf("somebody else approves: %v", err)
		}
		e.Check(e.Approve(ctx, a.here.By(), id, number))
		if _, done, err := a.await(); done != nil || err == nil {
			t.Errorf("the browser that did not ask goes on: %+v, %v", done, err)
		}
		a.there = first
		e.Check(e.SignOut(ctx, a.there.By(), false))
		if _, done, err := a.await(); done != nil || err == nil {
			t.Errorf("a sign-in that has ended goes on: %+v, %v", done, err)
		}
		e.Clock.Advance(time.Minute)
		e.Check(stepUp(e, a.here, a.person)) // so that the first request counts no longer
		e.Check(a.ask())
		number, _, err = a.await()
		e.Check(err)
		id = a.id()
		e.Check(e.SignOut(ctx, a.there.By(), false))
		if err := e.Approve(ctx, a.here.By(), id, number); !errors.Is(err, sallyport.ErrApprovalGone) {
			t.Errorf("approving a sign-in that has ended: %v", err)
		}
	})
}

func stepUp(e *sallyporttest.Env, c *sallyporttest.Client, p sallyporttest.Person) error {
	token, err := e.StepUpCode(context.Background(), c.By(), p.Code(e.Clock.Now()), sallyport.StrongFactor)
	c.Keep(sallyport.SignInResult{Session: token})
	return err
}

func TestApprovalIsRefused(t *testing.T) {
	for what, c := range map[string]struct {
		do        func(e *sallyporttest.Env, a *asking, number string) error
		wantHere  error
		wantThere error
		wrong     int
		mailed    bool
	}{
		"a wrong number": {func(e *sallyporttest.Env, a *asking, number string) error {
			wrong := "11"
			if number == wrong {
				wrong = "12"
			}
			return e.Approve(context.Background(), a.here.By(), a.id(), wrong)
		}, sallyport.ErrApprovalNumber, sallyport.ErrApprovalRefused, 1, false},
		"it was not me": {func(e *sallyporttest.Env, a *asking, _ string) error {
			return e.RefuseApproval(context.Background(), a.here.By(), a.id())
		}, nil, sallyport.ErrSignInEnded, 0, true},
		"no number": {func(e *sallyporttest.Env, a *asking, _ string) error {
			return e.Approve(context.Background(), a.here.By(), a.id(), "")
		}, sallyport.ErrApprovalUnsaid, nil, 0, false},
		"too late": {func(e *sallyporttest.Env, a *asking, number string) error {
			id := a.id()
			e.Clock.Advance(sallyport.ApprovalLimit)
			return e.Approve(context.Background(), a.here.By(), id, number)
		}, sallyport.ErrApprovalGone, sallyport.ErrApprovalExpired, 0, false},
		"everything else ended": {func(e *sallyporttest.Env, a *asking, number string) error {
			e.Check(e.Approve(context.Background(), a.here.By(), a.id(), number))
			return e.EndOtherSessions(context.Background(), a.here.By())
		}, nil, sallyport.ErrApprovalRefused, 0, false},
		"switched off": {func(e *sallyporttest.Env, a *asking, number string) error {
			id := a.id()
			e.Exec(`UPDATE policies SET approvals = 0`)
			return e.Approve(context.Background(), a.here.By(), id, number)
		}, sallyport.ErrApprovalGone, sallyport.ErrApprovalRefused, 0, false},
	} {
		t.Run(what, func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				a := newAsking(e, "mia")
				e.Check(a.ask())
				number, _, err := a.await()
				e.Check(err)
				if err := c.do(e, a, number); !errors.Is(err, c.wantHere) {
					t.Errorf("here: %v, want %v", err, c.wantHere)
				}
				if _, done, err := a.await(); done != nil || !errors.Is(err, c.wantThere) {
					t.Errorf("there: %+v, %v, want %v", done, err, c.wantThere)
				}
				if n := len(e.Query("SELECT id FROM events WHERE kind = 'code.wrong'")); n != c.wrong {
					t.Errorf("%d wrong codes were counted, want %d", n, c.wrong)
				}
				mailed := false
				for _, m := range e.WaitingMails(a.person.Address) {
					mailed = mailed || m.Kind == "approval.refused"
				}
				if mailed != c.mailed {
					t.Errorf("mailed: %t", mailed)
				}
			})
		})
	}
}

// TestNobodyIsWornDown: after two requests that were refused or not answered, none is possible until a code was used.
func TestNobodyIsWornDown(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		a := newAsking(e, "mia")
		e.Check(a.ask())
		e.Check(e.RefuseApproval(ctx, a.here.By(), a.id()))
		e.Check(a.ask())
		e.Clock.Advance(sallyport.ApprovalLimit)
		if err := a.ask(); !errors.Is(err, sallyport.ErrApprovalsOver) {
			t.Errorf("a third request: %v", err)
		}
		if c, err := e.Challenge(ctx, a.there.By()); err != nil || c.Approval {
			t.Errorf("it is offered: %t, %v", c.Approval, err)
		}
		e.Clock.Advance(24 * time.Hour)
		a.here = signedIn(e, a.person)
		if err := a.ask(); err != nil {
			t.Errorf("after a code: %v", err)
		}
	})
}

// TestWhatAnApprovalIsNotFor: it is no fresh proof (I22), trusts no device, and approves no other sign-in.
func TestWhatAnApprovalIsNotFor(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		a := newAsking(e, "mia")
		e.Exec(`UPDATE policies SET trusted_device_days = 14`)
		e.Check(a.ask())
		number, _, err := a.await()
		e.Check(err)
		e.Check(e.Approve(ctx, a.here.By(), a.id(), number))
		_, done, err := a.await()
		e.Check(err)
		a.there.Keep(*done)
		if done.Trust != "" {
			t.Error("it trusts the device")
		}
		if err := e.MayChangePassword(a.there.By()); !errors.Is(err, sallyport.ErrStepUp) {
			t.Errorf("an action of I22: %v", err)
		}
		if _, _, err := e.AskedApproval(ctx, a.there.By()); !errors.Is(err, sallyport.ErrNotApprover) {
			t.Errorf("it approves: %v", err)
		}
		if err := e.Approve(ctx, a.there.By(), "x", "12"); !errors.Is(err, sallyport.ErrNotApprover) {
			t.Errorf("it approves: %v", err)
		}
		if a.there.By().Approves() {
			t.Error("its pages show requests")
		}
		// With no other session, there is nobody to ask.
		e.Check(e.SignOut(ctx, a.here.By(), false))
		if err := a.ask(); !errors.Is(err, sallyport.ErrNoApprover) {
			t.Errorf("with only an approved session: %v", err)
		}
		recovered := newAsking(e, "ben")
		e.Check(e.SignOut(ctx, recovered.here.By(), false))
		c, err := withRecoveryCode(e, recovered.person, recovered.person.RecoveryCodes[0])
		e.Check(err)
		if err := recovered.ask(); !errors.Is(err, sallyport.ErrNoApprover) {
			t.Errorf("with only a session that began with a recovery code (I60): %v", err)
		}
		if _, _, err := e.AskedApproval(ctx, c.By()); !errors.Is(err, sallyport.ErrNotApprover) {
			t.Errorf("a session that began with a recovery code approves (I60): %v", err)
		}
		e.Exec(`UPDATE policies SET approvals = 0`)
		if err := recovered.ask(); !errors.Is(err, sallyport.ErrApprovalsOff) {
			t.Errorf("switched off: %v", err)
		}
	})
}

// TestWaiting: both sides learn of a change, on another node too, and nobody waits longer than they want to.
func TestWaiting(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		a := newAsking(e, "mia")
		other := e.Node(e.Keys)
		short, end := context.WithTimeout(ctx, 10*time.Millisecond)
		if asked, err := other.WaitUntilAsked(short, a.here.By()); asked || err != nil {
			t.Errorf("nobody asked: %t, %v", asked, err)
		}
		end()
		told := make(chan error, 2)
		by := a.here.By()
		go func() {
			asked, err := other.WaitUntilAsked(ctx, by)
			if err == nil && !asked {
				err = errors.New("it ended before anybody asked")
			}
			told <- err
		}()
		e.Check(a.ask())
		e.Check(<-told)
		number, _, err := a.await()
		e.Check(err)
		there := a.there.By()
		go func() {
			changed, err := other.WaitForApproval(ctx, there)
			if err == nil && !changed {
				err = errors.New("it ended before anybody approved")
			}
			told <- err
		}()
		e.Check(e.Approve(ctx, a.here.By(), a.id(), number))
		e.Check(<-told)
	})
}
