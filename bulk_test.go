package sallyport_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// eventsOf returns the kinds and subjects of events of these kinds, in order.
func eventsOf(e *sallyporttest.Env, kind string) (all []string) {
	e.T.Helper()
	for _, row := range e.Query(`SELECT u.address FROM events e JOIN users u ON u.id = e.subject WHERE e.kind = $1 ORDER BY u.address`, kind) {
		name, _, _ := strings.Cut(row[0], "@")
		all = append(all, name)
	}
	return all
}

// TestBulk performs each action on people in every situation at once: each person gets the result that they would get
// alone.
func TestBulk(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		ada := e.Add("ada@acme.example", sallyport.Admin)
		by := e.Enrol(&ada, "Ada's")
		ids, names := []string{}, map[string]string{}
		someone := func(name string, role sallyport.Role, change string) {
			p := e.Add(name+"@acme.example", role)
			if change != "" {
				e.Exec(`UPDATE users SET `+change+` WHERE id = $1`, p.ID)
			}
			ids, names[p.ID] = append(ids, p.ID), name
		}
		someone("active", sallyport.Member, "")
		someone("admin", sallyport.Admin, "")
		someone("invited", sallyport.Member, "state = 'invited', password_at = 0")
		someone("mailless", sallyport.Member, "address = '', address_folded = ''")
		someone("owner", sallyport.Owner, "")
		someone("protected", sallyport.Member, "two_factor = 1")
		someone("recent", sallyport.Member, fmt.Sprintf("reminded_at = %d", e.Clock.Now().Add(-time.Hour).UnixMilli()))
		someone("suspended", sallyport.Manager, "state = 'suspended'")
		ids = append(ids, ada.ID, "usr_none", ids[0])
		names[ada.ID], names["usr_none"] = "ada", "none"
		otherWorkspace(e, "gustav@globex.example")
		stranger := e.Query(`SELECT id FROM users WHERE address = 'gustav@globex.example'`)[0][0]
		ids, names[stranger] = append(ids, stranger), "stranger"

		for _, c := range []struct {
			action  sallyport.BulkAction
			event   string
			done    []string
			skipped map[string]error
		}{
			{sallyport.BulkRemind, "user.reminded", []string{"active", "admin"}, map[string]error{
				"invited": sallyport.ErrNotActive, "mailless": sallyport.ErrNoAddress, "protected": sallyport.ErrHasTwoFactor,
				"recent": sallyport.ErrReminded, "suspended": sallyport.ErrNotActive}},
			{sallyport.BulkSignOut, "user.signed_out", []string{"active", "admin", "mailless", "protected", "recent"}, map[string]error{
				"invited": sallyport.ErrNotActive, "suspended": sallyport.ErrNotActive}},
			{sallyport.BulkRestore, "user.restored", []string{"suspended"}, map[string]error{
				"active": sallyport.ErrNotSuspended, "admin": sallyport.ErrNotSuspended, "invited": sallyport.ErrNotSuspended,
				"mailless": sallyport.ErrNotSuspended, "protected": sallyport.ErrNotSuspended, "recent": sallyport.ErrNotSuspended}},
			{sallyport.BulkSuspend, "user.suspended", []string{"active", "admin", "invited", "mailless", "protected", "recent", "suspended"}, map[string]error{}},
		} {
			for _, name := range []string{"none", "owner", "stranger"} {
				c.skipped[name] = sallyport.ErrNotFound
			}
			c.skipped["ada"] = sallyport.ErrYourself
			check := func(what string, all []sallyport.BulkResult, err error) {
				t.Helper()
				if err != nil || len(all) != len(ids)-1 {
					t.Fatalf("%s, %s: %d people, %v", c.action, what, len(all), err)
				}
				var done []string
				for _, r := range all {
					name := names[r.User.ID]
					if r.Err == nil {
						done = append(done, name)
					} else if !errors.Is(r.Err, c.skipped[name]) {
						t.Errorf("%s, %s: %s is skipped for %v", c.action, what, name, r.Err)
					}
					if errors.Is(r.Err, sallyport.ErrNotFound) && r.User.Address != "" {
						t.Errorf("%s, %s: %s is named", c.action, what, name)
					}
				}
				if !slices.Equal(done, c.done) {
					t.Errorf("%s, %s: %v, want %v", c.action, what, done, c.done)
				}
			}
			before := e.Dump("sessions")
			plan, err := e.PlanBulk(ctx, by.By(), c.action, ids)
			check("planned", plan, err)
			if e.Dump("sessions") != before {
				t.Errorf("%s: the plan changed something", c.action)
			}
			all, err := e.DoBulk(ctx, by.By(), c.action, ids)
			check("done", all, err)
			want := slices.DeleteFunc(slices.Clone(c.done), func(n string) bool { return n == "mailless" })
			if got := slices.DeleteFunc(eventsOf(e, c.event), func(n string) bool { return n == "" }); !slices.Equal(got, want) {
				t.Errorf("%s: events of %v, want %v", c.action, got, want)
			}
		}
		if got := reminded(e); !slices.Equal(got, []string{"active 1", "admin 1"}) {
			t.Errorf("reminded by mail: %v", got)
		}
	})
}

