package sallyport

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Seal closes a batch of events and continues the previous seal. The seals form a chain, of which no link can be forged
// without the keyset.
type Seal struct {
	Workspace string
	Batch     int64 // 1, 2, 3, ...
	Count     int   // of its events
	At        time.Time
	Previous  []byte // hash of the seal before it; empty for the first
	Hash      []byte // SHA-256 of all fields above and of the MACs of the events, in their order
	MAC       []byte // of all fields above
}

// SealHead is the first and the last batch of a workspace's chain. The seals do not prove an earlier head, because its
// MAC was stored nowhere else and is overwritten.
type SealHead struct {
	Workspace string
	First     int64 // the oldest batch that is kept
	Batch     int64 // the newest
	Hash      []byte
	MAC       []byte
}

// SealTx is the storage for sealing. None of its methods waits for transactions that write events, or delays them.
type SealTx interface {
	// UnsealedWorkspace returns the first workspace after the given one that has an event without a seal, or "" if
	// there is none.
	UnsealedWorkspace(after string) (string, error)
	// Unsealed returns the oldest events without a seal, after the given one.
	Unsealed(workspace, after string, limit int) ([]Event, error)
	SealHead(workspace string) (SealHead, bool, error)
	// MoveSealHead replaces the head was by now, or inserts the first head if was is zero. Of concurrent calls with the
	// same was, exactly one returns true.
	MoveSealHead(was, now SealHead) (bool, error)
	// InsertSeal inserts a seal, and sets the batch and position of the events with these ids. It fails if any of them
	// already has a seal.
	InsertSeal(seal Seal, ids []string) error
}

// How the log is sealed.
const (
	sealEvery = 10 * time.Second
	sealBatch = 256 // so that a batch occupies SQLite's one writer for only some milliseconds
	// SealLimit is how long an event may be without its seal before that counts as a finding.
	SealLimit = 5 * time.Minute
)

// errHead means that a head or seals were changed directly in the database. Nothing is sealed after that, because a new
// seal would hide what is missing.
var errHead = errors.New("the seals of the audit log were changed: run sallyport audit verify")

// Seal seals all events that have no seal yet, whenever they were committed. Run calls it. Several nodes may run it at
// the same time: if two continue the same seal, one wins, and the other continues after it.
func (s *Service) Seal(ctx context.Context) error {
	var failed error
	for more := true; more && ctx.Err() == nil; {
		more = false
		for workspace := ""; ctx.Err() == nil; {
			err := s.Store.Read(ctx, func(tx Tx) (err error) {
				workspace, err = tx.UnsealedWorkspace(workspace)
				return err
			})
			if err != nil || workspace == "" {
				failed = errors.Join(failed, err)
				break
			}
			full, err := s.sealOne(ctx, workspace)
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("workspace %s: %w", workspace, err))
			}
			more = more || full && err == nil
		}
		if failed != nil {
			return failed
		}
	}
	return failed
}

// sealOne seals one batch of a workspace. full reports that there may be more.
func (s *Service) sealOne(ctx context.Context, workspace string) (full bool, err error) {
	var head SealHead
	var events []Event
	// Read the head before the events. If another node has sealed some of these events since, it has moved the head,
	// and MoveSealHead returns false.
	err = s.Store.Read(ctx, func(tx Tx) error {
		h, found, err := tx.SealHead(workspace)
		if err != nil {
			return err
		}
		if found && !s.headHolds(h) {
			return errHead
		}
		head = h
		events, err = tx.Unsealed(workspace, "", sealBatch)
		return err
	})
	if err != nil || len(events) == 0 {
		return false, err
	}
	seal := Seal{Workspace: workspace, Batch: head.Batch + 1, Count: len(events), At: s.Now(), Previous: head.Hash}
	macs, ids := sha256.New(), make([]string, len(events))
	for i, e := range events {
		macs.Write(e.MAC)
		ids[i] = e.ID
	}
	s.sign(&seal, macs.Sum(nil))
	now := SealHead{Workspace: workspace, First: max(head.First, 1), Batch: seal.Batch, Hash: seal.Hash}
	now.MAC = s.headMAC(now)
	var won bool
	err = s.Store.Write(ctx, func(tx Tx) error {
		if _, err := tx.LockOwners(workspace); err != nil {
			return err
		}
		if won, err = tx.MoveSealHead(head, now); err != nil || !won {
			return err
		}
		if err := tx.InsertSeal(seal, ids); err != nil {
			return err
		}
		return tx.MoveSignedIn(workspace, signedIn(events))
	})
	if err == nil && won {
		s.Log.Info("audit log sealed", "workspace", workspace, "batch", seal.Batch, "events", seal.Count, "hash", hex.EncodeToString(seal.Hash))
	}
	return len(events) == sealBatch || !won, err
}

