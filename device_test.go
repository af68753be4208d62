package sallyport_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

const day = 24 * time.Hour

// trustFor sets for how many days the first workspace trusts devices, and saves any lowering.
func trustFor(e *sallyporttest.Env, days int) {
	e.T.Helper()
	ctx := context.Background()
	e.Check(e.Store.Write(ctx, func(tx sallyport.Tx) error {
		ws := e.Owner.Workspace
		p, err := tx.Policy(ws)
		if err != nil {
			return err
		}
		p.Version++
		if days < p.TrustedDeviceDays {
			p.Lowered = append(p.Lowered, sallyport.Lowering{At: e.Clock.Now(), Days: days})
		}
		p.TrustedDeviceDays = days
		saved, err := tx.SavePolicy(ws, p)
		if err == nil && !saved {
			err = errors.New("the policy changed at the same time")
		}
		return err
	}))
}

// signIn enters the password, and a code if one is needed. It returns whether one was.
func signIn(e *sallyporttest.Env, b *sallyporttest.Client, p sallyporttest.Person, trust bool) (asked bool) {
	e.T.Helper()
	ctx := context.Background()
	e.Clock.Advance(time.Minute) // so that the code is unused
	result, err := e.SignIn(ctx, b.By(), p.Address, p.Password)
	e.Check(err)
	b.Keep(result)
	if result.Step == sallyport.StepCode {
		asked = true
		result, err = e.AnswerCode(ctx, b.By(), p.Code(e.Clock.Now()), trust)
		e.Check(err)
		b.Keep(result)
	}
	if result.Step != sallyport.StepDone {
		e.T.Fatalf("the sign-in ends at %q", result.Step)
	}
	return asked
}

// trusting returns a browser that the person has made a trusted device.
func trusting(e *sallyporttest.Env, p *sallyporttest.Person) *sallyporttest.Client {
	e.T.Helper()
	b := e.Arriving()
	b.Address = netip.MustParseAddr("192.0.2.1")
	if p.Secret == nil {
		e.Enrol(p, "Phone")
	}
	if !signIn(e, b, *p, true) {
		e.T.Fatal("no code was asked for in a new browser")
	}
	return b
}

func TestI29_TrustedDevice(t *testing.T) {
	tests := []struct {
		name  string
		do    func(e *sallyporttest.Env, b *sallyporttest.Client, p *sallyporttest.Person)
		asked bool
	}{
		{"the next day", func(e *sallyporttest.Env, _ *sallyporttest.Client, _ *sallyporttest.Person) { e.Clock.Advance(day) }, false},
		{"the last minute", func(e *sallyporttest.Env, _ *sallyporttest.Client, _ *sallyporttest.Person) {
			e.Clock.Advance(14*day - 2*time.Minute)
		}, false},
		{"days over", func(e *sallyporttest.Env, _ *sallyporttest.Client, _ *sallyporttest.Person) {
			e.Clock.Advance(14 * day)
		}, true},
		{"use does not extend", func(e *sallyporttest.Env, b *sallyporttest.Client, p *sallyporttest.Person) {
			e.Clock.Advance(13 * day)
			signIn(e, b, *p, false)
			e.Clock.Advance(day)
		}, true},
		{"no cookie", func(_ *sallyporttest.Env, b *sallyporttest.Client, _ *sallyporttest.Person) { b.Trust = "" }, true},
		{"cookie cut", func(_ *sallyporttest.Env, b *sallyporttest.Client, _ *sallyporttest.Person) { b.Trust = b.Trust[1:] }, true},
		{"another user's", func(e *sallyporttest.Env, b *sallyporttest.Client, _ *sallyporttest.Person) {
			other := e.Add("other@acme.example", sallyport.Member)
			b.Trust = trusting(e, &other).Trust
		}, true},
		{"policy off", func(e *sallyporttest.Env, _ *sallyporttest.Client, _ *sallyporttest.Person) { trustFor(e, 0) }, true},
		{"policy off and on again", func(e *sallyporttest.Env, _ *sallyporttest.Client, _ *sallyporttest.Person) {
			trustFor(e, 0)
			e.Clock.Advance(time.Minute)
			trustFor(e, 14)
		}, true},
		{"lowered below its age", func(e *sallyporttest.Env, _ *sallyporttest.Client, _ *sallyporttest.Person) {
			e.Clock.Advance(3 * day)
			trustFor(e, 2)
			trustFor(e, 90)
		}, true},
		{"lowered above its age", func(e *sallyporttest.Env, _ *sallyporttest.Client, _ *sallyporttest.Person) {
			e.Clock.Advance(3 * day)
			trustFor(e, 5)
		}, false},
		{"raised", func(e *sallyporttest.Env, _ *sallyporttest.Client, _ *sallyporttest.Person) {
			trustFor(e, 90)
			e.Clock.Advance(14 * day)
		}, true},
		{"removed elsewhere", func(e *sallyporttest.Env, _ *sallyporttest.Client, p *sallyporttest.Person) {
			c := e.Arriving()
			signIn(e, c, *p, false)
			all, err := e.TrustedDevices(context.Background(), c.By())
			e.Check(err)
			e.Check(e.RemoveTrustedDevice(context.Background(), c.By(), all[0].ID))
		}, true},
		{"everything of the user ended", func(e *sallyporttest.Env, _ *sallyporttest.Client, p *sallyporttest.Person) {
			e.Check(e.Store.Write(context.Background(), func(tx sallyport.Tx) error {
				u, _, err := tx.LockUser(p.Workspace, p.ID)
				if err != nil {
					return err
				}
				u.Epoch++
				return tx.SaveUser(u)
			}))
		}, true},
		{"forgotten at sign-out", func(e *sallyporttest.Env, b *sallyporttest.Client, _ *sallyporttest.Person) {
			e.Check(e.SignOut(context.Background(), b.By(), true))
		}, true},
		{"signed out", func(e *sallyporttest.Env, b *sallyporttest.Client, _ *sallyporttest.Person) {
			e.Check(e.SignOut(context.Background(), b.By(), false))
		}, false},
	}
	for _, db := range sallyporttest.Databases {
		for _, tt := range tests {
			t.Run(db+"/"+tt.name, func(t *testing.T) {
				e := sallyporttest.New(t, db)
				trustFor(e, 14)
				p := e.Add("mia@acme.example", sallyport.Member)
				b := trusting(e, &p)
				tt.do(e, b, &p)
				if asked := signIn(e, b, p, false); asked != tt.asked {
					t.Errorf("asked for a code: %v, want %v", asked, tt.asked)
				}
			})
		}
	}
}

