// Package jose signs and verifies JSON Web Tokens, and reads and writes JSON Web Keys, for all doors.
//
//	jose.go  keys that sign: Generate, Load, Signer
//	key.go   public keys: PublicKey, ParseKey, ParseSet, MarshalSet
//	verify.go  Verify
//
// It knows three algorithms and reads signed tokens only: it never decrypts. It keeps no state.
package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Algorithm is how a token is signed, as its header says it.
type Algorithm string

const (
	RS256 Algorithm = "RS256"
	ES256 Algorithm = "ES256"
	EdDSA Algorithm = "EdDSA" // with Ed25519
)

// Algorithms are all that there are.
var Algorithms = []Algorithm{RS256, ES256, EdDSA}

// Valid reports whether a is one of Algorithms.
func (a Algorithm) Valid() bool { return slices.Contains(Algorithms, a) }

// Type is the kind of a token, as its header says it, so that one kind is not taken for another.
type Type string

const (
	JWT         Type = "JWT"
	LogoutToken Type = "logout+jwt"
)

// rsaBits is the size of the RSA keys that Generate creates. Larger ones take several times as long to sign.
const rsaBits = 2048

// Signer is a private key, ready to sign. It is safe for concurrent use.
type Signer struct {
	public  PublicKey
	signers map[Type]jose.Signer
}

// Generate returns a new private key, for Load. With RS256 that takes a tenth of a second or more.
func Generate(a Algorithm) (pkcs8 []byte, err error) {
	var key crypto.Signer
	switch a {
	case RS256:
		key, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("jose: unknown algorithm %q", a)
	}
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(key)
}

// Load returns the signer for a private key that Generate returned. id is the key's name in tokens and key sets. Errors
// never contain any of the key.
func Load(id string, pkcs8 []byte) (*Signer, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, errors.New("jose: not a private key")
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("jose: not a private key that signs")
	}
	s := &Signer{signers: map[Type]jose.Signer{}}
	if s.public, err = newPublicKey(id, key.Public()); err != nil {
		return nil, err
	}
	for _, t := range []Type{JWT, LogoutToken} {
		signing := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.public.algorithm), Key: jose.JSONWebKey{Key: parsed, KeyID: id}}
		if s.signers[t], err = jose.NewSigner(signing, (&jose.SignerOptions{}).WithType(jose.ContentType(t))); err != nil {
			return nil, errors.New("jose: the private key cannot sign")
		}
	}
	return s, nil
}

// Public returns the public key.
func (s *Signer) Public() PublicKey { return s.public }

// Sign returns a token of one of the types above, signed, in the compact form. claims is a struct or map that becomes a
// JSON object.
func (s *Signer) Sign(t Type, claims any) (string, error) {
	signer, ok := s.signers[t]
	if !ok {
		return "", fmt.Errorf("jose: unknown type of token %q", t)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
