package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// visitors runs a test over HTTP on both databases, with a person who has an authenticator and is signed in.
func visitors(t *testing.T, fn func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person)) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		v.Enrol(&p, "Pixel")
		fn(t, s, v, &p)
	})
}

// ids returns the ids of the person's authenticators, oldest first.
func ids(s *sallyporttest.Site, p sallyporttest.Person) (all []string) {
	for _, row := range s.Query(`SELECT id FROM authenticators WHERE user_id = $1 ORDER BY id`, p.User.ID) {
		all = append(all, row[0])
	}
	return all
}

// wantResponse fails the test unless the newest response has this status and location.
func wantResponse(t *testing.T, v *sallyporttest.Visitor, status int, location string) {
	t.Helper()
	if v.Page.Status != status || v.Page.Location != location {
		t.Fatalf("%s: %d %q, want %d %q: %s", v.Page.Target, v.Page.Status, v.Page.Location, status, location, v.Page.Alert())
	}
}

func code(s *sallyporttest.Site, p *sallyporttest.Person) string { return p.Code(s.Clock.Now()) }

const stale = 6 * time.Minute

// TestI22_ConfirmedIsDoneAfterStepUp: a confirmed post is performed once, as soon as fresh proof is given.
func TestI22_ConfirmedIsDoneAfterStepUp(t *testing.T) {
	visitors(t, func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person) {
		s.Clock.Advance(stale)
		v.Post("/account/2fa/disable", nil)
		stepUp := v.Page.Location
		if v.Page.Status != http.StatusSeeOther || !strings.HasPrefix(stepUp, "/step-up?") {
			t.Fatalf("%d %s", v.Page.Status, stepUp)
		}
		if len(ids(s, *p)) != 1 {
			t.Fatal("it was done without proof")
		}
		if v.Get(stepUp); !v.Page.Has("Disable two-factor authentication") {
			t.Errorf("the page does not name what it is for: %s", v.Page.Text())
		}
		before := v.Fork()
		v.Post(stepUp, sallyporttest.Fields{"code": "000000"})
		wantResponse(t, v, http.StatusUnprocessableEntity, "")
		v.Post(stepUp, sallyporttest.Fields{"code": code(s, p)})
		wantResponse(t, v, http.StatusSeeOther, "/account/2fa")
		if len(ids(s, *p)) != 0 || !v.SignedIn() {
			t.Fatal("it was not done, or the session is gone")
		}
		if before.SignedIn() {
			t.Error("the session's old value lives (I31)")
		}
		if v.Get("/account/2fa"); !v.Page.Has("Disabled") {
			t.Errorf("%s", v.Page.Text())
		}
	})
}

// TestI22_NotConfirmedIsShownAgain: a post that was not confirmed, or was parked for another page or too long ago, is
// shown again and not performed.
func TestI22_NotConfirmedIsShownAgain(t *testing.T) {
	tests := map[string]func(s *sallyporttest.Site, v *sallyporttest.Visitor) string{
		"only looked at": func(_ *sallyporttest.Site, v *sallyporttest.Visitor) string {
			return v.Get("/account/2fa/disable").Location
		},
		"looked at after something was parked": func(_ *sallyporttest.Site, v *sallyporttest.Visitor) string {
			v.Post("/account/2fa/disable", nil)
			return v.Get("/account/2fa/disable").Location
		},
		"something else parked since": func(_ *sallyporttest.Site, v *sallyporttest.Visitor) string {
			to := v.Post("/account/2fa/disable", nil).Location
			v.Post("/account/2fa/set-up", sallyporttest.Fields{"name": "Tablet"})
			return to
		},
		"something else confirmed since": func(s *sallyporttest.Site, v *sallyporttest.Visitor) string {
			to := v.Post("/account/2fa/disable", nil).Location
			id := s.Query(`SELECT id FROM authenticators WHERE name = 'Pixel'`)[0][0]
			v.Post("/account/2fa/authenticators/"+id+"/remove", nil)
			return to
		},
		"ten minutes ago": func(s *sallyporttest.Site, v *sallyporttest.Visitor) string {
			to := v.Post("/account/2fa/disable", nil).Location
			s.Clock.Advance(10 * time.Minute)
			return to
		},
	}
	visitors(t, func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person) {
		for name, park := range tests {
			t.Run(name, func(t *testing.T) {
				s.Clock.Advance(stale)
				v.Post(park(s, v), sallyporttest.Fields{"code": code(s, p)})
				wantResponse(t, v, http.StatusSeeOther, "/account/2fa/disable")
				if v.Follow(); v.Page.Status != http.StatusOK || len(v.Page.Forms()) != 1 || len(ids(s, *p)) != 1 {
					t.Fatalf("%d %s", v.Page.Status, v.Page.Text())
				}
			})
		}
	})
}

