package invariants_test

import (
	"encoding/base32"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/otp"
)

// TestI19_AddingWantsProofOfTheOldOne checks that neither the password, nor a trusted device, nor an old code can add or
// replace an authenticator. A recovery code can, and then the old one is removed.
func TestI19_AddingRequiresProofOfTheOldOne(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		s.Exec("UPDATE policies SET trusted_device_days = 14, version = version + 1")
		mia, old := enrolled(s, "mia")
		trusted := atChallenge(s, mia)
		trusted.Post("/sign-in/2fa", Fields{"code": mia.Code(s.Clock.Now()), "trust": "yes"})
		trusted.Post("/sign-out", Fields{})
		if trusted.GivePassword(mia); !trusted.SignedIn() {
			t.Fatal("the trusted device must enter a code")
		}
		s.Clock.Advance(6 * minute)
		recovering := atChallenge(s, mia)
		recovering.Post("/sign-in/2fa/recovery", Fields{"recovery_code": mia.RecoveryCodes[0]})
		drafts := func() int { return len(s.Query("SELECT holder FROM drafts")) }
		for what, v := range map[string]*Visitor{"an old code": old, "a trusted device": trusted, "a recovery code": recovering} {
			for _, path := range []string{"/account/2fa/set-up", "/account/2fa/change"} {
				if what == "a recovery code" && path == "/account/2fa/change" {
					continue // this is its purpose
				}
				p := v.Post(path, Fields{"name": "Thief's"})
				if p.Status == http.StatusOK || strings.HasPrefix(p.Location, path) || v.Get(path+"?step=scan").Key() != "" || drafts() != 0 {
					t.Errorf("%s adds at %s: %d %s", what, path, p.Status, p.Location)
				}
				v.Post("/step-up?to="+path, Fields{"password": mia.Password})
				if p = v.Post(path, Fields{"name": "Thief's"}); strings.HasPrefix(p.Location, path) || drafts() != 0 {
					t.Errorf("%s and the password add at %s: %d %s", what, path, p.Status, p.Location)
				}
			}
		}
		oldSecret := mia
		recovering.Post("/account/2fa/change", Fields{"name": "New phone"})
		var err error
		if mia.Secret, err = otp.DecodeSecret(recovering.Follow().Key()); err != nil {
			t.Fatalf("after a recovery code: %d %s", recovering.Page.Status, recovering.Page.Alert())
		}
		f := recovering.Page.Form("code")
		f.Values.Set("code", mia.Code(s.Clock.Now()))
		recovering.PostValues(f.Action, f.Values)
		s.Clock.Advance(minute)
		if rows := s.Query("SELECT name FROM authenticators WHERE user_id = $1", mia.ID); len(rows) != 1 || rows[0][0] != "New phone" {
			t.Errorf("authenticators: %q", rows)
		}
		v := atChallenge(s, mia)
		if answer(v, oldSecret.Code(s.Clock.Now())); v.SignedIn() {
			t.Error("the old authenticator signs in")
		}
		if answer(v, mia.Code(s.Clock.Now())); !v.SignedIn() {
			t.Errorf("the new authenticator does not sign in: %d %s", v.Page.Status, v.Page.Alert())
		}
	})
}

func TestI20_SecretsAreNeverShownAgain(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, v := enrolled(s, "mia")
		key := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mia.Secret)
		spaced := otp.Group(key)
		v.Post("/step-up", Fields{"code": mia.Code(s.Clock.Now())})
		for _, r := range append(routes(http.MethodGet), routes(http.MethodPost)...) {
			for _, path := range []string{r.Path, r.Path + "?step=scan", r.Path + "?key=1&secret=1"} {
				if strings.Contains(r.Path, "disable") || strings.Contains(r.Path, "sign-out") {
					continue
				}
				p := v.Fork().Send(Request{Method: r.Method, Target: path, Header: v.PostHeader(), Body: ""})
				if strings.Contains(p.Body, key) || strings.Contains(p.Body, spaced) || strings.Contains(p.Body, string(mia.Secret)) {
					t.Errorf("%s %s shows the key of a confirmed authenticator", r.Method, path)
				}
			}
		}
		// A second draft has its own key.
		v.Post("/account/2fa/set-up", Fields{"name": "Tablet"})
		second := v.Follow().Key()
		v.Post("/account/2fa/set-up", Fields{"name": "Tablet"})
		if third := v.Follow().Key(); second == "" || second == key || third == second {
			t.Errorf("keys: %q %q", second, third)
		}
	})
}

