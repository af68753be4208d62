package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const (
	formatVersion = 1
	macKeySize    = 32
)

// fixed holds the keys that no rotation changes. They are raw HMAC keys rather
// than Tink keysets: their output must never change, so there is nothing to
// rotate.
type fixed struct {
	Installation []byte `json:"installation"`
	Names        []byte `json:"names"`
	Audit        []byte `json:"audit"`
}

// ring is a snapshot of the encryption keys, with their primitives.
type ring struct {
	handle  *keyset.Handle
	primary uint32
	keys    map[uint32]tink.AEAD
	file    os.FileInfo // the file it was read from; nil without a file
}

// document is the text form of a keyset, in a file or in the environment.
type document struct {
	Version int `json:"version"`
	fixed
	AEAD json.RawMessage `json:"aead"` // a Tink keyset in its JSON form
}

// Generate returns a new keyset that exists only in memory.
func Generate() (*Keyset, error) {
	m := keyset.NewManager()
	if err := addPrimary(m); err != nil {
		return nil, err
	}
	r, err := newRing(m)
	if err != nil {
		return nil, err
	}
	k := &Keyset{fixed: fixed{Installation: randomKey(), Names: randomKey(), Audit: randomKey()}}
	k.ring.Store(r)
	return k, nil
}

// Parse reads a keyset from its text, the content of a keyset file. The keyset
// does not follow a file. Errors never contain any of the text.
func Parse(text []byte) (*Keyset, error) {
	var doc document
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff")))) // some editors write a byte order mark
	d.DisallowUnknownFields()
	// The errors of the decoders quote their input, so they are never returned.
	if d.Decode(&doc) != nil {
		return nil, errors.New("seal: not a keyset, or damaged")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("seal: unexpected data after the keyset")
	}
	if doc.Version != formatVersion {
		return nil, fmt.Errorf("seal: the keyset has version %d, but this program reads version %d", doc.Version, formatVersion)
	}
	for _, key := range [][]byte{doc.Installation, doc.Names, doc.Audit} {
		if len(key) != macKeySize {
			return nil, errors.New("seal: the keyset lacks a key, or has a key of the wrong size")
		}
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(doc.AEAD)))
	if err != nil {
		return nil, errors.New("seal: the keyset's encryption keys cannot be read")
	}
	r, err := newRing(keyset.NewManagerFromHandle(handle))
	if err != nil {
		return nil, err
	}
	k := &Keyset{fixed: doc.fixed}
	k.ring.Store(r)
	return k, nil
}

// marshal writes the text that Parse reads.
func marshal(f fixed, r *ring) ([]byte, error) {
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(r.handle, keyset.NewJSONWriter(&b)); err != nil {
		return nil, errors.New("seal: the encryption keys cannot be written")
	}
	text, err := json.MarshalIndent(document{Version: formatVersion, fixed: f, AEAD: b.Bytes()}, "", "  ")
	if err != nil {
		return nil, errors.New("seal: the keyset cannot be written")
	}
	return append(text, '\n'), nil
}

// newRing creates the primitives. It rejects keys with other parameters than
// ours: they could be weaker, or lack the prefix that identifies the key of a
// ciphertext.
func newRing(m *keyset.Manager) (*ring, error) {
	unusable := errors.New("seal: the keyset has an encryption key that cannot be used")
	handle, err := m.Handle()
	if err != nil {
		return nil, unusable
	}
	want, err := parameters()
	if err != nil {
		return nil, err
	}
	r := &ring{handle: handle, keys: make(map[uint32]tink.AEAD)}
	for i := range handle.Len() {
		entry, err := handle.Entry(i)
		if err != nil {
			return nil, unusable
		}
		key, ok := entry.Key().(*aesgcm.Key)
		if !ok || entry.KeyStatus() != keyset.Enabled || !key.Parameters().Equal(want) {
			return nil, unusable
		}
		if r.keys[entry.KeyID()], err = aesgcm.NewAEAD(key); err != nil {
			return nil, unusable
		}
		if entry.IsPrimary() {
			r.primary = entry.KeyID()
		}
	}
	return r, nil
}

func addPrimary(m *keyset.Manager) error {
	p, err := parameters()
	if err != nil {
		return err
	}
	id, err := m.AddNewKeyFromParameters(p)
	if err != nil {
		return fmt.Errorf("seal: creating a key: %w", err)
	}
	return m.SetPrimary(id)
}

func parameters() (*aesgcm.Parameters, error) {
	return aesgcm.NewParameters(aesgcm.ParametersOpts{
		KeySizeInBytes: 32, IVSizeInBytes: 12, TagSizeInBytes: 16, Variant: aesgcm.VariantTink,
	})
}

func randomKey() []byte {
	key := make([]byte, macKeySize)
	_, _ = rand.Read(key) // documented never to fail
	return key
}
