package sallyporttest

import (
	"testing"

	"github.com/descope/virtualwebauthn"
)

// Passkey is a passkey in software. Its code shares nothing with the product's.
type Passkey struct {
	virtualwebauthn.Authenticator
	Site virtualwebauthn.RelyingParty
	Key  virtualwebauthn.Credential
}

// NewPasskey returns a passkey of the user with the given id for the site at an origin, whose host name is localhost.
func NewPasskey(origin, user string) *Passkey {
	return &Passkey{
		virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(user)}),
		virtualwebauthn.RelyingParty{Name: "Acme", ID: "localhost", Origin: origin}, NewCredential(),
	}
}

// NewCredential returns an ES256 key. The library writes a coordinate that begins with a zero byte without it, which is
// not a valid COSE key (RFC 9053, section 7.1.1), so such keys are not used.
func NewCredential() virtualwebauthn.Credential {
	const whole = 77 // bytes
	for {
		if c := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(c.Key.AttestationData()) == whole {
			return c
		}
	}
}

// Create answers the options of a registration.
func (p *Passkey) Create(t testing.TB, options []byte) string {
	t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(`{"publicKey":` + string(options) + `}`)
	if err != nil {
		t.Fatal(err)
	}
	return virtualwebauthn.CreateAttestationResponse(p.Site, p.Authenticator, p.Key, *o)
}

// Sign answers the options of a challenge.
func (p *Passkey) Sign(t testing.TB, options []byte) string {
	t.Helper()
	answer, err := p.Answer(options)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// Answer is Sign without a test. The counter rises by one.
func (p *Passkey) Answer(options []byte) (string, error) {
	o, err := virtualwebauthn.ParseAssertionOptions(`{"publicKey":` + string(options) + `}`)
	if err != nil {
		return "", err
	}
	p.Key.Counter++
	return virtualwebauthn.CreateAssertionResponse(p.Site, p.Authenticator, p.Key, *o), nil
}
