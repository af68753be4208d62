// Package otp makes and checks the codes of authenticator apps: HOTP (RFC 4226), TOTP (RFC 6238) and the otpauth
// address that a QR code carries to the app.
//
// It keeps no state, and everything in it may be called concurrently. That a code works once is the caller's part:
// [Params.Match] says which time step a code belongs to, and the caller burns every step up to and including it.
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

// Algorithm is the hash under the HMAC, by the name it has in otpauth addresses.
type Algorithm string

const (
	SHA1   Algorithm = "SHA1" // what every app can do
	SHA256 Algorithm = "SHA256"
	SHA512 Algorithm = "SHA512"
)

// Params is what server and authenticator app must agree on beside the secret.
type Params struct {
	Algorithm Algorithm
	Digits    int // 6 to 8
	Period    int // length of a time step in seconds
}

// Default is what every authenticator app takes; several ignore any other wish without saying so.
var Default = Params{Algorithm: SHA1, Digits: 6, Period: 30}

// HOTP returns the code for a counter (RFC 4226, section 5.3), with leading zeros. It panics when the algorithm is
// none of the three, or digits is not 6, 7 or 8.
func HOTP(secret []byte, counter uint64, algorithm Algorithm, digits int) string {
	if algorithm.hash() == nil || !digitsValid(digits) {
		panic(fmt.Sprintf("otp: no codes of %d digits with %q", digits, string(algorithm)))
	}
	return fmt.Sprintf("%0*d", digits, newGenerator(secret, algorithm, digits).code(counter))
}

// Step returns the time step that t lies in, counted from 1970 (RFC 6238, section 4.2); before 1970 it is negative.
// Period must not be 0.
func (p Params) Step(t time.Time) int64 {
	seconds, period := t.Unix(), int64(p.Period)
	step := seconds / period
	if seconds%period < 0 {
		step--
	}
	return step
}

// Code returns the code of a time step, which must not be negative. It panics where [HOTP] does.
func (p Params) Code(secret []byte, step int64) string {
	return HOTP(secret, uint64(step), p.Algorithm, p.Digits)
}

// Match returns the time step, from back steps before the one of at to ahead steps after it, that has this code.
// The code must have been through [Normalise]. The caller accepts it only if the step is later than the last one
// burnt, and burns the step returned and all before it.
//
// When the code belongs to several steps of the window (about one in half a million), the latest is returned. Were it the
// earlier, the later one would stay unburnt, and whoever saw the code could use it again when the window has moved on.
// The price is that the codes between the two are burnt as well.
//
// All steps are computed whether or not an earlier one matched, and compared in constant time. Nothing matches a step
// before 0, an empty secret, or parameters for which no code exists.
func (p Params) Match(secret []byte, code string, at time.Time, back, ahead int) (step int64, ok bool) {
	for _, s := range p.MatchAll(secret, code, at, back, ahead) {
		if !ok || s > step {
			step, ok = s, true
		}
	}
	return step, ok
}

// MatchAll is [Params.Match] that returns every step of the window that has this code, the nearest to at first and of
// two equally near the earlier first. It serves the hint about a phone's wrong clock, and must not be used to accept.
func (p Params) MatchAll(secret []byte, code string, at time.Time, back, ahead int) []int64 {
	want, ok := number(code, p.Digits)
	if !ok || !p.valid() || len(secret) == 0 {
		return nil
	}
	g := newGenerator(secret, p.Algorithm, p.Digits)
	now := p.Step(at)
	var steps []int64
	try := func(step int64) {
		// To branch on the verdict tells nothing that the caller's answer does not.
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

// digitsValid holds the limits of RFC 4226, section 5.3.
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

// number reads a code of exactly so many ASCII digits.
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

// generator makes many codes from one secret. The HMAC keeps its keyed state over Reset, so that after the first
// code each costs two compressions instead of four.
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
