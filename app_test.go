package sallyport_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

func TestApps(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		console := e.Console()
		wiki := sallyport.App{AppDetails: sallyport.AppDetails{Name: " Wiki ", Address: "https://wiki.example.com/", Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy}}
		wiki.Proxy.Hosts = []string{"wiki.example.com:443", "HTTPS://Wiki.Example.com"}
		wiki, err := e.CreateApp(ctx, console, wiki)
		e.Check(err)
		if wiki.Name != "Wiki" || len(wiki.Proxy.Hosts) != 1 || wiki.Proxy.Hosts[0] != "https://wiki.example.com" {
			t.Errorf("created %+v", wiki)
		}
		for name, test := range map[string]struct {
			change func(*sallyport.App)
			want   error
		}{
			"the same name":     {func(a *sallyport.App) { a.Name = "WIKI" }, sallyport.ErrAppNameTaken},
			"host of another":   {func(a *sallyport.App) { a.Name, a.Proxy.Hosts = "Other", []string{"wiki.example.com"} }, sallyport.ErrHostOfOther},
			"no group":          {func(a *sallyport.App) { a.Access = sallyport.AccessGroups }, sallyport.ErrAppGroups},
			"an unknown group":  {func(a *sallyport.App) { a.Access, a.Groups = sallyport.AccessGroups, []string{"grp_0"} }, sallyport.ErrGroupUnknown},
			"no level":          {func(a *sallyport.App) { a.Level = "" }, sallyport.ErrLevelInvalid},
			"plain http":        {func(a *sallyport.App) { a.Address = "http://wiki.example.com" }, sallyport.ErrAddressScheme},
			"a negative age":    {func(a *sallyport.App) { a.Fresh = -1 }, sallyport.ErrFreshInvalid},
			"a host with path":  {func(a *sallyport.App) { a.Proxy.Hosts = []string{"https://a.example.com/x"} }, sallyport.ErrAppHosts},
			"plain http a host": {func(a *sallyport.App) { a.Proxy.Hosts = []string{"http://a.example.com"} }, sallyport.ErrAppHosts},
		} {
			a := sallyport.App{AppDetails: sallyport.AppDetails{Name: name, Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy}}
			test.change(&a)
			if _, err := e.CreateApp(ctx, console, a); !errors.Is(err, test.want) {
				t.Errorf("%s: %v, want %v", name, err, test.want)
			}
		}
		e.Check(e.ChangeApp(ctx, console, wiki.ID, func(a *sallyport.App) { a.Name, a.Level, a.Fresh = "Handbook", sallyport.LevelTwoFactor, 15 }))
		e.Check(e.DisableApp(ctx, console, wiki.ID))
		got, err := e.App(ctx, console, wiki.ID)
		e.Check(err)
		if got.Name != "Handbook" || got.Level != sallyport.LevelTwoFactor || got.Fresh != 15 || got.Enabled || got.Epoch != 2 || len(got.Proxy.Hosts) != 1 {
			t.Errorf("changed to %+v", got)
		}
		owner := e.Enrol(&e.Owner, "Phone")
		if all, err := e.Launcher(ctx, owner.By()); err != nil || len(all) != 0 {
			t.Errorf("the launcher shows %v, %v, want no disabled app", all, err)
		}
		e.Check(e.EnableApp(ctx, console, wiki.ID))
		if all, err := e.Launcher(ctx, owner.By()); err != nil || len(all) != 1 {
			t.Errorf("the launcher shows %v, %v, want one app", all, err)
		}
		e.Check(e.DeleteApp(ctx, console, wiki.ID))
		if err := e.DeleteApp(ctx, console, wiki.ID); !errors.Is(err, sallyport.ErrNotFound) {
			t.Errorf("deleted twice: %v", err)
		}
	})
}

