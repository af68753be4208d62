package sallyport

import (
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/colour"
	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/letter"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// notice is one kind of e-mail. Its texts may contain {brand} and the facts.
type notice struct {
	subject text.Key
	says    text.Key // what happened
	many    text.Key // the same for any number other than one; both then contain {n}
	count   string   // the fact that is n
	then    text.Key // what follows from it
	only    string   // then is said only if this fact, a bool, is true
	not     text.Key // what to do if it was not you

	// facts are exactly what notify must be given:
	//
	//	app, device    string     the name of an authenticator, of a browser
	//	old, new       string     e-mail addresses
	//	person         string     e-mail address of someone else
	//	workspace      string     its name
	//	days, n, left  int
	//	low            bool       few recovery codes are left
	//	on             time.Time  a future date
	//	ends           time.Time  when the link or password in the mail stops working; the mail is not sent after that
	//	token          Secret     of the link
	//	password       Secret     a temporary password
	facts []string

	open     letter.Page // the page that the mail's link opens, with the token if there is one
	unproven bool        // the address may be someone else's, so the mail does not name the person or their location
}

const (
	linkEnds       text.Key = "You can use the link below once, until {ends}."
	changePassword text.Key = "If this was not you, change your password now and tell an administrator of {brand}."
	knowsPassword  text.Key = "If this was not you, someone knows your password. Change it now and tell an administrator of {brand}."
	callForHelp    text.Key = "If this was not you, choose “Forgot password?” on the sign-in page now to set a new password, and tell an administrator of {brand}."
	checkAdmins    text.Key = "If you did not expect this, find out in the audit log who did it, and suspend the new account now."
	tellAdmin      text.Key = "If you did not expect this, tell an administrator of {brand} now."
)

// notices are all kinds of e-mail, by the kind that notify is given.
var notices = map[string]notice{
	"two_factor.enabled": {
		subject: "Two-factor authentication is enabled",
		says:    "Two-factor authentication is now enabled for your account. You sign in with your password and a code from the authenticator app <bdi>{app}</bdi>.",
		then:    "Keep your recovery codes in a safe place. You need one of them to sign in if you lose your phone.",
		not:     changePassword, facts: []string{"app"}, open: letter.TwoFactor,
	},
	"two_factor.disabled": {
		subject: "Two-factor authentication is disabled",
		says:    "Two-factor authentication is now disabled for your account. You sign in with your password alone. Your recovery codes and trusted devices were removed.",
		not:     changePassword, open: letter.TwoFactor,
	},
	"two_factor.reset": {
		subject: "Your two-factor authentication was reset",
		says:    "An administrator of {brand} reset your two-factor authentication. Your authenticator apps, recovery codes and trusted devices were removed, and you were signed out everywhere.",
		then:    "The next time you sign in, you set it up again. For this you need a set-up code. Ask your administrator for it: it is never sent by e-mail.",
		not:     tellAdmin, open: letter.SignIn,
	},
	"two_factor.reminder": {
		subject: "Set up two-factor authentication",
		says:    "An administrator of {brand} asks you to set up two-factor authentication. It protects your account even if someone learns your password. You need your phone and a few minutes.",
		open:    letter.TwoFactor,
	},
	"two_factor.reminder_dated": {
		subject: "Set up two-factor authentication",
		says:    "From {on}, {brand} requires two-factor authentication. It protects your account even if someone learns your password. You need your phone and a few minutes.",
		facts:   []string{"on"}, open: letter.TwoFactor,
	},
	"authenticator.added": {
		subject: "An authenticator app was added",
		says:    "The authenticator app <bdi>{app}</bdi> was added to your account. You can now sign in with its codes.",
		not:     changePassword, facts: []string{"app"}, open: letter.TwoFactor,
	},
	"authenticator.changed": {
		subject: "Your authenticator app was changed",
		says:    "Your account now uses the authenticator app <bdi>{app}</bdi>. Codes from the app it replaced no longer work.",
		not:     changePassword, facts: []string{"app"}, open: letter.TwoFactor,
	},
	"authenticator.removed": {
		subject: "An authenticator app was removed",
		says:    "The authenticator app <bdi>{app}</bdi> was removed from your account. Its codes no longer work.",
		not:     changePassword, facts: []string{"app"}, open: letter.TwoFactor,
	},
	"recovery_codes.made": {
		subject: "New recovery codes were created",
		says:    "New recovery codes were created for your account. Your old ones no longer work.",
		not:     changePassword, open: letter.RecoveryCodes,
	},
	"recovery_code.used": {
		subject: "A recovery code was used",
		says:    "One of your recovery codes was used. You have {n} recovery code left.",
		many:    "One of your recovery codes was used. You have {n} recovery codes left.", count: "left",
		then: "Create new ones before you run out.", only: "low",
		not: changePassword, facts: []string{"left", "low"}, open: letter.RecoveryCodes,
	},
	"trusted_device.added": {
		subject: "You have a new trusted device",
		says:    "The device <bdi>{device}</bdi> is now trusted for {n} day. You can sign in there with your password alone.",
		many:    "The device <bdi>{device}</bdi> is now trusted for {n} days. You can sign in there with your password alone.", count: "days",
		not: "If this was not you, remove the device and change your password now.", facts: []string{"device", "days"}, open: letter.TrustedDevices,
	},
	"trusted_device.copied": {
		subject: "A trusted device is no longer trusted",
		says:    "Someone may have copied the cookie that makes <bdi>{device}</bdi> a trusted device: it was used a second time. The device is no longer trusted. You need a code the next time you sign in there.",
		not:     knowsPassword, facts: []string{"device"}, open: letter.TrustedDevices,
	},
	"password.changed": {
		subject: "Your password was changed",
		says:    "Your password was changed. You were signed out everywhere else, and your trusted devices were removed.",
		not:     callForHelp, open: letter.Activity,
	},
	"password.forgotten": {
		subject: "Choose a new password",
		says:    "Someone, probably you, asked for a link to choose a new password for your account.",
		then:    linkEnds,
		not:     "If this was not you, ignore this e-mail. Your password stays the same.", facts: []string{"token", "ends"}, open: letter.Reset,
	},
	"password.link": {
		subject: "An administrator created a password link for you",
		says:    "An administrator of {brand} created a link that lets you choose a new password. They will give it to you themselves. It is not in this e-mail.",
		then:    "Your current password works until you use the link. Your two-factor authentication stays the same.",
		not:     tellAdmin, open: letter.SignIn,
	},
	"temporary_password": {
		subject: "Your temporary password",
		says:    "An administrator of {brand} created an account for you. Sign in with this temporary password, then choose your own: <code>{password}</code>",
		then:    "You can use the temporary password once, until {ends}.",
		not:     "If you did not expect this, ignore this e-mail.", facts: []string{"password", "ends"}, open: letter.SignIn,
	},
	"invitation": {
		subject: "You are invited",
		says:    "An administrator of {brand} created an account for you. Choose a password to start using it.",
		then:    linkEnds,
		not:     "If you did not expect this, ignore this e-mail.", facts: []string{"token", "ends"}, open: letter.Invitation,
	},
	"workspace.invitation": {
		subject: "You are invited",
		says:    "{brand} created the workspace <bdi>{workspace}</bdi> and made you its first owner. Choose a password to get started.",
		then:    linkEnds,
		not:     "If you did not expect this, ignore this e-mail.", facts: []string{"workspace", "token", "ends"}, open: letter.Invitation,
	},
	"email.confirm": {
		subject: "Confirm your e-mail address",
		says:    "Someone, probably you, wants to use this e-mail address for an account at {brand}.",
		then:    linkEnds,
		not:     "If this was not you, ignore this e-mail. Nothing changes unless you confirm.", facts: []string{"token", "ends"}, open: letter.ConfirmEmail, unproven: true,
	},
	"email.confirm_given": {
		subject: "Confirm your e-mail address",
		says:    "An administrator of {brand} entered this e-mail address for an account, probably yours. Confirm the address to sign in with it.",
		then:    linkEnds,
		not:     "If you did not expect this, ignore this e-mail. Nothing changes unless you confirm.", facts: []string{"token", "ends"}, open: letter.ConfirmEmail, unproven: true,
	},
	"session.ended": {
		subject: "An administrator ended one of your sessions",
		says:    "An administrator of {brand} ended your session in <bdi>{device}</bdi>. To continue there, sign in again.",
		not:     tellAdmin, facts: []string{"device"}, open: letter.Activity,
	},
	"trusted_device.removed": {
		subject: "A device is no longer trusted",
		says:    "An administrator of {brand} removed the device <bdi>{device}</bdi> from your trusted devices. You need a code the next time you sign in there.",
		not:     tellAdmin, facts: []string{"device"}, open: letter.TrustedDevices,
	},
	"email.changed": {
		subject: "Your e-mail address was changed",
		says:    "Your e-mail address was changed from <bdi>{old}</bdi> to <bdi>{new}</bdi>. From now on, sign in with the new one.",
		not:     changePassword, facts: []string{"old", "new"}, open: letter.Activity,
	},
	"email.undo": {
		subject: "Your e-mail address was changed",
		says:    "Your e-mail address was changed from <bdi>{old}</bdi> to <bdi>{new}</bdi>. From now on, e-mails about your account go to the new one.",
		then:    linkEnds,
		not:     "If this was not you, undo the change with the link above. This restores your old address and signs you out everywhere. Then you choose a new password.", facts: []string{"old", "new", "token", "ends"}, open: letter.UndoEmail,
	},
	"clock.set_back": {
		subject: "The clock of the server was set back",
		says:    "The clock of the server that you sign in to was ahead, and was set back. Sessions, trusted devices and links that began while it was ahead no longer work. People who used a code in that time need a recovery code, or an administrator must unlock them.",
		then:    "Ask the person who runs the server to make sure that its clock stays correct.",
		open:    letter.AuditLog,
	},
	"email.removed": {
		subject: "This address is no longer used",
		says:    "A change of e-mail address was undone. No account at {brand} uses this address any longer.",
		open:    letter.SignIn, unproven: true,
	},
	"user.owner_created": {
		subject: "A new owner was added",
		says:    "<bdi>{person}</bdi> is now an owner of {brand}. Owners can change everything.",
		not:     checkAdmins, facts: []string{"person"}, open: letter.AuditLog,
	},
	"user.admin_created": {
		subject: "A new admin was added",
		says:    "<bdi>{person}</bdi> is now an admin of {brand}. Admins can change everything except owners.",
		not:     checkAdmins, facts: []string{"person"}, open: letter.AuditLog,
	},
	"codes.wrong": {
		subject: "Wrong codes were entered for your account",
		says:    "Someone entered your correct password and then a wrong code, 3 times.",
		not:     knowsPassword, open: letter.Activity,
	},
	"codes.delayed": {
		subject: "Many wrong codes were entered for your account",
		says:    "Someone entered your correct password and then a wrong code, 5 times in a row. From now on, there is a delay after each wrong code.",
		not:     knowsPassword, open: letter.Activity,
	},
	"codes.locked": {
		subject: "Codes are locked for your account",
		says:    "Someone entered your correct password and then too many wrong codes. Codes now work only in browsers that you have used before.",
		then:    "To unlock codes, sign in from one of those browsers, use a recovery code, change your password, or ask an administrator.",
		not:     knowsPassword, open: letter.Activity,
	},
	"sign_in.new_browser": {
		subject: "Sign-in from a new browser",
		says:    "Someone signed in to your account from a browser that has not been used for it before. If this was you, you do not need to do anything.",
		not:     knowsPassword, open: letter.Activity,
	},
}

// notify queues the e-mail to a user about an event, in the event's transaction. Users without an address get none.
func (s *Service) notify(tx Tx, by Caller, u User, kind string, facts map[string]any) error {
	return s.notifyAt(tx, by, u, u.Address, kind, facts)
}

// notifyAt is notify to an address that is not yet, or no longer, the user's.
func (s *Service) notifyAt(tx Tx, by Caller, u User, to, kind string, facts map[string]any) error {
	if to == "" {
		return nil
	}
	from, err := tx.MailSender(u.Workspace)
	if err != nil {
		return err
	}
	return s.notifyFrom(tx, by, from, u, to, kind, facts)
}

// notifyFrom is notifyAt for a workspace that was already read.
func (s *Service) notifyFrom(tx Tx, by Caller, from HostedWorkspace, u User, to, kind string, facts map[string]any) error {
	m, body, err := s.compose(by, from, u, to, kind, facts)
	if err != nil {
		return err
	}
	return s.queue(tx, m, body)
}

// compose returns a mail, without queueing it.
func (s *Service) compose(by Caller, from HostedWorkspace, u User, to, kind string, facts map[string]any) (m Mail, body MailBody, err error) {
	n, ok := notices[kind]
	if !ok || len(facts) != len(n.facts) {
		return m, body, fmt.Errorf("notice %q: unknown, or not with its facts", kind)
	}
	for _, name := range n.facts {
		if _, ok := facts[name]; !ok {
			return m, body, fmt.Errorf("notice %q: the fact %q is missing", kind, name)
		}
	}
	l := composition{notice: n, from: from.Workspace, base: s.base(from.Host), paths: s.Paths, user: u, to: to, at: s.Now(), given: facts}
	if by.user == nil || by.user.ID == u.ID {
		l.browser, l.address = by.agent, addressOf(by)
	}
	subject, body, err := l.write(text.English)
	ends, _ := facts["ends"].(time.Time)
	return Mail{Workspace: u.Workspace, User: u.ID, Kind: kind, To: to, Subject: subject, ExpiresAt: ends}, body, err
}

// scheme returns the scheme of URL. If URL is empty, as in commands, it returns https, which every public installation
// uses.
func (s *Service) scheme() string {
	if scheme, _, ok := strings.Cut(s.URL, "://"); ok {
		return scheme
	}
	return "https"
}

// base returns the scheme and host of links to a workspace. In commands, it assumes that a loopback host has no TLS.
func (s *Service) base(host string) string {
	if name, _, ok := fold.Host(host); ok && s.URL == "" && fold.LoopbackHost(name) {
		return "http://" + host
	}
	return s.scheme() + "://" + host
}

// composition is a notice with all values for its texts.
type composition struct {
	notice
	from             Workspace
	base             string // scheme and host of its link
	paths            letter.Paths
	user             User
	to               string
	at               time.Time
	browser, address string         // where it was done from, if the user did it; or empty
	given            map[string]any // the facts
}

//go:embed notice.html
var noticeHTML string

var noticePage = template.Must(template.New("notice").Funcs(text.English.Funcs()).Parse(noticeHTML))

// write returns the subject and both forms of the body, text and HTML.
func (l composition) write(lang *text.Lang) (subject string, b MailBody, err error) {
	address, err := l.url()
	if err != nil {
		return "", b, err
	}
	values := l.values()
	say := func(key text.Key) text.Message { return text.Say(key, values...) }
	brand := text.Plain(l.from.Issuer())
	subject = lang.Text(text.Say("{brand}: {subject}", "brand", brand, "subject", say(l.subject)))
	page := struct {
		Subject, Brand       string
		Colour               colour.RGB
		Lang                 *text.Lang
		Title                text.Message
		Before, Facts, After []text.Message
		Open, Sender         text.Message
		URL                  string
	}{
		Subject: subject, Brand: brand, Colour: l.colour(), Lang: lang, Title: say(l.subject),
		Facts: l.where(), Open: say(l.open.Words()), URL: address,
	}
	if !l.unproven && l.user.Name != "" {
		page.Before = append(page.Before, text.Say("Hello <bdi>{name}</bdi>,", "name", text.Plain(l.user.Name)))
	}
	if l.count != "" {
		n, _ := l.given[l.count].(int)
		page.Before = append(page.Before, text.Count(n, l.says, l.many, values...))
	} else {
		page.Before = append(page.Before, say(l.says))
	}
	if low, _ := l.given[l.only].(bool); l.then != "" && (l.only == "" || low) {
		page.Before = append(page.Before, say(l.then))
	}
	if l.not != "" {
		page.After = append(page.After, say(l.not))
	}
	page.Sender = text.Say("{brand} sent this e-mail to <bdi>{to}</bdi>. No one at {brand} will ever ask you for your password or a code.",
		"brand", brand, "to", text.Plain(l.to))

	var html, plain strings.Builder
	paragraphs := func(all []text.Message, end string) {
		for _, m := range all {
			plain.WriteString(lang.Text(m) + end)
		}
	}
	paragraphs(page.Before, "\n\n")
	paragraphs(page.Facts, "\n")
	plain.WriteString("\n" + lang.Text(page.Open) + ":\n" + page.URL + "\n\n")
	paragraphs(page.After, "\n\n")
	plain.WriteString("-- \n" + lang.Text(page.Sender) + "\n")
	err = noticePage.Execute(&html, page)
	return subject, MailBody{From: brand, Text: plain.String(), HTML: html.String()}, err
}

// colour returns the colour of the brand, or our own.
func (l composition) colour() colour.RGB {
	if c, ok := colour.Parse(l.from.BrandColour()); ok {
		return c
	}
	return colour.Own
}

// where says when it happened. If the user did it, it also says from where.
func (l composition) where() []text.Message {
	all := []text.Message{text.Say("When: {time}", "time", l.at.UTC())}
	if l.unproven {
		return all
	}
	if l.browser != "" {
		all = append(all, text.Say("Browser: {browser}", "browser", text.Plain(l.browser)))
	}
	if l.address != "" {
		all = append(all, text.Say("IP address: {address}", "address", l.address))
	}
	return append(all, text.Say("Account: <bdi>{account}</bdi>", "account", text.Plain(l.user.Address)))
}

// url returns the link of the mail: to the workspace's own host, never to a host from a request (I45).
func (l composition) url() (string, error) {
	token, _ := l.given["token"].(Secret)
	return l.paths.URL(l.base, l.open, token.Reveal())
}

// values returns the facts for the texts. It removes control characters from names that people chose.
func (l composition) values() []any {
	all := []any{"brand", text.Plain(l.from.Issuer())}
	for _, name := range slices.DeleteFunc(slices.Clone(l.facts), func(name string) bool { return name == "token" }) {
		value := l.given[name]
		switch v := value.(type) {
		case string:
			value = text.Plain(v)
		case time.Time:
			value = v.UTC()
		case Secret:
			value = v.Reveal()
		}
		all = append(all, name, value)
	}
	return all
}
