package web_test

import (
	"crypto/sha1"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// makeTemporary turns the person's password into a temporary one that expires after left.
func makeTemporary(e *sallyporttest.Env, p sallyporttest.Person, left time.Duration) {
	e.T.Helper()
	e.Exec(`UPDATE users SET temporary_ends = $1 WHERE id = $2`, e.Clock.Now().Add(left).UnixMilli(), p.ID)
}

func TestI27_ATemporaryPasswordOpensOnlyTheChoiceOfAnother(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		makeTemporary(e, p, 72*time.Hour)
		second := s.Visitor()
		second.GivePassword(p)
		v := s.Visitor()
		if got := v.GivePassword(p); got.Location != "/sign-in/password" || v.SignedIn() {
			t.Fatalf("a temporary password leads to %s", got.Location)
		}
		for _, path := range []string{"/account", "/account/password", "/account/2fa/set-up", "/sign-in/2fa", "/sign-in/set-up"} {
			if got := v.Get(path); got.Status != http.StatusSeeOther || got.LocationPath() != "/sign-in" && got.LocationPath() != "/sign-in/password" {
				t.Errorf("%s answers %d %s", path, got.Status, got.Location)
			}
		}
		if got := v.Post("/account/password", sallyporttest.Fields{"current_password": p.Password, "new_password": newPassword}); got.LocationPath() != "/sign-in/password" {
			t.Errorf("the other way to a password answers %d %s", got.Status, got.Location)
		}
		for password, why := range map[string]string{
			p.Password:                "the password that you have now",
			"short":                   "at least 15 characters",
			"":                        "at least 15 characters",
			"aaaaaaaaaaaaaaaaaaaa":    "easy to guess",
			"mia@acme.example acme":   "made from your name",
			strings.Repeat("x", 5000): "too long",
		} {
			got := v.Post("/sign-in/password", sallyporttest.Fields{"new_password": password})
			if got.Status != http.StatusUnprocessableEntity || !strings.Contains(got.Alert(), why) || v.SignedIn() {
				t.Errorf("%.30q: %d %s", password, got.Status, got.Alert())
			}
		}
		if got := v.Post("/sign-in/password", sallyporttest.Fields{"new_password": newPassword}); got.Location != "/" || !v.SignedIn() {
			t.Fatalf("choosing: %d %s %s", got.Status, got.Location, got.Alert())
		}
		if got := s.Visitor().GivePassword(p); got.Status != http.StatusUnprocessableEntity {
			t.Errorf("the temporary password is not dead: %d %s", got.Status, got.Location)
		}
		if got := second.Post("/sign-in/password", sallyporttest.Fields{"new_password": newPassword + "2"}); got.Status != http.StatusGone {
			t.Errorf("an earlier sign-in is still valid: %d %s", got.Status, got.Location)
		}
		p.Password = newPassword
		s.Visitor().SignIn(p)
	})
}

func TestI27_ATemporaryPasswordEnds(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		makeTemporary(e, p, 5*time.Minute)
		v := s.Visitor()
		v.GivePassword(p)
		e.Clock.Advance(5 * time.Minute)
		if got := v.Post("/sign-in/password", sallyporttest.Fields{"new_password": newPassword}); got.Status != http.StatusGone || v.SignedIn() {
			t.Errorf("chosen too late: %d %s", got.Status, got.Alert())
		}
		if got := s.Visitor().GivePassword(p); got.Status != http.StatusUnprocessableEntity {
			t.Errorf("too late: %d %s", got.Status, got.Location)
		}
		if requestReset(s, p.Address) != "" {
			t.Error("a mailed link would bring it back")
		}
	})
}

func TestI27_TwoFactorFollowsTheChoice(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		s.Visitor().Enrol(&p, "Pixel")
		makeTemporary(e, p, time.Hour)
		v := s.Visitor()
		v.GivePassword(p)
		if got := v.Post("/sign-in/password", sallyporttest.Fields{"new_password": "violin-harbour-31"}); got.Location != "/sign-in/2fa" || v.SignedIn() {
			t.Fatalf("%d %s %s", got.Status, got.Location, got.Alert())
		}
		v.Post("/sign-in/2fa", sallyporttest.Fields{"code": p.Code(e.Clock.Now())})
		if !v.SignedIn() {
			t.Fatalf("%d %s", v.Page.Status, v.Page.Alert())
		}
		if long := e.Query(`SELECT password_long FROM users WHERE id = $1`, p.ID)[0][0]; long != "1" {
			t.Errorf("17 characters are kept as %s", long)
		}
	})
}

