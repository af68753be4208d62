package invariants_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// newClient returns a new browser with its own address.
func newClient(s *Site, i int) *Visitor {
	return s.Visitor().From(fmt.Sprintf("198.51.%d.%d", 100+i/250, 1+i%250))
}

// giveWrong enters wrong passwords, each from another browser and address.
func giveWrong(s *Site, address string, times int) {
	s.T.Helper()
	for i := range times {
		v := newClient(s, i)
		if p := v.Post("/sign-in", Fields{"email": address, "password": "wrong-password-of-nobody"}); p.Status != http.StatusUnprocessableEntity {
			s.T.Fatalf("wrong password %d: %d %s", i, p.Status, p.Alert())
		}
	}
}

func TestI34_OneBudgetOverSessionsAddressesAndNodes(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, known := enrolled(s, "mia")
		node := s.Node()
		tried := 0
		for i := range 20 {
			s.Clock.Advance(2 * time.Hour) // past every delay
			v := newClient(s, i)
			if i%2 == 1 {
				v.Through(node)
			}
			v.GivePassword(mia)
			switch p := answer(v, wrongCode(s, mia)); p.Status {
			case http.StatusUnprocessableEntity:
				tried++
			case http.StatusTooManyRequests:
			default:
				t.Fatalf("%d: %d", i, p.Status)
			}
		}
		if tried != 10 {
			t.Errorf("%d codes could be tried, not 10", tried)
		}
		v := newClient(s, 99)
		v.GivePassword(mia)
		if p := answer(v, mia.Code(s.Clock.Now())); p.Status != http.StatusTooManyRequests || v.SignedIn() {
			t.Errorf("the right code from an unknown client: %d", p.Status)
		}
		// I38: the browser that Mia has used before is unaffected. Ten wrong codes in 30 days stay counted, whatever she does
		// there; a recovery code lifts the lock.
		known.Post("/sign-out", Fields{})
		known.SignIn(mia)
		s.Clock.Advance(minute)
		v.GivePassword(mia)
		if p := answer(v, mia.Code(s.Clock.Now())); p.Status != http.StatusTooManyRequests || v.SignedIn() {
			t.Errorf("a sign-in on a known device reset the 30-day budget of unknown clients: %d", p.Status)
		}
		v.Post("/sign-in/2fa/recovery", Fields{"recovery_code": mia.RecoveryCodes[0]})
		s.Clock.Advance(minute)
		next := newClient(s, 100)
		next.GivePassword(mia)
		if answer(next, mia.Code(s.Clock.Now())); !next.SignedIn() {
			t.Error("unknown clients are still locked after a recovery code")
		}
	})
}

func TestI35_CancelledTriesAreCounted(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ben := member(s, "ben")
		// One hash at a time, and each is slow, so that clients cancel while it is being computed or waited for.
		slow := *s.Service
		slow.Hasher = passwd.NewHasher(1, 64)
		node := s.Over(sallyport.New(slow))
		hash := s.Query("SELECT password_hash FROM users WHERE id = $1", ben.ID)[0][0]
		setColumns(s, ben, "password_hash = '"+passwd.Decoy(passwd.Params{Memory: 128 << 10, Time: 16, Threads: 1})+"'")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var wg sync.WaitGroup
		var answered atomic.Int32
		for i := range 10 {
			v := newClient(s, i).Through(node)
			wg.Go(func() {
				_, _ = v.TrySend(ctx, post(v, "/sign-in", "email="+ben.Address+"&password=wrong-password"))
				answered.Add(1)
			})
		}
		// Cancel when all tries have been counted or, on a slow machine, when the first response arrives.
		counted := func() (n int) {
			if rows := s.Query("SELECT count FROM tries WHERE subject = $1", ben.ID); len(rows) > 0 {
				n, _ = strconv.Atoi(rows[0][0])
			}
			return n
		}
		for counted() < 10 && answered.Load() == 0 {
			runtime.Gosched()
		}
		before, done := counted(), int(answered.Load())
		cancel()
		wg.Wait()
		if before <= done || counted() < before {
			t.Errorf("%d tries were counted, %d of them got a response; after cancelling the rest %d are counted", before, done, counted())
		}
		setColumns(s, ben, "password_hash = '"+hash+"'")
		for range 10 - before {
			newClient(s, 50).Post("/sign-in", Fields{"email": ben.Address, "password": "wrong-password"})
		}
		if v := newClient(s, 60); v.GivePassword(ben).Status != http.StatusUnprocessableEntity || v.SignedIn() {
			t.Errorf("the budget is not used up: %d", counted())
		}
	})
}