func TestI21_ADraftBelongsToOneSessionForFifteenMinutes(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, v := enrolled(s, "mia")
		w := s.Visitor()
		w.SignIn(mia)
		s.Clock.Advance(minute)
		v.Post("/step-up", Fields{"code": mia.Code(s.Clock.Now())})
		s.Clock.Advance(minute)
		w.Post("/step-up", Fields{"code": mia.Code(s.Clock.Now())})
		v.Post("/account/2fa/set-up", Fields{"name": "Tablet"})
		secret, err := otp.DecodeSecret(v.Follow().Key())
		s.Check(err)
		draft := mia
		draft.Secret = secret
		w.Get("/account/2fa/set-up?step=scan")
		if w.Follow().Key() != "" {
			t.Error("another session sees the draft's key")
		}
		w.Post("/account/2fa/set-up", Fields{"code": draft.Code(s.Clock.Now())})
		if n := len(s.Query("SELECT id FROM authenticators")); n != 1 {
			t.Fatalf("another session confirmed the draft: %d authenticators", n)
		}
		// The active authenticator still works, and the draft's codes do not.
		s.Clock.Advance(minute)
		x := atChallenge(s, mia)
		if answer(x, draft.Code(s.Clock.Now())); x.SignedIn() {
			t.Error("a draft's code signs in")
		}
		if answer(x, mia.Code(s.Clock.Now())); !x.SignedIn() {
			t.Error("the active authenticator does not work during a draft")
		}
		s.Clock.Advance(minute)
		code := draft.Code(s.Clock.Now())
		if p := v.Post("/account/2fa/set-up", Fields{"code": code}); p.Status != http.StatusSeeOther {
			t.Fatalf("confirming: %d %s", p.Status, p.Alert())
		}
		y := atChallenge(s, mia)
		if p := answer(y, code); y.SignedIn() || !p.Has("already used") {
			t.Errorf("the code that confirmed the draft signs in: %d %s", p.Status, p.Alert())
		}
		// Drafts expire after fifteen minutes.
		ben := member(s, "ben")
		b := s.Visitor()
		b.SignIn(ben)
		b.Post("/account/2fa/set-up", Fields{"name": "Pixel"})
		ben.Secret, err = otp.DecodeSecret(b.Follow().Key())
		s.Check(err)
		s.Clock.Advance(15 * minute)
		b.Post("/account/2fa/set-up", Fields{"code": ben.Code(s.Clock.Now())})
		if n := len(s.Query("SELECT id FROM authenticators WHERE user_id = $1", ben.ID)); n != 0 {
			t.Error("a draft was confirmed after fifteen minutes")
		}
	})
}

// sensitive lists the posts that require fresh proof (I22), with valid fields.
var sensitive = map[string]Fields{
	"/account/2fa/set-up":                     {"name": "Tablet"},
	"/account/2fa/change":                     {"name": "Tablet"},
	"/account/2fa/disable":                    {},
	"/account/2fa/authenticators/{id}/remove": {},
	"/account/2fa/recovery-codes":             {},
	"/account/2fa/recovery-codes/regenerate":  {},
	"/account/email":                          {"email": "mia2@acme.example"},
}

