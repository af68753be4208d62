package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sallyport-2fa/sallyport/internal/jose"
)

// key is a key pair that a test knows as a whole.
type key struct {
	*jose.Signer
	private crypto.Signer
}

func newKey(t testing.TB, id string, a jose.Algorithm) key {
	t.Helper()
	pkcs8, err := jose.Generate(a)
	if err != nil {
		t.Fatal(err)
	}
	s, err := jose.Load(id, pkcs8)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		t.Fatal(err)
	}
	return key{s, private.(crypto.Signer)}
}

// keys returns one key of each algorithm.
func keys(t testing.TB) map[jose.Algorithm]key {
	all := map[jose.Algorithm]key{}
	for _, a := range jose.Algorithms {
		all[a] = newKey(t, "the "+string(a), a)
	}
	return all
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var claims = map[string]any{"sub": "mia", "name": "Míá <b>", "exp": 1}

// TestSecondOpinion: another library verifies what we sign with the key that we publish, and we verify what it signs.
func TestSecondOpinion(t *testing.T) {
	for a, k := range keys(t) {
		token, err := k.Sign(jose.JWT, claims)
		if err != nil {
			t.Fatal(err)
		}
		parser := jwt.NewParser(jwt.WithValidMethods([]string{string(a)}), jwt.WithoutClaimsValidation())
		parsed, err := parser.Parse(token, func(*jwt.Token) (any, error) { return published(t, k.Public()), nil })
		if err != nil || parsed.Header["kid"] != k.Public().ID() || parsed.Header["typ"] != "JWT" || parsed.Claims.(jwt.MapClaims)["name"] != claims["name"] {
			t.Errorf("%s: %+v, %v", a, parsed, err)
		}

		theirs := jwt.NewWithClaims(jwt.GetSigningMethod(string(a)), jwt.MapClaims(claims))
		theirs.Header["kid"] = k.Public().ID()
		signed, err := theirs.SignedString(k.private)
		if err != nil {
			t.Fatal(err)
		}
		got, err := jose.Verify(signed, []jose.PublicKey{k.Public()}, a)
		if err != nil || got.Type != jose.JWT || got.Key != k.Public().ID() || !strings.Contains(string(got.Claims), `"sub":"mia"`) {
			t.Errorf("%s: %+v, %v", a, got, err)
		}
	}
}

// published reads a key from its JSON Web Key, without any library.
func published(t *testing.T, k jose.PublicKey) crypto.PublicKey {
	t.Helper()
	text, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]string
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	if m["kid"] != k.ID() || m["use"] != "sig" || m["alg"] != string(k.Algorithm()) || m["d"] != "" {
		t.Errorf("%s", text)
	}
	number := func(name string) *big.Int { return new(big.Int).SetBytes(decode(t, m[name])) }
	switch m["kty"] {
	case "RSA":
		if bits := number("n").BitLen(); bits != 2048 {
			t.Errorf("RSA with %d bits", bits)
		}
		return &rsa.PublicKey{N: number("n"), E: int(number("e").Int64())}
	case "EC":
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, decode(t, m["x"]), decode(t, m["y"])))
		if err != nil {
			t.Fatal(err)
		}
		return key
	case "OKP":
		return ed25519.PublicKey(decode(t, m["x"]))
	}
	t.Fatalf("%s", text)
	return nil
}

