package web_test

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/web"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// confirmed is the field in the forms of pages behind e-mailed links.
var confirmed = sallyporttest.Fields{"confirm": "yes"}

// changeAddress asks for a new address and confirms it, and returns the undo link that went to the old one.
func changeAddress(s *sallyporttest.Site, v *sallyporttest.Visitor, from, to string) (undo string) {
	s.T.Helper()
	s.Clock.Advance(time.Second)
	v.Post("/account/email", sallyporttest.Fields{"email": to})
	link := s.MailedLink("email.confirm", to)
	if link == nil {
		s.T.Fatalf("no link to %s: %d %s", to, v.Page.Status, v.Page.Alert())
	}
	if got := v.Post(link.Path, confirmed); got.Location != "/account" {
		s.T.Fatalf("confirming %s: %d %s", to, got.Status, got.Alert())
	}
	return s.MailedLink("email.undo", from).Path
}

func address(e *sallyporttest.Env, p sallyporttest.Person) string {
	return e.Query(`SELECT address FROM users WHERE id = $1`, p.ID)[0][0]
}

func TestI24_ANewAddressEndsTheRest(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v, other := s.Visitor(), s.Visitor()
		v.Enrol(&p, "Pixel")
		other.SignIn(p)
		reset := requestReset(s, p.Address)
		v.Post("/account/email", sallyporttest.Fields{"email": "mia@new.example"})
		link := e.MailedLink("email.confirm", "mia@new.example")
		if link.Scheme+"://"+link.Host != e.URL {
			t.Errorf("the link leads to %s (I45)", link)
		}
		stranger := s.Visitor()
		if got := stranger.Get(link.Path); got.Status != http.StatusOK || !got.Has("mia@new.example") || address(e, p) != p.Address {
			t.Fatalf("looking changes the address, or shows nothing: %d %s", got.Status, got.Text())
		}
		old := v.Fork()
		if got := v.Post(link.Path, confirmed); got.Location != "/account" || address(e, p) != "mia@new.example" {
			t.Fatalf("%d %s %s", got.Status, got.Location, got.Alert())
		}
		if !v.SignedIn() || old.SignedIn() || other.SignedIn() {
			t.Error("only this session must stay, with a new secret")
		}
		for _, used := range []string{link.Path, reset} {
			if got := stranger.Get(used); got.Status != http.StatusGone {
				t.Errorf("a link from before works: %d", got.Status)
			}
		}
		if got := s.Visitor().GivePassword(p); got.Status != http.StatusUnprocessableEntity {
			t.Errorf("the old address signs in: %s", got.Location)
		}
		if e.MailedLink("email.undo", p.Address) == nil || e.MailedLink("email.changed", "mia@new.example") == nil {
			t.Error("not both addresses are told (I53)")
		}
		e.Clock.Advance(time.Minute)
		p.Address = "mia@new.example"
		s.Visitor().SignIn(p)
	})
}

func TestI26_AConfirmedAddressSignsNobodyIn(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		v.SignIn(p)
		v.Post("/account/email", sallyporttest.Fields{"email": "one@new.example"})
		first := e.MailedLink("email.confirm", "one@new.example").Path
		v.Post("/account/email", sallyporttest.Fields{"email": "two@new.example"})
		second := e.MailedLink("email.confirm", "two@new.example").Path
		stranger := s.Visitor()
		if got := stranger.Post(first, confirmed); got.Status != http.StatusGone || address(e, p) != p.Address {
			t.Errorf("a newer link leaves the older one: %d", got.Status)
		}
		if got := stranger.Post(strings.Replace(second, "/email/", "/reset/", 1), sallyporttest.Fields{"new_password": newPassword}); got.Status != http.StatusGone {
			t.Errorf("it serves another purpose: %d", got.Status)
		}
		if got := stranger.Post(second, confirmed); got.Location != "/sign-in" || stranger.SignedIn() || address(e, p) != "two@new.example" {
			t.Errorf("%d %s", got.Status, got.Location)
		}
		if v.SignedIn() {
			t.Error("confirmed in another browser, it leaves the session that asked (I24)")
		}
		if got := stranger.Post(second, confirmed); got.Status != http.StatusGone {
			t.Errorf("it works twice: %d", got.Status)
		}
		v.SignIn(sallyporttest.Person{User: sallyport.User{Address: "two@new.example"}, Password: p.Password})
		v.Post("/account/email", sallyporttest.Fields{"email": "three@new.example"})
		e.Clock.Advance(sallyport.ConfirmEmailLimit)
		if got := stranger.Post(e.MailedLink("email.confirm", "three@new.example").Path, confirmed); got.Status != http.StatusGone {
			t.Errorf("it works after a day: %d", got.Status)
		}
	})
}

