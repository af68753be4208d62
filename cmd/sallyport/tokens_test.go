package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestI10_KillDirectlyAfterTokens: after kill -9, the code and the refresh token that were used are still used, and what was
// issued for them works.
func TestI10_KillDirectlyAfterTokens(t *testing.T) {
	installed(t, func(t *testing.T, options []string) {
		const callback = "https://wiki.example.com/callback"
		out, err := exec.Command("sallyport", append([]string{"app", "add", "Wiki", "--redirect", callback, "--pkce", "optional", "--json"}, options...)...).Output()
		var app struct {
			ID     string `json:"client_id"`
			Secret string `json:"client_secret"`
		}
		if err == nil {
			err = json.Unmarshal(out, &app)
		}
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		p := start(t, options...)
		p.ready()
		v := &visitor{t, "http://" + strings.Replace(p.addr, "127.0.0.1", "localhost", 1), map[string]string{}}
		v.expect(303)(v.post(p, "/sign-in", passwordForm()))
		token := func(want int, form url.Values) (answer struct {
			Error   string `json:"error"`
			Refresh string `json:"refresh_token"`
			Access  string `json:"access_token"`
		}) {
			t.Helper()
			form.Set("client_id", app.ID)
			form.Set("client_secret", app.Secret)
			body := v.expect(want)((&visitor{t, v.url, map[string]string{}}).post(p, "/oauth2/token", form))
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			return answer
		}
		restart := func() {
			p.signal(syscall.SIGKILL)
			p.code()
			p = start(t, append(options, "--url", v.url)...)
			p.ready()
		}
		redeem := url.Values{"grant_type": {"authorization_code"}, "redirect_uri": {callback}, "code": {v.authorize(p, url.Values{
			"client_id": {app.ID}, "response_type": {"code"}, "redirect_uri": {callback}, "scope": {"openid offline_access"}})}}
		restart() // the code was sent, so it is valid
		first := token(200, redeem)
		restart()
		second := token(200, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.Refresh}})
		restart()
		third := token(200, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {second.Refresh}})
		restart()
		if got := token(400, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.Refresh}}); got.Error != "invalid_grant" {
			t.Errorf("a refresh token that was used: %+v", got)
		}
		restart()
		if got := token(400, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {third.Refresh}}); got.Error != "invalid_grant" {
			t.Errorf("the family of a refresh token that was used twice: %+v", got)
		}
		if got := token(400, redeem); got.Error != "invalid_grant" {
			t.Errorf("a code that was used: %+v", got)
		}
	})
}

// authorize returns the code that an app gets.
func (v *visitor) authorize(at *process, q url.Values) string {
	v.t.Helper()
	r, err := http.NewRequest(http.MethodGet, v.url+"/oauth2/authorize?"+q.Encode(), nil)
	if err != nil {
		v.t.Fatal(err)
	}
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	answer, err := local(at.addr).RoundTrip(r)
	if err != nil {
		v.t.Fatal(err)
	}
	answer.Body.Close()
	to, err := answer.Location()
	if err != nil || to.Query().Get("code") == "" {
		v.t.Fatalf("no code: %s %v", answer.Status, to)
	}
	return to.Query().Get("code")
}
