package invariants_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

// addSignedIn adds a person with a role and two-factor authentication, signed in with a fresh code.
func addSignedIn(s *Site, name string, role sallyport.Role) (Person, *Visitor) {
	s.T.Helper()
	p := s.Add(name+"@acme.example", role)
	v := s.Visitor()
	v.Enrol(&p, "Pixel of "+name)
	s.Clock.Advance(minute)
	v.Post("/step-up", Fields{"code": p.Code(s.Clock.Now())})
	return p, v
}

func userPath(p Person) string { return "/admin/users/" + p.ID }

// reset resets a person's two-factor authentication, and returns the set-up code that the page shows.
func reset(s *Site, admin *Visitor, p Person) string {
	s.T.Helper()
	answer := admin.Post(userPath(p)+"/reset-2fa", Fields{"reason": "lost the phone"})
	if answer.Status != http.StatusOK {
		s.T.Fatalf("reset: %d %s %s", answer.Status, answer.Location, answer.Alert())
	}
	code := answer.Data("data-set-up-code")
	if code == "" {
		s.T.Fatal("no set-up code is shown")
	}
	return code
}

func TestI25_AfterAResetThePasswordAloneDoesNotEnrol(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		_, ada := addSignedIn(s, "ada", sallyport.Admin)
		mia, mias := enrolled(s, "mia")
		half := atChallenge(s, mia)
		code := reset(s, ada, mia)
		if again := ada.Get(userPath(mia) + "/security"); strings.Contains(again.Body, "data-set-up-code") || strings.Contains(again.Body, code) {
			t.Error("the set-up code is shown twice")
		}
		for name := range ada.Cookies() {
			if !slices.Contains([]string{"session", "browser"}, name) {
				t.Errorf("the reset leaves the cookie %s, from which the code could be read again", name)
			}
		}
		if mias.SignedIn() {
			t.Error("her session still works")
		}
		if answer(half, mia.Code(s.Clock.Now())); half.SignedIn() {
			t.Error("her sign-in still works")
		}
		v := s.Visitor()
		if to := v.GivePassword(mia).Location; to != "/sign-in/set-up" {
			t.Fatalf("the password leads to %q", to)
		}
		if v.SignedIn() {
			t.Error("the password alone signs in")
		}
		for _, wrong := range []string{"", "x", strings.Repeat("0", 25), mia.Code(s.Clock.Now()), mia.RecoveryCodes[0]} {
			if p := v.Post("/sign-in/set-up", Fields{"name": "Pixel", "set_up_code": wrong}); p.Status != http.StatusUnprocessableEntity {
				t.Errorf("set-up code %q: %d %s", wrong, p.Status, p.Location)
			}
		}
		if p := v.Get("/sign-in/set-up?step=scan"); p.Key() != "" {
			t.Error("a key is shown without the set-up code")
		}
		if n := len(s.Query("SELECT holder FROM drafts")); n != 0 {
			t.Errorf("%d drafts were created without the set-up code", n)
		}
		for _, mail := range s.WaitingMails("") {
			if strings.Contains(mail.Text+mail.HTML, code) {
				t.Error("an e-mail contains the set-up code")
			}
		}
		if p := v.Post("/sign-in/set-up", Fields{"name": "Pixel", "set_up_code": strings.ToLower(code)}); p.Status != http.StatusSeeOther {
			t.Fatalf("the set-up code is refused: %d %s", p.Status, p.Alert())
		}
		if v.Follow().Key() == "" {
			t.Error("no key is shown after the set-up code")
		}
	})
}

func TestI25_SetUpCodesExpireAndHaveABudget(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		_, ada := addSignedIn(s, "ada", sallyport.Admin)
		mia, _ := enrolled(s, "mia")
		give := func(code string) *Page {
			v := s.Visitor()
			v.GivePassword(mia)
			return v.Post("/sign-in/set-up", Fields{"name": "Pixel", "set_up_code": code})
		}
		old := reset(s, ada, mia)
		code := reset(s, ada, mia)
		if p := give(old); p.Status != http.StatusUnprocessableEntity {
			t.Errorf("the code of an earlier reset: %d", p.Status)
		}
		for range 9 {
			give(strings.Repeat("1", 25))
		}
		if p := give(code); p.Status != http.StatusTooManyRequests {
			t.Errorf("after ten wrong codes: %d", p.Status)
		}
		s.Clock.Advance(61 * minute)
		if p := give(code); p.Status != http.StatusSeeOther {
			t.Errorf("an hour later: %d %s", p.Status, p.Alert())
		}
		s.Clock.Advance(24 * time.Hour)
		if p := give(code); p.Status != http.StatusUnprocessableEntity {
			t.Errorf("a day later: %d", p.Status)
		}
	})
}

