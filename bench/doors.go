package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

// appOrigin is the host of the app behind a proxy.
const appOrigin = "https://wiki.bench.example"

// proxyCheck asks, as a proxy does, about requests of browsers that are signed in to an app. The answer includes an assertion.
func (b *bench) proxyCheck() error {
	const living = 1000
	cookies, err := b.world.appCookies(context.Background(), b.sessions[:living])
	if err != nil {
		return err
	}
	ask := func(c *client, i int) error {
		a, err := c.ask(cookies[i%living])
		return expect(a, err, 200, "")
	}
	if _, _, err := rate(b.server.host, 0, living, time.Minute, ask); err != nil {
		return err
	}
	return b.paired("proxy-check", "1/s", func(int) (float64, error) {
		perSecond, _, err := rate(b.server.host, 0, 1<<30, requesting, ask)
		return perSecond, err
	}, b.requests)
}

// ask asks about a request to the app, with the cookie that the browser has there.
func (c *client) ask(cookie string) (answer, error) {
	b := append(c.out[:0], "GET /api/authz/auth-request HTTP/1.1\r\nHost: "...)
	b = append(append(b, c.host...), "\r\nX-Original-Method: GET\r\nX-Original-URL: "+appOrigin+"/docs/page?x=1\r\nCookie: __Host-sallyport_app="...)
	b = append(append(b, cookie...), "\r\n\r\n"...)
	c.out = b
	if _, err := c.conn.Write(b); err != nil {
		return answer{}, err
	}
	return c.read()
}

// oidcApp is an app that uses OpenID Connect, as the driver plays it.
type oidcApp struct {
	id, secret string
	redirect   string
}

// authorize gives people with a valid session a code for an app, which exchanges it for tokens. The ID tokens are signed with
// ES256; signing with RS256 takes some thirty times as long, and is measured apart.
func (b *bench) authorize() error {
	for _, alg := range []string{"ES256", "RS256"} {
		name := "authorize"
		if alg != "ES256" {
			name += "-" + strings.ToLower(alg)
		}
		app, err := b.world.oidcApp(context.Background(), alg)
		if err != nil {
			return err
		}
		const living = 1000
		if err := b.paired(name, "1/s", func(int) (float64, error) {
			perSecond, _, err := rate(b.server.host, 0, 1<<30, requesting, func(c *client, i int) error {
				_, err := c.tokens(app, b.sessions[i%living])
				return err
			})
			return perSecond, err
		}, b.requests); err != nil {
			return err
		}
	}
	return nil
}

