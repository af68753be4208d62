package sallyport

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/jose"
	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Grant is what an app was issued for a person at one time: a code or the answer to a device, and everything that came of it.
// It is valid while it has the epochs of the person and of the app, and while the person may use the app.
type Grant struct {
	Workspace string
	User      string
	ID        string
	App       string
	Session   string // id of the session in which it was issued
	UserEpoch int64
	AppEpoch  int64
	Scopes    []string
	Claims    string // the parameter claims
	Nonce     string
	Redirect  string
	Challenge string // of PKCE, S256; empty: none
	Proofs    Proofs // of the session when it was issued
	CodeHash  []byte
	CodeEnds  time.Time
	Redeemed  time.Time // zero: not yet
	Ended     time.Time // it was revoked then; zero: it was not

	RefreshHash  []byte // of the refresh token; nil: none
	RefreshRoot  []byte // of the first one
	PreviousHash []byte // of the one before it
	Rotations    int    // how many there were
	RotatedAt    time.Time

	Quiet     bool // the person opens apps so often that the audit log does not get this one; InsertGrant sets it
	CreatedAt time.Time
	ExpiresAt time.Time // nothing that came of it is valid then
}

// AccessToken is what an app shows at userinfo. Only its hash is stored.
type AccessToken struct {
	Workspace string
	User      string
	Hash      []byte
	Grant     string
	Session   string // it ends with this session; empty: it came of a refresh token, which does not
	ExpiresAt time.Time
}

// Limits of what apps are issued.
const (
	CodeLimit        = time.Minute
	AccessTokenLimit = 10 * time.Minute
	RefreshIdleLimit = 30 * 24 * time.Hour
	RefreshLimit     = 180 * 24 * time.Hour
	// refreshAgain is how long the previous refresh token returns the same successor, in case the reply was lost.
	refreshAgain = time.Minute

	MaxGrants       = 500 // of one person
	MaxAccessTokens = 10  // of one grant

	// The audit log gets so many openings of apps by one person in OpenedWindow (I66).
	MaxOpened    = 60
	OpenedWindow = 10 * time.Minute
)

// GrantTx is the storage of what apps were issued.
type GrantTx interface {
	// InsertGrant inserts a grant, and deletes all of the user's except the newest MaxGrants.
	InsertGrant(Grant) error
	// Grant returns a grant, with the session in which it was issued if that still exists.
	Grant(workspace, user, id string) (Grant, Session, bool, error)
	// SaveGrant replaces when a grant was redeemed, has ended and expires, and its refresh tokens. The user's row is locked.
	SaveGrant(Grant) error
	// InsertAccessToken inserts an access token. One that belongs to a session is the first of its grant. Another one deletes
	// all of its grant except the newest MaxAccessTokens.
	InsertAccessToken(AccessToken) error
	// AccessToken returns an access token by its hash, with its grant as Grant does.
	AccessToken(workspace, user string, hash []byte) (AccessToken, Grant, Session, bool, error)
}

// RevokeTx is the storage of revocation by apps.
type RevokeTx interface {
	// DeleteAccessToken deletes an access token by its hash.
	DeleteAccessToken(workspace, user string, hash []byte) error
}

