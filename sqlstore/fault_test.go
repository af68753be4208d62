package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// failing makes a database fail at the k-th statement or commit.
type failing struct {
	at   int // 0: never
	lost bool
	seen []string
}

var errDisk = errors.New("disk I/O error of the test")

func (f *failing) tap(what string) error {
	if what == sqlstore.Lost {
		if f.lost && f.at == len(f.seen) {
			return sallyport.ErrUnknownOutcome
		}
		return nil
	}
	f.seen = append(f.seen, what)
	if len(f.seen) == f.at && !f.lost {
		return errDisk
	}
	return nil
}

func (f *failing) failAt(k int, lost bool) { f.at, f.lost, f.seen = k, lost, nil }

// node returns another node of the site, whose database can be made to fail.
func node(t *testing.T, e *sallyporttest.Env, site *sallyporttest.Site, hash passwd.Params) (*sallyporttest.Site, *failing) {
	t.Helper()
	store, err := sqlstore.Open(context.Background(), e.Database)
	e.Check(err)
	t.Cleanup(func() { store.Close() })
	f := &failing{}
	store.Tap(f.tap)
	s := *e.Service
	s.Store, s.Hash = store, hash
	return site.Over(sallyport.New(s)), f
}

// step is one request, with a function that prepares its visitor.
type step struct {
	what  string
	ready func() *sallyporttest.Visitor
	send  func(*sallyporttest.Visitor) sallyporttest.Request
}

