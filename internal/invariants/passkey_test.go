package invariants_test

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

var challengeOf = regexp.MustCompile(`data-webauthn="([^"]*)"`)

// challenge returns the options for a passkey that a page contains.
func challenge(t *testing.T, p *Page) []byte {
	t.Helper()
	found := challengeOf.FindStringSubmatch(p.Body)
	if found == nil {
		t.Fatalf("%s asks for no passkey: %d %s %s", p.Title(), p.Status, p.Location, p.Alert())
	}
	return []byte(html.UnescapeString(found[1]))
}

// addKey adds a passkey in a signed-in browser that has just given a second factor, or has none.
func addKey(t *testing.T, s *Site, v *Visitor, p Person) *sallyporttest.Passkey {
	t.Helper()
	key := sallyporttest.NewPasskey(s.URL, p.ID)
	answer := key.Create(t, challenge(t, v.Get("/account/2fa/passkeys/new")))
	if p := v.Post("/account/2fa/passkeys/new", Fields{"credential": answer, "name": "Key"}); p.Status != http.StatusSeeOther {
		t.Fatalf("adding a passkey: %d %s", p.Status, p.Alert())
	}
	return key
}

// keyed adds a person who has nothing but a passkey, and returns a browser in which they are signed in.
func keyed(t *testing.T, s *Site, name string) (Person, *sallyporttest.Passkey, *Visitor) {
	t.Helper()
	p, v := member(s, name), s.Visitor()
	v.SignIn(p)
	return p, addKey(t, s, v, p), v
}

// alone signs in with nothing but a passkey.
func alone(t *testing.T, v *Visitor, key *sallyporttest.Passkey) *Page {
	t.Helper()
	return v.Post("/sign-in", Fields{"credential": key.Sign(t, challenge(t, v.Get("/sign-in")))})
}

// TestI02_PasskeysAndPasswords: the password alone opens the challenge (I01), a passkey without the password opens nothing
// unless it verified its user (I03, I70), and both open a session.
func TestI02_PasskeysAndPasswords(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, key, _ := keyed(t, s, "mia")
		v := atChallenge(s, mia)
		if v.Get("/account").Location == "" || v.SignedIn() {
			t.Error("the password alone opens the account")
		}
		options := challenge(t, v.Get("/sign-in/2fa"))
		if p := s.Visitor().Post("/sign-in/2fa", Fields{"credential": key.Sign(t, options)}); p.Status == http.StatusSeeOther && p.LocationPath() == "/" {
			t.Error("a passkey in a browser without the password signs in")
		}
		key.Options.UserNotVerified = true
		w := s.Visitor()
		if p := alone(t, w, key); p.Status != http.StatusUnprocessableEntity || w.SignedIn() {
			t.Errorf("a passkey alone that verified nobody: %d %s", p.Status, p.Location)
		}
		if v.Post("/sign-in/2fa", Fields{"credential": key.Sign(t, challenge(t, v.Get("/sign-in/2fa")))}); !v.SignedIn() {
			t.Errorf("password and passkey: %d %s", v.Page.Status, v.Page.Alert())
		}
		key.Options.UserNotVerified = false
		if alone(t, w, key); !w.SignedIn() {
			t.Errorf("a passkey that verified its user: %d %s", w.Page.Status, w.Page.Alert())
		}
	})
}

// TestI06_KeysOfOthers: nobody else's key works, nor one of another workspace, nor one with somebody else's name on it.
func TestI06_KeysOfOthers(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, _, _ := keyed(t, s, "mia")
		_, bens, _ := keyed(t, s, "ben")
		address, _ := secondWorkspace(s)
		v := atChallenge(s, mia)
		if v.Post("/sign-in/2fa", Fields{"credential": bens.Sign(t, challenge(t, v.Get("/sign-in/2fa")))}); v.SignedIn() {
			t.Error("Ben's key after Mia's password")
		}
		bens.Options.UserHandle = []byte(mia.ID)
		w := s.Visitor()
		if alone(t, w, bens); w.SignedIn() {
			t.Error("Ben's key that says it is Mia's")
		}
		bens.Options.UserHandle = nil
		w = s.Visitor().At(address)
		if p := alone(t, w, bens); w.SignedIn() || p.Status != http.StatusUnprocessableEntity {
			t.Errorf("Ben's key in another workspace: %d", p.Status)
		}
	})
}