// Outcomes of the token endpoint.
var (
	ErrGrant       = refusal("invalid_grant", text.Say("This code or token is not valid, was used before, has expired, or was issued to another app. Start again with a new sign-in."))
	errRedirect    = ErrGrant.saying(text.Say("The redirect_uri is not the one that the code was issued for. Send the same in both requests."))
	errVerifier    = ErrGrant.saying(text.Say("The code_verifier does not belong to the code_challenge with which the code was requested."))
	errNoVerifier  = ErrGrant.saying(text.Say("The code_verifier is missing. The code was requested with a code_challenge."))
	errNoChallenge = ErrGrant.saying(text.Say("There is a code_verifier, but the code was requested without a code_challenge."))
	errNoLonger    = ErrGrant.saying(text.Say("The person may no longer use this app, has signed out, or must sign in again."))
	ErrToken       = &Error{Kind: Unauthenticated, Code: "invalid_token", Text: text.Say("The access token is not valid, has expired or was revoked.")}
	errScope       = refusal("invalid_scope", text.Say("The scope is more than what was granted before."))
	errGrantType   = refusal("unsupported_grant_type", text.Say("The grant_type may be authorization_code, refresh_token or urn:ietf:params:oauth:grant-type:device_code."))
	errNoCode      = refusal("invalid_request", text.Say("The parameter code is missing. Send the code that the browser brought back."))
	errNoRefresh   = refusal("invalid_request", text.Say("The parameter refresh_token is missing."))
	errNoDevice    = refusal("invalid_request", text.Say("The parameter device_code is missing. Send the one that the device was issued."))
	errNoGrantType = refusal("invalid_request", text.Say("The parameter grant_type is missing."))
)

// GrantTypes are the values of the parameter grant_type.
var GrantTypes = []string{grantCode, grantRefresh, grantDevice}

const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
	grantDevice  = "urn:ietf:params:oauth:grant-type:device_code"
)

// TokenRequest is a request to the token endpoint. Empty: not sent.
type TokenRequest struct {
	GrantType   string
	Code        Secret
	RedirectURI string
	Verifier    Secret
	Refresh     Secret
	Scope       string
	DeviceCode  Secret
}

// Tokens is what an app is issued.
type Tokens struct {
	Access  Secret
	Refresh Secret // empty: none
	ID      Secret // empty: none
	Scope   string
}

func newGrant(a App, u User, now time.Time) Grant {
	return Grant{
		Workspace: u.Workspace, User: u.ID, ID: newID(prefixGrant, now), App: a.ID, UserEpoch: u.Epoch, AppEpoch: a.clientEpoch(),
		CreatedAt: now, ExpiresAt: now.Add(CodeLimit + AccessTokenLimit),
	}
}

// Token issues tokens to an app, for what it shows.
func (s *Service) Token(ctx context.Context, by Caller, c ClientCredentials, r TokenRequest) (t Tokens, err error) {
	var i issue
	err = s.asClient(ctx, by, c, func(tx Tx, app App) (err error) {
		by := by.about(app.ID)
		switch {
		case r.GrantType == grantCode && r.Code == "":
			return errNoCode
		case r.GrantType == grantRefresh && r.Refresh == "":
			return errNoRefresh
		case r.GrantType == grantDevice && r.DeviceCode == "":
			return errNoDevice
		}
		switch r.GrantType {
		case grantCode:
			i, err = s.redeem(tx, by, app, r)
		case grantRefresh:
			i, err = s.refresh(tx, by, app, r)
		case grantDevice:
			i, err = s.redeemDevice(tx, by, app, r)
		case "":
			err = errNoGrantType
		default:
			err = errGrantType
		}
		return err
	})
	if err != nil {
		return t, err
	}
	t = Tokens{Access: i.access, Refresh: i.refresh, Scope: strings.Join(i.scopes, " ")}
	if slices.Contains(i.scopes, "openid") {
		signed, err := s.sign(ctx, by.workspace, jose.Algorithm(i.app.Client.Algorithm), jose.JWT, s.idToken(by, i.app, i.grant, i.user, i.groups, i.access))
		if err != nil {
			return Tokens{}, err
		}
		t.ID = Secret(signed)
	}
	return t, nil
}

// issue is what a request to the token endpoint has issued, and about whom.
type issue struct {
	app             App
	grant           Grant
	user            User
	groups          []Group
	scopes          []string
	access, refresh Secret
}

