package otp_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"rsc.io/qr"

	"github.com/sallyport-2fa/sallyport/internal/otp"
)

func TestURIWithinStaysReadable(t *testing.T) {
	secret := []byte(strings.Repeat("k", 20))
	for _, issuer := range []string{"", "Acme", "A: B", strings.Repeat("界", 100), strings.Repeat("Ж", 100), strings.Repeat("👩‍💻", 33), strings.Repeat("e\u0301", 50), strings.Repeat("a", 100)} {
		for _, account := range []string{"ann@acme.example", strings.Repeat("ж", 32) + "@" + strings.Repeat("б", 60) + ".рф", strings.Repeat("a", 64) + "@" + strings.Repeat("b", 60) + ".example"} {
			uri := otp.Key{Issuer: issuer, Account: account, Secret: secret, Params: otp.Default}.URIWithin(213)
			code, err := qr.Encode(uri, qr.M)
			if err != nil || len(uri) > 213 || code.Size > 57 {
				t.Fatalf("%d bytes for %s, %s: %v", len(uri), issuer, account, err)
			}
			k, err := otp.ParseURI(uri)
			if err != nil || string(k.Secret) != string(secret) || !utf8.ValidString(k.Issuer+k.Account) ||
				!strings.HasPrefix(account, k.Account) || k.Account == "" || issuer != "" && k.Issuer == "" {
				t.Errorf("%q and %q, of %q and %q: %v", k.Issuer, k.Account, issuer, account, err)
			}
			if issuer == "Acme" && account == "ann@acme.example" && (k.Issuer != issuer || k.Account != account) {
				t.Errorf("shortened unnecessarily: %s", uri)
			}
		}
	}
}