func TestI25_NobodyResetsSuperiorsOrThemselves(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		owner := s.Owner
		s.Visitor().Enrol(&owner, "Owner's")
		ada, adas := addSignedIn(s, "ada", sallyport.Admin)
		_, max := addSignedIn(s, "max", sallyport.Manager)
		mia, mias := enrolled(s, "mia")
		nobody := adas.Post("/admin/users/usr_none/reset-2fa", Fields{"reason": "x"})
		up := adas.Post(userPath(owner)+"/reset-2fa", Fields{"reason": "x"})
		if nobody.Status != http.StatusNotFound || up.Status != nobody.Status || up.Text() != nobody.Text() {
			t.Errorf("I28: the response to an admin is %d for an owner, but %d for an unknown id", up.Status, nobody.Status)
		}
		if p := adas.Post(userPath(ada)+"/reset-2fa", Fields{"reason": "x"}); p.Status != http.StatusForbidden {
			t.Errorf("resetting oneself: %d", p.Status)
		}
		for who, v := range map[string]*Visitor{"a manager": max, "a member": mias} {
			if p := v.Post(userPath(mia)+"/reset-2fa", Fields{"reason": "x"}); p.Status != http.StatusForbidden {
				t.Errorf("%s: %d", who, p.Status)
			}
		}
		for _, p := range []Person{owner, ada, mia} {
			if n := len(s.Query("SELECT id FROM authenticators WHERE user_id = $1", p.ID)); n != 1 {
				t.Errorf("%s has %d authenticators", p.Address, n)
			}
		}
	})
}

func TestI22_ResetsRequireAFreshCode(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ada, adas := addSignedIn(s, "ada", sallyport.Admin)
		mia, _ := enrolled(s, "mia")
		s.Clock.Advance(6 * minute)
		p := adas.Post(userPath(mia)+"/reset-2fa", Fields{"reason": "lost the phone"})
		if !strings.HasPrefix(p.Location, "/step-up?") || events(s, "two_factor.reset") != 0 {
			t.Fatalf("without fresh proof: %d %s", p.Status, p.Location)
		}
		adas.Get(p.Location)
		p = adas.Post(p.Location, Fields{"code": ada.Code(s.Clock.Now())})
		if p.Data("data-set-up-code") == "" || events(s, "two_factor.reset") != 1 {
			t.Errorf("the confirmed action was not carried out after the step-up: %d %s", p.Status, p.Location)
		}
	})
}

func TestI33_AdminPagesAfterAnHourWithoutUse(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ada, adas := addSignedIn(s, "ada", sallyport.Admin)
		if p := adas.Get("/admin/users"); p.Status != http.StatusOK {
			t.Fatalf("immediately: %d", p.Status)
		}
		s.Clock.Advance(time.Hour)
		adas.Get("/account") // using another page does not help
		adas.Get("/account")
		p := adas.Get("/admin/users")
		if !strings.HasPrefix(p.Location, "/step-up?") {
			t.Fatalf("after an hour: %d %s", p.Status, p.Location)
		}
		if p := adas.Post("/step-up?to=/admin/users", Fields{"code": ada.Code(s.Clock.Now())}); p.Location != "/admin/users" {
			t.Fatalf("step-up: %d %s", p.Status, p.Location)
		}
		if p := adas.Get("/admin/users"); p.Status != http.StatusOK {
			t.Errorf("after the step-up: %d", p.Status)
		}
	})
}

func TestI24_RoleAndStateEndEverything(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		_, ada := addSignedIn(s, "ada", sallyport.Admin)
		for verb, fields := range map[string]Fields{"": {"role": "manager"}, "/suspend": {}, "/sign-out": {}, "/delete": {}} {
			name := "m" + strings.Trim(verb, "/-")
			mia, mias := enrolled(s, strings.ReplaceAll(name, "-", ""))
			half := atChallenge(s, mia)
			if p := ada.Post(userPath(mia)+verb, fields); p.Status != http.StatusSeeOther {
				t.Errorf("%s: %d %s", verb, p.Status, p.Alert())
			}
			if mias.SignedIn() {
				t.Errorf("the session survives %s", verb)
			}
			if answer(half, mia.Code(s.Clock.Now())); half.SignedIn() {
				t.Errorf("the sign-in survives %s", verb)
			}
			ada.Post("/step-up", Fields{"code": ""})
		}
	})
}

