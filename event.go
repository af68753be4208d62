package sallyport

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"maps"
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/seal"
)

// Event is one line of the audit log. Address and Agent are personal data. The MAC covers only PersonalHash, a salted
// hash of the two. So both can be erased with the person, together with the salt, and the line is still valid.
type Event struct {
	Workspace    string
	ID           string
	At           time.Time
	Kind         string // such as "sign_in.completed"
	Actor        string // id of the user who did it; empty: unknown, or ActorKind says who
	ActorKind    string // user, console, reseller, system or nobody
	Subject      string // id of the user it was done to, or empty
	Door         Door
	Address      string
	Agent        string // browser and system in words, such as "Firefox on Windows"
	Salt         []byte // nil: address and agent were erased
	PersonalHash []byte
	Result       string // done or refused
	App          string // id of the app that it is about, or empty
	AppName      string // of that app today; only in lists for people
	Detail       map[string]string
	MAC          []byte // of everything except Address, Agent and Salt

	// Where a seal without a list has the event. No other event has these.
	Batch    int64
	Position int // in the batch, from 1
}

// Results of events.
const (
	Done    = "done"
	Refused = "refused"
)

// EventTx is the storage of the audit log. An event's row is written once. Only what is personal in it may be erased.
type EventTx interface {
	// InsertEvent appends an event, which then waits for a seal.
	InsertEvent(Event) error
	// Events returns the events of a workspace that match the filter, newest first: those before the id before, or the
	// newest if before is empty. Salt and MAC are left out.
	Events(workspace string, f EventFilter, before string, limit int) ([]Event, error)
}

// EventFilter selects events. Empty fields match all events.
type EventFilter struct {
	Subject string    // id of the user it was done to
	Person  string    // id of the user who did it, or to whom it was done
	Kind    string    // of the event
	Result  string    // Done or Refused
	App     string    // id of the app that it is about
	Address string    // complete IP address
	From    time.Time // this time and later
	To      time.Time // before this time
}

// IDs returns the bounds on ids that From and To imply: ids are from or later, and before to. "" means no bound.
func (f EventFilter) IDs() (from, to string) {
	if !f.From.IsZero() {
		from = idFrom(prefixEvent, f.From)
	}
	if !f.To.IsZero() {
		to = idFrom(prefixEvent, f.To)
	}
	return from, to
}

// record inserts an event, in the transaction of the change that it describes.
func (s *Service) record(tx Tx, by Caller, kind, subject, result string, detail map[string]string) error {
	now := s.Now()
	e := Event{
		Workspace: by.workspace.ID, ID: newID(prefixEvent, now), At: now, Kind: kind, Subject: subject,
		Actor: by.actor(), ActorKind: string(by.kind), Door: by.door, Address: addressOf(by), Agent: by.agent, Result: result, App: by.app, Detail: detail,
		Salt: make([]byte, 16),
	}
	rand.Read(e.Salt)
	e.PersonalHash = personalHash(e.Salt, e.Address, e.Agent)
	e.MAC = e.mac(s.Keys)
	return tx.InsertEvent(e)
}

// Person returns the id of the user whose address and browser are in the event: the actor or, if that is unknown, the
// subject.
func (e Event) Person() string {
	if e.Actor != "" {
		return e.Actor
	}
	return e.Subject
}

// SignedIn returns the id of the user who completed a sign-in by this event, or "".
func (e Event) SignedIn() string {
	if e.Kind == "sign_in.completed" {
		return e.Subject
	}
	return ""
}

func personalHash(salt []byte, address, agent string) []byte {
	b := append(make([]byte, 0, 256), salt...)
	b = append(append(append(b, address...), 0), agent...)
	h := sha256.Sum256(b)
	return h[:]
}

// mac returns the MAC of an event's content and id, which protects it from the moment it is written: 128 bits.
func (e Event) mac(keys *seal.Keyset) []byte {
	w := make(seal.Words, 0, 512)
	w.Text("event", e.Workspace, e.ID, e.Kind, e.Actor, e.ActorKind, e.Subject, string(e.Door), e.Result, e.App)
	w.Number(e.At.UnixMilli())
	w.Bytes(e.PersonalHash)
	for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
		w.Text(name, e.Detail[name])
	}
	return keys.Audit(w)[:16]
}

// Genuine reports whether an event is unchanged since it was written, except for data that may be erased.
func (e Event) Genuine(keys *seal.Keyset) bool {
	if !hmac.Equal(e.MAC, e.mac(keys)) {
		return false
	}
	if e.Salt == nil {
		return e.Address == "" && e.Agent == ""
	}
	return hmac.Equal(e.PersonalHash, personalHash(e.Salt, e.Address, e.Agent))
}