// TestI22_ParkedIsAuthorisedAgain: the policy changes between parking and step-up, and now forbids the parked action.
func TestI22_ParkedIsAuthorisedAgain(t *testing.T) {
	visitors(t, func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person) {
		s.Clock.Advance(stale)
		to := v.Post("/account/2fa/disable", nil).Location
		s.Exec(`UPDATE policies SET require_2fa = 'everyone', version = version + 1`)
		v.Post(to, sallyporttest.Fields{"code": code(s, p)})
		wantResponse(t, v, http.StatusConflict, "")
		if len(ids(s, *p)) != 1 || !v.SignedIn() {
			t.Fatal("it was done, or the session is gone")
		}
	})
}

func TestFormsComeBackFilledIn(t *testing.T) {
	visitors(t, func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person) {
		s.SetUpMail()
		s.Clock.Advance(stale)
		v.Post("/account/2fa/set-up", sallyporttest.Fields{"name": "Tablet <b>", "app": "aegis", "code2": "not ours"})
		v.Post(v.Page.Location, sallyporttest.Fields{"code": code(s, p)})
		wantResponse(t, v, http.StatusSeeOther, "/account/2fa/set-up")
		f := v.Follow().Form("name")
		if f.Values.Get("name") != "Tablet <b>" || f.Values.Get("app") != "aegis" {
			t.Fatalf("the form has %v", f.Values)
		}
		v.PostValues(f.Action, f.Values)
		wantResponse(t, v, http.StatusSeeOther, "/account/2fa/set-up?step=scan")
		if dump := s.Dump(); strings.Contains(dump, "Tablet <b>") != true {
			t.Error("the draft has another name")
		}

		s.Clock.Advance(stale)
		v.Post("/account/email", sallyporttest.Fields{"email": "new@acme.example"})
		if page := v.Follow(); !page.Has("Change your e-mail address") {
			t.Errorf("the step-up does not say what it is for: %s", page.Text())
		}
		v.Post(v.Page.Target, sallyporttest.Fields{"code": code(s, p)})
		wantResponse(t, v, http.StatusSeeOther, "/account/email")
		if f := v.Follow().Form("email"); f.Values.Get("email") != "new@acme.example" {
			t.Errorf("the new address is gone: %v", f.Values)
		}
	})
}

// TestParkedIsSealed: parked requests cannot be read in the database.
func TestParkedIsSealed(t *testing.T) {
	visitors(t, func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, _ *sallyporttest.Person) {
		s.Clock.Advance(stale)
		v.Post("/account/2fa/set-up", sallyporttest.Fields{"name": "Zanzibar"})
		if rows := s.Query(`SELECT parked FROM sessions WHERE parked_at > 0`); len(rows) != 1 || strings.Contains(rows[0][0], "Zanzibar") {
			t.Errorf("parked: %q", rows)
		}
	})
}

// TestStepUpLeadsHome: a step-up redirects only to our own pages (I46).
func TestStepUpLeadsHome(t *testing.T) {
	visitors(t, func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person) {
		for to, want := range map[string]string{
			"/account/2fa":                          "/account/2fa",
			"/account/2fa/set-up%3Fstep=scan":       "/account/2fa/set-up?step=scan",
			"https%3A%2F%2Fevil.example%2F":         "/account",
			"%2F%2Fevil.example%2Faccount":          "/account",
			"%2F%5Cevil.example":                    "/account",
			"%2Faccount%2F2fa%23x":                  "/account",
			"%2Fnothing-here":                       "/account",
			"%2Faccount%2F2fa%2F%2e%2e%2F%2e%2e%2F": "/account",
			"":                                      "/account",
		} {
			s.Clock.Advance(time.Minute)
			v.Post("/step-up?to="+to, sallyporttest.Fields{"code": code(s, p)})
			if v.Page.Status != http.StatusSeeOther || v.Page.Location != want {
				t.Errorf("%s: %d %q, want %q", to, v.Page.Status, v.Page.Location, want)
			}
		}
	})
}