// redeem issues tokens for a code. A second use of a code that was redeemed ends what the first use issued.
func (s *Service) redeem(tx Tx, by Caller, app App, r TokenRequest) (i issue, err error) {
	g, ses, u, hash, err := s.grant(tx, by, app, r.Code)
	if err != nil {
		return i, err
	}
	if subtle.ConstantTimeCompare(g.CodeHash, hash) != 1 {
		return i, ErrGrant
	}
	if !g.Redeemed.IsZero() {
		return i, s.endGrant(tx, by, g, "app.code_reused")
	}
	now := s.Now()
	switch {
	case !lifetime.Until(g.CodeEnds, CodeLimit, now):
		return i, ErrGrant
	case g.Redirect != r.RedirectURI:
		return i, errRedirect
	case g.Challenge == "" && r.Verifier != "":
		return i, errNoChallenge
	case g.Challenge != "" && r.Verifier == "":
		return i, errNoVerifier
	case g.Challenge != "" && !verifies(r.Verifier, g.Challenge):
		return i, errVerifier
	}
	if !ses.genuineFor(u, now) {
		return i, errNoLonger
	}
	if err := s.stillGranted(tx, by, app, g, u, now); err != nil {
		return i, err
	}
	g.Redeemed = now
	return s.issue(tx, by, app, g, u, g.Session)
}

// verifies reports whether a verifier belongs to a challenge of PKCE with S256 (RFC 7636).
func verifies(verifier Secret, challenge string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	made := base64.RawURLEncoding.EncodeToString(hashToken(verifier))
	return subtle.ConstantTimeCompare([]byte(made), []byte(challenge)) == 1
}

// genuineFor reports whether the session in which something was issued is still valid.
func (ses Session) genuineFor(u User, now time.Time) bool {
	return ses.ID != "" && ses.lives(ses.Hash, u, now)
}

// grant returns the grant that a code or refresh token names, and locks its user's row. The token's own hash has still to be
// compared.
func (s *Service) grant(tx Tx, by Caller, app App, token Secret) (g Grant, ses Session, u User, hash []byte, err error) {
	first, _ := numbered(token)
	user, id, _, ok := parseToken(first, prefixGrant)
	hash = hashToken(token)
	if !ok {
		return g, ses, u, hash, ErrGrant
	}
	u, found, err := tx.LockUser(by.workspace.ID, user)
	if err == nil && found {
		g, ses, found, err = tx.Grant(by.workspace.ID, user, id)
	}
	if err == nil && (!found || g.App != app.ID) {
		err = ErrGrant
	}
	return g, ses, u, hash, err
}

// stillGranted returns nil if what was granted may still be used: nothing was revoked, and the person may use the app and has
// given all proofs that the policy and the app require by now.
func (s *Service) stillGranted(tx Tx, by Caller, app App, g Grant, u User, now time.Time) error {
	if !app.Enabled || app.Client == nil || g.AppEpoch != app.clientEpoch() || g.UserEpoch != u.Epoch || u.State != Active ||
		!g.Ended.IsZero() || !lifetime.Between(g.CreatedAt, g.ExpiresAt, now) || g.App != app.ID {
		return errNoLonger
	}
	if by.policy.Owes(u, g.Proofs, now) != OwesNothing || (Demand{Level: app.Level}).Judge(u, g.Proofs, now) != nil {
		return errNoLonger
	}
	if may, err := tx.MayUse(app, u.ID); err != nil || !may {
		return errOr(err, errNoLonger)
	}
	return nil
}

// endGrant ends everything that came of a grant, and returns ErrGrant.
func (s *Service) endGrant(tx Tx, by Caller, g Grant, kind string) error {
	if !g.Ended.IsZero() {
		return ErrGrant
	}
	g.Ended = s.Now()
	if err := tx.SaveGrant(g); err != nil {
		return err
	}
	return errOr(s.record(tx, by, kind, g.User, Refused, nil), ErrGrant)
}

