package web_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestFormsOfOneField: the error is shown once, at the field, which has the focus.
func TestFormsOfOneField(t *testing.T) {
	visitors(t, func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person) {
		s.SetUpMail()
		_, owners := ownerOf(s)
		lea := s.Add("lea@acme.example", sallyport.Member)
		entering, settingUp := s.Visitor(), s.Visitor()
		entering.GivePassword(*p)
		settingUp.SignIn(lea)
		settingUp.Post("/account/2fa/set-up", fields{"name": "Pixel"})
		rename := "/account/2fa/authenticators/" + ids(s, *p)[0] + "/rename"
		twice := p.RecoveryCodes[0] + p.RecoveryCodes[1]
		tests := []struct {
			name   string
			v      *sallyporttest.Visitor
			at     string
			fields fields
			field  string
			says   string
		}{
			{"no code", entering, "/sign-in/2fa", fields{"code": ""}, "code", "Enter the 6 digits that the app shows."},
			{"letters", entering, "/sign-in/2fa", fields{"code": "abc"}, "code", "A recovery code has 25 letters and digits"},
			{"two codes", entering, "/sign-in/2fa", fields{"code": "123456 654321"}, "code", "Enter one code only."},
			{"two recovery codes", entering, "/sign-in/2fa/recovery", fields{"recovery_code": twice}, "recovery_code", "Enter one code only."},
			{"all recovery codes", entering, "/sign-in/2fa/recovery", fields{"recovery_code": strings.Join(p.RecoveryCodes, "\r\n")}, "recovery_code", "Enter one code only."},
			{"a wrong code", entering, "/sign-in/2fa", fields{"code": "000000"}, "code", "This code is not right."},
			{"a wrong recovery code", entering, "/sign-in/2fa/recovery", fields{"recovery_code": strings.Repeat("A", 25)}, "recovery_code", "This recovery code is not right."},
			{"a wrong code in the set-up", settingUp, "/account/2fa/set-up?step=scan", fields{"code": "000000"}, "code", "This code is not right."},
			{"a wrong code for a step-up", v, "/step-up?to=/account", fields{"code": "000000"}, "code", "This code is not right."},
			{"no name for an app", v, rename, fields{"name": " "}, "name", "Enter a name."},
			{"no name", v, "/account", fields{"name": ""}, "name", "Enter a name."},
			{"a long name", v, "/account", fields{"name": strings.Repeat("x", 101)}, "name", "Enter a name of at most 100 characters"},
			{"no address", v, "/account/email", fields{"email": "x"}, "email", "Enter an e-mail address"},
			{"no reason", owners, "/admin/users/" + p.ID + "/reset-2fa", fields{"reason": " "}, "reason", "Enter a reason."},
			{"a long reason", owners, "/admin/users/" + p.ID + "/reset-2fa", fields{"reason": strings.Repeat("x", 501)}, "reason", "Enter a reason of at most 500 characters."},
		}
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				got := test.v.Post(test.at, test.fields)
				input := got.Body[max(0, strings.Index(got.Body, ` id="field-`+test.field+`"`)):]
				input, _, _ = strings.Cut(input, ">")
				switch {
				case got.Status != http.StatusUnprocessableEntity || !strings.HasPrefix(got.Alert(), test.says):
					t.Errorf("%d %q", got.Status, got.Alert())
				case strings.Count(got.Body, `role="alert"`) != 1 || strings.Contains(got.Body, `class="summary"`):
					t.Error("it is said more than once")
				case !strings.Contains(input, " autofocus") || !strings.Contains(input, `field-`+test.field+`-error"`):
					t.Errorf("the field has not the focus, or not the message: %s", input)
				case !strings.HasPrefix(got.Title(), "Error: "):
					t.Errorf("the title is %q", got.Title())
				}
			})
		}
	})
}