func TestI36_OnePersonOneCounter(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ben := s.Add("Jörg.Müller@acme.example", sallyport.Member)
		spellings := []string{
			"jörg.müller@acme.example", "JÖRG.MÜLLER@ACME.EXAMPLE", " jörg.müller@acme.example ", "jo\u0308rg.mu\u0308ller@acme.example",
			"ｊörg.müller@acme.example", "jörg.müller@ACME.example", "\tJörg.Müller@acme.example\r\n", "jörg.müller＠acme.example",
			"Jörg.Müller@acme.example", "jÖrg.mÜller@acme.EXAMPLE",
		}
		for i, spelling := range spellings {
			if p := newClient(s, i).Post("/sign-in", Fields{"email": spelling, "password": "wrong-password"}); p.Status != http.StatusUnprocessableEntity {
				t.Fatalf("%q: %d", spelling, p.Status)
			}
		}
		rows := s.Query("SELECT subject, count FROM tries WHERE bucket = 'password'")
		if len(rows) != 1 || rows[0][0] != ben.ID || rows[0][1] != "10" {
			t.Fatalf("several counters for one person: %q", rows)
		}
		for _, spelling := range spellings {
			if v := s.Visitor(); v.Post("/sign-in", Fields{"email": spelling, "password": ben.Password}).Status != http.StatusUnprocessableEntity || v.SignedIn() {
				t.Errorf("%q bypasses the counter", spelling)
			}
		}
		s.Clock.Advance(time.Hour)
		for _, spelling := range spellings {
			if v := newClient(s, 7); v.Post("/sign-in", Fields{"email": spelling, "password": ben.Password}).Status != http.StatusSeeOther {
				t.Errorf("%q does not sign Jörg in", spelling)
			}
			s.Clock.Advance(2 * time.Hour)
		}
		// Unknown names also have one counter for all spellings.
		for _, spelling := range []string{"wilhelmina@acme.example", " WILHELMINA@acme.example", "ｗilhelmina@acme.example"} {
			s.Visitor().Post("/sign-in", Fields{"email": spelling, "password": "wrong-password"})
		}
		if n := len(s.Query("SELECT subject FROM tries WHERE bucket = 'password'")); n != 2 {
			t.Errorf("%d counters for two names", n)
		}
		if dump := strings.ToLower(s.Dump("users", "outbox")); strings.Contains(dump, "wilhelmina") {
			t.Error("the database contains a typed name")
		}
	})
}

func TestI37_ALockedAccountIsNoOracle(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ben := member(s, "ben")
		giveWrong(s, ben.Address, 10)
		right := newClient(s, 30).Post("/sign-in", Fields{"email": ben.Address, "password": ben.Password})
		wrong := newClient(s, 31).Post("/sign-in", Fields{"email": ben.Address, "password": "wrong-password"})
		if comparable(right, ben.Address) != comparable(wrong, ben.Address) {
			t.Errorf("while locked, the responses to the right and a wrong password differ:\n%s\n%s", comparable(right, ben.Address), comparable(wrong, ben.Address))
		}
		if right.Status != http.StatusUnprocessableEntity || sessions(s) != 0 {
			t.Errorf("the right password of a locked account: %d", right.Status)
		}
		// A step-up by password uses the same budget: after ten wrong passwords in a known device, sign-in is blocked as well.
		s.Clock.Advance(time.Hour)
		v := s.Visitor()
		v.SignIn(ben)
		for range 10 {
			v.Post("/step-up", Fields{"password": "wrong-password"})
		}
		if p := v.Post("/step-up", Fields{"password": ben.Password}); p.Status < 400 {
			t.Errorf("step-up after ten wrong passwords: %d", p.Status)
		}
		if w := v.Fork(); w.GivePassword(ben).Status < 400 {
			t.Error("sign-in and step-up have different budgets")
		}
	})
}

