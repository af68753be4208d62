package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// PublicKey verifies tokens. As JSON it is a JSON Web Key.
type PublicKey struct {
	id        string // empty for a key of an app without one
	algorithm Algorithm
	key       crypto.PublicKey
}

// ID returns the name of the key, kid, or "" if it has none.
func (k PublicKey) ID() string { return k.id }

// Algorithm returns the only algorithm that the key is used with.
func (k PublicKey) Algorithm() Algorithm { return k.algorithm }

// MarshalJSON returns the key as a JSON Web Key.
func (k PublicKey) MarshalJSON() ([]byte, error) {
	return jose.JSONWebKey{Key: k.key, KeyID: k.id, Algorithm: string(k.algorithm), Use: "sig"}.MarshalJSON()
}

// MarshalSet returns a JSON Web Key Set.
func MarshalSet(keys []PublicKey) ([]byte, error) {
	if keys == nil {
		keys = []PublicKey{}
	}
	return stdjson.Marshal(map[string][]PublicKey{"keys": keys})
}

// Limits of keys that others made. Checking a signature with a large RSA key takes long.
const (
	MaxSet           = 32 << 10 // bytes
	MaxKeys          = 20       // in a set
	minRSA, maxRSA   = 2048, 4096
	maxModulusChars  = (maxRSA/8*4 + 2) / 3 // in base64url
	maxExponentChars = 6                    // of four bytes
	maxID            = 256
)

// What is wrong with a key or a key set.
var (
	ErrMalformed = errors.New("jose: malformed")
	ErrTooLarge  = errors.New("jose: too large")
	ErrPrivate   = errors.New("jose: a private key")
	ErrSymmetric = errors.New("jose: a symmetric key")
	ErrKeySize   = errors.New("jose: an RSA key that is too small or too large")
	ErrNoKey     = errors.New("jose: no key for an algorithm that is supported")

	errUnsupported = errors.New("jose: a key for another purpose or algorithm")
)

// ParseSet reads the public keys of an app. It leaves out keys for other purposes or algorithms (RFC 7517 section 5), and
// returns one of the errors above if none is left or if something else is wrong with one. A set that contains a secret
// is refused, because whoever sent it has given that away.
func ParseSet(set []byte) ([]PublicKey, error) {
	if len(set) > MaxSet {
		return nil, ErrTooLarge
	}
	var parsed struct {
		Keys []stdjson.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(set, &parsed); err != nil {
		return nil, ErrMalformed
	}
	if len(parsed.Keys) > MaxKeys {
		return nil, ErrTooLarge
	}
	var keys []PublicKey
	for _, one := range parsed.Keys {
		key, err := ParseKey(one)
		if errors.Is(err, errUnsupported) {
			continue
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, ErrNoKey
	}
	return keys, nil
}

// ParseKey reads a public JSON Web Key.
func ParseKey(text []byte) (PublicKey, error) {
	var members map[string]stdjson.RawMessage
	if err := json.Unmarshal(text, &members); err != nil || members == nil {
		return PublicKey{}, ErrMalformed
	}
	if err := refuseSecrets(members); err != nil {
		return PublicKey{}, err
	}
	var is struct{ Kty, Crv, Kid, Use, Alg, N, E string }
	for name, value := range map[string]*string{"kty": &is.Kty, "crv": &is.Crv, "kid": &is.Kid, "use": &is.Use, "alg": &is.Alg, "n": &is.N, "e": &is.E} {
		if raw, ok := members[name]; ok && stdjson.Unmarshal(raw, value) != nil {
			return PublicKey{}, ErrMalformed
		}
	}
	var operations []string
	if raw, ok := members["key_ops"]; ok && stdjson.Unmarshal(raw, &operations) != nil {
		return PublicKey{}, ErrMalformed
	}
	algorithm := map[string]Algorithm{"RSA": RS256, "EC P-256": ES256, "OKP Ed25519": EdDSA}[kind(is.Kty, is.Crv)]
	switch {
	case algorithm == "", is.Use != "" && is.Use != "sig", is.Alg != "" && is.Alg != string(algorithm),
		operations != nil && !slices.Contains(operations, "verify"):
		return PublicKey{}, errUnsupported
	case len(is.Kid) > maxID:
		return PublicKey{}, ErrTooLarge
	case algorithm == RS256 && (len(is.N) > maxModulusChars || len(is.E) > maxExponentChars):
		return PublicKey{}, ErrKeySize
	}
	return parsePublic(is.Kid, members)
}

func kind(kty, crv string) string {
	if kty == "RSA" {
		return kty
	}
	return kty + " " + crv
}

// refuseSecrets refuses a key that has a member which only a private or symmetric key has.
func refuseSecrets(members map[string]stdjson.RawMessage) error {
	if _, ok := members["k"]; ok || string(members["kty"]) == `"oct"` {
		return ErrSymmetric
	}
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth"} {
		if _, ok := members[name]; ok {
			return ErrPrivate
		}
	}
	return nil
}

// parsePublic has the library read the members that make up the key, and nothing else: certificates, for example, need
// not be parsed.
func parsePublic(id string, members map[string]stdjson.RawMessage) (PublicKey, error) {
	public := map[string]stdjson.RawMessage{}
	for _, name := range []string{"kty", "crv", "x", "y", "n", "e"} {
		if raw, ok := members[name]; ok {
			public[name] = raw
		}
	}
	text, err := stdjson.Marshal(public)
	if err != nil {
		return PublicKey{}, ErrMalformed
	}
	var parsed jose.JSONWebKey
	if err := parsed.UnmarshalJSON(text); err != nil || !parsed.Valid() {
		return PublicKey{}, ErrMalformed
	}
	if key, ok := parsed.Key.(*rsa.PublicKey); ok {
		if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
			return PublicKey{}, ErrKeySize
		}
		if key.E < 3 || key.E%2 == 0 || key.N.Bit(0) == 0 {
			return PublicKey{}, ErrMalformed
		}
	}
	return newPublicKey(id, parsed.Key)
}

// newPublicKey returns a key with its algorithm.
func newPublicKey(id string, key crypto.PublicKey) (PublicKey, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return PublicKey{id, RS256, key}, nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return PublicKey{id, ES256, key}, nil
		}
	case ed25519.PublicKey:
		if len(key) == ed25519.PublicKeySize {
			return PublicKey{id, EdDSA, key}, nil
		}
	}
	return PublicKey{}, fmt.Errorf("%w: %T", errUnsupported, key)
}
