package sallyport_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// wrongCode returns a code that belongs to no time near now.
func wrongCode(e *sallyporttest.Env, p sallyporttest.Person) string {
	return p.Code(e.Clock.Now().Add(-24 * time.Hour))
}

// giveWrongCodes enters n wrong codes, each in a separate sign-in and browser, after any delay.
func giveWrongCodes(e *sallyporttest.Env, p sallyporttest.Person, n int) {
	e.T.Helper()
	for range n {
		e.Clock.Advance(2 * time.Hour)
		b := challenged(e, p)
		if err := answer(e, b, wrongCode(e, p)); err == nil {
			e.T.Fatal("a wrong code is accepted")
		}
	}
}

// TestI34_NoTimeLiftsALock: codes from unknown clients stay locked, however long there are no tries.
func TestI34_NoTimeLiftsALock(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		p := e.Add("mia@acme.example", sallyport.Member)
		e.Enrol(&p, "Pixel")
		giveWrongCodes(e, p, 10)
		e.Clock.Advance(40 * 24 * time.Hour)
		e.Check(e.SweepIdle(context.Background()))
		if err := answer(e, challenged(e, p), p.Code(e.Clock.Now())); !errors.Is(err, sallyport.ErrCodesLocked) {
			t.Errorf("after forty days of quiet: %v", err)
		}
	})
}

// TestI34_TenInThirtyDays: a success in between resets the count of wrong codes in a row, but not the count of 30 days.
// Waiting does not lift the lock of that count either.
func TestI34_TenInThirtyDays(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		p := e.Add("mia@acme.example", sallyport.Member)
		e.Enrol(&p, "Pixel")
		giveWrongCodes(e, p, 9)
		e.Clock.Advance(2 * time.Hour)
		e.Check(answer(e, challenged(e, p), p.Code(e.Clock.Now())))
		giveWrongCodes(e, p, 1)
		e.Clock.Advance(40 * 24 * time.Hour)
		e.Check(e.SweepIdle(context.Background()))
		if err := answer(e, challenged(e, p), p.Code(e.Clock.Now())); !errors.Is(err, sallyport.ErrCodesLocked) {
			t.Errorf("after the tenth within thirty days: %v", err)
		}
	})
}

// TestI34_AnUnreadableAuthenticatorIsNoFreeTry: a code that may be a guess for the other authenticator is charged.
func TestI34_AnUnreadableAuthenticatorIsNoFreeTry(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		p := e.Add("mia@acme.example", sallyport.Member)
		e.Enrol(&p, "Pixel")
		e.Exec(`INSERT INTO authenticators (workspace_id, user_id, id, name, algorithm, secret, last_step, created_at)
			SELECT workspace_id, user_id, 'aut_moved', 'Moved', algorithm, secret, last_step, created_at FROM authenticators WHERE user_id = $1`, p.ID)
		b := challenged(e, p)
		if err := answer(e, b, wrongCode(e, p)); !errors.Is(err, sallyport.ErrKeyUnreadable) {
			t.Fatalf("a wrong code: %v", err)
		}
		giveWrongCodes(e, p, 9)
		e.Clock.Advance(2 * time.Hour)
		if err := answer(e, challenged(e, p), p.Code(e.Clock.Now())); !errors.Is(err, sallyport.ErrCodesLocked) {
			t.Errorf("after ten wrong codes: %v", err)
		}
	})
}

// TestI53_WrongCodesAreToldOfHoweverTheyAreSpread: the user gets a mail after the third wrong code, even if each was
// entered in a new sign-in.
func TestI53_WrongCodesAreToldOfHoweverTheyAreSpread(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		p := e.Add("mia@acme.example", sallyport.Member)
		e.Enrol(&p, "Pixel")
		told := func() int {
			return len(e.Query(`SELECT id FROM outbox WHERE user_id = $1 AND kind = 'codes.wrong'`, p.ID))
		}
		giveWrongCodes(e, p, 2)
		if told() != 0 {
			t.Error("an e-mail was sent after two wrong codes")
		}
		giveWrongCodes(e, p, 1)
		if told() != 1 {
			t.Errorf("%d mails after three wrong codes", told())
		}
	})
}

