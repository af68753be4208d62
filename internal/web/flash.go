package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// noticeCookie carries the code of a notice through a redirect. In a URL, anyone could set it.
const noticeCookie = "notice"

// notices are the texts after successful posts, by code.
var notices = map[string]text.Message{
	"saved":                 text.Say("Saved."),
	"device-removed":        text.Say("The device is no longer trusted. It will be asked for a code at its next sign-in."),
	"devices-removed":       text.Say("You no longer have any trusted devices. Each of them will be asked for a code."),
	"codes-made":            text.Say("New recovery codes were made. The old ones no longer work."),
	"restriction-lifted":    text.Say("The restriction is lifted: you can use everything again."),
	"codes-saved":           text.Say("Your recovery codes are saved."),
	"session-ended-here":    text.Say("Your session has ended. Sign in to continue."),
	"form-kept":             text.Say("Your session has ended, so nothing was changed. What you entered is still here, except passwords. Check it and send it again."),
	"half-way":              text.Say("You have not finished signing in. Complete this step to continue."),
	"device-allowed":        text.Say("The device is connected. You can close this page."),
	"device-refused":        text.Say("The device was refused. It learns nothing."),
	"signed-out":            text.Say("You are signed out."),
	"disabled":              text.Say("Two-factor authentication is disabled."),
	"authenticator-added":   text.Say("The authenticator app is added. You can now sign in with a code from any of your apps."),
	"approved":              text.Say("The sign-in is approved. It goes on in the other browser."),
	"approval-refused":      text.Say("The sign-in is refused. Somebody else knows your password: choose a new one now."),
	"passkey-added":         text.Say("The passkey is added. You can now sign in with it."),
	"passkey-renamed":       text.Say("The passkey has its new name."),
	"passkey-removed":       text.Say("The passkey is removed."),
	"authenticator-changed": text.Say("The new authenticator app is in place. The old one no longer works."),
	"authenticator-renamed": text.Say("The authenticator app has its new name."),
	"authenticator-removed": text.Say("The authenticator app is removed."),
	"enabled":               text.Say("Two-factor authentication is enabled."),
	"first-owner":           text.Say("Your workspace is ready, and you are signed in as its owner."),
	"link-mailed":           text.Say("If someone here has this address, a link to choose a new password is on its way. It works for 30 minutes. Check your spam folder, too."),
	"password-reset":        text.Say("Your new password is set. Sign in with it."),
	"password-changed":      text.Say("Your password is changed. You are signed out everywhere else."),
	"email-asked":           text.Say("We sent a link to the new address. Your address changes when you open it. If nothing arrives within a few minutes, check the address: it may be mistyped, or in use already."),
	"email-changed":         text.Say("Your e-mail address is changed. Sign in with the new one from now on."),
	"email-undone":          text.Say("The change of your e-mail address is undone. Choose a new password to go on."),
	"session-ended":         text.Say("The session is ended."),
	"policy-saved":          text.Say("Saved. The settings apply from now on, on every page that anyone opens."),
	"app-created":           text.Say("The app is connected."),
	"app-saved":             text.Say("Saved. The settings apply from now on."),
	"app-disconnected":      text.Say("The app does not use OpenID Connect any more."),
	"app-enabled":           text.Say("The app is enabled: people can use it again."),
	"app-disabled":          text.Say("The app is disabled. Everyone is signed out of it."),
	"app-deleted":           text.Say("The app is deleted."),
	"secret-revoked":        text.Say("The secret is revoked. It no longer works."),
	"brand-saved":           text.Say("Saved. New authenticator apps are set up under this name."),
	"sessions-ended":        text.Say("All other sessions are ended."),
	"person-saved":          text.Say("Saved."),
	"person-asked":          text.Say("Saved. A link went to the new e-mail address. The address changes when the person opens it, within 24 hours."),
	"person-asked-waits":    text.Say("Saved. The new e-mail address changes only when the person opens the link that was written to it. No mail server is set up, so the link waits in the outbox."),
	"role-changed":          text.Say("The role is changed. The person has to sign in again."),
	"suspended":             text.Say("The person is suspended, and signed out everywhere."),
	"restored":              text.Say("The account is restored."),
	"unlocked":              text.Say("The person is unlocked, and can try passwords and codes again."),
	"signed-out-everywhere": text.Say("The person is signed out everywhere."),
	"deleted":               text.Say("The person is deleted."),
	"invited":               text.Say("The invitation is on its way. It works for 72 hours."),
	"invited-again":         text.Say("A new invitation is on its way. The one before no longer works."),
	"invitation-revoked":    text.Say("The invitation is revoked."),
	"workspace-created":     text.Say("The workspace is created. Its first owner gets an e-mail with a link. Until the owner has used it, nobody can sign in there."),
	"group-added":           text.Say("The group is added. Add people to it."),
	"group-renamed":         text.Say("The group has its new name."),
	"group-deleted":         text.Say("The group is deleted."),
	"group-joined":          text.Say("The person is in the group."),
	"group-left":            text.Say("The person is no longer in the group."),
	"mail-again":            text.Say("The e-mail is waiting to be sent again."),
	"mails-again":           text.Say("The failed e-mails are waiting to be sent again."),
	"token-revoked":         text.Say("The access token is revoked."),
	"joined":                text.Say("Your account is ready. Sign in with your new password."),

	"link-mailed-waits":       text.Say("This server sends no e-mails. Ask an administrator for a link to a new password."),
	"email-asked-waits":       text.Say("This server sends no e-mails, so the link cannot reach you, and your address stays as it is. Ask an administrator to have a mail server set up."),
	"invited-waits":           text.Say(`The person is invited. No mail server is set up: open the invitation in the <a href="/admin/outbox">mail outbox</a>, and hand it over within 72 hours.`),
	"invited-again-waits":     text.Say(`There is a new invitation, and the one before no longer works. No mail server is set up: open it in the <a href="/admin/outbox">mail outbox</a>, and hand it over within 72 hours.`),
	"workspace-created-waits": text.Say(`The workspace is created. No mail server is set up: open the invitation of its first owner in the <a href="/admin/outbox">mail outbox</a>, and hand it over within 72 hours. Until the owner has used it, nobody can sign in there.`),

	"role-changed-invited":          text.Say("The role is changed. The invitation no longer works, so send it again."),
	"suspended-invited":             text.Say("The person is suspended, and the invitation no longer works."),
	"restored-invited":              text.Say("The person is invited as before. The invitation no longer works, so send it again."),
	"signed-out-everywhere-invited": text.Say("The invitation no longer works, so send it again."),
}

