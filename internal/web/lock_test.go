package web_test

import (
	"context"
	"encoding/csv"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestLockedPeopleAreSeen: the list, its filter and its CSV, and both pages of a person say that the person is locked.
// They offer Unlock only then.
func TestLockedPeopleAreSeen(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		ctx := context.Background()
		codes, passwords, nobody := s.Add("codes@acme.example", sallyport.Member), s.Add("passwords@acme.example", sallyport.Manager), s.Add("nobody@acme.example", sallyport.Member)
		s.Enrol(&codes, "Pixel")
		invited := s.Add("invited@acme.example", sallyport.Member)
		s.Exec(`UPDATE users SET state = 'invited' WHERE id = $1`, invited.ID)
		s.Exec(`UPDATE entries SET state = 'invited' WHERE user_id = $1`, invited.ID)
		for range 10 {
			s.Clock.Advance(2 * time.Hour)
			c := s.Arriving()
			p, err := s.SignIn(ctx, c.By(), codes.Address, codes.Password)
			s.Check(err)
			c.Keep(p)
			if _, err := s.AnswerCode(ctx, c.By(), codes.Code(s.Clock.Now().Add(-24*time.Hour)), false); err == nil {
				t.Fatal("a wrong code is right")
			}
		}
		_, v := ownerOf(s)
		for range 10 {
			for _, p := range []sallyporttest.Person{passwords, invited} {
				if _, err := s.SignIn(ctx, s.Arriving().By(), p.Address, "wrong password"); err == nil {
					t.Fatal("a wrong password is right")
				}
			}
		}
		listed := func(query string) (found []string) {
			body := v.Get("/admin/users" + query).Body
			for _, p := range []sallyporttest.Person{codes, passwords, nobody, invited} {
				if strings.Contains(body, p.Address) {
					found = append(found, p.Address)
				}
			}
			return found
		}
		for query, want := range map[string][]string{
			"?state=locked":                            {codes.Address, passwords.Address},
			"?state=locked&role=manager":               {passwords.Address},
			"?state=locked&two_factor=enabled":         {codes.Address},
			"?state=locked&two_factor=disabled":        {passwords.Address},
			"?state=locked&q=passw":                    {passwords.Address},
			"?state=locked&q=acme&sort=-created":       {codes.Address, passwords.Address},
			"?state=locked&q=nobody":                   nil,
			"?state=locked&sort=last_sign_in":          {codes.Address, passwords.Address},
			"?state=locked&sort=two_factor&role=owner": nil,
			"?state=invited":                           {invited.Address},
			"?state=active&q=acme":                     {codes.Address, passwords.Address, nobody.Address},
		} {
			if got := listed(query); !slices.Equal(got, want) {
				t.Errorf("%s: %q, and not %q", query, got, want)
			}
		}
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(v.Get("/admin/users.csv?state=locked").Body, "\ufeff"))).ReadAll()
		if err != nil || len(rows) != 3 || rows[2][3] != "locked" || !slices.Equal(rows[2][8:], []string{"code", "", "no", ""}) || rows[1][8] != "password" || rows[1][9] == "" {
			t.Errorf("CSV: %v %q", err, rows)
		}
		if list := v.Get("/admin/users?q=invited").Body; !strings.Contains(list, ">Invited<") || strings.Contains(list, "after wrong") || strings.Contains(list, ">Locked</span>") {
			t.Errorf("a person who has not accepted the invitation: %s", list)
		}
		for _, c := range []struct {
			of     sallyporttest.Person
			says   string
			locked bool
		}{
			{codes, "until an administrator unlocks this person", true}, {passwords, "Sign-in from new browsers is refused until", true}, {nobody, "", false},
		} {
			for _, tab := range []string{"", "/security"} {
				body := v.Get("/admin/users/" + c.of.ID + tab).Body
				if strings.Contains(body, "<h2>Locked</h2>") != c.locked || !strings.Contains(body, c.says) || strings.Contains(body, c.of.ID+"/unlock") != c.locked {
					t.Errorf("%s%s: %s", c.of.Address, tab, body)
				}
			}
			if menu := v.Get("/admin/users").Body; strings.Contains(menu, c.of.ID+"/unlock") != c.locked {
				t.Errorf("the menu of %s offers Unlock: %t", c.of.Address, !c.locked)
			}
		}
		if p := v.Get("/admin/users/" + codes.ID + "/unlock"); p.Status != http.StatusOK {
			t.Errorf("asking whether to unlock: %d %s", p.Status, p.Alert())
		}
		if p := v.Post("/admin/users/"+codes.ID+"/unlock", nil); p.Status != http.StatusSeeOther {
			t.Errorf("unlocking: %d %s", p.Status, p.Alert())
		}
		s.Clock.Advance(time.Minute) // the other lock ends, whether or not that has been recorded
		if got := listed("?state=locked"); len(got) > 0 {
			t.Errorf("locked at the end: %q", got)
		}
		if body := v.Get("/admin/audit?kind=user.locked").Body; !strings.Contains(body, "after wrong codes") || !strings.Contains(body, "after wrong passwords") {
			t.Errorf("the audit log: %s", body)
		}
	})
}