func TestI38_StrangersLockNobodyOut(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ben := member(s, "ben")
		bens := s.Visitor().From("203.0.113.7")
		bens.SignIn(ben)
		bens.Post("/sign-out", Fields{})
		giveWrong(s, ben.Address, 100)
		if v := newClient(s, 500); v.GivePassword(ben).Status != http.StatusUnprocessableEntity {
			t.Error("an unknown browser can sign in after a hundred wrong passwords")
		}
		if bens.SignIn(ben); !bens.SignedIn() {
			t.Error("Ben is locked out of his own browser")
		}
		// Someone at the same address cannot lock him out either.
		bens.Post("/sign-out", Fields{})
		for i := range 110 {
			s.Visitor().From("203.0.113.7").Post("/sign-in", Fields{"email": fmt.Sprintf("n%d@acme.example", i), "password": "wrong-password"})
		}
		if p := s.Visitor().From("203.0.113.7").Post("/sign-in", Fields{"email": "x@acme.example", "password": "wrong-password"}); p.Status != http.StatusTooManyRequests || p.Header.Get("Retry-After") == "" {
			t.Errorf("the address's own limit: %d", p.Status)
		}
		bens.SignIn(ben)
		// A forged browser cookie does not make a known device.
		v := newClient(s, 501)
		v.SetCookie("browser", strings.Repeat("A", 43))
		if v.GivePassword(ben).Status != http.StatusUnprocessableEntity {
			t.Error("a forged cookie is accepted as a known device")
		}
	})
}

// random matches what differs between any two sign-in pages: the challenge for a passkey, and the cookie it is bound to.
var random = regexp.MustCompile(`data-webauthn="[^"]*"|visitor=[^;]*`)

// comparable returns what a response reveals, without what always differs: the request id, the time, the challenge for a
// passkey, and the typed address.
func comparable(p *Page, address string) string {
	h := p.Header.Clone()
	h.Del("X-Request-Id")
	h.Del("Date")
	h.Del("Content-Length")
	var names []string
	for name := range h {
		names = append(names, fmt.Sprint(name, h[name]))
	}
	slices.Sort(names)
	body := strings.ReplaceAll(p.Body, p.Header.Get("X-Request-Id"), "ID")
	return random.ReplaceAllString(fmt.Sprint(p.Status, names, strings.ReplaceAll(body, address, "ADDRESS")), "")
}

func TestI39_AllNamesLookAlike(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, _ := enrolled(s, "mia")
		people := map[string]Person{
			"known": member(s, "known"), "with two-factor authentication": mia, "suspended": member(s, "susanne"),
			"invited": member(s, "ivan"), "locked": member(s, "lotte"), "unknown": {}, "unknown and locked": {}, "temporary, over": member(s, "tom"),
			"no password": member(s, "nora"), "forced": member(s, "frida"), "no address": {},
		}
		setColumns(s, people["suspended"], "state = 'suspended'")
		setColumns(s, people["invited"], "state = 'invited', password_hash = ''")
		setColumns(s, people["no password"], "password_hash = ''")
		setColumns(s, people["temporary, over"], "temporary_ends = 1")
		setColumns(s, people["forced"], "must_set_up = 1")
		giveWrong(s, people["locked"].Address, 10)
		giveWrong(s, "unknown2@acme.example", 10)
		ask := func(kind, password string) string {
			address := people[kind].Address
			switch kind {
			case "unknown":
				address = "unknown1@acme.example"
			case "unknown and locked":
				address = "unknown2@acme.example"
			case "no address":
				address = "this is none"
			}
			return comparable(s.Visitor().Post("/sign-in", Fields{"email": address, "password": password}), address)
		}
		want := ask("unknown", "wrong-password")
		for kind := range people {
			if got := ask(kind, "wrong-password"); got != want {
				t.Errorf("%s, wrong password:\n%s\nunknown:\n%s", kind, got, want)
			}
		}
		for _, kind := range []string{"suspended", "invited", "locked", "no password", "temporary, over"} {
			if got := ask(kind, sallyporttest.Password); got != want {
				t.Errorf("%s, right password:\n%s\nunknown:\n%s", kind, got, want)
			}
		}
	})
}

