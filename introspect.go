package sallyport

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// ErrTokenScope is the outcome for a token without the scope openid.
var ErrTokenScope = &Error{Kind: Denied, Code: "insufficient_scope", Text: text.Say("This access token was issued without the scope openid.")}

// Introspection is what an app learns about a token of its own (RFC 7662). A token that is not valid, or was issued to another
// app, is only inactive.
type Introspection struct {
	Active   bool   `json:"active"`
	Scope    string `json:"scope,omitempty"`
	Client   string `json:"client_id,omitempty"`
	Username string `json:"username,omitempty"`
	Type     string `json:"token_type,omitempty"`
	Expires  int64  `json:"exp,omitempty"`
	Issued   int64  `json:"iat,omitempty"`
	Subject  string `json:"sub,omitempty"`
	Audience string `json:"aud,omitempty"`
	Issuer   string `json:"iss,omitempty"`
	AuthTime int64  `json:"auth_time,omitempty"`
	ACR      string `json:"acr,omitempty"`
}

// Introspect returns what a token is worth now.
func (s *Service) Introspect(ctx context.Context, by Caller, c ClientCredentials, token Secret) (i Introspection, err error) {
	err = s.asClient(ctx, by, c, func(tx Tx, app App) error {
		i = Introspection{}
		g, of, u, t, err := s.bearer(tx, by, token)
		expires := t.ExpiresAt
		kind := "Bearer"
		if errors.Is(err, ErrToken) {
			if g, u, err = s.validRefresh(tx, by, app, token); err == nil {
				of, expires, kind = app, g.ExpiresAt, ""
			}
		}
		if len(Outcomes(err)) > 0 || err == nil && of.ID != app.ID {
			return nil
		}
		if err != nil {
			return err
		}
		i = Introspection{
			Active: true, Scope: strings.Join(g.Scopes, " "), Client: app.ID, Type: kind, Expires: expires.Unix(), Issued: g.CreatedAt.Unix(),
			Subject: u.ID, Audience: app.ID, Issuer: s.base(by.host), AuthTime: authTime(g.Proofs).Unix(), ACR: acr(g.Proofs),
		}
		if slices.Contains(g.Scopes, "profile") {
			i.Username = u.Address
		}
		return nil
	})
	return i, err
}

// validRefresh returns the grant of a refresh token that can be used now.
func (s *Service) validRefresh(tx Tx, by Caller, app App, token Secret) (Grant, User, error) {
	g, _, u, hash, err := s.grant(tx, by, app, token)
	if err != nil {
		return g, u, err
	}
	now := s.Now()
	if g.RefreshHash == nil || subtle.ConstantTimeCompare(g.RefreshHash, hash) != 1 &&
		(subtle.ConstantTimeCompare(g.PreviousHash, hash) != 1 || !lifetime.Within(g.RotatedAt, refreshAgain, now)) {
		return g, u, ErrGrant
	}
	return g, u, s.stillGranted(tx, by, app, g, u, now)
}

// Revoke ends a token of the app: a refresh token with everything that came of it. For any other token it does nothing (RFC
// 7009).
func (s *Service) Revoke(ctx context.Context, by Caller, c ClientCredentials, token Secret) error {
	return s.asClient(ctx, by, c, func(tx Tx, app App) error {
		g, _, _, hash, err := s.grant(tx, by, app, token)
		if errors.Is(err, ErrGrant) {
			return nil
		}
		if err != nil {
			return err
		}
		if g.RefreshHash == nil || subtle.ConstantTimeCompare(g.RefreshHash, hash) != 1 && !s.precedes(token, g) {
			return tx.DeleteAccessToken(g.Workspace, g.User, hash)
		}
		if !g.Ended.IsZero() {
			return nil
		}
		g.Ended = s.Now()
		if err := tx.SaveGrant(g); err != nil {
			return err
		}
		return s.record(tx, by.about(app.ID), "app.token_revoked", g.User, Done, nil)
	})
}
