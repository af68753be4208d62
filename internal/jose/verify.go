package jose

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// MaxToken is how many bytes of a token Verify reads.
const MaxToken = 64 << 10

// Why a token is refused, besides ErrMalformed and ErrTooLarge.
var (
	ErrAlgorithm  = errors.New("jose: the token is signed with an algorithm that is not allowed")
	ErrUnknownKey = errors.New("jose: no known key has signed the token")
	ErrSignature  = errors.New("jose: the signature is not right")
)

// Token is a token whose signature is right. Everything in its claims has still to be checked, times as well.
type Token struct {
	Type   Type   // as its header says, or empty
	Key    string // id of the key that signed it, or empty
	Claims []byte // a JSON object without duplicate names
}

// Verify checks the signature of a token in the compact form, with one of the allowed algorithms and one of the keys. A
// token that names its key is checked with that one, and with keys that have no name. Keys and addresses of keys in the
// token itself mean nothing.
func Verify(token string, keys []PublicKey, allowed ...Algorithm) (Token, error) {
	if len(token) > MaxToken {
		return Token{}, ErrTooLarge
	}
	if strings.ContainsAny(token, "\r\n") { // which base64 decoding skips
		return Token{}, ErrMalformed
	}
	algorithms := make([]jose.SignatureAlgorithm, 0, len(allowed))
	for _, a := range allowed {
		if !a.Valid() {
			return Token{}, fmt.Errorf("jose: unknown algorithm %q", a)
		}
		algorithms = append(algorithms, jose.SignatureAlgorithm(a))
	}
	parsed, err := jose.ParseSignedCompact(token, algorithms)
	if errors.As(err, new(*jose.ErrUnexpectedSignatureAlgorithm)) {
		return Token{}, ErrAlgorithm
	}
	if err != nil || len(parsed.Signatures) != 1 {
		return Token{}, ErrMalformed
	}
	header := parsed.Signatures[0].Protected
	outcome := ErrUnknownKey
	for _, key := range keys {
		if string(key.algorithm) != header.Algorithm || key.id != header.KeyID && key.id != "" && header.KeyID != "" {
			continue
		}
		payload, err := parsed.Verify(key.key)
		if err != nil {
			outcome = ErrSignature
			continue
		}
		var claims map[string]stdjson.RawMessage
		if !utf8.Valid(payload) || json.Unmarshal(payload, &claims) != nil || claims == nil {
			return Token{}, ErrMalformed
		}
		kind, _ := header.ExtraHeaders[jose.HeaderType].(string)
		return Token{Type(kind), key.id, payload}, nil
	}
	return Token{}, outcome
}
