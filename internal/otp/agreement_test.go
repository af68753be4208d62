package otp_test

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	pquerna "github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/sallyport-2fa/sallyport/internal/otp"
)

var algorithms = map[otp.Algorithm]pquerna.Algorithm{
	otp.SHA1:   pquerna.AlgorithmSHA1,
	otp.SHA256: pquerna.AlgorithmSHA256,
	otp.SHA512: pquerna.AlgorithmSHA512,
}

// randomCase returns random parameters, a secret of 1 to 150 bytes (shorter or longer than the hash's block), and a
// time before the year 2100.
func randomCase() (otp.Params, []byte, time.Time) {
	p := otp.Params{
		Algorithm: []otp.Algorithm{otp.SHA1, otp.SHA256, otp.SHA512}[rand.IntN(3)],
		Digits:    6 + rand.IntN(3),
		Period:    []int{30, 60}[rand.IntN(2)],
	}
	secret := make([]byte, 1+rand.IntN(150))
	for i := range secret {
		secret[i] = byte(rand.Uint32())
	}
	return p, secret, time.Unix(rand.Int64N(4_102_444_800), 0)
}

func TestI42_AgreesWithPquerna(t *testing.T) {
	for range 10_000 {
		p, secret, at := randomCase()
		want, err := totp.GenerateCodeCustom(otp.EncodeSecret(secret), at, totp.ValidateOpts{
			Period: uint(p.Period), Digits: pquerna.Digits(p.Digits), Algorithm: algorithms[p.Algorithm],
		})
		if err != nil {
			t.Fatal(err)
		}
		step := p.Step(at)
		if got := p.Code(secret, step); got != want {
			t.Fatalf("%+v, secret %x, %d s: %s, pquerna/otp computes %s", p, secret, at.Unix(), got, want)
		}
		if got, ok := p.Match(secret, want, at, 0, 0); !ok || got != step {
			t.Fatalf("%+v, secret %x, %d s: pquerna/otp's %s does not match", p, secret, at.Unix(), want)
		}
	}
}

// Starting a process costs more than computing a code, so each of 500 processes computes 20 consecutive ones.
func TestI42_AgreesWithOathtool(t *testing.T) {
	const secrets, codes = 500, 20
	for range secrets {
		p, secret, at := randomCase()
		cmd := exec.Command("oathtool", "--totp="+string(p.Algorithm), fmt.Sprintf("--digits=%d", p.Digits),
			fmt.Sprintf("--time-step-size=%ds", p.Period), fmt.Sprintf("--now=@%d", at.Unix()),
			fmt.Sprintf("--window=%d", codes-1), "-")
		cmd.Stdin = strings.NewReader(hex.EncodeToString(secret) + "\n")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", cmd, err, out)
		}
		lines := strings.Fields(string(out))
		if len(lines) != codes {
			t.Fatalf("%s: %d codes, want %d", cmd, len(lines), codes)
		}
		for i, want := range lines {
			step := p.Step(at) + int64(i)
			if got := p.Code(secret, step); got != want {
				t.Fatalf("%+v, secret %x, step %d: %s, want %s as oathtool computes", p, secret, step, got, want)
			}
		}
	}
}