// TestI11_EveryErrorDenies makes every statement and every commit of every step fail, one at a time: no successful
// response, no session, nothing half-done (I52: no change without its event), and no try that is not counted (I35).
func TestI11_EveryErrorDenies(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		site := sallyporttest.NewSite(t, e)
		broken, f := node(t, e, site, sallyporttest.Cheap)
		mia := e.Add("mia@acme.example", sallyport.Member)
		site.Visitor().Enrol(&mia, "Pixel")
		signedIn := func() *sallyporttest.Visitor {
			v := site.Visitor()
			v.SignIn(mia)
			e.Clock.Advance(time.Minute)
			return v
		}
		ben := e.Add("ben@acme.example", sallyport.Member)
		form := func(path, body string) func(*sallyporttest.Visitor) sallyporttest.Request {
			return func(v *sallyporttest.Visitor) sallyporttest.Request {
				return sallyporttest.Request{Method: http.MethodPost, Target: path, Header: v.PostHeader(), Body: body}
			}
		}
		code := func(path string) func(*sallyporttest.Visitor) sallyporttest.Request {
			return func(v *sallyporttest.Visitor) sallyporttest.Request {
				return form(path, "code="+mia.Code(e.Clock.Now()))(v)
			}
		}
		var draft sallyporttest.Person
		for _, s := range []step{
			{"a correct password", site.Visitor, form("/sign-in", "email=ben@acme.example&password="+ben.Password)},
			{"a correct password of a person with an authenticator", site.Visitor, form("/sign-in", "email=mia@acme.example&password="+mia.Password)},
			{"a wrong password", site.Visitor, form("/sign-in", "email=ben@acme.example&password=wrong")},
			{"a correct code", func() *sallyporttest.Visitor {
				v := site.Visitor()
				v.GivePassword(mia)
				return v
			}, code("/sign-in/2fa")},
			{"a wrong code", func() *sallyporttest.Visitor {
				v := site.Visitor()
				v.GivePassword(mia)
				return v
			}, form("/sign-in/2fa", "code=000000")},
			{"step-up", signedIn, code("/step-up")},
			{"a new draft", func() *sallyporttest.Visitor {
				v := signedIn()
				v.Post("/step-up", sallyporttest.Fields{"code": mia.Code(e.Clock.Now())})
				e.Clock.Advance(time.Minute)
				return v
			}, form("/account/2fa/set-up", "name=Tablet")},
			{"confirming a draft", func() *sallyporttest.Visitor {
				v := site.Visitor()
				draft = e.Add(fmt.Sprintf("d%d@acme.example", e.Clock.Now().Unix()), sallyport.Member)
				v.SignIn(draft)
				v.Post("/account/2fa/set-up", sallyporttest.Fields{"name": "Pixel"})
				var err error
				draft.Secret, err = otp.DecodeSecret(v.Follow().Key())
				e.Check(err)
				return v
			}, func(v *sallyporttest.Visitor) sallyporttest.Request {
				return form("/account/2fa/set-up", "code="+draft.Code(e.Clock.Now()))(v)
			}},
			{"signing out", func() *sallyporttest.Visitor {
				v := site.Visitor()
				v.SignIn(e.Owner)
				return v
			}, form("/sign-out", "")},
		} {
			for _, lost := range []bool{false, true} {
				failures := 0
				for k := 1; ; k++ {
					e.Clock.Advance(2 * time.Minute)
					e.Exec("DELETE FROM tries")
					e.Exec("DELETE FROM sign_ins")
					e.Exec("DELETE FROM sessions")
					f.failAt(0, false)
					v := s.ready()
					uncounted := "UPDATE users SET changes = 0, changes_since = 0" // these are counted like tries
					e.Exec(uncounted)
					before, tries := e.Dump("tries", "events", "unsealed", "outbox", "sign_ins", "drafts"), ""
					begun := e.Dump(slices.DeleteFunc(e.Tables(), func(t string) bool { return t == "sign_ins" || t == "drafts" })...)
					events := len(e.Query("SELECT id FROM events"))
					f.failAt(k, lost)
					p := v.Through(broken).Send(s.send(v))
					if len(f.seen) < k {
						if k == 1 {
							t.Fatalf("%s: runs no statement", s.what)
						}
						break // it has fewer than k statements
					}
					if lost && f.seen[k-1] != "commit" {
						continue
					}
					failures++
					what := fmt.Sprintf("%s, failing at %d (%.40s), lost %v", s.what, k, f.seen[k-1], lost)
					if p.Status < 500 || p.Alert() == "" || strings.Contains(p.Body, errDisk.Error()) {
						t.Errorf("%s: %d %s", what, p.Status, p.Location)
					}
					for _, c := range p.Cookies {
						if c.Value != "" {
							t.Errorf("%s: sets %s", what, c.Name)
						}
					}
					e.Exec(uncounted)
					after := e.Dump("tries", "events", "unsealed", "outbox", "sign_ins", "drafts")
					tries = fmt.Sprint(e.Query("SELECT * FROM tries"))
					if !lost && after != before {
						t.Errorf("%s: something was only partly saved:\n%s", what, newLines(before, after))
					}
					first := !slices.Contains(f.seen[:k-1], "commit")
					if now := e.Dump(slices.DeleteFunc(e.Tables(), func(t string) bool { return t == "sign_ins" || t == "drafts" })...); first && !lost && now != begun {
						t.Errorf("%s: a step was only partly saved:\n%s", what, newLines(begun, now))
					}
					if lost && after != before && len(e.Query("SELECT id FROM events")) == events {
						t.Errorf("%s: a change without its event", what)
					}
					if strings.HasSuffix(s.what, "password") && !first && tries == "[]" {
						t.Errorf("%s: a hash was computed, but the try was not counted", what)
					}
				}
				if failures == 0 {
					t.Errorf("%s: nothing failed", s.what)
				}
			}
		}
		f.failAt(0, false)
		e.Clock.Advance(time.Hour)
		e.Exec("DELETE FROM tries")
		v := site.Visitor().Through(broken)
		v.SignIn(mia) // once the database works again, so does signing in
	})
}

// newLines returns the lines of after that are not in before.
func newLines(before, after string) string {
	old := strings.Split(before, "\n")
	return strings.Join(slices.DeleteFunc(strings.Split(after, "\n"), func(l string) bool { return slices.Contains(old, l) }), "\n")
}

