package web_test

import (
	"bytes"
	"image/png"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// looks are the looks for every journey: with and without scripts, wide and narrow, light and dark.
var looks = map[string]sallyporttest.Look{
	"phone":      {Width: 360, Dark: true},
	"no scripts": {NoScript: true},
}

// look takes a picture of the page and checks what every page must fulfil.
func look(b *sallyporttest.Browser, picture string) {
	b.Screenshot(picture)
	b.Fits()
	b.Clean()
	sallyporttest.Axe(b)
}

// photograph scans the QR code on the page as a phone does. Each of the two readers fails on a picture now and then.
func photograph(t *testing.T, b *sallyporttest.Browser) *url.URL {
	t.Helper()
	shot := b.Screenshot("qr")
	says, err := decodeQR(shot)
	if err != nil {
		file := filepath.Join(t.TempDir(), "qr.png")
		if err := os.WriteFile(file, shot, 0o600); err != nil {
			t.Fatal(err)
		}
		out, second := exec.Command("zbarimg", "--quiet", "--raw", file).Output()
		if says = strings.TrimSpace(string(out)); second != nil {
			t.Fatalf("the QR code cannot be read: %v, %v", err, second)
		}
	}
	address, err := url.Parse(says)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func decodeQR(shot []byte) (string, error) {
	picture, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		return "", err
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		return "", err
	}
	read, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil {
		return "", err
	}
	return read.GetText(), nil
}

// scan reads the key from the QR code into the person's app, and compares it with the key in the text.
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
			b.Click("More")
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
			b.Check("I have saved these recovery codes")
			b.Click("Continue")
			b.Open("/account/2fa")
			b.Sees("Enabled since")
			b.Sees("Pixel – Aegis")
			look(b, "enabled")
		})
	}
}

// TestJourneyLiveWithIt goes through what a person does later: add a second app, rename it, change phones, and disable
// two-factor authentication.
func TestJourneyLiveWithIt(t *testing.T) {
	for name, l := range looks {
		t.Run(name, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			site := sallyporttest.NewSite(t, e)
			p := e.Add("mia@acme.example", sallyport.Member)
			site.Visitor().Enrol(&p, "Pixel – Aegis")
			b := sallyporttest.NewBrowser(t, site.URL, l)
			signInBy(b, p)
			b.Sees("Enter the code from Pixel – Aegis")
			b.Fill("6-digit code", p.Code(e.Clock.Now().Add(7*time.Minute)))
			b.Click("Continue")
			b.Sees("about 7 minutes ahead")
			look(b, "challenge-clock")
			b.Fill("6-digit code", p.Code(e.Clock.Now()))
			b.Click("Continue")

			e.Clock.Advance(6 * time.Minute)
			b.Open("/account/2fa")
			b.Click("Add another app")
			b.Sees("Needed for: Set up an authenticator app")
			look(b, "step-up")
			b.Fill("6-digit code", "000000")
			b.Click("Continue")
			b.Sees("This code is not right")
			b.Fill("6-digit code", p.Code(e.Clock.Now()))
			b.Click("Continue")
			b.Sees("Add an authenticator app")
			b.Click("More")
			b.Check("Another app")
			b.Fill("Name of the app", "Laptop")
			b.Click("Continue")
			second := p
			scan(t, b, &second)
			b.Fill("6-digit code", second.Code(e.Clock.Now()))
			b.Click("Confirm setup")
			b.Sees("The authenticator app is added")

			b.Click("Rename Laptop")
			b.Fill("Name", "Work laptop")
			look(b, "rename")
			b.Click("Rename")
			b.Sees("Work laptop")
			look(b, "two-apps")

			b.Click("Change authenticator app")
			b.Check("Pixel – Aegis")
			look(b, "change-name")
			b.Fill("Name of the app", "New phone")
			b.Click("Continue")
			b.Sees("It replaces Pixel – Aegis, which works until this one is confirmed")
			scan(t, b, &p)
			look(b, "change-scan")
			b.Fill("6-digit code", p.Code(e.Clock.Now()))
			b.Click("Confirm setup")
			b.Sees("The new authenticator app is in place")
			b.DoesNotSee("Pixel – Aegis")

			b.Click("Remove Work laptop")
			b.Sees("Remove this authenticator app?")
			look(b, "remove")
			b.ClickWithin(".confirm", "Remove")
			b.Sees("The authenticator app is removed")
			b.DoesNotSee("Work laptop")

			b.Click("Disable")
			b.Sees("Anyone who learns your password can then sign in as you")
			look(b, "disable")
			e.Clock.Advance(6 * time.Minute)
			b.ClickWithin(".confirm", "Disable")
			b.Sees("Needed for: Disable two-factor authentication. This happens as soon as you confirm.")
			look(b, "step-up-confirmed")
			b.Fill("6-digit code", p.Code(e.Clock.Now()))
			b.Click("Continue")
			b.Sees("Two-factor authentication is disabled")
			b.Clean()
		})
	}
}

