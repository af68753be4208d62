package invariants_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// The numbers of "How tries are counted", through the Service, with the clock turned.

// guesser gives passwords and codes from one client.
type guesser struct {
	t *testing.T
	*Env
	*sallyporttest.Client
}

var addresses int

// unknown is a client never seen before, at an address of its own.
func unknown(t *testing.T, e *Env) guesser {
	c := e.Arriving()
	addresses++
	c.Address = netip.AddrFrom4([4]byte{10, byte(addresses >> 16), byte(addresses >> 8), byte(addresses)})
	return guesser{t, e, c}
}

// known is one in which the person has completed a sign-in.
func known(t *testing.T, e *Env, p Person) guesser {
	g := unknown(t, e)
	if !g.right(p) || p.Secret != nil && !g.code(p, true) {
		t.Fatal("the person cannot sign in")
	}
	e.Clock.Advance(24 * time.Hour)
	return g
}

// password gives one, and reports whether it was taken.
func (g guesser) password(p Person, password sallyport.Secret) bool {
	g.t.Helper()
	passage, err := g.Env.SignIn(context.Background(), g.By(), p.Address, password.Reveal())
	if err == nil {
		g.Keep(passage)
		return true
	}
	if !errors.Is(err, sallyport.ErrPasswordWrong) && !errors.Is(err, sallyport.ErrAddressLimit) {
		g.t.Fatal(err)
	}
	return false
}

func (g guesser) right(p Person) bool { return g.password(p, sallyport.Secret(p.Password)) }
func (g guesser) wrong(p Person, times int) {
	g.t.Helper()
	for range times {
		if g.password(p, "wrong-password") {
			g.t.Fatal("a wrong password was taken")
		}
	}
}

func TestTries_PasswordsFromUnknownClients(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *Env) {
		const s, m = time.Second, time.Minute
		for i, c := range []struct {
			what  string
			steps []any // int: wrong passwords, each from another client; time.Duration: the clock goes on
			works bool
		}{
			{"nine", []any{9}, true},
			{"ten", []any{10}, false},
			{"nine, fifteen minutes, nine", []any{9, 15 * m, 9}, true},
			{"nine, all but fifteen minutes, one", []any{9, 15*m - s, 1}, false},
			{"ten, 29 seconds", []any{10, 29 * s}, false},
			{"ten, 30 seconds", []any{10, 30 * s}, true},
			{"eleven, 59 seconds", []any{10, 30 * s, 1, 59 * s}, false},
			{"eleven, a minute", []any{10, 30 * s, 1, m}, true},
			{"twelve, two minutes less a second", []any{10, 30 * s, 1, m, 1, 2*m - s}, false},
			{"twelve, two minutes", []any{10, 30 * s, 1, m, 1, 2 * m}, true},
			{"tries while one must wait count nothing", []any{10, 5, 30 * s}, true},
			{"many, an hour less a second", []any{10, 1 * time.Hour, 1, time.Hour, 1, time.Hour, 1, time.Hour, 1, time.Hour, 1, time.Hour, 1, time.Hour, 1, time.Hour, 1, time.Hour - s}, false},
			{"many, an hour", []any{10, 1 * time.Hour, 1, time.Hour, 1, time.Hour, 1, time.Hour, 1, time.Hour, 1, time.Hour, 1, time.Hour, 1, time.Hour, 1, time.Hour}, true},
		} {
			p := e.Add(fmt.Sprintf("p%d@acme.example", i), sallyport.Member)
			for _, step := range c.steps {
				switch step := step.(type) {
				case int:
					for range step {
						unknown(t, e).wrong(p, 1)
					}
				case time.Duration:
					e.Clock.Advance(step)
				}
			}
			if works := unknown(t, e).right(p); works != c.works {
				t.Errorf("after %s: the right password works: %v", c.what, works)
			}
		}
	})
}

