package passkey_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/sallyport-2fa/sallyport/internal/passkey"
)

var (
	party = passkey.Party{ID: "acme.example", Origin: "https://acme.example", Name: "Acme"}
	mia   = passkey.Person{Handle: []byte("usr_mia"), Name: "mia@acme.example", Shown: "Mia"}
	now   = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
)

func mac(data []byte) []byte {
	h := hmac.New(sha256.New, []byte("key"))
	h.Write(data)
	return h.Sum(nil)
}

// device is a software authenticator with one key.
type device struct {
	t    *testing.T
	site virtualwebauthn.RelyingParty
	virtualwebauthn.Authenticator
	credential virtualwebauthn.Credential
}

// wholeKey is the size of an ES256 key. The library writes a coordinate that begins with a zero byte without it, which is
// not valid. This is sallyporttest.NewCredential, without its imports: fuzzing compiles them all again.
const wholeKey = 77

func newDevice(t *testing.T, kind virtualwebauthn.KeyType, o virtualwebauthn.AuthenticatorOptions) *device {
	o.UserHandle = mia.Handle
	credential := virtualwebauthn.NewCredential(kind)
	for kind == virtualwebauthn.KeyTypeEC2 && len(credential.Key.AttestationData()) != wholeKey {
		credential = virtualwebauthn.NewCredential(kind)
	}
	return &device{t, virtualwebauthn.RelyingParty{Name: "Acme", ID: party.ID, Origin: party.Origin}, virtualwebauthn.NewAuthenticatorWithOptions(o), credential}
}