// TestVerify: nothing counts but a signature by a known key with an allowed algorithm.
func TestVerify(t *testing.T) {
	all := keys(t)
	ec, other, nameless := all[jose.ES256], newKey(t, "another", jose.ES256), newKey(t, "", jose.ES256)
	sign := func(k key, kind jose.Type) string {
		token, err := k.Sign(kind, claims)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := sign(ec, jose.JWT)
	parts := strings.Split(good, ".")
	head := func(header string) string { return encode([]byte(header)) + "." + parts[1] }
	text, err := json.Marshal(ec.Public())
	if err != nil {
		t.Fatal(err)
	}
	rsaText, err := x509.MarshalPKIXPublicKey(all[jose.RS256].private.Public())
	if err != nil {
		t.Fatal(err)
	}
	mac := func(secret []byte) string {
		signed := head(`{"alg":"HS256","typ":"JWT"}`)
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(signed))
		return signed + "." + encode(h.Sum(nil))
	}
	// raw signs any header and payload with the key of ec.
	raw := func(header, payload string) string {
		signed := encode([]byte(header)) + "." + encode([]byte(payload))
		sum := sha256.Sum256([]byte(signed))
		r, s, err := ecdsa.Sign(rand.Reader, ec.private.(*ecdsa.PrivateKey), sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return signed + "." + encode(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	}
	embedded, err := json.Marshal(other.Public())
	if err != nil {
		t.Fatal(err)
	}
	withEmbedded := fmt.Sprintf(`{"alg":"ES256","jwk":%s}`, embedded)
	es, everything := []jose.Algorithm{jose.ES256}, jose.Algorithms
	known := []jose.PublicKey{all[jose.RS256].Public(), all[jose.EdDSA].Public(), ec.Public()}
	for name, test := range map[string]struct {
		token   string
		keys    []jose.PublicKey
		allowed []jose.Algorithm
		want    error
	}{
		"as it was signed":         {good, known, es, nil},
		"another type":             {sign(ec, jose.LogoutToken), known, es, nil},
		"raw":                      {raw(`{"alg":"ES256"}`, `{"a":1}`), known, es, nil},
		"RS256":                    {sign(all[jose.RS256], jose.JWT), known, everything, nil},
		"EdDSA":                    {sign(all[jose.EdDSA], jose.JWT), known, everything, nil},
		"RS256, not allowed":       {sign(all[jose.RS256], jose.JWT), known, es, jose.ErrAlgorithm},
		"no algorithm is allowed":  {good, known, nil, jose.ErrMalformed},
		"none":                     {head(`{"alg":"none"}`) + ".", known, everything, jose.ErrAlgorithm},
		"None":                     {head(`{"alg":"None"}`) + ".", known, everything, jose.ErrAlgorithm},
		"no algorithm":             {head(`{}`) + "." + parts[2], known, everything, jose.ErrAlgorithm},
		"HS256 with the key set":   {mac(text), known, everything, jose.ErrAlgorithm},
		"HS256 with the public":    {mac(rsaText), known, everything, jose.ErrAlgorithm},
		"ES384":                    {head(`{"alg":"ES384"}`) + "." + parts[2], known, everything, jose.ErrAlgorithm},
		"an algorithm of another":  {head(`{"alg":"RS256","kid":"the ES256"}`) + "." + parts[2], known, everything, jose.ErrUnknownKey},
		"another key":              {sign(other, jose.JWT), known, es, jose.ErrUnknownKey},
		"no keys":                  {good, nil, es, jose.ErrUnknownKey},
		"another key of that name": {good, []jose.PublicKey{newKey(t, "the ES256", jose.ES256).Public()}, es, jose.ErrSignature},
		"a key without a name":     {sign(nameless, jose.JWT), []jose.PublicKey{other.Public(), nameless.Public()}, es, nil},
		"a token names no key":     {sign(nameless, jose.JWT), []jose.PublicKey{other.Public()}, es, jose.ErrSignature},
		"its own key":              {raw(withEmbedded, `{}`), []jose.PublicKey{other.Public()}, es, jose.ErrSignature},
		"critical extension":       {raw(`{"alg":"ES256","crit":["x"],"x":1}`, `{}`), known, es, jose.ErrSignature},
		"a payload not encoded":    {raw(`{"alg":"ES256","b64":false,"crit":["b64"]}`, `{}`), known, es, jose.ErrSignature},
		"algorithm named twice":    {raw(`{"alg":"none","alg":"ES256"}`, `{}`), known, es, jose.ErrMalformed},
		"claims named twice":       {raw(`{"alg":"ES256"}`, `{"a":1,"a":2}`), known, es, jose.ErrMalformed},
		"claims that are a list":   {raw(`{"alg":"ES256"}`, `[]`), known, es, jose.ErrMalformed},
		"claims that are null":     {raw(`{"alg":"ES256"}`, `null`), known, es, jose.ErrMalformed},
		"claims not in UTF-8":      {raw(`{"alg":"ES256"}`, "{\"a\":\"\xff\"}"), known, es, jose.ErrMalformed},
		"no claims":                {raw(`{"alg":"ES256"}`, ""), known, es, jose.ErrMalformed},
		"a changed claim":          {parts[0] + "." + encode([]byte(`{"sub":"ben"}`)) + "." + parts[2], known, es, jose.ErrSignature},
		"a changed header":         {head(`{"alg":"ES256","kid":"the ES256"}`) + "." + parts[2], known, es, jose.ErrSignature},
		"a short signature":        {parts[0] + "." + parts[1] + "." + parts[2][:80], known, es, jose.ErrSignature},
		"zeros":                    {parts[0] + "." + parts[1] + "." + encode(make([]byte, 64)), known, es, jose.ErrSignature},
		"no signature":             {parts[0] + "." + parts[1] + ".", known, es, jose.ErrSignature},
		"two parts":                {parts[0] + "." + parts[1], known, es, jose.ErrMalformed},
		"four parts":               {good + ".", known, es, jose.ErrMalformed},
		"five parts":               {good + ".a.b", known, es, jose.ErrMalformed},
		"a line end":               {good[:9] + "\n" + good[9:], known, es, jose.ErrMalformed},
		"JSON":                     {fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2]), known, es, jose.ErrMalformed},
		"empty":                    {"", known, es, jose.ErrMalformed},
		"too large":                {good + strings.Repeat("A", jose.MaxToken), known, es, jose.ErrTooLarge},
	} {
		if _, err := jose.Verify(test.token, test.keys, test.allowed...); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, not %v", name, err, test.want)
		}
	}
	if _, err := jose.Verify(mac(text), known, "HS256"); err == nil {
		t.Error("HS256 can be allowed")
	}
	if _, err := jose.Verify(head(`{"alg":"none"}`)+".", known, "none"); err == nil {
		t.Error("none can be allowed")
	}
}

