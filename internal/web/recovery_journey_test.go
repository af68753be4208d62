package web_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestJourneyRecoveryCodes goes from the codes that set-up shows to the day on which the phone is lost.
func TestJourneyRecoveryCodes(t *testing.T) {
	for name, l := range looks {
		t.Run(name, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			site := sallyporttest.NewSite(t, e)
			p := e.Add("mia@acme.example", sallyport.Member)
			b := sallyporttest.NewBrowser(t, site.URL, l)
			signInBy(b, p)
			b.Open("/account/2fa")
			b.Click("Enable")
			b.Fill("Name of the app", "Pixel – Aegis")
			b.Click("Continue")
			scan(t, b, &p)
			b.Fill("6-digit code", p.Code(e.Clock.Now()))
			b.Click("Confirm setup")
			codes := b.Texts("li.recovery-code")
			if len(codes) != 8 {
				t.Fatalf("set-up shows %d recovery codes", len(codes))
			}
			look(b, "recovery-new")
			b.Click("Continue")
			b.Sees("Save the recovery codes, then tick the box.")
			look(b, "recovery-not-saved")
			b.Check("I have saved these recovery codes")
			b.Click("Continue")
			b.Sees("Two-factor authentication is enabled.")
			b.Sees("8 of 8 codes are left")
			look(b, "recovery-section")

			b.Click("Show recovery codes")
			if again := b.Texts("li.recovery-code"); !slices.Equal(again, codes) {
				t.Fatalf("shown again: %v", again)
			}
			look(b, "recovery-shown")
			checkPrinted(b, l)
			b.Click("Regenerate recovery codes")
			b.Sees("The codes that you have now stop working at once.")
			b.Screenshot("recovery-regenerate")
			b.Click("Regenerate")
			b.Sees("New recovery codes were made.")
			codes = b.Texts("li.recovery-code")
			b.Open("/account")
			b.Sees("You have not saved your recovery codes.")
			look(b, "recovery-reminder")
			b.Click("Save them now")
			b.Check("I have saved these recovery codes")
			b.Click("Continue")
			b.Sees("Your recovery codes are saved.")
			b.DoesNotSee("You have not saved")

			b.Open("/sign-out")
			b.Click("Confirm")
			e.Clock.Advance(time.Hour)
			signInBy(b, p)
			b.Click("Use a recovery code")
			look(b, "challenge-recovery")
			b.Fill("Recovery code", "7KQ2M")
			b.Click("Continue")
			b.Sees("25 letters and digits")
			look(b, "challenge-recovery-wrong")
			b.Fill("Recovery code", strings.ToLower(strings.ReplaceAll(codes[4], "-", " ")))
			b.Click("Continue")
			b.Sees("You signed in with a recovery code")
			look(b, "after-recovery")
			b.Click("Set up a new authenticator app")
			b.Sees("every old one stops working")
			b.Open("/account/2fa/recovery-codes")
			b.Sees("so this is not possible yet")
			look(b, "recovery-refused")
			b.Click("See how to lift this restriction")
			b.Click("Not now")
			b.Sees("some actions are not possible yet")
			b.Open("/account/2fa")
			look(b, "recovery-restricted")
			if disabled := b.Texts("main button[disabled]"); !slices.Equal(disabled, []string{"Add another app", "Disable", "Remove", "Show recovery codes", "Regenerate recovery codes"}) {
				t.Errorf("disabled: %q", disabled)
			}
			b.ClickWithin(".banner", "See how to lift this restriction")
			b.Click("I still have my phone")
			b.Sees("Lift the restriction of this session")
			look(b, "after-recovery-code")
			b.Fill("6-digit code", p.Code(e.Clock.Now()))
			b.Click("Continue")
			b.Sees("The restriction is lifted")
			b.DoesNotSee("some actions are not possible yet")
			b.Click("Show recovery codes")
			b.Sees("Each code works once.")
		})
	}
}

// checkPrinted checks how the page looks when it is printed.
func checkPrinted(b *sallyporttest.Browser, l sallyporttest.Look) {
	sheet := l
	sheet.Print = true
	b.Look(sheet)
	b.Sees("Acme: mia@acme.example")
	b.Sees("Made on")
	b.DoesNotSee("Regenerate recovery codes")
	b.Screenshot("recovery-print")
	b.Look(l)
}

// TestJourneyOnce: the policy shows recovery codes only once, and they run out.
func TestJourneyOnce(t *testing.T) {
	for name, l := range looks {
		t.Run(name, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			e.Exec(`UPDATE policies SET recovery_code_mode = 'once', require_2fa = 'everyone', recovery_code_count = 5`)
			site := sallyporttest.NewSite(t, e)
			p := e.Add("mia@acme.example", sallyport.Member)
			b := sallyporttest.NewBrowser(t, site.URL, l)
			signInBy(b, p)
			b.Fill("Name of the app", "Pixel – Aegis")
			b.Click("Continue")
			scan(t, b, &p)
			b.Fill("6-digit code", p.Code(e.Clock.Now()))
			b.Click("Confirm setup")
			p.RecoveryCodes = b.Texts("li.recovery-code")
			look(b, "once-new")
			b.Check("I have saved these recovery codes")
			b.Click("Continue")
			b.Sees("Two-factor authentication is enabled.")
			b.Open("/account/2fa/recovery-codes")
			b.Sees("Recovery codes are shown only once")
			look(b, "once-never-again")
			for range 3 {
				recovering(site, &p)
			}
			b.Open("/account")
			b.Sees("You have 2 recovery codes left.")
			look(b, "once-two-left")
			b.Click("Make new ones")
			b.Click("Regenerate")
			b.Sees("New recovery codes were made.")
			if codes := b.Texts("li.recovery-code"); len(codes) != 5 {
				t.Errorf("%d new codes", len(codes))
			}
		})
	}
}
