package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

const apps = "/admin/apps"

// TestConnectAnApp: from the question what the app knows to the page with what its settings need.
func TestConnectAnApp(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		if got := owners.Get(apps); !got.Has("An app is a program that your people use") || !slices.Contains(got.Links(), apps+"/new") {
			t.Errorf("without apps: %s", got.Text())
		}
		asked := owners.Get(apps + "/new")
		if !asked.Has("What does the app know?") || len(asked.Forms()) != 0 {
			t.Errorf("the question: %s", asked.Text())
		}
		for _, way := range []string{"openid", "proxy"} {
			if to := apps + "/new?connect=" + way; !slices.Contains(asked.Links(), to) || owners.Get(to).Form("name").Values.Get("connect") != way {
				t.Errorf("no way to %s: %v", to, asked.Links())
			}
		}

		got := owners.Post(apps+"/new", fields{"connect": "openid", "name": "Wiki", "address": "https://wiki.example.com/", "redirect_uris": " https://wiki.example.com/a \r\n\r\nhttps://wiki.example.com/b"})
		secret, wiki := got.Data("data-secret"), e.Query(`SELECT id FROM apps`)[0][0]
		if got.Status != http.StatusOK || len(secret) < 43 || !got.Has(s.URL+"/.well-known/openid-configuration") || !got.Has(wiki) {
			t.Fatalf("connected: %d %s %s", got.Status, got.Location, got.Text())
		}
		if got := got.Form("redirect_uris").Values; got.Get("redirect_uris") != "https://wiki.example.com/a https://wiki.example.com/b" || got.Get("alg") != "RS256" || got.Get("pkce") != "required" || got.Get("public") != "" || got.Get("refresh") == "" {
			t.Errorf("its settings: %v", got)
		}
		if strings.Contains(e.Dump(), secret) || owners.Get(apps+"/"+wiki+"/openid").Data("data-secret") != "" {
			t.Error("I47: the secret is kept, or shown again")
		}

		owners.Post(apps+"/new", fields{"connect": "proxy", "name": "Grafana", "hosts": "GRAFANA.example.com\nhttps://grafana.example.org"})
		if got := owners.Follow(); !strings.HasSuffix(got.Target, "/proxy") || got.Form("hosts").Values.Get("hosts") != "https://grafana.example.com https://grafana.example.org" {
			t.Errorf("behind a proxy: %s %v", got.Target, got.Form("hosts").Values)
		}
		for name, test := range map[string]struct {
			fields fields
			status int
			says   string
		}{
			"no name":       {fields{"connect": "proxy", "name": "", "hosts": "x.example.com"}, http.StatusUnprocessableEntity, "Enter a name."},
			"a taken name":  {fields{"connect": "openid", "name": "WIKI", "redirect_uris": "https://x.example.com/"}, http.StatusConflict, "Another app has this name."},
			"a taken host":  {fields{"connect": "proxy", "name": "Other", "hosts": "grafana.example.com"}, http.StatusConflict, "Another app answers on https://grafana.example.com already."},
			"plain address": {fields{"connect": "proxy", "name": "Other", "address": "http://x.example.com", "hosts": "x.example.com"}, http.StatusUnprocessableEntity, "begins with https://"},
		} {
			got := owners.Post(apps+"/new", test.fields)
			if got.Status != test.status || !strings.Contains(got.Alert(), test.says) {
				t.Errorf("%s: %d %s", name, got.Status, got.Alert())
			}
			for field, value := range test.fields {
				if was := got.Form("name").Values.Get(field); was != value {
					t.Errorf("%s: %s comes back as %q", name, field, was)
				}
			}
		}
		if got := owners.Post(apps+"/new", fields{"name": "No way", "connect": "magic"}); got.Status != http.StatusUnprocessableEntity || len(e.Query(`SELECT id FROM apps`)) != 2 {
			t.Errorf("connected in no way: %d", got.Status)
		}
	})
}

