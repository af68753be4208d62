package sallyport

import (
	"bytes"
	"context"
	"strconv"
	"time"
)

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
	// BrowserSeen returns when the user last completed a sign-in in this browser; the zero time if never.
	BrowserSeen(workspace, user string, hash []byte) (time.Time, error)
	// SeeBrowser notes that a known device was seen.
	SeeBrowser(Browser) error
	// InsertBrowser makes a device known and forgets all but the newest MaxBrowsers of the user.
	InsertBrowser(Browser) error
	// RenewBrowser puts another hash in the place of a browser's, for everybody else of the workspace to whom it is known.
	RenewBrowser(workspace, user string, old, renewed []byte) error
	// ForgetBrowsers makes all devices of the user unknown.
	ForgetBrowsers(workspace, user string) error
}

// knows reports whether the caller's browser is a known device of the user.
func (s *Service) knows(tx Tx, by Caller, workspace, user string) (bool, error) {
	seen, err := tx.BrowserSeen(workspace, user, hashToken(by.browser))
	return by.knownSince(seen, s.Now()), err
}

// knownSince reports whether a browser in which a user was last seen then is a known device.
func (by Caller) knownSince(seen, now time.Time) bool {
	return by.browser != "" && within(seen, BrowserLimit, now)
}

// meet makes the caller's browser a known device of the user who has just completed a sign-in, and was seen in it then
// before. It returns the value the browser is to keep, empty if it keeps what it has, and whether the device is new to
// the user. What was known so long ago that it is not any more stays behind for the sweep.
func (s *Service) meet(tx Tx, by Caller, u User, seen time.Time) (Secret, bool, error) {
	now := s.Now()
	b := Browser{Workspace: u.Workspace, User: u.ID, Hash: hashToken(by.browser), Name: by.agent, CreatedAt: now, LastSeenAt: now}
	if by.knownSince(seen, now) {
		if now.Sub(seen) <= time.Minute {
			return "", false, nil
		}
		return by.browser, false, tx.SeeBrowser(b) // so that the browser keeps it for as long from now on
	}
	// A value that was planted must not become known to this user; others whom it is known to keep their device.
	var value Secret
	value, b.Hash = newSecret()
	if by.browser != "" {
		if err := tx.RenewBrowser(u.Workspace, u.ID, hashToken(by.browser), b.Hash); err != nil {
			return "", false, err
		}
	}
	return value, true, tx.InsertBrowser(b)
}

// TrustedDevice is a browser that need not give a code. It skips only the code at sign-in, lives while its epoch is
// the user's, and ends when its days are over, counted from the ticking and never extended.
type TrustedDevice struct {
	Workspace    string
	User         string
	ID           string
	Hash         []byte // of the value that the browser holds; it changes at every use
	PreviousHash []byte
	RotatedAt    time.Time
	Epoch        int64
	Days         int
	BrowserHash  []byte // of the known device, to tell when the value is held elsewhere
	Name         string // such as "Firefox on Windows"
	Address      string
	CreatedAt    time.Time
	LastSeenAt   time.Time
}

// MaxTrustedDevices is how many a user may have; a further one ends the oldest.
const MaxTrustedDevices = 50

// twoTabs is how long after its rotation an old value may come back without anything being wrong.
const twoTabs = time.Minute

// DeviceTx is the storage of trusted devices.
type DeviceTx interface {
	// TrustedDevices returns those of a user, the one seen last first.
	TrustedDevices(workspace, user string) ([]TrustedDevice, error)
	TrustedDevice(workspace, user, id string) (TrustedDevice, bool, error)
	// InsertTrustedDevice keeps one, and ends all but the newest MaxTrustedDevices.
	InsertTrustedDevice(TrustedDevice) error
	// RotateTrustedDevice replaces hashes, rotation, name, address and last seen.
	RotateTrustedDevice(TrustedDevice) error
	// DeleteTrustedDevices ends one, or with an empty id all of the user, and says how many there were.
	DeleteTrustedDevices(workspace, user, id string) (int64, error)
}

// trusts reports whether a device is still trusted under the policy.
func (p Policy) trusts(d TrustedDevice, u User, now time.Time) bool {
	return p.TrustedDeviceDays > 0 && d.Epoch == u.Epoch && !ahead(d.LastSeenAt, now) &&
		between(d.CreatedAt, p.TrustUntil(d.CreatedAt, d.Days), now)
}

// useTrust lets a trusted device stand for the code. It returns the value that the browser is to keep from now on;
// empty means that a code is asked for.
func (s *Service) useTrust(tx Tx, by Caller, u User) (Secret, error) {
	user, id, hash, ok := parseToken(by.trust, prefixDevice)
	if !ok || user != u.ID || !u.TwoFactor {
		return "", nil
	}
	d, ok, err := tx.TrustedDevice(u.Workspace, u.ID, id)
	now := s.Now()
	if err != nil || !ok {
		return "", err
	}
	if ahead(d.CreatedAt, now) || ahead(d.LastSeenAt, now) { // it would come alive when that time comes
		if _, err := tx.DeleteTrustedDevices(u.Workspace, u.ID, id); err != nil {
			return "", err
		}
		return "", s.clockWentBack(tx, by)
	}
	if !by.policy.trusts(d, u, now) {
		return "", nil
	}
	if !bytes.Equal(d.Hash, hash) {
		return "", s.oldTrust(tx, by, u, d, hash)
	}
	d.PreviousHash, d.RotatedAt = d.Hash, now
	d.Name, d.Address, d.LastSeenAt, d.BrowserHash = by.agent, addressOf(by), now, hashToken(by.browser)
	var value Secret
	value, d.Hash = newToken(u.ID, d.ID)
	return value, tx.RotateTrustedDevice(d)
}

