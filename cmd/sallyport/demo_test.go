package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// told is the documented form of the line that demo --json prints.
type told struct {
	URL        string `json:"url"`
	Data       string `json:"data"`
	Workspaces []struct {
		Name   string     `json:"name"`
		URL    string     `json:"url"`
		APIKey *string    `json:"api_key"`
		Users  []toldUser `json:"users"`
		Groups []string   `json:"groups"`
		Apps   []toldApp  `json:"apps"`
	} `json:"workspaces"`
}

type toldUser struct {
	Email         string   `json:"email"`
	Password      string   `json:"password"`
	Role          string   `json:"role"`
	TwoFactor     string   `json:"two_factor"`
	Secret        *string  `json:"secret"`
	RecoveryCodes []string `json:"recovery_codes"`
}

type toldApp struct {
	Name         string   `json:"name"`
	ID           string   `json:"id"`
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	RedirectURIs []string `json:"redirect_uris"`
	Hosts        []string `json:"hosts"`
	APIKey       string   `json:"api_key"`
	Level        string   `json:"level"`
	Access       string   `json:"access"`
}

func startDemo(t *testing.T) (*process, told) {
	t.Helper()
	p := startCommand(t, "demo", "--json")
	if !p.ready() {
		t.Fatal("the demo has ended")
	}
	var d told
	strict := json.NewDecoder(strings.NewReader(p.printed(1)))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&d); err != nil {
		t.Fatal(err)
	}
	return p, d
}

// The demo has a person with every role and in every state. People who use two-factor authentication can sign in at
// once with what the demo printed, because no current code is used up.
func TestDemoPeople(t *testing.T) {
	p, d := startDemo(t)
	seen := map[string]bool{}
	for i, w := range d.Workspaces {
		if want := strings.Replace(d.URL, "//", []string{"//", "//globex."}[i], 1); w.URL != want {
			t.Errorf("%s is at %s, want %s", w.Name, w.URL, want)
		}
		for _, u := range w.Users {
			seen[u.Role], seen[u.TwoFactor] = true, true
			if (u.TwoFactor == "enabled") != (*u.Secret != "") || (u.TwoFactor == "enabled") != (len(u.RecoveryCodes) > 0) {
				t.Errorf("%s: 2FA is %s, the secret %q, recovery codes %q", u.Email, u.TwoFactor, *u.Secret, u.RecoveryCodes)
			}
			if u.TwoFactor != "enabled" || strings.HasPrefix(u.Email, "lou@") {
				continue
			}
			secret, err := otp.DecodeSecret(*u.Secret)
			if err != nil {
				t.Fatal(err)
			}
			v := &visitor{t, w.URL, map[string]string{}}
			v.expect(303)(v.post(p, "/sign-in", map[string][]string{"email": {u.Email}, "password": {u.Password}}))
			v.expect(303)(v.post(p, "/sign-in/2fa", map[string][]string{"code": {code6(secret, 0)}}))
			if body := v.expect(200)(v.get(p, "/session")); !strings.Contains(body, fmt.Sprintf("%q", u.Email)) {
				t.Errorf("%s got %s", u.Email, body)
			}
			if u.Role == "owner" {
				if body := v.expect(200)(v.get(p, "/admin")); !strings.Contains(body, "<polyline points=") {
					t.Errorf("the overview of %s has no chart: %s", w.Name, body)
				}
			}
		}
	}
	for _, want := range []string{"owner", "admin", "manager", "member", "enabled", "disabled", "required"} {
		if !seen[want] {
			t.Errorf("no person is %s", want)
		}
	}
	demoStates(t, p, d)
}

// demoStates checks the people who cannot simply sign in: each gets exactly as far as the demo says.
func demoStates(t *testing.T, p *process, d told) {
	at := func(url string) *visitor { return &visitor{t, url, map[string]string{}} }
	page := at(d.URL).expect(200)(at(d.URL).get(p, "/demo"))
	for _, state := range []string{"invited", "suspended"} {
		if !strings.Contains(page, ">"+state+"<") {
			t.Errorf("no person is %s", state)
		}
	}
	setUpCode := regexp.MustCompile(`with the code ([0-9A-Z-]{29})`).FindStringSubmatch(page)
	link := regexp.MustCompile(regexp.QuoteMeta(d.URL) + `(/invitation/[\w-]+)`).FindStringSubmatch(page)
	if setUpCode == nil || link == nil {
		t.Fatalf("no set-up code or no invitation on the page: %q %q", setUpCode, link)
	}
	at(d.URL).expect(200)(at(d.URL).get(p, link[1]))
	globex := d.Workspaces[1].URL
	for email, to := range map[string]string{
		"sam@acme.example": "", "nora@acme.example": "/sign-in/set-up", "rita@acme.example": "/sign-in/set-up",
		"gwen@globex.example": "/sign-in/set-up", "tomas@globex.example": "/sign-in/password", "lou@acme.example": "/sign-in/2fa",
	} {
		v := at(d.URL)
		if strings.HasSuffix(email, "@globex.example") {
			v = at(globex)
		}
		want := 303
		if to == "" {
			want = 422
		}
		v.expect(want)(v.post(p, "/sign-in", map[string][]string{"email": {email}, "password": {d.password(email)}}))
		if to != "" {
			v.expect(200)(v.get(p, to))
		}
		if email == "nora@acme.example" {
			v.expect(422)(v.post(p, to, map[string][]string{"name": {"Pixel"}}))
			v.expect(303)(v.post(p, to, map[string][]string{"name": {"Pixel"}, "set_up_code": {setUpCode[1]}}))
		}
	}
	for _, url := range []string{d.URL, globex} { // Globex uses the brand of Acme, its reseller
		if body := at(url).expect(200)(at(url).get(p, "/sign-in")); !strings.Contains(body, "<bdi>Acme</bdi>") {
			t.Errorf("the brand at %s: %s", url, body)
		}
	}
}

