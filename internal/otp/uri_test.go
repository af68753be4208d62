package otp_test

import (
	"errors"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"

	pquerna "github.com/pquerna/otp"

	"github.com/sallyport-2fa/sallyport/internal/otp"
)

func TestURI(t *testing.T) {
	key := otp.Key{Issuer: "Café & Søn", Account: "ann+work@acme.example", Secret: seed(20), Params: otp.Default}
	want := "otpauth://totp/Caf%C3%A9%20%26%20S%C3%B8n:ann%2Bwork%40acme.example" +
		"?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Caf%C3%A9%20%26%20S%C3%B8n" +
		"&algorithm=SHA1&digits=6&period=30"
	if got := key.URI(); got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
	key = otp.Key{Account: "ann", Secret: []byte("123456"), Params: otp.Params{Algorithm: otp.SHA512, Digits: 8, Period: 60}}
	want = "otpauth://totp/ann?secret=GEZDGNBVGY&algorithm=SHA512&digits=8&period=60"
	if got := key.URI(); got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
}

// names are difficult for one parser or another.
var names = []string{
	"Acme", "Acme Ltd", "Tom & Jerry", "a=b&c=d", "Either/Or", "What?", "C#", "100%", "%41", "%253A", "1+1", "a%20b",
	"ann@acme.example", "ann+work@acme.example", "Café Crème", "Cafe\u0301", "Łódź", "日本電気", "شركة", "🔐 Vault 👩‍👩‍👧",
	`back\slash`, `"quoted"`, "it's", "<b>", "semi;colon", "comma,", "tilde~", "under_score", "a..b", "{x}", "|", "^`",
}

// allowed matches the characters that need no encoding and the delimiters of the URI.
var allowed = regexp.MustCompile(`^otpauth://totp/[A-Za-z0-9._~%-]*:?[A-Za-z0-9._~%-]*\?secret=[A-Z2-7]+&[A-Za-z0-9._~%=&-]+$`)

func TestURIRoundTrip(t *testing.T) {
	params := []otp.Params{otp.Default, {Algorithm: otp.SHA256, Digits: 8, Period: 60}, {Algorithm: otp.SHA512, Digits: 7, Period: 30}}
	for i, issuer := range names {
		for j, account := range append(names, "ann:smith", "[::1]", "::", `"a:b"@acme.example`) {
			key := otp.Key{Issuer: issuer, Account: account, Secret: seed(20), Params: params[(i+j)%len(params)]}
			uri := key.URI()
			if !allowed.MatchString(uri) {
				t.Errorf("%q, %q: %s", issuer, account, uri)
			}
			got, err := otp.ParseURI(uri)
			if err != nil || !reflect.DeepEqual(got, key) {
				t.Errorf("%q, %q: %+v, %v", issuer, account, got, err)
			}
			checkOtherParsers(t, uri, key)
		}
	}
}

// checkOtherParsers parses the URI with the standard library and with pquerna/otp.
func checkOtherParsers(t *testing.T, uri string, key otp.Key) {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	if u.Path != "/"+key.Issuer+":"+key.Account || u.Query().Get("issuer") != key.Issuer || u.Fragment != "" {
		t.Errorf("%s: net/url reads label %q, issuer %q", uri, u.Path, u.Query().Get("issuer"))
	}
	k, err := pquerna.NewKeyFromURL(uri)
	if err != nil {
		t.Fatal(err)
	}
	if k.Type() != "totp" || k.Issuer() != key.Issuer || k.AccountName() != key.Account ||
		k.Secret() != otp.EncodeSecret(key.Secret) || k.Algorithm() != algorithms[key.Params.Algorithm] ||
		k.Digits().Length() != key.Params.Digits || k.Period() != uint64(key.Params.Period) {
		t.Errorf("%s: pquerna/otp reads issuer %q, account %q, %s, %d digits, %d s",
			uri, k.Issuer(), k.AccountName(), k.Algorithm(), k.Digits().Length(), k.Period())
	}
	// Apps without support for the issuer parameter read the label up to its first colon.
	u.RawQuery = "secret=" + k.Secret()
	if k, err = pquerna.NewKeyFromURL(u.String()); err != nil || k.Issuer() != key.Issuer {
		t.Errorf("%s: the label's prefix is %q, %v", uri, k.Issuer(), err)
	}
}

func TestURIColonInIssuer(t *testing.T) {
	for issuer, want := range map[string]string{
		"Acme: Payroll": "Acme Payroll", "Acme:Payroll": "Acme Payroll", "Acme : Payroll": "Acme Payroll",
		"a:b:c": "a b c", "a:: :b": "a b", ":Acme:": "Acme", "Acme：Payroll": "Acme：Payroll", "Acme%3APayroll": "Acme%3APayroll",
		"  Acme  Ltd ": "Acme  Ltd",
	} {
		key := otp.Key{Issuer: issuer, Account: "ann@acme.example", Secret: seed(20), Params: otp.Default}
		uri := key.URI()
		key.Issuer = want
		checkOtherParsers(t, uri, key)
		if got, err := otp.ParseURI(uri); err != nil || got.Issuer != want || got.Account != key.Account || got.URI() != uri {
			t.Errorf("%q: %q, %q, %v", issuer, got.Issuer, got.Account, err)
		}
	}
	for _, issuer := range []string{"", " ", ":", " : "} {
		for _, account := range []string{"ann@acme.example", "ann:smith", ":"} {
			key := otp.Key{Issuer: issuer, Account: account, Secret: seed(20), Params: otp.Default}
			uri := key.URI()
			got, err := otp.ParseURI(uri)
			if err != nil || got.Issuer != "" || got.Account != account || strings.Contains(uri, "issuer") {
				t.Errorf("%q, %q: %q, %q, %v from %s", issuer, account, got.Issuer, got.Account, err, uri)
			}
		}
	}
}

