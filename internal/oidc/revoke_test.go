package oidc_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

func (c *client) refresh(token, scope string) *Page {
	f := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	if scope != "" {
		f.Set("scope", scope)
	}
	return c.call("/oauth2/token", f)
}

func TestRefresh(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		other := register(s, "Other", nil)
		never := register(s, "Never", func(a *sallyport.App) { a.Client.Refresh = false })
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		offline := map[string]string{"scope": "openid email offline_access"}
		if tokens := never.tokens(v, offline); tokens["refresh_token"] != nil || tokens.text("scope") != "openid email" {
			t.Errorf("an app that gets none: %v", tokens)
		}
		if tokens := c.tokens(v, nil); tokens["refresh_token"] != nil {
			t.Errorf("without offline_access: %v", tokens)
		}
		tokens := c.tokens(v, offline)
		first := tokens.text("refresh_token")
		if p := other.refresh(first, ""); p.Status != 400 {
			t.Errorf("another app's: %d %s", p.Status, p.Body)
		}
		if p := c.refresh(first, "openid groups"); read(t, p).text("error") != "invalid_scope" {
			t.Errorf("more than was granted: %d %s", p.Status, p.Body)
		}
		before := claims(t, tokens.text("id_token"))
		s.Clock.Advance(time.Hour)
		second := read(t, c.refresh(first, ""))
		after := claims(t, second.text("id_token"))
		if after["auth_time"] != before["auth_time"] || after["nonce"] != nil || after["sub"] != before["sub"] || after["acr"] != before["acr"] {
			t.Errorf("a refreshed ID token says %v, after %v", after, before)
		}
		if p := c.userinfo(second.text("access_token")); p.Status != 200 {
			t.Errorf("userinfo: %d", p.Status)
		}
		s.Clock.Advance(59 * time.Second)
		again := read(t, c.refresh(first, ""))
		if again.text("refresh_token") != second.text("refresh_token") || again.text("refresh_token") == first {
			t.Errorf("again within a minute: %v", again)
		}
		v.Post("/sign-out", nil)
		third := read(t, c.refresh(second.text("refresh_token"), ""))
		if third.text("refresh_token") == "" {
			t.Fatalf("after signing out: %v", third)
		}
		forged := []byte(first)
		forged[len(forged)-2] ^= 1
		if p := c.refresh(string(forged), ""); p.Status != 400 {
			t.Errorf("a forged one: %d", p.Status)
		}
		if p := c.userinfo(third.text("access_token")); p.Status != 200 {
			t.Errorf("a forged token has ended the family: %d", p.Status)
		}
		if p := c.refresh(first, ""); p.Status != 400 {
			t.Errorf("an old one: %d %s", p.Status, p.Body)
		}
		for _, token := range []string{second.text("access_token"), third.text("access_token")} {
			if p := c.userinfo(token); p.Status != 401 {
				t.Errorf("the family goes on: %d", p.Status)
			}
		}
		if p := c.refresh(third.text("refresh_token"), ""); p.Status != 400 {
			t.Errorf("the newest after the family has ended: %d", p.Status)
		}
		if n := len(s.Query("SELECT id FROM events WHERE kind = 'app.refresh_reused'")); n != 1 {
			t.Errorf("%d events", n)
		}
		s.Clock.Advance(time.Minute)
		v.SignIn(ada)
		idle := c.tokens(v, offline).text("refresh_token")
		s.Clock.Advance(sallyport.RefreshIdleLimit)
		if p := c.refresh(idle, ""); p.Status != 400 {
			t.Errorf("after 30 days: %d", p.Status)
		}
	})
}

