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

// These tests check the budgets of docs/threat-model.md through the Service, by advancing the clock.

// guesser tries passwords and codes from one client.
type guesser struct {
	t *testing.T
	*Env
	*sallyporttest.Client
}

var addresses int

// unknownClient returns a new client with its own address.
func unknownClient(t *testing.T, e *Env) guesser {
	c := e.Arriving()
	addresses++
	c.Address = netip.AddrFrom4([4]byte{10, byte(addresses >> 16), byte(addresses >> 8), byte(addresses)})
	return guesser{t, e, c}
}

// knownDevice returns a client in which the person has completed a sign-in.
func knownDevice(t *testing.T, e *Env, p Person) guesser {
	g := unknownClient(t, e)
	if !g.right(p) || p.Secret != nil && !g.code(p, true) {
		t.Fatal("the person cannot sign in")
	}
	e.Clock.Advance(24 * time.Hour)
	return g
}

// password tries a password, and reports whether it was accepted.
func (g guesser) password(p Person, password sallyport.Secret) bool {
	g.t.Helper()
	result, err := g.Env.SignIn(context.Background(), g.By(), p.Address, password.Reveal())
	if err == nil {
		g.Keep(result)
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
			g.t.Fatal("a wrong password was accepted")
		}
	}
}

func TestTries_PasswordsFromUnknownClients(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *Env) {
		const s, m = time.Second, time.Minute
		for i, c := range []struct {
			what  string
			steps []any // int: wrong passwords, each from another client; time.Duration: advance the clock
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
						unknownClient(t, e).wrong(p, 1)
					}
				case time.Duration:
					e.Clock.Advance(step)
				}
			}
			if works := unknownClient(t, e).right(p); works != c.works {
				t.Errorf("after %s: the right password is accepted: %v", c.what, works)
			}
		}
	})
}

func TestTries_PasswordsOfKnownDevices(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *Env) {
		p := e.Add("p@acme.example", sallyport.Member)
		k, l := knownDevice(t, e, p), knownDevice(t, e, p)
		k.wrong(p, 10)
		if k.right(p) {
			t.Error("an eleventh try on a known device is allowed")
		}
		if !l.right(p) || !unknownClient(t, e).right(p) {
			t.Error("the tries of a known device block another client")
		}
		e.Clock.Advance(15*time.Minute - time.Second)
		if k.right(p) {
			t.Error("a try is allowed before fifteen minutes have passed")
		}
		e.Clock.Advance(time.Second)
		if !k.right(p) {
			t.Error("no try is allowed after fifteen minutes")
		}
		for range 10 {
			unknownClient(t, e).wrong(p, 1)
		}
		if unknownClient(t, e).right(p) || !k.right(p) {
			t.Error("strangers can block a known device")
		}
		// A known device is forgotten after 180 days, and after twenty newer ones.
		e.Clock.Advance(180*24*time.Hour + time.Minute)
		for range 10 {
			unknownClient(t, e).wrong(p, 1)
		}
		if k.right(p) {
			t.Error("the device is still known after 180 days")
		}
		e.Clock.Advance(25 * time.Hour)
		k = knownDevice(t, e, p)
		for range 20 {
			knownDevice(t, e, p)
		}
		for range 10 {
			unknownClient(t, e).wrong(p, 1)
		}
		if k.right(p) {
			t.Error("the device is still known after twenty newer ones")
		}
	})
}

func TestTries_PasswordsOfAnAddress(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *Env) {
		p := e.Add("p@acme.example", sallyport.Member)
		k := knownDevice(t, e, p)
		for name, next := range map[string]func(i int) netip.Addr{
			"IPv4":             func(int) netip.Addr { return netip.MustParseAddr("203.0.113.7") },
			"IPv6, by its /64": func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x", i+1)) },
		} {
			for i := range 100 {
				g := unknownClient(t, e)
				g.Address = next(i)
				g.wrong(Person{User: sallyport.User{Address: fmt.Sprintf("%d@nowhere.example", i)}}, 1)
			}
			g := unknownClient(t, e)
			g.Address = next(100)
			if _, err := e.SignIn(t.Context(), g.By(), p.Address, p.Password); !errors.Is(err, sallyport.ErrAddressLimit) {
				t.Errorf("%s: the 101st try: %v", name, err)
			}
			k.Address = next(101)
			if !k.right(p) {
				t.Errorf("%s: others at its address block a known device", name)
			}
			if !unknownClient(t, e).right(p) {
				t.Errorf("%s: another address is blocked", name)
			}
			e.Clock.Advance(time.Hour)
			if !g.right(p) {
				t.Errorf("%s: still blocked after an hour", name)
			}
		}
		other := unknownClient(t, e)
		other.Address = netip.MustParseAddr("2001:db8:1:3::1")
		if !other.right(p) {
			t.Error("another /64 is blocked")
		}
	})
}

