package sallyport_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// setProofs gives every session of the person these proofs, with their ages.
func setProofs(e *sallyporttest.Env, p sallyporttest.Person, ago map[sallyport.Method]time.Duration) {
	e.T.Helper()
	var proofs sallyport.Proofs
	for m, d := range ago {
		proofs = proofs.With(m, e.Clock.Now().Add(-d))
	}
	e.Exec(`UPDATE sessions SET proofs = $1 WHERE user_id = $2`, proofs.String(), p.User.ID)
}

// authenticatorsOf returns the person's authenticators as they are in the database.
func authenticatorsOf(e *sallyporttest.Env, p sallyporttest.Person) (all []sallyport.Authenticator) {
	e.T.Helper()
	e.Check(e.Store.Read(context.Background(), func(tx sallyport.Tx) (err error) {
		all, err = tx.Authenticators(p.Workspace, p.User.ID)
		return err
	}))
	return all
}

// require sets who must use two-factor authentication in the first workspace.
func require(e *sallyporttest.Env, of string) {
	e.T.Helper()
	e.Exec(`UPDATE policies SET require_2fa = $1, version = version + 1`, of)
}

// addAuthenticator sets up one more authenticator in the browser, and advances the clock by a minute.
func addAuthenticator(e *sallyporttest.Env, b *sallyporttest.Client, p sallyporttest.Person, name string) sallyporttest.Person {
	e.T.Helper()
	ctx := context.Background()
	e.Check(e.StartSetUp(ctx, b.By(), name, ""))
	p.Secret = draftSecret(e, b)
	result, err := e.ConfirmSetUp(ctx, b.By(), "", p.Code(e.Clock.Now()))
	e.Check(err)
	b.Keep(result)
	e.Clock.Advance(time.Minute)
	return p
}

const (
	fresh = time.Minute
	old   = 5*time.Minute + time.Second
)

var (
	password      = sallyport.ByPassword
	authenticator = sallyport.ByAuthenticator
	recovery      = sallyport.ByRecoveryCode
	trusted       = sallyport.ByTrustedDevice
)

type proofs = map[sallyport.Method]time.Duration

// TestI22_FreshProof checks the proof that each verb requires: a fresh code from a user with two-factor authentication
// (I19, I60), the password from a user without.
func TestI22_FreshProof(t *testing.T) {
	type verb struct {
		name string
		do   func(context.Context, *sallyporttest.Env, sallyport.Caller, string) error
	}
	setUp := verb{"set up", func(ctx context.Context, e *sallyporttest.Env, by sallyport.Caller, _ string) error {
		return e.StartSetUp(ctx, by, "Tablet", "")
	}}
	change := verb{"change", func(ctx context.Context, e *sallyporttest.Env, by sallyport.Caller, _ string) error {
		return e.StartChange(ctx, by, "Tablet", "")
	}}
	remove := verb{"remove", func(ctx context.Context, e *sallyporttest.Env, by sallyport.Caller, id string) error {
		_, err := e.RemoveAuthenticator(ctx, by, id)
		return err
	}}
	disable := verb{"disable", func(ctx context.Context, e *sallyporttest.Env, by sallyport.Caller, _ string) error {
		_, err := e.Disable(ctx, by)
		return err
	}}
	tests := []struct {
		name   string
		proofs proofs
		want   map[string]string // code of the outcome by verb; empty: it succeeds
	}{
		{"fresh", proofs{password: old, authenticator: fresh}, nil},
		{"at the limit", proofs{password: old, authenticator: 5 * time.Minute}, nil},
		{"old", proofs{password: fresh, authenticator: old}, map[string]string{
			"set up": "step_up_required", "change": "step_up_required", "remove": "step_up_required", "disable": "step_up_required"}},
		{"a trusted device", proofs{password: fresh, trusted: fresh}, map[string]string{
			"set up": "step_up_required", "change": "step_up_required", "remove": "step_up_required", "disable": "step_up_required"}},
		{"old, and a fresh recovery code", proofs{password: old, authenticator: old, recovery: fresh}, map[string]string{
			"set up": "step_up_required", "disable": "step_up_required"}},
		{"a recovery code alone", proofs{password: fresh, recovery: fresh}, map[string]string{
			"set up": "restricted", "disable": "restricted"}},
		{"a recovery code alone, old", proofs{password: fresh, recovery: old}, map[string]string{
			"set up": "restricted", "change": "step_up_required", "remove": "step_up_required", "disable": "restricted"}},
	}
	for _, v := range []verb{setUp, change, remove, disable} {
		t.Run(v.name, func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				for _, test := range tests {
					t.Run(test.name, func(t *testing.T) {
						p := e.Add(newAddress(), sallyport.Member)
						b := e.Enrol(&p, "Pixel")
						if v.name == "remove" || v.name == "set up" {
							addAuthenticator(e, b, p, "Laptop")
						}
						setProofs(e, p, test.proofs)
						all := authenticatorsOf(e, p)
						err := v.do(context.Background(), e, b.By(), all[0].ID)
						wantOutcome(t, err, test.want[v.name])
						if done := len(authenticatorsOf(e, p)) != len(all); done != (err == nil && (v.name == "remove" || v.name == "disable")) {
							t.Errorf("%d authenticators before, %d after", len(all), len(authenticatorsOf(e, p)))
						}
					})
				}
			})
		})
	}
}