// TestI29_OldValue: with an old secret, a code is always needed. Whether the trust ends depends on where the secret
// came from.
func TestI29_OldValue(t *testing.T) {
	elsewhere := netip.MustParseAddr("198.51.100.7")
	tests := []struct {
		name    string
		replay  func(e *sallyporttest.Env, b, thief *sallyporttest.Client)
		uses    int // of the device after the copy was taken
		trusted bool
		alarms  int
	}{
		{"two tabs", func(_ *sallyporttest.Env, b, thief *sallyporttest.Client) { thief.Arrival = b.Arrival }, 1, true, 0},
		{"a lost answer", func(e *sallyporttest.Env, b, thief *sallyporttest.Client) {
			thief.Arrival = b.Arrival
			e.Clock.Advance(time.Hour)
		}, 1, true, 0},
		{"at once from another address", func(_ *sallyporttest.Env, b, thief *sallyporttest.Client) { thief.Arrival.Address = elsewhere }, 1, true, 0},
		{"later from another address", func(e *sallyporttest.Env, b, thief *sallyporttest.Client) {
			thief.Arrival = b.Arrival
			thief.Arrival.Address = elsewhere
			e.Clock.Advance(time.Hour)
		}, 1, false, 1},
		{"later from another browser", func(e *sallyporttest.Env, b, thief *sallyporttest.Client) {
			thief.Arrival.Address = b.Address
			e.Clock.Advance(time.Hour)
		}, 1, false, 1},
		{"after the newer value was seen", func(e *sallyporttest.Env, b, thief *sallyporttest.Client) {
			thief.Arrival = b.Arrival
			e.Clock.Advance(time.Hour)
		}, 2, false, 1},
	}
	for _, db := range sallyporttest.Databases {
		for _, tt := range tests {
			t.Run(db+"/"+tt.name, func(t *testing.T) {
				e := sallyporttest.New(t, db)
				ctx := context.Background()
				trustFor(e, 14)
				p := e.Add("mia@acme.example", sallyport.Member)
				b := trusting(e, &p)
				copied := b.Trust
				for range tt.uses {
					if signIn(e, b, p, false) {
						t.Fatal("the device itself was asked for a code")
					}
				}
				thief := e.Arriving()
				tt.replay(e, b, thief)
				thief.Trust = copied
				result, err := e.SignIn(ctx, thief.By(), p.Address, p.Password)
				e.Check(err)
				if result.Step != sallyport.StepCode || result.Trust != "" {
					t.Errorf("an old value leads to %q", result.Step)
				}
				if trusted := !signIn(e, b, p, false); trusted != tt.trusted {
					t.Errorf("still trusted: %v, want %v", trusted, tt.trusted)
				}
				if n := countEvents(e, p, "trusted_device.copied"); n != tt.alarms {
					t.Errorf("%d alarms, want %d", n, tt.alarms)
				}
			})
		}
	}
}

