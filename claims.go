package sallyport

import (
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/openid"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Scopes are what an app can ask to learn about a person. All others are ignored.
var Scopes = []string{"openid", "profile", "email", "groups", scopeOffline}

const scopeOffline = "offline_access"

// claimsOf are the claims that come with each scope.
var claimsOf = map[string][]string{
	"profile": {"name", "preferred_username", "updated_at"},
	"email":   {"email", "email_verified"},
	"groups":  {"groups"},
}

// Claims are all claims about a person that an app can ask for, besides sub.
func Claims() (all []string) {
	for _, scope := range Scopes {
		all = append(all, claimsOf[scope]...)
	}
	return all
}

// grantedScopes returns those of the scopes that exist, each once, in the order of Scopes.
func grantedScopes(asked string) (granted []string) {
	all := strings.Fields(asked)
	for _, scope := range Scopes {
		if slices.Contains(all, scope) {
			granted = append(granted, scope)
		}
	}
	return granted
}

var errClaims = refusal("invalid_request", text.Say("The parameter claims is not a JSON object as OpenID Connect Core 5.5 describes it, or it is longer than 4 KiB."))

func parseClaims(raw string) (openid.ClaimsRequest, error) {
	c, ok := openid.ParseClaims(raw)
	if !ok {
		return c, errClaims
	}
	return c, nil
}

// wanted returns the names of the claims about a person that are asked for, by scopes and by name.
func wanted(scopes []string, named map[string]*openid.Claim) map[string]bool {
	all := map[string]bool{}
	for _, scope := range scopes {
		for _, name := range claimsOf[scope] {
			all[name] = true
		}
	}
	for name := range named {
		all[name] = true
	}
	return all
}

// personalClaims returns those of the claims that are known about a user.
func personalClaims(u User, groups []Group, want map[string]bool) map[string]any {
	names := []string{}
	for _, g := range groups {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	known := map[string]any{
		"name": u.Name, "preferred_username": u.Address, "updated_at": u.updatedAt().Unix(),
		"email": u.Address, "email_verified": true, "groups": names,
	}
	all := map[string]any{}
	for name, value := range known {
		if want[name] && value != "" {
			all[name] = value
		}
	}
	return all
}

// idTokenLimit is how long an ID token is valid.
const idTokenLimit = 5 * time.Minute

// idToken returns the claims of an ID token.
func (s *Service) idToken(by Caller, a App, g Grant, u User, groups []Group, access Secret) map[string]any {
	c, _ := parseClaims(g.Claims) // it was parsed before it was stored
	want := wanted(nil, c.IDToken)
	if a.Client.IDTokenClaims {
		want = wanted(g.Scopes, c.IDToken)
	}
	all := personalClaims(u, groups, want)
	now := s.Now()
	all["iss"], all["sub"], all["aud"] = s.base(by.host), u.ID, a.ID
	all["iat"], all["exp"] = now.Unix(), now.Add(idTokenLimit).Unix()
	all["auth_time"], all["acr"] = authTime(g.Proofs).Unix(), acr(g.Proofs)
	if methods := amr(g.Proofs); len(methods) > 0 {
		all["amr"] = methods
	}
	if g.Session != "" {
		all["sid"] = g.Session
	}
	if g.Nonce != "" {
		all["nonce"] = g.Nonce
	}
	if access != "" {
		all["at_hash"] = halfHash(a.Client.Algorithm, access)
	}
	return all
}
