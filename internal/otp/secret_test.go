package otp_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/otp"
)

func TestI42_SecretsHave160Bits(t *testing.T) {
	seen := map[string]bool{}
	var ones [20]byte
	for range 100 {
		secret := otp.NewSecret()
		if len(secret) != 20 || seen[string(secret)] {
			t.Fatalf("%d bytes, or a repeated secret: %x", len(secret), secret)
		}
		seen[string(secret)] = true
		for i := range ones {
			ones[i] |= secret[i]
		}
		key := otp.EncodeSecret(secret)
		if len(key) != 32 || strings.Trim(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
			t.Fatalf("key %q", key)
		}
	}
	if bytes.IndexByte(ones[:], 0) >= 0 {
		t.Errorf("some bits are never set: %x", ones)
	}
}

func TestDecodeSecret(t *testing.T) {
	tests := []struct{ name, key, want string }{
		{"as encoded", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "12345678901234567890"},
		{"in groups", "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ", "12345678901234567890"},
		{"dashes, lower case", "gezd-gnbv-gy3t-qojq-gezd-gnbv-gy3t-qojq", "12345678901234567890"},
		{"no-break spaces, line end", "GEZD\u00a0GNBV\u00a0GY3T QOJQ\r\n", "1234567890"},
		{"padding", "GEZDGNBVGY======", "123456"},
		{"without padding", "GEZDGNBVGY", "123456"},
		{"padding, apart", "GEZD GNBV GY== ====\n", "123456"},
		{"nothing", "", ""},
		{"spaces", "   ", ""},
		{"padding alone", "======", ""},
		{"digit one", "GEZDGNB1", ""},
		{"digit zero", "GEZDGNB0", ""},
		{"padding inside", "GEZD====GNBV", ""},
		{"one character of eight", "GEZDGNBVG", ""},
		{"three characters of eight", "GEZDGNBVGEZ", ""},
		{"six characters of eight", "GEZDGNBVGEZDGN", ""},
		{"other alphabet", "ＧＥＺＤ", ""},
		{"long s, which is S in upper case", "GEZDGNBſ", ""},
		{"NUL", "GEZDGNBV\x00", ""},
		{"invalid UTF-8", "GEZDGNB\xff", ""},
	}
	for _, test := range tests {
		got, err := otp.DecodeSecret(test.key)
		if string(got) != test.want || (test.want == "") != errors.Is(err, otp.ErrSecret) {
			t.Errorf("%s: %q, %v, want %q", test.name, got, err, test.want)
		}
	}
	for length := 1; length <= 64; length++ {
		secret := bytes.Repeat([]byte{0xa5}, length)
		got, err := otp.DecodeSecret(otp.Group(otp.EncodeSecret(secret)))
		if err != nil || !bytes.Equal(got, secret) {
			t.Errorf("%d bytes: %x, %v", length, got, err)
		}
	}
}

func TestGroup(t *testing.T) {
	for key, want := range map[string]string{
		"": "", "A": "A", "ABCD": "ABCD", "ABCDE": "ABCD E", "ABCDEFGH": "ABCD EFGH",
		"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ": "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ",
	} {
		if got := otp.Group(key); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
}
