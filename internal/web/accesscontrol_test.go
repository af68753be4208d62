package web_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// ownerOf returns a visitor in which the owner is signed in with a fresh code.
func ownerOf(s *sallyporttest.Site) (sallyporttest.Person, *sallyporttest.Visitor) {
	p, v := s.Owner, s.Visitor()
	v.Enrol(&p, "Owner's")
	return p, v
}

const accessControl = "/admin/access-control"

// confirm sends the form of the page that asks before people are forced to set up two-factor authentication.
func confirm(v *sallyporttest.Visitor, asked *sallyporttest.Page) *sallyporttest.Page {
	f := asked.Form("confirm")
	return v.PostValues(f.Action, f.Values)
}

func TestAccessControl(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		e.Add("ben@acme.example", sallyport.Member)
		e.Add("mia@acme.example", sallyport.Manager)

		got := owners.Edit(accessControl, sallyporttest.Fields{"require_2fa": "everyone"})
		if got.Status != http.StatusOK || !got.Has("This affects 3 people. 2 of them do not have two-factor authentication.") || owners.Get("/session").Status != http.StatusOK {
			t.Fatalf("what is asked: %d %s", got.Status, got.Text())
		}
		if n := len(e.Query("SELECT * FROM policies WHERE require_2fa <> 'optional'")); n != 0 {
			t.Fatal("saved before it was confirmed")
		}
		if got = confirm(owners, got); got.Status != http.StatusSeeOther || got.Location != accessControl {
			t.Fatalf("confirmed: %d %s", got.Status, got.Alert())
		}
		if got = owners.Follow(); got.Notice() == "" || got.Form("require_2fa").Values.Get("require_2fa") != "everyone" {
			t.Errorf("afterwards: %s", got.Text())
		}
		// Lowering a setting needs no confirmation.
		got = owners.Edit(accessControl, sallyporttest.Fields{"trusted_device_days": "14", "allow_reset_when_required": "no", "require_2fa": "optional"})
		if got.Status != http.StatusSeeOther {
			t.Errorf("lowered: %d %s", got.Status, got.Alert())
		}
		row := func() string {
			return strings.Join(e.Query("SELECT require_2fa, trusted_device_days, recovery_code_count, allow_reset_when_required, version FROM policies")[0], " ")
		}
		const saved = "optional 14 8 0 3"
		if row() != saved {
			t.Errorf("saved: %v", row())
		}
		whole := owners.Get(accessControl).Form("require_2fa")
		for name, value := range map[string]string{
			"require_2fa": "x", "required_from": "22.11.2026", "trusted_device_days": "14 days", "recovery_code_count": "9999999999999999999999",
			"recovery_code_mode": "", "allow_reset_when_required": "perhaps", "invite_method": strings.Repeat("x", 4000),
		} {
			if got := owners.Edit(accessControl, sallyporttest.Fields{name: value}); got.Status != http.StatusUnprocessableEntity || got.Alert() == "" {
				t.Errorf("%s=%.20s: %d %s", name, value, got.Status, got.Alert())
			}
			less := maps.Clone(whole.Values)
			less.Del(name)
			if got := owners.PostValues(accessControl, less); got.Status != http.StatusUnprocessableEntity || got.Alert() == "" {
				t.Errorf("without %s: %d %s", name, got.Status, got.Alert())
			}
		}
		if got := owners.Post(accessControl, nil); got.Status != http.StatusUnprocessableEntity || got.Alert() == "" {
			t.Errorf("without any field: %d %s", got.Status, got.Alert())
		}
		// All errors are shown at once, each beside its field, and what was typed stays.
		bad := sallyporttest.Fields{
			"require_2fa": "everyone", "required_from": "soon", "trusted_device_days": "14 days", "recovery_code_count": "99",
			"recovery_code_mode": "never", "allow_reset_when_required": "perhaps", "invite_method": "pigeon",
		}
		got = owners.Edit(accessControl, bad)
		for _, words := range []string{"Enter a date within the next five years", "Enter a number of days from 0 to 90", "Enter a number of codes from 5 to 16",
			"Choose how recovery codes are kept", "Choose whether a reset is possible", "Choose how people are invited"} {
			if n := strings.Count(got.Text(), words); n != 2 {
				t.Errorf("%q is said %d times, not in the summary and beside the field: %s", words, n, got.Alert())
			}
		}
		typed := got.Form("require_2fa").Values
		for _, name := range []string{"require_2fa", "required_from", "trusted_device_days", "recovery_code_count"} {
			if typed.Get(name) != bad[name] {
				t.Errorf("%s: %q is lost", name, typed.Get(name))
			}
		}
		for _, bad := range []string{"", "0", "x", "99"} {
			if got := owners.Edit(accessControl, sallyporttest.Fields{"version": bad}); got.Status != http.StatusConflict {
				t.Errorf("version %q: %d", bad, got.Status)
			}
		}
		if row() != saved {
			t.Errorf("refused, and saved: %v", row())
		}
	})
}

