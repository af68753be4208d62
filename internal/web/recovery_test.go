package web_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

type fields = sallyporttest.Fields

const codesPage = "/account/2fa/recovery-codes"

// eachSite runs a test on both databases, with a person who has an authenticator and recovery codes.
func eachSite(t *testing.T, fn func(t *testing.T, s *sallyporttest.Site, p *sallyporttest.Person)) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		s.Visitor().Enrol(&p, "Pixel")
		if len(p.RecoveryCodes) != 8 {
			t.Fatalf("set-up shows %d recovery codes", len(p.RecoveryCodes))
		}
		fn(t, s, &p)
	})
}

// recovering returns a visitor that has signed in with one of the person's recovery codes.
func recovering(s *sallyporttest.Site, p *sallyporttest.Person) *sallyporttest.Visitor {
	s.T.Helper()
	v := s.Visitor()
	v.GivePassword(*p)
	v.Post("/sign-in/2fa/recovery", fields{"recovery_code": p.RecoveryCodes[0]})
	p.RecoveryCodes = p.RecoveryCodes[1:]
	if v.Page.Location != afterRecovery || !v.SignedIn() {
		s.T.Fatalf("after a recovery code: %d %s %s", v.Page.Status, v.Page.Location, v.Page.Alert())
	}
	return v
}

// confirmAuthenticator continues from the first page of a set-up to the page after its code.
func confirmAuthenticator(s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person) {
	s.T.Helper()
	var err error
	if p.Secret, err = otp.DecodeSecret(v.Follow().Key()); err != nil {
		s.T.Fatalf("no key on the page %s: %d %s", v.Page.Target, v.Page.Status, v.Page.Alert())
	}
	f := v.Page.Form("code")
	f.Values.Set("code", p.Code(s.Clock.Now()))
	v.PostValues(f.Action, f.Values)
	v.Follow()
}

func TestI09_RecoveryCodeWorksOnceOnThePages(t *testing.T) {
	eachSite(t, func(t *testing.T, s *sallyporttest.Site, p *sallyporttest.Person) {
		for _, mode := range []string{sallyport.RecoveryRolling, sallyport.RecoveryOnce} {
			s.Exec(`UPDATE policies SET recovery_code_mode = $1`, mode)
			code := p.RecoveryCodes[0]
			recovering(s, p)
			again := s.Visitor().Through(s.Node())
			again.GivePassword(*p)
			again.Post("/sign-in/2fa/recovery", fields{"recovery_code": code})
			if again.Page.Status != http.StatusUnprocessableEntity || again.SignedIn() {
				t.Errorf("%s, a second time: %d %s", mode, again.Page.Status, again.Page.Location)
			}
			if say := map[string]string{sallyport.RecoveryRolling: "not right", sallyport.RecoveryOnce: "already used"}[mode]; !strings.Contains(again.Page.Alert(), say) {
				t.Errorf("%s: the page says %q", mode, again.Page.Alert())
			}
		}
	})
}

func TestBothFieldsTakeBothKinds(t *testing.T) {
	eachSite(t, func(t *testing.T, s *sallyporttest.Site, p *sallyporttest.Person) {
		tests := []struct {
			name, path, field string
			typed             func() string
			to, alert         string
		}{
			{"a code", "/sign-in/2fa", "code", func() string { return p.Code(s.Clock.Now()) }, "/", ""},
			{"a recovery code for a code", "/sign-in/2fa", "code", func() string { return p.RecoveryCodes[0] }, afterRecovery, ""},
			{"a recovery code", "/sign-in/2fa/recovery", "recovery_code", func() string { return p.RecoveryCodes[1] }, afterRecovery, ""},
			{"a code for a recovery code", "/sign-in/2fa/recovery", "recovery_code", func() string { return p.Code(s.Clock.Now()) }, "/", ""},
			{"a wrong code for a recovery code", "/sign-in/2fa/recovery", "recovery_code", func() string { return "000 000" }, "", "This code is not right"},
			{"a wrong recovery code for a code", "/sign-in/2fa", "code", func() string { return p.RecoveryCodes[0] }, "", "This recovery code is not right"},
			{"neither", "/sign-in/2fa", "code", func() string { return "12345" }, "", "Enter the 6 digits"},
			{"neither, in the other", "/sign-in/2fa/recovery", "recovery_code", func() string { return "ABCDE" }, "", "25 letters and digits"},
		}
		for _, test := range tests {
			s.Clock.Advance(time.Minute)
			v := s.Visitor()
			v.GivePassword(*p)
			v.Get(test.path)
			f := v.Page.Form(test.field)
			f.Values.Set(test.field, test.typed())
			v.PostValues(f.Action, f.Values)
			if v.Page.Location != test.to || !strings.Contains(v.Page.Alert(), test.alert) || v.SignedIn() != (test.to != "") {
				t.Errorf("%s: %d %q %q", test.name, v.Page.Status, v.Page.Location, v.Page.Alert())
			}
			if test.alert != "" && !strings.Contains(v.Page.Body, "field-"+test.field+`-error"`) {
				t.Errorf("%s: the error is at no field", test.name)
			}
		}
	})
}

