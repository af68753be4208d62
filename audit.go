package sallyport

import (
	"context"
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
	Previous  []byte    // hash of the seal before it; empty for the first
	Hash      []byte    // SHA-256 of all fields above and of the MACs of the events, in their order
	Events    EventList // in their order; nil in a seal from before there were lists: its events have Batch and Position
	MAC       []byte    // of all fields above
}

// EventList is the ids of events, 16 bytes each.
type EventList []byte

// Add appends an id. It returns false if the id cannot be one of an event.
func (l *EventList) Add(id string) bool {
	if !validID(prefixEvent, id) {
		return false
	}
	*l = append(*l, make([]byte, 16)...)
	decodeID((*l)[len(*l)-16:], id)
	return true
}

// IDs returns the ids in the list.
func (l EventList) IDs() []string {
	ids := make([]string, 0, len(l)/16)
	for ; len(l) >= 16; l = l[16:] {
		ids = append(ids, prefixEvent+idEncoding.EncodeToString(l[:16]))
	}
	return ids
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

// SealTx is the storage of the chain.
type SealTx interface {
	SealHead(workspace string) (SealHead, bool, error)
	// MoveSealHead replaces the head was by now, or inserts the first head if was is zero. Of concurrent calls with the
	// same was, exactly one returns true.
	MoveSealHead(was, now SealHead) (bool, error)
	// InsertSeal inserts a seal, whose events no longer wait for one. It fails if any of them did not wait.
	InsertSeal(Seal) error
	// Seals returns the seals of a workspace in order, after the given batch.
	Seals(workspace string, after int64, limit int) ([]Seal, error)
	// DropSeal deletes a seal and its events.
	DropSeal(Seal) error
}

// Unsealed is what sealing needs of an event that waits for it.
type Unsealed struct {
	ID       string
	MAC      []byte
	SignedIn string // Event.SignedIn
}

// UnsealedTx is the storage of the events that wait for a seal. It neither waits for transactions that write events, nor
// delays them.
type UnsealedTx interface {
	// UnsealedWorkspace returns the first workspace after the given one that has an event without a seal, or "" if
	// there is none.
	UnsealedWorkspace(after string) (string, error)
	// Unsealed returns the oldest events without a seal, after the given id.
	Unsealed(workspace, after string, limit int) ([]Unsealed, error)
}

// LogTx is what verification reads besides seals.
type LogTx interface {
	// CountEvents returns the number of all events of a workspace.
	CountEvents(workspace string) (int, error)
	// EventIDs returns the ids of all events of a workspace in order, after the given one.
	EventIDs(workspace, after string, limit int) ([]string, error)
	// Logged calls each with the whole events that have these ids. Ids and events are in order.
	Logged(workspace string, ids []string, each func(Event) error) error
	// LoggedIn calls each with the whole events of the batches from first to last, in order, as far as their seals have no
	// list.
	LoggedIn(workspace string, first, last int64, each func(Event) error) error
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
		if page, err = auditPage(tx, by, f, before, limit); err != nil {
			return err
		}
		return nameApps(tx, by.workspace.ID, page.Events)
	})
	return page, err
}

func auditPage(tx Tx, by Caller, f EventFilter, before string, limit int) (page AuditPage, err error) {
	if page.Events, err = tx.Events(by.workspace.ID, f, before, limit+1); err != nil {
		return page, err
	}
	if page.More = len(page.Events) > limit; page.More {
		page.Events = page.Events[:limit]
	}
	var ids []string
	for _, e := range page.Events {
		ids = append(ids, e.Actor, e.Subject)
	}
	page.People, err = tx.Named(by.workspace.ID, distinct(ids))
	return page, err
}

// distinct returns the ids that are not empty, each once.
func distinct(ids []string) []string {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}
