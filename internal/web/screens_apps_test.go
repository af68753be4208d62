package web_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// addGroups adds groups, and returns their ids.
func addGroups(e *sallyporttest.Env, names ...string) (ids []string) {
	for _, name := range names {
		id := "grp_" + fmt.Sprintf("%03d", len(e.Query("SELECT id FROM groups")))
		e.Exec("INSERT INTO groups (workspace_id, id, name, name_folded, created_at) VALUES ($1, $2, $3, $4, 1)", e.Owner.Workspace, id, name, name)
		ids = append(ids, id)
	}
	return ids
}

// addApp adds an app for everyone that people open at an address, unless change says something else.
func addApp(e *sallyporttest.Env, name string, change ...func(*sallyport.App)) sallyport.App {
	e.T.Helper()
	a := sallyport.App{AppDetails: sallyport.AppDetails{Name: name, Address: "https://app.example.com/", Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy}}
	for _, c := range change {
		c(&a)
	}
	a, err := e.CreateApp(context.Background(), e.Console(), a)
	e.Check(err)
	return a
}

// apps connects apps, and shows them to administrators and to a person.
func (s *shooting) apps() {
	v := s.owners()
	_, people := s.somebody("alma@acme.example")
	s.Exec("DELETE FROM apps")
	s.get("apps-none", v, "/admin/apps")
	s.get("launcher-none", people, "/apps")
	s.get("app-new", v, "/admin/apps/new")
	s.get("app-new-openid", v, "/admin/apps/new?connect=openid")
	s.get("app-new-proxy", v, "/admin/apps/new?connect=proxy")
	s.post("app-new-refused", v, "/admin/apps/new", fields{"connect": "proxy", "name": "", "address": "wiki", "hosts": "https://wiki.example.com/x"})
	s.post("app-connected", v, "/admin/apps/new", fields{"connect": "openid", "name": "Wiki", "address": "https://wiki.example.com/", "redirect_uris": "https://wiki.example.com/oauth2/callback"})
	wiki := "/admin/apps/" + s.Query("SELECT id FROM apps WHERE name = 'Wiki'")[0][0]
	s.get("app", v, wiki)
	s.get("app-openid", v, wiki+"/openid")
	s.get("app-new-secret", v, wiki+"/openid/new-secret")
	s.post("app-secret", v, wiki+"/openid/new-secret", nil)
	s.get("app-third-secret", v, wiki+"/openid/new-secret")
	s.get("app-disconnect", v, wiki+"/openid/disconnect")
	s.get("app-revoke-secret", v, wiki+"/openid/"+s.Query("SELECT id FROM app_secrets")[0][0]+"/revoke")
	ids := addGroups(s.Env, "Accounting", "Engineering", "Überseeische Vertretungen und Niederlassungen")
	s.get("app-groups", v, wiki)
	v.Post("/admin/apps/new", fields{"connect": "proxy", "name": "Grafana for the whole of the production department", "address": "https://grafana.example.com/", "hosts": "grafana.example.com"})
	v.Follow()
	s.keep("app-proxy", v)
	grafana := "/admin/apps/" + s.Query("SELECT id FROM apps WHERE name LIKE 'Grafana%'")[0][0]
	v.Post(grafana+"/proxy", fields{"hosts": "https://grafana.example.com", "rules": "/assets GET,HEAD = public\n/admin = two_factor fresh:5\n/internal = deny"})
	s.get("app-proxy-explained", v, grafana+"/proxy?explain=https://grafana.example.com/admin/users?x=1")
	s.get("app-proxy-haproxy", v, grafana+"/proxy?kind=haproxy&server=10.0.0.7:8080&behind=10.0.0.9:3000")
	s.get("app-proxy-unfilled", v, grafana+"/proxy?kind=nginx&server=nowhere")
	s.get("app-proxy-unclear", v, grafana+"/proxy?explain=/assets/..;/admin&method=post")
	s.post("app-proxy-refused", v, grafana+"/proxy", fields{"hosts": "https://wiki.example.com/x", "rules": "/admin = two_factor fresh:5"})
	s.post("app-refused", v, grafana, fields{"name": "", "address": "wiki", "colour": "#aa0000", "access": "groups", "level": "policy", "fresh": "many"})
	v.PostValues(grafana, map[string][]string{"name": {"Grafana"}, "address": {"https://grafana.example.com/"}, "colour": {"#f2c063"}, "access": {"groups"}, "group": ids, "level": {"two_factor"}, "fresh": {"15"}})
	v.Post(wiki+"/disable", nil)
	v.Follow()
	s.keep("app-disabled", v)
	s.get("apps", v, "/admin/apps")
	s.post("app-test", v, wiki+"/test", nil)
	s.post("app-test-proxy", v, grafana+"/test", nil)
	s.get("app-activity", v, wiki+"/activity")
	s.get("app-disable", v, grafana+"/disable")
	s.get("app-enable", v, wiki+"/enable")
	s.get("app-delete", v, grafana+"/delete")
	v.Post(wiki+"/enable", nil)
	v.Follow()
	s.get("launcher", people, "/apps")
	for i := range 40 {
		addGroups(s.Env, fmt.Sprintf("Team %d", i))
	}
	s.get("app-many-groups", v, grafana)
	s.get("app-find-groups", v, grafana+"?groups=team+1")
	s.get("app-find-no-group", v, wiki+"?groups=nothing")
	for i, name := range []string{"Calendar", "Chat", "Expenses", "Holidays", "Ölstand", "Payroll", "Travel", "Ticket system with a name that is rather long", "Zeiterfassung"} {
		addApp(s.Env, name, func(a *sallyport.App) { a.Colour = fmt.Sprintf("#%02x%02x%02x", 25*i, 250-25*i, 10*i*i%255) })
	}
	s.get("launcher-many", people, "/apps")
	s.get("launcher-not-found", people, "/apps?q=nothing")
	s.Exec("DELETE FROM groups")
}