// mailed returns the code of a notice that an e-mail is on its way. Without a mail server, it returns the code of one
// that says where the e-mail waits.
func (s *site) mailed(notice string) string {
	if waits := notice + "-waits"; s.service.Mailer == nil && (!notices[waits].IsZero() || counted[waits] != nil) {
		return waits
	}
	return notice
}

// ofInvited returns the code of the notice for somebody who has not accepted their invitation, if there is one: what
// ends everything that the person named in the path has open ends the invitation as well.
func (s *site) ofInvited(r *http.Request, notice string) string {
	invited := notice + "-invited"
	if notices[invited].IsZero() {
		return notice
	}
	p, err := s.service.Person(r.Context(), by(r), r.PathValue("id"))
	if err != nil || p.State == sallyport.Active || p.State == sallyport.Suspended && p.Restored() == sallyport.Active {
		return notice
	}
	return invited
}

// done redirects after a successful post to one of our pages, which shows the notice once.
func (p *pages) done(w http.ResponseWriter, r *http.Request, to, notice string) error {
	if notice != "" {
		p.edge.SetCookie(w, noticeCookie, notice, time.Minute)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// counted are notices with a number. Their code ends in a dot and the number.
var counted = map[string]func(int) text.Message{
	"bulk-remind": func(n int) text.Message {
		return text.Count(n, "{n} reminder is in the outbox.", "{n} reminders are in the outbox.")
	},
	"bulk-sign-out": func(n int) text.Message {
		return text.Count(n, "{n} person is signed out everywhere.", "{n} people are signed out everywhere.")
	},
	"bulk-suspend": func(n int) text.Message {
		return text.Count(n, "{n} person is suspended, and signed out everywhere.", "{n} people are suspended, and signed out everywhere.")
	},
	"bulk-restore": func(n int) text.Message {
		return text.Count(n, "{n} account is restored.", "{n} accounts are restored.")
	},
	"invited-several": func(n int) text.Message {
		return text.Count(n, "{n} person is invited. The invitation works for 72 hours.", "{n} people are invited. The invitations work for 72 hours.")
	},
	"invited-several-waits": func(n int) text.Message {
		return text.Count(n, `{n} person is invited. No mail server is set up: open the invitation in the <a href="/admin/outbox">mail outbox</a>, and hand it over within 72 hours.`,
			`{n} people are invited. No mail server is set up: open the invitations in the <a href="/admin/outbox">mail outbox</a>, and hand them over within 72 hours.`)
	},
}

func (p *pages) takeNotice(w http.ResponseWriter, r *http.Request) text.Message {
	code := p.edge.Cookie(r, noticeCookie)
	if code == "" {
		return text.Message{}
	}
	p.edge.ClearCookie(w, noticeCookie)
	name, number, _ := strings.Cut(code, ".")
	if say := counted[name]; say != nil {
		n, _ := strconv.Atoi(number)
		return say(n)
	}
	return notices[code]
}
