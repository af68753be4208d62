package sallyport

import (
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// notice is one kind of mail. Its texts may hold {brand}, and what facts names.
type notice struct {
	subject text.Key
	says    text.Key // what happened
	many    text.Key // the same for any other number than one; says and many then hold {n}
	count   string   // the fact that n is
	then    text.Key // what follows from it
	only    string   // then is said only if this fact, a bool, is true
	not     text.Key // what to do if it was not you

	// facts are what notify is given, no more and no less:
	//
	//	app, device    string     the name of an authenticator, of a browser
	//	old, new       string     e-mail addresses
	//	person         string     e-mail address of somebody else
	//	workspace      string     its name
	//	days, n, left  int
	//	low            bool       few recovery codes are left
	//	on             time.Time  a date to come
	//	ends           time.Time  when what the mail holds stops working; from then on it is not sent any more
	//	token          Secret     of the one link
	//	password       Secret     a temporary one
	facts []string

	open     string // the page that the mail's link opens; it ends in "/" where the token follows
	unproven bool   // to an address that may be somebody else's: nothing is said of the person and of where they are
}

const (
	linkEnds       text.Key = "The link below works once, until {ends}."
	changePassword text.Key = "If this was not you, change your password at once, and tell an administrator of {brand}."
	knowsPassword  text.Key = "If this was not you, somebody knows your password: change it at once, and tell an administrator of {brand}."
	callForHelp    text.Key = "If this was not you, ask for a new password by “Forgot password” on the sign-in page at once, and tell an administrator of {brand}."
	checkAdmins    text.Key = "If you did not expect this, look in the audit log to see who did it, and suspend the new account at once."
	tellAdmin      text.Key = "If you did not expect this, tell an administrator of {brand} at once."
)

// notices are all mails there are, by the kind that notify is given.
var notices = map[string]notice{
	"two_factor.enabled": {
		subject: "Two-factor authentication is enabled",
		says:    "Two-factor authentication is enabled for your account, with the authenticator app <bdi>{app}</bdi>. From now on, signing in needs a code from it after your password.",
		then:    "Keep your recovery codes in a safe place. They are the way in when the phone is lost.",
		not:     changePassword, facts: []string{"app"}, open: "/account/2fa",
	},
	"two_factor.disabled": {
		subject: "Two-factor authentication is disabled",
		says:    "Two-factor authentication is disabled for your account. Your password alone is enough to sign in now. Recovery codes and trusted devices were removed.",
		not:     changePassword, open: "/account/2fa",
	},
	"two_factor.reset": {
		subject: "Your two-factor authentication was reset",
		says:    "An administrator has reset your two-factor authentication. Authenticator apps, recovery codes and trusted devices were removed, and you were signed out everywhere.",
		then:    "You set it up again at your next sign-in. For that you need a set-up code, which the administrator gives you personally. It is in no mail.",
		not:     tellAdmin, open: "/sign-in",
	},
	"two_factor.reminder": {
		subject: "Please set up two-factor authentication",
		says:    "An administrator of {brand} asks you to set up two-factor authentication. It protects your account even when somebody learns your password, and takes a few minutes and a phone.",
		open:    "/account/2fa",
	},
	"two_factor.reminder_dated": {
		subject: "Please set up two-factor authentication",
		says:    "{brand} requires two-factor authentication from {on}. It protects your account even when somebody learns your password, and takes a few minutes and a phone.",
		facts:   []string{"on"}, open: "/account/2fa",
	},
	"authenticator.added": {
		subject: "An authenticator app was added",
		says:    "The authenticator app <bdi>{app}</bdi> was added to your account. Its codes are accepted at sign-in.",
		not:     changePassword, facts: []string{"app"}, open: "/account/2fa",
	},
	"authenticator.changed": {
		subject: "Your authenticator app was changed",
		says:    "The authenticator app <bdi>{app}</bdi> is now the one of your account. Codes from the app before it are no longer accepted.",
		not:     changePassword, facts: []string{"app"}, open: "/account/2fa",
	},
	"authenticator.removed": {
		subject: "An authenticator app was removed",
		says:    "The authenticator app <bdi>{app}</bdi> was removed from your account. Its codes are no longer accepted.",
		not:     changePassword, facts: []string{"app"}, open: "/account/2fa",
	},
	"recovery_codes.made": {
		subject: "New recovery codes were made",
		says:    "A new set of recovery codes was made for your account. The codes from before no longer work.",
		not:     changePassword, open: "/account/2fa/recovery-codes",
	},
	"recovery_code.used": {
		subject: "A recovery code was used",
		says:    "A recovery code of your account was used. You have {n} recovery code left.",
		many:    "A recovery code of your account was used. You have {n} recovery codes left.", count: "left",
		then: "Make a new set before you run out of them.", only: "low",
		not: changePassword, facts: []string{"left", "low"}, open: "/account/2fa/recovery-codes",
	},
	"trusted_device.added": {
		subject: "A device is trusted",
		says:    "The device <bdi>{device}</bdi> is trusted for {n} day: signing in there needs your password and no code.",
		many:    "The device <bdi>{device}</bdi> is trusted for {n} days: signing in there needs your password and no code.", count: "days",
		not: "If this was not you, remove the device and change your password at once.", facts: []string{"device", "days"}, open: "/account/trusted-devices",
	},
	"trusted_device.copied": {
		subject: "A trusted device is no longer trusted",
		says:    "What makes the device <bdi>{device}</bdi> a trusted one was used a second time, from elsewhere. It may have been copied, so the device is no longer trusted and is asked for a code.",
		not:     knowsPassword, facts: []string{"device"}, open: "/account/trusted-devices",
	},
	"password.changed": {
		subject: "Your password was changed",
		says:    "The password of your account was changed. Your other sessions and your trusted devices have ended.",
		not:     callForHelp, open: "/account/activity",
	},
	"password.forgotten": {
		subject: "Choose a new password",
		says:    "Somebody, probably you, asked for a new password for your account.",
		then:    linkEnds,
		not:     "If this was not you, ignore this mail: your password stays as it is.", facts: []string{"token", "ends"}, open: "/reset/",
	},
	"password.link": {
		subject: "A link to a new password was created for you",
		says:    "An administrator of {brand} created a link with which you can choose a new password. They will give it to you. It is not in this e-mail.",
		then:    "Your current password works until you use the link. Two-factor authentication stays as it is.",
		not:     tellAdmin, open: "/sign-in",
	},
	"temporary_password": {
		subject: "Your temporary password",
		says:    "An administrator of {brand} has made an account for you. Sign in with this temporary password, and choose one of your own: <code>{password}</code>",
		then:    "The temporary password works once, until {ends}.",
		not:     "If you do not expect this, ignore this mail.", facts: []string{"password", "ends"}, open: "/sign-in",
	},
	"invitation": {
		subject: "You are invited",
		says:    "An administrator of {brand} has made an account for you. Choose a password, and you can begin.",
		then:    linkEnds,
		not:     "If you do not expect this, ignore this mail.", facts: []string{"token", "ends"}, open: "/invitation/",
	},
	"workspace.invitation": {
		subject: "You are invited",
		says:    "{brand} has created the workspace <bdi>{workspace}</bdi>, and you are its first owner. Choose a password, and you can begin.",
		then:    linkEnds,
		not:     "If you do not expect this, ignore this mail.", facts: []string{"workspace", "token", "ends"}, open: "/invitation/",
	},
	"email.confirm": {
		subject: "Confirm your e-mail address",
		says:    "Somebody, probably you, wants to use this e-mail address for an account at {brand}.",
		then:    linkEnds,
		not:     "If this was not you, ignore this mail: nothing happens without the link.", facts: []string{"token", "ends"}, open: "/email/", unproven: true,
	},
	"email.confirm_given": {
		subject: "Confirm your e-mail address",
		says:    "An administrator of {brand} entered this e-mail address for an account there, probably yours. Confirm it to use it for signing in.",
		then:    linkEnds,
		not:     "If you do not expect this, ignore this e-mail: nothing changes without the link.", facts: []string{"token", "ends"}, open: "/email/", unproven: true,
	},
	"session.ended": {
		subject: "An administrator ended one of your sessions",
		says:    "An administrator of {brand} ended your session in the browser <bdi>{device}</bdi>. Sign in again to use your account there.",
		not:     tellAdmin, facts: []string{"device"}, open: "/account/activity",
	},
	"trusted_device.removed": {
		subject: "A device is no longer trusted",
		says:    "An administrator of {brand} removed the device <bdi>{device}</bdi> from your trusted devices. You are asked for a code there at your next sign-in.",
		not:     tellAdmin, facts: []string{"device"}, open: "/account/trusted-devices",
	},
	"email.changed": {
		subject: "Your e-mail address was changed",
		says:    "The e-mail address of your account was changed from <bdi>{old}</bdi> to <bdi>{new}</bdi>. Use the new one to sign in.",
		not:     changePassword, facts: []string{"old", "new"}, open: "/account/activity",
	},
	"email.undo": {
		subject: "Your e-mail address was changed",
		says:    "The e-mail address of your account was changed from <bdi>{old}</bdi> to <bdi>{new}</bdi>. From now on mail goes to the new one.",
		then:    linkEnds,
		not:     "If this was not you, undo the change by the link above. It brings the old address back, ends all sessions, and asks for a new password.", facts: []string{"old", "new", "token", "ends"}, open: "/email/undo/",
	},
	"clock.set_back": {
		subject: "The clock of the server was set back",
		says:    "The clock of the server that you sign in to was ahead, and was set back. Sessions, trusted devices and links of the time in between have ended. A person who used a code in that time must use a recovery code, or be unlocked by an administrator.",
		then:    "Ask those who run the server to check that its clock is kept right.",
		open:    "/admin/audit",
	},
	"email.removed": {
		subject: "This address no longer belongs to an account",
		says:    "A change of e-mail address was undone. This address is no longer used by an account at {brand}.",
		open:    "/sign-in", unproven: true,
	},
	"user.owner_created": {
		subject: "There is a new owner",
		says:    "<bdi>{person}</bdi> was made an owner of {brand}. Owners may change everything.",
		not:     checkAdmins, facts: []string{"person"}, open: "/admin/audit",
	},
	"user.admin_created": {
		subject: "There is a new admin",
		says:    "<bdi>{person}</bdi> was made an admin of {brand}. Admins may change everything except owners.",
		not:     checkAdmins, facts: []string{"person"}, open: "/admin/audit",
	},
	"codes.wrong": {
		subject: "Wrong codes after your password",
		says:    "Somebody gave your right password and then a wrong code, three times.",
		not:     knowsPassword, open: "/account/activity",
	},
	"codes.delayed": {
		subject: "Too many wrong codes after your password",
		says:    "Somebody gave your right password and then a wrong code, five times in a row. From now on there is a pause after each wrong code.",
		not:     knowsPassword, open: "/account/activity",
	},
	"codes.locked": {
		subject: "Codes are locked after too many wrong ones",
		says:    "Somebody gave your right password and then too many wrong codes. Codes are now accepted only from browsers that you have used before.",
		then:    "To lift this, sign in from such a browser, use a recovery code, change your password, or ask an administrator.",
		not:     knowsPassword, open: "/account/activity",
	},
	"sign_in.new_browser": {
		subject: "Sign-in from a new browser",
		says:    "Somebody signed in to your account from a browser that was not used for it before.",
		not:     knowsPassword, open: "/account/activity",
	},
}

// openWords are what the links to pages are called.
var openWords = map[string]text.Key{
	"/account/2fa":                "Open your two-factor authentication",
	"/account/2fa/recovery-codes": "Open your recovery codes",
	"/account/trusted-devices":    "Open your trusted devices",
	"/account/activity":           "Open your recent activity",
	"/admin/audit":                "Open the audit log",
	"/sign-in":                    "Sign in",
	"/reset/":                     "Choose a new password",
	"/invitation/":                "Accept the invitation",
	"/email/":                     "Confirm this address",
	"/email/undo/":                "Undo the change",
}

// notify queues the mail that follows an event, to the user, in the event's transaction. Users without an address get
// none.
func (s *Service) notify(tx Tx, by Caller, u User, kind string, facts map[string]any) error {
	return s.notifyAt(tx, by, u, u.Address, kind, facts)
}

// notifyAt is notify to an address that is not the user's own yet, or no longer.
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

// notifyFrom is notifyAt where the workspace is read already.
func (s *Service) notifyFrom(tx Tx, by Caller, from HostedWorkspace, u User, to, kind string, facts map[string]any) error {
	m, body, err := s.compose(by, from, u, to, kind, facts)
	if err != nil {
		return err
	}
	return s.queue(tx, m, body)
}

// compose is a mail that is not queued yet.
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
	l := letter{notice: n, from: from.Workspace, base: s.base(from.Host), user: u, to: to, at: s.Now(), given: facts}
	if by.user == nil || by.user.ID == u.ID {
		l.browser, l.address = by.agent, addressOf(by)
	}
	subject, body, err := l.write(text.English)
	ends, _ := facts["ends"].(time.Time)
	return Mail{Workspace: u.Workspace, User: u.ID, Kind: kind, To: to, Subject: subject, ExpiresAt: ends}, body, err
}

