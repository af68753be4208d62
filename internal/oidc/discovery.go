package oidc

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
)

// metadata is what the server supports (OpenID Connect Discovery 1.0, RFC 8414).
type metadata struct {
	Issuer        string `json:"issuer"`
	Authorize     string `json:"authorization_endpoint"`
	Push          string `json:"pushed_authorization_request_endpoint"`
	Token         string `json:"token_endpoint"`
	UserInfo      string `json:"userinfo_endpoint"`
	Introspection string `json:"introspection_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
	Device        string `json:"device_authorization_endpoint"`
	EndSession    string `json:"end_session_endpoint"`
	JWKS          string `json:"jwks_uri"`

	Scopes            []string `json:"scopes_supported"`
	ResponseTypes     []string `json:"response_types_supported"`
	ResponseModes     []string `json:"response_modes_supported"`
	GrantTypes        []string `json:"grant_types_supported"`
	Subjects          []string `json:"subject_types_supported"`
	Claims            []string `json:"claims_supported"`
	ClaimTypes        []string `json:"claim_types_supported"`
	ACRs              []string `json:"acr_values_supported"`
	Prompts           []string `json:"prompt_values_supported"`
	Displays          []string `json:"display_values_supported"`
	Locales           []string `json:"ui_locales_supported"`
	Challenges        []string `json:"code_challenge_methods_supported"`
	IDTokenAlgorithms []string `json:"id_token_signing_alg_values_supported"`

	TokenAuth         []string `json:"token_endpoint_auth_methods_supported"`
	TokenAlgorithms   []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuth []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAlgs []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationAuth    []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAlgs    []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`

	ClaimsParameter     bool `json:"claims_parameter_supported"`
	RequestParameter    bool `json:"request_parameter_supported"`
	RequestURIParameter bool `json:"request_uri_parameter_supported"`
	RequirePush         bool `json:"require_pushed_authorization_requests"`
	Iss                 bool `json:"authorization_response_iss_parameter_supported"`
	Backchannel         bool `json:"backchannel_logout_supported"`
	BackchannelSession  bool `json:"backchannel_logout_session_supported"`
}

// origin returns the issuer of the workspace that was asked.
func (d *door) origin(r *http.Request) string { return d.edge.Origin(edge.From(r.Context()).Host) }

func (d *door) discovery(w http.ResponseWriter, r *http.Request) error {
	if _, err := d.arrive(r, false); err != nil { // there must be a workspace
		return err
	}
	own := d.origin(r)
	auth := []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"}
	m := metadata{
		Issuer: own, Authorize: own + authorizePath, Push: own + pushPath, Token: own + tokenPath, UserInfo: own + userInfoPath,
		Introspection: own + introspectPath, Revocation: own + revokePath, Device: own + devicePath, EndSession: own + endSessionPath,
		JWKS: own + "/.well-known/jwks.json",

		Scopes: sallyport.Scopes, ResponseTypes: []string{"code"}, ResponseModes: sallyport.ResponseModes, GrantTypes: sallyport.GrantTypes,
		Subjects: []string{"public"}, ClaimTypes: []string{"normal"}, ACRs: sallyport.ACRs, Prompts: sallyport.Prompts, Displays: []string{"page"},
		Claims:  append([]string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "sid", "acr", "amr", "at_hash"}, sallyport.Claims()...),
		Locales: []string{"en"}, Challenges: []string{"S256"}, IDTokenAlgorithms: sallyport.Algorithms,

		TokenAuth: auth, TokenAlgorithms: sallyport.Algorithms, IntrospectionAuth: auth, IntrospectionAlgs: sallyport.Algorithms,
		RevocationAuth: auth, RevocationAlgs: sallyport.Algorithms,

		ClaimsParameter: true, Iss: true, Backchannel: true, BackchannelSession: true,
	}
	w.Header().Set("Access-Control-Allow-Origin", "*")
	return edge.JSON(w, http.StatusOK, m)
}
