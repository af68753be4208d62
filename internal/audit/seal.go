package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/seal"
)

// How the log is sealed.
const (
	sealBatch = 256 // so that a batch occupies SQLite's one writer for only a few milliseconds
	// SealLimit is how long an event may be without its seal before that counts as a finding.
	SealLimit = 5 * time.Minute
)

// errHead means that a head or seals were changed directly in the database. Nothing is sealed after that, because a new
// seal would hide what is missing.
var errHead = errors.New("the seals of the audit log were changed: run sallyport audit verify")

// Seal seals all events that have no seal yet, whenever they were committed. Background work calls it. Several nodes may
// run it at the same time: if two continue the same seal, one wins, and the other continues after it.
func Seal(ctx context.Context, s *sallyport.Service) error {
	var failed error
	for more := true; more && ctx.Err() == nil; {
		more = false
		for workspace := ""; ctx.Err() == nil; {
			err := s.Store.Read(ctx, func(tx sallyport.Tx) (err error) {
				workspace, err = tx.UnsealedWorkspace(workspace)
				return err
			})
			if err != nil || workspace == "" {
				failed = errors.Join(failed, err)
				break
			}
			full, err := sealOne(ctx, s, workspace)
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
func sealOne(ctx context.Context, s *sallyport.Service, workspace string) (full bool, err error) {
	var head sallyport.SealHead
	var closing sallyport.Seal
	var people []string
	// Read the head before the events. If another node has sealed some of these events since, it has moved the head,
	// and MoveSealHead returns false.
	err = s.Store.Read(ctx, func(tx sallyport.Tx) error {
		h, found, err := tx.SealHead(workspace)
		if err != nil {
			return err
		}
		if found && !headHolds(s.Keys, h) {
			return errHead
		}
		head = h
		closing = sallyport.Seal{Workspace: workspace, Batch: head.Batch + 1, At: s.Now(), Previous: head.Hash}
		people, err = collect(tx, s.Keys, &closing)
		return err
	})
	if err != nil || closing.Count == 0 {
		return false, err
	}
	now := sallyport.SealHead{Workspace: workspace, First: max(head.First, 1), Batch: closing.Batch, Hash: closing.Hash}
	now.MAC = headMAC(s.Keys, now)
	var won bool
	err = s.Store.Write(ctx, func(tx sallyport.Tx) error {
		if _, err := tx.LockOwners(workspace); err != nil {
			return err
		}
		if won, err = tx.MoveSealHead(head, now); err != nil || !won {
			return err
		}
		if err := tx.InsertSeal(closing); err != nil {
			return err
		}
		return tx.MoveSignedIn(workspace, people)
	})
	if err == nil && won {
		s.Log.Info("audit log sealed", "workspace", workspace, "batch", closing.Batch, "events", closing.Count, "hash", hex.EncodeToString(closing.Hash))
	}
	return closing.Count == sealBatch || !won, err
}

// collect puts the oldest events without a seal into one, and signs it. It returns the people who completed a sign-in: as
// every event is sealed once, none of them is forgotten. An id that somebody has made up gets no seal.
func collect(tx sallyport.Tx, keys *seal.Keyset, closing *sallyport.Seal) (people []string, err error) {
	macs := sha256.New()
	for after := ""; closing.Count < sealBatch; {
		waiting, err := tx.Unsealed(closing.Workspace, after, sealBatch-closing.Count)
		if err != nil {
			return nil, err
		}
		if len(waiting) == 0 {
			break
		}
		for _, e := range waiting {
			after = e.ID
			if closing.Events.Add(e.ID) {
				closing.Count++
				macs.Write(e.MAC)
				people = append(people, e.SignedIn)
			}
		}
	}
	sign(keys, closing, macs.Sum(nil))
	return distinct(people), nil
}

// sign sets Hash and MAC of a seal. events is the hash of the events' MACs.
func sign(keys *seal.Keyset, closing *sallyport.Seal, events []byte) {
	var w seal.Words
	w.Text("seal", closing.Workspace)
	w.Number(closing.Batch, int64(closing.Count), closing.At.UnixMilli())
	w.Bytes(closing.Previous, events)
	hash := sha256.Sum256(w)
	closing.Hash = hash[:]
	closing.MAC = sealMAC(keys, *closing)
}

func sealMAC(keys *seal.Keyset, closing sallyport.Seal) []byte {
	var w seal.Words
	w.Text("sealed", closing.Workspace)
	w.Number(closing.Batch, int64(closing.Count), closing.At.UnixMilli())
	w.Bytes(closing.Previous, closing.Hash)
	if closing.Events != nil {
		w.Bytes(closing.Events)
	}
	return keys.Audit(w)
}

func headMAC(keys *seal.Keyset, h sallyport.SealHead) []byte {
	var w seal.Words
	w.Text("head", h.Workspace)
	w.Number(h.First, h.Batch)
	w.Bytes(h.Hash)
	return keys.Audit(w)
}

func headHolds(keys *seal.Keyset, h sallyport.SealHead) bool {
	return hmac.Equal(h.MAC, headMAC(keys, h))
}

// DropOld deletes events older than AuditDays, in whole batches, from the old end of each chain. The newest batch
// stays. If AuditDays is 0, it deletes nothing. Background work calls it.
func DropOld(ctx context.Context, s *sallyport.Service) error {
	if s.AuditDays == 0 {
		return nil
	}
	var all []sallyport.HostedWorkspace
	err := s.Store.Read(ctx, func(tx sallyport.Tx) (err error) {
		all, err = tx.Workspaces()
		return err
	})
	for _, w := range all {
		for more := true; more && err == nil; {
			more, err = dropOldest(ctx, s, w.ID)
		}
	}
	return err
}

// dropOldest deletes the oldest batch of a workspace, if it is old enough.
func dropOldest(ctx context.Context, s *sallyport.Service, workspace string) (dropped bool, err error) {
	before := s.Now().AddDate(0, 0, -s.AuditDays)
	err = s.Store.Write(ctx, func(tx sallyport.Tx) error {
		dropped = false
		head, found, err := tx.SealHead(workspace)
		if err != nil || !found || head.First == head.Batch {
			return err
		}
		oldest, err := tx.Seals(workspace, head.First-1, 1)
		if err != nil {
			return err
		}
		if len(oldest) == 0 || oldest[0].Batch != head.First || !headHolds(s.Keys, head) || !hmac.Equal(oldest[0].MAC, sealMAC(s.Keys, oldest[0])) {
			return fmt.Errorf("workspace %s: %w", workspace, errHead)
		}
		if !oldest[0].At.Before(before) {
			return nil
		}
		now := head
		now.First++
		now.MAC = headMAC(s.Keys, now)
		if dropped, err = tx.MoveSealHead(head, now); err != nil || !dropped {
			return err
		}
		return tx.DropSeal(oldest[0])
	})
	return dropped, err
}

// distinct returns the ids that are not empty, each once.
func distinct(ids []string) []string {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}