func TestI40_CodesAsPeopleTypeThem(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, _ := enrolled(s, "mia")
		arabic := strings.NewReplacer("0", "٠", "1", "١", "2", "٢", "3", "٣", "4", "٤", "5", "٥", "6", "٦", "7", "٧", "8", "٨", "9", "٩")
		wide := strings.NewReplacer("0", "０", "1", "１", "2", "２", "3", "３", "4", "４", "5", "５", "6", "６", "7", "７", "8", "８", "9", "９")
		for what, spell := range map[string]func(string) string{
			"plain":          func(c string) string { return c },
			"space":          func(c string) string { return c[:3] + " " + c[3:] },
			"dash":           func(c string) string { return c[:3] + "-" + c[3:] },
			"line ends":      func(c string) string { return "\r\n" + c + "\r\n" },
			"tabs":           func(c string) string { return "\t" + c + "\t" },
			"no-break space": func(c string) string { return c[:3] + "\u00a0" + c[3:] },
			"zero width":     func(c string) string { return "\u200b" + c + "\ufeff" },
			"direction mark": func(c string) string { return "\u200e" + c },
			"Arabic-Indic":   arabic.Replace,
			"full width":     wide.Replace,
			"many spaces":    func(c string) string { return strings.Join(strings.Split(c, ""), "  ") },
		} {
			s.Clock.Advance(minute)
			v := atChallenge(s, mia)
			if p := answer(v, spell(mia.Code(s.Clock.Now()))); !v.SignedIn() {
				t.Errorf("%s: %d %s", what, p.Status, p.Alert())
			}
		}
		v := atChallenge(s, mia)
		before := snapshot(s)
		code := mia.Code(s.Clock.Now().Add(minute))
		for _, typed := range []string{
			"", " ", "12345", "1234567", code + "0", "0" + code, code[:5], code + "x", "x" + code, "+" + code, code + ".0",
			code[:3] + "," + code[3:], "0x" + code, "1e5", "½½½½½½", "²²²²²²", "一二三四五六", strings.Repeat("1", 60000), strings.Repeat("\u200b", 5000) + code + "7",
		} {
			if p := answer(v, typed); p.Status != http.StatusUnprocessableEntity || p.Alert() == "" || !strings.HasPrefix(p.Title(), "Error: ") {
				t.Errorf("%.40q: %d %s", typed, p.Status, p.Alert())
			}
		}
		if diff := changed(before, snapshot(s)); diff != "" {
			t.Errorf("inputs that are not codes changed:\n%s", diff)
		}
	})
}

