package sallyport_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

var (
	levels = []string{sallyport.RequireOptional, sallyport.RequireAdmins, sallyport.RequireEveryone}
	t0     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

func onDay(n int) time.Time { return t0.AddDate(0, 0, n) }

// applies is an independent implementation of what each level requires of each role.
func applies(level string, role sallyport.Role) bool {
	return strings.Contains(map[string]string{"admins": "owner admin", "everyone": "owner admin manager member"}[level], string(role))
}

// TestRequirementSituations goes through previous requirement x new one x date x role x when people joined x time x
// state of the person. A date gives time only to people who had already joined and were not required to do anything.
func TestRequirementSituations(t *testing.T) {
	dates := map[string]time.Time{"none": {}, "past": onDay(-1), "now": t0, "future": onDay(7)}
	people := map[string]int64{"before versions were kept": 0, "before": 7, "after": 8, "later": 12}
	times := map[string]time.Time{"at once": t0, "just before the day": onDay(7).Add(-time.Millisecond), "on the day": onDay(7), "after the day": onDay(90)}
	for _, before := range levels {
		for _, of := range levels {
			for date, from := range dates {
				old := sallyport.Requirement{Of: before}
				r := sallyport.Requirement{Of: of, From: from}.Replacing(old, 8, t0)
				if dated := date == "future" && of != "optional" && of != before; r.From.IsZero() == dated {
					t.Errorf("%s, then %s from %s: the stored date is %s", before, of, date, r.From)
				}
				for _, role := range sallyport.Roles {
					for joined, at := range people {
						for when, now := range times {
							waits := !r.From.IsZero() && now.Before(onDay(7))
							want := applies(of, role)
							if waits {
								want = applies(before, role) || want && at >= 8
							}
							what := fmt.Sprintf("%s, then %s from %s: a %s who joined %s, %s", before, of, date, role, joined, when)
							if got := r.Binds(role, at, now); got != want {
								t.Errorf("%s: binds %t", what, got)
							}
							if on, due := r.Due(role, at, now); due != (applies(of, role) && !want) || due && !on.Equal(onDay(7)) {
								t.Errorf("%s: due %t %s", what, due, on)
							}
							for _, u := range []sallyport.User{{}, {TwoFactor: true}, {MustSetUp: true}, {TwoFactor: true, MustSetUp: true}} {
								u.Role, u.JoinedUnder, u.PasswordHash = role, at, "x"
								inAPolicy(t, what, sallyport.Policy{Require2FA: r}, u, now, want)
							}
						}
					}
				}
			}
		}
	}
}

// inAPolicy checks that everything derived from a policy is consistent.
func inAPolicy(t *testing.T, what string, p sallyport.Policy, u sallyport.User, now time.Time, required bool) {
	t.Helper()
	what = fmt.Sprintf("%s, enabled %t, reset %t", what, u.TwoFactor, u.MustSetUp)
	forced := !u.TwoFactor && (u.MustSetUp || required)
	state, least := "disabled", 15
	switch {
	case u.TwoFactor:
		state, least = "enabled", 8
	case forced:
		state, least = "required", 8
	}
	if got := p.Required(u, now); got != required {
		t.Errorf("%s: required %t", what, got)
	}
	if got := p.Forces(u, now); got != forced {
		t.Errorf("%s: forces %t", what, got)
	}
	if got := p.TwoFactorState(u, now); got != state {
		t.Errorf("%s: %s", what, got)
	}
	if got := p.MinPassword(u, now); got != least || p.TooShort(u, now) != (least == 15) {
		t.Errorf("%s: passwords of %d characters, and the one there is too short: %t", what, got, p.TooShort(u, now))
	}
	if _, due := p.Due(u, now); due && (forced || u.TwoFactor) {
		t.Errorf("%s: has a due date, though already forced or enabled", what)
	}
}

// TestRequirementChangedWhileItWaits makes decisions before the day of the previous one has come. Each situation says
// who is forced after the last one: o, a, m are an owner, an admin and a member who were there from the start; letters
// with a number joined that many days later.
func TestRequirementChangedWhileItWaits(t *testing.T) {
	type decision struct {
		on   int // day
		of   string
		from int // day; 0: no date
	}
	for what, c := range map[string]struct {
		decided []decision
		forced  map[int]string // by day
	}{
		"undone":                                  {[]decision{{0, "everyone", 9}, {2, "optional", 0}}, map[int]string{2: "", 9: "", 99: ""}},
		"undone, the date left in the form":       {[]decision{{0, "everyone", 9}, {2, "optional", 9}}, map[int]string{2: "", 9: "", 99: ""}},
		"lowered":                                 {[]decision{{0, "everyone", 9}, {2, "admins", 9}}, map[int]string{2: "a1 a3 a5", 8: "a1 a3 a5", 9: "o a a1 a3 a5"}},
		"raised twice, the same day":              {[]decision{{0, "admins", 9}, {2, "everyone", 9}}, map[int]string{2: "a1 a3 a5 m3 m5", 9: "o a m a1 m1 a3 m3 a5 m5"}},
		"raised twice, a later day":               {[]decision{{0, "admins", 5}, {2, "everyone", 9}}, map[int]string{2: "a1 a3 a5 m3 m5", 6: "a1 a3 a5 m3 m5", 9: "o a m a1 m1 a3 m3 a5 m5"}},
		"raised twice, the second at once":        {[]decision{{0, "admins", 5}, {2, "everyone", 0}}, map[int]string{2: "o a m a1 m1 a3 m3 a5 m5"}},
		"raised when the first day was over":      {[]decision{{0, "admins", 2}, {4, "everyone", 9}}, map[int]string{4: "o a a1 a3 a5 m5", 9: "o a m a1 m1 a3 m3 a5 m5"}},
		"the day moved later":                     {[]decision{{0, "everyone", 5}, {2, "everyone", 9}}, map[int]string{4: "a1 m1 a3 m3 a5 m5", 6: "a1 m1 a3 m3 a5 m5", 9: "o a m a1 m1 a3 m3 a5 m5"}},
		"the day moved sooner":                    {[]decision{{0, "everyone", 9}, {2, "everyone", 5}}, map[int]string{4: "a1 m1 a3 m3 a5 m5", 5: "o a m a1 m1 a3 m3 a5 m5"}},
		"the day taken away":                      {[]decision{{0, "everyone", 9}, {2, "everyone", 0}}, map[int]string{2: "o a m a1 m1 a3 m3 a5 m5"}},
		"in force, then with a day":               {[]decision{{0, "everyone", 0}, {2, "everyone", 9}}, map[int]string{2: "o a m a1 m1 a3 m3 a5 m5", 9: "o a m a1 m1 a3 m3 a5 m5"}},
		"admins in force, everyone, optional":     {[]decision{{0, "admins", 0}, {2, "everyone", 9}, {4, "optional", 0}}, map[int]string{3: "o a a1 a3 a5 m3 m5", 4: "", 9: ""}},
		"admins in force, everyone, back":         {[]decision{{0, "admins", 0}, {2, "everyone", 9}, {4, "admins", 9}}, map[int]string{4: "o a a1 a3 a5", 9: "o a a1 a3 a5"}},
		"lowered with a day":                      {[]decision{{0, "everyone", 0}, {2, "admins", 9}}, map[int]string{2: "o a m a1 m1 a3 m3 a5 m5", 9: "o a a1 a3 a5"}},
		"undone, and raised again":                {[]decision{{0, "everyone", 9}, {2, "optional", 0}, {4, "everyone", 9}}, map[int]string{4: "a5 m5", 9: "o a m a1 m1 a3 m3 a5 m5"}},
		"lowered, and raised again":               {[]decision{{0, "everyone", 9}, {2, "admins", 9}, {4, "everyone", 9}}, map[int]string{4: "a1 a3 a5 m5", 9: "o a m a1 m1 a3 m3 a5 m5"}},
		"saved once more as it is, and once more": {[]decision{{0, "everyone", 9}, {2, "everyone", 9}, {4, "everyone", 9}}, map[int]string{4: "a1 m1 a3 m3 a5 m5", 9: "o a m a1 m1 a3 m3 a5 m5"}},
	} {
		var history []sallyport.Requirement
		r := sallyport.Requirement{Of: "optional"}
		at := func(n int) (now sallyport.Requirement) {
			for i, d := range c.decided {
				if d.on <= n {
					now = history[i]
				}
			}
			return now
		}
		for _, d := range c.decided {
			wanted := sallyport.Requirement{Of: d.of}
			if d.from != 0 {
				wanted.From = onDay(d.from)
			}
			r = wanted.Replacing(r, int64(d.on)+1, onDay(d.on))
			history = append(history, r)
		}
		for n, want := range c.forced {
			var got []string
			for _, joined := range []int{-30, 1, 3, 5} {
				for name, role := range map[string]sallyport.Role{"o": sallyport.Owner, "a": sallyport.Admin, "m": sallyport.Member} {
					if joined > 0 && name == "o" {
						continue
					}
					if joined > 0 {
						name += fmt.Sprint(joined)
					}
					if at(n).Binds(role, int64(max(0, joined)), onDay(n)) {
						got = append(got, name)
					}
				}
			}
			all := strings.Fields(want)
			slices.Sort(got)
			slices.Sort(all)
			if !slices.Equal(got, all) {
				t.Errorf("%s: on day %d it binds %v, not %v", what, n, got, all)
			}
		}
	}
}

func TestTightens(t *testing.T) {
	type r = sallyport.Requirement
	admins, everyone := []sallyport.Role{sallyport.Owner, sallyport.Admin}, sallyport.Roles
	others := []sallyport.Role{sallyport.Manager, sallyport.Member}
	waiting := func(of string, from int, before string) r {
		return r{Of: of, From: onDay(from)}.Replacing(r{Of: before}, 2, onDay(-1))
	}
	for what, c := range map[string]struct {
		old, next r
		want      []sallyport.Role
	}{
		"optional stays":                   {r{Of: "optional"}, r{Of: "optional"}, nil},
		"of admins":                        {r{Of: "optional"}, r{Of: "admins"}, admins},
		"of everyone, with a date":         {r{Of: "optional"}, r{Of: "everyone", From: onDay(9)}, everyone},
		"from admins to everyone":          {r{Of: "admins"}, r{Of: "everyone"}, others},
		"the same, with a date":            {r{Of: "admins"}, r{Of: "everyone", From: onDay(9)}, others},
		"the same once more":               {r{Of: "everyone"}, r{Of: "everyone"}, nil},
		"lowered":                          {r{Of: "everyone"}, r{Of: "admins"}, nil},
		"lifted":                           {r{Of: "everyone"}, r{Of: "optional"}, nil},
		"sooner":                           {waiting("everyone", 9, "optional"), r{Of: "everyone", From: onDay(8)}, everyone},
		"sooner, of who waits":             {waiting("everyone", 9, "admins"), r{Of: "everyone", From: onDay(8)}, others},
		"at once":                          {waiting("everyone", 9, "optional"), r{Of: "everyone"}, everyone},
		"later":                            {waiting("everyone", 9, "optional"), r{Of: "everyone", From: onDay(10)}, nil},
		"put off, although in force":       {r{Of: "everyone"}, r{Of: "everyone", From: onDay(1)}, nil},
		"the day has come":                 {waiting("everyone", 0, "optional"), r{Of: "everyone"}, nil},
		"sooner, but of admins alone":      {waiting("everyone", 9, "optional"), r{Of: "admins"}, admins},
		"those of admins, who had no time": {waiting("everyone", 9, "admins"), r{Of: "admins"}, nil},
		"a lowering to come is taken back": {waiting("admins", 9, "everyone"), r{Of: "everyone"}, nil},
	} {
		if got := c.next.Replacing(c.old, 3, t0).Tightens(c.old, t0); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// TestRequirementIsKept: both databases return what was saved, and the lists of people contain those it applies to.
func TestRequirementIsKept(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		owner := e.Owner
		e.Add("ann@acme.example", sallyport.Admin)
		e.Add("old@acme.example", sallyport.Member)
		b := e.Enrol(&owner, "Owner's")
		decide := func(of string, from time.Time) {
			t.Helper()
			e.Clock.Advance(time.Hour)
			token, err := e.StepUpCode(ctx, b.By(), owner.Code(e.Clock.Now()), sallyport.StrongFactor)
			e.Check(err)
			b.Session = token
			p := b.By().Policy()
			p.Require2FA = sallyport.Requirement{Of: of, From: from}
			e.Check(e.SavePolicy(ctx, b.By(), p))
		}
		listed := func(state string) string {
			t.Helper()
			var names []string
			for _, order := range []sallyport.Order{sallyport.ByName, sallyport.ByAddress, sallyport.ByCreated} {
				var some []string
				list, err := e.People(ctx, b.By(), sallyport.PeopleFilter{TwoFactor: state, Order: order}, "", "")
				e.Check(err)
				for _, u := range list.People {
					name, _, _ := strings.Cut(u.Address, "@")
					some = append(some, name)
				}
				if slices.Sort(some); names != nil && !slices.Equal(names, some) {
					t.Errorf("%s by %s: %v, not %v", state, order, some, names)
				}
				names = some
			}
			return strings.Join(names, " ")
		}
		expect := func(what, required, disabled string) {
			t.Helper()
			if r, d := listed("required"), listed("disabled"); r != required || d != disabled {
				t.Errorf("%s: required of %q, disabled %q", what, r, d)
			}
		}
		decide("admins", time.Time{})
		expect("admins", "ann", "old")
		on := e.Clock.Now().Add(9 * time.Hour)
		decide("everyone", on)
		if p := b.By().Policy(); p.Require2FA.Of != "everyone" || !p.Require2FA.From.Equal(on) || p.Require2FA.Until.Of != "admins" ||
			p.Require2FA.Until.Admins != 0 || p.Require2FA.Until.Others != p.Version {
			t.Errorf("kept: %+v", p.Require2FA)
		}
		expect("everyone, from a day", "ann", "old")
		e.Add("new@acme.example", sallyport.Member)
		_, err := e.Invite(ctx, b.By(), "invited@acme.example", "Ivy", sallyport.Member)
		e.Check(err)
		expect("with people who joined since", "ann invited new", "old")
		decide("everyone", on.Add(time.Hour))
		expect("put off", "ann invited new", "old")
		decide("optional", time.Time{})
		expect("undone", "", "ann invited new old")
		decide("everyone", on)
		expect("again", "", "ann invited new old")
		e.Clock.Set(on)
		decide("everyone", time.Time{})
		expect("when the day has come", "ann invited new old", "")
	})
}

// TestReasonSituations: why a person is forced, and since when, after decisions on several days. Saving the policy
// again changes no date.
func TestReasonSituations(t *testing.T) {
	type decision struct {
		on, from int // days; from 0: no date
		of       string
	}
	type reason = sallyport.Reason
	because := func(of string, day int) reason {
		return reason{By: sallyport.ByRequirement, Of: of, Since: onDay(day)}
	}
	here := sallyport.User{Role: sallyport.Member, LastSignInAt: onDay(-5)}
	admin, fresh, reset, done := here, here, here, here
	admin.Role, fresh.LastSignInAt, done.TwoFactor = sallyport.Admin, time.Time{}, true
	reset.MustSetUp, reset.SetUpCodeEnds = true, onDay(2).Add(sallyport.SetUpCodeLimit)
	joined := here // since a decision that has a date
	joined.JoinedUnder = 99
	raised := []decision{{0, 0, "admins"}, {3, 0, "everyone"}}
	for what, c := range map[string]struct {
		decided []decision
		u       sallyport.User
		on      int
		want    reason
	}{
		"optional":                    {nil, here, 9, reason{}},
		"has it already":              {raised, done, 9, reason{}},
		"at once":                     {[]decision{{1, 0, "everyone"}}, here, 9, because("everyone", 1)},
		"saved again":                 {[]decision{{1, 0, "everyone"}, {4, 0, "everyone"}}, here, 9, because("everyone", 1)},
		"saved again with a day":      {[]decision{{1, 0, "everyone"}, {4, 20, "everyone"}}, here, 9, because("everyone", 1)},
		"lifted, and required again":  {[]decision{{1, 0, "everyone"}, {2, 0, "optional"}, {4, 0, "everyone"}}, here, 9, because("everyone", 4)},
		"raised: a member":            {raised, here, 9, because("everyone", 3)},
		"raised: an admin":            {raised, admin, 9, because("admins", 0)},
		"the day is to come":          {[]decision{{1, 7, "everyone"}}, here, 6, reason{}},
		"the day has come":            {[]decision{{1, 7, "everyone"}}, here, 9, because("everyone", 7)},
		"the day came, saved again":   {[]decision{{1, 7, "everyone"}, {8, 0, "everyone"}}, here, 9, because("everyone", 7)},
		"put off":                     {[]decision{{1, 4, "everyone"}, {2, 7, "everyone"}}, here, 9, because("everyone", 7)},
		"raised with a day: an admin": {[]decision{{1, 0, "admins"}, {2, 20, "everyone"}}, admin, 9, because("admins", 1)},
		"lowered with a day":          {[]decision{{1, 0, "everyone"}, {2, 20, "admins"}}, here, 9, because("everyone", 1)},
		"lowered, the day has come":   {[]decision{{1, 0, "everyone"}, {2, 7, "admins"}}, here, 9, reason{}},
		"joined since":                {[]decision{{1, 20, "everyone"}}, joined, 9, reason{By: sallyport.ByRequirement, Of: "everyone"}},
		"the clock went back":         {[]decision{{5, 0, "everyone"}}, here, 2, reason{By: sallyport.ByRequirement, Of: "everyone"}},
		"new":                         {raised, fresh, 9, reason{By: sallyport.ByJoining}},
		"new, not required":           {[]decision{{1, 0, "admins"}}, fresh, 9, reason{}},
		"reset":                       {raised, reset, 9, reason{By: sallyport.ByReset, Since: onDay(2)}},
		"reset, although optional":    {nil, reset, 9, reason{By: sallyport.ByReset, Since: onDay(2)}},
	} {
		r := sallyport.Requirement{Of: "optional"}
		for _, d := range c.decided {
			wanted := sallyport.Requirement{Of: d.of}
			if d.from != 0 {
				wanted.From = onDay(d.from)
			}
			r = wanted.Replacing(r, int64(d.on)+1, onDay(d.on))
		}
		if got := (sallyport.Policy{Require2FA: r}).Reason(c.u, nil, onDay(c.on)); got.By != c.want.By || got.Of != c.want.Of || !got.Since.Equal(c.want.Since) {
			t.Errorf("%s: %+v, not %+v", what, got, c.want)
		}
	}
}