func TestI20_CodesShownOnceNeverComeBack(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		e.Exec(`UPDATE policies SET recovery_code_mode = 'once', require_2fa = 'everyone'`)
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		v.Enrol(&p, "Pixel")
		if len(p.RecoveryCodes) != 8 || !v.SignedIn() {
			t.Fatalf("set-up shows %d recovery codes", len(p.RecoveryCodes))
		}
		if sealed := e.Query(`SELECT code FROM recovery_codes WHERE user_id = $1 AND code IS NOT NULL`, p.ID); len(sealed) > 0 {
			t.Errorf("the database keeps more than hashes of %d codes", len(sealed))
		}
		for _, path := range []string{codesPage, codesPage + ".txt", "/account/2fa/set-up?step=codes", "/sign-in/set-up?step=codes", "/sign-in/set-up/recovery-codes.txt"} {
			v.Get(path)
			for range 3 {
				for _, code := range p.RecoveryCodes {
					if strings.Contains(v.Page.Body, code) {
						t.Fatalf("%s shows a code again", path)
					}
				}
				if v.Page.Location != "" {
					v.Get(v.Page.Location)
				}
			}
		}
		if !v.Get(codesPage).Has("8 of 8 codes are left") {
			t.Errorf("the page says %s", v.Page.Text())
		}
	})
}

func TestI60_RecoveredSessionIsRestricted(t *testing.T) {
	eachSite(t, func(t *testing.T, s *sallyporttest.Site, p *sallyporttest.Person) {
		s.Exec(`UPDATE policies SET trusted_device_days = 14`)
		v := recovering(s, p)
		refused := func(when string) {
			t.Helper()
			tries := map[string]*sallyporttest.Page{
				"show":               v.Get(codesPage),
				"download":           v.Get(codesPage + ".txt"),
				"ask to make":        v.Get(codesPage + "/regenerate"),
				"make":               v.Post(codesPage+"/regenerate", nil),
				"say they are saved": v.Post(codesPage, fields{"saved": "yes"}),
				"ask to disable":     v.Get("/account/2fa/disable"),
				"disable":            v.Post("/account/2fa/disable", nil),
			}
			for what, page := range tries {
				if page.Status < 400 || page.Location != "" || len(page.RecoveryCodes()) > 0 || strings.Contains(page.Body, p.RecoveryCodes[0]) {
					t.Errorf("%s, %s: %d %s", when, what, page.Status, page.Location)
				}
			}
			if u := s.Query(`SELECT two_factor, recovery_left FROM users WHERE id = $1`, p.ID); u[0][0] != "1" || u[0][1] != "8" {
				t.Errorf("%s: %v", when, u)
			}
		}
		refused("at once")
		s.Clock.Advance(time.Minute)
		v.Post("/step-up?to=/account", fields{"recovery_code": p.RecoveryCodes[1]})
		if v.Page.Status != http.StatusSeeOther {
			t.Fatalf("step-up: %d %s", v.Page.Status, v.Page.Alert())
		}
		refused("after a step-up by another recovery code")

		trusting := s.Visitor()
		trusting.GivePassword(*p)
		trusting.Post("/sign-in/2fa", fields{"code": p.RecoveryCodes[2], "trust": "yes"})
		if trusting.Cookies()["trust"] != "" || len(s.Query(`SELECT id FROM trusted_devices`)) > 0 || !trusting.SignedIn() {
			t.Error("a recovery code made a trusted device")
		}

		v.Post("/account/2fa/change", fields{"name": "New phone"})
		old := *p
		confirmAuthenticator(s, v, p)
		if v.Get(codesPage).Status != http.StatusOK || len(v.Page.RecoveryCodes()) != 8 {
			t.Errorf("after the new authenticator: %d %s", v.Page.Status, v.Page.Alert())
		}
		s.Clock.Advance(time.Minute)
		if again := s.Visitor(); again.GivePassword(old).Location != "/sign-in/2fa" || again.Post("/sign-in/2fa", fields{"code": old.Code(s.Clock.Now())}).Status != http.StatusUnprocessableEntity {
			t.Errorf("the old authenticator still works: %s", again.Page.Location)
		}
	})
}