// TestAppSettings: what a form says is what is stored (I56: and nothing else), and what is wrong comes back as it was typed.
func TestAppSettings(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		one := apps + "/" + addApp(e, "Wiki", func(a *sallyport.App) { a.Client = sallyport.NewAppClient("https://wiki.example.com/a") }).ID
		ids := addGroups(e, "engineering", "sales", "support")
		details := url.Values{"name": {"Handbook"}, "address": {"https://handbook.example.com/"}, "colour": {"#AA0000"}, "access": {"groups"}, "group": {ids[0], ids[2]},
			"level": {"two_factor"}, "fresh": {"15"}, "enabled": {"0"}, "epoch": {"9"}, "id": {"app_x"}, "hosts": {"x.example.com"}, "workspace_id": {"x"}}
		if got := owners.PostValues(one, details); got.Location != one {
			t.Fatalf("saved: %d %s", got.Status, got.Alert())
		}
		row := strings.Join(e.Query(`SELECT name, address, colour, access, level, fresh, enabled, epoch FROM apps`)[0], " ")
		if row != "Handbook https://handbook.example.com/ #aa0000 groups two_factor 15 1 1" || len(e.Query(`SELECT app_id FROM app_groups`)) != 2 || len(e.Query(`SELECT origin FROM app_hosts`)) != 0 {
			t.Errorf("stored: %s", row)
		}
		f := owners.Get(one).Form("fresh").Values
		if f.Get("name") != "Handbook" || f.Get("colour") != "#aa0000" || !slices.Equal(f["group"], []string{ids[0], ids[2]}) || f.Get("level") != "two_factor" {
			t.Errorf("shown: %v", f)
		}
		wrong := url.Values{"name": {""}, "address": {"ftp://x"}, "colour": {"#0b5cad"}, "access": {"groups"}, "level": {"high"}, "fresh": {"soon"}}
		got := owners.PostValues(one, wrong)
		if got.Status != http.StatusUnprocessableEntity {
			t.Errorf("wrong: %d", got.Status)
		}
		for _, says := range []string{"Enter a name.", "begins with https://", "Choose at least one group", "Choose what the app requires.", "Enter a number of minutes"} {
			if !strings.Contains(got.Alert(), says) {
				t.Errorf("nothing says %q: %s", says, got.Alert())
			}
		}
		if f := got.Form("fresh").Values; f.Get("fresh") != "soon" || f.Get("address") != "ftp://x" || f.Get("name") != "" || f["group"] != nil {
			t.Errorf("comes back: %v", f)
		}
		details.Set("access", "everyone")
		details.Set("colour", "#0b5cad") // the standard colour
		owners.PostValues(one, details)
		if row := strings.Join(e.Query(`SELECT access, colour FROM apps`)[0], " "); row != "everyone " || len(e.Query(`SELECT app_id FROM app_groups`)) != 0 {
			t.Errorf("opened to everyone: %q", row)
		}

		owners.PostValues(one+"/proxy", url.Values{"hosts": {"wiki.example.com"}, "rules": {"/admin = two_factor fresh:5\r\n\r\n/x = deny"}, "tokens": {"yes"}})
		if f := owners.Follow().Form("rules").Values; f.Get("hosts") != "https://wiki.example.com" || f.Get("rules") != "/admin = two_factor fresh:5 /x = deny" || f.Get("tokens") == "" {
			t.Errorf("the proxy: %v", f)
		}
		if got := owners.PostValues(one+"/proxy", url.Values{"hosts": {"a b"}, "rules": {"/y = deny"}}); got.Status != http.StatusUnprocessableEntity || got.Form("rules").Values.Get("rules") != "/y = deny" || got.Form("rules").Values.Get("hosts") != "a b" {
			t.Errorf("wrong hosts: %d %v", got.Status, got.Form("rules").Values)
		}
		client := url.Values{"redirect_uris": {"https://wiki.example.com/b"}, "post_logout_uris": {"https://wiki.example.com/bye"}, "backchannel_logout_uri": {"https://wiki.example.com/out"},
			"pkce": {"optional"}, "alg": {"ES256"}, "id_token_claims": {"yes"}}
		owners.PostValues(one+"/openid", client)
		f = owners.Follow().Form("alg").Values
		for name := range client {
			if f.Get(name) != client.Get(name) {
				t.Errorf("OpenID Connect: %s is %q", name, f.Get(name))
			}
		}
		if f.Get("refresh")+f.Get("public")+f.Get("jwks") != "" {
			t.Errorf("OpenID Connect: %v", f)
		}
		if len(e.Query(`SELECT id FROM events WHERE kind = 'app.changed'`)) != 4 {
			t.Error("not every change is in the log, or more than that")
		}
	})
}