// wantOutcome compares an outcome with the wanted code. "restricted" is the outcome for a session that began with a recovery
// code.
func wantOutcome(t *testing.T, err error, want string) {
	t.Helper()
	var e *sallyport.Error
	switch {
	case want == "" && err == nil:
	case want == "restricted" && errors.As(err, &e) && e.Kind == sallyport.Denied && !errors.Is(err, sallyport.ErrStepUp):
	case errors.As(err, &e) && e.Code == want:
	default:
		t.Errorf("got %v, want %q", err, want)
	}
}

var addresses struct {
	sync.Mutex
	n int
}

// newAddress returns an address that no one has.
func newAddress() string {
	addresses.Lock()
	defer addresses.Unlock()
	addresses.n++
	return "p" + time.Duration(addresses.n).String() + "@acme.example"
}

func TestI22_FirstSetUpWantsThePassword(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		for name, test := range map[string]struct {
			ago  time.Duration
			want string
		}{"fresh": {fresh, ""}, "old": {old, "step_up_required"}} {
			t.Run(name, func(t *testing.T) {
				p := e.Add(newAddress(), sallyport.Member)
				b := challenged(e, p)
				setProofs(e, p, proofs{password: test.ago})
				wantOutcome(t, e.StartSetUp(ctx, b.By(), "Pixel", ""), test.want)
				wantOutcome(t, e.StartChange(ctx, b.By(), "Pixel", ""), map[string]string{"": "two_factor_disabled"}[test.want]+test.want)
			})
		}
	})
}