// create registers the device's key.
func (d *device) create(challenge []byte) string {
	d.t.Helper()
	options, err := party.CreateOptions(mia, challenge, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	parsed, err := virtualwebauthn.ParseAttestationOptions(`{"publicKey":` + string(options) + `}`)
	if err != nil {
		d.t.Fatal(err)
	}
	return virtualwebauthn.CreateAttestationResponse(d.site, d.Authenticator, d.credential, *parsed)
}

// sign answers a challenge with the device's key.
func (d *device) sign(challenge []byte, keys ...passkey.Key) string {
	d.t.Helper()
	options, err := party.RequestOptions(challenge, keys)
	if err != nil {
		d.t.Fatal(err)
	}
	parsed, err := virtualwebauthn.ParseAssertionOptions(`{"publicKey":` + string(options) + `}`)
	if err != nil {
		d.t.Fatal(err)
	}
	return virtualwebauthn.CreateAssertionResponse(d.site, d.Authenticator, d.credential, *parsed)
}

func register(t *testing.T, d *device) passkey.Key {
	t.Helper()
	challenge := passkey.NewChallenge(mac, []byte("use"), now)
	c, err := passkey.ParseCreation([]byte(d.create(challenge)))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(c.Challenge, challenge) {
		t.Fatal("another challenge")
	}
	key, _, err := party.Created(c)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestCeremonies(t *testing.T) {
	for name, kind := range map[string]virtualwebauthn.KeyType{"ES256": virtualwebauthn.KeyTypeEC2, "RS256": virtualwebauthn.KeyTypeRSA} {
		d := newDevice(t, kind, virtualwebauthn.AuthenticatorOptions{})
		key := register(t, d)
		challenge := passkey.NewChallenge(mac, []byte("use"), now)
		d.credential.Counter = key.Counter + 1
		a, err := passkey.Parse([]byte(d.sign(challenge, key)))
		if err != nil {
			t.Fatal(err)
		}
		use, err := party.Used(a, mia, key, true)
		if err != nil || !use.Verified || use.Counter != key.Counter+1 {
			t.Errorf("%s: %+v, %v", name, use, err)
		}
	}
}

// TestI12_EverythingIsChecked: an answer that differs in anything from what it must be is refused.
func TestI12_EverythingIsChecked(t *testing.T) {
	challenge := passkey.NewChallenge(mac, []byte("use"), now)
	for name, test := range map[string]struct {
		options virtualwebauthn.AuthenticatorOptions
		spoil   func(d *device, k *passkey.Key, who *passkey.Person)
		alone   bool
		want    error
	}{
		"another origin": {spoil: func(d *device, _ *passkey.Key, _ *passkey.Person) {
			d.site.Origin = "https://acme.example.evil.example"
		}},
		"another port":   {spoil: func(d *device, _ *passkey.Key, _ *passkey.Person) { d.site.Origin = "https://acme.example:8443" }},
		"another site":   {spoil: func(d *device, _ *passkey.Key, _ *passkey.Person) { d.site.ID = "globex.example" }},
		"another person": {spoil: func(_ *device, _ *passkey.Key, who *passkey.Person) { who.Handle = []byte("usr_ben") }},
		"another key's signature": {spoil: func(d *device, k *passkey.Key, _ *passkey.Person) {
			k.Public = register(t, newDevice(t, virtualwebauthn.KeyTypeEC2, d.Options)).Public
		}},
		"another id":           {spoil: func(_ *device, k *passkey.Key, _ *passkey.Person) { k.ID = []byte("another") }},
		"a counter that stays": {spoil: func(d *device, k *passkey.Key, _ *passkey.Person) { k.Counter, d.credential.Counter = 7, 7 }, want: passkey.ErrCopied},
		"a counter that falls": {spoil: func(d *device, k *passkey.Key, _ *passkey.Person) { k.Counter, d.credential.Counter = 7, 6 }, want: passkey.ErrCopied},
		"nobody was there":     {options: virtualwebauthn.AuthenticatorOptions{UserNotPresent: true}},
		"alone, not verified":  {options: virtualwebauthn.AuthenticatorOptions{UserNotVerified: true}, alone: true, want: passkey.ErrUnverified},
		"backed up after all":  {options: virtualwebauthn.AuthenticatorOptions{BackupEligible: true, BackupState: true}},
	} {
		d := newDevice(t, virtualwebauthn.KeyTypeEC2, virtualwebauthn.AuthenticatorOptions{})
		key, who := register(t, d), mia
		d.Options.UserNotPresent, d.Options.UserNotVerified = test.options.UserNotPresent, test.options.UserNotVerified
		d.Options.BackupEligible, d.Options.BackupState = test.options.BackupEligible, test.options.BackupState
		d.credential.Counter = key.Counter + 1
		if test.spoil != nil {
			test.spoil(d, &key, &who)
		}
		a, err := passkey.Parse([]byte(d.sign(challenge)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		use, err := party.Used(a, who, key, test.alone)
		if err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %+v, %v", name, use, err)
		}
	}
}

// TestI12_Challenges: a challenge is good for one use, for ten minutes, and nothing else is one.
func TestI12_Challenges(t *testing.T) {
	c := passkey.NewChallenge(mac, []byte("sign in, mia"), now)
	other := func(data []byte) []byte { return mac(append([]byte("other"), data...)) }
	for name, test := range map[string]struct {
		mac  passkey.MAC
		c    []byte
		use  string
		at   time.Duration
		want bool
	}{
		"as it was made":    {mac, c, "sign in, mia", 0, true},
		"at the end":        {mac, c, "sign in, mia", passkey.ChallengeLimit - time.Second, true},
		"too late":          {mac, c, "sign in, mia", passkey.ChallengeLimit, false},
		"from the future":   {mac, c, "sign in, mia", -2 * time.Minute, false},
		"another purpose":   {mac, c, "step up, mia", 0, false},
		"another person":    {mac, c, "sign in, ben", 0, false},
		"another key":       {other, c, "sign in, mia", 0, false},
		"cut":               {mac, c[:len(c)-1], "sign in, mia", 0, false},
		"longer":            {mac, append(bytes.Clone(c), 0), "sign in, mia", 0, false},
		"empty":             {mac, nil, "sign in, mia", 0, false},
		"with another time": {mac, append([]byte{c[0] ^ 1}, c[1:]...), "sign in, mia", 0, false},
	} {
		if got := passkey.Challenged(test.mac, test.c, []byte(test.use), now.Add(test.at)); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if bytes.Equal(c, passkey.NewChallenge(mac, []byte("sign in, mia"), now)) {
		t.Error("two challenges are the same")
	}
}

// TestAnswersAltered: every answer in which something was changed, removed or enlarged is refused, in bounded time.
func TestAnswersAltered(t *testing.T) {
	d := newDevice(t, virtualwebauthn.KeyTypeEC2, virtualwebauthn.AuthenticatorOptions{})
	key := register(t, d)
	challenge := passkey.NewChallenge(mac, []byte("use"), now)
	d.credential.Counter = key.Counter + 1
	whole := d.sign(challenge, key)
	for _, field := range []string{"clientDataJSON", "authenticatorData", "signature"} {
		var answer map[string]any
		if err := json.Unmarshal([]byte(whole), &answer); err != nil {
			t.Fatal(err)
		}
		response := answer["response"].(map[string]any)
		raw, err := base64.RawURLEncoding.DecodeString(response[field].(string))
		if err != nil {
			t.Fatal(err)
		}
		for i := range raw {
			changed := bytes.Clone(raw)
			changed[i] ^= 0x20
			response[field] = base64.RawURLEncoding.EncodeToString(changed)
			altered, _ := json.Marshal(answer)
			a, err := passkey.Parse(altered)
			if err != nil {
				continue
			}
			if !bytes.Equal(a.Challenge, challenge) {
				continue // the caller refuses it
			}
			if use, err := party.Used(a, mia, key, true); err == nil {
				t.Errorf("%s, byte %d of %d: accepted, %+v", field, i, len(raw), use)
			}
		}
	}
	for name, answer := range map[string]string{
		"empty": "", "no JSON": "{", "a list": "[]", "null": "null", "too large": whole + strings.Repeat(" ", 1<<20), "deep": strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
		"cut": whole[:len(whole)/2],
	} {
		if _, err := passkey.Parse([]byte(answer)); err == nil {
			t.Errorf("%s: accepted as an assertion", name)
		}
		if _, err := passkey.ParseCreation([]byte(answer)); err == nil {
			t.Errorf("%s: accepted as a new key", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"","signature":"","userHandle":""}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if a, err := passkey.Parse(answer); err == nil {
			if _, err := party.Used(a, mia, passkey.Key{ID: a.Key}, false); err == nil {
				t.Error("accepted")
			}
		}
		if c, err := passkey.ParseCreation(answer); err == nil {
			_, _, _ = party.Created(c)
		}
	})
}

// TestKeysAreBounded: keys that take long to check, and values that are no points, are refused.
func TestKeysAreBounded(t *testing.T) {
	rsa := func(bits int) []byte {
		n := make([]byte, bits/8)
		n[0], n[len(n)-1] = 0x80, 1
		head := []byte{0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20, 0x59, byte(len(n) >> 8), byte(len(n))} // kty RSA, alg RS256, n
		return append(append(head, n...), 0x21, 0x43, 1, 0, 1)
	}
	okp := func(last byte) []byte {
		x := make([]byte, 32)
		x[0] = last
		return append([]byte{0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20}, x...) // kty OKP, alg EdDSA, crv Ed25519
	}
	for name, test := range map[string]struct {
		public []byte
		want   bool
	}{
		"RSA with 1,024 bits":  {rsa(1024), false},
		"RSA with 2,048 bits":  {rsa(2048), true},
		"RSA with 4,096 bits":  {rsa(4096), true},
		"RSA with 8,192 bits":  {rsa(8192), false},
		"Ed25519, y = 1":       {okp(1), true},
		"Ed25519, y = 2":       {okp(2), false},
		"Ed25519, y = 3":       {okp(3), true},
		"Ed25519, y = 7":       {okp(7), false},
		"nothing":              {nil, false},
		"more than a kilobyte": {append(rsa(4096), make([]byte, 1024)...), false},
	} {
		if err := passkey.CheckPublic(test.public); (err == nil) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
