// Package openid reads what apps send in the formats of OpenID Connect, and compares addresses as it says. It keeps no state.
package openid

import (
	"encoding/json"
	"strings"
)

// ClaimsRequest is the parameter claims (OpenID Connect Core 5.5).
type ClaimsRequest struct {
	UserInfo map[string]*Claim `json:"userinfo"`
	IDToken  map[string]*Claim `json:"id_token"`
}

// Claim is what is asked for about one claim. A nil Claim asks for it in the ordinary way.
type Claim struct {
	Essential bool  `json:"essential"`
	Value     any   `json:"value"`
	Values    []any `json:"values"`
}

// maxClaims is the maximum size of the parameter, in bytes.
const maxClaims = 4 << 10

// ParseClaims reads the parameter. What is not exactly a JSON object of this form is not ok, and returns nothing.
func ParseClaims(raw string) (c ClaimsRequest, ok bool) {
	if raw == "" {
		return c, true
	}
	if len(raw) > maxClaims || !strings.HasPrefix(strings.TrimSpace(raw), "{") || json.Unmarshal([]byte(raw), &c) != nil {
		return ClaimsRequest{}, false
	}
	return c, true
}

// Texts returns the values that a claim is wanted to have, as far as they are texts.
func (c *Claim) Texts() (all []string) {
	if c == nil {
		return nil
	}
	for _, v := range append([]any{c.Value}, c.Values...) {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}