func TestI28_SuperiorsLookUnknown(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		globex, gustav := secondWorkspace(s)
		_, ada := addSignedIn(s, "ada", sallyport.Admin)
		_, max := addSignedIn(s, "max", sallyport.Manager)
		ben := member(s, "ben")
		for who, v := range map[string]*Visitor{"admin": ada, "manager": max} {
			for _, tab := range []string{"", "/security"} {
				nobody := v.Get("/admin/users/usr_none" + tab)
				for what, id := range map[string]string{"an owner": s.Owner.ID, "a user of another workspace": gustav.ID} {
					if p := v.Get("/admin/users/" + id + tab); p.Status != http.StatusNotFound || p.Text() != nobody.Text() {
						t.Errorf("%s: the %s gets %d", what, who, p.Status)
					}
				}
			}
		}
		for _, path := range []string{"/delete", "/suspend", "/sign-out", "/unlock", "/restore", "/resend-invitation", "/revoke-invitation"} {
			for _, id := range []string{s.Owner.ID, gustav.ID} {
				if p := ada.Post("/admin/users/"+id+path, Fields{}); p.Status != http.StatusNotFound {
					t.Errorf("%s of %s: %d", path, id, p.Status)
				}
			}
			if p := max.Post(userPath(ben)+path, Fields{}); p.Status != http.StatusForbidden {
				t.Errorf("%s by a manager: %d", path, p.Status)
			}
		}
		if p := max.Get("/admin/users"); p.Status != http.StatusOK || !p.Has(ben.Address) || p.Has(gustav.Address) {
			t.Errorf("the list of a manager: %d", p.Status)
		}
		if p := max.Get(userPath(ben) + "/security"); p.Status != http.StatusOK || p.Has("IP address") {
			t.Errorf("a manager can see sessions: %d", p.Status)
		}
		there := s.Visitor().At(globex)
		there.SignIn(gustav)
		if p := there.Get("/admin/users"); p.Has("acme.example") {
			t.Error("Globex shows people of Acme")
		}
	})
}

func TestI58_TheLastOwnerStays(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		if err := s.Suspend(t.Context(), s.Console(), s.Owner.Address); !strings.Contains(errText(err), "last_owner") {
			t.Errorf("the console can suspend the last owner: %v", err)
		}
		una, unas := addSignedIn(s, "una", sallyport.Owner)
		dan, dans := addSignedIn(s, "dan", sallyport.Owner)
		s.Check(s.Suspend(t.Context(), s.Console(), s.Owner.Address))
		unas.Post("/step-up", Fields{"code": una.Code(s.Clock.Now())})
		var both sync.WaitGroup // each removes the other's role
		both.Go(func() { unas.Post(userPath(dan), Fields{"role": "member"}) })
		both.Go(func() { dans.Post(userPath(una), Fields{"role": "member"}) })
		both.Wait()
		if n := len(s.Query("SELECT id FROM users WHERE role = 'owner' AND state = 'active'")); n != 1 {
			t.Errorf("%d owners remain", n)
		}
	})
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

var invitationLink = regexp.MustCompile(`/invitation/[A-Za-z0-9_-]+`)

func TestI27_Invitations(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		_, ada := addSignedIn(s, "ada", sallyport.Admin)
		if p := ada.Post("/admin/users/new", Fields{"email": "eve@acme.example", "name": "Eve", "role": "owner"}); p.Status != http.StatusForbidden {
			t.Errorf("an admin can invite an owner: %d", p.Status)
		}
		for _, role := range []string{"", "boss"} {
			if p := ada.Post("/admin/users/new", Fields{"email": "eve@acme.example", "name": "Eve", "role": role}); p.Status != http.StatusUnprocessableEntity {
				t.Errorf("role %q: %d", role, p.Status)
			}
		}
		p := ada.Post("/admin/users/new", Fields{"email": "nia@acme.example", "name": "Nia", "role": "member"})
		if p.Status != http.StatusSeeOther {
			t.Fatalf("invite: %d %s", p.Status, p.Alert())
		}
		path := p.Location
		link := invitationLink.FindString(lastMail(s, "nia@acme.example"))
		s.Clock.Advance(time.Second)
		ada.Post(path+"/resend-invitation", Fields{})
		newer := invitationLink.FindString(lastMail(s, "nia@acme.example"))
		v := s.Visitor()
		if p := v.Get(link); p.Status != http.StatusGone || link == newer {
			t.Errorf("the earlier link: %d", p.Status)
		}
		if p := v.Get(newer); p.Status != http.StatusOK {
			t.Fatalf("the new link: %d", p.Status)
		}
		fields := Fields{"name": "Nia N.", "new_password": "quartz-lemon-9-harbour-vine", "role": "owner", "email": "x@acme.example", "workspace": "x"}
		if p := v.Post(newer, fields); p.Location != "/sign-in" {
			t.Fatalf("accept: %d %s %s", p.Status, p.Location, p.Alert())
		}
		if v.SignedIn() {
			t.Error("accepting an invitation signs in")
		}
		if p := v.Post(newer, fields); p.Status != http.StatusGone {
			t.Errorf("a second use: %d", p.Status)
		}
		rows := s.Query("SELECT address, name, role, state FROM users WHERE address_folded LIKE 'nia@%'")
		if want := []string{"nia@acme.example", "Nia N.", "member", "active"}; len(rows) != 1 || !slices.Equal(rows[0], want) {
			t.Errorf("I56: %q", rows)
		}
	})
}

