package sallyport

import (
	"crypto/rand"
	"crypto/sha256"
	"time"
)

// Event is one line of the audit log. Address and Browser are personal: they enter the chain of seals as a salted
// hash, so that they can be erased with the person and the chain still holds.
type Event struct {
	Workspace    string
	ID           string
	At           time.Time
	Kind         string // such as "sign_in.completed"
	Actor        string // id of the user who did it; empty: nobody known, or ActorKind says who
	ActorKind    string // user, console, system or nobody
	Subject      string // id of the user it was done to, or empty
	Door         Door
	Address      string
	Browser      string
	Salt         []byte
	PersonalHash []byte
	Result       string // done or refused
	Detail       map[string]string
}

// Results of events.
const (
	Done    = "done"
	Refused = "refused"
)

// EventTx is the storage of the audit log.
type EventTx interface {
	// InsertEvent appends an event that has no seal yet.
	InsertEvent(Event) error
	// Events returns the events whose subject is the user given, or with none all of the workspace, newest first,
	// those before the id given if there is one.
	Events(workspace, user, before string, limit int) ([]Event, error)
}

// record writes an event in the transaction of what it tells.
func (s *Service) record(tx Tx, by Caller, kind, subject, result string, detail map[string]string) error {
	now := s.Now()
	e := Event{
		Workspace: by.workspace.ID, ID: newID(prefixEvent, now), At: now, Kind: kind, Subject: subject,
		Actor: by.actor(), ActorKind: by.kind, Door: by.door, Address: addressOf(by), Browser: by.agent, Result: result, Detail: detail,
		Salt: make([]byte, 16),
	}
	rand.Read(e.Salt)
	e.PersonalHash = personalHash(e.Salt, e.Address, e.Browser)
	return tx.InsertEvent(e)
}

func personalHash(salt []byte, address, browser string) []byte {
	h := sha256.New()
	h.Write(salt)
	h.Write([]byte(address))
	h.Write([]byte{0})
	h.Write([]byte(browser))
	return h.Sum(nil)
}
