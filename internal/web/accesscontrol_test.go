package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// ownerOf is a browser in which the owner is signed in with a fresh code.
func ownerOf(s *sallyporttest.Site) (sallyporttest.Person, *sallyporttest.Visitor) {
	p, v := s.Owner, s.Visitor()
	v.Enrol(&p, "Owner's")
	return p, v
}

func TestAccessControl(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		e.Add("ben@acme.example", sallyport.Member)
		e.Add("mia@acme.example", sallyport.Manager)

		f := owners.Get("/admin/access-control").Form("require_2fa")
		f.Values.Set("require_2fa", "everyone")
		f.Values.Set("required_from", "2026-01-01") // has long been
		got := owners.PostValues(f.Action, f.Values)
		if got.Status != http.StatusOK || !got.Has("This concerns 3 people. 2 of them are without") || owners.Get("/session").Status != http.StatusOK {
			t.Fatalf("what is asked: %d %s", got.Status, got.Text())
		}
		if n := len(e.Query("SELECT * FROM policies WHERE require_2fa <> 'optional'")); n != 0 {
			t.Fatal("saved before it was confirmed")
		}
		confirm := got.Form("confirm")
		if got = owners.PostValues(confirm.Action, confirm.Values); got.Status != http.StatusSeeOther || got.Location != "/admin/access-control" {
			t.Fatalf("confirmed: %d %s", got.Status, got.Alert())
		}
		if got = owners.Follow(); got.Notice() == "" || got.Form("require_2fa").Values.Get("require_2fa") != "everyone" {
			t.Errorf("afterwards: %s", got.Text())
		}
		// Fields that are not sent stay. Lowering asks nothing.
		got = owners.Post("/admin/access-control", sallyporttest.Fields{"trusted_device_days": "14", "allow_reset_when_required": "no", "require_2fa": "optional"})
		if got.Status != http.StatusSeeOther {
			t.Errorf("a few settings: %d %s", got.Status, got.Alert())
		}
		if row := e.Query("SELECT require_2fa, trusted_device_days, recovery_code_count, allow_reset_when_required FROM policies")[0]; strings.Join(row, " ") != "optional 14 8 0" {
			t.Errorf("saved: %v", row)
		}
		for name, value := range map[string]string{
			"require_2fa": "x", "required_from": "22.11.2026", "trusted_device_days": "14 days", "recovery_code_count": "9999999999999999999999",
			"recovery_code_mode": "", "allow_reset_when_required": "perhaps", "invite_method": strings.Repeat("x", 4000),
		} {
			if got := owners.Post("/admin/access-control", sallyporttest.Fields{name: value}); got.Status != http.StatusUnprocessableEntity || got.Alert() == "" {
				t.Errorf("%s=%.20s: %d %s", name, value, got.Status, got.Alert())
			}
		}
		for _, bad := range []string{"", "0", "x", "99"} {
			if got := owners.Post("/admin/access-control", sallyporttest.Fields{"version": bad}); got.Status != http.StatusConflict {
				t.Errorf("version %q: %d", bad, got.Status)
			}
		}
		if got := owners.Get("/admin/access-control?trusted_device_days=14"); got.Form("version").Values.Get("trusted_device_days") != "14" {
			t.Error("switching trusted devices on offers nothing")
		}
	})
}

// TestTwoAdminsAtOnce: the second sees what changed and decides.
func TestTwoAdminsAtOnce(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		ada := e.Add("ada@acme.example", sallyport.Admin)
		adas := s.Node().Visitor()
		adas.Enrol(&ada, "Ada's")
		first, second := owners.Get("/admin/access-control").Form("version"), adas.Get("/admin/access-control").Form("version")
		first.Values.Set("trusted_device_days", "30")
		if got := owners.PostValues(first.Action, first.Values); got.Status != http.StatusSeeOther {
			t.Fatalf("the first: %d %s", got.Status, got.Alert())
		}
		second.Values.Set("recovery_code_count", "12")
		got := adas.PostValues(second.Action, second.Values)
		if got.Status != http.StatusConflict || !got.Has("Days that a device is trusted 30 0") || !got.Has("Recovery codes for each person 8 12") {
			t.Fatalf("the second: %d %s", got.Status, got.Text())
		}
		again := got.Form("version")
		again.Values.Set("trusted_device_days", "30")
		if got = adas.PostValues(again.Action, again.Values); got.Status != http.StatusSeeOther {
			t.Errorf("the second decided: %d %s", got.Status, got.Alert())
		}
		if row := e.Query("SELECT trusted_device_days, recovery_code_count, version FROM policies")[0]; strings.Join(row, " ") != "30 12 3" {
			t.Errorf("saved: %v", row)
		}
	})
}

func TestI22_AccessControlAfterStepUp(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		owner, v := ownerOf(s)
		e.Clock.Advance(sallyport.StepUpLimit)
		f := v.Get("/admin/access-control").Form("version")
		f.Values.Set("trusted_device_days", "21")
		got := v.PostValues(f.Action, f.Values)
		if !strings.HasPrefix(got.Location, "/step-up?") {
			t.Fatalf("with an old code: %d %s", got.Status, got.Location)
		}
		v.Post(got.Location, sallyporttest.Fields{"code": owner.Code(e.Clock.Now())})
		kept := v.Follow().Form("version")
		if kept.Values.Get("trusted_device_days") != "21" || len(e.Query("SELECT 1 FROM policies WHERE version > 1")) != 0 {
			t.Fatalf("the form comes back with %v", kept.Values)
		}
		if got = v.PostValues(kept.Action, kept.Values); got.Status != http.StatusSeeOther {
			t.Errorf("saved at last: %d %s", got.Status, got.Alert())
		}
	})
}

