// Package otp generates and checks one-time codes: HOTP (RFC 4226), TOTP (RFC 6238), and the otpauth URI that a QR code
// carries to an authenticator app.
//
// The package keeps no state, and all of it is safe for concurrent use. It does not prevent replay: [Params.Match]
// returns the time step that a code belongs to, and the caller must burn every step up to and including it.
package otp

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"
	"time"
)

// Algorithm is the hash function of the HMAC, named as in otpauth URIs.
type Algorithm string

const (
	SHA1   Algorithm = "SHA1" // the only one that every app supports
	SHA256 Algorithm = "SHA256"
	SHA512 Algorithm = "SHA512"
)

// Params are the settings, besides the secret, that the server and the authenticator app must share.
type Params struct {
	Algorithm Algorithm
	Digits    int // 6 to 8
	Period    int // length of a time step in seconds
}

// Default works with every authenticator app. Several apps silently ignore other values.
var Default = Params{Algorithm: SHA1, Digits: 6, Period: 30}

// HOTP returns the code for a counter, with leading zeros (RFC 4226, section 5.3). It panics if the algorithm is
// unknown or digits is not 6, 7 or 8.
func HOTP(secret []byte, counter uint64, algorithm Algorithm, digits int) string {
	if algorithm.hash() == nil || !digitsValid(digits) {
		panic(fmt.Sprintf("otp: no codes of %d digits with %q", digits, string(algorithm)))
	}
	return fmt.Sprintf("%0*d", digits, newGenerator(secret, algorithm, digits).code(counter))
}

// Step returns the time step that contains t, counted from the Unix epoch (RFC 6238, section 4.2). Steps before the
// epoch are negative. Period must not be 0.
func (p Params) Step(t time.Time) int64 {
	seconds, period := t.Unix(), int64(p.Period)
	step := seconds / period
	if seconds%period < 0 {
		step--
	}
	return step
}

// Time returns when a time step begins.
func (p Params) Time(step int64) time.Time { return time.Unix(step*int64(p.Period), 0) }

// Code returns the code of a time step, which must not be negative. It panics under the same conditions as [HOTP].
func (p Params) Code(secret []byte, step int64) string {
	return HOTP(secret, uint64(step), p.Algorithm, p.Digits)
}

// Match returns the time step that has this code. It searches from back steps before the step of at to ahead steps
// after it. The code must come from [Normalise]. The caller accepts the code only if the step is later than the last
// burnt step, and then burns the returned step and all before it.
//
// If the code belongs to several steps of the window (about one code in half a million), Match returns the latest. If
// it returned an earlier one, the later step would stay unburnt, and someone who saw the code could use it again when
// the window has moved on. The price is that the codes between the two are burnt as well.
//
// Match computes every step, even after a match, and compares in constant time. It finds no match before step 0, with
// an empty secret, or with invalid parameters.
func (p Params) Match(secret []byte, code string, at time.Time, back, ahead int) (step int64, ok bool) {
	for _, s := range p.MatchAll(secret, code, at, back, ahead) {
		if !ok || s > step {
			step, ok = s, true
		}
	}
	return step, ok
}

// MatchAll returns every step of the window that has this code, in order of distance from at. Of two equally distant
// steps, the earlier comes first. Use it only to estimate how wrong a phone's clock is, never to accept a code.
func (p Params) MatchAll(secret []byte, code string, at time.Time, back, ahead int) []int64 {
	want, ok := number(code, p.Digits)
	if !ok || !p.valid() || len(secret) == 0 {
		return nil
	}
	g := newGenerator(secret, p.Algorithm, p.Digits)
	now := p.Step(at)
	var steps []int64
	try := func(step int64) {
		// Branching on the result reveals nothing that the caller's response does not.
		if step >= 0 && subtle.ConstantTimeEq(int32(g.code(uint64(step))), int32(want)) == 1 {
			steps = append(steps, step)
		}
	}
	try(now)
	for d := 1; d <= max(back, ahead); d++ {
		if d <= back {
			try(now - int64(d))
		}
		if d <= ahead {
			try(now + int64(d))
		}
	}
	return steps
}

func (p Params) valid() bool {
	return p.Algorithm.hash() != nil && digitsValid(p.Digits) && p.Period > 0
}

// digitsValid checks the limits of RFC 4226, section 5.3.
func digitsValid(digits int) bool { return digits >= 6 && digits <= 8 }

// hash returns nil for an unknown algorithm.
func (a Algorithm) hash() func() hash.Hash {
	switch a {
	case SHA1:
		return sha1.New
	case SHA256:
		return sha256.New
	case SHA512:
		return sha512.New
	}
	return nil
}

// number parses a code of exactly the given number of ASCII digits.
func number(code string, digits int) (n uint32, ok bool) {
	if len(code) != digits || !digitsValid(digits) {
		return 0, false
	}
	for i := range len(code) {
		if code[i] < '0' || code[i] > '9' {
			return 0, false
		}
		n = n*10 + uint32(code[i]-'0')
	}
	return n, true
}

// generator computes many codes from one secret. Reset keeps the keyed state of the HMAC, so each code after the first
// costs two compressions instead of four.
type generator struct {
	mac     hash.Hash
	modulus uint32
	counter [8]byte
	sum     [sha512.Size]byte
}

func newGenerator(secret []byte, algorithm Algorithm, digits int) *generator {
	g := &generator{mac: hmac.New(algorithm.hash(), secret), modulus: 1}
	for range digits {
		g.modulus *= 10
	}
	return g
}

// code returns the code for a counter as a number (dynamic truncation, RFC 4226, section 5.3).
func (g *generator) code(counter uint64) uint32 {
	binary.BigEndian.PutUint64(g.counter[:], counter)
	g.mac.Reset()
	g.mac.Write(g.counter[:])
	sum := g.mac.Sum(g.sum[:0])
	offset := sum[len(sum)-1] & 0xf
	return (binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff) % g.modulus
}