// TestDemand is the table of what an app can require and what a session has proved.
func TestDemand(t *testing.T) {
	now := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	ago := func(m int) time.Time { return now.Add(-time.Duration(m) * time.Minute) }
	none, app, key := sallyport.User{}, sallyport.User{TwoFactor: true}, sallyport.User{TwoFactor: true, HasPasskey: true}
	proofs := func(minutes int, methods ...sallyport.Method) (p sallyport.Proofs) {
		for _, m := range methods {
			p = p.With(m, ago(minutes))
		}
		return p
	}
	for name, test := range map[string]struct {
		user   sallyport.User
		proofs sallyport.Proofs
		demand sallyport.Demand
		want   error // nil: met
		proof  sallyport.Strength
	}{
		"policy, password":                  {none, proofs(900, sallyport.ByPassword), sallyport.Demand{Level: sallyport.LevelPolicy}, nil, 0},
		"policy, trusted device":            {app, proofs(900, sallyport.ByPassword, sallyport.ByTrustedDevice), sallyport.Demand{Level: sallyport.LevelPolicy}, nil, 0},
		"fresh, password":                   {none, proofs(5, sallyport.ByPassword), sallyport.Demand{Level: sallyport.LevelPolicy, Fresh: 5 * time.Minute}, nil, 0},
		"fresh, old password":               {none, proofs(6, sallyport.ByPassword), sallyport.Demand{Level: sallyport.LevelPolicy, Fresh: 5 * time.Minute}, sallyport.ErrStepUp, sallyport.AnyFactor},
		"fresh, password on trusted device": {app, proofs(1, sallyport.ByPassword, sallyport.ByTrustedDevice), sallyport.Demand{Level: sallyport.LevelPolicy, Fresh: 5 * time.Minute}, sallyport.ErrStepUp, sallyport.AnyFactor},
		"two factors, none":                 {none, proofs(1, sallyport.ByPassword), sallyport.Demand{Level: sallyport.LevelTwoFactor}, sallyport.ErrSetUpRequired, 0},
		"two factors, trusted device":       {app, proofs(1, sallyport.ByPassword, sallyport.ByTrustedDevice), sallyport.Demand{Level: sallyport.LevelTwoFactor}, sallyport.ErrStepUp, sallyport.AnyFactor},
		"two factors, code":                 {app, proofs(900, sallyport.ByPassword, sallyport.ByAuthenticator), sallyport.Demand{Level: sallyport.LevelTwoFactor}, nil, 0},
		"two factors, recovery code":        {app, proofs(900, sallyport.ByPassword, sallyport.ByRecoveryCode), sallyport.Demand{Level: sallyport.LevelTwoFactor}, nil, 0},
		"two factors, approval":             {app, proofs(900, sallyport.ByPassword, sallyport.ByApproval), sallyport.Demand{Level: sallyport.LevelTwoFactor}, nil, 0},
		"two factors, fresh, approval":      {app, proofs(1, sallyport.ByPassword, sallyport.ByApproval), sallyport.Demand{Level: sallyport.LevelTwoFactor, Fresh: 5 * time.Minute}, sallyport.ErrStepUp, sallyport.AnyFactor},
		"fresh, approval":                   {app, proofs(1, sallyport.ByPassword, sallyport.ByApproval), sallyport.Demand{Level: sallyport.LevelPolicy, Fresh: 5 * time.Minute}, sallyport.ErrStepUp, sallyport.AnyFactor},
		"two factors, passkey":              {key, proofs(900, sallyport.ByPasskey), sallyport.Demand{Level: sallyport.LevelTwoFactor}, nil, 0},
		"two factors, fresh, old code":      {app, proofs(6, sallyport.ByPassword, sallyport.ByAuthenticator), sallyport.Demand{Level: sallyport.LevelTwoFactor, Fresh: 5 * time.Minute}, sallyport.ErrStepUp, sallyport.AnyFactor},
		"passkey, none":                     {app, proofs(1, sallyport.ByPassword, sallyport.ByAuthenticator), sallyport.Demand{Level: sallyport.LevelPhishingResistant}, sallyport.ErrSetUpRequired, sallyport.PhishingResistant},
		"passkey, code":                     {key, proofs(1, sallyport.ByPassword, sallyport.ByAuthenticator), sallyport.Demand{Level: sallyport.LevelPhishingResistant}, sallyport.ErrStepUp, sallyport.PhishingResistant},
		"passkey, passkey":                  {key, proofs(900, sallyport.ByPasskey), sallyport.Demand{Level: sallyport.LevelPhishingResistant}, nil, 0},
		"passkey, fresh, old passkey":       {key, proofs(6, sallyport.ByPasskey), sallyport.Demand{Level: sallyport.LevelPhishingResistant, Fresh: 5 * time.Minute}, sallyport.ErrStepUp, sallyport.PhishingResistant},
		"since, before":                     {app, proofs(2, sallyport.ByPassword, sallyport.ByAuthenticator), sallyport.Demand{Level: sallyport.LevelPolicy, Since: ago(1)}, sallyport.ErrStepUp, sallyport.AnyFactor},
		"since, after":                      {app, proofs(1, sallyport.ByPassword, sallyport.ByAuthenticator), sallyport.Demand{Level: sallyport.LevelPolicy, Since: ago(2)}, nil, 0},
		"fresh, from the future (I63)":      {app, proofs(-10, sallyport.ByPassword, sallyport.ByAuthenticator), sallyport.Demand{Level: sallyport.LevelTwoFactor}, sallyport.ErrStepUp, sallyport.AnyFactor},
		"stricter of two":                   {key, proofs(9, sallyport.ByPasskey), sallyport.Demand{Fresh: 10 * time.Minute}.And(sallyport.Demand{Level: sallyport.LevelPhishingResistant, Fresh: 8 * time.Minute}), sallyport.ErrStepUp, sallyport.PhishingResistant},
	} {
		err := test.demand.Judge(test.user, test.proofs, now)
		var got *sallyport.Error
		errors.As(err, &got)
		if !errors.Is(err, test.want) || got != nil && got.Proof != test.proof {
			t.Errorf("%s: %v, want %v with proof %d", name, err, test.want, test.proof)
		}
	}
}

// TestHostsAsTyped: the hosts of an app are stored as browsers write them.
func TestHostsAsTyped(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	for typed, want := range map[string]string{
		"https://münchen.example":  "https://xn--mnchen-3ya.example",
		"MÜNCHEN.example:8443":     "https://xn--mnchen-3ya.example:8443",
		" https://a.example.com/ ": "https://a.example.com",
		"a_b.example.com:443":      "https://a_b.example.com",
		"http://[::1]:8080":        "http://[::1]:8080",
		"http://127.0.0.1:80":      "http://127.0.0.1",
		"https://[0:0::1]:443":     "https://[::1]",
		"http://wiki.localhost":    "http://wiki.localhost",
		"https://a.example.com//":  "",
		"https://me@a.example.com": "",
		"https://a.example.com.":   "",
		"https://":                 "",
		"ftp://a.example.com":      "",
	} {
		a := sallyport.App{AppDetails: sallyport.AppDetails{Name: typed, Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy}, Proxy: sallyport.AppProxy{Hosts: []string{typed}}}
		a, err := e.CreateApp(context.Background(), e.Console(), a)
		if want == "" && !errors.Is(err, sallyport.ErrAppHosts) || want != "" && (err != nil || a.Proxy.Hosts[0] != want) {
			t.Errorf("%q is stored as %q: %v", typed, a.Proxy.Hosts, err)
		}
		if err == nil {
			e.Check(e.DeleteApp(context.Background(), e.Console(), a.ID))
		}
	}
}
