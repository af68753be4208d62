package oidc

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

func invalid(say text.Message) *sallyport.Error {
	return &sallyport.Error{Kind: sallyport.Invalid, Code: "invalid_request", Text: say}
}

var (
	errTwoMethods = invalid(text.Say("The app proves which it is in two ways at once. Choose one: Basic, client_secret in the body, or client_assertion."))
	errTwoIDs     = invalid(text.Say("The client_id in the body is not the one in the Authorization header."))
	errScheme     = invalid(text.Say("The Authorization header cannot be read. Use Basic, with client id and secret form-encoded."))
	errAssertion  = invalid(text.Say("The client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer."))
	errQuery      = invalid(text.Say("Secrets and tokens must not be in the address. Send them in the body or the Authorization header."))
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// client reads the form that an app posted, with what proves which app it is. No cookie counts.
func (d *door) client(w http.ResponseWriter, r *http.Request, endpoint string, names []string) (by sallyport.Caller, c sallyport.ClientCredentials, p sallyport.Parameters, err error) {
	if by, err = d.arrive(r, false); err != nil {
		return by, c, nil, err
	}
	if secretInQuery(r) {
		return by, c, nil, errQuery
	}
	own := []string{"client_id", "client_secret", "client_assertion", "client_assertion_type"}
	all, err := posted(w, r, append(slices.Clone(own), names...))
	if err != nil {
		return by, c, nil, err
	}
	if c, err = credentials(r, all); err != nil {
		return by, c, nil, err
	}
	c.Audiences = []string{d.origin(r) + tokenPath, d.origin(r) + endpoint}
	for _, name := range own[1:] {
		delete(all, name)
	}
	d.allow(w, r, by, c.ID)
	return by, c, all, nil
}

func credentials(r *http.Request, p sallyport.Parameters) (c sallyport.ClientCredentials, err error) {
	c.ID, c.Secret, c.Assertion = p["client_id"], sallyport.Secret(p["client_secret"]), sallyport.Secret(p["client_assertion"])
	header := r.Header["Authorization"]
	switch {
	case len(header) > 1, c.Secret != "" && c.Assertion != "", len(header) == 1 && (c.Secret != "" || c.Assertion != ""):
		return c, errTwoMethods
	case (c.Assertion != "" || p["client_assertion_type"] != "") && p["client_assertion_type"] != assertionType:
		return c, errAssertion
	case len(header) == 1:
		id, secret, ok := basic(r)
		if !ok {
			return c, errScheme
		}
		if c.ID != "" && c.ID != id {
			return c, errTwoIDs
		}
		c.ID, c.Secret = id, sallyport.Secret(secret)
	case c.Assertion != "" && c.ID == "":
		c.ID = subject(c.Assertion.Reveal())
	}
	return c, nil
}

// basic returns client id and secret from the Authorization header, both form-decoded (RFC 6749 section 2.3.1).
func basic(r *http.Request) (id, secret string, ok bool) {
	id, secret, ok = r.BasicAuth()
	if !ok {
		return "", "", false
	}
	id, err := url.QueryUnescape(id)
	if err != nil {
		return "", "", false
	}
	secret, err = url.QueryUnescape(secret)
	return id, secret, err == nil
}

// subject returns which app an assertion claims to be of. The Service checks whether it is.
func subject(assertion string) string {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return ""
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(b, &claims) != nil {
		return ""
	}
	return claims.Subject
}

// secretInQuery reports whether something is in the address that would then be in the logs of proxies.
func secretInQuery(r *http.Request) bool {
	q := r.URL.Query()
	return slices.ContainsFunc([]string{"client_secret", "client_assertion", "access_token", "refresh_token", "token", "code", "device_code"}, q.Has)
}
