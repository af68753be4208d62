package invariants_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestI01_PasswordAloneOpensTheChallengeOnly(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, _ := enrolled(s, "mia")
		v := atChallenge(s, mia)
		held := v.Cookies()
		if len(held) != 1 || held["sign-in"] == "" {
			t.Fatalf("cookies after the password: %v", held)
		}
		token := held["sign-in"]
		basic := base64.StdEncoding.EncodeToString([]byte(mia.Address + ":" + mia.Password))
		for _, r := range routes(http.MethodGet) {
			for what, header := range map[string]http.Header{
				"as it is":             {},
				"as session":           {"Cookie": {s.CookieName("session") + "=" + token}},
				"as trust":             {"Cookie": {s.CookieName("trust") + "=" + token + "; " + s.CookieName("sign-in") + "=" + token}},
				"as known device":      {"Cookie": {s.CookieName("browser") + "=" + token + "; " + s.CookieName("sign-in") + "=" + token}},
				"Bearer":               {"Authorization": {"Bearer " + token}},
				"Basic":                {"Authorization": {"Basic " + basic}},
				"Basic with the token": {"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(token+":"))}},
			} {
				checkClosed(t, r.Access, what+" "+r.Path, v.Fork().Send(Request{Method: http.MethodGet, Target: r.Path, Header: header}))
			}
			for _, query := range []string{"session=", "token=", "sign-in=", "access_token="} {
				checkClosed(t, r.Access, query+" "+r.Path, v.Fork().Get(r.Path+"?"+query+token))
			}
		}
		if n := len(s.Query("SELECT id FROM sessions WHERE user_id = $1", mia.ID)); n != 1 {
			t.Errorf("%d sessions, want only that of the enrolment", n)
		}
	})
}

// checkClosed fails if a response shows a page that requires a session.
func checkClosed(t *testing.T, access, what string, p *Page) {
	t.Helper()
	if len(sessionCookies(p)) > 0 {
		t.Errorf("%s: sets %v", what, sessionCookies(p))
	}
	if access == "anyone" || access == "signingIn" || access == "outside" {
		if p.Target == "/session" && p.Status != http.StatusUnauthorized {
			t.Errorf("%s: %d", what, p.Status)
		}
		return
	}
	if p.Status < 300 || p.Status == http.StatusSeeOther && !strings.HasPrefix(p.LocationPath(), "/sign-in") {
		t.Errorf("%s: %d %s", what, p.Status, p.Location)
	}
}

func TestI02_NoSessionWithoutSecondFactor(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, _ := enrolled(s, "mia")
		before := sessions(s)
		v := atChallenge(s, mia)
		for _, f := range []Fields{
			{}, {"code": ""}, {"code": " "}, {"code": "000000", "trust": "yes"}, {"trust": "yes"}, {"recovery_code": ""},
			{"password": mia.Password}, {"email": mia.Address, "password": mia.Password},
		} {
			v.Post("/sign-in/2fa", f)
			v.Post("/sign-in/set-up", f)
			v.Post("/sign-in/set-up", Fields{"name": "Thief", "code": "000000"})
			v.Post("/sign-in/set-up", Fields{"name": "Thief"})
			v.Post("/account/2fa/set-up", Fields{"name": "Thief"})
			v.Post("/step-up", Fields{"password": mia.Password, "code": "000000"})
			v.GivePassword(mia)
		}
		if v.SignedIn() || sessions(s) != before {
			t.Fatal("signed in without a second factor")
		}
		if len(s.Query("SELECT id FROM authenticators")) != 1 || len(s.Query("SELECT * FROM drafts")) != 0 {
			t.Fatal("the password alone created an authenticator or a draft")
		}
	})
}

