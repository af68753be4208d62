package sallyport

import (
	"encoding/base64"
	"net/netip"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/throttle"
)

// Tries is one budget of tries, Window one that is stored in the user's row.
type (
	Tries  = throttle.Tries
	Window = throttle.Window
)

// TriesTx is the storage of the budgets.
type TriesTx interface {
	// TakeTries locks rows in the given order until the end of the transaction, in one round trip. It creates missing
	// rows. It uses only workspace, subject and bucket of the given ones. If user is not empty, it locks the user's row
	// first, and returns the user with OpenSignIns.
	TakeTries(workspace, user string, of ...Tries) (User, []Tries, error)
	// CodeTries returns all rows of a user and their authenticators, in one round trip. It locks none of them, because
	// the user's row is already locked.
	CodeTries(workspace, user string) ([]Tries, []Authenticator, error)
	SaveTries(Tries) error
	// ClearTries deletes one budget of a subject or, if bucket is empty, all except that of the authenticators.
	ClearTries(workspace, subject, bucket string) error
}

// Buckets. A known device has separate ones, so that nothing a stranger does can block it.
const (
	bucketPassword      = "password"
	bucketCode          = "code"
	bucketAuthenticator = "authenticator" // wrong codes in a row from all clients
	bucketRecovery      = "recovery"
	bucketSetUpCode     = "set-up"
	bucketAddress       = "address"
	bucketForgot        = "forgot" // mails requested without being signed in: by name, and by IP address
	bucketEmail         = "email"  // mails to new addresses
)

// ofDevice returns the bucket of a known device.
func ofDevice(bucket string, device []byte) string {
	return bucket + ":" + base64.RawURLEncoding.EncodeToString(device[:12])
}

// ofName returns the subject for a folded name: the id of its user or, if there is none, an HMAC of the name.
func (s *Service) ofName(workspace, name string, u User) string {
	if u.ID != "" {
		return u.ID
	}
	return s.Keys.Name(workspace + "\x00" + name)
}

// ofAddress returns the subject for an IP address. IPv6 addresses count by /64.
func ofAddress(a netip.Addr) string {
	if a = a.Unmap().WithZone(""); a.Is6() {
		p, _ := a.Prefix(64)
		return p.String()
	}
	return a.String()
}

// The budgets, as docs/threat-model.md explains them.
var (
	passwordRule       = throttle.Rule{Limit: 10, Window: 15 * time.Minute, Delay: 30 * time.Second, Most: time.Hour}
	passwordDeviceRule = throttle.Rule{Limit: 10, Window: 15 * time.Minute}
	addressRule        = throttle.Rule{Limit: 100, Window: time.Hour}
	codeDeviceRule     = throttle.Rule{Limit: 10, Window: 15 * time.Minute}
	recoveryRule       = throttle.Rule{Limit: 10, Window: time.Hour}
	setUpCodeRule      = throttle.Rule{Limit: 10, Window: time.Hour}
	forgotRule         = throttle.Rule{Limit: 3, Window: time.Hour}
	forgotAddressRule  = throttle.Rule{Limit: 20, Window: time.Hour}
	emailRule          = throttle.Rule{Limit: 5, Window: time.Hour}
)

// budget is a row of tries and its rule.
type budget struct {
	Tries
	rule throttle.Rule
}

func rowsOf(all []budget) (rows []Tries) {
	for _, b := range all {
		rows = append(rows, b.Tries)
	}
	return rows
}

// withNetwork returns the given budget, preceded by that of the caller's network.
func (by Caller) withNetwork(bucket string, r throttle.Rule, own budget) []budget {
	if !by.address.IsValid() {
		return []budget{own}
	}
	return []budget{{Tries{Workspace: own.Workspace, Subject: ofAddress(by.address), Bucket: bucket}, r}, own}
}

// networkSpent returns limit if the budget of the network, which precedes the last one, has no try left. It only reads,
// because a network that is past its limit must not cause writes to the database.
func (s *Service) networkSpent(tx Tx, all []budget, limit *Error) error {
	for _, b := range all[:len(all)-1] {
		n, err := tx.TriesOf(b.Tries)
		if err != nil {
			return err
		}
		now := s.Now()
		n = n.AsOf(now)
		if wait := b.rule.Wait(n, now); wait > 0 && !n.Moved { // otherwise charge must save the moved times
			return limit.after(wait)
		}
	}
	return nil
}

// charge charges a try to each budget, updates the budget's Tries, and returns whether the last one had a try left. If
// the one before it, the network's, has none left, it returns limit with commit, because the rows exist by then. The
// caller must have called networkSpent before.
func (s *Service) charge(tx Tx, all []budget, limit *Error) (allowed bool, err error) {
	_, rows, err := tx.TakeTries(all[0].Workspace, "", rowsOf(all)...)
	if err != nil {
		return false, err
	}
	now := s.Now()
	for i, n := range rows {
		n = n.AsOf(now)
		wait := all[i].rule.Wait(n, now)
		if allowed = wait == 0; allowed {
			n = all[i].rule.Charge(n, now)
		} else if i < len(rows)-1 {
			return false, errOr(tx.SaveTries(n), commit(limit.after(wait)))
		}
		if err := tx.SaveTries(n); err != nil {
			return false, err
		}
		all[i].Tries = n
	}
	return allowed, nil
}

// Limits of wrong codes, besides those of unknown clients.
const (
	authenticatorRow = 50 // in a row from all clients: codes are refused until an authenticator is set up again
	codesWrongNotice = 3  // in one sign-in, or counted for one client: a mail
)

// budgets are the budgets of one user, by bucket.
type budgets struct {
	workspace, user string
	rows            map[string]Tries
}

func (s *Service) budgets(tx Tx, u User) (budgets, error) {
	rows, _, err := tx.CodeTries(u.Workspace, u.ID)
	return newBudgets(u, rows, s.Now()), err
}

func newBudgets(u User, rows []Tries, now time.Time) budgets {
	b := budgets{workspace: u.Workspace, user: u.ID}
	if len(rows) > 0 {
		b.rows = make(map[string]Tries, len(rows))
	}
	for _, t := range rows {
		b.rows[t.Bucket] = t.AsOf(now)
	}
	return b
}

// of returns the budget of a bucket, which is zero if there is none yet.
func (b budgets) of(bucket string) Tries {
	if t, ok := b.rows[bucket]; ok {
		return t
	}
	return Tries{Workspace: b.workspace, Subject: b.user, Bucket: bucket}
}