// tokens goes through a whole exchange, and returns the access token.
func (c *client) tokens(app oidcApp, session string) (string, error) {
	c.reads = true
	q := url.Values{
		"response_type": {"code"}, "client_id": {app.id}, "redirect_uri": {app.redirect}, "scope": {"openid profile email groups"}, "state": {"s"}, "nonce": {"n"},
		"code_challenge_method": {"S256"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, // RFC 7636, appendix B
	}
	a, err := c.get("/oauth2/authorize?"+q.Encode(), session)
	if err != nil {
		return "", err
	}
	back, err := url.Parse(a.location)
	if err != nil || back.Query().Get("code") == "" {
		return "", fmt.Errorf("%d, and no code in %q", a.status, a.location)
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {app.redirect},
		"code_verifier": {"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}, "client_id": {app.id}, "client_secret": {app.secret},
	}
	if a, err = c.post("/oauth2/token", "", form.Encode()); err != nil {
		return "", err
	}
	var got struct {
		AccessToken string `json:"access_token"`
		IDToken     string `json:"id_token"`
	}
	if err := json.Unmarshal(a.body, &got); err != nil || got.AccessToken == "" || got.IDToken == "" {
		return "", fmt.Errorf("%d: %s", a.status, a.body)
	}
	return got.AccessToken, nil
}

// tokenCheck has an app ask whether access tokens are valid.
func (b *bench) tokenCheck() error {
	return b.withTokens("token-check", func(c *client, app oidcApp, token string) error {
		form := url.Values{"token": {token}, "client_id": {app.id}, "client_secret": {app.secret}}
		a, err := c.post("/oauth2/introspect", "", form.Encode())
		return expect(a, err, 200, "")
	})
}

// userInfo has an app read who somebody is.
func (b *bench) userInfo() error {
	return b.withTokens("userinfo", func(c *client, _ oidcApp, token string) error {
		a, err := c.post("/oauth2/userinfo", "", url.Values{"access_token": {token}}.Encode())
		return expect(a, err, 200, "")
	})
}

func (b *bench) withTokens(name string, do func(*client, oidcApp, string) error) error {
	app, err := b.world.oidcApp(context.Background(), "ES256")
	if err != nil {
		return err
	}
	const living = 500
	tokens := make([]string, living)
	if _, _, err := rate(b.server.host, 0, living, time.Minute, func(c *client, i int) error {
		var err error
		tokens[i], err = c.tokens(app, b.sessions[i])
		return err
	}); err != nil {
		return err
	}
	return b.paired(name, "1/s", func(int) (float64, error) {
		perSecond, _, err := rate(b.server.host, 0, 1<<30, requesting, func(c *client, i int) error { return do(c, app, tokens[i%living]) })
		return perSecond, err
	}, b.requests)
}

// oidcApp connects a new app.
func (w *world) oidcApp(ctx context.Context, alg string) (app oidcApp, err error) {
	by, err := w.service.Console(ctx, "")
	if err != nil {
		return app, err
	}
	app.redirect = "https://app.bench.example/callback"
	client := sallyport.NewAppClient(app.redirect)
	client.Algorithm = alg
	a, err := w.service.CreateApp(ctx, by, sallyport.App{
		AppDetails: sallyport.AppDetails{Name: rand.Text(), Access: sallyport.AccessEveryone, Level: sallyport.LevelTwoFactor}, Client: client,
	})
	if err != nil {
		return app, err
	}
	secret, err := w.service.NewClientSecret(ctx, by, a.ID)
	app.id, app.secret = a.ID, secret.Reveal()
	return app, err
}

// appCookies adds an app behind a proxy, and signs the browsers of sessions in to it.
func (w *world) appCookies(ctx context.Context, sessions []string) ([]string, error) {
	by, err := w.service.Console(ctx, "")
	if err != nil {
		return nil, err
	}
	app, err := w.service.CreateApp(ctx, by, sallyport.App{
		AppDetails: sallyport.AppDetails{Name: "Wiki", Access: sallyport.AccessEveryone, Level: sallyport.LevelTwoFactor},
		Proxy:      sallyport.AppProxy{Hosts: []string{appOrigin}, Rules: []string{"/open = public", "/admin = two_factor fresh:5"}},
	})
	if err != nil {
		return nil, err
	}
	cookies := make([]string, len(sessions))
	return cookies, w.store.Write(ctx, func(tx sallyport.Tx) error {
		for i, cookie := range sessions {
			ids, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(cookie, "session="))
			if err != nil || len(ids) < 32 {
				return errors.New("a session has no ids")
			}
			x := sallyport.AppSession{
				Workspace: w.space, User: "usr_" + idEncoding.EncodeToString(ids[:16]), Session: "ses_" + idEncoding.EncodeToString(ids[16:32]),
				ID: newID("aps_"), App: app.ID, AppEpoch: app.Epoch, Origin: appOrigin, CreatedAt: time.Now(),
				Epoch: 1, Proofs: sallyport.Proofs{{Method: sallyport.ByPassword, At: time.Now()}, {Method: sallyport.ByAuthenticator, At: time.Now()}},
			}
			cookies[i], x.Hash = token(x.User, x.ID)
			if err := tx.InsertAppSession(x); err != nil {
				return err
			}
		}
		return nil
	})
}