// TestAccessControlShowsWhatIsSaved: a link cannot preset a setting, and the values of an interrupted save are marked.
func TestAccessControlShowsWhatIsSaved(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	owner, v := ownerOf(s)
	e.Exec("UPDATE policies SET require_2fa = 'everyone', version = version + 1")
	saved := v.Get(accessControl)
	forged := "?require_2fa=optional&required_from=2026-12-24&trusted_device_days=90&recovery_code_count=5&recovery_code_mode=once" +
		"&allow_reset_when_required=no&invite_method=temporary_password&version=1"
	if got := v.Get(accessControl + forged); !maps.EqualFunc(got.Form("version").Values, saved.Form("version").Values, slices.Equal) {
		t.Errorf("a link presets %v", got.Form("version").Values)
	}
	if saved.Has("Not saved yet") {
		t.Error("what is saved is called unsaved")
	}
	e.Clock.Advance(sallyport.StepUpLimit)
	got := v.Edit(accessControl, sallyporttest.Fields{"trusted_device_days": "21", "require_2fa": "admins"})
	v.Post(got.Location, sallyporttest.Fields{"code": owner.Code(e.Clock.Now())})
	if got = v.Follow(); !got.Has("Not saved yet") || !got.Has("Days that a device is trusted 0 21") || !got.Has("Who needs two-factor authentication Everyone Owners and admins") {
		t.Errorf("after a step-up: %s", got.Text())
	}
}

// TestRequirementWithADate signs people in: until the day, the previous requirement applies to the people it applied to
// before, and the new one to people who join after the change. The page that asks says so.
func TestRequirementWithADate(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		owner, owners := ownerOf(s)
		ada, ben := e.Add("ada@acme.example", sallyport.Admin), e.Add("ben@acme.example", sallyport.Member)
		decide := func(whom, from string) *sallyporttest.Page {
			t.Helper()
			e.Clock.Advance(time.Minute)
			owners.Post("/step-up", sallyporttest.Fields{"code": owner.Code(e.Clock.Now())})
			asked := owners.Edit(accessControl, sallyporttest.Fields{"require_2fa": whom, "required_from": from})
			if got := confirm(owners, asked); got.Status != http.StatusSeeOther {
				t.Fatalf("%s from %s: %d %s", whom, from, got.Status, got.Alert())
			}
			return asked
		}
		leads := func(p sallyporttest.Person, want string) {
			t.Helper()
			if to := s.Visitor().GivePassword(p).Location; to != want {
				t.Errorf("%s is led to %s, not %s", p.Address, to, want)
			}
		}
		const forced, free = "/sign-in/set-up", "/"
		decide("admins", "")
		leads(ada, forced)
		leads(ben, free)
		bens := s.Visitor()
		bens.SignIn(ben)

		day := e.Clock.Now().UTC().AddDate(0, 0, 2).Truncate(24 * time.Hour)
		asked := decide("everyone", day.Format(time.DateOnly))
		for _, words := range []string{"Until " + day.Format("2 January 2006"), "owners and admins must still have it, as now", "People who join after this change must set it up at their first sign-in"} {
			if !asked.Has(words) {
				t.Errorf("the page that asks does not say %q: %s", words, asked.Text())
			}
		}
		leads(ada, forced)
		leads(ben, free)
		const words = "Acme requires two-factor authentication from"
		if !bens.Get("/account").Has(words + " " + day.Format("2 January 2006")) {
			t.Error("who has time until the day is not warned")
		}
		owners.Post("/admin/users/new", sallyporttest.Fields{"email": "ina@acme.example", "name": "Ina", "role": "member"})
		ina := sallyporttest.Person{User: sallyport.User{Address: "ina@acme.example"}, Password: "gravel-otter"}
		s.Visitor().Post(s.MailedLink("invitation", ina.Address).Path, sallyporttest.Fields{"name": "Ina", "new_password": ina.Password})
		leads(ina, forced)
		for state, want := range map[string]string{"required": "ada@acme.example ina@acme.example", "disabled": "ben@acme.example"} {
			page := owners.Get("/admin/users?two_factor=" + state)
			for _, p := range []string{"ada@acme.example", "ben@acme.example", "ina@acme.example"} {
				if page.Has(p) != strings.Contains(want, p) {
					t.Errorf("listed as %s: %s is %t", state, p, page.Has(p))
				}
			}
		}
		owners.Post("/admin/reminders", nil)
		for address, kind := range map[string]string{ada.Address: "two_factor.reminder", ben.Address: "two_factor.reminder_dated", ina.Address: "two_factor.reminder"} {
			if !slices.ContainsFunc(e.WaitingMails(address), func(m sallyporttest.WaitingMail) bool { return m.Kind == kind }) {
				t.Errorf("%s does not get %s", address, kind)
			}
		}
		e.Clock.Set(day)
		leads(ben, forced)
		if got := s.Visitor().GivePassword(ada).Location; got != forced {
			t.Errorf("on the day, an admin is led to %s", got)
		}
	})
}