// TestI22_ConfirmedAccessControlIsDoneAfterStepUp: what hits people was asked about once, and is not asked about again;
// it is done only to the policy that was asked about.
func TestI22_ConfirmedAccessControlIsDoneAfterStepUp(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		owner, v := ownerOf(s)
		ada := e.Add("ada@acme.example", sallyport.Admin)
		adas := s.Visitor()
		adas.Enrol(&ada, "Ada's")
		// confirmed asks for a setting, confirms it too late, and gives the page that the step-up then leads to.
		confirmed := func(name, value string, meanwhile func()) *sallyporttest.Page {
			f := v.Get("/admin/access-control").Form("version")
			f.Values.Set(name, value)
			f.Values.Set("trusted_device_days", "21")
			confirm := v.PostValues(f.Action, f.Values).Form("confirm")
			e.Clock.Advance(sallyport.StepUpLimit + time.Second)
			got := v.PostValues(confirm.Action, confirm.Values)
			if !strings.HasPrefix(got.Location, "/step-up?") || !v.Fork().Get(got.Location).Has("It is done as soon as you have confirmed") {
				t.Fatalf("with an old code: %d %s", got.Status, got.Location)
			}
			meanwhile()
			return v.Post(got.Location, sallyporttest.Fields{"code": owner.Code(e.Clock.Now())})
		}
		policy := func() string {
			return strings.Join(e.Query("SELECT require_2fa, trusted_device_days, version FROM policies")[0], " ")
		}
		got := confirmed("require_2fa", "admins", func() {
			adas.Post("/step-up", sallyporttest.Fields{"code": ada.Code(e.Clock.Now())})
			if got := adas.Post("/admin/access-control", sallyporttest.Fields{"recovery_code_count": "12"}); got.Status != http.StatusSeeOther {
				t.Fatalf("somebody else meanwhile: %d %s", got.Status, got.Alert())
			}
		})
		if got.Status != http.StatusConflict || policy() != "optional 0 2" {
			t.Errorf("changed by somebody else meanwhile: %d, and the policy is %s", got.Status, policy())
		}
		if again := got.Form("version"); again.Action != "/admin/access-control" { // and not /step-up, where this page stands
			t.Errorf("the form that is shown then goes to %s", again.Action)
		}
		got = confirmed("require_2fa", "everyone", func() {})
		if got.Status != http.StatusSeeOther || got.Location != "/admin/access-control" || policy() != "everyone 21 3" {
			t.Errorf("after the step-up: %d %s %s, and the policy is %s", got.Status, got.Location, got.Alert(), policy())
		}
		if rows := e.Query("SELECT id FROM sessions WHERE parked IS NOT NULL"); len(rows) != 0 {
			t.Error("it is parked still")
		}
	})
}

// TestBannerUntilTheDay warns those, and only those, whom the requirement will force.
func TestBannerUntilTheDay(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		ben, v := e.Add("ben@acme.example", sallyport.Member), s.Visitor()
		v.SignIn(ben)
		day := e.Clock.Now().UTC().AddDate(0, 0, 10).Truncate(24 * time.Hour)
		got := owners.Post("/admin/access-control", sallyporttest.Fields{"require_2fa": "everyone", "required_from": day.Format(time.DateOnly)})
		f := got.Form("confirm")
		owners.PostValues(f.Action, f.Values)
		const words = "Your company requires two-factor authentication from"
		if got := v.Get("/account"); got.Status != http.StatusOK || !got.Has(words+" "+day.Format("2 January 2006")) {
			t.Errorf("before the day: %d %s", got.Status, got.Text())
		}
		if owners.Get("/account").Has(words) {
			t.Error("somebody who has it is warned")
		}
		e.Clock.Set(day.Add(-time.Millisecond))
		v = s.Visitor()
		v.SignIn(ben)
		if got := v.Get("/account"); got.Status != http.StatusOK {
			t.Errorf("just before: %d", got.Status)
		}
		e.Clock.Set(day)
		if got := v.Get("/account"); got.Location != "/account/2fa/set-up" {
			t.Errorf("on the day: %d %s", got.Status, got.Location)
		}
	})
}

func TestI28_AccessControlIsForOwnersAndAdmins(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		for _, role := range sallyport.Roles {
			p := e.Add(string(role)+"@acme.example", role)
			v := s.Visitor()
			v.SignIn(p)
			for _, path := range []string{"/admin/access-control", "/admin/brand"} {
				want, led := http.StatusForbidden, role.May(sallyport.SetPolicy)
				if led {
					want = http.StatusOK
				}
				if got := v.Get(path).Status; got != want {
					t.Errorf("a %s at %s: %d", role, path, got)
				}
				if !led {
					if got := v.Post(path, sallyporttest.Fields{"name": "Taken", "trusted_device_days": "9"}).Status; got != want {
						t.Errorf("a %s posts to %s: %d", role, path, got)
					}
				}
				if strings.Contains(v.Get("/account").Body, path) != led {
					t.Errorf("the way to %s, for a %s", path, role)
				}
			}
		}
		if n := len(e.Query("SELECT id FROM events WHERE kind IN ('policy.changed', 'brand.changed')")); n != 0 {
			t.Errorf("%d changes", n)
		}
	})
}