func TestI22_FreshProof(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, v := enrolled(s, "mia")
		id := s.Query("SELECT id FROM authenticators WHERE user_id = $1", mia.ID)[0][0]
		s.Exec("UPDATE policies SET trusted_device_days = 14, version = version + 1")
		v.Post("/sign-out", Fields{})
		v.GivePassword(mia)
		v.Post("/sign-in/2fa", Fields{"code": mia.Code(s.Clock.Now()), "trust": "yes"})
		v.Post("/sign-out", Fields{})
		s.Clock.Advance(10 * minute)
		v.GivePassword(mia)
		if !v.SignedIn() {
			t.Fatal("the trusted device is not trusted")
		}
		tried := 0
		state := func() string {
			s.Exec(uncounted)
			return s.Dump("sessions", "events", "unsealed", "tries")
		}
		attempt := func(when string) {
			for _, r := range routes(http.MethodPost) {
				fields, ok := sensitive[strings.ReplaceAll(r.Path, "none", "{id}")]
				if !ok {
					continue
				}
				tried++
				before := state()
				w := v.Fork()
				p := w.Post(strings.ReplaceAll(r.Path, "none", id), fields)
				if !strings.HasPrefix(p.Location, "/step-up") && p.Status < 400 {
					t.Errorf("%s: %s: %d %s", when, r.Path, p.Status, p.Location)
				}
				if diff := changed(before, state()); diff != "" {
					t.Errorf("%s: %s changed:\n%s", when, r.Path, diff)
				}
			}
		}
		attempt("on a trusted device, password just given")
		v.Post("/step-up", Fields{"code": mia.Code(s.Clock.Now())})
		s.Clock.Advance(5*minute + time.Second)
		attempt("five minutes and a second after the code")
		if tried < 6 {
			t.Errorf("only %d posts were tested", tried)
		}
		s.Clock.Advance(minute)
		v.Post("/step-up", Fields{"code": mia.Code(s.Clock.Now())})
		s.Clock.Advance(5 * minute)
		if p := v.Post("/account/2fa/set-up", Fields{"name": "Tablet"}); p.Status != http.StatusSeeOther || strings.HasPrefix(p.Location, "/step-up") {
			t.Errorf("five minutes after the code: %d %s", p.Status, p.Location)
		}
		// A user without a second factor enters the password again.
		ben := member(s, "ben")
		b := s.Visitor()
		b.SignIn(ben)
		s.Clock.Advance(5*minute + time.Second)
		if p := b.Post("/account/2fa/set-up", Fields{"name": "Pixel"}); !strings.HasPrefix(p.Location, "/step-up") {
			t.Errorf("enabling two-factor authentication long after the password: %d %s", p.Status, p.Location)
		}
		if b.Post("/step-up", Fields{"password": "wrong-password"}).Status != http.StatusUnprocessableEntity {
			t.Error("a wrong password is accepted for the step-up")
		}
		b.Post("/step-up", Fields{"password": ben.Password})
		if p := b.Post("/account/2fa/set-up", Fields{"name": "Pixel"}); strings.HasPrefix(p.Location, "/step-up") {
			t.Errorf("after step-up by password: %d %s", p.Status, p.Location)
		}
		// With a second factor, the password is not fresh proof.
		s.Clock.Advance(10 * minute)
		v.Post("/step-up", Fields{"password": mia.Password})
		if p := v.Post("/account/2fa/set-up", Fields{"name": "Tablet"}); !strings.HasPrefix(p.Location, "/step-up") {
			t.Errorf("the password is fresh proof for a user with two-factor authentication: %d %s", p.Status, p.Location)
		}
	})
}

func TestI24_EverythingElseEndsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		node := s.Node()
		ben := member(s, "ben")
		other, third := s.Visitor().Through(node), s.Visitor()
		other.SignIn(ben)
		third.SignIn(ben)
		v := s.Visitor()
		v.Enrol(&ben, "Pixel")
		for what, w := range map[string]*Visitor{"on another node": other, "on this node": third} {
			if w.SignedIn() {
				t.Errorf("a session %s survived the enrolment", what)
			}
		}
		if !v.SignedIn() {
			t.Error("the current session ended")
		}
		half := atChallenge(s, ben)
		v.Post("/step-up", Fields{"code": ben.Code(s.Clock.Now())})
		v.Post("/account/2fa/set-up", Fields{"name": "Tablet"})
		second, err := otp.DecodeSecret(v.Follow().Key())
		s.Check(err)
		tablet := ben
		tablet.Secret = second
		s.Clock.Advance(minute)
		v.Post("/account/2fa/set-up", Fields{"code": tablet.Code(s.Clock.Now())})
		s.Clock.Advance(minute)
		if p := answer(half, ben.Code(s.Clock.Now())); half.SignedIn() || p.Status != http.StatusGone {
			t.Errorf("a sign-in survived an added authenticator: %d", p.Status)
		}
	})
}