// TestI60_RecoveryCodeIsNotSpentInVain: if an authenticator is required, a recovery code is refused and stays unused.
func TestI60_RecoveryCodeIsNotSpentInVain(t *testing.T) {
	visitors(t, func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person) {
		s.Clock.Advance(stale)
		to := v.Get("/account/2fa/disable").Location
		for _, field := range []string{"code", "recovery_code"} {
			v.Post(to, sallyporttest.Fields{field: p.RecoveryCodes[0]})
			wantResponse(t, v, http.StatusUnprocessableEntity, "")
		}
		to = v.Get("/account/2fa/change").Location
		v.Post(to, sallyporttest.Fields{"recovery_code": p.RecoveryCodes[0]})
		wantResponse(t, v, http.StatusSeeOther, "/account/2fa/change")
		if v.Follow(); !v.Page.Has("every old one stops working") {
			t.Errorf("%s", v.Page.Text())
		}
		v.Get("/account/2fa/disable")
		if !strings.HasPrefix(v.Page.Location, "/step-up") {
			t.Errorf("a recovery code was enough: %d", v.Page.Status)
		}
	})
}

func TestI58_LastWhileRequired(t *testing.T) {
	visitors(t, func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person) {
		s.Exec(`UPDATE policies SET require_2fa = 'everyone', version = version + 1`)
		paths := []string{"/account/2fa/disable", "/account/2fa/authenticators/" + ids(s, *p)[0] + "/remove"}
		for _, wait := range []time.Duration{0, stale} {
			s.Clock.Advance(wait)
			for _, path := range paths {
				v.Get(path)
				wantResponse(t, v, http.StatusConflict, "")
				v.Post(path, nil)
				wantResponse(t, v, http.StatusConflict, "")
				if !v.Page.Has("requires you to use two-factor authentication") {
					t.Errorf("%s does not give the reason: %s", path, v.Page.Text())
				}
			}
		}
		v.Get("/account/2fa")
		for _, to := range v.Page.Links() {
			if strings.HasSuffix(to, "/disable") || strings.HasSuffix(to, "/remove") {
				t.Errorf("the page offers %s", to)
			}
		}
		if !v.Page.Has("so you cannot disable it") {
			t.Error("the page gives no reason")
		}
	})
}

// TestI28_OtherPeoplesAuthenticators: every request for another person's authenticator is answered as if it did not
// exist.
func TestI28_OtherPeoplesAuthenticators(t *testing.T) {
	visitors(t, func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, _ *sallyporttest.Person) {
		other := s.Add("noa@acme.example", sallyport.Member)
		s.Visitor().Enrol(&other, "Nokia")
		theirs := ids(s, other)[0]
		var shapes []string
		for _, id := range []string{theirs, "aut_0000000000000000000000000", "x"} {
			for _, verb := range []string{"rename", "remove"} {
				path := "/account/2fa/authenticators/" + id + "/" + verb
				v.Get(path)
				wantResponse(t, v, http.StatusNotFound, "")
				shapes = append(shapes, v.Page.Text())
				v.Post(path, sallyporttest.Fields{"name": "Mine"})
				wantResponse(t, v, http.StatusNotFound, "")
			}
		}
		for _, shape := range shapes {
			if shape != shapes[0] {
				t.Errorf("answers differ:\n%s\n%s", shape, shapes[0])
			}
		}
		v.Post("/account/2fa/change", sallyporttest.Fields{"name": "New", "replaces": theirs})
		if v.Page.Status == http.StatusSeeOther {
			if k := v.Follow().Key(); k != "" {
				v.Post("/account/2fa/change", sallyporttest.Fields{"code": codeOf(t, s, k)})
			}
		}
		if got := ids(s, other); len(got) != 1 || got[0] != theirs {
			t.Errorf("theirs are %v", got)
		}
	})
}

// codeOf returns the code that an app with this key shows.
func codeOf(t *testing.T, s *sallyporttest.Site, key string) string {
	t.Helper()
	secret, err := otp.DecodeSecret(key)
	if err != nil {
		t.Fatal(err)
	}
	return sallyporttest.Person{Secret: secret}.Code(s.Clock.Now())
}