// TestParseSet: the keys of an app are public, for signing, and of a size that can be checked quickly.
func TestParseSet(t *testing.T) {
	all := keys(t)
	jwk := func(a jose.Algorithm, change ...string) string {
		text, err := json.Marshal(all[a].Public())
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(change); i += 2 {
			delete(m, change[i])
			if change[i+1] != "" {
				m[change[i]] = json.RawMessage(change[i+1])
			}
		}
		text, err = json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	rsaKey := func(bits int, e string) string {
		n := make([]byte, bits/8)
		n[0], n[len(n)-1] = 0x80, 1
		return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":%q}`, encode(n), e)
	}
	set := func(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }
	ec, r, ed := jwk(jose.ES256), jwk(jose.RS256), jwk(jose.EdDSA)
	p521, err := json.Marshal(map[string]string{"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		set  string
		keys int
		want error
	}{
		"one of each":               {set(ec, r, ed), 3, nil},
		"without what is optional":  {set(jwk(jose.ES256, "use", "", "alg", "", "kid", "")), 1, nil},
		"to verify":                 {set(jwk(jose.ES256, "key_ops", `["verify"]`)), 1, nil},
		"with a broken certificate": {set(jwk(jose.ES256, "x5c", `["AA"]`)), 1, nil},
		"other kinds":               {set(ec, string(p521), `{"kty":"new"}`, `{}`), 1, nil},
		"to encrypt":                {set(jwk(jose.RS256, "use", `"enc"`)), 0, jose.ErrNoKey},
		"to wrap":                   {set(jwk(jose.RS256, "key_ops", `["wrapKey"]`)), 0, jose.ErrNoKey},
		"PS256":                     {set(jwk(jose.RS256, "alg", `"PS256"`)), 0, jose.ErrNoKey},
		"HS256":                     {set(jwk(jose.RS256, "alg", `"HS256"`)), 0, jose.ErrNoKey},
		"none at all":               {`{"keys":[]}`, 0, jose.ErrNoKey},
		"no list":                   {`{}`, 0, jose.ErrNoKey},
		"one key, not a set":        {ec, 0, jose.ErrNoKey},
		"a private key":             {set(jwk(jose.ES256, "d", `"AA"`)), 0, jose.ErrPrivate},
		"a private RSA key":         {set(ec, jwk(jose.RS256, "p", `"AA"`)), 0, jose.ErrPrivate},
		"a private key to encrypt":  {set(ec, jwk(jose.RS256, "use", `"enc"`, "d", `"AA"`)), 0, jose.ErrPrivate},
		"a secret":                  {set(ec, `{"kty":"oct","k":"c2VjcmV0"}`), 0, jose.ErrSymmetric},
		"a secret without a value":  {set(ec, `{"kty":"oct"}`), 0, jose.ErrSymmetric},
		"RSA with 1,024 bits":       {set(rsaKey(1024, "AQAB")), 0, jose.ErrKeySize},
		"RSA with 2,048 bits":       {set(rsaKey(2048, "AQAB")), 1, nil},
		"RSA with 4,096 bits":       {set(rsaKey(4096, "AQAB")), 1, nil},
		"RSA with 8,192 bits":       {set(rsaKey(8192, "AQAB")), 0, jose.ErrKeySize},
		"RSA, e = 1":                {set(rsaKey(2048, "AQ")), 0, jose.ErrMalformed},
		"RSA, e = 2":                {set(rsaKey(2048, "Ag")), 0, jose.ErrMalformed},
		"RSA, e = 0":                {set(rsaKey(2048, "AA")), 0, jose.ErrMalformed},
		"RSA, a large e":            {set(rsaKey(2048, "gAAAAAE")), 0, jose.ErrKeySize},
		"not on the curve":          {set(jwk(jose.ES256, "x", `"`+encode(make([]byte, 32))+`"`)), 0, jose.ErrMalformed},
		"a short coordinate":        {set(jwk(jose.ES256, "x", `"AA"`)), 0, jose.ErrMalformed},
		"half a key":                {set(jwk(jose.ES256, "y", "")), 0, jose.ErrMalformed},
		"a short Ed25519 key":       {set(jwk(jose.EdDSA, "x", `"AA"`)), 0, jose.ErrMalformed},
		"a kid that is a number":    {set(jwk(jose.ES256, "kid", `1`)), 0, jose.ErrMalformed},
		"a long kid":                {set(jwk(jose.ES256, "kid", `"`+strings.Repeat("k", 300)+`"`)), 0, jose.ErrTooLarge},
		"a name twice":              {`{"keys":[],"keys":[` + ec + `]}`, 0, jose.ErrMalformed},
		"not JSON":                  {`keys`, 0, jose.ErrMalformed},
		"a list":                    {`[` + ec + `]`, 0, jose.ErrMalformed},
		"a key that is null":        {set("null"), 0, jose.ErrMalformed},
		"too many":                  {set(strings.Split(strings.Repeat(ed+"|", 20)+ed, "|")...), 0, jose.ErrTooLarge},
		"too large":                 {set(ec) + strings.Repeat(" ", jose.MaxSet), 0, jose.ErrTooLarge},
	} {
		got, err := jose.ParseSet([]byte(test.set))
		if !errors.Is(err, test.want) || len(got) != test.keys {
			t.Errorf("%s: %d keys, %v", name, len(got), err)
		}
	}
	both, err := jose.MarshalSet([]jose.PublicKey{all[jose.RS256].Public(), all[jose.EdDSA].Public()})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseSet(both)
	if err != nil || len(parsed) != 2 || parsed[0].ID() != "the RS256" || parsed[1].Algorithm() != jose.EdDSA {
		t.Errorf("%s: %+v, %v", both, parsed, err)
	}
	if empty, err := jose.MarshalSet(nil); string(empty) != `{"keys":[]}` || err != nil {
		t.Errorf("%s, %v", empty, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := x509.MarshalPKCS8PrivateKey(p384)
	if err != nil {
		t.Fatal(err)
	}
	for name, private := range map[string][]byte{"nothing": nil, "no key": []byte("key"), "P-384": other} {
		if _, err := jose.Load("id", private); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
	if _, err := jose.Generate("HS256"); err == nil {
		t.Error("a key for HS256")
	}
	if _, err := newKey(t, "id", jose.EdDSA).Sign("none", claims); err == nil {
		t.Error("an unknown type")
	}
}

func FuzzVerify(f *testing.F) {
	// Always the same key, so that the corpus has tokens that are right.
	pkcs8, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		f.Fatal(err)
	}
	k, err := jose.Load("k", pkcs8)
	if err != nil {
		f.Fatal(err)
	}
	token, err := k.Sign(jose.JWT, map[string]int{"exp": 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Fuzz(func(t *testing.T, token string) {
		got, err := jose.Verify(token, []jose.PublicKey{k.Public()}, jose.Algorithms...)
		if err == nil && string(got.Claims) != `{"exp":1}` {
			t.Errorf("accepted %q", got.Claims)
		}
	})
}

func FuzzParseSet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Fuzz(func(t *testing.T, set []byte) {
		keys, err := jose.ParseSet(set)
		if err != nil {
			return
		}
		text, err := jose.MarshalSet(keys)
		if err != nil {
			t.Fatal(err)
		}
		again, err := jose.ParseSet(text)
		if errors.Is(err, jose.ErrTooLarge) {
			return // the set had no alg and use
		}
		if err != nil || len(again) != len(keys) {
			t.Errorf("%s: %v", text, err)
		}
		_, _ = jose.Verify("eyJhbGciOiJFZERTQSJ9.e30.AAAA", keys, jose.Algorithms...)
	})
}

func BenchmarkSign(b *testing.B) {
	for a, k := range keys(b) {
		b.Run(string(a), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Sign(jose.JWT, claims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	ec := newKey(b, "k", jose.ES256).private.(*ecdsa.PrivateKey)
	b.Run("ES256 alone", func(b *testing.B) {
		var sum [32]byte
		for b.Loop() {
			if _, err := ecdsa.SignASN1(rand.Reader, ec, sum[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