func TestTries_PasswordsOfKnownDevices(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *Env) {
		p := e.Add("p@acme.example", sallyport.Member)
		k, l := known(t, e, p), known(t, e, p)
		k.wrong(p, 10)
		if k.right(p) {
			t.Error("an eleventh try on a known device")
		}
		if !l.right(p) || !unknown(t, e).right(p) {
			t.Error("one known device's tries block another client")
		}
		e.Clock.Advance(15*time.Minute - time.Second)
		if k.right(p) {
			t.Error("before fifteen minutes are over")
		}
		e.Clock.Advance(time.Second)
		if !k.right(p) {
			t.Error("after fifteen minutes")
		}
		for range 10 {
			unknown(t, e).wrong(p, 1)
		}
		if unknown(t, e).right(p) || !k.right(p) {
			t.Error("strangers block a known device")
		}
		// It is forgotten after 180 days, and after twenty newer ones.
		e.Clock.Advance(180*24*time.Hour + time.Minute)
		for range 10 {
			unknown(t, e).wrong(p, 1)
		}
		if k.right(p) {
			t.Error("a known device is known after 180 days")
		}
		e.Clock.Advance(25 * time.Hour)
		k = known(t, e, p)
		for range 20 {
			known(t, e, p)
		}
		for range 10 {
			unknown(t, e).wrong(p, 1)
		}
		if k.right(p) {
			t.Error("a known device is known after twenty newer ones")
		}
	})
}

func TestTries_PasswordsOfAnAddress(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *Env) {
		p := e.Add("p@acme.example", sallyport.Member)
		k := known(t, e, p)
		for name, next := range map[string]func(i int) netip.Addr{
			"IPv4":             func(int) netip.Addr { return netip.MustParseAddr("203.0.113.7") },
			"IPv6, by its /64": func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x", i+1)) },
		} {
			for i := range 100 {
				g := unknown(t, e)
				g.Address = next(i)
				g.wrong(Person{User: sallyport.User{Address: fmt.Sprintf("%d@nowhere.example", i)}}, 1)
			}
			g := unknown(t, e)
			g.Address = next(100)
			if _, err := e.SignIn(t.Context(), g.By(), p.Address, p.Password); !errors.Is(err, sallyport.ErrAddressLimit) {
				t.Errorf("%s: the hundred and first: %v", name, err)
			}
			k.Address = next(101)
			if !k.right(p) {
				t.Errorf("%s: a known device is blocked by others at its address", name)
			}
			if !unknown(t, e).right(p) {
				t.Errorf("%s: another address is blocked", name)
			}
			e.Clock.Advance(time.Hour)
			if !g.right(p) {
				t.Errorf("%s: an hour later", name)
			}
		}
		other := unknown(t, e)
		other.Address = netip.MustParseAddr("2001:db8:1:3::1")
		if !other.right(p) {
			t.Error("another /64 is blocked")
		}
	})
}

// code gives the password and then a code, right or wrong, and reports whether it was taken.
func (g guesser) code(p Person, right bool) bool {
	g.t.Helper()
	if !g.right(p) {
		g.t.Fatal("the right password is refused")
	}
	return g.answer(p, right)
}

func (g guesser) answer(p Person, right bool) bool {
	g.t.Helper()
	code := p.Code(g.Clock.Now())
	if !right {
		code = wrongCode(&Site{Env: g.Env}, p)
	}
	passage, err := g.AnswerCode(context.Background(), g.By(), code, false)
	if err == nil {
		g.Keep(passage)
		g.Clock.Advance(time.Minute)
		return true
	}
	var e *sallyport.Error
	if !errors.As(err, &e) {
		g.t.Fatal(err)
	}
	return false
}

