package sallyport

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
)

// KnownDevice is a browser in which a user has completed a sign-in. It does not skip any step. It has budgets of tries of
// its own, so that strangers cannot lock the user out in it (I38).
type KnownDevice struct {
	Workspace  string
	User       string
	Hash       []byte
	Name       string // such as "Firefox on Windows"
	CreatedAt  time.Time
	LastSeenAt time.Time
}

// How many known devices a user may have, and how long each is remembered.
const (
	MaxKnownDevices  = 20
	KnownDeviceLimit = 180 * 24 * time.Hour
)

// KnownDeviceTx is the storage of known devices.
type KnownDeviceTx interface {
	// DeviceSeen returns when the user last completed a sign-in in this browser, or the zero time if never.
	DeviceSeen(workspace, user string, hash []byte) (time.Time, error)
	// SeeDevice updates when a known device was last seen, and its name.
	SeeDevice(KnownDevice) error
	// InsertDevice inserts a known device, and deletes all of the user's except the MaxKnownDevices most recently seen.
	InsertDevice(KnownDevice) error
	// RenewDevice replaces the hash of a browser that is a known device of other users of the workspace, for all of
	// them.
	RenewDevice(workspace, user string, old, renewed []byte) error
	// ForgetDevices deletes all known devices of the user.
	ForgetDevices(workspace, user string) error
}

// knows reports whether the caller's browser is a known device of the user.
func (s *Service) knows(tx Tx, by Caller, workspace, user string) (bool, error) {
	seen, err := tx.DeviceSeen(workspace, user, hashToken(by.device))
	return by.knownSince(seen, s.Now()), err
}

// knownSince reports whether the caller's browser, in which a user was last seen at seen, is a known device.
func (by Caller) knownSince(seen, now time.Time) bool {
	return by.device != "" && lifetime.Within(seen, KnownDeviceLimit, now)
}

// rememberDevice makes the caller's browser a known device of the user, who has just completed a sign-in in it and was
// last seen there at seen. It returns the new secret for the browser, or "" if it keeps its own, and whether the device is new to the
// user. The row of a known device that has expired is left for the sweep.
func (s *Service) rememberDevice(tx Tx, by Caller, u User, seen time.Time) (Secret, bool, error) {
	now := s.Now()
	b := KnownDevice{Workspace: u.Workspace, User: u.ID, Hash: hashToken(by.device), Name: by.agent, CreatedAt: now, LastSeenAt: now}
	if by.knownSince(seen, now) {
		if now.Sub(seen) <= time.Minute {
			return "", false, nil
		}
		return by.device, false, tx.SeeDevice(b) // set the cookie again, to extend its lifetime
	}
	// A planted secret must not become a known device of this user. Other users keep this browser as a known device.
	var value Secret
	value, b.Hash = newSecret()
	if by.device != "" {
		if err := tx.RenewDevice(u.Workspace, u.ID, hashToken(by.device), b.Hash); err != nil {
			return "", false, err
		}
	}
	return value, true, tx.InsertDevice(b)
}

// TrustedDevice is a browser in which a user need not enter a code. It skips only the code at sign-in. It is valid
// while it has the user's epoch, for Days from when the user ticked the box; that is never extended.
type TrustedDevice struct {
	Workspace    string
	User         string
	ID           string
	Hash         []byte // of the secret in the browser, which changes at every use
	PreviousHash []byte
	RotatedAt    time.Time
	Epoch        int64
	Days         int
	KnownDevice  []byte // of the known device, to detect a copy of the secret in another browser
	Name         string // such as "Firefox on Windows"
	Address      string
	CreatedAt    time.Time
	LastSeenAt   time.Time
}

// MaxTrustedDevices is how many trusted devices a user may have. Another one ends the oldest.
const MaxTrustedDevices = 50

// twoTabs is how long after its rotation an old secret may come back without being suspicious.
const twoTabs = time.Minute