// TestDemoListsUnusedRecoveryCodes: the demo's page lists exactly the unused recovery codes, whether the policy keeps
// their text or not.
func TestDemoListsUnusedRecoveryCodes(t *testing.T) {
	p, d := startDemo(t)
	for i, email := range []string{"mark@acme.example", "glen@globex.example"} {
		at := slices.IndexFunc(d.Workspaces[i].Users, func(u toldUser) bool { return u.Email == email })
		u := d.Workspaces[i].Users[at]
		v := &visitor{t, d.Workspaces[i].URL, map[string]string{}}
		listed := func() (n int) {
			page := v.expect(200)(v.get(p, "/demo"))
			for _, code := range u.RecoveryCodes {
				n += strings.Count(page, code)
			}
			return n
		}
		if n := listed(); n != len(u.RecoveryCodes) {
			t.Errorf("%s: %d recovery codes on the page, want %d", email, n, len(u.RecoveryCodes))
		}
		v.expect(303)(v.post(p, "/sign-in", url.Values{"email": {email}, "password": {u.Password}}))
		v.expect(303)(v.post(p, "/sign-in/2fa/recovery", url.Values{"recovery_code": u.RecoveryCodes[:1]}))
		if strings.Contains(v.expect(200)(v.get(p, "/demo")), u.RecoveryCodes[0]) || listed() != len(u.RecoveryCodes)-1 {
			t.Errorf("%s: a used recovery code is on the page, or an unused one is not", email)
		}
	}
}

// TestDemoWrongCode: the code is wrong even at the times when 000000, the first candidate, is right or would be right
// for a wrong clock.
func TestDemoWrongCode(t *testing.T) {
	key, zeros := []byte("12345678901234567890"), int64(59995833)
	if code := otp.Default.Code(key, zeros); code != "000000" {
		t.Fatalf("the code is %s", code)
	}
	for ahead := int64(-21); ahead <= 21; ahead++ {
		now := otp.Default.Time(zeros + ahead)
		d := &demoSeed{installation: &installation{Service: &sallyport.Service{Now: func() time.Time { return now }}}}
		wrong, err := d.wrongCode(otp.EncodeSecret(key))
		if err != nil || wrong == "000000" || len(wrong) != 6 {
			t.Errorf("%d steps after a code of zeros: %q, %v", ahead, wrong, err)
		}
	}
}

func (d told) password(email string) string {
	for _, w := range d.Workspaces {
		for _, u := range w.Users {
			if u.Email == email {
				return u.Password
			}
		}
	}
	return ""
}

// TestDemoJourney also takes the pictures of the README (make pictures). A person tries the demo: sets up an app
// without a phone, sees its code on the demo's page, and moves the clock.
func TestDemoJourney(t *testing.T) {
	_, d := startDemo(t)
	phone := sallyporttest.NewBrowser(t, d.URL, sallyporttest.Look{})
	phone.Open("/demo")
	phone.Sees("must set up 2FA: it is required of admins")

	b := sallyporttest.NewBrowser(t, d.URL, sallyporttest.Look{})
	b.Open("/sign-in")
	b.Fill("E-mail address", "rita@acme.example")
	b.Fill("Password", "granite_parrot_slow_tango")
	b.Click("Sign in")
	b.Fill("Name of the app", "Test phone")
	b.Click("Continue")
	b.Sees("Scan the QR code")
	phone.Sees("Test phone, being set up")
	b.Fill("6-digit code", codeOf(t, phone, "Test phone"))
	b.Click("Confirm setup")
	b.Check("I have saved these recovery codes")
	b.Click("Continue")
	phone.DoesNotSee("being set up")

	phone.Click("+14 days")
	phone.Sees("moved by 336h0m0s")
	b.Open("/account")
	b.Sees("Sign in") // sessions do not last that long
	b.Fill("E-mail address", "rita@acme.example")
	b.Fill("Password", "granite_parrot_slow_tango")
	b.Click("Sign in")
	b.Sees("Enter the code from Test phone")
	b.Screenshot("sign-in-light")
	b.Look(sallyporttest.Look{Dark: true})
	b.Screenshot("sign-in-dark")
	b.Fill("6-digit code", codeOf(t, phone, "Test phone"))
	b.Click("Continue")
	b.Sees("Rita Reyes")
	phone.Click("Back to the real time")
	phone.DoesNotSee("moved by")
	b.Clean()
	phone.Clean()
}

var sixDigits = regexp.MustCompile(`^\d{6}$`)

// codeOf reads the code of an app from the demo's page.
func codeOf(t *testing.T, phone *sallyporttest.Browser, authenticator string) string {
	t.Helper()
	lines := strings.Fields(phone.Text("main"))
	at := slices.Index(lines, strings.Fields(authenticator)[0])
	if at < 1 || !sixDigits.MatchString(lines[at-1]) {
		t.Fatalf("no code of %s on the page", authenticator)
	}
	return lines[at-1]
}

// The demo's page meets the same standards as those of the product.
func TestDemoPage(t *testing.T) {
	_, d := startDemo(t)
	for name, look := range map[string]sallyporttest.Look{
		"light":     {},
		"dark":      {Dark: true},
		"narrow":    {Width: 320},
		"no script": {NoScript: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := sallyporttest.NewBrowser(t, d.URL, look)
			b.Open("/demo")
			b.Sees("Acme: Two-factor authentication is enabled")
			b.Fits()
			sallyporttest.Axe(b)
			b.Screenshot("demo")
			b.Clean()
		})
	}
}