func TestChange(t *testing.T) {
	tests := []struct {
		name     string
		proofs   proofs
		replaces string // "first", "second", or the value itself
		want     string // code of the outcome
		left     []string
	}{
		{"one of two", proofs{authenticator: fresh}, "first", "", []string{"Laptop", "New"}},
		{"the other", proofs{authenticator: fresh}, "second", "", []string{"Pixel", "New"}},
		{"all", proofs{authenticator: fresh}, sallyport.ReplacesAll, "", []string{"New"}},
		{"not said", proofs{authenticator: fresh}, "", "replaces_missing", []string{"Pixel", "Laptop"}},
		{"another person's", proofs{authenticator: fresh}, "other", "not_found", []string{"Pixel", "Laptop"}},
		{"after a recovery code", proofs{recovery: fresh}, "first", "", []string{"New"}},
		{"after step-up by a recovery code", proofs{authenticator: old, recovery: fresh}, "first", "", []string{"New"}},
	}
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		stranger := e.Add(newAddress(), sallyport.Member)
		e.Enrol(&stranger, "Pixel")
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				p := e.Add(newAddress(), sallyport.Member)
				b := e.Enrol(&p, "Pixel")
				addAuthenticator(e, b, p, "Laptop")
				elsewhere := e.Arriving()
				signIn(e, elsewhere, p, false)
				setProofs(e, p, test.proofs)
				all := authenticatorsOf(e, p)
				id := map[string]string{"first": all[0].ID, "second": all[1].ID, "other": authenticatorsOf(e, stranger)[0].ID}[test.replaces]
				if id == "" {
					id = test.replaces
				}
				err := e.StartChange(ctx, b.By(), "New", id)
				wantOutcome(t, err, test.want)
				if err == nil {
					fromOld := p
					p.Secret = draftSecret(e, b)
					if len(authenticatorsOf(e, p)) != 2 {
						t.Fatal("the old one is gone before the new one is confirmed")
					}
					e.Clock.Advance(time.Minute)
					if err := answer(e, challenged(e, p), fromOld.Code(e.Clock.Now())); err != nil {
						t.Fatalf("the old one does not work while the new one is set up: %v", err)
					}
					result, err := e.ConfirmSetUp(ctx, b.By(), "", p.Code(e.Clock.Now()))
					e.Check(err)
					b.Keep(result)
					if ses, ok := b.By().Session(); !ok || ses.Restricted() {
						t.Errorf("after it: signed in %v, restricted %v", ok, ses.Restricted())
					}
					if _, ok := elsewhere.By().User(); ok {
						t.Error("another session is still valid (I24)")
					}
				}
				var names []string
				for _, a := range authenticatorsOf(e, p) {
					names = append(names, a.Name)
				}
				if len(names) != len(test.left) || names[0] != test.left[0] || names[len(names)-1] != test.left[len(names)-1] {
					t.Errorf("authenticators %v, want %v", names, test.left)
				}
			})
		}
	})
}

// TestI19_RecoveryCodeEndsAllOld: a draft that began with a code of an authenticator, but is confirmed after only a
// recovery code, replaces all old authenticators.
func TestI19_RecoveryCodeEndsAllOld(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		p := e.Add("mia@acme.example", sallyport.Member)
		b := e.Enrol(&p, "Pixel")
		addAuthenticator(e, b, p, "Laptop")
		setProofs(e, p, proofs{authenticator: fresh})
		e.Check(e.StartChange(ctx, b.By(), "New", authenticatorsOf(e, p)[0].ID))
		p.Secret = draftSecret(e, b)
		setProofs(e, p, proofs{authenticator: old, recovery: fresh})
		_, err := e.ConfirmSetUp(ctx, b.By(), "", p.Code(e.Clock.Now()))
		e.Check(err)
		if all := authenticatorsOf(e, p); len(all) != 1 || all[0].Name != "New" {
			t.Errorf("there are %d", len(all))
		}
	})
}