func TestI03_SecondFactorAloneDoesNotSignIn(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, _ := enrolled(s, "mia")
		before := sessions(s)
		v := s.Visitor()
		for _, path := range []string{"/sign-in/2fa", "/sign-in", "/step-up", "/sign-in/set-up"} {
			v.Post(path, Fields{"email": mia.Address, "code": mia.Code(s.Clock.Now()), "password": mia.Code(s.Clock.Now())})
			v.Post(path, Fields{"email": mia.Address, "code": mia.Code(s.Clock.Now())})
		}
		if v.SignedIn() || sessions(s) != before {
			t.Fatal("signed in with a code alone")
		}
		// The code was not burnt: without a sign-in, nobody can burn another user's code.
		s.Visitor().SignIn(mia)
	})
}

func TestI04_NoStepIsSkippedOrRepeated(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, _ := enrolled(s, "mia")
		v := atChallenge(s, mia)
		if p := v.Get("/sign-in/set-up"); p.Location != "/sign-in/2fa" {
			t.Errorf("set-up instead of the code: %d %s", p.Status, p.Location)
		}
		early := v.Fork()
		code := mia.Code(s.Clock.Now())
		if p := answer(v, code); p.Status != http.StatusSeeOther || !v.SignedIn() {
			t.Fatalf("the code: %d %s", p.Status, p.Alert())
		}
		s.Clock.Advance(minute)
		for what, w := range map[string]*Visitor{"the sign-in as it was before": early, "the browser that finished": v.Fork()} {
			w.SetCookie("session", "")
			p := answer(w, mia.Code(s.Clock.Now()))
			if p.Status < 400 && p.LocationPath() != "/sign-in" || w.SignedIn() {
				t.Errorf("%s continues a second time: %d %s", what, p.Status, p.Location)
			}
			if p := w.Get("/sign-in/2fa"); p.Status == http.StatusOK {
				t.Errorf("%s shows the challenge", what)
			}
		}
		if n := len(s.Query("SELECT id FROM sign_ins")); n != 0 {
			t.Errorf("%d sign-ins are left", n)
		}
		// A user who must set up cannot skip the step.
		ben := member(s, "ben")
		setColumns(s, ben, "must_set_up = 1")
		w := s.Visitor()
		if p := w.GivePassword(ben); p.Location != "/sign-in/set-up" {
			t.Fatalf("a user who must set up is sent to %q", p.Location)
		}
		for _, f := range []Fields{{"code": "000000"}, {"code": ""}, {"saved": "yes"}, {"name": ""}} {
			w.Post("/sign-in/set-up", f)
		}
		answer(w, "000000")
		if w.SignedIn() {
			t.Error("signed in without the required set-up")
		}
	})
}

// TestI04_ACodeOutOfTurnIsNotTaken enters the right code while a temporary password must be replaced first.
func TestI04_ACodeBeforeItsStepIsRefused(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, _ := enrolled(s, "mia")
		setColumns(s, mia, fmt.Sprintf("temporary_ends = %d", s.Clock.Now().Add(time.Hour).UnixMilli()))
		v := s.Visitor()
		v.GivePassword(mia)
		before := snapshot(s)
		answer(v, mia.Code(s.Clock.Now()))
		if diff := changed(before, snapshot(s)); diff != "" || v.SignedIn() {
			t.Errorf("a code before its step changed:\n%s", diff)
		}
	})
}

func TestI04_SignInEndsAfterTenMinutes(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, _ := enrolled(s, "mia")
		for after, ends := range map[time.Duration]bool{10*minute - time.Second: false, 10 * minute: true} {
			v := atChallenge(s, mia)
			s.Clock.Advance(after)
			p := answer(v, mia.Code(s.Clock.Now()))
			if v.SignedIn() == ends {
				t.Errorf("after %v: %d %s", after, p.Status, p.Location)
			}
			if ends && (p.Status != http.StatusGone || p.Alert() == "") {
				t.Errorf("an expired sign-in: %d %q", p.Status, p.Alert())
			}
			s.Clock.Advance(minute)
		}
	})
}