func TestI42_OnlyOneStepEitherSide(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, _ := enrolled(s, "mia")
		if len(mia.Secret) != 20 {
			t.Errorf("the secret has %d bits", 8*len(mia.Secret))
		}
		s.Clock.Set(s.Clock.Now().Truncate(30 * time.Second).Add(24 * time.Hour))
		for _, step := range []int{-1000, -21, -20, -3, -2, 2, 3, 20, 21, 1000} {
			s.Clock.Advance(48 * time.Hour)
			s.Exec("DELETE FROM tries")
			v := atChallenge(s, mia)
			if p := answer(v, mia.Code(s.Clock.Now().Add(time.Duration(step)*30*time.Second))); p.Status != http.StatusUnprocessableEntity || v.SignedIn() {
				t.Errorf("code of step %d: %d", step, p.Status)
			}
		}
		for _, step := range []int{-1, 0, 1} {
			for _, into := range []time.Duration{0, 29 * time.Second} {
				s.Clock.Advance(48 * time.Hour)
				s.Clock.Set(s.Clock.Now().Truncate(30 * time.Second).Add(into))
				v := atChallenge(s, mia)
				if p := answer(v, mia.Code(s.Clock.Now().Add(time.Duration(step)*30*time.Second))); !v.SignedIn() {
					t.Errorf("code of step %d, %v into the step: %d %s", step, into, p.Status, p.Alert())
				}
			}
		}
	})
}

func TestI43_AClockThatJumps(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, known := enrolled(s, "mia")
		const jump = 3 * time.Hour
		s.Clock.Advance(jump)
		ahead := mia.Code(s.Clock.Now())
		s.Visitor().SignIn(mia)
		s.Clock.Advance(minute)
		known.Post("/step-up", Fields{"code": mia.Code(s.Clock.Now())})
		s.Clock.Advance(-jump)
		// Proof from the time before the clock was set back is not fresh for three hours.
		s.Clock.Advance(10 * minute)
		if p := known.Get("/account/2fa/set-up"); p.Status == http.StatusOK {
			t.Error("a step-up recorded in the future counts as fresh")
		}
		for what, code := range map[string]string{"now": mia.Code(s.Clock.Now()), "then": ahead} {
			v := atChallenge(s, mia)
			if answer(v, code); v.SignedIn() {
				t.Errorf("the code of %s is accepted after the clock was set back", what)
			}
		}
		s.Check(s.Unlock(t.Context(), s.Console(), mia.Address))
		v := atChallenge(s, mia)
		if answer(v, mia.Code(s.Clock.Now())); v.SignedIn() {
			t.Error("unlocking accepts codes that may have been used")
		}
		s.Clock.Advance(minute)
		if answer(v, mia.Code(s.Clock.Now())); !v.SignedIn() {
			t.Errorf("locked out after unlock: %d %s", v.Page.Status, v.Page.Alert())
		}
		// The latest code used while the clock was ahead stays used.
		s.Clock.Advance(jump - 11*minute)
		w := atChallenge(s, mia)
		if answer(w, mia.Code(s.Clock.Now())); w.SignedIn() {
			t.Error("the code that was used while the clock was ahead is accepted a second time")
		}
		s.Clock.Advance(2 * minute)
		if answer(w, mia.Code(s.Clock.Now())); !w.SignedIn() {
			t.Errorf("locked out: %d %s", w.Page.Status, w.Page.Alert())
		}
	})
}

func TestI43_WaitingForTheClockToCatchUp(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		mia, _ := enrolled(s, "mia")
		s.Clock.Advance(time.Hour)
		s.Visitor().SignIn(mia)
		s.Clock.Advance(-time.Hour)
		s.Clock.Advance(time.Hour + minute)
		s.Visitor().SignIn(mia)
	})
}