// An intruder changes the account's address twice, and everything else. The first owner's link brings the account back,
// and none of the intruder's links can take it away again.
func TestUndoSurvivesWhatCameAfter(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		v.Enrol(&p, "Pixel")
		undo := changeAddress(s, v, p.Address, "one@evil.example")
		evil := changeAddress(s, v, "one@evil.example", "two@evil.example")
		change(v, p.Password, newPassword)
		e.Clock.Advance(72*time.Hour - time.Hour)
		owner := s.Visitor()
		if got := owner.Get(undo); got.Status != http.StatusOK || !got.Has(p.Address) || address(e, p) != "two@evil.example" {
			t.Fatalf("looking: %d %s", got.Status, got.Text())
		}
		got := owner.Post(undo, confirmed)
		if !strings.HasPrefix(got.Location, "/reset/") || address(e, p) != p.Address || owner.SignedIn() {
			t.Fatalf("%d %s %s", got.Status, got.Location, got.Alert())
		}
		if v.SignedIn() {
			t.Error("the intruder is still signed in")
		}
		p.Password = newPassword
		if got := s.Visitor().GivePassword(p); got.Status != http.StatusUnprocessableEntity {
			t.Errorf("the intruder's password works: %s", got.Location)
		}
		for _, link := range []string{undo, evil} {
			if got := s.Visitor().Post(link, confirmed); got.Status != http.StatusGone || address(e, p) != p.Address {
				t.Errorf("a link works after the undoing: %d", got.Status)
			}
		}
		p.Password = newPassword + "-mine"
		if got := owner.Post(got.Location, sallyporttest.Fields{"new_password": p.Password}); got.Location != "/sign-in" {
			t.Fatalf("%d %s", got.Status, got.Alert())
		}
		if got := owner.GivePassword(p); got.Location != "/sign-in/2fa" {
			t.Fatalf("two-factor authentication is gone (I26): %s", got.Location)
		}
	})
}

func TestUndoOfALaterChangeLeavesTheEarlier(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		v.SignIn(p)
		undo := changeAddress(s, v, p.Address, "one@evil.example")
		evil := changeAddress(s, v, "one@evil.example", "two@evil.example")
		if got := s.Visitor().Post(evil, confirmed); got.Status != http.StatusSeeOther || address(e, p) != "one@evil.example" {
			t.Fatalf("%d %s", got.Status, got.Alert())
		}
		if got := s.Visitor().Post(undo, confirmed); got.Status != http.StatusSeeOther || address(e, p) != p.Address {
			t.Errorf("%d %s", got.Status, got.Alert())
		}
		// Without a password, the person is still not a new user: once restored, they are active, not invited.
		ctx, owner := context.Background(), e.Arriving()
		result, err := e.SignIn(ctx, owner.By(), e.Owner.Address, e.Owner.Password)
		e.Check(err)
		owner.Keep(result)
		e.Check(e.Suspend(ctx, owner.By(), p.ID))
		e.Check(e.Restore(ctx, owner.By(), p.ID))
		if state := e.Query("SELECT state FROM users WHERE id = $1", p.ID)[0][0]; state != "active" {
			t.Errorf("suspended before a new password was chosen, and restored: %s", state)
		}
	})
}

func TestUndoEndsAfterThreeDays(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		v.SignIn(p)
		undo := changeAddress(s, v, p.Address, "mia@new.example")
		e.Clock.Advance(sallyport.UndoEmailLimit)
		if got := s.Visitor().Post(undo, confirmed); got.Status != http.StatusGone || address(e, p) != "mia@new.example" {
			t.Errorf("%d", got.Status)
		}
	})
}