func TestI05_TheRecordDecidesWhoSignsIn(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, _ := enrolled(s, "mia")
		eve, _ := enrolled(s, "eve")
		v := atChallenge(s, eve)
		// Eve tries to name Mia in every possible way, then enters her own code.
		token := v.Cookies()["sign-in"]
		raw, err := base64.RawURLEncoding.DecodeString(token)
		s.Check(err)
		mias, err := base64.RawURLEncoding.DecodeString(atChallenge(s, mia).Cookies()["sign-in"])
		s.Check(err)
		for i, mixed := range [][]byte{
			append(append([]byte{}, mias[:16]...), raw[16:]...), // Mia's id, Eve's row and secret
			append(append([]byte{}, mias[:32]...), raw[32:]...), // Mia's id and row, Eve's secret
			append(append([]byte{}, raw[:16]...), mias[16:]...), // Eve's id, Mia's row and secret
			append(append([]byte{}, raw[:32]...), mias[32:]...), // Eve's id and row, Mia's secret
		} {
			w := s.Visitor()
			w.SetCookie("sign-in", base64.RawURLEncoding.EncodeToString(mixed))
			if p := answer(w, eve.Code(s.Clock.Now())); p.Status < 400 && p.LocationPath() != "/sign-in" || w.SignedIn() {
				t.Errorf("combination %d: %d %s", i, p.Status, p.Location)
			}
		}
		v.Post("/sign-in/2fa?email="+mia.Address+"&user="+mia.ID, Fields{
			"code": eve.Code(s.Clock.Now()), "email": mia.Address, "user": mia.ID, "user_id": mia.ID, "id": mia.ID,
		})
		if !v.Get("/session").Has(eve.Address) || v.Page.Has(mia.Address) {
			t.Errorf("signed in as %s", v.Page.Body)
		}
	})
}

func TestI06_ACodeWorksForItsUserOnly(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, _ := enrolled(s, "mia")
		eve, eves := enrolled(s, "eve")
		v := atChallenge(s, mia)
		if p := answer(v, eve.Code(s.Clock.Now())); p.Status != http.StatusUnprocessableEntity || v.SignedIn() {
			t.Fatalf("another user's code: %d", p.Status)
		}
		// Eve's known device and session, added to Mia's sign-in, make no difference.
		for name, value := range eves.Cookies() {
			v.SetCookie(name, value)
		}
		answer(v, eve.Code(s.Clock.Now()))
		if body := v.Get("/session").Body; strings.Contains(body, mia.ID) {
			t.Fatalf("Eve is signed in as Mia: %s", body)
		}
		s.Clock.Advance(minute)
		eves.Post("/step-up", Fields{"code": mia.Code(s.Clock.Now())})
		if strings.Contains(eves.Get("/session").Body, fmt.Sprint(s.Clock.Now().UTC().Format(time.RFC3339))) {
			t.Error("Mia's code counts as fresh proof for Eve")
		}
	})
}

func TestI07_ACodeBurnsItsStepAndAllBefore(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, known := enrolled(s, "mia")
		now := s.Clock.Now()
		next, current, last := mia.Code(now.Add(30*time.Second)), mia.Code(now), mia.Code(now.Add(-30*time.Second))
		if answer(atChallenge(s, mia), next).Status != http.StatusSeeOther {
			t.Fatal("the code of the next step is refused")
		}
		for what, code := range map[string]string{"the same": next, "the current": current, "the one before": last} {
			v := atChallenge(s, mia)
			if p := answer(v, code); p.Status != http.StatusUnprocessableEntity || !p.Has("already used") || v.SignedIn() {
				t.Errorf("%s at sign-in: %d %s", what, p.Status, p.Alert())
			}
			if p := known.Post("/step-up", Fields{"code": code}); p.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s at step-up: %d", what, p.Status)
			}
		}
		s.Clock.Advance(minute)
		s.Visitor().SignIn(mia)
		// A code burnt by a step-up does not sign in either.
		s.Clock.Advance(minute)
		known.Post("/step-up", Fields{"code": mia.Code(s.Clock.Now())})
		v := atChallenge(s, mia)
		if answer(v, mia.Code(s.Clock.Now())); v.SignedIn() {
			t.Error("a code used for a step-up signs in")
		}
	})
}

