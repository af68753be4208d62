package passkey

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
)

// ChallengeLimit is how long a challenge may be answered.
const ChallengeLimit = 10 * time.Minute

// A challenge is a time, random bytes and a MAC of both and of its use, which binds it to a purpose, a workspace, a
// person and a browser. So it is stored only when it is answered, to make sure that this happens once.
const (
	timeSize   = 8
	randomSize = 24
	macSize    = 16
)

// MAC computes a MAC under a secret key, of at least 16 bytes.
type MAC func(data []byte) []byte

// NewChallenge returns a new challenge for a use.
func NewChallenge(mac MAC, use []byte, now time.Time) []byte {
	c := binary.BigEndian.AppendUint64(make([]byte, 0, timeSize+randomSize+macSize), uint64(now.UnixMilli()))
	c = append(c, make([]byte, randomSize)...)
	rand.Read(c[timeSize:])
	return append(c, mac(append(c[:len(c):len(c)], use...))[:macSize]...)
}

// Challenged reports whether a challenge was made for this use, within ChallengeLimit.
func Challenged(mac MAC, challenge, use []byte, now time.Time) bool {
	if len(challenge) != timeSize+randomSize+macSize {
		return false
	}
	made, signed := challenge[:timeSize+randomSize], challenge[timeSize+randomSize:]
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(made)))
	return hmac.Equal(signed, mac(append(made[:len(made):len(made)], use...))[:macSize]) && lifetime.Within(at, ChallengeLimit, now)
}
