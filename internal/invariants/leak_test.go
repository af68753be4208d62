package invariants_test

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/internal/seal"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// journey does everything that the pages offer, with right and wrong input, and returns every secret that occurs, by its
// description.
func journey(t *testing.T, s *Site) map[string]string {
	secrets := map[string]string{}
	take := func(what string, v *Visitor) {
		for name, value := range v.Cookies() {
			if name != "notice" && value != "" {
				secrets[fmt.Sprintf("cookie %s %s (%d)", name, what, len(secrets))] = value
			}
		}
	}
	mia := member(s, "mia")
	v := s.Visitor()
	v.Post("/sign-in", Fields{"email": mia.Address, "password": "a-wrong-password-of-mias"})
	v.GivePassword(mia)
	take("after the password", v)
	v.Enrol(&mia, "Pixel")
	take("after enrolling", v)
	secrets["key"] = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mia.Secret)
	secrets["key in groups"] = otp.Group(secrets["key"])
	secrets["raw key"] = string(mia.Secret)
	for i, code := range mia.RecoveryCodes {
		secrets[fmt.Sprint("recovery code ", i)] = code
		secrets[fmt.Sprint("recovery code without dashes ", i)] = strings.ReplaceAll(code, "-", "")
	}
	secrets["password"], secrets["wrong password"] = mia.Password, "a-wrong-password-of-mias"
	v.Post("/step-up", Fields{"code": mia.Code(s.Clock.Now())})
	take("after step-up", v)
	v.Post("/account/2fa/set-up", Fields{"name": "Tablet"})
	secrets["key of a draft"] = v.Follow().Key()
	s.Clock.Advance(minute)
	w := atChallenge(s, mia)
	take("half-way", w)
	answer(w, wrongCode(s, mia))
	answer(w, mia.Code(s.Clock.Now()))
	answer(w, mia.Code(s.Clock.Now()))
	take("signed in", w)
	for _, r := range append(routes(http.MethodGet), routes(http.MethodPost)...) {
		if r.Path == "/sign-out" || r.Path == "/account/2fa/disable" {
			continue
		}
		if !w.SignedIn() {
			t.Fatalf("signed out before %s, so the rest of the journey would test nothing", r.Path)
		}
		path := strings.ReplaceAll(r.Path, "none", "token-that-was-mailed")
		w.Send(Request{Method: r.Method, Target: path + "?code=secret-in-a-query", Header: w.PostHeader(), Body: "password=secret-in-a-form&code=123456&new_password=secret-in-a-form"})
	}
	secrets["token in a path"], secrets["secret in a query"], secrets["secret in a form"] = "token-that-was-mailed", "secret-in-a-query", "secret-in-a-form"
	for what, secret := range secrets {
		if len(secret) < 10 {
			t.Fatalf("%s is %q, which is too short to search for", what, secret)
		}
	}
	return secrets
}

// encodingOf returns the encoding in which a text contains a secret, or "" if it does not.
func encodingOf(all, secret string) string {
	for how, written := range map[string]string{
		"as it is": secret, "in base64": base64.StdEncoding.EncodeToString([]byte(secret)), "in hex": hex.EncodeToString([]byte(secret)),
		"in base64 for addresses": base64.RawURLEncoding.EncodeToString([]byte(secret)), "quoted": strings.Trim(fmt.Sprintf("%q", secret), `"`),
	} {
		if strings.Contains(all, written) {
			return how
		}
	}
	if raw, err := base64.RawURLEncoding.DecodeString(secret); err == nil && len(raw) >= 32 && strings.Contains(all, string(raw[len(raw)-32:])) {
		return "as its bytes"
	}
	return ""
}

func TestI47_ACopyOfTheDatabaseHoldsNoSecret(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		secrets := journey(t, s)
		all := s.Dump()
		var cells strings.Builder
		for _, table := range s.Tables() {
			for _, row := range s.Query("SELECT * FROM " + table) {
				cells.WriteString(strings.Join(row, "\n"))
			}
		}
		all += cells.String()
		if !s.Postgres() {
			files, err := filepath.Glob(s.Database + "*")
			s.Check(err)
			for _, file := range files {
				b, err := os.ReadFile(file)
				s.Check(err)
				all += string(b)
			}
		}
		for what, secret := range secrets {
			if how := encodingOf(all, secret); how != "" {
				t.Errorf("the database contains a secret, %s: %s", how, what)
			}
		}
		// The database cannot be turned into cookies: it has the ids, but only hashes of the secret parts.
		for _, table := range []string{"sessions", "sign_ins"} {
			for _, row := range s.Query("SELECT user_id, id, hash FROM " + table) {
				forged := base64.RawURLEncoding.EncodeToString([]byte(idBytes(row[0]) + idBytes(row[1]) + row[2]))
				v := s.Visitor()
				v.SetCookie("session", forged)
				v.SetCookie("sign-in", forged)
				if v.SignedIn() || v.Get("/sign-in/2fa").Status == http.StatusOK {
					t.Errorf("a cookie made from the table %s is accepted", table)
				}
			}
		}
	})
}

