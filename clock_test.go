package sallyport_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// challenged returns a new browser in which the person has entered the password.
func challenged(e *sallyporttest.Env, p sallyporttest.Person) *sallyporttest.Client {
	e.T.Helper()
	b := e.Arriving()
	result, err := e.SignIn(context.Background(), b.By(), p.Address, p.Password)
	e.Check(err)
	b.Keep(result)
	return b
}

// answer enters a code in a sign-in, and keeps the cookies that it returns.
func answer(e *sallyporttest.Env, b *sallyporttest.Client, code string) error {
	p, err := e.AnswerCode(context.Background(), b.By(), code, false)
	if err == nil {
		b.Keep(p)
	}
	return err
}

func errorText(err error) string {
	var e *sallyport.Error
	if !errors.As(err, &e) {
		return ""
	}
	return text.English.Text(e.Text)
}

func TestClockIsOff(t *testing.T) {
	tests := []struct {
		name string
		off  time.Duration // of the phone
		code string        // of the outcome; empty: accepted
		says string
	}{
		{"right", 0, "", ""},
		{"a step behind", -30 * time.Second, "", ""},
		{"a step ahead", 30 * time.Second, "", ""},
		{"two steps behind", -60 * time.Second, "clock_off", "about 1 minute behind"},
		{"two steps ahead", 60 * time.Second, "clock_off", "about 1 minute ahead"},
		{"five minutes behind", -5 * time.Minute, "clock_off", "about 5 minutes behind"},
		{"five minutes ahead", 5 * time.Minute, "clock_off", "about 5 minutes ahead"},
		{"ten minutes behind", -10 * time.Minute, "clock_off", "about 10 minutes behind"},
		{"ten minutes ahead", 10 * time.Minute, "clock_off", "about 10 minutes ahead"},
		{"further behind", -10*time.Minute - 30*time.Second, "code_wrong", ""},
		{"further ahead", 10*time.Minute + 30*time.Second, "code_wrong", ""},
	}
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				p := e.Add(strings.ReplaceAll(test.name, " ", "-")+"@acme.example", sallyport.Member)
				e.Enrol(&p, "Pixel")
				e.Clock.Advance(time.Hour)
				now := e.Clock.Now()
				b := challenged(e, p)
				err := answer(e, b, p.Code(now.Add(test.off)))
				if test.code == "" {
					if err != nil {
						t.Fatal(err)
					}
					return
				}
				var outcome *sallyport.Error
				if !errors.As(err, &outcome) || outcome.Code != test.code || b.Session != "" {
					t.Fatalf("got %v, want %s", err, test.code)
				}
				if says := errorText(err); !strings.Contains(says, test.says) ||
					test.says != "" && !strings.Contains(says, text.English.Time(now.UTC())) {
					t.Errorf("the error says %q", says)
				}
				if err := answer(e, b, p.Code(now)); err != nil {
					t.Errorf("with the clock corrected: %v", err)
				}
			})
		}
	})
}

// TestI42_RecognisedCodesAreRefused: a code that was recognised as a future one is refused when its time comes, with
// its own text and without a charge. The codes before and after it are accepted.
func TestI42_RecognisedCodesAreRefused(t *testing.T) {
	for _, ahead := range []time.Duration{time.Minute, 5 * time.Minute, 10 * time.Minute} {
		t.Run(ahead.String(), func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				p := e.Add("mia@acme.example", sallyport.Member)
				e.Enrol(&p, "Pixel")
				e.Clock.Advance(time.Hour)
				code := p.Code(e.Clock.Now().Add(ahead))
				if err := answer(e, challenged(e, p), code); !errors.Is(err, sallyport.ErrClockOff) {
					t.Fatalf("early: %v", err)
				}
				for _, at := range []time.Duration{-30 * time.Second, 0, 30 * time.Second} {
					e.Clock.Advance(ahead + at)
					if err := answer(e, challenged(e, p), code); !errors.Is(err, sallyport.ErrCodeUsed) {
						t.Fatalf("its time has come, %v: %v", at, err)
					}
					e.Clock.Advance(-ahead - at)
				}
				e.Clock.Advance(ahead)
				if err := answer(e, challenged(e, p), p.Code(e.Clock.Now().Add(-30*time.Second))); err != nil {
					t.Fatalf("the code before it: %v", err)
				}
				if err := answer(e, challenged(e, p), p.Code(e.Clock.Now().Add(30*time.Second))); err != nil {
					t.Fatalf("the code after it: %v", err)
				}
			})
		})
	}
}

// TestOldCodesTellNothingOfAClock: a used code, or one that is older than a used one, is simply wrong.
func TestOldCodesTellNothingOfAClock(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		p := e.Add("mia@acme.example", sallyport.Member)
		e.Enrol(&p, "Pixel")
		e.Clock.Advance(time.Hour)
		used := p.Code(e.Clock.Now())
		e.Check(answer(e, challenged(e, p), used))
		e.Clock.Advance(2 * time.Minute)
		for _, code := range []string{used, p.Code(e.Clock.Now().Add(-3 * time.Minute))} {
			if err := answer(e, challenged(e, p), code); !errors.Is(err, sallyport.ErrCodeWrong) {
				t.Errorf("got %v", err)
			}
		}
	})
}