// TestI08_OneAnswerOneSession: of many simultaneous uses of one answer, on two nodes, one signs in.
func TestI08_OneAnswerOneSession(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		_, key, v := keyed(t, s, "mia")
		v.Post("/sign-out", Fields{})
		before, other := sessions(s), s.Node()
		w := s.Visitor()
		answer := key.Sign(t, challenge(t, w.Get("/sign-in")))
		var all sync.WaitGroup
		for i := range 8 {
			one := w.Fork()
			if i%2 == 1 {
				one.Through(other)
			}
			all.Go(func() {
				if _, err := one.TrySend(context.Background(), post(one, "/sign-in", url.Values{"credential": {answer}}.Encode())); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := sessions(s) - before; n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

// TestI19_AddingAPasskey needs the proofs that adding an app needs (I70). After a recovery code it replaces everything, and
// lifts the restriction (I60).
func TestI19_AddingAPasskey(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, v := enrolled(s, "mia")
		s.Clock.Advance(sallyport.StepUpLimit + minute)
		if p := v.Get("/account/2fa/passkeys/new"); p.LocationPath() != "/step-up" {
			t.Errorf("with an old proof: %d %s", p.Status, p.Location)
		}
		if p := v.Post("/account/2fa/passkeys/new", Fields{"credential": "{}"}); s.Query("SELECT count(*) FROM passkeys")[0][0] != "0" {
			t.Errorf("posting with an old proof: %d %s", p.Status, p.Location)
		}
		w := atChallenge(s, mia)
		w.Post("/sign-in/2fa/recovery", Fields{"recovery_code": mia.RecoveryCodes[0]})
		if p := w.Get("/account/2fa/recovery-codes"); p.Status == http.StatusOK {
			t.Error("a restricted session sees recovery codes")
		}
		addKey(t, s, w, mia)
		if n := s.Query("SELECT count(*) FROM authenticators WHERE user_id = $1", mia.ID)[0][0]; n != "0" {
			t.Errorf("%s apps are left after a recovery code", n)
		}
		if p := w.Get("/account/2fa/recovery-codes"); p.Status != http.StatusOK {
			t.Errorf("after adding a passkey, the session is still restricted: %d %s", p.Status, p.Location)
		}
	})
}

// TestI24_ChangesOfPasskeysEndTheRest: adding or removing a passkey ends all other sessions and trust, on all nodes.
func TestI24_ChangesOfPasskeysEndTheRest(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		s.Exec("UPDATE policies SET trusted_device_days = 14")
		mia, v := enrolled(s, "mia")
		other := s.Visitor().Through(s.Node())
		again := func() {
			t.Helper()
			s.Clock.Advance(minute)
			other.GivePassword(mia)
			if other.Post("/sign-in/2fa", Fields{"code": mia.Code(s.Clock.Now()), "trust": "yes"}); !other.SignedIn() {
				t.Fatalf("signing in elsewhere: %d %s", other.Page.Status, other.Page.Alert())
			}
		}
		again()
		v.Post("/step-up", Fields{"code": mia.Code(s.Clock.Now().Add(30 * 1e9))})
		addKey(t, s, v, mia)
		if other.SignedIn() {
			t.Error("after adding a passkey, another session lives on")
		}
		if to := other.GivePassword(mia).Location; to != "/sign-in/2fa" {
			t.Errorf("after adding a passkey, a device is still trusted: %s", to)
		}
		s.Clock.Advance(minute)
		again()
		id := s.Query("SELECT id FROM passkeys WHERE user_id = $1", mia.ID)[0][0]
		v.Post("/step-up", Fields{"code": mia.Code(s.Clock.Now().Add(30 * 1e9))})
		if p := v.Post("/account/2fa/passkeys/"+id+"/remove", Fields{}); p.Status != http.StatusSeeOther || !strings.HasPrefix(p.Location, "/account/2fa") {
			t.Fatalf("removing it: %d %s %s", p.Status, p.Location, p.Alert())
		}
		if other.SignedIn() || !v.SignedIn() {
			t.Error("after removing a passkey, another session lives on, or this one has ended")
		}
	})
}