// TestJourneyWhatStandsInTheWay shows the pages about refusals.
func TestJourneyWhatStandsInTheWay(t *testing.T) {
	for name, l := range looks {
		t.Run(name, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			site := sallyporttest.NewSite(t, e)
			p := e.Add("mia@acme.example", sallyport.Member)
			site.Visitor().Enrol(&p, "Pixel – Aegis")
			b := sallyporttest.NewBrowser(t, site.URL, l)
			signInBy(b, p)
			b.Fill("6-digit code", p.Code(e.Clock.Now()))
			b.Click("Continue")
			e.Exec(`UPDATE users SET password_long = 0 WHERE id = $1`, p.User.ID)
			b.Open("/account/2fa")
			b.Click("Disable")
			b.Sees("Change your password first")
			b.Screenshot("password-first")
			b.Fits()
			sallyporttest.Axe(b)
			e.Exec(`UPDATE policies SET require_2fa = 'everyone', version = version + 1`)
			b.Open("/account/2fa")
			b.Sees("Your company requires you to use two-factor authentication, so you cannot disable it.")
			b.Screenshot("required")
			b.Open("/account/2fa/set-up")
			b.Fill("Name of the app", "Tablet")
			b.Click("Continue")
			tab := p
			scan(t, b, &tab)
			e.Clock.Advance(15 * time.Minute)
			b.Fill("6-digit code", tab.Code(e.Clock.Now()))
			b.Click("Confirm setup")
			b.Sees("This set-up has ended")
			b.Screenshot("set-up-ended")
			b.Fits()
			sallyporttest.Axe(b)
			b.Click("See your authenticator apps")
			b.Sees("Pixel – Aegis")
		})
	}
}

// TestForcedSetUpSaysWhy: both pages of a forced set-up say who requires it and since when, in a sign-in and in an open
// session. Other changes of the policy do not change that date.
func TestForcedSetUpSaysWhy(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		owner, owners := ownerOf(s)
		ada, ben, mia := e.Add("ada@acme.example", sallyport.Admin), e.Add("ben@acme.example", sallyport.Member), e.Add("mia@acme.example", sallyport.Member)
		open := map[string]*sallyporttest.Visitor{}
		for _, p := range []sallyporttest.Person{ada, ben} {
			open[p.Address] = s.Visitor()
			open[p.Address].SignIn(p)
		}
		s.Visitor().Enrol(&mia, "Pixel")
		owners.Post("/admin/brand", sallyporttest.Fields{"name": "Northwind", "colour": ""})
		decide := func(changes sallyporttest.Fields) {
			t.Helper()
			for range 5 { // an open session stays open while it is used
				e.Clock.Advance(5 * time.Hour)
				open[ada.Address].Get("/account")
			}
			owners = s.Visitor()
			owners.SignIn(owner)
			asked := owners.Edit(accessControl, changes)
			if asked.Status == http.StatusOK {
				asked = confirm(owners, asked)
			}
			if asked.Status != http.StatusSeeOther {
				t.Fatalf("%v: %d %s", changes, asked.Status, asked.Alert())
			}
		}
		today := func() string { return e.Clock.Now().UTC().Format("2 January 2006") }
		decide(sallyporttest.Fields{"require_2fa": "admins"})
		admins := "Northwind has required two-factor authentication of owners and admins since " + today() + ". Set it up to go on."
		if got := open[ada.Address].Get("/account").Location; got != "/account/2fa/set-up" {
			t.Errorf("an admin with an open session is led to %s", got)
		}
		open[ada.Address].Post("/step-up", sallyporttest.Fields{"password": ada.Password})
		if got := open[ada.Address].Get("/account/2fa/set-up"); !got.Has(admins) {
			t.Errorf("in a session: %s", got.Text())
		}
		decide(sallyporttest.Fields{"require_2fa": "everyone"})
		everyone := "Northwind has required two-factor authentication of everyone since " + today() + ". Set it up to go on."
		decide(sallyporttest.Fields{"trusted_device_days": "14"})
		reset := owners.Post("/admin/users/"+mia.ID+"/reset-2fa", sallyporttest.Fields{"reason": "lost"}).Data("data-set-up-code")
		again := "An administrator of Northwind reset your two-factor authentication on " + today() + ". Set it up again to go on."
		owners.Post("/admin/users/new", sallyporttest.Fields{"email": "ina@acme.example", "name": "Ina", "role": "member"})
		ina := sallyporttest.Person{User: sallyport.User{Address: "ina@acme.example"}, Password: "gravel-otter"}
		s.Visitor().Post(s.MailedLink("invitation", ina.Address).Path, sallyporttest.Fields{"name": "Ina", "new_password": ina.Password})
		e.Clock.Advance(time.Hour)

		for _, c := range []struct {
			who   sallyporttest.Person
			code  string
			words string
		}{
			{ada, "", admins}, {ben, "", everyone}, {mia, reset, again},
			{ina, "", "Northwind requires two-factor authentication. You set it up once, at your first sign-in."},
		} {
			v := s.Visitor()
			v.GivePassword(c.who)
			if got := v.Follow(); got.Target != "/sign-in/set-up" || !got.Has(c.words) || !got.Has("Sign out") {
				t.Errorf("%s at %s: %s", c.who.Address, got.Target, got.Text())
			}
			v.Post("/sign-in/set-up", sallyporttest.Fields{"name": "Pixel", "set_up_code": c.code})
			if got := v.Follow(); got.Key() == "" || !got.Has(c.words) {
				t.Errorf("%s, with the key: %s", c.who.Address, got.Text())
			}
		}
		owners.Post("/step-up", sallyporttest.Fields{"code": owner.Code(e.Clock.Now())})
		if got := owners.Get("/account/2fa/set-up"); got.Status != http.StatusOK || got.Has("Northwind requires") || got.Has("Northwind has required") {
			t.Errorf("a person who adds an app voluntarily: %d %s", got.Status, got.Text())
		}
	})
}

