package sallyport

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/throttle"
)

// LockTx is the storage of locks.
type LockTx interface {
	// SaveLock replaces the lock in a user's row if that lock ends before over.
	SaveLock(workspace, user string, l Lock, until, over time.Time) error
	// LockedBetween returns at most limit users of all workspaces whose lock ends after from, and at to or before. The lock
	// that ends first comes first.
	LockedBetween(from, to time.Time, limit int) ([]User, error)
}

// Lock is the reason why a user's next try is refused. A lock OfKnown concerns only one of the user's known devices. Of the
// others, only the last four concern known devices as well.
type Lock string

const (
	NoLock            Lock = ""
	LockPassword      Lock = "password"
	LockCode          Lock = "code"
	LockRecovery      Lock = "recovery"
	LockSetUpCode     Lock = "set-up"
	LockAuthenticator Lock = "authenticator" // its codes are refused until it is set up again
	LockClock         Lock = "clock"         // the clock was set back, so codes up to LockedUntil count as used
	LockUsedCodes     Lock = "used-codes"    // the same, and Unlock cannot tell which of them were used
)

// OfKnown returns the lock of the same kind on one known device.
func (l Lock) OfKnown() Lock { return l + ":known" }

// lockedForGood is the LockedUntil of a lock that waiting does not lift.
var lockedForGood = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	lockPage = 200 // people that are read at a time
)

// What Unlock says when it would change nothing.
var (
	ErrNotLocked = &Error{Kind: Conflict, Code: "not_locked", Text: text.Say("There is nothing to unlock: no wrong passwords or codes are counted for this person.")}
	ErrLockStays = &Error{Kind: Conflict, Code: "lock_stays", Text: text.Say("Unlocking does not help here: after 50 wrong codes in a row, this person must set up two-factor authentication again. Reset it for them.")}
	ErrUsedCodes = &Error{Kind: Conflict, Code: "used_codes", Text: text.Say("Unlocking does not help here: this person used too many codes while the clock of this server was ahead. They can sign in with a recovery code, or you can reset two-factor authentication for them.")}
)

// Locked reports whether a try of the user is refused now, at least in some browsers. LockedBy says which.
func (u User) Locked(now time.Time) bool { return u.State != Suspended && now.Before(u.LockedUntil) }

// StateAt returns the user's state, or Locked. An invited person has an account only after accepting, so they stay
// Invited, whatever strangers type.
func (u User) StateAt(now time.Time) State {
	if u.State == Active && u.Locked(now) {
		return Locked
	}
	return u.State
}

// LockedForGood reports whether waiting does not lift the lock.
func (u User) LockedForGood() bool { return !u.LockedUntil.Before(lockedForGood) }

// Unlockable reports whether the user is locked and Unlock ends that.
func (u User) Unlockable(now time.Time) bool {
	return u.Locked(now) && u.LockedBy != LockAuthenticator && u.LockedBy != LockUsedCodes
}

// lockOf returns the lock that a budget puts on its user now, and its end.
func lockOf(t Tries, now time.Time) (Lock, time.Time) {
	kind, _, known := strings.Cut(t.Bucket, ":")
	var wait time.Duration
	switch {
	case kind == bucketPassword && known:
		wait = passwordDeviceRule.Wait(t, now)
	case kind == bucketPassword:
		wait = passwordRule.Wait(t, now)
	case kind == bucketCode && known:
		wait = codeDeviceRule.Wait(t, now)
	case kind == bucketCode:
		wait = throttle.CodeWait(t, now)
	case kind == bucketRecovery:
		wait = recoveryRule.Wait(t, now)
	case kind == bucketSetUpCode:
		wait = setUpCodeRule.Wait(t, now)
	case kind == bucketAuthenticator && t.Consecutive >= authenticatorRow:
		wait = throttle.Forever
	}
	l := Lock(kind)
	if known {
		l = l.OfKnown()
	}
	switch {
	case wait <= 0:
		return NoLock, time.Time{}
	case wait == throttle.Forever:
		return l, lockedForGood
	}
	return l, now.Add(wait)
}

