package sallyport

import (
	"strconv"
	"strings"
)

// AppClient is how an app uses OpenID Connect.
type AppClient struct {
	RedirectURIs         []string `json:"redirect_uris,omitempty"`
	PostLogoutURIs       []string `json:"post_logout_uris,omitempty"`
	BackchannelLogoutURI string   `json:"backchannel_logout_uri,omitempty"`
	Public               bool     `json:"public,omitempty"`        // it cannot keep a secret
	PKCEOptional         bool     `json:"pkce_optional,omitempty"` // it may leave out PKCE, which is weaker
	Algorithm            string   `json:"algorithm"`               // of its ID tokens: RS256, ES256 or EdDSA
	JWKS                 string   `json:"jwks,omitempty"`          // its public keys, for private_key_jwt; empty: it has secrets
	IDTokenClaims        bool     `json:"id_token_claims"`         // ID tokens contain what userinfo returns
	Refresh              bool     `json:"refresh"`                 // it may get refresh tokens
}

// NewAppClient returns the settings that an app begins with.
func NewAppClient(redirectURIs ...string) *AppClient {
	return &AppClient{RedirectURIs: redirectURIs, Algorithm: "RS256", IDTokenClaims: true, Refresh: true}
}

// tidy brings what was typed into the form that is stored, and returns everything that is wrong with it.
func (c *AppClient) tidy() error { return nil }

// settings adds the settings by name, as events show them.
func (c *AppClient) settings(all map[string]string) {
	all["redirect_uris"], all["post_logout_uris"] = strings.Join(c.RedirectURIs, " "), strings.Join(c.PostLogoutURIs, " ")
	all["backchannel_logout_uri"], all["alg"], all["jwks"] = c.BackchannelLogoutURI, c.Algorithm, c.JWKS
	all["public"], all["pkce_optional"] = strconv.FormatBool(c.Public), strconv.FormatBool(c.PKCEOptional)
	all["id_token_claims"], all["refresh"] = strconv.FormatBool(c.IDTokenClaims), strconv.FormatBool(c.Refresh)
}
