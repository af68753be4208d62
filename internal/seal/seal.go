// Package seal keeps secrets unreadable where they rest, under a keyset.
//
// A [Keyset] holds one or several AES-256-GCM keys (a Tink keyset: the primary
// seals, all of them open) and three HMAC keys that never change for as long
// as the installation lives: one for names, one for the audit chain, one for
// the check value. Keys are made by [Generate] or [Create], read by [Open] from
// a file or by [Parse] from the environment, and there is no way to read them
// out of a Keyset: it prints as "[redacted]" under every verb.
//
// What was sealed for one row opens for that row alone, see [AD]. No error of
// this package contains key material, plaintext or ciphertext.
//
// A Keyset read from a file follows that file, so that a running server goes on
// while a command rotates the keys: Seal always uses the primary key that is on
// disk, and Open looks at the disk when it meets a key it does not know.
package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// ErrUnreadable says that a ciphertext does not open: it was moved to another
// row, altered or cut, or sealed under a key that this keyset does not hold.
// Which of these is not told. Deny, and raise the alarm.
var ErrUnreadable = errors.New("seal: unreadable")

// A Keyset seals, opens and computes HMACs. It is safe for concurrent use.
type Keyset struct {
	fixed fixed
	path  string // the file it follows; empty when it came from memory
	mu    sync.Mutex
	ring  atomic.Pointer[ring] // replaced as a whole, under mu
	audit sync.Pool            // of HMACs that have the audit key in them
}

// AD is what a ciphertext is bound to: what it is (such as "authenticator")
// and the row it stands in. It is authenticated, not stored. Purpose and Row
// must not be empty; a row that belongs to no user leaves User empty.
type AD struct {
	Purpose, Workspace, User, Row string
}

// bytes puts the length before each field, so that no two ADs have the same
// encoding however their fields are cut.
func (ad AD) bytes() []byte {
	b := make([]byte, 0, 128)
	for _, field := range [...]string{ad.Purpose, ad.Workspace, ad.User, ad.Row} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
		b = append(b, field...)
	}
	return b
}

// Seal encrypts plaintext for the row named by ad. The result is 33 bytes
// longer than plaintext and different each time. With a keyset from a file it
// fails when that file is gone, damaged or another installation's: what it
// sealed could not be opened after a restart.
func (k *Keyset) Seal(plaintext []byte, ad AD) ([]byte, error) {
	if ad.Purpose == "" || ad.Row == "" {
		return nil, errors.New("seal: associated data without purpose or row")
	}
	r, err := k.latest()
	if err != nil {
		return nil, err
	}
	ciphertext, err := r.keys[r.primary].Encrypt(plaintext, ad.bytes())
	if err != nil {
		return nil, errors.New("seal: encryption failed")
	}
	return ciphertext, nil
}

// Open returns the plaintext of what Seal made for the same ad, or an error
// that is ErrUnreadable.
func (k *Keyset) Open(ciphertext []byte, ad AD) ([]byte, error) {
	id, ok := keyID(ciphertext)
	if !ok {
		return nil, ErrUnreadable
	}
	key, ok := k.ring.Load().keys[id]
	if !ok {
		r, err := k.latest()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
		}
		if key, ok = r.keys[id]; !ok {
			return nil, ErrUnreadable
		}
	}
	plaintext, err := key.Decrypt(ciphertext, ad.bytes())
	if err != nil {
		return nil, ErrUnreadable
	}
	return plaintext, nil
}

// Stale tells whether ciphertext should be opened and sealed anew, because it
// is not under the primary key. It does not tell whether it can be opened.
func (k *Keyset) Stale(ciphertext []byte) bool {
	id, ok := keyID(ciphertext)
	return !ok || id != k.ring.Load().primary
}

// keyID reads the prefix Tink puts before a ciphertext: the byte 1, then the
// key's id, big-endian.
func keyID(ciphertext []byte) (uint32, bool) {
	if len(ciphertext) < 5 || ciphertext[0] != 1 {
		return 0, false
	}
	return binary.BigEndian.Uint32(ciphertext[1:]), true
}

// Key is one encryption key, told by its number alone.
type Key struct {
	ID      uint32
	Primary bool // new secrets are sealed under this one
}

// Keys lists the encryption keys, ordered by ID. Exactly one is primary.
func (k *Keyset) Keys() []Key {
	r := k.ring.Load()
	var keys []Key
	for _, id := range slices.Sorted(maps.Keys(r.keys)) {
		keys = append(keys, Key{ID: id, Primary: id == r.primary})
	}
	return keys
}

// Name stands for a folded name that no user has, where a name must be counted
// but not kept: 26 characters a-z2-7, the same for the same name for as long
// as the installation lives. (HMAC-SHA256, the first 128 bits.)
func (k *Keyset) Name(folded string) string {
	return text(mac(k.fixed.Names, []byte(folded)))
}

// Audit returns HMAC-SHA256 of data under the audit chain's own key. The key
// outlives every rotation, so that old seals can be verified.
func (k *Keyset) Audit(data []byte) []byte {
	h, kept := k.audit.Get().(hash.Hash)
	if !kept {
		h = hmac.New(sha256.New, k.fixed.Audit)
	}
	h.Write(data)
	sum := h.Sum(nil)
	h.Reset()
	k.audit.Put(h)
	return sum
}

// CheckValue identifies the installation this keyset belongs to, and reveals
// nothing of it. Kept in the database, it tells whether a keyset fits: rotation
// does not change it, and no other keyset has it.
//
// A copy from before a rotation has the same value. Open refuses what was
// sealed since under the keys it lacks; Keys shows which it has.
func (k *Keyset) CheckValue() string {
	return text(mac(k.fixed.Installation, []byte("sallyport keyset"), k.fixed.Names, k.fixed.Audit))
}

// Format prints "[redacted]", whatever the verb.
func (k *Keyset) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[redacted]") }

func mac(key []byte, data ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, d := range data {
		h.Write(d)
	}
	return h.Sum(nil)
}

func text(sum []byte) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}
