package sallyport

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/letter"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// NoticeKinds lists all kinds of mail, and the facts of each.
func NoticeKinds() map[string][]string {
	all := map[string][]string{}
	for kind, n := range notices {
		all[kind] = slices.Clone(n.facts)
	}
	return all
}

// NoticeTexts returns every text of a kind.
func NoticeTexts(kind string) []text.Key {
	n := notices[kind]
	return slices.DeleteFunc([]text.Key{n.subject, n.says, n.many, n.then, n.not, n.open.Words()}, func(k text.Key) bool { return k == "" })
}

// examplePaths are the paths in the examples of mails.
var examplePaths = letter.Paths{
	letter.TwoFactor:      "/account/2fa",
	letter.RecoveryCodes:  "/account/2fa/recovery-codes",
	letter.TrustedDevices: "/account/trusted-devices",
	letter.Activity:       "/account/activity",
	letter.AuditLog:       "/admin/audit",
	letter.SignIn:         "/sign-in",
	letter.Reset:          "/reset/",
	letter.Invitation:     "/invitation/",
	letter.ConfirmEmail:   "/email/",
	letter.UndoEmail:      "/email/undo/",
}

// WriteNotice renders a mail.
func WriteNotice(kind string, w Workspace, base string, u User, to string, at time.Time, browser, address string, facts map[string]any) (string, MailBody, error) {
	l := composition{notice: notices[kind], from: w, base: base, paths: examplePaths, user: u, to: to, at: at, browser: browser, address: address, given: facts}
	return l.write(text.English)
}

// MailWait returns the wait after so many failed attempts.
func MailWait(attempts int) time.Duration { return mailWait(attempts) }

// QueueNotice queues a mail to a user, as a verb does.
func (s *Service) QueueNotice(ctx context.Context, by Caller, u User, kind string, facts map[string]any) error {
	return s.write(ctx, func(tx Tx) error { return s.notify(tx, by, u, kind, facts) })
}
