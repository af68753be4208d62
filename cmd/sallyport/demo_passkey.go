package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/google/uuid"
)

// demoKeyModel is what the demo's passkey says it is: a YubiKey 5.
var demoKeyModel = uuid.MustParse("cb69481e-8ff7-4039-93ec-0a2729a154a8")

// addPasskey signs in with a code and adds a passkey, whose private key nobody has.
func addPasskey(ctx context.Context, d *demoSeed, u demoUser) error {
	by, err := d.signedIn(ctx, u)
	if err != nil {
		return err
	}
	set, err := d.NewPasskey(ctx, by)
	if err != nil {
		return err
	}
	credential, err := demoCredential(set.Options, "http://"+d.host)
	if err != nil {
		return err
	}
	_, err = d.AddPasskey(ctx, by, "", "", credential)
	return err
}

// demoCredential answers the options of a registration, as a browser with a security key does (WebAuthn, section 6.5).
func demoCredential(options []byte, origin string) (string, error) {
	var asked struct {
		Challenge string
		RP        struct{ ID string }
	}
	if err := json.Unmarshal(options, &asked); err != nil {
		return "", err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	public, err := private.PublicKey.Bytes() // 4, then the coordinates
	if err != nil {
		return "", err
	}
	id := make([]byte, 16)
	rand.Read(id)
	site := sha256.Sum256([]byte(asked.RP.ID))
	const presentAndVerifiedWithKey = 0x45
	data := slices.Concat(site[:], []byte{presentAndVerifiedWithKey, 0, 0, 0, 0}, demoKeyModel[:],
		binary.BigEndian.AppendUint16(nil, uint16(len(id))), id,
		[]byte("\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"), public[1:33], []byte("\x22\x58\x20"), public[33:]) // COSE_Key: ES256
	attestation := slices.Concat([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"), []byte{byte(len(data))}, data) // CBOR
	client, err := json.Marshal(map[string]any{"type": "webauthn.create", "challenge": asked.Challenge, "origin": origin, "crossOrigin": false})
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString
	credential, err := json.Marshal(map[string]any{
		"id": text(id), "rawId": text(id), "type": "public-key",
		"response": map[string]any{"clientDataJSON": text(client), "attestationObject": text(attestation), "transports": []string{"usb"}},
	})
	return string(credential), err
}