var temporary = regexp.MustCompile(`[0-9A-Z]{5}(-[0-9A-Z]{5}){4}`)

func TestI27_TemporaryPasswords(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		_, ada := addSignedIn(s, "ada", sallyport.Admin)
		s.Exec("UPDATE policies SET invite_method = 'temporary_password', require_2fa = 'everyone', version = version + 1")
		path := ada.Post("/admin/users/new", Fields{"email": "nia@acme.example", "name": "Nia", "role": "member"}).Location
		first := temporary.FindString(lastMail(s, "nia@acme.example"))
		s.Clock.Advance(time.Second)
		ada.Post(path+"/resend-invitation", Fields{})
		nia := Person{User: sallyport.User{Address: "nia@acme.example"}, Password: first}
		v := s.Visitor()
		if p := v.GivePassword(nia); p.Status != http.StatusUnprocessableEntity {
			t.Errorf("the earlier temporary password: %d", p.Status)
		}
		nia.Password = temporary.FindString(lastMail(s, "nia@acme.example"))
		if p := v.GivePassword(nia); p.Location != "/sign-in/password" {
			t.Fatalf("the temporary password leads to %q %s", p.Location, p.Alert())
		}
		if v.SignedIn() {
			t.Error("a temporary password alone signs in")
		}
		if p := v.Post("/sign-in/password", Fields{"new_password": nia.Password}); p.Status != http.StatusUnprocessableEntity {
			t.Errorf("the temporary password is accepted as the new password: %d", p.Status)
		}
		if p := v.Post("/sign-in/password", Fields{"new_password": "quartz-lemon-9-harbour-vine"}); p.Location != "/sign-in/set-up" {
			t.Fatalf("the new password leads to %q %s", p.Location, p.Alert())
		}
		if p := s.Visitor().GivePassword(nia); p.Status != http.StatusUnprocessableEntity {
			t.Errorf("the replaced temporary password: %d", p.Status)
		}
		ada.Post("/admin/users/new", Fields{"email": "leo@acme.example", "name": "Leo", "role": "member"})
		leo := Person{User: sallyport.User{Address: "leo@acme.example"}, Password: temporary.FindString(lastMail(s, "leo@acme.example"))}
		s.Clock.Advance(72 * time.Hour)
		if p := s.Visitor().GivePassword(leo); p.Status != http.StatusUnprocessableEntity {
			t.Errorf("after 72 hours: %d", p.Status)
		}
	})
}

// lastMail returns the text of the latest e-mail to an address.
func lastMail(s *Site, to string) string {
	s.T.Helper()
	all := s.WaitingMails(to)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1].Text
}

func TestDeletedPeopleLeaveAnID(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		_, ada := addSignedIn(s, "ada", sallyport.Admin)
		mia, _ := enrolled(s, "mia")
		ada.Post("/admin/users/"+mia.ID+"/reset-2fa", Fields{"reason": "x"})
		if p := ada.Post(userPath(mia)+"/delete", Fields{}); p.Status != http.StatusSeeOther {
			t.Fatalf("delete: %d %s", p.Status, p.Alert())
		}
		s.Check(s.Seal(t.Context())) // until then, the events of her sign-ins wait under her id
		if dump := s.Dump("events"); strings.Contains(dump, mia.ID) || strings.Contains(dump, mia.Address) {
			t.Error("something about her remains")
		}
		for _, row := range s.Query("SELECT address, browser FROM events WHERE subject = $1 OR actor = $1", mia.ID) {
			if row[0] != "" && row[0] != "127.0.0.1" || row[1] != "" && !strings.Contains(row[1], "Firefox") {
				t.Errorf("an event: %q", row)
			}
		}
		if n := events(s, "user.deleted"); n != 1 {
			t.Errorf("%d events about the deletion", n)
		}
	})
}