func TestRecoveryCodesPages(t *testing.T) {
	eachSite(t, func(t *testing.T, s *sallyporttest.Site, p *sallyporttest.Person) {
		v := s.Visitor()
		v.SignIn(*p)
		if v.Get(codesPage); !slices.Equal(v.Page.RecoveryCodes(), p.RecoveryCodes) {
			t.Fatalf("shown: %d %v", v.Page.Status, v.Page.RecoveryCodes())
		}
		file := v.Get(codesPage + ".txt")
		if got := file.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment") || file.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("the file: %v", file.Header)
		}
		if !strings.Contains(file.Body, strings.Join(p.RecoveryCodes, "\r\n")) || !strings.Contains(file.Body, "Acme: mia@acme.example") {
			t.Errorf("the file says %q", file.Body)
		}
		if v.Get(codesPage + "/regenerate"); !v.Page.Has("stop working at once") {
			t.Fatalf("it does not ask first: %d %s", v.Page.Status, v.Page.Text())
		}
		v.Post(codesPage+"/regenerate", nil)
		fresh := v.Follow().RecoveryCodes()
		if len(fresh) != 8 || slices.Contains(fresh, p.RecoveryCodes[0]) {
			t.Fatalf("made: %v", fresh)
		}
		if v.Get("/account"); !v.Page.Has("You have not saved your recovery codes") {
			t.Error("nothing reminds of codes that are not saved")
		}
		if v.Post(codesPage, nil); v.Page.Status != http.StatusUnprocessableEntity || !slices.Equal(v.Page.RecoveryCodes(), fresh) {
			t.Errorf("without the tick: %d %v", v.Page.Status, v.Page.RecoveryCodes())
		}
		v.Post(codesPage, fields{"saved": "yes"})
		if v.Follow(); v.Page.Target != "/account/2fa" || v.Page.Has("You have not saved") || v.Cookies()["codes"] != "" {
			t.Errorf("with the tick: %s %v", v.Page.Target, v.Cookies())
		}
		s.Clock.Advance(sallyport.StepUpLimit + time.Second)
		for _, path := range []string{codesPage, codesPage + ".txt", codesPage + "/regenerate"} {
			v.Get(path)
			if v.Follow(); !strings.HasPrefix(v.Page.Target, "/step-up") {
				t.Errorf("%s five minutes later: %s", path, v.Page.Target)
			}
		}
	})
}