// TestI38_RecoveryCodesInAKnownBrowser: a stranger with the password uses up the tries of unknown clients, not those of
// a browser that the person has used before.
func TestI38_RecoveryCodesInAKnownBrowser(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		p := e.Add("mia@acme.example", sallyport.Member)
		own := e.Enrol(&p, "Pixel")
		wrongRecoveryCodes(e, p, 10)
		if _, err := withRecoveryCode(e, p, p.RecoveryCodes[0]); !errors.Is(err, sallyport.ErrRecoveryLimit) {
			t.Errorf("from an unknown client: %v", err)
		}
		result, err := e.SignIn(context.Background(), own.By(), p.Address, p.Password)
		e.Check(err)
		own.Keep(result)
		if err := answer(e, own, p.RecoveryCodes[0]); err != nil {
			t.Errorf("in a known browser: %v", err)
		}
	})
}

// TestI38_ForgottenInAKnownBrowser: strangers who request links for a person, or from the same network, do not use up
// the requests of the person's own browser.
func TestI38_ForgottenInAKnownBrowser(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		p := e.Add("mia@acme.example", sallyport.Member)
		own := e.Enrol(&p, "Pixel")
		own.Address = netip.MustParseAddr("192.0.2.1")
		stranger := e.Arriving()
		stranger.Address = own.Address
		links := func() int {
			return len(e.Query(`SELECT id FROM outbox WHERE user_id = $1 AND kind = 'password.forgotten'`, p.ID))
		}
		for range 20 {
			e.Check(e.Forgot(ctx, stranger.By(), p.Address))
		}
		if err := e.Forgot(ctx, stranger.By(), p.Address); !errors.Is(err, sallyport.ErrForgotLimit) || links() != 3 {
			t.Fatalf("%d links were mailed at the request of strangers: %v", links(), err)
		}
		if err := e.Forgot(ctx, own.By(), p.Address); err != nil || links() != 4 {
			t.Errorf("in a known browser: %d links, %v", links(), err)
		}
	})
}

// TestI38_ASharedBrowserIsKnownToBoth: when a second person signs in, the browser stays a known device of the first.
// But its previous secret is no longer valid for anyone, so planting one gains nothing (I31).
func TestI38_ASharedBrowserIsKnownToBoth(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ben, eve := e.Add("ben@acme.example", sallyport.Member), e.Add("eve@acme.example", sallyport.Member)
		e.Exec("UPDATE users SET sign_ins_since = 1") // the first sign-in gets no mail
		b := e.Arriving()
		signIn(e, b, ben, false)
		before := *b
		signIn(e, b, eve, false)
		if b.Device == before.Device {
			t.Fatal("the secret stayed when the browser became a known device of someone else")
		}
		mails := func(p sallyporttest.Person) int {
			return len(e.Query(`SELECT id FROM outbox WHERE user_id = $1 AND kind = 'sign_in.new_browser'`, p.ID))
		}
		signIn(e, b, ben, false)
		signIn(e, b, eve, false)
		if mails(ben) != 1 || mails(eve) != 1 {
			t.Errorf("mails of a new browser: %d and %d, not one each", mails(ben), mails(eve))
		}
		before.Session = ""
		e.Clock.Advance(time.Hour)
		signIn(e, &before, eve, false)
		if mails(eve) != 2 {
			t.Error("the earlier secret is still a known device")
		}
	})
}

// TestI53_MailsSayFromWhereWhoeverElseIsSignedInThere: mails give the browser and the address even if someone else is
// signed in in the same browser.
func TestI53_MailsSayFromWhereWhoeverElseIsSignedInThere(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ben, eve := e.Add("ben@acme.example", sallyport.Member), e.Add("eve@acme.example", sallyport.Member)
		e.Exec("UPDATE users SET sign_ins_since = 1") // the first sign-in gets no mail
		b := e.Arriving()
		b.Address = netip.MustParseAddr("192.0.2.66")
		signIn(e, b, eve, false)
		e.Check(e.Forgot(context.Background(), b.By(), ben.Address))
		signIn(e, b, ben, false)
		mails := e.WaitingMails(ben.Address)
		if len(mails) != 2 {
			t.Errorf("%d mails, not two", len(mails))
		}
		for _, m := range mails {
			if !strings.Contains(m.Text, "192.0.2.66") {
				t.Errorf("the e-mail %q has no browser and address", m.Subject)
			}
		}
	})
}