// A password that was long enough together with a second factor must be replaced before it is the only factor (SPEC
// section 4).
func TestAShortPasswordIsNoOnlyFactor(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		short := func() {
			e.Exec(`UPDATE users SET password_long = 0 WHERE id = $1`, p.ID)
		}
		short()
		v := s.Visitor()
		if got := v.GivePassword(p); got.Location != "/sign-in/password" || v.SignedIn() {
			t.Fatalf("without a second factor it leads to %s", got.Location)
		}
		if got := v.Get("/sign-in/password"); !strings.Contains(got.Body, "only your password protects it") {
			t.Errorf("the page says: %s", got.Body)
		}
		if got := v.Post("/sign-in/password", sallyporttest.Fields{"new_password": newPassword}); got.Location != "/" || !v.SignedIn() {
			t.Fatalf("choosing: %d %s %s", got.Status, got.Location, got.Alert())
		}
		p.Password = newPassword
		s.Visitor().Enrol(&p, "Pixel")
		short()
		if got := s.Visitor().GivePassword(p); got.Location != "/sign-in/2fa" {
			t.Errorf("with a second factor it leads to %s", got.Location)
		}
	})
}

func change(v *sallyporttest.Visitor, current, password string) *sallyporttest.Page {
	return v.Post("/account/password", sallyporttest.Fields{"current_password": current, "new_password": password})
}

func TestI22_ChangingThePasswordNeedsAFreshCode(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		v.Enrol(&p, "Pixel")
		e.Clock.Advance(6 * time.Minute)
		for _, path := range []string{"/account/password", "/account/email"} {
			if got := v.Get(path); !strings.HasPrefix(got.Location, "/step-up") {
				t.Errorf("%s: %d %s", path, got.Status, got.Location)
			}
		}
		if got := change(v, p.Password, newPassword); !strings.HasPrefix(got.Location, "/step-up") {
			t.Errorf("%d %s", got.Status, got.Location)
		}
		if got := v.Post("/account/email", sallyporttest.Fields{"email": "new@acme.example"}); !strings.HasPrefix(got.Location, "/step-up") {
			t.Errorf("%d %s", got.Status, got.Location)
		}
		if len(e.WaitingMails("new@acme.example")) > 0 {
			t.Error("a mail was sent all the same")
		}
		s.Visitor().SignIn(p)
	})
}

func TestI24_ANewPasswordEndsTheRest(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v, other, half := s.Visitor(), s.Visitor(), s.Visitor()
		v.Enrol(&p, "Pixel")
		other.SignIn(p)
		e.Clock.Advance(time.Minute)
		half.GivePassword(p)
		link := requestReset(s, p.Address)
		old := v.Fork()
		for current, wants := range map[string]string{"not it": "not right", p.Password: "the password that you have now"} {
			if got := change(v, current, p.Password); got.Status != http.StatusUnprocessableEntity || !strings.Contains(got.Alert(), wants) {
				t.Errorf("%q to the same: %d %s", current, got.Status, got.Alert())
			}
		}
		if got := change(v, p.Password, newPassword); got.Location != "/account/password" || !v.SignedIn() {
			t.Fatalf("%d %s %s", got.Status, got.Location, got.Alert())
		}
		if old.SignedIn() || other.SignedIn() {
			t.Error("the old value or another session lives (I31)")
		}
		if got := half.Post("/sign-in/2fa", sallyporttest.Fields{"code": p.Code(e.Clock.Now())}); half.SignedIn() || got.Status != http.StatusGone {
			t.Errorf("an earlier sign-in is still valid: %d %s", got.Status, got.Location)
		}
		if got := s.Visitor().Get(link); got.Status != http.StatusGone {
			t.Errorf("a mailed link from before works: %d", got.Status)
		}
		if !slices.ContainsFunc(e.WaitingMails(p.Address), func(m sallyporttest.WaitingMail) bool { return m.Kind == "password.changed" }) {
			t.Error("the user is not told (I53)")
		}
		if got := s.Visitor().GivePassword(p); got.Status != http.StatusUnprocessableEntity {
			t.Errorf("the old password: %d %s", got.Status, got.Location)
		}
	})
}

