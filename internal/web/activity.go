package web

import (
	"cmp"
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const activityPath = "/account/activity"

// eventWords describe every kind of event, for the people they are about and for administrators.
var eventWords = map[string]text.Message{
	"app.code_reused":    text.Say("An app used a code a second time"),
	"app.device_allowed": text.Say("Device connected to an app"),
	"app.device_refused": text.Say("Device refused"),
	"app.logout_failed":  text.Say("An app could not be told of a sign-out"),
	"app.opened":         text.Say("App opened"),
	"app.refresh_reused": text.Say("An app used an old refresh token"),
	"app.refused":        text.Say("App not opened"),
	"app.secret_wrong":   text.Say("Wrong client secret"),
	"app.token_revoked":  text.Say("An app gave back its access"),

	"approval.asked":           text.Say("Approval of a sign-in asked for"),
	"approval.given":           text.Say("Sign-in approved on another device"),
	"approval.refused":         text.Say("Sign-in refused: “It was not me”"),
	"approval.wrong_number":    text.Say("Sign-in refused: wrong number"),
	"passkey.added":            text.Say("Passkey added"),
	"passkey.changed":          text.Say("Passkey added, in place of all other second factors"),
	"passkey.renamed":          text.Say("Passkey renamed"),
	"passkey.removed":          text.Say("Passkey removed"),
	"passkey.wrong":            text.Say("Passkey refused"),
	"passkey.copied":           text.Say("Passkey refused: there may be a copy of it"),
	"authenticator.added":      text.Say("Authenticator app added"),
	"authenticator.changed":    text.Say("Authenticator app changed"),
	"authenticator.removed":    text.Say("Authenticator app removed"),
	"authenticator.renamed":    text.Say("Authenticator app renamed"),
	"authenticator.unreadable": text.Say("The key of an authenticator app could not be read"),
	"clock.set_back":           text.Say("The clock of the server was set back"),
	"code.clock_set_back":      text.Say("A code was refused, because the clock of the server was set back"),
	"code.refused":             text.Say("A code was refused, because it had been shown before its time"),
	"code.used_twice":          text.Say("A code was entered a second time"),
	"code.wrong":               text.Say("Wrong code"),
	"email.asked":              text.Say("New e-mail address entered, and a link sent to it"),
	"email.changed":            text.Say("E-mail address changed"),

	"group.created":            text.Say("Group added"),
	"group.renamed":            text.Say("Group renamed"),
	"group.deleted":            text.Say("Group deleted"),
	"group.joined":             text.Say("Added to a group"),
	"group.left":               text.Say("Removed from a group"),
	"app.changed":              text.Say("App changed"),
	"app.created":              text.Say("App connected"),
	"app.deleted":              text.Say("App deleted"),
	"app.disabled":             text.Say("App disabled"),
	"app.enabled":              text.Say("App enabled"),
	"app.secret_created":       text.Say("Secret of an app made"),
	"app.secret_revoked":       text.Say("Secret of an app revoked"),
	"email.undone":             text.Say("Change of the e-mail address undone"),
	"brand.changed":            text.Say("Name or colour of the brand changed"),
	"policy.changed":           text.Say("Access control changed"),
	"mail.sent_again":          text.Say("Failed e-mails sent again"),
	"invitation.read":          text.Say("Invitation read in the outbox"),
	"password.changed":         text.Say("Password changed"),
	"password.chosen":          text.Say("Temporary password replaced"),
	"password.forgotten":       text.Say("Link for a forgotten password requested"),
	"password.link_made":       text.Say("Link to a new password created"),
	"password.reset":           text.Say("Password replaced with an e-mailed link"),
	"password.wrong":           text.Say("Wrong password"),
	"recovery_code.used":       text.Say("Recovery code used"),
	"recovery_code.used_twice": text.Say("A recovery code was entered a second time"),
	"recovery_code.wrong":      text.Say("Wrong recovery code"),
	"recovery_codes.made":      text.Say("Recovery codes made"),
	"recovery_codes.saved":     text.Say("Recovery codes confirmed as saved"),
	"recovery_codes.shown":     text.Say("Recovery codes shown"),
	"session.ended":            text.Say("Sessions ended"),
	"session.signed_out":       text.Say("Signed out"),
	"session.stepped_up":       text.Say("Identity confirmed again"),
	"signing_key.created":      text.Say("Key for signing tokens created"),
	"signing_key.removed":      text.Say("Key for signing tokens removed"),
	"sign_in.completed":        text.Say("Signed in"),
	"sign_in.abandoned":        text.Say("Signed out before signing in was complete"),
	"set_up_code.given":        text.Say("Set-up code given"),
	"set_up_code.wrong":        text.Say("Wrong set-up code"),
	"token.created":            text.Say("Access token created"),
	"token.revoked":            text.Say("Access token revoked"),
	"trusted_device.added":     text.Say("Device trusted"),
	"trusted_device.copied":    text.Say("Device no longer trusted, because an old copy of its cookie was used"),
	"trusted_device.old_value": text.Say("An old copy of a trusted device's cookie was used"),
	"trusted_device.removed":   text.Say("Trusted device removed"),
	"two_factor.disabled":      text.Say("Two-factor authentication disabled"),
	"two_factor.enabled":       text.Say("Two-factor authentication enabled"),
	"user.added":               text.Say("Account made"),
	"two_factor.reset":         text.Say("Two-factor authentication reset"),
	"two_factor.reminded":      text.Say("Reminders sent to people without two-factor authentication"),
	"user.deleted":             text.Say("Account deleted"),
	"user.invitation_revoked":  text.Say("Invitation revoked"),
	"user.invited":             text.Say("Invited"),
	"user.invited_again":       text.Say("Invited again"),
	"user.joined":              text.Say("Invitation accepted"),
	"user.locked":              text.Say("Locked"),
	"user.lock_ended":          text.Say("Lock ended"),
	"user.reminded":            text.Say("Reminded to set up two-factor authentication"),
	"user.renamed":             text.Say("Name changed"),
	"user.restored":            text.Say("Account restored"),
	"user.role_changed":        text.Say("Role changed"),
	"user.signed_out":          text.Say("Signed out everywhere"),
	"user.suspended":           text.Say("Account suspended"),
	"user.unlocked":            text.Say("Account unlocked"),
	"workspace.created":        text.Say("Workspace created"),
}

// methodWords name the method by which a sign-in was completed, or an identity confirmed.
var methodWords = map[sallyport.Method]text.Message{
	sallyport.ByPassword:      text.Say("with the password"),
	sallyport.ByAuthenticator: text.Say("with an authenticator app"),
	sallyport.ByPasskey:       text.Say("with a passkey"),
	sallyport.ByRecoveryCode:  text.Say("with a recovery code"),
	sallyport.ByTrustedDevice: text.Say("on a trusted device"),
	sallyport.ByApproval:      text.Say("by approval on another device"),
	sallyport.BySetUpCode:     text.Say("with a set-up code"),
	sallyport.NoSecondFactor:  text.Say("without a second factor"),
}

type activityPageData struct {
	page
	Tabs   []link
	Events []event
	Pager  pager
}

// event is one line of a list of events.
type event struct {
	sallyport.Event
	Words  text.Message
	Method text.Message // or the reason of a lock; empty if there is neither
	Name   string       // of the app, device or group that it is about, or empty
	Who    text.Message // who did it; empty: the person themselves, or unknown
}

func newEvent(e sallyport.Event) event {
	v := event{Event: e, Words: eventWords[e.Kind], Method: methodWords[sallyport.Method(e.Detail["method"])], Name: cmp.Or(e.Detail["name"], e.AppName)}
	if l, ok := lockReasons[sallyport.Lock(e.Detail["lock"])]; ok {
		v.Method = l
	}
	switch {
	case e.Detail["signed_in"] != "":
		v.Who = text.Say("in a browser where someone else was signed in")
	case e.ActorKind == "console":
		v.Who = text.Say("by the operator of the server")
	case e.ActorKind == "reseller":
		v.Who = text.Say("by the reseller")
	case e.ActorKind == "system":
		v.Who = text.Say("by the server itself")
	case e.ActorKind == "user" && e.Actor != e.Subject:
		v.Who = text.Say("by an administrator")
	}
	return v
}

func (s *site) activity(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	all, more, err := s.service.Activity(r.Context(), by(r), q.Get("before"))
	if err != nil {
		return err
	}
	v := &activityPageData{page: page{Title: text.Say("Activity"), Wide: true}, Tabs: accountTabs(activityPath)}
	for _, e := range all {
		v.Events = append(v.Events, newEvent(e))
	}
	if q.Get("before") != "" {
		v.Pager.Newer = activityPath
	}
	if more {
		v.Pager.Older = activityPath + "?before=" + all[len(all)-1].ID
	}
	return s.render(w, r, http.StatusOK, "activity", v)
}
