package sallyport

import (
	"time"

	"github.com/sallyport-2fa/sallyport/internal/passkey"
)

// What apps are told about how a person has proved who they are, the same behind every door. It follows from the proofs
// in the session, and never says more than they do.

// KeyUse is what is known about the use of a passkey as a proof. The zero value claims the least.
type KeyUse struct {
	Bound    bool // the key cannot leave its device, as far as its authenticator says
	Verified bool // the authenticator has verified its user, by a fingerprint or a PIN
}

// keyUse returns what is known about the use of a key.
func keyUse(k passkey.Key, verified bool) KeyUse {
	return KeyUse{Bound: !k.BackupEligible, Verified: verified}
}

// The values of acr that we use, from the lowest.
const (
	acrPassword  = "aal1" // a password, also on a trusted device
	acrFactor    = "aal2" // any second factor in this session
	acrResistant = "phr"  // a passkey or security key (OpenID EAP ACR Values 1.0)
)

// key returns the proof by passkey, and whether there is one.
func (p Proofs) key() (KeyUse, bool) {
	for _, x := range p {
		if x.Method == ByPasskey {
			return x.Key, true
		}
	}
	return KeyUse{}, false
}

// acr returns the authentication context class of a session with these proofs, or "" without any. A trusted device does
// not count as a second factor, because that was given in another session.
func acr(p Proofs) string {
	switch second := p.secondFactor(); {
	case second == ByPasskey:
		return acrResistant
	case second == ByAuthenticator, second == ByRecoveryCode, second == ByApproval:
		return acrFactor
	case p.Has(ByPassword):
		return acrPassword
	}
	return ""
}

// amr returns the authentication methods of a session with these proofs (RFC 8176), in a fixed order. It is empty, not
// nil, without any.
func amr(p Proofs) []string {
	methods := make([]string, 0, 5)
	add := func(method string, given bool) {
		if given {
			methods = append(methods, method)
		}
	}
	key, keyed := p.key()
	add("pwd", p.Has(ByPassword))
	add("otp", p.Has(ByAuthenticator))
	add("hwk", keyed && key.Bound)
	add("swk", keyed && !key.Bound)
	// A session without a password began with a passkey whose authenticator had to verify the user.
	add("user", keyed && (key.Verified || !p.Has(ByPassword)))
	add("mfa", acr(p) == acrFactor || acr(p) == acrResistant)
	return methods
}

// authTime returns when the person last proved who they are, or the zero time without any proof.
func authTime(p Proofs) (last time.Time) {
	for _, x := range p {
		if x.Method != ByTrustedDevice && x.At.After(last) {
			last = x.At
		}
	}
	return last
}
