package sallyport

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/openid"
	"github.com/sallyport-2fa/sallyport/internal/text"
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

// MaxRedirectURIs is how many addresses of each kind an app may register.
const MaxRedirectURIs = 50

// Algorithms are those with which ID tokens can be signed. The first one is the default.
var Algorithms = []string{"RS256", "ES256", "EdDSA"}

// Outcomes of the settings of an OpenID Connect client.
var (
	ErrRedirectInvalid    = invalid("redirect_uris", "redirect_uri_invalid", text.Say("Enter complete addresses, one per line. They begin with https://, with http:// on loopback, or with a scheme of the app's own that contains a dot."))
	ErrRedirectsLimit     = invalid("redirect_uris", "too_many_redirect_uris", text.Say("An app can have 50 addresses of this kind. Remove some."))
	ErrBackchannelInvalid = invalid("backchannel_logout_uri", "backchannel_logout_uri_invalid", text.Say("Enter a complete address that begins with https://, or with http:// on loopback."))
	ErrAlgorithmInvalid   = invalid("alg", "algorithm_invalid", text.Say("Choose RS256, ES256 or EdDSA."))
	ErrJWKSInvalid        = invalid("jwks", "jwks_invalid", text.Say("Enter a JSON Web Key Set with the app's public keys, for RS256, ES256 or EdDSA."))
	ErrJWKSPublic         = invalid("jwks", "jwks_public", text.Say("An app that cannot keep a secret cannot keep a private key either. Leave the keys out, or make the app confidential."))
)

// tidy brings what was typed into the form that is stored, and returns everything that is wrong with it.
func (c *AppClient) tidy() error {
	var wrong []error
	for _, list := range []struct {
		of    *[]string
		field string
	}{{&c.RedirectURIs, "redirect_uris"}, {&c.PostLogoutURIs, "post_logout_uris"}} {
		uris, err := tidyURIs(*list.of, list.field)
		*list.of = uris
		wrong = append(wrong, err)
	}
	c.BackchannelLogoutURI = strings.TrimSpace(c.BackchannelLogoutURI)
	if at := c.BackchannelLogoutURI; at != "" && (!validAddress(at) || strings.Contains(at, "#")) {
		wrong = append(wrong, ErrBackchannelInvalid)
	}
	if c.Algorithm == "" {
		c.Algorithm = Algorithms[0]
	}
	if !slices.Contains(Algorithms, c.Algorithm) {
		wrong = append(wrong, ErrAlgorithmInvalid)
	}
	c.JWKS = strings.TrimSpace(c.JWKS)
	switch {
	case c.JWKS == "":
	case c.Public:
		wrong = append(wrong, ErrJWKSPublic)
	case !validJWKS(c.JWKS):
		wrong = append(wrong, ErrJWKSInvalid)
	}
	if c.Public {
		c.PKCEOptional = false
	}
	return outcomes(wrong...)
}

func tidyURIs(typed []string, field string) ([]string, error) {
	var all []string
	for _, uri := range typed {
		if uri = strings.TrimSpace(uri); uri == "" || slices.Contains(all, uri) {
			continue
		}
		if !validRedirect(uri) {
			return typed, ErrRedirectInvalid.saying(text.Say("“{address}” cannot be used. Enter complete addresses without “#”. They begin with https://, with http:// on loopback, or with a scheme of the app's own that contains a dot.", "address", uri)).in(field)
		}
		all = append(all, uri)
	}
	if len(all) > MaxRedirectURIs {
		return all, ErrRedirectsLimit.in(field)
	}
	return all, nil
}

// validRedirect reports whether an address can be registered as one to which browsers are sent with a reply.
func validRedirect(uri string) bool {
	for _, c := range []byte(uri) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("#\\\"<>`{}|^", c) >= 0 {
			return false
		}
	}
	u, err := url.Parse(uri)
	if err != nil || len(uri) > maxAddress || u.User != nil {
		return false
	}
	if u.Scheme == "https" || u.Scheme == "http" {
		return validAddress(uri)
	}
	return strings.Contains(u.Scheme, ".")
}

// redirects reports whether the app registered an address.
func (c *AppClient) redirects(uri string) bool {
	return openid.Redirects(c.RedirectURIs, c.Public, uri)
}

// originOf returns the origin of a registered address, as a Content-Security-Policy and browsers write it. For a scheme of an
// app's own it is the scheme.
func originOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return u.Scheme + ":"
	}
	host, port, ok := fold.Host(u.Host)
	if !ok {
		return ""
	}
	if port != "" && port != defaultPort[u.Scheme] {
		host += ":" + port
	}
	return u.Scheme + "://" + host
}

// settings adds the settings by name, as events show them.
func (c *AppClient) settings(all map[string]string) {
	all["redirect_uris"], all["post_logout_uris"] = strings.Join(c.RedirectURIs, " "), strings.Join(c.PostLogoutURIs, " ")
	all["backchannel_logout_uri"], all["alg"], all["jwks"] = c.BackchannelLogoutURI, c.Algorithm, c.JWKS
	all["public"], all["pkce_optional"] = strconv.FormatBool(c.Public), strconv.FormatBool(c.PKCEOptional)
	all["id_token_claims"], all["refresh"] = strconv.FormatBool(c.IDTokenClaims), strconv.FormatBool(c.Refresh)
}
