package passwd

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Params is the cost of one argon2id hash (RFC 9106). It is stored with each hash.
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8  // lanes
}

// Default is the cost of new password hashes: 19 MiB and two passes, about 20 ms on one core.
var Default = Params{Memory: 19 * 1024, Time: 2, Threads: 1}

// Limits of a stored hash. An attacker who can write a row must not be able to exhaust the server's memory.
const (
	maxMemory  = 256 * 1024 // KiB
	maxTime    = 16
	maxThreads = 16

	saltBytes, minSalt, maxSalt = 16, 8, 64
	hashBytes, minHash, maxHash = 32, 16, 64
)

// ErrMalformed means that a stored hash is not an argon2id PHC string, or exceeds the limits. No password matches it.
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

// parse accepts exactly what String writes: it formats the result again and compares. This rejects leading zeros,
// reordered parameters, line ends and unused bits in the base64.
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

// NeedsRehash reports whether a stored hash is weaker than p, so that the caller should hash the password again after
// it has matched. A hash with a higher cost is kept.
func NeedsRehash(stored string, p Params) bool {
	h, err := parse(stored)
	return err != nil || h.Memory < p.Memory || h.Time < p.Time || len(h.salt) < saltBytes || len(h.hash) < hashBytes
}

// Decoy returns a stored hash that no password matches, without hashing. Verify takes as long for it as for a real
// hash: use it for unknown names.
func Decoy(p Params) string {
	h := phc{p, make([]byte, saltBytes), make([]byte, hashBytes)}
	rand.Read(h.salt)
	rand.Read(h.hash)
	return h.String()
}