func countEvents(e *sallyporttest.Env, p sallyporttest.Person, kind string) (n int) {
	e.T.Helper()
	e.Check(e.Store.Read(context.Background(), func(tx sallyport.Tx) error {
		all, err := tx.Events(p.Workspace, sallyport.EventFilter{Subject: p.ID}, "", 1000)
		n = 0
		for _, ev := range all {
			if ev.Kind == kind {
				n++
			}
		}
		return err
	}))
	return n
}

// TestI29_OneValueAtOnce: if one secret is used several times at once, one use passes. The others need a code.
func TestI29_OneValueAtOnce(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		trustFor(e, 14)
		p := e.Add("mia@acme.example", sallyport.Member)
		b := trusting(e, &p)
		by := b.By()
		steps := make(chan sallyport.Step)
		const n = 8
		for range n {
			go func() {
				result, err := e.SignIn(context.Background(), by, p.Address, p.Password)
				if err != nil {
					t.Error(err)
				}
				steps <- result.Step
			}()
		}
		done := 0
		for range n {
			if <-steps == sallyport.StepDone {
				done++
			}
		}
		if done != 1 {
			t.Errorf("%d of %d simultaneous uses passed", done, n)
		}
	})
}

// TestI06_TrustedDeviceOfAnother: an id of another person's device is treated as one that does not exist.
func TestI06_TrustedDeviceOfAnother(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		trustFor(e, 14)
		p, q := e.Add("mia@acme.example", sallyport.Member), e.Add("noa@acme.example", sallyport.Member)
		mine, theirs := trusting(e, &p), trusting(e, &q)
		all, err := e.TrustedDevices(ctx, theirs.By())
		e.Check(err)
		for _, id := range []string{all[0].ID, "dev_none", "'"} {
			if err := e.RemoveTrustedDevice(ctx, mine.By(), id); !errors.Is(err, sallyport.ErrNotFound) {
				t.Errorf("removing %q: %v", id, err)
			}
		}
		if signIn(e, theirs, q, false) {
			t.Error("the other person's trust has ended")
		}
	})
}

// TestKnownDeviceAfterLong: a browser that was not used for longer than KnownDeviceLimit is new again, even before the
// sweep. One that is used stays known, and its cookie is extended.
func TestKnownDeviceAfterLong(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		e.Exec("UPDATE users SET sign_ins_since = 1") // the first sign-in gets no mail
		b := e.Arriving()
		news := func() int { return len(e.Query("SELECT id FROM outbox WHERE kind = 'sign_in.new_browser'")) }
		signIn(e, b, e.Owner, false)
		first := b.Device
		for range 3 {
			e.Clock.Advance(sallyport.KnownDeviceLimit - day)
			p, err := e.SignIn(context.Background(), b.By(), e.Owner.Address, e.Owner.Password)
			e.Check(err)
			if p.Device != first || news() != 1 {
				t.Fatalf("on a known device: same secret %t, %d e-mails", p.Device == first, news())
			}
		}
		e.Clock.Advance(sallyport.KnownDeviceLimit + day)
		signIn(e, b, e.Owner, false)
		if b.Device == first || news() != 2 {
			t.Errorf("after the limit: same secret %t, %d e-mails", b.Device == first, news())
		}
	})
}

// TestI38_ASharedBrowserThatIsTrusted: if two people share a browser, it stays a known device of both, whichever of
// them trusts it.
func TestI38_ASharedBrowserThatIsTrusted(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		e.Exec("UPDATE policies SET trusted_device_days = 14")
		amy, ben := e.Add("amy@acme.example", sallyport.Member), e.Add("ben@acme.example", sallyport.Member)
		e.Enrol(&ben, "Ben's")
		shared := e.Enrol(&amy, "Amy's")
		shared.Session = ""
		signIn(e, shared, ben, true)
		if shared.Trust == "" {
			t.Fatal("the browser is not trusted")
		}
		shared.Session, shared.Trust = "", ""
		e.Clock.Advance(2 * time.Minute)
		signIn(e, shared, amy, false)
		if n := len(e.Query("SELECT hash FROM browsers WHERE user_id = $1", amy.ID)); n != 1 {
			t.Errorf("Amy has %d known devices, want 1", n)
		}
	})
}