// TestI19_DraftBesideOthersWantsAnAuthenticator: a draft of an additional authenticator cannot be confirmed after a
// recovery code.
func TestI19_DraftBesideOthersWantsAnAuthenticator(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		p := e.Add("mia@acme.example", sallyport.Member)
		b := e.Enrol(&p, "Pixel")
		e.Check(e.StartSetUp(ctx, b.By(), "New", ""))
		p.Secret = draftSecret(e, b)
		for name, given := range map[string]proofs{
			"old": {authenticator: old}, "recovery": {authenticator: old, recovery: fresh}, "password": {authenticator: old, password: fresh},
		} {
			setProofs(e, p, given)
			if _, err := e.SetUp(ctx, b.By()); !errors.Is(err, sallyport.ErrStepUp) {
				t.Errorf("%s: the key is shown: %v", name, err)
			}
			if _, err := e.ConfirmSetUp(ctx, b.By(), "", p.Code(e.Clock.Now())); !errors.Is(err, sallyport.ErrStepUp) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestI21_Draft(t *testing.T) {
	tests := []struct {
		name string
		do   func(e *sallyporttest.Env, p sallyporttest.Person, b *sallyporttest.Client) *sallyporttest.Client
		want error
	}{
		{"at once", func(_ *sallyporttest.Env, _ sallyporttest.Person, b *sallyporttest.Client) *sallyporttest.Client {
			return b
		}, nil},
		{"after 14 minutes", func(e *sallyporttest.Env, _ sallyporttest.Person, b *sallyporttest.Client) *sallyporttest.Client {
			e.Clock.Advance(14 * time.Minute)
			return b
		}, nil},
		{"after 15 minutes", func(e *sallyporttest.Env, _ sallyporttest.Person, b *sallyporttest.Client) *sallyporttest.Client {
			e.Clock.Advance(15 * time.Minute)
			return b
		}, sallyport.ErrNoDraft},
		{"in another session", func(e *sallyporttest.Env, p sallyporttest.Person, _ *sallyporttest.Client) *sallyporttest.Client {
			return challenged(e, p)
		}, sallyport.ErrNoDraft},
		{"of another user", func(e *sallyporttest.Env, _ sallyporttest.Person, _ *sallyporttest.Client) *sallyporttest.Client {
			return challenged(e, e.Add(newAddress(), sallyport.Member))
		}, sallyport.ErrNoDraft},
		{"started this set-up again", func(e *sallyporttest.Env, _ sallyporttest.Person, b *sallyporttest.Client) *sallyporttest.Client {
			e.Check(e.StartSetUp(context.Background(), b.By(), "Tablet", ""))
			return b
		}, sallyport.ErrOtherDraft},
	}
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				p := e.Add(newAddress(), sallyport.Member)
				b := challenged(e, p)
				e.Check(e.StartSetUp(ctx, b.By(), "Pixel", ""))
				d, err := e.SetUp(ctx, b.By())
				e.Check(err)
				p.Secret = draftSecret(e, b)
				c := test.do(e, p, b)
				code := p.Code(e.Clock.Now())
				result, err := e.ConfirmSetUp(ctx, c.By(), d.Draft, code)
				if !errors.Is(err, test.want) {
					t.Fatalf("got %v, want %v", err, test.want)
				}
				if enabled := len(authenticatorsOf(e, p)) == 1; enabled != (test.want == nil) {
					t.Fatalf("enabled: %v", enabled)
				}
				if test.want != nil {
					return
				}
				c.Keep(result)
				if err := answer(e, challenged(e, p), code); !errors.Is(err, sallyport.ErrCodeUsed) {
					t.Errorf("the confirming code at sign-in: %v", err)
				}
				if _, err := e.SetUp(ctx, c.By()); !errors.Is(err, sallyport.ErrNoDraft) {
					t.Errorf("the key comes back after confirmation (I20): %v", err)
				}
			})
		}
	})
}