// TestRequirementFromTodayIsAtOnce: days are in UTC, whatever day it is in the browser. The page that asks says what
// will happen.
func TestRequirementFromTodayIsAtOnce(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	owner, _ := ownerOf(s)
	ben := e.Add("ben@acme.example", sallyport.Member)
	midnight := e.Clock.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	for _, c := range []struct {
		after time.Duration // midnight
		days  int
		begun bool
	}{
		{-time.Second, 0, true}, {-time.Second, -1, true}, {-time.Second, 1, false}, {0, 0, true}, {0, 1, false}, {time.Second, 0, true},
	} {
		e.Exec("UPDATE policies SET require_2fa = 'optional', required_from = 0, required_until = '', version = version + 1")
		midnight = midnight.AddDate(0, 0, 1)
		e.Clock.Set(midnight.Add(c.after))
		owners := s.Visitor()
		owners.SignIn(owner)
		now := e.Clock.Now()
		day := now.AddDate(0, 0, c.days)
		asked := owners.Edit(accessControl, sallyporttest.Fields{"require_2fa": "everyone", "required_from": day.Format(time.DateOnly)})
		if asked.Has("this applies at once") != c.begun || asked.Has("a banner asks them") == c.begun {
			t.Errorf("at %s, from %s: %s", now, day, asked.Text())
		}
		confirm(owners, asked)
		if forced := s.Visitor().GivePassword(ben).Location == "/sign-in/set-up"; forced != c.begun {
			t.Errorf("at %s, from %s: forced at once: %t", now, day, forced)
		}
		if got := owners.Get(accessControl).Form("version").Values.Get("required_from"); (got == "") != c.begun {
			t.Errorf("at %s, from %s: kept is %q", now, day, got)
		}
	}
}

// TestTwoAdminsAtOnce: the second admin sees what the first has changed, and decides.
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