// TestAppAccessWithManyGroups: a page shows the groups of the app and some others, and finds the rest.
func TestAppAccessWithManyGroups(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	_, owners := ownerOf(s)
	var names []string
	for i := range 60 {
		names = append(names, fmt.Sprintf("team %02d", i))
	}
	ids := addGroups(e, names...)
	one := apps + "/" + addApp(e, "Wiki", func(a *sallyport.App) { a.Access, a.Groups = sallyport.AccessGroups, []string{ids[50]} }).ID
	shown := func(page *sallyporttest.Page) (all int) {
		for _, name := range page.Form("fresh").Names {
			if name == "group" {
				all++
			}
		}
		return all
	}
	page := owners.Get(one)
	if got := page.Form("fresh").Values["group"]; !slices.Equal(got, []string{ids[50]}) || shown(page) != 11 || !page.Has("49 more groups are not shown here.") {
		t.Errorf("shown are %d, chosen %v: %s", shown(page), got, page.Text())
	}
	if f := page.Form("groups"); f.Method != "get" || f.Action != one || slices.Contains(f.Names, "name") {
		t.Errorf("the search: %+v", f)
	}
	if page := owners.Get(one + "?groups=TEAM+3"); shown(page) != 11 || !page.Has("team 39") || page.Has("team 40") {
		t.Errorf("found: %s", page.Text())
	}
}

// TestAppSecrets: secrets are shown once, listed, and revoked; a third ends the oldest, as the page says before.
func TestAppSecrets(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		owner, owners := ownerOf(s)
		at := apps + "/" + addApp(e, "Wiki", func(a *sallyport.App) { a.Client = sallyport.NewAppClient() }).ID + "/openid"
		ids := func() (all []string) {
			for _, row := range e.Query(`SELECT id FROM app_secrets ORDER BY id`) {
				all = append(all, row[0])
			}
			return all
		}
		if got := owners.Get(at); !got.Has("The app has no secret") {
			t.Errorf("without a secret: %s", got.Text())
		}
		seen := map[string]bool{}
		for i := range 3 {
			e.Clock.Advance(time.Second)
			if got := owners.Get(at + "/new-secret"); got.Has("ends at once") != (i == 2) {
				t.Errorf("before secret %d: %s", i, got.Text())
			}
			seen[owners.Post(at+"/new-secret", nil).Data("data-secret")] = true
		}
		left := ids()
		if len(seen) != 3 || seen[""] || len(left) != 2 {
			t.Fatalf("%d secrets were shown, left are %v", len(seen), left)
		}
		if got := owners.Get(at); !slices.Contains(got.Links(), at+"/"+left[0]+"/revoke") || !got.Has("Never Never") {
			t.Errorf("the list: %s", got.Text())
		}
		e.Clock.Advance(sallyport.StepUpLimit)
		to := owners.Post(at+"/"+left[0]+"/revoke", nil).Location
		if got := owners.Get(to); !got.Has("Needed for: Revoke a secret of an app") || len(ids()) != 2 {
			t.Fatalf("I22: with an old code: %s", got.Text())
		}
		owners.Post(to, fields{"code": owner.Code(e.Clock.Now())})
		if got := owners.Follow(); !got.Has("The secret is revoked.") || !slices.Equal(ids(), left[1:]) {
			t.Errorf("revoked: %s, left are %v", got.Text(), ids())
		}
		for _, path := range []string{at + "/" + left[0] + "/revoke", at + "/sec_0/revoke"} {
			if got := owners.Get(path).Status + owners.Post(path, nil).Status; got != 2*http.StatusNotFound {
				t.Errorf("%s: %d", path, got)
			}
		}
	})
}