// TestI39_SameStatementsAndOneHash counts what a sign-in costs: the cost must not reveal who has an account.
func TestI39_SameStatementsAndOneHash(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		site := sallyporttest.NewSite(t, e)
		costly, f := node(t, e, site, sallyporttest.Cheap)
		add := func(name, assignment string) string {
			address := name + "@acme.example"
			_, err := costly.AddUser(t.Context(), e.Console(), address, name, sallyport.Member, sallyporttest.Password)
			e.Check(err)
			if assignment != "" {
				e.Exec("UPDATE users SET "+assignment+" WHERE address = $1", address)
			}
			return address
		}
		people := map[string]string{
			"known": add("known", ""), "suspended": add("susanne", "state = 'suspended'"), "temporary, over": add("tom", "temporary_ends = 1"),
			"invited": add("ivan", "state = 'invited', password_hash = ''"), "forced": add("frida", "must_set_up = 1"),
			"no password": add("nora", "password_hash = ''"), "locked": add("lotte", ""), "unknown": "unknown@acme.example",
			"unknown and locked": "locked@acme.example", "no address": "this is none", "two factors": add("theo", "two_factor = 1"),
		}
		for _, address := range []string{people["locked"], people["unknown and locked"]} {
			for range 10 {
				site.Visitor().Post("/sign-in", sallyporttest.Fields{"email": address, "password": "wrong"})
			}
		}
		cost := func(address, password string) (string, int64) {
			e.Exec("DELETE FROM tries WHERE bucket = 'address'")
			f.failAt(0, false)
			before := e.Service.Hasher.Computed()
			site.Visitor().Through(costly).Post("/sign-in", sallyporttest.Fields{"email": address, "password": password})
			return strings.Join(f.seen, "\n"), e.Service.Hasher.Computed() - before
		}
		want, _ := cost(people["unknown"], "wrong")
		if n := strings.Count(want, "\n"); n < 5 {
			t.Fatalf("%d statements:\n%s", n, want)
		}
		for kind, address := range people {
			for _, password := range []string{"wrong", sallyporttest.Password} {
				right := password == sallyporttest.Password
				if right && slices.Contains([]string{"known", "forced", "two factors"}, kind) {
					continue // these get further
				}
				got, hashes := cost(address, password)
				if got != want {
					t.Errorf("%s, password correct: %v, runs\n%s\nbut an unknown address\n%s", kind, right, got, want)
				}
				if hashes != 1 {
					t.Errorf("%s, password correct: %v, computes %d hashes", kind, right, hashes)
				}
			}
		}
	})
}

// TestI24_RaisedWhileTheHashIsComputed raises a person's epoch, or changes their password or state, after the try is
// counted and before the password is judged.
func TestI24_RaisedWhileTheHashIsComputed(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		site := sallyporttest.NewSite(t, e)
		ben := e.Add("ben@acme.example", sallyport.Member)
		for what, raise := range map[string]string{
			"everything ended": "epoch = epoch + 1", "password changed": "password_hash = '', epoch = epoch + 1", "suspended": "state = 'suspended'",
			"password changed alone": "password_hash = ''",
		} {
			store, err := sqlstore.Open(context.Background(), e.Database)
			e.Check(err)
			t.Cleanup(func() { store.Close() })
			armed := false
			store.Tap(func(at string) error {
				if armed && at == sqlstore.Lost {
					armed = false
					e.Exec("UPDATE users SET "+raise+" WHERE id = $1", ben.ID)
				}
				return nil
			})
			s := *e.Service
			s.Store = store
			broken := site.Over(sallyport.New(s))
			armed = true
			v := site.Visitor().Through(broken)
			if p := v.GivePassword(ben); p.Status != http.StatusUnprocessableEntity || armed || v.SignedIn() {
				t.Errorf("%s while the hash was computed: %d %s, armed %v", what, p.Status, p.Location, armed)
			}
			e.Exec("UPDATE users SET state = 'active', password_hash = $1 WHERE id = $2", ben.PasswordHash.Reveal(), ben.ID)
		}
	})
}
