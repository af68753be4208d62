package sallyport

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/jose"
	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/openid"
	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/throttle"
)

// ClientCredentials are what an app sent to prove which it is. At most one of Secret and Assertion is set.
type ClientCredentials struct {
	ID        string
	Secret    Secret
	Assertion Secret   // signed with a key of the app's (RFC 7523)
	Audiences []string // addresses for which an assertion may be meant, besides the issuer
}

// SecretHash is a client secret that is valid, as it is stored.
type SecretHash struct {
	ID         string
	Hash       []byte
	LastUsedAt time.Time
	ExpiresAt  time.Time // zero: never
}

// ClientTx is the storage of what proves which app is calling.
type ClientTx interface {
	// ClientApp returns an app without its groups and hosts, in one statement. It locks nothing.
	ClientApp(workspace, id string) (App, bool, error)
	// SecretHashes returns the client secrets of an app, and a budget without locking it, in one round trip.
	SecretHashes(workspace, app string, of Tries) ([]SecretHash, Tries, error)
	// UseSecret saves when a client secret was last used.
	UseSecret(workspace, app, id string, now time.Time) error
}

// Outcomes of proving which app is calling.
var (
	ErrClient        = &Error{Kind: Unauthenticated, Code: "invalid_client", Text: text.Say("The app is not known here, or it did not prove that it is this app. Check its client id and secret.")}
	ErrClientLimit   = &Error{Kind: TooMany, Code: "too_many_tries", Text: text.Say("There were too many wrong client secrets from this address. Try again later.")}
	errClientMethod  = ErrClient.saying(text.Say("This app has no secret. Send its client_id alone, and use PKCE."))
	errClientNone    = ErrClient.saying(text.Say("This app must prove which it is with its client secret or a signed assertion. It sent neither."))
	errAssertion     = ErrClient.saying(text.Say("The client assertion was not accepted. It must be signed with a key that is registered for this app."))
	errAssertionAud  = ErrClient.saying(text.Say("The client assertion is not for this server. Its aud must be the issuer or the address of the token endpoint, its iss and sub the client id."))
	errAssertionTime = ErrClient.saying(text.Say("The client assertion has expired, begins in the future, or is valid for more than an hour. Check the clock of the app's server."))
	errAssertionUsed = ErrClient.saying(text.Say("The client assertion has no jti, or was used before. Create a new one for each request."))
)

var secretRule = throttle.Rule{Limit: 20, Window: 15 * time.Minute}

// asClient runs a change for an app that has proved which it is. Nothing is consumed unless it has. An outcome of fn is
// committed, so that fn must return a fault if what it wrote must not stay.
func (s *Service) asClient(ctx context.Context, by Caller, c ClientCredentials, fn func(Tx, App) error) error {
	return s.write(ctx, func(tx Tx) error {
		app, err := s.authenticate(tx, by.about(c.ID), c)
		if err != nil {
			return err
		}
		err = fn(tx, app)
		if len(Outcomes(err)) > 0 && !errors.As(err, &committed{}) {
			return commit(err)
		}
		return err
	})
}

// authenticate returns the app that is calling.
func (s *Service) authenticate(tx Tx, by Caller, c ClientCredentials) (App, error) {
	if !validID(prefixApp, c.ID) {
		return App{}, ErrClient
	}
	app, found, err := tx.ClientApp(by.workspace.ID, c.ID)
	if err != nil {
		return app, err
	}
	if !found || app.Client == nil || !app.Enabled {
		return app, ErrClient
	}
	switch {
	case app.Client.Public && (c.Secret != "" || c.Assertion != ""):
		return app, errClientMethod
	case app.Client.Public:
		return app, nil
	case c.Assertion != "":
		return app, s.judgeAssertion(tx, by, app, c)
	case c.Secret == "":
		return app, errClientNone
	}
	return app, s.judgeSecret(tx, by, app, c.Secret)
}

// judgeSecret checks a client secret. Wrong ones are counted for each address, so that nobody else is affected.
func (s *Service) judgeSecret(tx Tx, by Caller, app App, secret Secret) error {
	now := s.Now()
	of := Tries{Workspace: app.Workspace, Subject: app.ID, Bucket: "secret:" + ofAddress(by.address)}
	all, tries, err := tx.SecretHashes(app.Workspace, app.ID, of)
	if err != nil {
		return err
	}
	if wait := secretRule.Wait(tries.AsOf(now), now); wait > 0 {
		return ErrClientLimit.waiting(wait)
	}
	hash := hashToken(secret)
	for _, one := range all {
		if subtle.ConstantTimeCompare(one.Hash, hash) != 1 || !one.ExpiresAt.IsZero() && !now.Before(one.ExpiresAt) {
			continue
		}
		if lifetime.Within(one.LastUsedAt, time.Minute, now) {
			return nil
		}
		return tx.UseSecret(app.Workspace, app.ID, one.ID, now)
	}
	allowed, err := s.charge(tx, []budget{{of, secretRule}}, ErrClientLimit)
	if err != nil || !allowed {
		return errOr(err, ErrClientLimit)
	}
	return errOr(s.record(tx, by, "app.secret_wrong", "", Refused, nil), commit(ErrClient))
}

// judgeAssertion checks a signed assertion, and uses it up.
func (s *Service) judgeAssertion(tx Tx, by Caller, app App, c ClientCredentials) error {
	keys, err := jose.ParseSet([]byte(app.Client.JWKS))
	if err != nil {
		return errAssertion
	}
	t, err := jose.Verify(c.Assertion.Reveal(), keys, jose.Algorithms...)
	if err != nil {
		return errAssertion
	}
	claims, ok := openid.ParseAssertion(t.Claims)
	if !ok {
		return errAssertion
	}
	issuer := s.base(by.host)
	here := func(aud string) bool { return aud == issuer || slices.Contains(c.Audiences, aud) }
	now := s.Now()
	switch {
	case claims.Issuer != app.ID, claims.Subject != app.ID, !slices.ContainsFunc(claims.Audience, here):
		return errAssertionAud
	case !claims.InTime(now):
		return errAssertionTime
	case claims.ID == "":
		return errAssertionUsed
	}
	once := sha256.Sum256([]byte("assertion\x00" + app.ID + "\x00" + claims.ID))
	first, err := tx.SpendChallenge(app.Workspace, once[:], claims.Ends().Add(2*lifetime.Grace))
	if err == nil && !first {
		err = errAssertionUsed
	}
	return err
}

// validJWKS reports whether an app can sign assertions with keys of this set.
func validJWKS(set string) bool {
	_, err := jose.ParseSet([]byte(set))
	return err == nil
}