// TestRecognisedCodesAreCharged: a code that gets the hint is charged too, and the stored steps do not grow without
// limit.
func TestRecognisedCodesAreCharged(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		p := e.Add("mia@acme.example", sallyport.Member)
		e.Enrol(&p, "Pixel")
		e.Clock.Advance(time.Hour)
		code := func(steps int) string {
			return p.Code(e.Clock.Now().Add(time.Duration(steps) * 30 * time.Second))
		}
		for i := range 5 {
			if err := answer(e, challenged(e, p), code(10+i)); !errors.Is(err, sallyport.ErrClockOff) {
				t.Fatalf("try %d: %v", i, err)
			}
		}
		if err := answer(e, challenged(e, p), code(0)); !errors.Is(err, sallyport.ErrCodesDelayed) {
			t.Fatalf("after five: %v", err)
		}
		steps := func() (n int) {
			e.Check(e.Store.Read(ctx, func(tx sallyport.Tx) error {
				all, err := tx.Authenticators(p.Workspace, p.User.ID)
				n = len(all[0].RefusedSteps)
				return err
			}))
			return n
		}
		if got := steps(); got != 5 {
			t.Errorf("%d steps are refused, want 5", got)
		}
		e.Clock.Advance(time.Hour)
		if err := answer(e, challenged(e, p), code(10)); !errors.Is(err, sallyport.ErrClockOff) {
			t.Fatal(err)
		}
		if got := steps(); got != 1 {
			t.Errorf("an hour later %d steps are refused, want 1", got)
		}
	})
}

func TestClockAtSetUp(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		p := e.Add("mia@acme.example", sallyport.Member)
		b := challenged(e, p)
		e.Check(e.StartSetUp(ctx, b.By(), "Pixel", ""))
		p.Secret = draftSecret(e, b)
		early := p.Code(e.Clock.Now().Add(4 * time.Minute))
		for code, says := range map[string]string{early: "about 4 minutes ahead", p.Code(e.Clock.Now().Add(-8 * time.Minute)): "about 8 minutes behind"} {
			if _, err := e.ConfirmSetUp(ctx, b.By(), "", code); !errors.Is(err, sallyport.ErrClockOff) || !strings.Contains(errorText(err), says) {
				t.Fatalf("got %v, want %q", err, says)
			}
		}
		if string(draftSecret(e, b)) != string(p.Secret) {
			t.Fatal("a wrong code changed the key")
		}
		result, err := e.ConfirmSetUp(ctx, b.By(), "", p.Code(e.Clock.Now()))
		e.Check(err)
		b.Keep(result)
		e.Clock.Advance(4 * time.Minute)
		if err := answer(e, challenged(e, p), early); !errors.Is(err, sallyport.ErrCodeUsed) {
			t.Fatalf("a code recognised at set-up signs in: %v", err)
		}
	})
}

// draftSecret returns the key of the browser's current set-up.
func draftSecret(e *sallyporttest.Env, b *sallyporttest.Client) []byte {
	e.T.Helper()
	d, err := e.SetUp(context.Background(), b.By())
	e.Check(err)
	secret, err := otp.DecodeSecret(d.Key.Reveal())
	e.Check(err)
	return secret
}

// TestI07_NoCodeIsReplayedAfterTheClockWentBackAndAnUnlock: every code that was used while the clock was ahead is still
// refused when its time comes. The codes between them work, so that no one is locked out.
func TestI07_NoCodeIsReplayedAfterTheClockWentBackAndAnUnlock(t *testing.T) {
	ctx := context.Background()
	for _, used := range []int{2, 16, 20} {
		t.Run(strconv.Itoa(used), func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				p := e.Add("mia@acme.example", sallyport.Member)
				e.Enrol(&p, "Pixel")
				now := e.Clock.Now()
				var codes []time.Time
				for range used {
					e.Clock.Advance(time.Hour)
					codes = append(codes, e.Clock.Now())
					e.Check(answer(e, challenged(e, p), p.Code(e.Clock.Now())))
				}
				e.Clock.Set(now)
				e.Check(e.Unlock(ctx, e.Console(), p.Address))
				want, lock := sallyport.ErrNotLocked, sallyport.NoLock
				if used >= 16 { // not all of them are remembered
					want, lock = sallyport.ErrUsedCodes, sallyport.LockUsedCodes
				}
				for _, typed := range []bool{false, true} {
					if typed && used >= 16 {
						if err := answer(e, challenged(e, p), p.Code(now)); err == nil {
							t.Error("a code older than the last used one is accepted, although not all used codes are remembered")
						}
					}
					if err := e.Unlock(ctx, e.Console(), p.Address); !errors.Is(err, want) {
						t.Errorf("to unlock twice, a code was typed %t: %v", typed, err)
					}
					if u := person(e, p.ID); u.Unlockable(now) || typed && u.LockedBy != lock {
						t.Errorf("locked by %q, a code was typed %t, and Unlock is offered: %t", u.LockedBy, typed, u.Unlockable(now))
					}
				}
				for _, at := range codes {
					e.Clock.Set(at)
					if err := answer(e, challenged(e, p), p.Code(at)); err == nil {
						t.Fatalf("the code of %v was used and works again", at.Sub(now))
					}
				}
				// Only 16 are remembered, and none of the codes before them works.
				for _, at := range codes[max(0, used-16):] {
					e.Clock.Set(at.Add(10 * time.Minute))
					if err := answer(e, challenged(e, p), p.Code(e.Clock.Now())); err != nil {
						t.Fatalf("10 minutes after the code of %v: %v", at.Sub(now), err)
					}
				}
			})
		})
	}
}