func TestDisable(t *testing.T) {
	tests := []struct {
		name string
		do   func(e *sallyporttest.Env, p sallyporttest.Person)
		want string
	}{
		{"optional", func(*sallyporttest.Env, sallyporttest.Person) {}, ""},
		{"required of everyone", func(e *sallyporttest.Env, _ sallyporttest.Person) { require(e, sallyport.RequireEveryone) }, "two_factor_required"},
		{"required, and the code is old", func(e *sallyporttest.Env, p sallyporttest.Person) {
			require(e, sallyport.RequireEveryone)
			setProofs(e, p, proofs{authenticator: old})
		}, "two_factor_required"},
		{"required of others", func(e *sallyporttest.Env, _ sallyporttest.Person) { require(e, sallyport.RequireAdmins) }, ""},
		{"required from a date to come", func(e *sallyporttest.Env, _ sallyporttest.Person) {
			require(e, sallyport.RequireEveryone)
			e.Exec(`UPDATE policies SET required_from = $1`, e.Clock.Now().Add(time.Hour).UnixMilli())
		}, ""},
		{"a short password", func(e *sallyporttest.Env, p sallyporttest.Person) {
			e.Exec(`UPDATE users SET password_long = 0 WHERE id = $1`, p.User.ID)
		}, "password_too_short"},
	}
	verbs := map[string]func(*sallyporttest.Env, *sallyporttest.Client, sallyporttest.Person) (sallyport.Secret, error){
		"disable": func(e *sallyporttest.Env, b *sallyporttest.Client, _ sallyporttest.Person) (sallyport.Secret, error) {
			return e.Disable(context.Background(), b.By())
		},
		"remove the last": func(e *sallyporttest.Env, b *sallyporttest.Client, p sallyporttest.Person) (sallyport.Secret, error) {
			return e.RemoveAuthenticator(context.Background(), b.By(), authenticatorsOf(e, p)[0].ID)
		},
	}
	for verb, do := range verbs {
		t.Run(verb, func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				for _, test := range tests {
					t.Run(test.name, func(t *testing.T) {
						require(e, sallyport.RequireOptional)
						p := e.Add(newAddress(), sallyport.Member)
						b := e.Enrol(&p, "Pixel")
						elsewhere := e.Arriving()
						signIn(e, elsewhere, p, false)
						halfDone := challenged(e, p)
						test.do(e, p)
						was := b.Session
						token, err := do(e, b, p)
						wantOutcome(t, err, test.want)
						if err != nil {
							if len(authenticatorsOf(e, p)) != 1 {
								t.Error("the authenticator is gone")
							}
							return
						}
						b.Session = token
						u, ok := b.By().User()
						if !ok || u.TwoFactor || len(authenticatorsOf(e, p)) != 0 {
							t.Fatalf("signed in %v, two-factor authentication %v, %d authenticators", ok, u.TwoFactor, len(authenticatorsOf(e, p)))
						}
						b.Session = was
						for name, c := range map[string]*sallyporttest.Client{"the old value (I31)": b, "elsewhere (I24)": elsewhere} {
							if _, ok := c.By().User(); ok {
								t.Errorf("%s is still signed in", name)
							}
						}
						if err := answer(e, halfDone, "000000"); !errors.Is(err, sallyport.ErrSignInEnded) {
							t.Errorf("the unfinished sign-in is still valid (I24): %v", err)
						}
						if signIn(e, e.Arriving(), p, false) {
							t.Error("a code is asked for")
						}
					})
				}
			})
		})
	}
}

// TestI58_RemovedAtOnce: if two sessions remove two authenticators at the same time, one stays if two-factor
// authentication is required.
func TestI58_RemovedAtOnce(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		for range 8 {
			p := e.Add(newAddress(), sallyport.Member)
			b := e.Enrol(&p, "Pixel")
			addAuthenticator(e, b, p, "Laptop")
			c := e.Arriving()
			signIn(e, c, p, false)
			setProofs(e, p, proofs{authenticator: fresh})
			require(e, sallyport.RequireEveryone)
			all := authenticatorsOf(e, p)
			callers := []sallyport.Caller{b.By(), c.By()}
			outcomes := make([]error, 2)
			var both sync.WaitGroup
			for i := range 2 {
				both.Go(func() { _, outcomes[i] = e.RemoveAuthenticator(ctx, callers[i], all[i].ID) })
			}
			both.Wait()
			if left := authenticatorsOf(e, p); len(left) != 1 {
				t.Fatalf("%d are left: %v", len(left), outcomes)
			}
			if (outcomes[0] == nil) == (outcomes[1] == nil) {
				t.Fatalf("want exactly one of the two to succeed: %v", outcomes)
			}
			require(e, sallyport.RequireOptional)
		}
	})
}

