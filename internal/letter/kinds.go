package letter

import "github.com/sallyport-2fa/sallyport/internal/text"

// wording is one kind of e-mail. Its texts may contain {brand} and the facts.
type wording struct {
	subject text.Key
	says    text.Key // what happened
	many    text.Key // the same for any number other than one; both then contain {n}
	count   string   // the fact that is n
	then    text.Key // what follows from it
	only    string   // then is said only if this fact, a bool, is true
	not     text.Key // what to do if it was not you

	// facts are exactly what a letter must be given:
	//
	//	app, key       string     the name of an authenticator, of a passkey
	//	device         string     the name of a browser
	//	old, new       string     e-mail addresses
	//	person         string     e-mail address of someone else
	//	workspace      string     its name
	//	days, n, left  int
	//	low            bool       few recovery codes are left
	//	on             time.Time  a future date
	//	ends           time.Time  when the link or password in the mail stops working; the mail is not sent after that
	//	token          string     of the link, secret
	//	password       string     a temporary password, secret
	facts []string

	open     Page // the page that the mail's link opens, with the token if there is one
	unproven bool // the address may be someone else's, so the mail does not name the person or their location
}

const (
	linkEnds       text.Key = "You can use the link below once, until {ends}."
	changePassword text.Key = "If this was not you, change your password now and tell an administrator of {brand}."
	knowsPassword  text.Key = "If this was not you, someone knows your password. Change it now and tell an administrator of {brand}."
	callForHelp    text.Key = "If this was not you, choose “Forgot password?” on the sign-in page now to set a new password, and tell an administrator of {brand}."
	checkAdmins    text.Key = "If you did not expect this, find out in the audit log who did it, and suspend the new account now."
	tellAdmin      text.Key = "If you did not expect this, tell an administrator of {brand} now."
)