// TestI24_AgainstOneInTheSameInstant signs in repeatedly while the user enables two-factor authentication.
func TestI24_AgainstSimultaneousSignIns(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		node := s.Node()
		for range 4 {
			ben := member(s, "ben"+strings.ToLower(time.Now().Format("150405.000000")[7:]))
			v := s.Visitor()
			v.SignIn(ben)
			v.Post("/account/2fa/set-up", Fields{"name": "Pixel"})
			secret, err := otp.DecodeSecret(v.Follow().Key())
			s.Check(err)
			ben.Secret = secret
			var wg sync.WaitGroup
			var racers []*Visitor
			for i := range 6 {
				w := newClient(s, i)
				if i%2 == 0 {
					w.Through(node)
				}
				racers = append(racers, w)
				wg.Go(func() {
					_, err := w.TrySend(t.Context(), post(w, "/sign-in", "email="+ben.Address+"&password="+ben.Password))
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Go(func() {
				_, err := v.TrySend(t.Context(), post(v, "/account/2fa/set-up", "code="+ben.Code(s.Clock.Now())))
				if err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			if !v.SignedIn() || len(s.Query("SELECT id FROM authenticators WHERE user_id = $1", ben.ID)) != 1 {
				t.Fatal("two-factor authentication was not enabled")
			}
			for i, w := range racers {
				if w.SignedIn() {
					t.Errorf("browser %d is signed in with the password alone", i)
				}
			}
		}
	})
}

func TestI31_TheValueChangesAndTheOldOneIsInvalid(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, v := enrolled(s, "mia")
		dead := func(what string, old *Visitor) {
			t.Helper()
			if old.SignedIn() || v.Cookies()["session"] == old.Cookies()["session"] {
				t.Errorf("%s: the old value is still valid", what)
			}
			if !v.SignedIn() {
				t.Errorf("%s: the new value is invalid", what)
			}
		}
		old := v.Fork()
		v.Post("/step-up", Fields{"code": mia.Code(s.Clock.Now())})
		dead("step-up", old)
		old = v.Fork()
		v.Post("/account/2fa/set-up", Fields{"name": "Tablet"})
		tablet := mia
		var err error
		tablet.Secret, err = otp.DecodeSecret(v.Follow().Key())
		s.Check(err)
		v.Post("/account/2fa/set-up", Fields{"code": tablet.Code(s.Clock.Now())})
		dead("set-up", old)
		// Fixation: the attacker's session and sign-in, planted in the victim's browser, never become the victim's.
		ben := member(s, "ben")
		attacker := s.Visitor()
		attacker.SignIn(ben)
		victim := s.Visitor()
		for name, value := range attacker.Cookies() {
			victim.SetCookie(name, value)
		}
		s.Clock.Advance(minute)
		planted := atChallenge(s, mia)
		victim.SetCookie("sign-in", planted.Cookies()["sign-in"])
		victim.GivePassword(mia)
		answer(victim, mia.Code(s.Clock.Now()))
		if got := victim.Get("/session"); !got.Has(mia.Address) {
			t.Fatalf("the victim is signed in as %s", got.Body)
		}
		if got := attacker.Get("/session"); got.Has(mia.Address) {
			t.Errorf("the planted session is signed in as the victim: %s", got.Body)
		}
		if planted.SignedIn() || planted.Get("/sign-in/2fa").Header.Get("Set-Cookie") != "" {
			t.Error("the planted sign-in has advanced")
		}
		if attacker.Cookies()["browser"] == victim.Cookies()["browser"] {
			t.Error("the planted browser is a known device of the victim")
		}
	})
}

func TestI32_SignOutDeletesTheRecordOnTheServer(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		node := s.Node()
		v := s.Visitor()
		v.SignIn(member(s, "ben"))
		thief := v.Fork().Through(node)
		if p := v.Get("/sign-out"); p.Status != http.StatusOK || !thief.SignedIn() {
			t.Fatalf("opening the sign-out page signs out: %d", p.Status)
		}
		v.Post("/sign-out", Fields{})
		if v.SignedIn() || thief.SignedIn() {
			t.Error("the session survived the sign-out")
		}
		if n := sessions(s); n != 0 {
			t.Errorf("%d sessions remain", n)
		}
	})
}

func TestI33_IdleAndAbsoluteLimits(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ben := member(s, "ben")
		v := s.Visitor()
		v.SignIn(ben)
		for hour := 11; hour < 7*24; hour += 11 {
			s.Clock.Advance(11 * time.Hour)
			if !v.SignedIn() {
				t.Fatalf("signed out after %d hours, although never idle for 12", hour)
			}
		}
		s.Clock.Advance(3 * time.Hour)
		if v.SignedIn() {
			t.Error("still signed in after seven days")
		}
		v.SignIn(ben)
		s.Clock.Advance(12*time.Hour - time.Minute)
		if !v.Fork().SignedIn() {
			t.Error("signed out before 12 idle hours")
		}
		s.Clock.Advance(12 * time.Hour)
		if v.SignedIn() {
			t.Error("still signed in after 12 idle hours")
		}
	})
}