// scheme is that of URL. Commands do not know it: then it is https, as on every public installation.
func (s *Service) scheme() string {
	if scheme, _, ok := strings.Cut(s.URL, "://"); ok {
		return scheme
	}
	return "https"
}

// base is the scheme and host of links to a workspace. In a command a loopback host is taken to be without TLS.
func (s *Service) base(host string) string {
	if name, _, ok := fold.Host(host); ok && s.URL == "" && fold.LoopbackHost(name) {
		return "http://" + host
	}
	return s.scheme() + "://" + host
}

// letter is a notice with everything that is to be said in it.
type letter struct {
	notice
	from             Workspace
	base             string // scheme and host of its link
	user             User
	to               string
	at               time.Time
	browser, address string         // of who did it, where that is the user; or empty
	given            map[string]any // the facts
}

//go:embed notice.html
var noticeHTML string

var noticePage = template.Must(template.New("notice").Funcs(text.English.Funcs()).Parse(noticeHTML))

// write puts the same facts into words twice.
func (l letter) write(lang *text.Lang) (subject string, b MailBody, err error) {
	values := l.values()
	say := func(key text.Key) text.Message { return text.Say(key, values...) }
	brand := text.Plain(l.from.Issuer())
	subject = lang.Text(text.Say("{brand}: {subject}", "brand", brand, "subject", say(l.subject)))
	page := struct {
		Subject, Brand, Colour string
		Lang                   *text.Lang
		Before, Facts, After   []text.Message
		Open                   text.Message
		URL                    string
	}{
		Subject: subject, Brand: brand, Colour: l.from.BrandColour(), Lang: lang,
		Facts: l.where(), Open: say(openWords[l.open]), URL: l.url(),
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
	page.After = append(page.After, text.Say("{brand} sent this mail to <bdi>{to}</bdi>. Nobody there will ever ask you for a password or a code.",
		"brand", brand, "to", text.Plain(l.to)))

	var html, plain strings.Builder
	paragraphs := func(all []text.Message, end string) {
		for _, m := range all {
			plain.WriteString(lang.Text(m) + end)
		}
	}
	paragraphs(page.Before, "\n\n")
	paragraphs(page.Facts, "\n")
	plain.WriteString("\n" + lang.Text(page.Open) + ":\n" + page.URL + "\n\n")
	paragraphs(page.After[:len(page.After)-1], "\n\n")
	plain.WriteString("-- \n")
	paragraphs(page.After[len(page.After)-1:], "\n")
	err = noticePage.Execute(&html, page)
	return subject, MailBody{From: brand, Text: plain.String(), HTML: html.String()}, err
}

// where tells when it happened, and from where where that is known and nobody else's business.
func (l letter) where() []text.Message {
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

// url is the one link of the mail: to the workspace's own host, whatever a request said of its host (I45).
func (l letter) url() string {
	if token, ok := l.given["token"].(Secret); ok {
		return l.base + l.open + token.Reveal()
	}
	return l.base + l.open
}

// values are the facts for the texts. A name somebody chose stays on its line.
func (l letter) values() []any {
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