func TestParseURIFromOtherProducts(t *testing.T) {
	sha256 := otp.Params{Algorithm: otp.SHA256, Digits: 8, Period: 60}
	tests := []struct {
		uri             string
		issuer, account string
		params          otp.Params
	}{
		{"otpauth://totp/Example:alice@google.com?secret=GEZDGNBV&issuer=Example", "Example", "alice@google.com", otp.Default},
		{"otpauth://totp/Example%3Aalice?secret=GEZDGNBV&issuer=Example", "Example", "alice", otp.Default},
		{"otpauth://totp/Example:%20%20alice?secret=GEZDGNBV", "Example", "alice", otp.Default},
		{"otpauth://totp/alice?secret=GEZDGNBV&issuer=Example", "Example", "alice", otp.Default},
		{"otpauth://totp/alice?secret=GEZDGNBV", "", "alice", otp.Default},
		{"otpauth://totp/Old:alice?secret=GEZDGNBV&issuer=New", "New", "alice", otp.Default},
		{"otpauth://totp/Acme:%20Payroll:alice?secret=GEZDGNBV&issuer=Acme:%20Payroll", "Acme: Payroll", "alice", otp.Default},
		{"otpauth://totp/Big+Corp:alice?secret=GEZDGNBV&issuer=Big%2BCorp", "Big+Corp", "alice", otp.Default},
		{"OTPAUTH://TOTP/alice?secret=gezd%20gnbv", "", "alice", otp.Default},
		{"otpauth://totp/alice?secret=GEZDGNBV&algorithm=sha256&digits=8&period=60&image=x", "", "alice", sha256},
		{"otpauth://totp?secret=GEZDGNBV", "", "", otp.Default},
	}
	for _, test := range tests {
		got, err := otp.ParseURI(test.uri)
		want := otp.Key{Issuer: test.issuer, Account: test.account, Secret: []byte("12345"), Params: test.params}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", test.uri, got, err)
		}
	}
}

func TestParseURIRejects(t *testing.T) {
	const secret = "secret=GEZDGNBV"
	for uri, want := range map[string]error{
		"":                             otp.ErrURI,
		"alice":                        otp.ErrURI,
		"https://totp/alice?" + secret: otp.ErrURI,
		"otpauth:alice?" + secret:      otp.ErrURI,
		"otpauth://hotp/alice?counter=1&" + secret:                   otp.ErrURI,
		"otpauth://steam/alice?" + secret:                            otp.ErrURI,
		"otpauth://x@totp/alice?" + secret:                           otp.ErrURI,
		"otpauth://totp:1/alice?" + secret:                           otp.ErrURI,
		"otpauth://totp/%zz?" + secret:                               otp.ErrURI,
		"otpauth://totp/a\x00b?" + secret:                            otp.ErrURI,
		"otpauth://totp/alice?issuer=%&" + secret:                    otp.ErrURI,
		"otpauth://totp/alice?a;b&" + secret:                         otp.ErrURI,
		"otpauth://totp/alice?" + secret + "&" + secret:              otp.ErrURI,
		"otpauth://totp/alice?issuer=a&issuer=b&" + secret:           otp.ErrURI,
		"otpauth://totp/alice":                                       otp.ErrSecret,
		"otpauth://totp/alice?secret=":                               otp.ErrSecret,
		"otpauth://totp/alice?secret=GEZD1":                          otp.ErrSecret,
		"otpauth://totp/alice#?" + secret:                            otp.ErrSecret,
		"otpauth://totp/alice?algorithm=MD5&" + secret:               otp.ErrParams,
		"otpauth://totp/alice?digits=5&" + secret:                    otp.ErrParams,
		"otpauth://totp/alice?digits=9&" + secret:                    otp.ErrParams,
		"otpauth://totp/alice?digits=six&" + secret:                  otp.ErrParams,
		"otpauth://totp/alice?period=0&" + secret:                    otp.ErrParams,
		"otpauth://totp/alice?period=-30&" + secret:                  otp.ErrParams,
		"otpauth://totp/alice?period=99999999999999999999&" + secret: otp.ErrParams,
	} {
		key, err := otp.ParseURI(uri)
		if !errors.Is(err, want) || !reflect.DeepEqual(key, otp.Key{}) {
			t.Errorf("%q: %+v, %v, want %v", uri, key, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "GEZD") {
			t.Errorf("%q: the error contains the secret: %v", uri, err)
		}
	}
}

func FuzzURIRoundTrip(f *testing.F) {
	for _, name := range names {
		f.Add(name, "ann@acme.example", []byte("12345"))
		f.Add("Acme", name, []byte{0})
	}
	f.Fuzz(func(t *testing.T, issuer, account string, secret []byte) {
		if len(secret) == 0 {
			return
		}
		uri := otp.Key{Issuer: issuer, Account: account, Secret: secret, Params: otp.Default}.URI()
		key, err := otp.ParseURI(uri)
		if err != nil || string(key.Secret) != string(secret) || key.Account != strings.TrimSpace(account) {
			t.Fatalf("%q, %q, %x: %+v, %v", issuer, account, secret, key, err)
		}
		if !strings.Contains(issuer, ":") && key.Issuer != strings.TrimSpace(issuer) || strings.Contains(key.Issuer, ":") {
			t.Fatalf("issuer %q became %q", issuer, key.Issuer)
		}
		if again := key.URI(); again != uri {
			t.Fatalf("%s, encoded again: %s", uri, again)
		}
	})
}