// issue creates an access token, the first refresh token if there is to be one, and saves the grant.
func (s *Service) issue(tx Tx, by Caller, app App, g Grant, u User, session string) (issue, error) {
	now := s.Now()
	i := issue{app: app, user: u, scopes: g.Scopes}
	access := AccessToken{Workspace: g.Workspace, User: g.User, Grant: g.ID, Session: session, ExpiresAt: now.Add(AccessTokenLimit)}
	i.access, access.Hash = newToken(u.ID, g.ID)
	if err := tx.InsertAccessToken(access); err != nil {
		return i, err
	}
	g.ExpiresAt = now.Add(AccessTokenLimit)
	if g.RefreshHash == nil && slices.Contains(g.Scopes, scopeOffline) && app.Client.Refresh {
		i.refresh, g.RefreshHash = newToken(u.ID, g.ID)
		g.RefreshRoot, g.RotatedAt = g.RefreshHash, now
	}
	if g.RefreshHash != nil {
		g.ExpiresAt = g.refreshEnds()
	}
	if err := tx.SaveGrant(g); err != nil {
		return i, err
	}
	i.grant = g
	if g.Rotations == 0 {
		if err := s.opened(tx, by.as(u), app, g); err != nil {
			return i, err
		}
	}
	var err error
	i.groups, err = s.groupsFor(tx, app, g)
	return i, err
}

// opened records that a person has signed in to an app.
func (s *Service) opened(tx Tx, by Caller, app App, g Grant) error {
	if app.Client.BackchannelLogoutURI != "" && g.Session != "" {
		if err := tx.InsertSessionApp(SessionApp{Workspace: g.Workspace, User: g.User, Session: g.Session, App: g.App}); err != nil {
			return err
		}
	}
	if g.Quiet {
		return nil
	}
	return s.record(tx, by, "app.opened", g.User, Done, nil)
}

// groupsFor returns the person's groups if the app may learn them.
func (s *Service) groupsFor(tx Tx, app App, g Grant) ([]Group, error) {
	c, _ := parseClaims(g.Claims)
	if !slices.Contains(g.Scopes, "groups") && c.UserInfo["groups"] == nil && c.IDToken["groups"] == nil {
		return nil, nil
	}
	return tx.GroupsOf(g.Workspace, g.User)
}

// halfHash returns the value of at_hash for an access token (OpenID Connect Core 3.1.3.6).
func halfHash(algorithm string, token Secret) string {
	if algorithm == "EdDSA" {
		h := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.EncodeToString(h[:32])
	}
	h := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(h[:16])
}

// bearer returns the grant of an access token that is valid now, with its app and user.
func (s *Service) bearer(tx Tx, by Caller, token Secret) (g Grant, app App, u User, t AccessToken, err error) {
	user, id, hash, ok := parseToken(token, prefixGrant)
	if !ok {
		return g, app, u, t, ErrToken
	}
	now := s.Now()
	t, g, ses, found, err := tx.AccessToken(by.workspace.ID, user, hash)
	if err != nil || !found || t.Grant != id || !lifetime.Until(t.ExpiresAt, AccessTokenLimit, now) {
		return g, app, u, t, errOr(err, ErrToken)
	}
	u, found, err = tx.User(by.workspace.ID, user)
	if err == nil && found {
		app, found, err = tx.ClientApp(by.workspace.ID, g.App)
	}
	if err != nil || !found || t.Session != "" && !ses.genuineFor(u, now) {
		return g, app, u, t, errOr(err, ErrToken)
	}
	if err = s.stillGranted(tx, by, app, g, u, now); errors.Is(err, errNoLonger) {
		err = ErrToken
	}
	return g, app, u, t, err
}

// UserInfo returns what an app may learn about the person for whom it was issued an access token, and the app.
func (s *Service) UserInfo(ctx context.Context, by Caller, token Secret) (claims map[string]any, app App, err error) {
	err = s.Store.Read(ctx, func(tx Tx) error {
		var g Grant
		var u User
		if g, app, u, _, err = s.bearer(tx, by, token); err != nil {
			return err
		}
		if !slices.Contains(g.Scopes, "openid") {
			return ErrTokenScope
		}
		groups, err := s.groupsFor(tx, app, g)
		if err != nil {
			return err
		}
		c, _ := parseClaims(g.Claims)
		claims = personalClaims(u, groups, wanted(g.Scopes, c.UserInfo))
		claims["sub"] = u.ID
		return nil
	})
	return claims, app, err
}
