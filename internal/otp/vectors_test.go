package otp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/otp"
)

// seed returns the secret of the RFCs, "1234567890...", in the given length, which is that of an algorithm's hash.
func seed(length int) []byte { return []byte(strings.Repeat("1234567890", 7)[:length]) }

func TestI42_RFC4226(t *testing.T) { // appendix D
	want := []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"}
	for counter, code := range want {
		if got := otp.HOTP(seed(20), uint64(counter), otp.SHA1, 6); got != code {
			t.Errorf("counter %d: %s, want %s", counter, got, code)
		}
	}
}

func TestI42_RFC6238(t *testing.T) { // appendix B
	tests := []struct {
		seconds              int64
		step                 int64
		sha1, sha256, sha512 string
	}{
		{59, 0x1, "94287082", "46119246", "90693936"},
		{1111111109, 0x23523EC, "07081804", "68084774", "25091201"},
		{1111111111, 0x23523ED, "14050471", "67062674", "99943326"},
		{1234567890, 0x273EF07, "89005924", "91819424", "93441116"},
		{2000000000, 0x3F940AA, "69279037", "90698825", "38618901"},
		{20000000000, 0x27BC86AA, "65353130", "77737706", "47863826"},
	}
	for _, test := range tests {
		at := time.Unix(test.seconds, 0)
		for _, a := range []struct {
			algorithm otp.Algorithm
			secret    []byte
			code      string
		}{
			{otp.SHA1, seed(20), test.sha1},
			{otp.SHA256, seed(32), test.sha256},
			{otp.SHA512, seed(64), test.sha512},
		} {
			for _, digits := range []int{8, 7, 6} { // shorter codes are the last digits of the longer ones
				p := otp.Params{Algorithm: a.algorithm, Digits: digits, Period: 30}
				code := a.code[8-digits:]
				if got := p.Step(at); got != test.step {
					t.Errorf("%d s: step %#x, want %#x", test.seconds, got, test.step)
				}
				if got := p.Code(a.secret, test.step); got != code {
					t.Errorf("%d s, %s, %d digits: %s, want %s", test.seconds, a.algorithm, digits, got, code)
				}
				if step, ok := p.Match(a.secret, code, at, 0, 0); !ok || step != test.step {
					t.Errorf("%d s, %s, %d digits: matched %#x, %v", test.seconds, a.algorithm, digits, step, ok)
				}
			}
		}
	}
}
