// Package seal encrypts secrets before they are stored, with the keys of a
// keyset.
//
// A [Keyset] has one or more AES-256-GCM keys (a Tink keyset: the primary key
// seals, and every key opens) and three HMAC keys that never change during the
// life of an installation: one for names, one for the audit chain, one for the
// check value. [Generate] and [Create] create keysets, [Open] reads one from a
// file, and [Parse] from the environment. The keys cannot be read from a
// Keyset: it prints as "[redacted]" with every verb.
//
// A ciphertext opens only for the row that it was sealed for, see [AD]. Errors
// of this package never contain key material, plaintext or ciphertext.
//
// A Keyset that was read from a file follows that file, so a server keeps
// running while a command rotates the keys: Seal always uses the primary key on
// disk, and Open reads the file again when it meets an unknown key.
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

// ErrUnreadable means that a ciphertext does not open: it was moved to another
// row, changed or truncated, or sealed with a key that this keyset does not
// have. It does not say which. Deny the request, and raise an alarm.
var ErrUnreadable = errors.New("seal: unreadable")

// A Keyset seals, opens and computes HMACs. It is safe for concurrent use.
type Keyset struct {
	fixed fixed
	path  string // the file it follows; empty without a file
	mu    sync.Mutex
	ring  atomic.Pointer[ring] // replaced as a whole, under mu
	audit sync.Pool            // of HMACs initialised with the audit key
}

// AD is the associated data that a ciphertext is bound to: its purpose (such as
// "authenticator") and its row. It is authenticated, but not stored. Purpose
// and Row must not be empty. User is empty for a row that belongs to no user.
type AD struct {
	Purpose, Workspace, User, Row string
}

// bytes prefixes each field with its length, so that no two ADs have the same
// encoding.
func (ad AD) bytes() []byte {
	b := make([]byte, 0, 128)
	for _, field := range [...]string{ad.Purpose, ad.Workspace, ad.User, ad.Row} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
		b = append(b, field...)
	}
	return b
}

// Seal encrypts plaintext for the row of ad. The result is 33 bytes longer than
// plaintext and different each time. If the keyset's file is missing, damaged
// or another installation's, Seal fails, because nothing could open the result
// after a restart.
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

// Open decrypts what Seal returned for the same ad. Every error is an
// ErrUnreadable.
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

// Stale reports whether ciphertext should be sealed again because it is not
// sealed with the primary key. It does not check whether it can be opened.
func (k *Keyset) Stale(ciphertext []byte) bool {
	id, ok := keyID(ciphertext)
	return !ok || id != k.ring.Load().primary
}

// keyID reads the prefix that Tink adds to a ciphertext: the byte 1, then the
// ID of the key, big-endian.
func keyID(ciphertext []byte) (uint32, bool) {
	if len(ciphertext) < 5 || ciphertext[0] != 1 {
		return 0, false
	}
	return binary.BigEndian.Uint32(ciphertext[1:]), true
}

// Key describes an encryption key without its key material.
type Key struct {
	ID      uint32
	Primary bool // Seal uses this key
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

// Name returns a pseudonym for a folded name that no user has, for counting
// tries without storing the name: 26 characters a-z2-7, the same for the same
// name during the life of the installation (the first 128 bits of HMAC-SHA256).
func (k *Keyset) Name(folded string) string {
	return text(mac(k.fixed.Names, []byte(folded)))
}

// Audit returns HMAC-SHA256 of data with the key of the audit chain. Rotation
// does not change this key, so old seals can always be verified.
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

// CheckValue identifies the installation that this keyset belongs to, without
// revealing anything about its keys. Compare it with the value stored in the
// database: no other keyset has it, and rotation does not change it.
//
// A copy from before a rotation has the same value, but Open fails for what was
// sealed with newer keys. Keys shows which keys a copy has.
func (k *Keyset) CheckValue() string {
	return text(mac(k.fixed.Installation, []byte("sallyport keyset"), k.fixed.Names, k.fixed.Audit))
}

// Format prints "[redacted]" for every verb.
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