func TestTries_Codes(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *Env) {
		const hours = time.Hour
		n := 0
		person := func() Person {
			n++
			p := e.Add(fmt.Sprintf("p%d@acme.example", n), sallyport.Member)
			e.Enrol(&p, "Pixel")
			return p
		}
		wrong := func(p Person, times int, pause time.Duration) {
			for range times {
				unknown(t, e).code(p, false)
				e.Clock.Advance(pause)
			}
		}
		p := person()
		if wrong(p, 4, 0); !unknown(t, e).code(p, true) {
			t.Error("after four wrong codes")
		}
		p = person()
		if wrong(p, 5, 0); unknown(t, e).code(p, true) {
			t.Error("after five wrong codes there is no delay")
		}
		e.Clock.Advance(29 * time.Second)
		if unknown(t, e).code(p, true) {
			t.Error("after five wrong codes the delay is over before 30 seconds")
		}
		e.Clock.Advance(time.Second)
		if !unknown(t, e).code(p, true) {
			t.Error("after five wrong codes and the delay")
		}
		if len(e.Query("SELECT id FROM outbox WHERE user_id = $1 AND kind = 'codes.delayed'", p.ID)) != 1 {
			t.Error("the fifth wrong code is not told by mail")
		}
		p = person()
		wrong(p, 10, 2*hours)
		e.Clock.Advance(29 * 24 * hours)
		if unknown(t, e).code(p, true) {
			t.Error("ten in a row: codes of unknown clients are accepted")
		}
		e.Clock.Advance(60 * 24 * hours)
		if unknown(t, e).code(p, true) {
			t.Error("ten in a row: time alone has unlocked")
		}
		e.Check(e.Unlock(t.Context(), e.Console(), p.Address))
		if !unknown(t, e).code(p, true) {
			t.Error("an administrator has unlocked")
		}
		// Ten in thirty days, never many in a row.
		p = person()
		for range 3 {
			wrong(p, 3, 2*hours)
			if !unknown(t, e).code(p, true) {
				t.Error("after three wrong codes")
			}
		}
		if wrong(p, 1, 0); unknown(t, e).code(p, true) {
			t.Error("ten in thirty days")
		}
		e.Clock.Advance(31 * 24 * hours)
		if unknown(t, e).code(p, true) {
			t.Error("ten in thirty days: time alone has unlocked")
		}
		e.Check(e.Unlock(t.Context(), e.Console(), p.Address))
		if !unknown(t, e).code(p, true) {
			t.Error("ten in thirty days: an administrator has unlocked")
		}
		// Wrong codes inside a sign-in that completes are forgiven.
		p = person()
		for range 6 {
			g := unknown(t, e)
			g.code(p, false)
			g.answer(p, false)
			if !g.answer(p, true) {
				t.Error("wrong codes of a sign-in that completed are not forgiven")
			}
		}
	})
}

func TestTries_CodesOfKnownDevices(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *Env) {
		p := e.Add("p@acme.example", sallyport.Member)
		e.Enrol(&p, "Pixel")
		k, l := known(t, e, p), known(t, e, p)
		for range 10 {
			k.code(p, false)
		}
		if k.code(p, true) {
			t.Error("an eleventh code on a known device")
		}
		e.Clock.Advance(15*time.Minute - time.Second)
		if k.code(p, true) {
			t.Error("before fifteen minutes are over")
		}
		e.Clock.Advance(time.Second)
		if !k.code(p, true) {
			t.Error("after fifteen minutes")
		}
		// Fifty in a row over everything: only setting up anew mends it.
		for range 5 {
			for range 10 {
				l.code(p, false)
			}
			e.Clock.Advance(15 * time.Minute)
		}
		for what, g := range map[string]guesser{"a known device": k, "an unknown client": unknown(t, e)} {
			if g.code(p, true) {
				t.Errorf("fifty wrong codes in a row: %s is let in", what)
			}
		}
		e.Clock.Advance(90 * 24 * time.Hour)
		e.Check(e.Unlock(t.Context(), e.Console(), p.Address))
		if unknown(t, e).code(p, true) {
			t.Error("fifty wrong codes in a row: unlocked without setting up anew")
		}
		by := k.By()
		if u, ok := by.User(); ok && !u.TwoFactor {
			t.Error("the account has no two-factor authentication any more")
		}
	})
}

func TestTries_AUsedCodeIsRefunded(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *Env) {
		p := e.Add("p@acme.example", sallyport.Member)
		e.Enrol(&p, "Pixel")
		g := unknown(t, e)
		if !g.right(p) {
			t.Fatal("the password is refused")
		}
		code := p.Code(e.Clock.Now())
		passage, err := e.AnswerCode(t.Context(), g.By(), code, false)
		e.Check(err)
		g.Keep(passage)
		for range 12 {
			h := unknown(t, e)
			if !h.right(p) {
				t.Fatal("the password is refused")
			}
			if _, err := e.AnswerCode(t.Context(), h.By(), code, false); !errors.Is(err, sallyport.ErrCodeUsed) {
				t.Fatalf("a used code: %v", err)
			}
		}
		if n := len(e.Query("SELECT id FROM events WHERE kind = 'code.used_twice' AND detail LIKE '%alarm%'")); n != 12 {
			t.Errorf("%d alarms for 12 used codes that came from elsewhere", n)
		}
		e.Clock.Advance(time.Minute)
		if !unknown(t, e).code(p, true) {
			t.Error("used codes were charged")
		}
	})
}