// idBytes returns the 16 bytes after the prefix of an id.
func idBytes(id string) string {
	b, err := base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding).DecodeString(id[4:])
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestI48_CiphertextIsBoundToItsRow(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, _ := enrolled(s, "mia")
		eve, _ := enrolled(s, "eve")
		s.Exec("UPDATE authenticators SET secret = (SELECT a.secret FROM authenticators a WHERE a.user_id = $1) WHERE user_id = $2", eve.ID, mia.ID)
		for whose, code := range map[string]string{"Eve's": eve.Code(s.Clock.Now()), "Mia's": mia.Code(s.Clock.Now())} {
			v := atChallenge(s, mia)
			if p := answer(v, code); v.SignedIn() || p.Status < 400 {
				t.Errorf("%s code signs Mia in after the secrets were swapped: %d", whose, p.Status)
			}
		}
		if events(s, "authenticator.unreadable") == 0 || !strings.Contains(s.Logged(), "cannot be read") {
			t.Error("no alarm was raised")
		}
		if n := len(s.Query("SELECT id FROM users WHERE id = $1 AND two_factor = 1", mia.ID)); n != 1 {
			t.Error("Mia lost her two-factor authentication")
		}
	})
}

func TestI49_LogsContainNoSecrets(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		secrets := journey(t, s)
		logged := s.Logged()
		if strings.Count(logged, "msg=request") < 20 {
			t.Fatal("requests are not logged")
		}
		for what, secret := range secrets {
			if how := encodingOf(logged, secret); how != "" {
				t.Errorf("the log contains a secret, %s: %s", how, what)
			}
		}
	})
}

// newService returns another Service on the site's database, not started.
func newService(s *Site, database string, keys *seal.Keyset) *sallyport.Service {
	s.T.Helper()
	store, err := sqlstore.Open(context.Background(), database)
	s.Check(err)
	s.T.Cleanup(func() { store.Close() })
	other := *s.Service
	other.Store, other.Keys = store, keys
	return sallyport.New(other)
}

func TestI50_AnotherKeysetDoesNotStart(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		keys, err := seal.Generate()
		s.Check(err)
		before := s.Dump()
		if err := newService(s, s.Database, keys).Start(t.Context()); !errors.Is(err, sallyport.ErrKeyset) {
			t.Errorf("with another keyset: %v", err)
		}
		if diff := changed(before, s.Dump()); diff != "" {
			t.Errorf("the failed start changed:\n%s", diff)
		}
		// If two nodes start with an empty database, one creates the check value, and the other must refuse its own.
		kind := "sqlite"
		if s.Postgres() {
			kind = "postgres"
		}
		empty := sallyporttest.Database(t, kind)
		outcome := make(chan error, 2)
		var nodes []*sallyport.Service
		for range 2 {
			keys, err := seal.Generate()
			s.Check(err)
			nodes = append(nodes, newService(s, empty, keys))
		}
		for _, n := range nodes {
			go func() { outcome <- n.Start(context.Background()) }()
		}
		a, b := <-outcome, <-outcome
		if (a == nil) == (b == nil) || !errors.Is(errors.Join(a, b), sallyport.ErrKeyset) {
			t.Errorf("two keysets on an empty database: %v, %v", a, b)
		}
	})
}

func TestI57_NoStaleTruth(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		node := s.Node()
		ben := member(s, "ben")
		v := s.Visitor().Through(node)
		for what, revoke := range map[string]func(){
			"suspended":           func() { setColumns(s, ben, "state = 'suspended'") },
			"epoch raised":        func() { setColumns(s, ben, "epoch = epoch + 1") },
			"forced":              func() { setColumns(s, ben, "must_set_up = 1") },
			"session removed":     func() { s.Exec("DELETE FROM sessions") },
			"signed out here":     func() { v.Fork().Through(s).Post("/sign-out", Fields{}) },
			"required by policy":  func() { require(s, "everyone") },
			"user of another row": func() { s.Exec("UPDATE sessions SET user_id = $1", s.Owner.ID) },
		} {
			v.SignIn(ben)
			if v.Get("/account").Status != http.StatusOK {
				t.Fatal("not signed in")
			}
			revoke()
			if p := v.Get("/account"); p.Status == http.StatusOK {
				t.Errorf("%s: the other node still accepts the session", what)
			}
			setColumns(s, ben, "state = 'active', must_set_up = 0")
			require(s, "optional")
		}
	})
}

func TestI59_TheFirstRunLinkWorksOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		kind := "sqlite"
		if s.Postgres() {
			kind = "postgres"
		}
		keys, err := seal.Generate()
		s.Check(err)
		empty := sallyporttest.Database(t, kind)
		fresh := newService(s, empty, keys)
		fresh.Hash = passwd.Params{Memory: 16 << 10, Time: 4, Threads: 1} // long enough for all requests to pass the first check
		s.Check(fresh.Start(t.Context()))
		site := s.Over(fresh)
		if p := site.Visitor().Get("/sign-in"); p.Status != http.StatusServiceUnavailable {
			t.Errorf("without a workspace: %d", p.Status)
		}
		stale, err := fresh.OpenFirstRun(t.Context())
		s.Check(err)
		token, err := fresh.OpenFirstRun(t.Context())
		s.Check(err)
		owner := func(i int) string {
			return fmt.Sprintf("workspace=Acme&name=Olive&email=owner%d@acme.example&password=%s&role=owner", i, sallyporttest.Password)
		}
		for _, wrong := range []string{stale.Reveal(), token.Reveal() + "A", strings.Repeat("A", 43), "x"} {
			if p := site.Visitor().Get("/first-run/" + wrong); p.Status != http.StatusGone {
				t.Errorf("an invalid link: %d", p.Status)
			}
			v := site.Visitor()
			if p := v.Send(post(v, "/first-run/"+wrong, owner(0))); p.Status != http.StatusGone {
				t.Errorf("a post to an invalid link: %d", p.Status)
			}
		}
		path := "/first-run/" + token.Reveal()
		if site.Visitor().Get(path).Status != http.StatusOK {
			t.Fatal("the link does not work")
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		visitors := make([]*Visitor, 8)
		for i := range visitors {
			v := site.Visitor()
			visitors[i] = v
			wg.Go(func() {
				p, err := v.TrySend(t.Context(), post(v, path, owner(i)))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				} else if p.Status == http.StatusSeeOther && p.Location == "/admin" {
					won++
				} else if p.Status != http.StatusGone {
					t.Errorf("the losing request gets %d %s", p.Status, p.Alert())
				}
			})
		}
		wg.Wait()
		people, err := fresh.Console(t.Context(), "")
		s.Check(err)
		all, err := fresh.Users(t.Context(), people, "", 100)
		s.Check(err)
		if won != 1 || len(all) != 1 {
			t.Errorf("%d first runs succeeded, %d people", won, len(all))
		}
		for _, v := range visitors {
			if v.SignedIn() {
				won--
				ownerIsSignedIn(t, v)
			}
		}
		if won != 0 {
			t.Error("the owner is signed in elsewhere than in the browser that used the link")
		}
		if p := site.Visitor().Get(path); p.Status != http.StatusGone {
			t.Errorf("the used link: %d", p.Status)
		}
		if again, err := fresh.OpenFirstRun(t.Context()); err != nil || again != "" {
			t.Errorf("a new link although there is an owner: %v", err)
		}
		if strings.Contains(s.Logged(), token.Reveal()) {
			t.Error("the log contains the link")
		}
	})
}

// ownerIsSignedIn checks that the session after the first run is like every other.
func ownerIsSignedIn(t *testing.T, v *Visitor) {
	t.Helper()
	if p := v.Get("/admin"); p.Status != http.StatusOK || !p.Has("Olive") {
		t.Errorf("the overview: %d %s", p.Status, p.Alert())
	}
	if p := v.Get("/session"); !p.Has(`"proofs":[{"method":"password"`) || !p.Has(`"role":"owner"`) {
		t.Errorf("the session: %s", p.Text())
	}
	if p := v.Get("/admin/audit"); !p.Has("Signed in") || !p.Has("Workspace created") {
		t.Errorf("the audit log: %s", p.Text())
	}
	if p := v.Get("/admin/access-control"); p.Status != http.StatusOK {
		t.Errorf("access control: %d", p.Status)
	}
	if v.Cookies()["browser"] == "" {
		t.Error("the browser is no known device")
	}
}

// TestI10_WhatWasConsumedIsOnDisk copies the database at the moment of the response, as a crash would leave it.
func TestI10_WhatWasConsumedIsOnDisk(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	mia, _ := enrolled(s, "mia")
	code := mia.Code(s.Clock.Now())
	v := atChallenge(s, mia)
	if answer(v, code).Status != http.StatusSeeOther {
		t.Fatal("the code is refused")
	}
	dir := t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(e.Database + suffix)
		if err != nil && suffix == "" {
			t.Fatal(err)
		}
		s.Check(os.WriteFile(filepath.Join(dir, "copy.db"+suffix), b, 0o600))
	}
	revived := s.Over(newService(s, filepath.Join(dir, "copy.db"), s.Keys))
	w := revived.Visitor()
	w.GivePassword(mia)
	if p := answer(w, code); w.SignedIn() || !p.Has("already used") {
		t.Errorf("the code works again after the crash: %d %s", p.Status, p.Alert())
	}
	if !v.Fork().Through(revived).SignedIn() {
		t.Error("the session of the response is not on disk")
	}
}
