package letter

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Page is a page that an e-mail links to.
type Page string

const (
	TwoFactor      Page = "two-factor authentication"
	RecoveryCodes  Page = "recovery codes"
	TrustedDevices Page = "trusted devices"
	Activity       Page = "activity"
	AuditLog       Page = "audit log"
	SignIn         Page = "sign-in"

	// The links to these pages carry a token.
	Reset        Page = "reset"
	Invitation   Page = "invitation"
	ConfirmEmail Page = "confirm e-mail"
	UndoEmail    Page = "undo e-mail"
)

// opens are the texts of links, by the page that they open.
var opens = map[Page]text.Key{
	TwoFactor:      "Go to two-factor authentication",
	RecoveryCodes:  "Go to recovery codes",
	TrustedDevices: "Go to trusted devices",
	Activity:       "Go to recent activity",
	AuditLog:       "Go to the audit log",
	SignIn:         "Sign in",
	Reset:          "Choose a new password",
	Invitation:     "Accept the invitation",
	ConfirmEmail:   "Confirm this address",
	UndoEmail:      "Undo the change",
}

// Words returns the text of a link to the page.
func (p Page) Words() text.Key { return opens[p] }

// Paths are where a door has the pages that e-mails link to. A path that a token follows ends in "/".
type Paths map[Page]string

// Check returns an error unless there is a path for every page.
func (p Paths) Check() error {
	for _, page := range slices.Sorted(maps.Keys(opens)) {
		if _, err := p.URL("", page, ""); err != nil {
			return err
		}
	}
	return nil
}

// URL returns the address of a page below base, the scheme and host of a workspace. token is empty for a page that
// needs none.
func (p Paths) URL(base string, page Page, token string) (string, error) {
	path, ok := p[page]
	if !ok {
		return "", fmt.Errorf("the page %q, to which e-mails link, has no path", page)
	}
	return base + path + token, nil
}