// TestTwoTabsInOneSetUp: the second tab shows that it is too late, and changes nothing.
func TestTwoTabsInOneSetUp(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		for name, at := range map[string]string{"signed in": "/account/2fa/set-up", "in a sign-in": "/sign-in/set-up"} {
			t.Run(name, func(t *testing.T) {
				s.Exec(`UPDATE policies SET require_2fa = 'optional', version = version + 1`)
				p := e.Add(strings.ReplaceAll(name, " ", "-")+"@acme.example", sallyport.Member)
				if at == "/sign-in/set-up" {
					s.Exec(`UPDATE policies SET require_2fa = 'everyone', version = version + 1`)
				}
				v := s.Visitor()
				v.GivePassword(p)
				v.Post(at, sallyporttest.Fields{"name": "First"})
				first := v.Follow()
				v.Post(at, sallyporttest.Fields{"name": "Second"})
				second := v.Follow()
				form := first.Form("code")
				form.Values.Set("code", codeOf(t, s, first.Key()))
				v.PostValues(form.Action, form.Values)
				wantResponse(t, v, http.StatusUnprocessableEntity, "")
				if !v.Page.Has("You started this set-up again in another tab") || v.Page.Key() != second.Key() {
					t.Errorf("the first tab reads: %s", v.Page.Text())
				}
				form = second.Form("code")
				form.Values.Set("code", codeOf(t, s, second.Key()))
				v.PostValues(form.Action, form.Values)
				if v.Page.Status != http.StatusSeeOther || len(ids(s, p)) != 1 {
					t.Fatalf("the second tab: %d %s", v.Page.Status, v.Page.Alert())
				}
				v.PostValues(form.Action, form.Values)
				if v.Page.Status == http.StatusSeeOther {
					v.Follow()
				} else if v.Page.Status != http.StatusGone {
					t.Errorf("confirmed again: %d", v.Page.Status)
				}
				if v.Page.Key() != "" || len(ids(s, p)) != 1 {
					t.Errorf("confirmed again: %s", v.Page.Text())
				}
			})
		}
	})
}

// TestI20_KeyIsTheServersAndShownOnce: after the confirmation no page shows the key, and no form field can set one.
func TestI20_KeyIsTheServersAndShownOnce(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		v.SignIn(p)
		const chosen = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
		v.Post("/account/2fa/set-up", sallyporttest.Fields{"name": "Pixel", "secret": chosen, "key": chosen})
		key := v.Follow().Key()
		if key == chosen || len(key) != 32 {
			t.Fatalf("the key has %d characters, or is the one sent", len(key))
		}
		v.Post("/account/2fa/set-up", sallyporttest.Fields{"code": codeOf(t, s, key), "secret": chosen})
		if v.Page.Status != http.StatusSeeOther {
			t.Fatalf("%d %s", v.Page.Status, v.Page.Alert())
		}
		for _, path := range []string{"/account/2fa", "/account/2fa/set-up", "/account/2fa/set-up?step=scan", "/account/2fa/change"} {
			v.Get(path)
			if v.Follow(); strings.Contains(v.Page.Body, key) {
				t.Errorf("%s shows the key", path)
			}
		}
		if strings.Contains(s.Dump(), key) {
			t.Error("the database has the key in clear")
		}
	})
}

// TestI24_OthersEnd: each change of an authenticator signs out other browsers, on other nodes too.
func TestI24_OthersEnd(t *testing.T) {
	changes := map[string]func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person){
		"added": func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, _ *sallyporttest.Person) {
			v.Post("/account/2fa/set-up", sallyporttest.Fields{"name": "Tablet"})
			v.Post("/account/2fa/set-up", sallyporttest.Fields{"code": codeOf(t, s, v.Follow().Key())})
		},
		"changed": func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, _ *sallyporttest.Person) {
			v.Post("/account/2fa/change", sallyporttest.Fields{"name": "Tablet"})
			v.Post("/account/2fa/change", sallyporttest.Fields{"code": codeOf(t, s, v.Follow().Key())})
		},
		"removed": func(_ *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person) {
			v.Post("/account/2fa/authenticators/"+ids(s, *p)[0]+"/remove", nil)
		},
		"disabled": func(_ *testing.T, _ *sallyporttest.Site, v *sallyporttest.Visitor, _ *sallyporttest.Person) {
			v.Post("/account/2fa/disable", nil)
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			visitors(t, func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person) {
				other, half := s.Visitor().Through(s.Node()), s.Visitor()
				other.SignIn(*p)
				half.GivePassword(*p)
				was := v.Fork()
				change(t, s, v, p)
				if v.Page.Status != http.StatusSeeOther {
					t.Fatalf("%d %s", v.Page.Status, v.Page.Alert())
				}
				if !v.SignedIn() {
					t.Error("this browser is signed out")
				}
				if other.SignedIn() || was.SignedIn() {
					t.Error("another browser, or the old value, is signed in")
				}
				s.Clock.Advance(time.Minute)
				if half.Post("/sign-in/2fa", sallyporttest.Fields{"code": code(s, p)}); half.SignedIn() {
					t.Error("the unfinished sign-in is still valid")
				}
			})
		})
	}
}
