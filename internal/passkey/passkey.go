// Package passkey checks the ceremonies of passkeys and security keys (WebAuthn, level 3): pure functions of what a browser
// sent and of what is stored. It makes no challenges and stores nothing.
//
//	passkey.go    the options for a browser, and the check of its answers
//	challenge.go  challenges that cost no row before they are answered
package passkey

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// Party is the site that a key belongs to: one host of one workspace.
type Party struct {
	ID     string // the host name, without a port
	Origin string // scheme, host and port
	Name   string // shown by browsers
}

// Person is the user for whom a key is made.
type Person struct {
	Handle []byte // names the user to the authenticator: at most 64 bytes, nothing personal
	Name   string // e-mail address
	Shown  string
}

// Key is a registered credential. Nothing in it is secret.
type Key struct {
	ID             []byte
	Public         []byte   // COSE_Key
	Counter        uint32   // of signatures, as the authenticator last said
	Transports     []string // how browsers reach it
	Model          []byte   // AAGUID of the authenticator
	BackupEligible bool     // it may be copied to other devices
	BackedUp       bool     // it has been
}

// Outcomes of a ceremony. Every other error means that the answer is malformed, or for another site, person or challenge.
var (
	ErrUnverified = errors.New("the authenticator has not verified the user")
	ErrCopied     = errors.New("the counter of signatures has not risen, so there may be a copy of the key")
)

// MaxAnswer is how many bytes of an answer are read.
const MaxAnswer = 32 << 10

// ceremonyTimeout is how long a browser waits for the user, in milliseconds. Challenges last longer.
const ceremonyTimeout = 5 * 60 * 1000

var parameters = []protocol.CredentialParameter{
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgEdDSA},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgRS256},
}

// CreateOptions returns what PublicKeyCredential.parseCreationOptionsFromJSON takes, to make a key for a person who has
// these already.
func (p Party) CreateOptions(who Person, challenge []byte, have []Key) ([]byte, error) {
	return json.Marshal(protocol.PublicKeyCredentialCreationOptions{
		RelyingParty: protocol.RelyingPartyEntity{CredentialEntity: protocol.CredentialEntity{Name: p.Name}, ID: p.ID},
		User: protocol.UserEntity{
			CredentialEntity: protocol.CredentialEntity{Name: who.Name}, DisplayName: who.Shown, ID: protocol.URLEncodedBase64(who.Handle),
		},
		Challenge: challenge, Parameters: parameters, Timeout: ceremonyTimeout, CredentialExcludeList: descriptors(have),
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred,
		},
		Attestation: protocol.PreferNoAttestation,
	})
}

// RequestOptions returns what PublicKeyCredential.parseRequestOptionsFromJSON takes. Without keys, any discoverable key
// of the site will do, and the authenticator must verify its user, because the key is then both factors.
func (p Party) RequestOptions(challenge []byte, keys []Key) ([]byte, error) {
	verify := protocol.VerificationPreferred
	if len(keys) == 0 {
		verify = protocol.VerificationRequired
	}
	return json.Marshal(protocol.PublicKeyCredentialRequestOptions{
		Challenge: challenge, Timeout: ceremonyTimeout, RelyingPartyID: p.ID, AllowedCredentials: descriptors(keys), UserVerification: verify,
	})
}

func descriptors(keys []Key) (all []protocol.CredentialDescriptor) {
	for _, k := range keys {
		d := protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: k.ID}
		for _, t := range k.Transports {
			d.Transport = append(d.Transport, protocol.AuthenticatorTransport(t))
		}
		all = append(all, d)
	}
	return all
}

// Creation is an answer to CreateOptions that is well-formed, but not yet checked.
type Creation struct {
	Challenge []byte // that it says it answers: the caller checks it, and uses it up

	parsed *protocol.ParsedCredentialCreationData
}

// ParseCreation reads an answer to CreateOptions.
func ParseCreation(answer []byte) (Creation, error) {
	if len(answer) > MaxAnswer {
		return Creation{}, errTooLarge
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return Creation{}, plain(err)
	}
	return Creation{decoded(parsed.Response.CollectedClientData.Challenge), parsed}, nil
}

