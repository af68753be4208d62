package sallyport

import "time"

// Browser is a known device: a browser that completed a sign-in of a user. It skips nothing; it has budgets of tries
// of its own, so that a stranger cannot lock its user out of it (I38).
type Browser struct {
	Workspace  string
	User       string
	Hash       []byte
	Name       string // such as "Firefox on Windows"
	CreatedAt  time.Time
	LastSeenAt time.Time
}

// How many known devices a user has, and how long one is remembered.
const (
	MaxBrowsers  = 20
	BrowserLimit = 180 * 24 * time.Hour
)

// BrowserTx is the storage of known devices.
type BrowserTx interface {
	// KnowsBrowser reports whether the user completed a sign-in in this browser since the time given.
	KnowsBrowser(workspace, user string, hash []byte, since time.Time) (bool, error)
	// SeeBrowser notes that a known device was seen, and says whether it is one.
	SeeBrowser(Browser) (bool, error)
	// InsertBrowser makes a device known and forgets all but the newest MaxBrowsers of the user.
	InsertBrowser(Browser) error
	// ForgetBrowsers makes all devices of the user unknown.
	ForgetBrowsers(workspace, user string) error
}

// knows reports whether the caller's browser is a known device of the user, and its hash.
func (s *Service) knows(tx Tx, by Caller, workspace, user string) (bool, []byte, error) {
	hash := hashToken(by.browser)
	known, err := tx.KnowsBrowser(workspace, user, hash, s.Now().Add(-BrowserLimit))
	return known && by.browser != "", hash, err
}

// meet makes the caller's browser a known device of the user who has just completed a sign-in. It returns the value
// the browser is to keep, empty if it keeps what it has, and whether the device is new to the user.
func (s *Service) meet(tx Tx, by Caller, u User) (Secret, bool, error) {
	now := s.Now()
	b := Browser{Workspace: u.Workspace, User: u.ID, Hash: hashToken(by.browser), Name: by.agent, CreatedAt: now, LastSeenAt: now}
	if by.browser != "" {
		if known, err := tx.SeeBrowser(b); err != nil || known {
			return "", false, err
		}
	}
	var value Secret
	value, b.Hash = newSecret()
	return value, true, tx.InsertBrowser(b)
}