// oldTrust judges a value that was replaced. It is asked for a code in any case. When the value that replaced it was
// seen since, or it comes from elsewhere, somebody has a copy, and the trust ends.
func (s *Service) oldTrust(tx Tx, by Caller, u User, d TrustedDevice, hash []byte) error {
	newerSeen := !bytes.Equal(d.PreviousHash, hash)
	elsewhere := d.Address != addressOf(by) || !bytes.Equal(d.BrowserHash, hashToken(by.browser))
	detail := map[string]string{"device": d.ID, "name": d.Name}
	if within(d.RotatedAt, twoTabs, s.Now()) || !newerSeen && !elsewhere {
		return s.record(tx, by.as(u), "trusted_device.old_value", u.ID, Refused, detail)
	}
	if _, err := tx.DeleteTrustedDevices(u.Workspace, u.ID, d.ID); err != nil {
		return err
	}
	if err := s.notify(tx, by.as(u), u, "trusted_device.copied", map[string]any{"device": d.Name}); err != nil {
		return err
	}
	detail["alarm"] = "an old value came back"
	return s.record(tx, by.as(u), "trusted_device.copied", u.ID, Refused, detail)
}

// trust makes the caller's browser a trusted device of u, where the policy allows it, and returns the value that the
// browser is to keep. A trust that the browser held before is replaced.
func (s *Service) trust(tx Tx, by Caller, u User) (Secret, error) {
	now := s.Now()
	if by.policy.TrustedDeviceDays == 0 {
		return "", nil
	}
	if user, id, _, ok := parseToken(by.trust, prefixDevice); ok && user == u.ID {
		if _, err := tx.DeleteTrustedDevices(u.Workspace, u.ID, id); err != nil {
			return "", err
		}
	}
	d := TrustedDevice{
		Workspace: u.Workspace, User: u.ID, ID: newID(prefixDevice, now), Epoch: u.Epoch, Days: by.policy.TrustedDeviceDays,
		BrowserHash: hashToken(by.browser), Name: by.agent, Address: addressOf(by), CreatedAt: now, LastSeenAt: now, RotatedAt: now,
	}
	var value Secret
	value, d.Hash = newToken(u.ID, d.ID)
	if err := tx.InsertTrustedDevice(d); err != nil {
		return "", err
	}
	if err := s.notify(tx, by.as(u), u, "trusted_device.added", map[string]any{"device": d.Name, "days": d.Days}); err != nil {
		return "", err
	}
	return value, s.record(tx, by.as(u), "trusted_device.added", u.ID, Done, map[string]string{"device": d.ID, "name": d.Name})
}

// Trust is a trusted device as its user sees it.
type Trust struct {
	TrustedDevice
	Until time.Time
	This  bool // it is the browser that asks
}

// TrustedDevices returns those of who is signed in that are still trusted, the one seen last first.
func (s *Service) TrustedDevices(ctx context.Context, by Caller) ([]Trust, error) {
	if err := s.may(by, need{}); err != nil {
		return nil, err
	}
	var out []Trust
	err := s.Store.Read(ctx, func(tx Tx) error {
		all, err := tx.TrustedDevices(by.workspace.ID, by.user.ID)
		_, this, _, _ := parseToken(by.trust, prefixDevice)
		out = nil
		for _, d := range all {
			if by.policy.trusts(d, *by.user, s.Now()) {
				out = append(out, Trust{d, by.policy.TrustUntil(d.CreatedAt, d.Days), d.ID == this})
			}
		}
		return err
	})
	return out, err
}

// RemoveTrustedDevice ends the trust in a device, or with an empty id in all of the user's. One that is not there is
// ErrNotFound.
func (s *Service) RemoveTrustedDevice(ctx context.Context, by Caller, id string) error {
	return s.act(ctx, by, need{ends: true}, func(tx Tx, me *actor) error {
		n, err := tx.DeleteTrustedDevices(me.Workspace, me.ID, id)
		if err != nil {
			return err
		}
		if n == 0 {
			if id != "" {
				return ErrNotFound
			}
			return nil
		}
		return s.record(tx, by, "trusted_device.removed", me.ID, Done, map[string]string{"device": id, "count": strconv.FormatInt(n, 10)})
	})
}

// forget ends the trust that the caller's browser holds of a user.
func (s *Service) forget(tx Tx, by Caller, user string) error {
	holder, id, _, ok := parseToken(by.trust, prefixDevice)
	if !ok || holder != user {
		return nil
	}
	n, err := tx.DeleteTrustedDevices(by.workspace.ID, user, id)
	if err != nil || n == 0 {
		return err
	}
	return s.record(tx, by, "trusted_device.removed", user, Done, map[string]string{"device": id, "count": "1"})
}