// TestBulkLimits: a refusal that is not about one of the people comes before anything is done.
func TestBulkLimits(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		mia, max := e.Add("mia@acme.example", sallyport.Member), e.Add("max@acme.example", sallyport.Manager)
		owner := e.Owner
		owners := e.Enrol(&owner, "Olive's")
		many := make([]string, sallyport.BulkLimit+1)
		for name, c := range map[string]struct {
			by     sallyport.Caller
			action sallyport.BulkAction
			ids    []string
			want   error
		}{
			"nobody":       {owners.By(), sallyport.BulkSuspend, nil, sallyport.ErrBulkNobody},
			"too many":     {owners.By(), sallyport.BulkSuspend, many, sallyport.ErrBulkTooMany},
			"unknown":      {owners.By(), "delete", []string{mia.ID}, sallyport.ErrBulkUnknown},
			"by a manager": {signedIn(e, max).By(), sallyport.BulkSignOut, []string{mia.ID}, sallyport.ErrNotAllowed},
			"signed out":   {e.Arriving().By(), sallyport.BulkSignOut, []string{mia.ID}, sallyport.ErrSignedOut},
		} {
			if _, err := e.DoBulk(ctx, c.by, c.action, c.ids); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		e.Clock.Advance(sallyport.AdminIdleLimit)
		if _, err := e.DoBulk(ctx, owners.By(), sallyport.BulkSuspend, []string{mia.ID}); !errors.Is(err, sallyport.ErrStepUp) {
			t.Errorf("after an idle hour: %v", err)
		}
		if n := len(e.Query(`SELECT id FROM users WHERE state = 'suspended'`)); n != 0 {
			t.Errorf("%d were suspended", n)
		}
	})
}

// TestI58_BulkLeavesAnOwner: if two owners suspend each other and themselves, one remains.
func TestI58_BulkLeavesAnOwner(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		owner := e.Owner
		owners := e.Enrol(&owner, "Olive's")
		other := e.Add("otto@acme.example", sallyport.Owner)
		ids := []string{owner.ID, other.ID}
		others := signedIn(e, other)
		all, err := e.DoBulk(ctx, owners.By(), sallyport.BulkSuspend, ids)
		if err != nil || !errors.Is(all[0].Err, sallyport.ErrYourself) || all[1].Err != nil {
			t.Errorf("%+v %v", all, err)
		}
		if _, err := e.DoBulk(ctx, others.By(), sallyport.BulkSuspend, ids); !errors.Is(err, sallyport.ErrSignedOut) {
			t.Errorf("the suspended owner suspends in turn: %v", err)
		}
	})
}

// TestInviteSeveral: each line gets the result that it would get alone, and nothing is sent unless the caller may
// invite.
func TestInviteSeveral(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		owner := e.Owner
		b := e.Enrol(&owner, "Olive's")
		invite := func(role sallyport.Role, addresses ...string) ([]sallyport.InviteResult, error) {
			var people []sallyport.Invitee
			for _, a := range addresses {
				people = append(people, sallyport.Invitee{Address: a, Name: "Name of " + a})
			}
			return e.InviteSeveral(ctx, b.By(), people, role)
		}
		all, err := invite(sallyport.Member, "nia@acme.example", "no address", "olive@acme.example", "NIA@acme.example", "noa@acme.example")
		want := []error{nil, sallyport.ErrAddressInvalid, sallyport.ErrAddressTaken, sallyport.ErrAddressTaken, nil}
		if err != nil || len(all) != len(want) {
			t.Fatalf("%v %v", all, err)
		}
		for i, r := range all {
			if !errors.Is(r.Err, want[i]) || (r.Err == nil) != (want[i] == nil) {
				t.Errorf("%s: %v", r.Address, r.Err)
			}
		}
		if got := eventsOf(e, "user.invited"); !slices.Equal(got, []string{"nia", "noa"}) {
			t.Errorf("events: %v", got)
		}
		if got := e.Query(`SELECT address FROM outbox WHERE kind = 'invitation' ORDER BY address`); fmt.Sprint(got) != "[[nia@acme.example] [noa@acme.example]]" {
			t.Errorf("mails: %v", got)
		}
		if _, err := invite(sallyport.Member); !errors.Is(err, sallyport.ErrInviteNobody) {
			t.Errorf("no one to invite: %v", err)
		}
		if _, err := invite(sallyport.Member, make([]string, sallyport.InviteLimit+1)...); !errors.Is(err, sallyport.ErrInviteTooMany) {
			t.Errorf("too many: %v", err)
		}
		if _, err := invite("boss", "bo@acme.example"); !errors.Is(err, sallyport.ErrRoleInvalid) {
			t.Errorf("no such role: %v", err)
		}
		e.Clock.Advance(sallyport.StepUpLimit + time.Minute)
		if _, err := invite(sallyport.Owner, "no address", "mo@acme.example"); !errors.Is(err, sallyport.ErrStepUp) {
			t.Errorf("owners with an old proof: %v", err)
		}
		if n := len(e.Query(`SELECT id FROM users WHERE address LIKE 'mo@%' OR address LIKE 'bo@%'`)); n != 0 {
			t.Errorf("%d were invited", n)
		}
	})
}