func TestI57_NothingStale(t *testing.T) {
	ctx := context.Background()
	for name, test := range map[string]struct {
		end     func(s *Site, v *Visitor, c *client, p Person)
		offline bool // what came of a refresh token lives on
	}{
		"signing out": {func(_ *Site, v *Visitor, _ *client, _ Person) { v.Post("/sign-out", nil) }, true},
		"another epoch": {func(s *Site, _ *Visitor, _ *client, p Person) {
			s.Exec("UPDATE users SET epoch = epoch + 1 WHERE id = '" + p.ID + "'")
		}, false},
		"suspension": {func(s *Site, _ *Visitor, _ *client, p Person) {
			s.Exec("UPDATE users SET state = 'suspended' WHERE id = '" + p.ID + "'")
		}, false},
		"the app's end": {func(s *Site, _ *Visitor, c *client, _ Person) { s.Check(s.DisableApp(ctx, s.Console(), c.ID)) }, false},
		"the app, on again": {func(s *Site, _ *Visitor, c *client, _ Person) {
			s.Check(s.DisableApp(ctx, s.Console(), c.ID))
			s.Check(s.EnableApp(ctx, s.Console(), c.ID))
		}, false},
		"a higher level": {func(s *Site, _ *Visitor, c *client, _ Person) {
			s.Check(s.ChangeApp(ctx, s.Console(), c.ID, func(a *sallyport.App) { a.Level = sallyport.LevelTwoFactor }))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *Site) {
				c := register(s, "Wiki", nil)
				ada := person(s, "ada")
				v := s.Visitor()
				v.SignIn(ada)
				code := reply(c.ask(v, nil)).Get("code")
				tokens := c.tokens(v, map[string]string{"scope": "openid offline_access"})
				refreshed := read(t, c.refresh(tokens.text("refresh_token"), ""))
				node := s.Node()
				if p := c.userinfo(tokens.text("access_token")); p.Status != 200 {
					t.Fatalf("userinfo: %d %s", p.Status, p.Body)
				}
				test.end(s, v, c, ada)
				c.code.Through(node)
				if p := c.call("/oauth2/token", redeeming(code, nil)); p.Status == 200 {
					t.Errorf("a code: %s", p.Body)
				}
				if p := c.userinfo(tokens.text("access_token")); p.Status != 401 {
					t.Errorf("an access token: %d", p.Status)
				}
				if p := c.call("/oauth2/introspect", url.Values{"token": {tokens.text("access_token")}}); p.Status == 200 && read(t, p)["active"] != false {
					t.Errorf("introspection: %s", p.Body)
				}
				if p := c.userinfo(refreshed.text("access_token")); (p.Status == 200) != test.offline {
					t.Errorf("a refreshed access token: %d", p.Status)
				}
				if p := c.refresh(refreshed.text("refresh_token"), ""); (p.Status == 200) != test.offline {
					t.Errorf("a refresh token: %d", p.Status)
				}
			})
		})
	}
}

func TestI67_IntrospectAndRevoke(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		other := register(s, "Other", nil)
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		tokens := c.tokens(v, map[string]string{"scope": "openid offline_access"})
		access, refresh := tokens.text("access_token"), tokens.text("refresh_token")
		inactive := func(p *Page) bool { return p.Status == 200 && strings.TrimSpace(p.Body) == `{"active":false}` }
		for _, token := range []string{access, refresh} {
			if a := read(t, c.call("/oauth2/introspect", url.Values{"token": {token}})); a["active"] != true || a["sub"] != ada.ID || a["client_id"] != c.ID || a["username"] != nil {
				t.Errorf("introspection: %v", a)
			}
			if p := other.call("/oauth2/introspect", url.Values{"token": {token}}); !inactive(p) {
				t.Errorf("another app's token: %s", p.Body)
			}
			if p := other.call("/oauth2/revoke", url.Values{"token": {token}}); p.Status != 200 {
				t.Errorf("another app revokes: %d", p.Status)
			}
		}
		if info := read(t, c.userinfo(access)); info["email"] != nil || info["name"] != nil || info["groups"] != nil {
			t.Errorf("without scopes, an app learns %v", info)
		}
		if p := c.call("/oauth2/revoke", url.Values{"token": {access}}); p.Status != 200 || c.userinfo(access).Status != 401 {
			t.Errorf("revoked: %d", p.Status)
		}
		next := read(t, c.refresh(refresh, ""))
		if p := c.call("/oauth2/revoke", url.Values{"token": {refresh}}); p.Status != 200 { // it was replaced, but is of the same family
			t.Errorf("revoked: %d", p.Status)
		}
		if p := c.refresh(next.text("refresh_token"), ""); p.Status != 400 || c.userinfo(next.text("access_token")).Status != 401 {
			t.Errorf("a revoked family: %d", p.Status)
		}
		if p := c.call("/oauth2/introspect", url.Values{"token": {"nonsense"}}); !inactive(p) {
			t.Errorf("nonsense: %s", p.Body)
		}
		for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke"} {
			if p := c.call(path, url.Values{"token": {access}, "client_id": {c.ID}}); p.Status != 401 {
				t.Errorf("%s without a secret: %d", path, p.Status)
			}
		}
	})
}

// TestI08_OneOfManyRedeemsACode: over two nodes, too.
func TestI08_OneOfManyRedeemsACode(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		code := reply(c.ask(v, nil)).Get("code")
		nodes := []*Visitor{s.Visitor(), s.Visitor().Through(s.Node())}
		var mu sync.Mutex
		var won []string
		var all sync.WaitGroup
		for i := range 8 {
			from := nodes[i%2].Fork()
			all.Go(func() {
				f := redeeming(code, map[string]string{"client_id": c.ID, "client_secret": c.secret})
				p, err := from.TrySend(context.Background(), sallyporttest.Request{Method: "POST", Target: "/oauth2/token", Body: f.Encode(),
					Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}})
				mu.Lock()
				defer mu.Unlock()
				if err == nil && p.Status == 200 {
					won = append(won, p.Body)
				} else if err != nil || p.Status != 400 {
					t.Errorf("%v %v", p, err)
				}
			})
		}
		all.Wait()
		if len(won) != 1 {
			t.Fatalf("%d were issued tokens", len(won))
		}
		if n := len(s.Query(fmt.Sprintf("SELECT hash FROM access_tokens WHERE user_id = '%s'", ada.ID))); n != 1 {
			t.Errorf("%d access tokens", n)
		}
	})
}
