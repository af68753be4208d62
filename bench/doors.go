package main

import (
	"context"
	"encoding/base64"
	"errors"
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
			}
			cookies[i], x.Hash = token(x.User, x.ID)
			if err := tx.InsertAppSession(x); err != nil {
				return err
			}
		}
		return nil
	})
}
