package sallyport_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// lockEvents returns the events about locks of a person, oldest first.
func lockEvents(e *sallyporttest.Env, id string) (kinds []string) {
	e.T.Helper()
	e.Check(e.Store.Read(context.Background(), func(tx sallyport.Tx) error {
		kinds = nil
		all, err := tx.Events(e.Owner.Workspace, sallyport.EventFilter{Subject: id}, "", 1000)
		for _, ev := range slices.Backward(all) {
			switch ev.Kind {
			case "user.locked", "user.lock_ended", "user.unlocked":
				kinds = append(kinds, fmt.Sprint(ev.Kind, " ", ev.Detail["lock"]))
			}
		}
		return err
	}))
	return kinds
}

func person(e *sallyporttest.Env, id string) sallyport.User {
	e.T.Helper()
	p, err := e.Person(context.Background(), e.Console(), id)
	e.Check(err)
	return p.User
}

// TestEveryLockIsSeen: while a budget refuses a person's next try, their row and an event say so and until when. When
// the refusal is lifted, the lock ends, with another event.
func TestEveryLockIsSeen(t *testing.T) {
	ctx := context.Background()
	wrongPasswords := func(e *sallyporttest.Env, b *sallyporttest.Client, p sallyporttest.Person, n int) {
		for range n {
			if _, err := e.SignIn(ctx, b.By(), p.Address, "wrong password"); err == nil {
				e.T.Fatal("a wrong password is accepted")
			}
		}
	}
	strangers := func(n int) func(*sallyporttest.Env, sallyporttest.Person) {
		return func(e *sallyporttest.Env, p sallyporttest.Person) { wrongPasswords(e, e.Arriving(), p, n) }
	}
	codes := func(n int) func(*sallyporttest.Env, sallyporttest.Person) {
		return func(e *sallyporttest.Env, p sallyporttest.Person) { giveWrongCodes(e, p, n) }
	}
	waiting := func(d time.Duration) func(*sallyporttest.Env, sallyporttest.Person) {
		return func(e *sallyporttest.Env, _ sallyporttest.Person) {
			e.Clock.Advance(d)
			e.Check(e.EndLocks(ctx))
		}
	}
	unlocking := func(e *sallyporttest.Env, p sallyporttest.Person) { e.Check(e.Unlock(ctx, e.Console(), p.ID)) }
	for _, c := range []struct {
		name   string
		begins func(*sallyporttest.Env, sallyporttest.Person)
		lock   sallyport.Lock
		until  time.Duration // 0: for good
		ends   func(*sallyporttest.Env, sallyporttest.Person)
		event  string
	}{
		{"nine wrong passwords", strangers(9), sallyport.NoLock, 0, nil, ""},
		{"ten wrong passwords and time", strangers(10), sallyport.LockPassword, 30 * time.Second, waiting(30 * time.Second), "user.lock_ended password"},
		{"more than ten wrong passwords", strangers(15), sallyport.LockPassword, 30 * time.Second, unlocking, "user.unlocked "},
		{"the right password as the tenth", func(e *sallyporttest.Env, p sallyporttest.Person) {
			wrongPasswords(e, e.Arriving(), p, 9)
			_, err := e.SignIn(ctx, e.Arriving().By(), p.Address, p.Password)
			e.Check(err)
		}, sallyport.NoLock, 0, nil, ""},
		{"a known device", func(e *sallyporttest.Env, p sallyporttest.Person) {
			b := challenged(e, p)
			e.Check(answer(e, b, p.Code(e.Clock.Now())))
			wrongPasswords(e, b, p, 10)
		}, sallyport.LockPassword.OfKnown(), 15 * time.Minute, waiting(15 * time.Minute), "user.lock_ended password:known"},
		{"four wrong codes", codes(4), sallyport.NoLock, 0, nil, ""},
		{"five wrong codes", codes(5), sallyport.LockCode, 30 * time.Second, waiting(time.Minute), "user.lock_ended code"},
		{"ten wrong codes", codes(10), sallyport.LockCode, 0, unlocking, "user.unlocked "},
		{"ten wrong codes and a recovery code", codes(10), sallyport.LockCode, 0, func(e *sallyporttest.Env, p sallyporttest.Person) {
			e.Check(answer(e, challenged(e, p), p.RecoveryCodes[0]))
		}, "user.lock_ended code"},
		{"ten wrong codes and a reset", codes(10), sallyport.LockCode, 0, func(e *sallyporttest.Env, p sallyporttest.Person) {
			_, err := e.ResetTwoFactor(ctx, e.Console(), p.ID, "lost phone")
			e.Check(err)
		}, "user.lock_ended code"},
		{"ten wrong recovery codes", func(e *sallyporttest.Env, p sallyporttest.Person) {
			for range 10 {
				if err := answer(e, challenged(e, p), "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"); !errors.Is(err, sallyport.ErrRecoveryWrong) {
					e.T.Fatal(err)
				}
			}
		}, sallyport.LockRecovery, time.Hour, waiting(time.Hour), "user.lock_ended recovery"},
		{"a clock set back", func(e *sallyporttest.Env, p sallyporttest.Person) {
			now := e.Clock.Now()
			e.Clock.Advance(time.Hour)
			e.Check(answer(e, challenged(e, p), p.Code(e.Clock.Now())))
			code := p.Code(e.Clock.Now())
			e.Clock.Set(now)
			if err := answer(e, challenged(e, p), code); err == nil {
				e.T.Fatal("a used code is accepted")
			}
			if err := answer(e, challenged(e, p), p.Code(e.Clock.Now())); err == nil {
				e.T.Fatal("an earlier code is accepted")
			}
		}, sallyport.LockClock, -1, unlocking, "user.unlocked "},
	} {
		t.Run(c.name, func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				p := e.Add("mia@acme.example", sallyport.Member)
				e.Enrol(&p, "Pixel")
				e.Clock.Advance(time.Minute)
				c.begins(e, p)
				u, now := person(e, p.ID), e.Clock.Now()
				if u.LockedBy != c.lock || u.Locked(now) != (c.lock != sallyport.NoLock) {
					t.Fatalf("locked: %t by %q until %s, and not by %q", u.Locked(now), u.LockedBy, u.LockedUntil, c.lock)
				}
				e.Check(e.EndLocks(ctx))
				before := lockEvents(e, p.ID)
				if c.lock == sallyport.NoLock {
					if len(before) > 0 {
						t.Errorf("no event records the lock: %q", before)
					}
					if err := e.Unlock(ctx, e.Console(), e.Owner.ID); !errors.Is(err, sallyport.ErrNotLocked) {
						t.Errorf("unlocking a person without counted tries: %v", err)
					}
					return
				}
				if c.until == 0 != u.LockedForGood() || c.until > 0 && (u.LockedUntil.Before(now) || u.LockedUntil.After(now.Add(c.until))) {
					t.Errorf("it is locked until %s: %s from now", u.LockedUntil, u.LockedUntil.Sub(now))
				}
				if len(before) == 0 || before[len(before)-1] != "user.locked "+string(c.lock) {
					t.Errorf("events: %q", before)
				}
				e.Clock.Advance(time.Millisecond) // events from the same millisecond have no order
				c.ends(e, p)
				e.Check(e.EndLocks(ctx))
				if u := person(e, p.ID); u.Locked(e.Clock.Now()) || u.LockedBy != sallyport.NoLock {
					t.Errorf("still locked by %q until %s", u.LockedBy, u.LockedUntil)
				}
				if after := lockEvents(e, p.ID)[len(before):]; !slices.Equal(after, []string{c.event}) {
					t.Errorf("events at the end: %q, and not %q", after, c.event)
				}
			})
		})
	}
}