// DeviceTx is the storage of trusted devices.
type DeviceTx interface {
	// TrustedDevices returns the trusted devices of a user, the most recently seen first.
	TrustedDevices(workspace, user string) ([]TrustedDevice, error)
	TrustedDevice(workspace, user, id string) (TrustedDevice, bool, error)
	// InsertTrustedDevice inserts a trusted device, and deletes all of the user's except the newest MaxTrustedDevices.
	InsertTrustedDevice(TrustedDevice) error
	// RotateTrustedDevice replaces hashes, rotation, name, address and last seen.
	RotateTrustedDevice(TrustedDevice) error
	// DeleteTrustedDevices deletes one trusted device, or all of the user's if id is empty. It returns how many it
	// deleted.
	DeleteTrustedDevices(workspace, user, id string) (int64, error)
}

// trusts reports whether a device is still trusted under the policy.
func (p Policy) trusts(d TrustedDevice, u User, now time.Time) bool {
	return p.TrustedDeviceDays > 0 && d.Epoch == u.Epoch && !lifetime.Ahead(d.LastSeenAt, now) &&
		lifetime.Between(d.CreatedAt, p.TrustUntil(d.CreatedAt, d.Days), now)
}

// useTrust uses a trusted device in place of the code. It returns the new secret for the browser, or "" if a code is
// needed.
func (s *Service) useTrust(tx Tx, by Caller, u User) (Secret, error) {
	user, id, hash, ok := parseToken(by.trust, prefixDevice)
	if !ok || user != u.ID || !u.TwoFactor || by.policy.NeedsPasskey(u, s.Now()) {
		return "", nil
	}
	d, ok, err := tx.TrustedDevice(u.Workspace, u.ID, id)
	now := s.Now()
	if err != nil || !ok {
		return "", err
	}
	if lifetime.Ahead(d.CreatedAt, now) || lifetime.Ahead(d.LastSeenAt, now) { // otherwise it would be valid again when that time comes
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
	d.Name, d.Address, d.LastSeenAt, d.KnownDevice = by.agent, addressOf(by), now, hashToken(by.device)
	var value Secret
	value, d.Hash = newToken(u.ID, d.ID)
	return value, tx.RotateTrustedDevice(d)
}

// oldTrust judges a secret that was replaced. A code is needed in any case. If the secret that replaced it was already
// used, or it comes from elsewhere, there is a copy of it, and the trust ends.
func (s *Service) oldTrust(tx Tx, by Caller, u User, d TrustedDevice, hash []byte) error {
	newerSeen := !bytes.Equal(d.PreviousHash, hash)
	elsewhere := d.Address != addressOf(by) || !bytes.Equal(d.KnownDevice, hashToken(by.device))
	detail := map[string]string{"device": d.ID, "name": d.Name}
	if lifetime.Within(d.RotatedAt, twoTabs, s.Now()) || !newerSeen && !elsewhere {
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

// trust makes the caller's browser a trusted device of u, if the policy allows it, and returns the secret for the
// browser. It replaces any trust that the browser had before.
func (s *Service) trust(tx Tx, by Caller, u User) (Secret, error) {
	now := s.Now()
	days := by.policy.TrustDays(u, now)
	if days == 0 {
		return "", nil
	}
	if user, id, _, ok := parseToken(by.trust, prefixDevice); ok && user == u.ID {
		if _, err := tx.DeleteTrustedDevices(u.Workspace, u.ID, id); err != nil {
			return "", err
		}
	}
	d := TrustedDevice{
		Workspace: u.Workspace, User: u.ID, ID: newID(prefixDevice, now), Epoch: u.Epoch, Days: days,
		KnownDevice: hashToken(by.device), Name: by.agent, Address: addressOf(by), CreatedAt: now, LastSeenAt: now, RotatedAt: now,
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
	This  bool // it is the caller's browser
}

// TrustedDevices returns the caller's devices that are still trusted, the most recently seen first.
func (s *Service) TrustedDevices(ctx context.Context, by Caller) ([]Trust, error) {
	if err := s.may(by, access{}); err != nil {
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

// RemoveTrustedDevice ends the trust in one of the caller's devices, or in all of them if id is empty. A device that
// does not exist is ErrNotFound.
func (s *Service) RemoveTrustedDevice(ctx context.Context, by Caller, id string) error {
	return s.act(ctx, by, access{ends: true}, func(tx Tx, me *actor) error {
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

// forget ends a user's trust in the caller's browser.
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