// TestDisableAndDeleteAnApp: the page before says who loses what.
func TestDisableAndDeleteAnApp(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		mia := e.Add("mia@acme.example", sallyport.Member)
		v := s.Visitor()
		v.SignIn(mia)
		one := apps + "/" + addApp(e, "Wiki", func(a *sallyport.App) {
			a.Client, a.Proxy = sallyport.NewAppClient(), sallyport.AppProxy{Hosts: []string{"wiki.example.com"}, Tokens: true}
		}).ID
		for _, says := range []string{"Everyone in the workspace can use it now.", "All tokens that it was issued end for good.", "Programs that use it with an access token are refused.", "https://wiki.example.com"} {
			if got := owners.Get(one + "/disable"); !got.Has(says) {
				t.Errorf("before it is disabled, nothing says %q: %s", says, got.Text())
			}
		}
		owners.Post(one+"/disable", nil)
		if got := owners.Follow(); !got.Has("Wiki Disabled") || !slices.Contains(got.Links(), one+"/enable") || v.Get("/apps").Has("Wiki") {
			t.Errorf("disabled: %s", got.Text())
		}
		owners.Post(one+"/enable", nil)
		if got := owners.Follow(); !slices.Contains(got.Links(), one+"/disable") || !v.Get("/apps").Has("Wiki") {
			t.Errorf("enabled: %s", got.Text())
		}
		addGroups(e, "engineering")
		owners.PostValues(one, url.Values{"name": {"Wiki"}, "access": {"groups"}, "group": {"grp_000"}, "level": {"policy"}})
		if got := owners.Get(one + "/delete"); !got.Has("for good") || !got.Has("engineering") || got.Has("Everyone in the workspace") {
			t.Errorf("before it is deleted: %s", got.Text())
		}
		if got := owners.Post(one+"/delete", nil); got.Location != apps || owners.Follow().Has("Wiki") || owners.Get(one).Status != http.StatusNotFound {
			t.Errorf("deleted: %d %s", got.Status, got.Location)
		}
	})
}

// TestI28_AppsOfAnotherWorkspace: an app of another workspace, one that does not exist and one that was deleted look alike. Other
// roles get nothing.
func TestI28_AppsOfAnotherWorkspace(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		form, globex := globexAt(s)
		owners.Post(workspaces, form)
		gina, v := joined(s, owners, globex)
		v.Enrol(&gina, "Gina's")
		wiki := addApp(e, "Wiki", func(a *sallyport.App) { a.Client = sallyport.NewAppClient() }).ID
		owners.Post(apps+"/"+wiki+"/openid/new-secret", nil)
		secret := e.Query(`SELECT id FROM app_secrets`)[0][0]
		paths := []string{"", "/proxy", "/openid", "/openid/new-secret", "/openid/" + secret + "/revoke", "/activity", "/disable", "/enable", "/delete"}
		valid := url.Values{"name": {"Mine"}, "access": {"everyone"}, "level": {"policy"}, "hosts": {"mine.example.com"}, "redirect_uris": {"https://mine.example.com/"}, "alg": {"RS256"}}
		before := e.Dump("events", "sessions", "installation")
		for _, path := range paths {
			there, nowhere := v.Get(apps+"/"+wiki+path), v.Get(apps+"/app_0"+path)
			if there.Status != http.StatusNotFound || there.Text() != nowhere.Text() {
				t.Errorf("GET %s: %d %s, and %s", path, there.Status, there.Text(), nowhere.Text())
			}
			if path == "/activity" {
				continue
			}
			there, nowhere = v.PostValues(apps+"/"+wiki+path, valid), v.PostValues(apps+"/app_0"+path, valid)
			if there.Status != http.StatusNotFound || there.Text() != nowhere.Text() {
				t.Errorf("POST %s: %d %s, and %s", path, there.Status, there.Text(), nowhere.Text())
			}
		}
		if got := v.Get(apps); got.Has("Wiki") || v.Get("/apps").Has("Wiki") {
			t.Errorf("the list of another workspace: %s", got.Text())
		}
		if now := e.Dump("events", "sessions", "installation"); now != before {
			t.Error("something was written")
		}
		for _, role := range []sallyport.Role{sallyport.Manager, sallyport.Member} {
			other := s.Visitor()
			other.SignIn(e.Add(string(role)+"@acme.example", role))
			for _, path := range append(paths, "/../new") {
				to := strings.ReplaceAll(apps+"/"+wiki+path, "/"+wiki+"/..", "")
				if got := other.Get(to).Status; got != http.StatusForbidden {
					t.Errorf("a %s: GET %s: %d", role, to, got)
				}
				if got := other.PostValues(to, valid).Status; path != "/activity" && got != http.StatusForbidden {
					t.Errorf("a %s: POST %s: %d", role, to, got)
				}
			}
			if links := other.Get("/apps").Links(); slices.Contains(links, apps) || !slices.Contains(links, "/apps") {
				t.Errorf("the navigation of a %s: %v", role, links)
			}
		}
	})
}