func TestI36_AddressesAreOnePersonOrRefused(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		taken := e.Add("josé@acme.example", sallyport.Member)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		v.SignIn(p)
		v.Post("/account/email", sallyporttest.Fields{"email": "free@acme.example"})
		free := v.Page
		for _, email := range []string{
			"", "mia", "mia@", "@acme.example", "a@b@acme.example", "a@acme.example\r\nBcc: x@evil.example", "a\n@acme.example",
			"a@acme.example, b@acme.example", "<a@acme.example>", `"a b"@acme.example`, strings.Repeat("a", 400) + "@acme.example",
			"mіa@acme.example", "a@аcme.example", "a@mail.аcme.example", "a\u200b@acme.example", "a\u202e@acme.example",
		} {
			if got := v.Post("/account/email", sallyporttest.Fields{"email": email}); got.Status != http.StatusUnprocessableEntity {
				t.Errorf("%q: %d %s", email, got.Status, got.Location)
			}
			if got := s.Visitor().Post("/forgot", sallyporttest.Fields{"email": email}); got.Status != http.StatusUnprocessableEntity {
				t.Errorf("forgot %q: %d %s", email, got.Status, got.Location)
			}
		}
		for _, email := range []string{"mia@почта.example", "миа@почта.example", "mia@ελλάδα.example"} { // each part in one script
			e.Clock.Advance(time.Hour)
			v.Post("/step-up", sallyporttest.Fields{"password": p.Password})
			if got := v.Post("/account/email", sallyporttest.Fields{"email": email}); got.Status != free.Status || got.Location != free.Location {
				t.Errorf("%q: %d %s", email, got.Status, got.Location)
			}
		}
		for i, email := range []string{taken.Address, "JOSÉ@ACME.example", " jose\u0301@acme.example ", "ｊosé@acme.example"} {
			if i > 2 {
				e.Clock.Advance(time.Hour)
				v.Post("/step-up", sallyporttest.Fields{"password": p.Password})
			}
			before := len(e.WaitingMails(""))
			if got := v.Post("/account/email", sallyporttest.Fields{"email": email}); got.Status != free.Status || got.Location != free.Location {
				t.Errorf("%q, which is taken: %d %s", email, got.Status, got.Location)
			}
			if len(e.WaitingMails("")) != before {
				t.Errorf("%q, which is taken: a mail went out", email)
			}
		}
		if requestReset(s, "JOSE\u0301@acme.example") != "" || e.MailedLink("password.forgotten", taken.Address) == nil {
			t.Error("another spelling is not the same person, or the mail did not go to the stored address")
		}
	})
}

func TestI36_OfTwoWhoTakeOneAddressOneGetsIt(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		var links []string
		for i := range 4 {
			p := e.Add(fmt.Sprintf("p%d@acme.example", i), sallyport.Member)
			v := s.Visitor()
			v.SignIn(p)
			e.Clock.Advance(time.Second)
			v.Post("/account/email", sallyporttest.Fields{"email": "one@new.example"})
			links = append(links, e.MailedLink("email.confirm", "one@new.example").Path)
		}
		var all sync.WaitGroup
		statuses := make([]int, len(links))
		for i, link := range links {
			v := s.Visitor()
			all.Go(func() { statuses[i] = v.Post(link, confirmed).Status })
		}
		all.Wait()
		done := 0
		for _, status := range statuses {
			switch status {
			case http.StatusSeeOther:
				done++
			case http.StatusUnprocessableEntity:
			default:
				t.Errorf("one is answered %d", status)
			}
		}
		if done != 1 || len(e.Query(`SELECT id FROM users WHERE address = 'one@new.example'`)) != 1 {
			t.Errorf("%d got it: %v", done, statuses)
		}
	})
}

// TestI23_MailedLinksTakeTheirOwnFormAlone: a program that follows a link and posts to it changes nothing.
func TestI23_MailedLinksTakeTheirOwnFormAlone(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		p, v := e.Add("mia@acme.example", sallyport.Member), s.Visitor()
		owner, owners := ownerOf(s)
		v.SignIn(p)
		undo := changeAddress(s, v, p.Address, "mia@new.example")
		v.Post("/account/email", sallyporttest.Fields{"email": "mia@newest.example"})
		owners.Post("/step-up", sallyporttest.Fields{"code": code(s, &owner)})
		owners.Post("/admin/users/new", sallyporttest.Fields{"email": "new@acme.example", "name": "New", "role": "member"})
		links := map[string]string{
			"/email/undo/{token}": undo,
			"/email/{token}":      e.MailedLink("email.confirm", "mia@newest.example").Path,
			"/reset/{token}":      requestReset(s, "mia@new.example"),
			"/invitation/{token}": e.MailedLink("invitation", "new@acme.example").Path,
		}
		before := e.Query(`SELECT id, address, epoch, state, password_hash FROM users ORDER BY id`)
		for _, r := range web.Routes() {
			if r.Method != "POST" || !strings.Contains(r.Path, "{token}") || r.Access == "outside" {
				continue
			}
			link, ok := links[r.Path]
			if !ok {
				t.Errorf("%s is not tried", r.Path)
			}
			if got := s.Visitor().Get(link); got.Status != http.StatusOK {
				t.Errorf("%s: %d", link, got.Status)
			}
			for what, header := range map[string]http.Header{
				"with nothing":        {},
				"from its own origin": s.Visitor().PostHeader(),
				"as a form":           {"Content-Type": {"application/x-www-form-urlencoded"}},
			} {
				got := s.Visitor().Send(sallyporttest.Request{Method: "POST", Target: link, Header: header})
				if got.Status < 400 || got.Status >= 500 || got.Alert() == "" {
					t.Errorf("%s %s: %d %s", r.Path, what, got.Status, got.Location)
				}
			}
		}
		if after := e.Query(`SELECT id, address, epoch, state, password_hash FROM users ORDER BY id`); !reflect.DeepEqual(before, after) {
			t.Errorf("%v became %v", before, after)
		}
	})
}
