package passkey

import (
	"errors"
	"math/big"
	"slices"

	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// Limits of public keys. Checking a signature with a large key takes seconds.
const (
	maxPublic        = 1 << 10 // bytes
	minRSA, maxRSA   = 2048, 4096
	maxExponentBytes = 4
)

// checkPublic refuses a public key that is no point on its curve, or too large or too small.
func checkPublic(public []byte) error {
	if len(public) > maxPublic {
		return errors.New("the public key is too large")
	}
	parsed, err := webauthncose.ParsePublicKey(public) // checks P-256
	if err != nil {
		return plain(err)
	}
	switch key := parsed.(type) {
	case webauthncose.RSAPublicKeyData:
		if bits := new(big.Int).SetBytes(key.Modulus).BitLen(); bits < minRSA || bits > maxRSA || len(key.Exponent) > maxExponentBytes {
			return errors.New("the RSA key has a size that is not accepted")
		}
	case webauthncose.OKPPublicKeyData:
		if !onEd25519(key.XCoord) {
			return errors.New("the public key is not a point on its curve")
		}
	}
	return nil
}

// onEd25519 reports whether bytes are the encoding of a point (RFC 8032, section 5.1.3): whether (y^2-1) / (dy^2+1) is a
// square.
func onEd25519(encoded []byte) bool {
	if len(encoded) != 32 {
		return false
	}
	y := slices.Clone(encoded)
	slices.Reverse(y)
	y[0] &= 0x7f // the sign of x
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	Y := new(big.Int).SetBytes(y)
	if Y.Cmp(p) >= 0 {
		return false
	}
	d := new(big.Int).Mul(big.NewInt(-121665), new(big.Int).ModInverse(big.NewInt(121666), p))
	square := new(big.Int).Mul(Y, Y)
	above := new(big.Int).Sub(square, big.NewInt(1))
	below := new(big.Int).ModInverse(new(big.Int).Mod(new(big.Int).Add(new(big.Int).Mul(d, square), big.NewInt(1)), p), p)
	if below == nil {
		return false
	}
	return big.Jacobi(new(big.Int).Mod(above.Mul(above, below), p), p) >= 0
}