// kinds are all kinds of e-mail.
var kinds = map[string]wording{
	"two_factor.enabled": {
		subject: "Two-factor authentication is enabled",
		says:    "Two-factor authentication is now enabled for your account. You sign in with your password and a code from the authenticator app <bdi>{app}</bdi>.",
		then:    "Keep your recovery codes in a safe place. You need one of them to sign in if you lose your phone.",
		not:     changePassword, facts: []string{"app"}, open: TwoFactor,
	},
	"two_factor.enabled_by_passkey": {
		subject: "Two-factor authentication is enabled",
		says:    "Two-factor authentication is now enabled for your account. You sign in with your passkey <bdi>{key}</bdi>.",
		then:    "Keep your recovery codes in a safe place. You need one of them to sign in if you lose the passkey.",
		not:     changePassword, facts: []string{"key"}, open: TwoFactor,
	},
	"passkey.added": {
		subject: "A passkey was added",
		says:    "The passkey <bdi>{key}</bdi> was added to your account. You can now sign in with it.",
		not:     changePassword, facts: []string{"key"}, open: TwoFactor,
	},
	"passkey.changed": {
		subject: "Your second factors were replaced by a passkey",
		says:    "The passkey <bdi>{key}</bdi> was added to your account after a recovery code. It replaces every authenticator app and passkey that you had: they no longer work.",
		not:     changePassword, facts: []string{"key"}, open: TwoFactor,
	},
	"passkey.removed": {
		subject: "A passkey was removed",
		says:    "The passkey <bdi>{key}</bdi> was removed from your account. It no longer works.",
		not:     changePassword, facts: []string{"key"}, open: TwoFactor,
	},
	"passkey.copied": {
		subject: "A security key may have been copied",
		says:    "Someone tried to sign in with the security key <bdi>{key}</bdi>, but the key counted backwards. That happens if there is a copy of it. The sign-in was refused.",
		not:     "Remove this key from your account now, and tell an administrator of {brand}.", facts: []string{"key"}, open: TwoFactor,
	},
	"approval.refused": {
		subject: "You refused a sign-in",
		says:    "Somebody entered your password and asked you to approve a sign-in from <bdi>{device}</bdi>, at the IP address {from}. In the browser below, you said that it was not you, so the sign-in was refused.",
		then:    "Somebody else knows your password. Change it now.",
		not:     changePassword, facts: []string{"device", "from"}, open: Activity,
	},
	"two_factor.disabled": {
		subject: "Two-factor authentication is disabled",
		says:    "Two-factor authentication is now disabled for your account. You sign in with your password alone. Your recovery codes and trusted devices were removed.",
		not:     changePassword, open: TwoFactor,
	},
	"two_factor.reset": {
		subject: "Your two-factor authentication was reset",
		says:    "An administrator of {brand} reset your two-factor authentication. Your authenticator apps, recovery codes and trusted devices were removed, and you were signed out everywhere.",
		then:    "The next time you sign in, you set it up again. For this you need a set-up code. Ask your administrator for it: it is never sent by e-mail.",
		not:     tellAdmin, open: SignIn,
	},
	"two_factor.reminder": {
		subject: "Set up two-factor authentication",
		says:    "An administrator of {brand} asks you to set up two-factor authentication. It protects your account even if someone learns your password. You need your phone and a few minutes.",
		open:    TwoFactor,
	},
	"two_factor.reminder_dated": {
		subject: "Set up two-factor authentication",
		says:    "From {on}, {brand} requires two-factor authentication. It protects your account even if someone learns your password. You need your phone and a few minutes.",
		facts:   []string{"on"}, open: TwoFactor,
	},
	"authenticator.added": {
		subject: "An authenticator app was added",
		says:    "The authenticator app <bdi>{app}</bdi> was added to your account. You can now sign in with its codes.",
		not:     changePassword, facts: []string{"app"}, open: TwoFactor,
	},
	"authenticator.changed": {
		subject: "Your authenticator app was changed",
		says:    "Your account now uses the authenticator app <bdi>{app}</bdi>. Codes from the app it replaced no longer work.",
		not:     changePassword, facts: []string{"app"}, open: TwoFactor,
	},
	"authenticator.removed": {
		subject: "An authenticator app was removed",
		says:    "The authenticator app <bdi>{app}</bdi> was removed from your account. Its codes no longer work.",
		not:     changePassword, facts: []string{"app"}, open: TwoFactor,
	},
	"recovery_codes.made": {
		subject: "New recovery codes were created",
		says:    "New recovery codes were created for your account. Your old ones no longer work.",
		not:     changePassword, open: RecoveryCodes,
	},
	"recovery_code.used": {
		subject: "A recovery code was used",
		says:    "One of your recovery codes was used. You have {n} recovery code left.",
		many:    "One of your recovery codes was used. You have {n} recovery codes left.", count: "left",
		then: "Create new ones before you run out.", only: "low",
		not: changePassword, facts: []string{"left", "low"}, open: RecoveryCodes,
	},
	"trusted_device.added": {
		subject: "You have a new trusted device",
		says:    "The device <bdi>{device}</bdi> is now trusted for {n} day. You can sign in there with your password alone.",
		many:    "The device <bdi>{device}</bdi> is now trusted for {n} days. You can sign in there with your password alone.", count: "days",
		not: "If this was not you, remove the device and change your password now.", facts: []string{"device", "days"}, open: TrustedDevices,
	},
	"trusted_device.copied": {
		subject: "A trusted device is no longer trusted",
		says:    "Someone may have copied the cookie that makes <bdi>{device}</bdi> a trusted device: it was used a second time. The device is no longer trusted. You need a code the next time you sign in there.",
		not:     knowsPassword, facts: []string{"device"}, open: TrustedDevices,
	},
	"password.changed": {
		subject: "Your password was changed",
		says:    "Your password was changed. You were signed out everywhere else, and your trusted devices were removed.",
		not:     callForHelp, open: Activity,
	},
	"password.forgotten": {
		subject: "Choose a new password",
		says:    "Someone, probably you, asked for a link to choose a new password for your account.",
		then:    linkEnds,
		not:     "If this was not you, ignore this e-mail. Your password stays the same.", facts: []string{"token", "ends"}, open: Reset,
	},
	"password.link": {
		subject: "An administrator created a password link for you",
		says:    "An administrator of {brand} created a link that lets you choose a new password. They will give it to you themselves. It is not in this e-mail.",
		then:    "Your current password works until you use the link. Your two-factor authentication stays the same.",
		not:     tellAdmin, open: SignIn,
	},
	"temporary_password": {
		subject: "Your temporary password",
		says:    "An administrator of {brand} created an account for you. Sign in with this temporary password, then choose your own: <code>{password}</code>",
		then:    "You can use the temporary password once, until {ends}.",
		not:     "If you did not expect this, ignore this e-mail.", facts: []string{"password", "ends"}, open: SignIn,
	},
	"invitation": {
		subject: "You are invited",
		says:    "An administrator of {brand} created an account for you. Choose a password to start using it.",
		then:    linkEnds,
		not:     "If you did not expect this, ignore this e-mail.", facts: []string{"token", "ends"}, open: Invitation,
	},
	"workspace.invitation": {
		subject: "You are invited",
		says:    "{brand} created the workspace <bdi>{workspace}</bdi> and made you its first owner. Choose a password to get started.",
		then:    linkEnds,
		not:     "If you did not expect this, ignore this e-mail.", facts: []string{"workspace", "token", "ends"}, open: Invitation,
	},
	"email.confirm": {
		subject: "Confirm your e-mail address",
		says:    "Someone, probably you, wants to use this e-mail address for an account at {brand}.",
		then:    linkEnds,
		not:     "If this was not you, ignore this e-mail. Nothing changes unless you confirm.", facts: []string{"token", "ends"}, open: ConfirmEmail, unproven: true,
	},
	"email.confirm_given": {
		subject: "Confirm your e-mail address",
		says:    "An administrator of {brand} entered this e-mail address for an account, probably yours. Confirm the address to sign in with it.",
		then:    linkEnds,
		not:     "If you did not expect this, ignore this e-mail. Nothing changes unless you confirm.", facts: []string{"token", "ends"}, open: ConfirmEmail, unproven: true,
	},
	"session.ended": {
		subject: "An administrator ended one of your sessions",
		says:    "An administrator of {brand} ended your session in <bdi>{device}</bdi>. To continue there, sign in again.",
		not:     tellAdmin, facts: []string{"device"}, open: Activity,
	},
	"trusted_device.removed": {
		subject: "A device is no longer trusted",
		says:    "An administrator of {brand} removed the device <bdi>{device}</bdi> from your trusted devices. You need a code the next time you sign in there.",
		not:     tellAdmin, facts: []string{"device"}, open: TrustedDevices,
	},
	"email.changed": {
		subject: "Your e-mail address was changed",
		says:    "Your e-mail address was changed from <bdi>{old}</bdi> to <bdi>{new}</bdi>. From now on, sign in with the new one.",
		not:     changePassword, facts: []string{"old", "new"}, open: Activity,
	},
	"email.undo": {
		subject: "Your e-mail address was changed",
		says:    "Your e-mail address was changed from <bdi>{old}</bdi> to <bdi>{new}</bdi>. From now on, e-mails about your account go to the new one.",
		then:    linkEnds,
		not:     "If this was not you, undo the change with the link above. This restores your old address and signs you out everywhere. Then you choose a new password.", facts: []string{"old", "new", "token", "ends"}, open: UndoEmail,
	},
	"clock.set_back": {
		subject: "The clock of the server was set back",
		says:    "The clock of the server that you sign in to was ahead, and was set back. Sessions, trusted devices and links that began while it was ahead no longer work. People who used a code in that time need a recovery code, or an administrator must unlock them.",
		then:    "Ask the person who runs the server to make sure that its clock stays correct.",
		open:    AuditLog,
	},
	"email.removed": {
		subject: "This address is no longer used",
		says:    "A change of e-mail address was undone. No account at {brand} uses this address any longer.",
		open:    SignIn, unproven: true,
	},
	"user.owner_created": {
		subject: "A new owner was added",
		says:    "<bdi>{person}</bdi> is now an owner of {brand}. Owners can change everything.",
		not:     checkAdmins, facts: []string{"person"}, open: AuditLog,
	},
	"user.admin_created": {
		subject: "A new admin was added",
		says:    "<bdi>{person}</bdi> is now an admin of {brand}. Admins can change everything except owners.",
		not:     checkAdmins, facts: []string{"person"}, open: AuditLog,
	},
	"codes.wrong": {
		subject: "Wrong codes were entered for your account",
		says:    "Someone entered your correct password and then a wrong code, 3 times.",
		not:     knowsPassword, open: Activity,
	},
	"codes.delayed": {
		subject: "Many wrong codes were entered for your account",
		says:    "Someone entered your correct password and then a wrong code, 5 times in a row. From now on, there is a delay after each wrong code.",
		not:     knowsPassword, open: Activity,
	},
	"codes.locked": {
		subject: "Codes are locked for your account",
		says:    "Someone entered your correct password and then too many wrong codes. Codes now work only in browsers that you have used before.",
		then:    "To unlock codes, sign in from one of those browsers, use a recovery code, change your password, or ask an administrator.",
		not:     knowsPassword, open: Activity,
	},
	"sign_in.new_browser": {
		subject: "Sign-in from a new browser",
		says:    "Someone signed in to your account from a browser that has not been used for it before. If this was you, you do not need to do anything.",
		not:     knowsPassword, open: Activity,
	},
}