func TestI37_TheCurrentPasswordIsTriedOnTheSameBudget(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		v.SignIn(p)
		for i := range 4 {
			change(v, fmt.Sprint("wrong", i), newPassword)
			v.Post("/step-up", sallyporttest.Fields{"password": fmt.Sprint("wrong", i)})
		}
		fork := v.Fork()
		fork.SetCookie("session", "")
		for i := range 2 {
			fork.Post("/sign-in", sallyporttest.Fields{"email": p.Address, "password": fmt.Sprint("wrong", i)})
		}
		got := change(v, p.Password, newPassword)
		if got.Status != http.StatusUnprocessableEntity || !strings.Contains(got.Alert(), "not right") {
			t.Errorf("ten wrong ones at three doors, then the right one: %d %s", got.Status, got.Alert())
		}
		e.Clock.Advance(15 * time.Minute)
		if got := change(v, p.Password, newPassword); got.Location != "/account/password" {
			t.Errorf("after a quarter of an hour: %d %s", got.Status, got.Alert())
		}
	})
}

func TestI44_TooManyHashesAtOnce(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		link := requestReset(s, p.Address)
		v := s.Visitor()
		v.SignIn(p)
		full := *e.Service
		full.Hasher = passwd.NewHasher(0, 0)
		busy := s.Over(&full)
		for range 30 {
			for _, got := range []*sallyporttest.Page{
				change(v.Fork().Through(busy), p.Password, newPassword),
				s.Visitor().Through(busy).Post(link, sallyporttest.Fields{"new_password": newPassword}),
			} {
				if got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
					t.Fatalf("%d %s", got.Status, got.Text())
				}
			}
		}
		if got := change(v, p.Password, newPassword); got.Location != "/account/password" {
			t.Errorf("the tries were not given back: %d %s", got.Status, got.Alert())
		}
	})
}

func TestPasswordsAreHashedAnewWhenParametersRise(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		p := e.Add("mia@acme.example", sallyport.Member)
		hash := func() string { return e.Query(`SELECT password_hash FROM users WHERE id = $1`, p.ID)[0][0] }
		before := hash()
		risen := *e.Service
		risen.Hash.Memory *= 2
		s := sallyporttest.NewSite(t, e)
		node := s.Over(&risen)
		s.Visitor().SignIn(p)
		if hash() != before {
			t.Error("it was hashed again without a reason")
		}
		s.Visitor().Through(node).Post("/sign-in", sallyporttest.Fields{"email": p.Address, "password": "wrong"})
		if hash() != before {
			t.Error("a wrong password is kept")
		}
		v := s.Visitor().Through(node)
		v.SignIn(p)
		after := hash()
		if !strings.Contains(after, fmt.Sprintf("m=%d,", risen.Hash.Memory)) {
			t.Errorf("the hash is %s, and was %s", after, before)
		}
		if !v.SignedIn() {
			t.Error("the session ended by it")
		}
		s.Visitor().SignIn(p)
	})
}

func TestLongPasswords(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		v.SignIn(p)
		long := newPassword + strings.Repeat("correct horse ", 71)
		if len(long) < 1<<10 {
			t.Fatal("it is no KiB")
		}
		if got := change(v, p.Password, long); got.Location != "/account/password" {
			t.Fatalf("%d %s", got.Status, got.Alert())
		}
		p.Password = long[:len(long)-1] + "x"
		if got := s.Visitor().GivePassword(p); got.Status != http.StatusUnprocessableEntity {
			t.Errorf("another last character: %d %s", got.Status, got.Location)
		}
		p.Password = long
		s.Visitor().SignIn(p)
		before := e.Dump("sessions")
		huge := sallyporttest.Request{Method: "POST", Target: "/sign-in", Header: v.PostHeader(), Body: "email=mia%40acme.example&password=" + strings.Repeat("x", 10<<20)}
		if got, err := s.Visitor().TrySend(t.Context(), huge); err == nil && got.Status != http.StatusRequestEntityTooLarge {
			t.Errorf("10 MiB: %d", got.Status)
		}
		if e.Dump("sessions") != before {
			t.Error("10 MiB reached the rules")
		}
	})
}

func TestPasswordsOfAListOnDisk(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		dir := t.TempDir()
		if _, err := passwd.Build(strings.NewReader(fmt.Sprintf("%X:3\n", sha1.Sum([]byte(newPassword)))), dir); err != nil {
			t.Fatal(err)
		}
		list, err := passwd.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		e.Compromised = list
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		v.SignIn(p)
		if got := change(v, p.Password, newPassword); got.Status != http.StatusUnprocessableEntity || !strings.Contains(got.Alert(), "stolen") {
			t.Errorf("%d %s", got.Status, got.Alert())
		}
		list.Close()
		if got := change(v, p.Password, newPassword); got.Status != http.StatusInternalServerError {
			t.Errorf("with a list that cannot be read: %d %s (I11)", got.Status, got.Text())
		}
		s.Visitor().SignIn(p)
	})
}