func TestI44_HashesAreBounded(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ben := member(s, "ben")
		heavy := *s.Service
		heavy.Hasher = passwd.NewHasher(1, 1)
		heavy.Hash = passwd.Params{Memory: 32 << 10, Time: 4, Threads: 1}
		node := s.Over(sallyport.New(heavy))
		var wg sync.WaitGroup
		var mu sync.Mutex
		statuses := map[int]int{}
		for i := range 16 {
			wg.Go(func() {
				v := newClient(s, i).Through(node)
				p, err := v.TrySend(t.Context(), post(v, "/sign-in", fmt.Sprintf("email=n%d@acme.example&password=wrong-password", i)))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				statuses[p.Status]++
				if p.Status == http.StatusServiceUnavailable && p.Header.Get("Retry-After") == "" {
					t.Error("503 without Retry-After")
				}
			})
		}
		for range 5 {
			if p := s.Visitor().Through(node).Get("/healthz"); p.Status != http.StatusOK {
				t.Errorf("health check under load: %d", p.Status)
			}
		}
		wg.Wait()
		if statuses[http.StatusServiceUnavailable] == 0 || statuses[http.StatusUnprocessableEntity]+statuses[http.StatusServiceUnavailable] != 16 {
			t.Errorf("statuses: %v", statuses)
		}
		for _, row := range s.Query("SELECT subject, count FROM tries WHERE bucket = 'password' AND count > 1") {
			t.Errorf("counted twice: %v", row)
		}
		counted := len(s.Query("SELECT subject FROM tries WHERE bucket = 'password' AND count = 1"))
		if counted != statuses[http.StatusUnprocessableEntity] {
			t.Errorf("%d tries were counted, but %d passwords checked", counted, statuses[http.StatusUnprocessableEntity])
		}
		s.Visitor().Through(node).SignIn(ben)
	})
}

func TestI46_ReturnsStayOnTheHost(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ben := member(s, "ben")
		for _, to := range []string{
			"https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "javascript:alert(1)",
			"/%2fevil.example", "/%5cevil.example", "http://localhost@evil.example", "/sign-in/../../evil", " //evil.example", "/.evil.example", "/nowhere",
			"%09//evil.example", "/account#x",
		} {
			query := "?to=" + strings.NewReplacer("%", "%25", "#", "%23", " ", "%20", "?", "%3f", "\\", "%5c").Replace(to)
			for _, path := range []string{"/sign-in", "/step-up", "/sign-in/2fa", "/sign-out"} {
				v := s.Visitor()
				v.GivePassword(ben)
				p := v.Post(path+query, Fields{"email": ben.Address, "password": ben.Password, "to": to, "return": to, "next": to})
				if p.Status < 400 && p.Status != http.StatusSeeOther {
					t.Errorf("%s to %q: %d after a post", path, to, p.Status)
				}
				if p.Location != "" && !slices.Contains([]string{"/", "/account", "/sign-in", "/sign-in/2fa"}, p.LocationPath()) {
					t.Errorf("%s to %q leads to %q", path, to, p.Location)
				}
			}
		}
		v := s.Visitor()
		v.SignIn(ben)
		if p := v.Post("/step-up?to=%2Faccount%2F2fa", Fields{"password": ben.Password}); p.Location != "/account/2fa" {
			t.Errorf("the step-up leads to %q", p.Location)
		}
	})
}

// TestI46_LinksLeadHome checks that the form of a mailed link leads to our own pages, whatever other fields are sent.
func TestI46_LinksStayOnTheHost(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ben := member(s, "ben")
		_, ada := addSignedIn(s, "ada", sallyport.Admin)
		for i, to := range []string{"//evil.example", "https://evil.example/"} {
			newcomer := fmt.Sprintf("nia%d@acme.example", i)
			ada.Post("/admin/users/new", Fields{"email": newcomer, "name": "Nia", "role": "member"})
			s.Clock.Advance(time.Second)
			s.Visitor().Post("/forgot?to="+to, Fields{"email": ben.Address, "to": to})
			for _, link := range []string{invitationLink.FindString(lastMail(s, newcomer)), s.MailedLink("password.forgotten", ben.Address).Path} {
				p := s.Visitor().Post(link+"?to="+to, Fields{
					"name": "Nia", "new_password": fmt.Sprintf("quartz-lemon-%d-harbour-vine", i), "to": to, "return": to, "next": to,
				})
				if p.Status != http.StatusSeeOther || p.LocationPath() != "/sign-in" {
					t.Errorf("%.12s... leads to %q: %d %s", link, p.Location, p.Status, p.Alert())
				}
			}
		}
	})
}