// TestI58_TheStatementItself: even without the rules above it, the statement does not delete the last authenticator.
func TestI58_TheStatementItself(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		p := e.Add("mia@acme.example", sallyport.Member)
		addAuthenticator(e, e.Enrol(&p, "Pixel"), p, "Laptop")
		all := authenticatorsOf(e, p)
		remove := func(i int, last bool) (gone bool) {
			e.Check(e.Store.Write(context.Background(), func(tx sallyport.Tx) (err error) {
				gone, err = tx.DeleteAuthenticator(p.Workspace, p.User.ID, all[i].ID, last)
				return err
			}))
			return gone
		}
		if !remove(0, false) || remove(0, false) || remove(1, false) || len(authenticatorsOf(e, p)) != 1 {
			t.Fatalf("%d are left", len(authenticatorsOf(e, p)))
		}
		if !remove(1, true) {
			t.Fatal("the last one stays, although its removal was confirmed")
		}
	})
}

func TestRename(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		p, stranger := e.Add(newAddress(), sallyport.Member), e.Add(newAddress(), sallyport.Member)
		b, c := e.Enrol(&p, "Pixel"), e.Enrol(&stranger, "Nokia")
		id := authenticatorsOf(e, p)[0].ID
		wantOutcome(t, e.RenameAuthenticator(ctx, b.By(), id, " Tablet "), "")
		wantOutcome(t, e.RenameAuthenticator(ctx, b.By(), id, " "), "name_invalid")
		wantOutcome(t, e.RenameAuthenticator(ctx, c.By(), id, "Mine"), "not_found")
		if _, err := e.RemoveAuthenticator(ctx, c.By(), id); !errors.Is(err, sallyport.ErrNotFound) {
			t.Errorf("a stranger removes it: %v", err)
		}
		if got := authenticatorsOf(e, p)[0].Name; got != "Tablet" {
			t.Errorf("the name is %q", got)
		}
		challenge, err := e.Challenge(ctx, challenged(e, p).By())
		e.Check(err)
		if len(challenge.Authenticators) != 1 || challenge.Authenticators[0] != "Tablet" {
			t.Errorf("the hint is %q", challenge.Authenticators)
		}
	})
}

// TestConfirmedTwiceAtOnce: if two tabs confirm the same draft, one of them succeeds.
func TestConfirmedTwiceAtOnce(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		for range 8 {
			p := e.Add(newAddress(), sallyport.Member)
			b := challenged(e, p)
			e.Check(e.StartSetUp(ctx, b.By(), "Pixel", ""))
			p.Secret = draftSecret(e, b)
			by, code := b.By(), p.Code(e.Clock.Now())
			outcomes := make([]error, 4)
			var all sync.WaitGroup
			for i := range outcomes {
				all.Go(func() { _, outcomes[i] = e.ConfirmSetUp(ctx, by, "", code) })
			}
			all.Wait()
			done := 0
			for _, err := range outcomes {
				if err == nil {
					done++
				}
			}
			if done != 1 || len(authenticatorsOf(e, p)) != 1 {
				t.Fatalf("%d confirmed, %d authenticators: %v", done, len(authenticatorsOf(e, p)), outcomes)
			}
		}
	})
}

func TestTooManyAuthenticators(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		p := e.Add("mia@acme.example", sallyport.Member)
		b := e.Enrol(&p, "Pixel")
		for range sallyport.MaxAuthenticators - 1 {
			addAuthenticator(e, b, p, "Tablet")
			setProofs(e, p, proofs{authenticator: fresh})
		}
		wantOutcome(t, e.StartSetUp(context.Background(), b.By(), "One more", ""), "too_many_authenticators")
		wantOutcome(t, e.StartChange(context.Background(), b.By(), "In place", sallyport.ReplacesAll), "")
	})
}
