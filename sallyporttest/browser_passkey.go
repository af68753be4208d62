package sallyporttest

import (
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// SecurityKey is an authenticator that the browser can use for passkeys.
type SecurityKey struct {
	b  *Browser
	id webauthn.AuthenticatorID
}

// PlugIn connects an authenticator: one built into the computer, which keeps discoverable keys, or else a security key on
// USB. If verifies is set, it checks who its user is.
func (b *Browser) PlugIn(builtIn, verifies bool) *SecurityKey {
	b.t.Helper()
	o := &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportUsb,
		HasResidentKey: builtIn, HasUserVerification: verifies, IsUserVerified: verifies, AutomaticPresenceSimulation: true,
	}
	if builtIn {
		o.Transport = webauthn.AuthenticatorTransportInternal
	}
	_, err := chromedp.Call(b.ctx, webauthn.Enable, webauthn.EnableParams{})
	k := &SecurityKey{b: b}
	if err == nil {
		var added webauthn.AddVirtualAuthenticatorResult
		added, err = chromedp.Call(b.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: o})
		k.id = added.AuthenticatorID
	}
	if err != nil {
		b.fail("PlugIn: %v", err)
	}
	return k
}

// Touch sets whether somebody touches the authenticator as soon as it blinks. At first, somebody does.
func (k *SecurityKey) Touch(touched bool) {
	k.b.t.Helper()
	_, err := chromedp.Call(k.b.ctx, webauthn.SetAutomaticPresenceSimulation,
		webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: k.id, Enabled: touched})
	if err != nil {
		k.b.fail("Touch: %v", err)
	}
}

// PullOut disconnects the authenticator.
func (k *SecurityKey) PullOut() {
	k.b.t.Helper()
	_, err := chromedp.Call(k.b.ctx, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: k.id})
	if err != nil {
		k.b.fail("PullOut: %v", err)
	}
}

// Forge makes the authenticator sign wrongly from now on.
func (k *SecurityKey) Forge() {
	k.b.t.Helper()
	wrong := true
	_, err := chromedp.Call(k.b.ctx, webauthn.SetResponseOverrideBits, webauthn.SetResponseOverrideBitsParams{AuthenticatorID: k.id, IsBogusSignature: &wrong})
	if err != nil {
		k.b.fail("Forge: %v", err)
	}
}