// TestFormsOfSeveralFields: all errors are listed at once.
func TestFormsOfSeveralFields(t *testing.T) {
	visitors(t, func(t *testing.T, s *sallyporttest.Site, v *sallyporttest.Visitor, p *sallyporttest.Person) {
		_, owners := ownerOf(s)
		owners.Post("/admin/users/new", fields{"email": "ivo@acme.example", "name": "Ivo", "role": "member"})
		resetting := s.Visitor()
		r := s.Add("rea@acme.example", sallyport.Member)
		s.Visitor().Enrol(&r, "Pixel")
		owners.Post("/admin/users/"+r.ID+"/reset-2fa", fields{"reason": "lost"})
		resetting.GivePassword(r)
		v.Enrol(p, "Tablet")
		tests := []struct {
			name   string
			v      *sallyporttest.Visitor
			at     string
			fields fields
			want   []string
		}{
			{"invite", owners, "/admin/users/new", fields{"email": "x", "name": "", "role": "emperor"}, []string{"email", "name", "role"}},
			{"a workspace", owners, workspaces, fields{"workspace": "", "host": "https://x", "name": "", "email": "x"}, []string{"workspace", "email", "name", "host"}},
			{"an invitation", s.Visitor(), s.MailedLink("invitation", "ivo@acme.example").Path, fields{"name": "", "new_password": "short"}, []string{"name", "new_password"}},
			{"a password", v, "/account/password", fields{"current_password": "wrong", "new_password": "short"}, []string{"current_password", "new_password"}},
			{"a set-up after a reset", resetting, "/sign-in/set-up", fields{"set_up_code": "wrong", "name": ""}, []string{"set_up_code", "name"}},
			{"a change", v, "/account/2fa/change", fields{"name": "", "replaces": ""}, []string{"replaces", "name"}},
		}
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				got := test.v.Post(test.at, test.fields)
				var named []string
				for _, to := range got.Links() {
					if field, found := strings.CutPrefix(to, "#field-"); found {
						named = append(named, field)
					}
				}
				if got.Status != http.StatusUnprocessableEntity || !slices.Equal(named, test.want) {
					t.Errorf("%d names %v, not %v: %s", got.Status, named, test.want, got.Alert())
				}
			})
		}
		if got := v.Post("/account/2fa/change", fields{"replaces": "all", "name": ""}); !strings.Contains(got.Alert(), "Pick an app, or enter a name.") {
			t.Errorf("no app: %d %s", got.Status, got.Alert())
		}
		if got := v.Post("/account/password", fields{"current_password": p.Password, "new_password": "short"}); strings.Contains(got.Alert(), "password is not right") {
			t.Errorf("a right password beside a short one: %s", got.Alert())
		}
		if got := resetting.Post("/sign-in/set-up", fields{"set_up_code": r.Password, "app": "aegis"}); !strings.Contains(got.Alert(), "set-up code is not right") {
			t.Errorf("a wrong set-up code and an app: %d %s", got.Status, got.Alert())
		}
	})
}

// TestCodeFieldsAreInSight: on a phone, the field stays above the keyboard after a wrong code. On a wide screen, set-up
// needs no scrolling.
func TestCodeFieldsAreInSight(t *testing.T) {
	const aboveKeyboard, fold = 400, 720
	for name, look := range map[string]sallyporttest.Look{"scripts": {Width: 360}, "no scripts": {Width: 360, NoScript: true}} {
		t.Run(name, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			site := sallyporttest.NewSite(t, e)
			p := e.Add("mia@acme.example", sallyport.Member)
			site.Visitor().Enrol(&p, "Pixel – Google Authenticator")
			b := sallyporttest.NewBrowser(t, site.URL, look)
			signInBy(b, p)
			b.Fill("6-digit code", "000000")
			b.Press("Enter")
			b.Sees("This code is not right")
			if at, bottom := b.Attr(":focus", "name"), b.Bottom("[name=code]"); at != "code" || bottom > aboveKeyboard {
				t.Errorf("the focus is at %q, and the field ends at %d", at, bottom)
			}
			b.Fill("6-digit code", p.Code(e.Clock.Now()))
			b.Press("Enter")
			b.Look(sallyporttest.Look{NoScript: look.NoScript})
			b.Open("/account/2fa/set-up")
			b.Fill("Name of the app", "Tablet – Google Authenticator")
			b.Click("Continue")
			if bottom := b.Bottom("main form .btn"); bottom > fold {
				t.Errorf("the button that confirms ends at %d", bottom)
			}
			b.Look(sallyporttest.Look{Width: 320, NoScript: look.NoScript})
			if link, qr := b.Bottom(".on-phone"), b.Bottom(".qr"); link > qr {
				t.Error("on a phone the app is opened below the QR code")
			}
		})
	}
}