// Created checks an answer whose challenge was good, and returns the new key and whether the authenticator has verified
// its user. An attestation is neither asked for nor trusted, so its statement, which may contain certificates that take long
// to check, is dropped unread.
func (p Party) Created(c Creation) (k Key, verified bool, err error) {
	object := &c.parsed.Response.AttestationObject
	if err := checkPublic(object.AuthData.AttData.CredentialPublicKey); err != nil {
		return k, false, err
	}
	object.Format, object.AttStatement = string(protocol.AttestationFormatNone), nil
	_, err = c.parsed.Verify(encoded(c.Challenge), p.ID, []string{p.Origin}, nil, nil, protocol.TopOriginImplicitVerificationMode, false, false, true,
		nil, parameters, protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return k, false, plain(err)
	}
	data := c.parsed.Response.AttestationObject.AuthData
	if data.Flags.HasBackupState() && !data.Flags.HasBackupEligible() {
		return k, false, errors.New("the key is backed up, but may not be")
	}
	k = Key{
		ID: data.AttData.CredentialID, Public: data.AttData.CredentialPublicKey, Counter: data.Counter, Model: data.AttData.AAGUID,
		BackupEligible: data.Flags.HasBackupEligible(), BackedUp: data.Flags.HasBackupState(),
	}
	for _, t := range c.parsed.Response.Transports {
		if len(k.Transports) < maxTransports && len(t) <= maxTransport && strings.Trim(string(t), "abcdefghijklmnopqrstuvwxyz-") == "" && t != "" && !slices.Contains(k.Transports, string(t)) {
			k.Transports = append(k.Transports, string(t))
		}
	}
	return k, data.Flags.HasUserVerified(), nil
}

const (
	maxTransports = 8
	maxTransport  = 32 // bytes
)

// Answer is an answer to RequestOptions that is well-formed, but not yet checked.
type Answer struct {
	Challenge []byte // that it says it answers: the caller checks it, and uses it up
	Key       []byte // the id of the key that the browser has used
	Handle    []byte // of its user, if the authenticator has told; otherwise empty

	parsed *protocol.ParsedCredentialAssertionData
}

// Parse reads an answer to RequestOptions.
func Parse(answer []byte) (Answer, error) {
	if len(answer) > MaxAnswer {
		return Answer{}, errTooLarge
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return Answer{}, plain(err)
	}
	return Answer{decoded(parsed.Response.CollectedClientData.Challenge), parsed.RawID, parsed.Response.UserHandle, parsed}, nil
}

// Use is what a checked answer says.
type Use struct {
	Counter  uint32
	BackedUp bool
	Verified bool // the authenticator has verified its user
}

// Used checks an answer whose challenge was good against the key with its id and the person whom that belongs to. With alone, the key is the only
// proof, so that the authenticator must have verified its user.
func (p Party) Used(a Answer, who Person, k Key, alone bool) (Use, error) {
	if !slices.Equal(a.Key, k.ID) || len(a.Handle) > 0 && !slices.Equal(a.Handle, who.Handle) || alone && len(a.Handle) == 0 {
		return Use{}, errors.New("the answer is for another key or person")
	}
	err := a.parsed.Verify(encoded(a.Challenge), p.ID, "", []string{p.Origin}, nil, nil, protocol.TopOriginImplicitVerificationMode, false, false, true,
		k.Public, protocol.SignaturePolicy{})
	if err != nil {
		return Use{}, plain(err)
	}
	data := a.parsed.Response.AuthenticatorData
	u := Use{Counter: data.Counter, BackedUp: data.Flags.HasBackupState(), Verified: data.Flags.HasUserVerified()}
	switch {
	case data.Flags.HasBackupEligible() != k.BackupEligible, u.BackedUp && !k.BackupEligible:
		return Use{}, errors.New("the key says something else about backups than when it was made")
	case alone && !u.Verified:
		return u, ErrUnverified
	case (u.Counter > 0 || k.Counter > 0) && u.Counter <= k.Counter:
		return u, ErrCopied
	}
	return u, nil
}

var errTooLarge = errors.New("the answer is too large")

// decoded returns the bytes of a challenge in an answer, or nil.
func decoded(challenge string) []byte {
	b, err := base64.RawURLEncoding.Strict().DecodeString(challenge)
	if err != nil {
		return nil
	}
	return b
}

func encoded(challenge []byte) string { return base64.RawURLEncoding.EncodeToString(challenge) }

// plain returns an error of the library with what it says for developers.
func plain(err error) error {
	if detailed, ok := errors.AsType[*protocol.Error](err); ok {
		return fmt.Errorf("%s: %s", detailed.Details, detailed.DevInfo)
	}
	return err
}
