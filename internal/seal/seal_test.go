package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/seal"
)

var row = seal.AD{Purpose: "authenticator", Workspace: "ws_a", User: "usr_a", Row: "aut_a"}

func generate(t testing.TB) *seal.Keyset {
	t.Helper()
	k, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustSeal(t testing.TB, k *seal.Keyset, plaintext string, ad seal.AD) []byte {
	t.Helper()
	ciphertext, err := k.Seal([]byte(plaintext), ad)
	if err != nil {
		t.Fatal(err)
	}
	return ciphertext
}

func opens(t testing.TB, k *seal.Keyset, ciphertext []byte, want string) {
	t.Helper()
	got, err := k.Open(ciphertext, row)
	if err != nil || string(got) != want {
		t.Errorf("Open = %q, %v; want %q", got, err, want)
	}
}

func TestRoundTrip(t *testing.T) {
	k := generate(t)
	for _, plaintext := range []string{"", "x", "12345678901234567890", strings.Repeat("mail ", 100_000)} {
		ciphertext := mustSeal(t, k, plaintext, row)
		opens(t, k, ciphertext, plaintext)
		if len(ciphertext) != len(plaintext)+33 {
			t.Errorf("%d bytes sealed to %d", len(plaintext), len(ciphertext))
		}
		if bytes.Equal(ciphertext, mustSeal(t, k, plaintext, row)) {
			t.Error("two ciphertexts are equal")
		}
		if len(plaintext) > 1 && bytes.Contains(ciphertext, []byte(plaintext)) {
			t.Error("the ciphertext contains the plaintext")
		}
	}
}

func TestI48_MovedCiphertextDoesNotOpen(t *testing.T) {
	k := generate(t)
	ciphertext := mustSeal(t, k, "secret", row)
	for _, ad := range []seal.AD{
		{},
		{"recovery", "ws_a", "usr_a", "aut_a"},
		{"authenticator", "ws_b", "usr_a", "aut_a"},
		{"authenticator", "ws_a", "usr_b", "aut_a"},
		{"authenticator", "ws_a", "usr_a", "aut_b"},
		{"authenticator", "ws_a", "", "aut_a"},
		{"authenticator", "usr_a", "ws_a", "aut_a"},
		{"authenticatorws_a", "", "usr_a", "aut_a"},
		{"authenticator", "ws_au", "sr_a", "aut_a"},
		{"authenticator", "ws_a", "usr_aaut_", "a"},
		{"authenticator", "ws_a", "usr_a", "aut_a\x00"},
	} {
		got, err := k.Open(ciphertext, ad)
		if !errors.Is(err, seal.ErrUnreadable) || got != nil {
			t.Errorf("%q: got %q, %v", ad, got, err)
		}
	}
	opens(t, k, ciphertext, "secret")
}

func TestI48_SealRequiresPurposeAndRow(t *testing.T) {
	k := generate(t)
	for _, ad := range []seal.AD{{}, {Purpose: "mail"}, {Workspace: "w", User: "u", Row: "r"}} {
		if got, err := k.Seal([]byte("secret"), ad); err == nil {
			t.Errorf("%+v: sealed as %x", ad, got)
		}
	}
	ad := seal.AD{Purpose: "mail", Row: "r"}
	if _, err := k.Open(mustSeal(t, k, "secret", ad), ad); err != nil {
		t.Error(err)
	}
}

func TestI48_ChangedCiphertextDoesNotOpen(t *testing.T) {
	k := generate(t)
	ciphertext := mustSeal(t, k, "secret", row)
	refused := func(what string, ciphertext []byte) {
		if got, err := k.Open(ciphertext, row); !errors.Is(err, seal.ErrUnreadable) || got != nil {
			t.Errorf("%s: got %q, %v", what, got, err)
		}
	}
	for n := range ciphertext {
		refused(fmt.Sprintf("truncated to %d bytes", n), ciphertext[:n])
		refused(fmt.Sprintf("without its first %d bytes", n+1), ciphertext[n+1:])
	}
	for bit := range len(ciphertext) * 8 {
		flipped := bytes.Clone(ciphertext)
		flipped[bit/8] ^= 1 << (bit % 8)
		refused(fmt.Sprintf("bit %d flipped", bit), flipped)
	}
	refused("none", nil)
	refused("longer", append(bytes.Clone(ciphertext), 0))
	refused("another's", mustSeal(t, generate(t), "secret", row))
}

func TestNamesAndAuditHaveSeparateKeys(t *testing.T) {
	k, other := generate(t), generate(t)
	if !regexp.MustCompile(`^[a-z2-7]{26}$`).MatchString(k.Name("anna@example.com")) {
		t.Errorf("Name = %q", k.Name("anna@example.com"))
	}
	name, sum := k.Name("anna@example.com"), k.Audit([]byte("x"))
	if k.Name("anna@example.com") != name || !bytes.Equal(k.Audit([]byte("x")), sum) {
		t.Error("two results for one input")
	}
	if k.Name("a") == k.Name("b") || bytes.Equal(k.Audit([]byte("a")), k.Audit([]byte("b"))) {
		t.Error("one result for two inputs")
	}
	if k.Name("a") == other.Name("a") || bytes.Equal(k.Audit([]byte("a")), other.Audit([]byte("a"))) {
		t.Error("one result for two keysets")
	}
	if len(k.Audit(nil)) != 32 {
		t.Errorf("Audit returns %d bytes", len(k.Audit(nil)))
	}
	// With a shared key, a name would be the beginning of a seal.
	audit := fmt.Sprintf("%x", k.Audit([]byte("a"))[:16])
	if fmt.Sprintf("%x", unbase32(t, k.Name("a"))) == audit {
		t.Error("names and audit share a key")
	}
}

func TestI49_KeysetDoesNotPrint(t *testing.T) {
	k := generate(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		if got := fmt.Sprintf(verb, k); got != "[redacted]" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
	if got := fmt.Sprintf("%+v", struct{ Keys *seal.Keyset }{k}); got != "{Keys:[redacted]}" {
		t.Errorf("inside a struct: %q", got)
	}
}

func BenchmarkOpen(b *testing.B) {
	k := generate(b)
	ciphertext := mustSeal(b, k, "12345678901234567890", row)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Open(ciphertext, row); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkName(b *testing.B) {
	k := generate(b)
	for b.Loop() {
		k.Name("anna@example.com")
	}
}
