package sallyport

import (
	"encoding/base64"
	"net/netip"
	"time"
)

// Tries is one budget: the tries for one subject in one bucket. A missing row means zero.
type Tries struct {
	Workspace   string
	Subject     string // user id, HMAC of a folded name that no user has, or IP address
	Bucket      string
	Count       int       // in the window that began at Since
	Since       time.Time // start of the window
	Consecutive int       // wrong tries in a row
	Last        time.Time
	Until       time.Time // no try before this
	Earlier     int       // count of the previous window, for codes from unknown clients

	moved bool // asOf has moved its times
}

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
func ofDevice(bucket string, browser []byte) string {
	return bucket + ":" + base64.RawURLEncoding.EncodeToString(browser[:12])
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

// rule is how many tries a bucket allows in a window. Without a delay, the next try must wait for the end of the
// window. With a delay, every further try doubles the wait, up to most, and the bucket is empty again after a day
// without tries.
type rule struct {
	limit  int
	window time.Duration
	delay  time.Duration
	most   time.Duration
}

// The budgets, as docs/threat-model.md explains them.
var (
	passwordRule       = rule{limit: 10, window: 15 * time.Minute, delay: 30 * time.Second, most: time.Hour}
	passwordDeviceRule = rule{limit: 10, window: 15 * time.Minute}
	addressRule        = rule{limit: 100, window: time.Hour}
	codeDeviceRule     = rule{limit: 10, window: 15 * time.Minute}
	recoveryRule       = rule{limit: 10, window: time.Hour}
	setUpCodeRule      = rule{limit: 10, window: time.Hour}
	forgotRule         = rule{limit: 3, window: time.Hour}
	forgotAddressRule  = rule{limit: 20, window: time.Hour}
	emailRule          = rule{limit: 5, window: time.Hour}
)

const quietLimit = 24 * time.Hour

// wait returns how long the next try must wait, or zero if it may be made now.
func (r rule) wait(t Tries, now time.Time) time.Duration {
	if now.Before(t.Until) {
		return t.Until.Sub(now)
	}
	if r.delay == 0 && t.Count >= r.limit {
		return max(0, t.Since.Add(r.window).Sub(now))
	}
	return 0
}

// charge counts a try that may be made now.
func (r rule) charge(t Tries, now time.Time) Tries {
	over := now.Sub(t.Since) >= r.window
	if r.delay > 0 && t.Count >= r.limit {
		over = now.Sub(t.Last) >= quietLimit
	}
	if over || t.Since.IsZero() {
		t.Count, t.Since = 0, now
	}
	t.Count++
	t.Last = now
	t.Until = r.until(t)
	return t
}

// refund takes back a try that turned out to be correct.
func (r rule) refund(t Tries) Tries {
	t.Count = max(0, t.Count-1)
	t.Until = r.until(t)
	return t
}

func (r rule) until(t Tries) time.Time {
	if r.delay == 0 || t.Count < r.limit {
		return time.Time{}
	}
	return t.Last.Add(doubled(r.delay, t.Count-r.limit, r.most))
}

func doubled(d time.Duration, times int, most time.Duration) time.Duration {
	for ; times > 0 && d < most; times-- {
		d *= 2
	}
	return min(d, most)
}

// budget is a row of tries and its rule.
type budget struct {
	Tries
	rule rule
}

func rowsOf(all []budget) (rows []Tries) {
	for _, b := range all {
		rows = append(rows, b.Tries)
	}
	return rows
}

// withNetwork returns the given budget, preceded by that of the caller's network.
func (by Caller) withNetwork(bucket string, r rule, own budget) []budget {
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
		n = n.asOf(now)
		if wait := b.rule.wait(n, now); wait > 0 && !n.moved { // otherwise charge must save the moved times
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
		n = n.asOf(now)
		wait := all[i].rule.wait(n, now)
		if allowed = wait == 0; allowed {
			n = all[i].rule.charge(n, now)
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

// CodeLimit is how many wrong codes from unknown clients, in a row or within 30 days, lock them out.
const CodeLimit = 10

// Limits of wrong codes. Anyone who enters codes from an unknown client has the password.
const (
	codeDelayFrom     = 5 // in a row: a delay and a mail
	codeWindow        = 30 * 24 * time.Hour
	authenticatorRow  = 50 // in a row from all clients: codes are refused until an authenticator is set up again
	codesWrongNotice  = 3  // in one sign-in, or counted for one client: a mail
	codeDelay         = 30 * time.Second
	codeDelayMost     = time.Hour
	permanentlyLocked = time.Duration(1<<63 - 1)
)

// ofMonth returns how many wrong codes from unknown clients count as those of the last 30 days: all of the current and
// of the previous window. So no period of 30 days has more than CodeLimit, wherever a window begins.
func (t Tries) ofMonth() int { return t.Count + t.Earlier }

// codeWait is wait for codes from unknown clients. permanentlyLocked means that waiting does not lift the lock.
func codeWait(t Tries, now time.Time) time.Duration {
	if t.Consecutive >= CodeLimit || t.ofMonth() >= CodeLimit {
		return permanentlyLocked
	}
	if now.Before(t.Until) {
		return t.Until.Sub(now)
	}
	return 0
}

// chargeCode counts a wrong code from an unknown client.
func chargeCode(t Tries, now time.Time) Tries {
	if age := now.Sub(t.Since); age >= codeWindow {
		t.Earlier = t.Count
		if age >= 2*codeWindow {
			t.Earlier = 0
		}
		t.Count, t.Since = 0, now
	}
	t.Count++
	t.Consecutive++
	t.Last = now
	if t.Consecutive >= codeDelayFrom {
		t.Until = now.Add(doubled(codeDelay, t.Consecutive-codeDelayFrom, codeDelayMost))
	}
	return t
}

// forgive refunds the wrong codes of a completed sign-in, and resets the count in a row. Wrong codes of others stay
// counted (I65).
func forgive(t Tries, wrong int) Tries {
	t.Count = max(0, t.Count-wrong)
	t.Consecutive, t.Until = 0, time.Time{}
	return t
}

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
		b.rows[t.Bucket] = t.asOf(now)
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
