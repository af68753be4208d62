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
	"slices"
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
	switch m["kty"] {
	case "RSA":
		number := func(name string) *big.Int { return new(big.Int).SetBytes(bytes(name)) }
		return &rsa.PublicKey{N: number("n"), E: int(number("e").Int64())}, nil
	case "EC":
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, bytes("x"), bytes("y")))
	case "OKP":
		return ed25519.PublicKey(bytes("x")), nil
	}
	return nil, fmt.Errorf("unknown key %s", text)
}
