package sallyport_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
)

// readJWK reads a JSON Web Key without any library.
func readJWK(text []byte) (any, error) {
	var m map[string]string
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	bytes := func(name string) []byte {
		b, _ := base64.RawURLEncoding.DecodeString(m[name])
		return b
	}
	number := func(name string) *big.Int { return new(big.Int).SetBytes(bytes(name)) }
	switch m["kty"] {
	case "RSA":
		return &rsa.PublicKey{N: number("n"), E: int(number("e").Int64())}, nil
	case "EC":
		return &ecdsa.PublicKey{Curve: elliptic.P256(), X: number("x"), Y: number("y")}, nil
	case "OKP":
		return ed25519.PublicKey(bytes("x")), nil
	}
	return nil, fmt.Errorf("unknown key %s", text)
}