// code enters the password and then a code, right or wrong, and reports whether the code was accepted.
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
	result, err := g.AnswerCode(context.Background(), g.By(), code, false)
	if err == nil {
		g.Keep(result)
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
				unknownClient(t, e).code(p, false)
				e.Clock.Advance(pause)
			}
		}
		p := person()
		if wrong(p, 4, 0); !unknownClient(t, e).code(p, true) {
			t.Error("the right code is refused after four wrong codes")
		}
		p = person()
		if wrong(p, 5, 0); unknownClient(t, e).code(p, true) {
			t.Error("there is no delay after five wrong codes")
		}
		e.Clock.Advance(29 * time.Second)
		if unknownClient(t, e).code(p, true) {
			t.Error("the delay after five wrong codes ends before 30 seconds")
		}
		e.Clock.Advance(time.Second)
		if !unknownClient(t, e).code(p, true) {
			t.Error("the right code is refused after five wrong codes and the delay")
		}
		if len(e.Query("SELECT id FROM outbox WHERE user_id = $1 AND kind = 'codes.delayed'", p.ID)) != 1 {
			t.Error("the fifth wrong code sends no e-mail")
		}
		p = person()
		wrong(p, 10, 2*hours)
		e.Clock.Advance(29 * 24 * hours)
		if unknownClient(t, e).code(p, true) {
			t.Error("after ten in a row, codes of unknown clients are accepted")
		}
		e.Clock.Advance(60 * 24 * hours)
		if unknownClient(t, e).code(p, true) {
			t.Error("after ten in a row, waiting unlocks")
		}
		e.Check(e.Unlock(t.Context(), e.Console(), p.Address))
		if !unknownClient(t, e).code(p, true) {
			t.Error("the right code is refused after an administrator has unlocked")
		}
		// Ten wrong codes in thirty days, but never many in a row.
		p = person()
		for range 3 {
			wrong(p, 3, 2*hours)
			if !unknownClient(t, e).code(p, true) {
				t.Error("the right code is refused after three wrong codes")
			}
		}
		if wrong(p, 1, 0); unknownClient(t, e).code(p, true) {
			t.Error("after ten in thirty days, the right code is accepted")
		}
		e.Clock.Advance(31 * 24 * hours)
		if unknownClient(t, e).code(p, true) {
			t.Error("after ten in thirty days, waiting unlocks")
		}
		e.Check(e.Unlock(t.Context(), e.Console(), p.Address))
		if !unknownClient(t, e).code(p, true) {
			t.Error("after ten in thirty days, the right code is refused although an administrator has unlocked")
		}
		// Wrong codes of a completed sign-in are forgiven.
		p = person()
		for range 6 {
			g := unknownClient(t, e)
			g.code(p, false)
			g.answer(p, false)
			if !g.answer(p, true) {
				t.Error("wrong codes of a completed sign-in are not forgiven")
			}
		}
	})
}

func TestTries_CodesOfKnownDevices(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *Env) {
		p := e.Add("p@acme.example", sallyport.Member)
		e.Enrol(&p, "Pixel")
		k, l := knownDevice(t, e, p), knownDevice(t, e, p)
		for range 10 {
			k.code(p, false)
		}
		if k.code(p, true) {
			t.Error("an eleventh code on a known device is allowed")
		}
		e.Clock.Advance(15*time.Minute - time.Second)
		if k.code(p, true) {
			t.Error("a code is allowed before fifteen minutes have passed")
		}
		e.Clock.Advance(time.Second)
		if !k.code(p, true) {
			t.Error("no code is allowed after fifteen minutes")
		}
		// After fifty wrong codes in a row, everywhere, only a new authenticator helps.
		for range 5 {
			for range 10 {
				l.code(p, false)
			}
			e.Clock.Advance(15 * time.Minute)
		}
		for what, g := range map[string]guesser{"a known device": k, "an unknown client": unknownClient(t, e)} {
			if g.code(p, true) {
				t.Errorf("after fifty wrong codes in a row, %s is accepted", what)
			}
		}
		e.Clock.Advance(90 * 24 * time.Hour)
		e.Check(e.Unlock(t.Context(), e.Console(), p.Address))
		if unknownClient(t, e).code(p, true) {
			t.Error("after fifty wrong codes in a row, unlocked without a new authenticator")
		}
		by := k.By()
		if u, ok := by.User(); ok && !u.TwoFactor {
			t.Error("the account no longer has two-factor authentication")
		}
	})
}

func TestTries_AUsedCodeIsRefunded(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *Env) {
		p := e.Add("p@acme.example", sallyport.Member)
		e.Enrol(&p, "Pixel")
		g := unknownClient(t, e)
		if !g.right(p) {
			t.Fatal("the password is refused")
		}
		code := p.Code(e.Clock.Now())
		result, err := e.AnswerCode(t.Context(), g.By(), code, false)
		e.Check(err)
		g.Keep(result)
		for range 12 {
			h := unknownClient(t, e)
			if !h.right(p) {
				t.Fatal("the password is refused")
			}
			if _, err := e.AnswerCode(t.Context(), h.By(), code, false); !errors.Is(err, sallyport.ErrCodeUsed) {
				t.Fatalf("a used code: %v", err)
			}
		}
		if n := len(e.Query("SELECT id FROM events WHERE kind = 'code.used_twice' AND detail LIKE '%alarm%'")); n != 12 {
			t.Errorf("%d alarms for 12 codes used again from elsewhere", n)
		}
		e.Clock.Advance(time.Minute)
		if !unknownClient(t, e).code(p, true) {
			t.Error("used codes were charged to the budget")
		}
	})
}