// TestSignInThatEnrols: the person leaves before the tick that the recovery codes are saved, and comes back.
func TestSignInThatEnrols(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		e.Exec(`UPDATE policies SET require_2fa = 'everyone'`)
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		if v.GivePassword(p).Location != "/sign-in/set-up" {
			t.Fatalf("the password leads to %s", v.Page.Location)
		}
		v.Post("/sign-in/set-up", fields{"name": "Pixel"})
		confirmAuthenticator(s, v, &p)
		codes := v.Page.RecoveryCodes()
		if len(codes) != 8 || v.SignedIn() {
			t.Fatalf("after the code: %s, %d codes, signed in %v", v.Page.Target, len(codes), v.SignedIn())
		}
		if file := v.Get("/sign-in/set-up/recovery-codes.txt"); !strings.Contains(file.Body, strings.Join(codes, "\r\n")) {
			t.Errorf("the file says %d %q", file.Status, file.Body)
		}
		if v.Get("/sign-in/set-up"); v.Follow().Target != "/sign-in/set-up?step=codes" || !slices.Equal(v.Page.RecoveryCodes(), codes) {
			t.Errorf("back at the address: %s", v.Page.Target)
		}
		v.Get("/account")
		v.Post("/sign-in/2fa", fields{"code": p.Code(s.Clock.Now().Add(30 * time.Second))})
		if v.SignedIn() {
			t.Error("the tick can be skipped")
		}
		if other := v.Fork(); other.Post("/sign-in/set-up?step=codes", nil).Status != http.StatusUnprocessableEntity || other.SignedIn() {
			t.Errorf("without the tick: %d", other.Page.Status)
		}

		s.Clock.Advance(time.Minute)
		later := s.Visitor()
		later.SignIn(p)
		if later.Get("/account"); !later.Page.Has("You have not saved your recovery codes") || !slices.Contains(later.Page.Links(), codesPage) {
			t.Errorf("nothing reminds: %s", later.Page.Text())
		}
		v.Post("/sign-in/set-up?step=codes", fields{"saved": "yes"})
		if !v.SignedIn() {
			t.Fatalf("the tick does not end the sign-in: %d %s", v.Page.Status, v.Page.Alert())
		}
		if later.Get("/account"); later.Page.Has("You have not saved") {
			t.Error("it reminds still")
		}
	})
}

func TestFewCodesAreLeft(t *testing.T) {
	eachSite(t, func(t *testing.T, s *sallyporttest.Site, p *sallyporttest.Person) {
		s.Exec(`UPDATE policies SET recovery_code_mode = 'once'`)
		for left := 7; left >= 0; left-- {
			recovering(s, p)
			s.Clock.Advance(time.Minute)
			v := s.Visitor()
			v.SignIn(*p)
			if warns := v.Get("/account").Has("left. Make new ones"); warns != (left <= 2) {
				t.Errorf("with %d left it warns: %v", left, warns)
			}
		}
	})
}

// TestI20_SavedRecoveryCodesAreNotShownAgain: after the tick that the codes are saved, an old cookie does not show them
// again, not even in the browser and the session that it was made for.
func TestI20_SavedRecoveryCodesAreNotShownAgain(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		e.Exec(`UPDATE policies SET recovery_code_mode = 'once', version = version + 1`)
		p, v := e.Add("mia@acme.example", sallyport.Member), s.Visitor()
		v.SignIn(p)
		v.Post("/account/2fa/set-up", fields{"name": "Pixel"})
		v.Post("/account/2fa/set-up", fields{"code": codeOf(t, s, v.Follow().Key())})
		for _, saved := range []string{"/account/2fa/set-up?step=codes", codesPage} {
			kept := v.Cookies()["codes"]
			if shown := v.Get(codesPage).RecoveryCodes(); kept == "" || len(shown) != 8 {
				t.Fatalf("before the tick: %d codes, the cookie %q", len(shown), kept)
			}
			if got := v.Post(saved, fields{"saved": "yes"}); got.Status != http.StatusSeeOther || v.Cookies()["codes"] != "" {
				t.Fatalf("saved: %d %s", got.Status, got.Alert())
			}
			v.SetCookie("codes", kept)
			for _, path := range []string{codesPage, codesPage + ".txt", "/account/2fa/set-up?step=codes", "/account/2fa/change?step=codes"} {
				v.Get(path)
				if got := v.Follow(); len(got.RecoveryCodes()) > 0 || strings.Contains(got.Body, "\r\n") {
					t.Errorf("saved at %s, and %s shows the codes again: %s", saved, path, got.Text())
				}
			}
			if got := v.Post("/account/2fa/recovery-codes/regenerate", nil); got.Status != http.StatusSeeOther {
				t.Fatalf("regenerated: %d %s", got.Status, got.Alert())
			}
		}
	})
}