// TestJourneyForcedSetUp shows the pages of a forced set-up.
func TestJourneyForcedSetUp(t *testing.T) {
	for name, l := range looks {
		t.Run(name, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			site := sallyporttest.NewSite(t, e)
			p := e.Add("mia@acme.example", sallyport.Member)
			site.Visitor().SignIn(p)
			at := e.Clock.Now()
			e.Exec(`UPDATE policies SET require_2fa = 'everyone', others_since = $1, version = version + 1`, at.UnixMilli())
			e.Clock.Advance(48 * time.Hour)
			why := "Acme has required two-factor authentication of everyone since " + at.UTC().Format("2 January 2006")
			b := sallyporttest.NewBrowser(t, site.URL, l)
			signInBy(b, p)
			b.Sees(why)
			look(b, "forced-name")
			b.Fill("Name of the app", "Pixel")
			b.Click("Continue")
			b.Sees(why)
			look(b, "forced-scan")
			b.Click("Sign out")
			b.Sees("Sign in")
			b.Clean()
		})
	}
}

// TestSetUpWithLongLabels: with a brand and an address of nearly the maximum length, the QR code can be scanned, and
// key and link are on the page. With four bytes per letter, the label is too long for any QR code.
func TestSetUpWithLongLabels(t *testing.T) {
	for name, c := range map[string]struct{ brand, address string }{
		"Chinese and Cyrillic": {strings.Repeat("界", 100), strings.Repeat("я", 32) + "@" + strings.Repeat("ж", 27) + "." + strings.Repeat("щ", 28) + ".рф"},
		"symbols":              {strings.Repeat("𝄞", 100), "mia@acme.example"},
		"colons and percents":  {strings.Repeat("%:", 50), strings.Repeat("%", 64) + "@acme.example"},
		"many marks":           {"x" + strings.Repeat("\u0301", 99), "mia@acme.example"},
	} {
		t.Run(name, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			s := sallyporttest.NewSite(t, e)
			owner := s.Visitor()
			owner.SignIn(e.Owner)
			if got := owner.Post("/admin/brand", sallyporttest.Fields{"name": c.brand, "colour": ""}); got.Status != http.StatusSeeOther {
				t.Fatalf("the brand: %d %s", got.Status, got.Alert())
			}
			if got := owner.Get("/admin/brand"); got.Status != http.StatusOK || got.Data("data-label-preview") == "" {
				t.Errorf("the page of the brand: %d", got.Status)
			}
			mia := e.Add(c.address, sallyport.Member)
			v := s.Visitor()
			v.SignIn(mia)
			v.Post("/account/2fa/set-up", sallyporttest.Fields{"name": "Pixel"})
			p := v.Follow()
			if p.Status != http.StatusOK || len(p.Key()) != 32 || !strings.Contains(p.Body, `href="otpauth://totp/`) {
				t.Fatalf("%d, key %q\n%s", p.Status, p.Key(), p.Text())
			}
			_, svg, found := strings.Cut(p.Body, `<svg role="img"`)
			if !found {
				t.Fatal("there is no QR code")
			}
			picture := rasterise(t, svg)
			if version := (picture.Bounds().Dx()/scale - 2*quietZone - 17) / 4; version > 10 {
				t.Errorf("the QR code has version %d", version)
			}
			var file bytes.Buffer
			e.Check(png.Encode(&file, picture))
			path := filepath.Join(t.TempDir(), "qr.png")
			e.Check(os.WriteFile(path, file.Bytes(), 0o600))
			said, err := exec.Command("zbarimg", "--quiet", "--raw", path).Output()
			e.Check(err)
			key, err := otp.ParseURI(strings.TrimSpace(string(said)))
			if err != nil || otp.EncodeSecret(key.Secret) != p.Key() || key.Account == "" || !utf8.ValidString(key.Issuer+key.Account) || !strings.HasPrefix(c.address, key.Account) {
				t.Errorf("scanned %q: %v", said, err)
			}
		})
	}
}
