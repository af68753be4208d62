package passwd

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Params are the cost of one argon2id hash (RFC 9106). They are stored with each hash.
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8  // lanes
}

// Default is what new passwords cost: 19 MiB and two passes, about 20 ms of one core.
var Default = Params{Memory: 19 * 1024, Time: 2, Threads: 1}

// What a stored string may ask for. Whoever can write a row must not be able to take the machine's memory with it.
const (
	maxMemory  = 256 * 1024 // KiB
	maxTime    = 16
	maxThreads = 16

	saltBytes, minSalt, maxSalt = 16, 8, 64
	hashBytes, minHash, maxHash = 32, 16, 64
)

// ErrMalformed is a stored hash that is not an argon2id PHC string, or asks for more than a sane one does.
// Nobody signs in with it.
var ErrMalformed = errors.New("passwd: malformed password hash")

func (p Params) valid() bool {
	return p.Threads >= 1 && p.Threads <= maxThreads && p.Time >= 1 && p.Time <= maxTime &&
		p.Memory >= 8*uint32(p.Threads) && p.Memory <= maxMemory
}

// phc is a parsed "$argon2id$v=19$m=..,t=..,p=..$salt$hash".
type phc struct {
	Params
	salt, hash []byte
}

func (h phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s",
		h.Memory, h.Time, h.Threads, b64.EncodeToString(h.salt), b64.EncodeToString(h.hash))
}

// parse reads what String writes and nothing else: it writes what it read and compares. That leaves no room for leading
// zeros, parameters in another order, line ends or spare bits in the base64.
func parse(s string) (phc, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 {
		return phc{}, ErrMalformed
	}
	m, rest, _ := strings.Cut(strings.TrimPrefix(parts[3], "m="), ",t=")
	t, p, _ := strings.Cut(rest, ",p=")
	memory, errM := strconv.ParseUint(m, 10, 32)
	time, errT := strconv.ParseUint(t, 10, 32)
	threads, errP := strconv.ParseUint(p, 10, 8)
	salt, errS := base64.RawStdEncoding.DecodeString(parts[4])
	hash, errH := base64.RawStdEncoding.DecodeString(parts[5])
	if errors.Join(errM, errT, errP, errS, errH) != nil {
		return phc{}, ErrMalformed
	}
	h := phc{Params{uint32(memory), uint32(time), uint8(threads)}, salt, hash}
	if !h.valid() || h.String() != s || len(salt) < minSalt || len(salt) > maxSalt || len(hash) < minHash || len(hash) > maxHash {
		return phc{}, ErrMalformed
	}
	return h, nil
}

// NeedsRehash reports whether a stored hash is cheaper than p, so that a password that has just been right should be
// hashed again. A dearer one stays.
func NeedsRehash(stored string, p Params) bool {
	h, err := parse(stored)
	return err != nil || h.Memory < p.Memory || h.Time < p.Time || len(h.salt) < saltBytes || len(h.hash) < hashBytes
}

// Decoy makes a stored hash that no password matches, without hashing. Verify takes as long for it as for a real one:
// it is what an unknown name is checked against.
func Decoy(p Params) string {
	h := phc{p, make([]byte, saltBytes), make([]byte, hashBytes)}
	rand.Read(h.salt)
	rand.Read(h.hash)
	return h.String()
}