// TestI34_WrongPasskeysShareABudget: across sign-ins and nodes, ten wrong passkeys in an hour are recorded. More are refused,
// but the right one is not, because nobody can guess it.
func TestI34_WrongPasskeysShareABudget(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, key, _ := keyed(t, s, "mia")
		_, bens, _ := keyed(t, s, "ben")
		nodes := []*Site{s, s.Node()}
		try := func(i int, with *sallyporttest.Passkey) *Visitor {
			v := atChallenge(s, mia)
			v.Through(nodes[i%2])
			v.Post("/sign-in/2fa", Fields{"credential": with.Sign(t, challenge(t, v.Get("/sign-in/2fa")))})
			return v
		}
		for i := range 10 {
			if v := try(i, bens); v.Page.Status != http.StatusUnprocessableEntity {
				t.Fatalf("wrong passkey %d: %d", i, v.Page.Status)
			}
		}
		if v := try(0, bens); v.Page.Status != http.StatusTooManyRequests || events(s, "passkey.wrong") != 10 {
			t.Errorf("the eleventh: %d, with %d events", v.Page.Status, events(s, "passkey.wrong"))
		}
		if v := try(1, key); !v.SignedIn() {
			t.Errorf("the right passkey after that: %d %s", v.Page.Status, v.Page.Alert())
		}
		s.Clock.Advance(60 * minute)
		if v := try(0, bens); v.Page.Status != http.StatusUnprocessableEntity {
			t.Errorf("an hour later: %d", v.Page.Status)
		}
	})
}

// TestI18_OnlyAPasskeyWillDo crawls all pages in a session that a code began, while a passkey is required.
func TestI18_OnlyAPasskeyWillDo(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, v := enrolled(s, "mia")
		s.Exec("UPDATE policies SET phishing_resistant = 'everyone', version = version + 1")
		for _, node := range []*Site{s, s.Node()} {
			v.Through(node)
			for _, r := range append(routes(http.MethodGet), routes(http.MethodPost)...) {
				if r.Access == "anyone" || r.Access == "signingIn" || r.Access == "outside" || r.Access == "setUp" && r.Path != "/account/2fa/set-up" {
					continue
				}
				p := v.Fork().Send(post(v, r.Path, ""))
				if r.Method == http.MethodGet {
					p = v.Fork().Get(r.Path)
				}
				if p.LocationPath() != "/account/2fa/passkeys/new" {
					t.Errorf("%s %s: %d %s", r.Method, r.Path, p.Status, p.Location)
				}
			}
			if p := v.Get("/session"); p.Status != http.StatusForbidden || !p.Has("set_up_required") {
				t.Errorf("/session: %d", p.Status)
			}
		}
		v.Through(s)
		addKey(t, s, v, mia)
		if p := v.Get("/account"); p.Status != http.StatusOK {
			t.Errorf("after adding one: %d %s", p.Status, p.Location)
		}
	})
}

// TestI61_ApprovalsOverHTTP: the page that waits shows nothing to another browser, and what was approved lets in only the
// browser that asked.
func TestI61_ApprovalsOverHTTP(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		s.Exec("UPDATE policies SET approvals = 1")
		mia, v := enrolled(s, "mia")
		waiting, stranger := atChallenge(s, mia), atChallenge(s, mia)
		if p := waiting.Post("/sign-in/2fa/approve", Fields{}); p.LocationPath() != "/sign-in/2fa/approve" {
			t.Fatalf("asking: %d %s %s", p.Status, p.Location, p.Alert())
		}
		number := waiting.Get("/sign-in/2fa/approve").Data("data-number")
		if p := stranger.Get("/sign-in/2fa/approve"); p.Data("data-number") != "" || p.Status != http.StatusSeeOther {
			t.Errorf("another sign-in of the same person sees it: %d", p.Status)
		}
		if p := stranger.Post("/sign-in/2fa/approve", Fields{}); p.Status != http.StatusConflict {
			t.Errorf("a second request: %d", p.Status)
		}
		form := v.Get("/account/approvals").Form("number")
		if strings.Contains(v.Page.Body, ">"+number+"<") {
			t.Error("the approving page shows the number")
		}
		form.Values.Set("number", number)
		form.Values.Set("answer", "approve")
		if p := v.PostValues(form.Action, form.Values); p.Status != http.StatusSeeOther {
			t.Fatalf("approving: %d %s", p.Status, p.Alert())
		}
		if stranger.Get("/sign-in/2fa/approve"); stranger.SignedIn() {
			t.Error("another sign-in of the same person goes on")
		}
		if s.Visitor().Get("/sign-in/2fa/approve"); sessions(s) != 1 {
			t.Error("a browser without a sign-in goes on")
		}
		if waiting.Get("/sign-in/2fa/approve"); !waiting.SignedIn() {
			t.Errorf("the browser that asked does not go on: %d %s", waiting.Page.Status, waiting.Page.Location)
		}
		if waiting.Get("/sign-in/2fa/approve"); sessions(s) != 2 {
			t.Errorf("%d sessions", sessions(s))
		}
	})
}