// TestI22_AppFormsComeBackAfterStepUp: with an old code, nothing is changed; after a new one the form is as it was, with all its
// groups.
func TestI22_AppFormsComeBackAfterStepUp(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		owner, owners := ownerOf(s)
		one := apps + "/" + addApp(e, "Wiki").ID
		ids := addGroups(e, "engineering", "sales", "support")
		details := url.Values{"name": {"Late"}, "address": {"https://late.example.com/"}, "access": {"groups"}, "group": {ids[0], ids[2]}, "level": {"policy"}, "fresh": {"5"}}
		for name, wait := range map[string]time.Duration{"an old code": sallyport.StepUpLimit + time.Second, "an hour without use": 2 * time.Hour} {
			e.Clock.Advance(wait)
			to := owners.PostValues(one, details).Location
			if got := owners.Get(to); !got.Has("Needed for: Change an app") {
				t.Fatalf("%s: %s: %s", name, to, got.Text())
			}
			owners.Post(to, fields{"code": owner.Code(e.Clock.Now())})
			if f := owners.Follow().Form("fresh").Values; f.Get("name") != "Late" || !slices.Equal(f["group"], details["group"]) || e.Query(`SELECT name FROM apps`)[0][0] != "Wiki" {
				t.Errorf("%s: comes back as %v", name, f)
			}
		}
		e.Clock.Advance(sallyport.IdleLimit)
		owners.PostValues(one, details)
		e.Clock.Advance(time.Minute)
		signInOn(t, s, owners, &owner)
		if f := owners.Follow().Form("fresh").Values; f.Get("name") != "Late" || !slices.Equal(f["group"], details["group"]) {
			t.Errorf("after the end of the session: comes back as %v", f)
		}
		e.Clock.Advance(sallyport.StepUpLimit + time.Second)
		to := owners.Post(apps+"/new", fields{"connect": "proxy", "name": "New", "hosts": "new.example.com"}).Location
		owners.Post(to, fields{"code": owner.Code(e.Clock.Now())})
		f := owners.Follow().Form("name").Values
		if got := owners.PostValues(apps+"/new", f); got.Status != http.StatusSeeOther || f.Get("hosts") != "new.example.com" {
			t.Errorf("a new app comes back as %v: %d", f, got.Status)
		}
	})
}