// TestI31_ANewSignInEndsTheSessionInHand: a browser has only one session, so a new sign-in ends the previous one.
func TestI31_ANewSignInEndsTheSessionInHand(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ben, eve := e.Add("ben@acme.example", sallyport.Member), e.Add("eve@acme.example", sallyport.Member)
		e.Exec("UPDATE users SET sign_ins_since = 1") // the first sign-in gets no mail
		for _, next := range []sallyporttest.Person{ben, eve} {
			b := e.Arriving()
			signIn(e, b, ben, false)
			before := *b
			signIn(e, b, next, false)
			if u, ok := before.By().User(); ok {
				t.Errorf("the session of %s is still valid after %s signed in", u.Address, next.Address)
			}
			if u, ok := b.By().User(); !ok || u.ID != next.ID {
				t.Error("the new session signs in no one, or someone else")
			}
		}
	})
}

// TestI34_ThePatientGuesser: within 30 days, at most 10 wrong codes of strangers are checked, whatever the person does
// in their own browser in the meantime, and wherever the period begins. The person gets mail about it, and can still
// sign in.
func TestI34_ThePatientGuesser(t *testing.T) {
	const day = 24 * time.Hour
	for name, perDay := range map[string]func(day int) int{
		"two a day":                          func(int) int { return 2 },
		"nine at the end of each month":      func(day int) int { return map[bool]int{true: 9}[day%30 >= 29] },
		"nine at the end, and the beginning": func(day int) int { return map[bool]int{true: 9}[day%30 == 29 || day%30 == 0] },
		"as many as are judged, each third":  func(day int) int { return map[bool]int{true: 4}[day%3 == 0] },
	} {
		t.Run(name, func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				p := e.Add("mia@acme.example", sallyport.Member)
				own := e.Enrol(&p, "Pixel")
				var judged []int // by day
				for d := range 70 {
					n := 0
					for range perDay(d) {
						e.Clock.Advance(time.Hour)
						if err := answer(e, challenged(e, p), wrongCode(e, p)); errors.Is(err, sallyport.ErrCodeWrong) {
							n++
						}
					}
					judged = append(judged, n)
					e.Clock.Advance(time.Hour)
					result, err := e.SignIn(context.Background(), own.By(), p.Address, p.Password)
					e.Check(err)
					own.Keep(result)
					if err := answer(e, own, p.Code(e.Clock.Now())); err != nil {
						t.Fatalf("day %d: the person, in their own browser: %v", d, err)
					}
					if d%10 == 0 {
						e.Check(e.SweepIdle(context.Background()))
					}
					e.Clock.Advance(day - time.Duration(perDay(d)+1)*time.Hour)
				}
				for from := range judged {
					sum := 0
					for _, n := range judged[from:min(from+30, len(judged))] {
						sum += n
					}
					if sum > 10 {
						t.Fatalf("%d wrong codes are checked in the 30 days from day %d: %v", sum, from, judged)
					}
				}
				for _, kind := range []string{"codes.wrong", "codes.locked"} {
					if n := len(e.Query("SELECT id FROM outbox WHERE user_id = $1 AND kind = $2", p.ID, kind)); n == 0 {
						t.Errorf("no mail %s", kind)
					}
				}
			})
		})
	}
}

// TestI65_NobodysSuccessLowersAnothersCount: a code entered in a known device resets the count in a row of strangers'
// wrongCode codes, with its delay, but not their count of 30 days. A completed sign-in is refunded only its own wrong
// codes.
func TestI65_NobodysSuccessLowersAnothersCount(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		p := e.Add("mia@acme.example", sallyport.Member)
		own := e.Enrol(&p, "Pixel")
		strangers := func() string {
			row := e.Query("SELECT count, in_row, until FROM tries WHERE subject = $1 AND bucket = 'code'", p.ID)[0]
			return strings.Join(row, " ")
		}
		for range 5 {
			_ = answer(e, challenged(e, p), wrongCode(e, p))
		}
		result, err := e.SignIn(context.Background(), own.By(), p.Address, p.Password)
		e.Check(err)
		own.Keep(result)
		_ = answer(e, own, wrongCode(e, p))
		e.Check(answer(e, own, p.Code(e.Clock.Now())))
		if got := strangers(); got != "5 0 0" {
			t.Errorf("after a sign-in of a known browser: %s", got)
		}
		e.Clock.Advance(time.Minute)
		b := challenged(e, p)
		for range 2 {
			_ = answer(e, b, wrongCode(e, p))
		}
		e.Check(answer(e, b, p.Code(e.Clock.Now())))
		if got := strangers(); got != "5 0 0" {
			t.Errorf("after a sign-in with two wrong codes of its own: %s", got)
		}
	})
}