// toApps leads people to apps that use OpenID Connect.
func (s *shooting) toApps() {
	const callback = "https://wiki.example.com/callback"
	p, v := s.somebody("tove@acme.example")
	wiki := addApp(s.Env, "Wiki of the research department", func(a *sallyport.App) {
		a.Client = sallyport.NewAppClient(callback)
		a.Client.Public, a.Client.PostLogoutURIs = true, []string{"https://wiki.example.com/bye"}
	})
	payroll := addApp(s.Env, "Salaries", func(a *sallyport.App) {
		a.Client, a.Access, a.Groups = sallyport.NewAppClient(callback), sallyport.AccessGroups, addGroups(s.Env, "Accounting")
	})
	call := func(path string, f url.Values) string {
		return s.Visitor().Send(sallyporttest.Request{Method: "POST", Target: path, Body: f.Encode(), Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}).Body
	}
	ask := func(name string, v *sallyporttest.Visitor, a sallyport.App, changes map[string]string) {
		s.T.Helper()
		q := url.Values{"client_id": {a.ID}, "response_type": {"code"}, "scope": {"openid profile email groups offline_access"}, "redirect_uri": {callback},
			"code_challenge": {strings.Repeat("a", 43)}, "code_challenge_method": {"S256"}}
		for parameter, value := range changes {
			q.Set(parameter, value)
		}
		for v.Get("/oauth2/authorize?" + q.Encode()); v.Page.Location != ""; {
			v.Follow()
		}
		s.keep(name, v)
	}
	verifier := strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	v.Get("/oauth2/authorize?" + url.Values{"client_id": {wiki.ID}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {callback},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}.Encode())
	back, err := url.Parse(v.Page.Location)
	s.Check(err)
	var tokens struct {
		ID string `json:"id_token"`
	}
	s.Check(json.Unmarshal([]byte(call("/oauth2/token", url.Values{"client_id": {wiki.ID}, "grant_type": {"authorization_code"}, "redirect_uri": {callback},
		"code_verifier": {verifier}, "code": {back.Query().Get("code")}})), &tokens))
	v.Get("/oauth2/end-session?" + url.Values{"id_token_hint": {tokens.ID}, "post_logout_redirect_uri": {"https://wiki.example.com/bye"}}.Encode())
	v.Follow()
	if v.Page.Form("forget").Values.Get("request") == "" {
		s.T.Fatalf("the page to sign out does not lead back to the app: %s", v.Page.Body)
	}
	s.keep("to-app-sign-out", v)
	ask("to-app-sign-in", s.Visitor(), wiki, map[string]string{"login_hint": p.Address})
	ask("to-app-consent", v, wiki, map[string]string{"prompt": "consent"})
	ask("to-app-account", v, wiki, map[string]string{"prompt": "select_account"})
	ask("to-app-other", v, wiki, map[string]string{"claims": `{"id_token":{"sub":{"value":"usr_other"}}}`})
	ask("to-app-form-post", v, wiki, map[string]string{"response_mode": "form_post"})
	ask("to-app-refused", v, payroll, nil)
	ask("to-app-refused-form-post", v, payroll, map[string]string{"response_mode": "form_post"})
	ask("to-app-unknown-address", v, wiki, map[string]string{"redirect_uri": "https://wiki.example.com/somewhere/else"})
	ask("to-app-unknown", v, sallyport.App{ID: "app_nothing"}, nil)
	s.get("to-app-gone", v, "/apps/continue?request=req_gone")
	s.Clock.Advance(time.Hour)
	ask("to-app-step-up", v, wiki, map[string]string{"prompt": "login"})

	s.get("device", v, "/device")
	s.post("device-wrong", v, "/device", fields{"user_code": "BBBB-BBBB"})
	var answer struct {
		Code string `json:"user_code"`
	}
	s.Check(json.Unmarshal([]byte(call("/oauth2/device_authorization", url.Values{"client_id": {wiki.ID}, "scope": {"openid email"}})), &answer))
	s.post("device-known", v, "/device", fields{"user_code": answer.Code})
	v.Post("/device", fields{"user_code": answer.Code, "answer": "allow"})
	v.Follow()
	s.keep("device-allowed", v)
}
