package oidc_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"testing"

	coreos "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sallyport-2fa/sallyport"
)

// TestOthersClient signs in with the client library that most programs in Go use, unchanged, with each way in which it sends the
// secret and each algorithm.
func TestOthersClient(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		loopback := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(address)
			return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+port)
		}}}
		defer loopback.CloseIdleConnections()
		ctx := coreos.ClientContext(context.Background(), loopback)
		provider, err := coreos.NewProvider(ctx, s.URL)
		s.Check(err)
		for algorithm, style := range map[string]oauth2.AuthStyle{"RS256": oauth2.AuthStyleAutoDetect, "ES256": oauth2.AuthStyleInParams, "EdDSA": oauth2.AuthStyleInHeader} {
			c := register(s, "App with "+algorithm, func(a *sallyport.App) { a.Client.Algorithm = algorithm })
			endpoint := provider.Endpoint()
			endpoint.AuthStyle = style
			config := oauth2.Config{ClientID: c.ID, ClientSecret: c.secret, Endpoint: endpoint, RedirectURL: callback, Scopes: []string{coreos.ScopeOpenID, "email", coreos.ScopeOfflineAccess}}
			pkce := oauth2.GenerateVerifier()
			u, err := url.Parse(config.AuthCodeURL("st:a%2Fte", coreos.Nonce("n"), oauth2.S256ChallengeOption(pkce), oauth2.AccessTypeOffline))
			s.Check(err)
			got := reply(v.Get(u.RequestURI()))
			if got.Get("state") != "st:a%2Fte" {
				t.Fatalf("%d %v", v.Page.Status, got)
			}
			token, err := config.Exchange(ctx, got.Get("code"), oauth2.VerifierOption(pkce))
			if err != nil {
				t.Fatalf("%s: %v", algorithm, err)
			}
			raw, _ := token.Extra("id_token").(string)
			verifier := provider.VerifierContext(ctx, &coreos.Config{ClientID: c.ID, Now: s.Clock.Now})
			id, err := verifier.Verify(ctx, raw)
			if err != nil {
				t.Fatalf("%s: %v", algorithm, err)
			}
			if id.Subject != ada.ID || id.Nonce != "n" || id.VerifyAccessToken(token.AccessToken) != nil {
				t.Errorf("%s: %+v, %v", algorithm, id, id.VerifyAccessToken(token.AccessToken))
			}
			info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
			if err != nil || info.Email != ada.Address || !info.EmailVerified {
				t.Errorf("%s: userinfo %+v %v", algorithm, info, err)
			}
			again, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
			if err != nil || again.RefreshToken == token.RefreshToken {
				t.Errorf("%s: refresh %v", algorithm, err)
			}
		}
	})
}