// signedIn returns the people who completed a sign-in. As every event is sealed once, none of them is forgotten.
func signedIn(events []Event) (ids []string) {
	for _, e := range events {
		if e.Kind == eventSignedIn {
			ids = append(ids, e.Subject)
		}
	}
	return distinct(ids)
}

// sign sets Hash and MAC of a seal. events is the hash of the events' MACs.
func (s *Service) sign(seal *Seal, events []byte) {
	var w words
	w.text("seal", seal.Workspace)
	w.number(seal.Batch, int64(seal.Count), seal.At.UnixMilli())
	w.bytes(seal.Previous, events)
	hash := sha256.Sum256(w)
	seal.Hash = hash[:]
	seal.MAC = s.sealMAC(*seal)
}

func (s *Service) sealMAC(seal Seal) []byte {
	var w words
	w.text("sealed", seal.Workspace)
	w.number(seal.Batch, int64(seal.Count), seal.At.UnixMilli())
	w.bytes(seal.Previous, seal.Hash)
	return s.Keys.Audit(w)
}

func (s *Service) headMAC(h SealHead) []byte {
	var w words
	w.text("head", h.Workspace)
	w.number(h.First, h.Batch)
	w.bytes(h.Hash)
	return s.Keys.Audit(w)
}

func (s *Service) headHolds(h SealHead) bool { return hmac.Equal(h.MAC, s.headMAC(h)) }

// seal seals the log repeatedly until ctx ends, and once more after that.
func (s *Service) seal(ctx context.Context) {
	tick := time.NewTicker(sealEvery)
	defer tick.Stop()
	for {
		if err := s.Seal(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("sealing the audit log", "error", err)
		}
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), sealEvery)
			defer cancel()
			if err := s.Seal(last); err != nil {
				s.Log.Error("sealing the audit log", "error", err)
			}
			return
		case <-tick.C:
		}
	}
}

// DropOldEvents deletes events older than AuditDays, in whole batches, from the old end of each chain. The newest batch
// stays. If AuditDays is 0, it deletes nothing. Run calls it.
func (s *Service) DropOldEvents(ctx context.Context) error {
	if s.AuditDays == 0 {
		return nil
	}
	var all []HostedWorkspace
	err := s.Store.Read(ctx, func(tx Tx) (err error) {
		all, err = tx.Workspaces()
		return err
	})
	for _, w := range all {
		for more := true; more && err == nil; {
			more, err = s.dropOldest(ctx, w.ID)
		}
	}
	return err
}

// dropOldest deletes the oldest batch of a workspace, if it is old enough.
func (s *Service) dropOldest(ctx context.Context, workspace string) (dropped bool, err error) {
	before := s.Now().AddDate(0, 0, -s.AuditDays)
	err = s.Store.Write(ctx, func(tx Tx) error {
		dropped = false
		head, found, err := tx.SealHead(workspace)
		if err != nil || !found || head.First == head.Batch {
			return err
		}
		oldest, err := tx.Seals(workspace, head.First-1, 1)
		if err != nil {
			return err
		}
		if len(oldest) == 0 || oldest[0].Batch != head.First || !s.headHolds(head) || !hmac.Equal(oldest[0].MAC, s.sealMAC(oldest[0])) {
			return fmt.Errorf("workspace %s: %w", workspace, errHead)
		}
		if !oldest[0].At.Before(before) {
			return nil
		}
		now := head
		now.First++
		now.MAC = s.headMAC(now)
		if dropped, err = tx.MoveSealHead(head, now); err != nil || !dropped {
			return err
		}
		return tx.DropBatch(workspace, head.First)
	})
	return dropped, err
}

// AuditPage is a page of the audit log.
type AuditPage struct {
	Events []Event // newest first
	People map[string]User
	More   bool // there are older ones
}

// AuditLog returns events of the caller's workspace that match the filter: those before the event with the id before,
// or the newest if before is empty. It also returns the people that they name who still exist.
func (s *Service) AuditLog(ctx context.Context, by Caller, f EventFilter, before string, limit int) (AuditPage, error) {
	var page AuditPage
	if err := s.MayAct(by, ReadAudit); err != nil {
		return page, err
	}
	err := s.Store.Read(ctx, func(tx Tx) (err error) {
		if page.Events, err = tx.Events(by.workspace.ID, f, before, limit+1); err != nil {
			return err
		}
		if page.More = len(page.Events) > limit; page.More {
			page.Events = page.Events[:limit]
		}
		var ids []string
		for _, e := range page.Events {
			ids = append(ids, e.Actor, e.Subject)
		}
		page.People, err = tx.Named(by.workspace.ID, distinct(ids))
		return err
	})
	return page, err
}

// distinct returns the ids that are not empty, each once.
func distinct(ids []string) []string {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}