// lockIfSpent records a lock if the budgets that a wrong try was just charged to refuse the next one. It also writes the
// event if there is no such user, so that both cases cost the same (I39).
func (s *Service) lockIfSpent(tx Tx, by Caller, user string, charged ...Tries) error {
	for _, t := range charged {
		l, until := lockOf(t, s.Now())
		if l == NoLock {
			continue
		}
		if err := s.lock(tx, by, user, l, until); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) lock(tx Tx, by Caller, user string, l Lock, until time.Time) error {
	if err := tx.SaveLock(by.workspace.ID, user, l, until, until); err != nil {
		return err
	}
	detail := map[string]string{"lock": string(l)}
	if until.Before(lockedForGood) {
		detail["until"] = until.UTC().Format(time.RFC3339)
	}
	return s.record(tx, by, "user.locked", user, Done, detail)
}

// relock updates the lock in a user's row, which is locked, after budgets were cleared or time has passed, and
// reports whether it ended. It costs nothing if the user is not locked.
func (s *Service) relock(tx Tx, u *User) (ended bool, err error) {
	if u.LockedUntil.IsZero() {
		return false, nil
	}
	now := s.Now()
	rows, all, err := tx.CodeTries(u.Workspace, u.ID)
	if err != nil {
		return false, err
	}
	was := *u
	u.LockedBy, u.LockedUntil = NoLock, time.Time{}
	for _, t := range rows {
		if t.Bucket == bucketAuthenticator && len(all) == 0 {
			continue
		}
		t = t.AsOf(now)
		l, until := lockOf(t, now)
		if t.Moved && l != NoLock { // save it, so that the wait does not begin again at each call
			if err := tx.SaveTries(t); err != nil {
				return false, err
			}
		}
		if until.After(u.LockedUntil) {
			u.LockedBy, u.LockedUntil = l, until
		}
	}
	for _, a := range all {
		if l, until := a.clockLock(now); until.After(u.LockedUntil) {
			u.LockedBy, u.LockedUntil = l, until
		}
	}
	if u.LockedBy == was.LockedBy && u.LockedUntil.Equal(was.LockedUntil) {
		return false, nil
	}
	return u.LockedBy == NoLock, tx.SaveLock(u.Workspace, u.ID, u.LockedBy, u.LockedUntil, lockedForGood.Add(time.Millisecond))
}

// lockEnds is relock that records the end.
func (s *Service) lockEnds(tx Tx, by Caller, u User) error {
	l := u.LockedBy
	ended, err := s.relock(tx, &u)
	if err != nil || !ended {
		return err
	}
	return s.record(tx, by, "user.lock_ended", u.ID, Done, map[string]string{"lock": string(l)})
}

// EndLocks records the end of each lock that time has ended. Package background calls it on every node; the rows of the people decide
// which node records.
func (s *Service) EndLocks(ctx context.Context) error {
	return s.relockBetween(ctx, time.Time{}, s.Now())
}

// relockBetween is lockEnds for everyone whose lock ends after from, and at to or before.
func (s *Service) relockBetween(ctx context.Context, from, to time.Time) error {
	for {
		var page []User
		if err := s.Store.Read(ctx, func(tx Tx) (err error) {
			page, err = tx.LockedBetween(from, to, lockPage)
			return err
		}); err != nil {
			return err
		}
		for _, u := range page {
			by := Caller{kind: callerSystem, door: DoorSystem, workspace: Workspace{ID: u.Workspace}}
			if err := s.write(ctx, func(tx Tx) error {
				now, found, err := tx.LockUser(u.Workspace, u.ID)
				if err != nil || !found {
					return err
				}
				return s.lockEnds(tx, by, now)
			}); err != nil {
				return err
			}
		}
		if len(page) < lockPage {
			return nil
		}
		from = page[len(page)-1].LockedUntil // more that end in the same millisecond wait for the next run
	}
}

// maxLocked is how many locked people a list shows.
const maxLocked = 10_000

// findLocked finds locked people. They are few, so they can be sorted by any order.
func (f PeopleFilter) findLocked(tx Tx, l found, words []string, now time.Time) (found, error) {
	l.few = true
	for _, r := range l.walks {
		r.LockedAt, r.Also, r.Group = now, words, f.Group
		ids, err := tx.FindPeople(r, maxLocked+1)
		if err != nil {
			return l, err
		}
		l.ids = append(l.ids, ids...)
	}
	l.cut = len(l.ids) > maxLocked
	l.ids = l.ids[:min(len(l.ids), maxLocked)]
	return l, nil
}

// nextLocked is NextPeople for locked people, who may be more than a list shows.
func (f PeopleFilter) nextLocked(tx Tx, by Caller, now time.Time, after User) ([]User, error) {
	words := fold.Words(fold.Name(f.Search))
	r := PeopleRange{
		Workspace: by.workspace.ID, Order: ByLock, Filtered: true, Cells: f.cells(by.policy, now, ""),
		Also: words[:min(len(words), maxSearching)], Group: f.Group, LockedAt: now,
	}
	if after.ID != "" {
		r.From = &after
	}
	if f.Group != "" {
		if _, exists, err := tx.TakeGroup(r.Workspace, f.Group); err != nil || !exists {
			return nil, err
		}
	}
	ids, err := tx.FindPeople(r, PeopleBatch)
	if err != nil {
		return nil, err
	}
	return listPeople(tx, r.Workspace, ids)
}

// Unlock empties a user's budgets of tries, of passwords and of codes from every client. An authenticator whose
// codes are refused stays refused until it is set up again. If the clock was set back after an authenticator was used,
// its codes are accepted again from the second time step from now on (I43). If none of this changes anything, the result is
// ErrNotLocked, ErrLockStays or ErrUsedCodes.
func (s *Service) Unlock(ctx context.Context, by Caller, id string) error {
	return s.actOn(ctx, by, access{may: UnlockPeople}, id, func(tx Tx, t *target) error {
		if err := s.unlocks(tx, t.User); err != nil {
			return err
		}
		if err := s.unburn(tx, t.User); err != nil {
			return err
		}
		if err := tx.ClearTries(t.Workspace, t.ID, ""); err != nil {
			return err
		}
		if _, err := s.relock(tx, &t.User); err != nil {
			return err
		}
		return s.record(tx, by, "user.unlocked", t.ID, Done, nil)
	})
}

// MayUnlock returns the user, or the error with which Unlock would refuse. It changes nothing.
func (s *Service) MayUnlock(ctx context.Context, by Caller, id string) (User, error) {
	u, err := s.see(ctx, by, UnlockPeople, id)
	if err != nil {
		return User{}, err
	}
	return u, s.Store.Read(ctx, func(tx Tx) error { return s.unlocks(tx, u) })
}

// unlocks returns nil if Unlock would have an effect on the user.
func (s *Service) unlocks(tx Tx, u User) error {
	rows, all, err := tx.CodeTries(u.Workspace, u.ID)
	if err != nil || slices.ContainsFunc(rows, unlocked) {
		return err
	}
	if slices.ContainsFunc(all, func(a Authenticator) bool { return a.LastStep > a.unburnt(s.Now()) }) {
		return nil
	}
	if u.LockedBy == LockAuthenticator {
		return ErrLockStays
	}
	if slices.ContainsFunc(all, func(a Authenticator) bool { l, _ := a.clockLock(s.Now()); return l == LockUsedCodes }) {
		return ErrUsedCodes
	}
	return ErrNotLocked
}

// clockLock returns the lock of an authenticator of which a code was used before the clock was set back, and its end.
func (a Authenticator) clockLock(now time.Time) (Lock, time.Time) {
	until := a.params().Time(a.LastStep + 1)
	switch {
	case !lifetime.Ahead(a.params().Time(a.LastStep), now):
		return NoLock, time.Time{}
	case a.LastStep <= a.unburnt(now):
		return LockUsedCodes, until
	}
	return LockClock, until
}

// unlocked reports whether the budget has counts that Unlock clears and that may lock.
func unlocked(t Tries) bool {
	kind, _, _ := strings.Cut(t.Bucket, ":")
	return t.Count+t.Consecutive+t.Earlier > 0 && slices.Contains([]string{bucketPassword, bucketCode, bucketRecovery, bucketSetUpCode}, kind)
}