// TestI22_ConfirmedAccessControlIsDoneAfterStepUp: a change that affects people is confirmed once, not again after the
// step-up. It is made only if the policy is still the one that was confirmed.
func TestI22_ConfirmedAccessControlIsDoneAfterStepUp(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		owner, v := ownerOf(s)
		ada := e.Add("ada@acme.example", sallyport.Admin)
		adas := s.Visitor()
		adas.Enrol(&ada, "Ada's")
		// confirmed changes a setting, confirms it too late, and returns the page after the step-up.
		confirmed := func(name, value string, meanwhile func()) *sallyporttest.Page {
			f := v.Get("/admin/access-control").Form("version")
			f.Values.Set(name, value)
			f.Values.Set("trusted_device_days", "21")
			confirm := v.PostValues(f.Action, f.Values).Form("confirm")
			e.Clock.Advance(sallyport.StepUpLimit + time.Second)
			got := v.PostValues(confirm.Action, confirm.Values)
			if !strings.HasPrefix(got.Location, "/step-up?") || !v.Fork().Get(got.Location).Has("This happens as soon as you confirm") {
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
			if got := adas.Edit(accessControl, sallyporttest.Fields{"recovery_code_count": "12"}); got.Status != http.StatusSeeOther {
				t.Fatalf("another admin in the meantime: %d %s", got.Status, got.Alert())
			}
		})
		if got.Status != http.StatusConflict || policy() != "optional 0 2" {
			t.Errorf("changed by another admin in the meantime: %d, and the policy is %s", got.Status, policy())
		}
		if again := got.Form("version"); again.Action != "/admin/access-control" { // not /step-up, the address of this page
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

// TestBannerUntilTheDay: the banner warns exactly the people whom the requirement will force.
func TestBannerUntilTheDay(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		ben, v := e.Add("ben@acme.example", sallyport.Member), s.Visitor()
		v.SignIn(ben)
		day := e.Clock.Now().UTC().AddDate(0, 0, 10).Truncate(24 * time.Hour)
		got := owners.Edit(accessControl, sallyporttest.Fields{"require_2fa": "everyone", "required_from": day.Format(time.DateOnly)})
		f := got.Form("confirm")
		owners.PostValues(f.Action, f.Values)
		const words = "Acme requires two-factor authentication from"
		if got := v.Get("/account"); got.Status != http.StatusOK || !got.Has(words+" "+day.Format("2 January 2006")) {
			t.Errorf("before the day: %d %s", got.Status, got.Text())
		}
		if owners.Get("/account").Has(words) {
			t.Error("a person who has it is warned")
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

// TestAccessControlAsksForYourOwnFirst: the page shows the advice before anything is refused, and only to those who
// need it.
func TestAccessControlAsksForYourOwnFirst(t *testing.T) {
	const advice = "To require two-factor authentication, you must have it enabled. Set up your own first."
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	_, owners := ownerOf(s)
	if owners.Get(accessControl).Has(advice) {
		t.Error("a person who has it is advised to set it up")
	}
	alone, v := e.Add("ada@acme.example", sallyport.Admin), s.Visitor()
	v.SignIn(alone)
	if !v.Get(accessControl).Has(advice) {
		t.Error("the advice comes only when saving is refused")
	}
	got := v.Edit(accessControl, sallyporttest.Fields{"require_2fa": "admins", "recovery_code_count": "3"})
	if got.Status != http.StatusUnprocessableEntity || strings.Count(got.Text(), advice) != 2 || !got.Has("from 5 to 16") {
		t.Errorf("refused: %d %s", got.Status, got.Text())
	}
}

// TestAccessControlInABrowser: the Save button stays visible, the date is shown only if something is required, and
// unsaved changes are pointed out.
func TestAccessControlInABrowser(t *testing.T) {
	for name, l := range looks {
		t.Run(name, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			s := sallyporttest.NewSite(t, e)
			owner, _ := ownerOf(s)
			e.Clock.Advance(time.Minute)
			b := sallyporttest.NewBrowser(t, s.URL, l)
			signInBy(b, owner)
			b.Fill("6-digit code", owner.Code(e.Clock.Now()))
			b.Click("Continue")
			b.Open(accessControl)
			const unsaved = "You have changes that are not saved."
			b.DoesNotSee("Required from")
			b.DoesNotSee(unsaved)
			if bottom := b.Bottom(".save"); bottom > 900 {
				t.Errorf("Save ends at %d px", bottom)
			}
			b.Check("Everyone")
			b.Sees("Required from")
			if !l.NoScript {
				b.Sees(unsaved)
			}
			b.Check("No one: it is optional")
			b.DoesNotSee("Required from")
			b.DoesNotSee(unsaved)
			if l.NoScript {
				b.DoesNotSee("Use 14 days")
				b.Fill("Days that a device is trusted", "14")
			} else {
				b.Click("Use 14 days")
				b.Sees(unsaved)
			}
			look(b, "access-control-changed")
			b.Click("Save")
			b.Sees("Saved. The settings apply")
			if got := b.Value("Days that a device is trusted"); got != "14" {
				t.Errorf("%q days", got)
			}
			b.Clean()
		})
	}
}