// TestEveryLockedPersonIsInAFile: a CSV file has all locked people, batch by batch in the order in which their locks
// end, however many there are.
func TestEveryLockedPersonIsInAFile(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		now := e.Clock.Now()
		var want []string
		for i, ends := range []time.Duration{3, 1, 2, 2, 2, -1} {
			p := e.Add(fmt.Sprintf("mia%d@acme.example", i), sallyport.Member)
			e.Exec(`UPDATE users SET locked_by = 'password', locked_until = $1 WHERE id = $2`, now.Add(ends*time.Minute).UnixMilli(), p.ID)
			want = append(want, p.ID)
		}
		slices.Sort(want[2:5])
		want = []string{want[1], want[2], want[3], want[4], want[0]}
		r := sallyport.PeopleRange{Workspace: e.Owner.Workspace, Order: sallyport.ByLock, LockedAt: now, Cells: []sallyport.PeopleCell{{Role: sallyport.Member, State: sallyport.Active}}}
		var got []string
		e.Check(e.Store.Read(context.Background(), func(tx sallyport.Tx) error {
			for {
				ids, err := tx.FindPeople(r, 2)
				if err != nil || len(ids) == 0 {
					return err
				}
				got = append(got, ids...)
				last, _, err := tx.User(r.Workspace, ids[len(ids)-1])
				if err != nil {
					return err
				}
				r.From = &last
			}
		}))
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestUnlockWhereItHasNoEffect: Unlock returns an error if it would change nothing, and records no event.
func TestUnlockWhereItHasNoEffect(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		p := e.Add("mia@acme.example", sallyport.Member)
		e.Enrol(&p, "Pixel")
		giveWrongCodes(e, p, 1)
		e.Check(e.Unlock(ctx, e.Console(), p.ID)) // so that the count starts again
		if err := e.Unlock(ctx, e.Console(), p.ID); !errors.Is(err, sallyport.ErrNotLocked) {
			t.Errorf("a second time: %v", err)
		}
		e.Exec(`UPDATE tries SET in_row = 49 WHERE bucket = 'authenticator'`)
		giveWrongCodes(e, p, 1)
		if u := person(e, p.ID); u.LockedBy != sallyport.LockAuthenticator || !u.LockedForGood() || u.Unlockable(e.Clock.Now()) {
			t.Errorf("after fifty wrong codes in a row: %q until %s", u.LockedBy, u.LockedUntil)
		}
		e.Check(e.Unlock(ctx, e.Console(), p.ID))
		if err := e.Unlock(ctx, e.Console(), p.ID); !errors.Is(err, sallyport.ErrLockStays) {
			t.Errorf("after fifty wrong codes in a row, unlocked: %v", err)
		}
	})
}
