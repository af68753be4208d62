package web_test

import (
	"bytes"
	"image/png"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// looks are those that every journey is made in.
var looks = map[string]sallyporttest.Look{
	"scripts":    {},
	"no scripts": {NoScript: true},
	"phone":      {Width: 360, Dark: true},
	"dark":       {Dark: true, NoScript: true},
}

// look takes a picture of the page and holds it to what every page promises.
func look(b *sallyporttest.Browser, picture string) {
	b.Screenshot(picture)
	b.Fits()
	b.Clean()
	sallyporttest.Axe(b)
}

// photograph reads the QR code on the page as a phone does.
func photograph(t *testing.T, b *sallyporttest.Browser) *url.URL {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(b.Screenshot("qr")))
	if err != nil {
		t.Fatal(err)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		t.Fatal(err)
	}
	read, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil {
		t.Fatalf("the QR code cannot be read: %v", err)
	}
	address, err := url.Parse(read.GetText())
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// scan takes the key from the QR code into the person's app, and holds it against the key in words.
func scan(t *testing.T, b *sallyporttest.Browser, p *sallyporttest.Person) {
	t.Helper()
	address := photograph(t, b)
	key := strings.ReplaceAll(b.Text("[data-key]"), " ", "")
	if address.Scheme != "otpauth" || address.Host != "totp" || address.Query().Get("secret") != key {
		t.Fatalf("the QR code says %s://%s%s, and another key than the page", address.Scheme, address.Host, address.Path)
	}
	if got := strings.TrimPrefix(address.Path, "/"); got != "Acme:"+p.Address || address.Query().Get("issuer") != "Acme" {
		t.Errorf("the QR code is labelled %q, issuer %q", got, address.Query().Get("issuer"))
	}
	var err error
	if p.Secret, err = otp.DecodeSecret(key); err != nil || len(p.Secret) != 20 {
		t.Fatalf("the key has %d bytes, want 20 (I42): %v", len(p.Secret), err)
	}
}

func signInBy(b *sallyporttest.Browser, p sallyporttest.Person) {
	b.Open("/sign-in")
	b.Fill("E-mail address", p.Address)
	b.Fill("Password", p.Password)
	b.Click("Sign in")
}

func TestJourneySetUpAndLive(t *testing.T) {
	for name, l := range looks {
		t.Run(name, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			site := sallyporttest.NewSite(t, e)
			p := e.Add("mia@acme.example", sallyport.Member)
			b := sallyporttest.NewBrowser(t, site.URL, l)
			signInBy(b, p)
			b.Open("/account/2fa")
			look(b, "disabled")
			b.Click("Enable")
			look(b, "set-up-name")
			b.Check("Aegis")
			if !l.NoScript {
				if got := b.Value("Name of the app"); got != "Aegis" {
					t.Errorf("picking Aegis suggests the name %q", got)
				}
				b.Check("2FAS")
			}
			b.Fill("Name of the app", "Pixel – Aegis")
			b.Click("Continue")
			b.Sees("Pixel – Aegis")
			scan(t, b, &p)
			look(b, "set-up-scan")
			b.Fill("6-digit code", "000000")
			b.Click("Confirm setup")
			b.Sees("This code is not right")
			look(b, "set-up-wrong")
			first := p.Secret
			scan(t, b, &p)
			if !bytes.Equal(first, p.Secret) {
				t.Fatal("a wrong code changed the key")
			}
			b.Fill("6-digit code", p.Code(e.Clock.Now().Add(-5*time.Minute)))
			b.Click("Confirm setup")
			b.Sees("about 5 minutes behind")
			look(b, "set-up-clock")
			b.Fill("6-digit code", p.Code(e.Clock.Now()))
			b.Click("Confirm setup")
			afterSetUp(b)
			b.Open("/account/2fa")
			b.Sees("Enabled since")
			b.Sees("Pixel – Aegis")
			look(b, "enabled")
		})
	}
}

// afterSetUp goes past the recovery codes, if the set-up made any.
func afterSetUp(b *sallyporttest.Browser) {
	if strings.Contains(b.URL(), "recovery") {
		b.Check("I have saved these recovery codes")
		b.Click("Continue")
	}
}