// TestI60_NoAppsWithARecoveryCode: a session that began with a recovery code connects and changes nothing, and its pages say why.
func TestI60_NoAppsWithARecoveryCode(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		owner, owners := ownerOf(s)
		one := apps + "/" + addApp(e, "Wiki", func(a *sallyport.App) { a.Client = sallyport.NewAppClient() }).ID
		owners.Post(one+"/openid/new-secret", nil)
		secret := e.Query(`SELECT id FROM app_secrets`)[0][0]
		v := recovering(s, &owner)
		valid := url.Values{"connect": {"proxy"}, "name": {"Mine"}, "access": {"everyone"}, "level": {"policy"}, "hosts": {"mine.example.com"}, "redirect_uris": {"https://mine.example.com/"}, "alg": {"RS256"}}
		before := e.Dump("events", "sessions", "installation")
		for _, path := range []string{apps + "/new", one, one + "/proxy", one + "/openid", one + "/openid/new-secret", one + "/openid/" + secret + "/revoke", one + "/disable", one + "/enable", one + "/delete"} {
			if got := v.PostValues(path, valid); got.Status != http.StatusForbidden || !got.Has("You signed in with a recovery code") {
				t.Errorf("POST %s: %d %s", path, got.Status, got.Text())
			}
		}
		if now := e.Dump("events", "sessions", "installation"); now != before {
			t.Error("something was written")
		}
		for path, want := range map[string][]string{
			apps: {"Connect an app"}, apps + "/new?connect=proxy": {"Connect"}, one: {"Save", "Disable", "Delete"}, one + "/proxy": {"Save"}, one + "/openid": {"Revoke", "New secret", "Disconnect", "Save"},
		} {
			if got := v.Get(path); !slices.Equal(got.Disabled(), want) || !slices.ContainsFunc(got.Links(), func(to string) bool { return strings.HasPrefix(to, afterRecovery) }) {
				t.Errorf("%s: disabled are %q, want %q", path, got.Disabled(), want)
			}
		}
	})
}

// TestAppActivity: the events of an app, who opened it, and how often.
func TestAppActivity(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		_, owners := ownerOf(s)
		mia := e.Add("mia@acme.example", sallyport.Member)
		wiki := addApp(e, "Wiki").ID
		at := apps + "/" + wiki + "/activity"
		if got := owners.Get(at); !got.Has("0 times") || !got.Has("Not in the last 30 days") || !got.Has("App connected Operator of the server") {
			t.Errorf("never opened: %s", got.Text())
		}
		opened := func(n int) {
			for range n {
				e.Clock.Advance(time.Second)
				e.Exec(`INSERT INTO events (workspace_id, id, at, kind, actor, actor_kind, subject, door, address, browser, personal_hash, result, app, detail, mac)
					VALUES ($1, $2, $3, 'app.opened', $4, 'user', $4, 'oidc', '192.0.2.7', 'Firefox on Linux', $5, 'done', $6, '', $5)`,
					mia.Workspace, eventIDAt(e), e.Clock.Now().UnixMilli(), mia.ID, []byte("x"), wiki)
			}
		}
		opened(1)
		if got := owners.Get(at); !got.Has("30 days1 time") || !got.Has("App opened "+mia.Name+" Firefox on Linux192.0.2.7") {
			t.Errorf("opened once: %s", got.Text())
		}
		if got := owners.Get("/admin/audit?kind=app.opened"); !got.Has("App opened: Wiki " + mia.Name) {
			t.Errorf("the audit log: %s", got.Text())
		}
		v := s.Visitor()
		v.SignIn(mia)
		if got := v.Get("/account/activity"); !got.Has("App opened: Wiki") {
			t.Errorf("her own activity: %s", got.Text())
		}
		opened(60)
		page := owners.Get(at)
		if !page.Has("61 times") {
			t.Errorf("opened often: %s", page.Text())
		}
		older := page.Links()[slices.IndexFunc(page.Links(), func(to string) bool { return strings.Contains(to, "?before=") })]
		if got := owners.Get(older); !got.Has("App connected") || !slices.Contains(got.Links(), at) {
			t.Errorf("older events: %s", got.Text())
		}
		e.Exec(`DELETE FROM apps`)
		if got := owners.Get("/admin/audit?kind=app.opened"); !got.Has("App opened " + mia.Name) {
			t.Errorf("the audit log without the app: %s", got.Text())
		}
	})
}

// eventIDAt returns an id of an event that happens now.
func eventIDAt(e *sallyporttest.Env) string {
	last := e.Query(`SELECT id FROM events ORDER BY id DESC LIMIT 1`)[0][0]
	i := len(last) - 1
	for last[i] == 'v' {
		i--
	}
	next := last[i] + 1
	if last[i] == '9' {
		next = 'a'
	}
	return last[:i] + string(next) + strings.Repeat("0", len(last)-i-1)
}