func TestI08_OneOfSimultaneousUsesSucceeds(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, _ := enrolled(s, "mia")
		second := s.Node()
		const uses = 12
		same := atChallenge(s, mia)
		for what, browser := range map[string]func(i int) *Visitor{
			"a browser each":     func(int) *Visitor { return atChallenge(s, mia) },
			"one and the same":   func(int) *Visitor { return same.Fork() },
			"known and half-way": func(int) *Visitor { return atChallenge(s, mia) },
		} {
			s.Clock.Advance(minute)
			if what == "one and the same" {
				same.GivePassword(mia)
			}
			code := mia.Code(s.Clock.Now())
			before := sessions(s)
			var wg sync.WaitGroup
			var mu sync.Mutex
			won := 0
			for i := range uses {
				v := browser(i)
				if i%2 == 1 {
					v.Through(second)
				}
				wg.Go(func() {
					p, err := v.TrySend(t.Context(), post(v, "/sign-in/2fa", "code="+code))
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						t.Error(err)
					} else if len(sessionCookies(p)) > 0 {
						won++
					}
				})
			}
			wg.Wait()
			if made := sessions(s) - before; won != 1 || made != 1 {
				t.Errorf("%s: %d of %d responses have a session, %d were created", what, won, uses, made)
			}
		}
	})
}

func TestI18_ForcedMeansSetUpOrSignOutOnly(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ben := member(s, "ben")
		v := s.Visitor()
		v.SignIn(ben)
		other := s.Node()
		if v.Get("/account").Status != http.StatusOK {
			t.Fatal("a member cannot open the account")
		}
		require(s, "everyone")
		for _, node := range []*Site{s, other} {
			v.Through(node)
			forcedCrawl(t, s, v)
		}
		v.Through(s)
		if p := v.Get("/account/2fa/set-up"); p.Status != http.StatusOK {
			t.Fatalf("set-up: %d %s", p.Status, p.Location)
		}
		v.Enrol(&ben, "Pixel")
		if p := v.Get("/account"); p.Status != http.StatusOK {
			t.Errorf("after set-up: %d %s", p.Status, p.Location)
		}
	})
}

// forcedCrawl opens every page as a user who must set up first.
func forcedCrawl(t *testing.T, s *Site, v *Visitor) {
	t.Helper()
	open := func(path string) bool {
		for _, p := range []string{"/account/2fa/set-up", "/account/2fa/passkeys/new", "/sign-out", "/help", "/static", "/sign-in", "/step-up", "/first-run", "/.well-known"} {
			if path == "/" || path == p || strings.HasPrefix(path, p+"/") {
				return true
			}
		}
		return false
	}
	before := snapshot(s)
	for _, r := range append(routes(http.MethodGet), routes(http.MethodPost)...) {
		if open(r.Path) {
			continue
		}
		p := v.Fork().Send(post(v, r.Path, ""))
		if r.Method == http.MethodGet {
			p = v.Fork().Get(r.Path)
		}
		switch {
		case r.Path == "/session" && p.Status == http.StatusForbidden && p.Has("set_up_required"):
		case p.Status == http.StatusSeeOther && p.LocationPath() == "/account/2fa/set-up":
		case r.Access == "anyone" && (p.Status == http.StatusNotFound || p.Status == http.StatusGone || p.Status == http.StatusUnprocessableEntity):
			// a mailed link or a form that needs no session
		case r.Access == "anyone" && p.Status == http.StatusOK && strings.HasPrefix(r.Path, "/forgot"):
		default:
			t.Errorf("%s %s is available to a user who must set up first: %d %s", r.Method, r.Path, p.Status, p.Location)
		}
	}
	if diff := changed(before, snapshot(s)); diff != "" {
		t.Errorf("a user who must set up first changed:\n%s", diff)
	}
}
