package sallyport

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"log/slog"
	"time"
)

// Secret is a string that never prints: every format, log and JSON shows "[redacted]". Reveal gives the value.
type Secret string

func (Secret) String() string               { return "[redacted]" }
func (Secret) GoString() string             { return "[redacted]" }
func (Secret) LogValue() slog.Value         { return slog.StringValue("[redacted]") }
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"[redacted]"`), nil }

// Reveal returns the secret itself, for the one place that must send, hash or compare it.
func (s Secret) Reveal() string { return string(s) }

// Prefixes of ids.
const (
	prefixWorkspace     = "wsp_"
	prefixUser          = "usr_"
	prefixSession       = "ses_"
	prefixSignIn        = "sin_"
	prefixAuthenticator = "aut_"
	prefixParked        = "par_"
	prefixDevice        = "dev_"
	prefixEvent         = "evt_"
	prefixMail          = "mai_"
	prefixLink          = "lnk_"
)

// ids sort as their time does: the alphabet is in the order of its bytes.
var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// newID returns a prefix and a UUIDv7 (RFC 9562 section 5.7) of the given time, in base32.
func newID(prefix string, now time.Time) string {
	var u [16]byte
	rand.Read(u[6:])
	ms := now.UnixMilli()
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return prefix + idEncoding.EncodeToString(u[:])
}

// idFrom returns the least of the ids that newID makes at a time or later.
func idFrom(prefix string, at time.Time) string {
	var u [16]byte
	for i := range 6 {
		u[i] = byte(at.UnixMilli() >> (40 - 8*i))
	}
	return prefix + idEncoding.EncodeToString(u[:])
}

const tokenSize = 16 + 16 + 32

// newToken returns a value for a cookie or link: the ids of the user and the row it is looked up by, and 256 random
// bits. Only its hash is kept.
func newToken(user, row string) (token Secret, hash []byte) {
	var b [tokenSize]byte
	decodeID(b[:16], user)
	decodeID(b[16:32], row)
	rand.Read(b[32:])
	token = Secret(base64.RawURLEncoding.EncodeToString(b[:]))
	return token, hashToken(token)
}

// parseToken returns the ids inside a token and its hash. The ids find the row; the row decides.
func parseToken(token Secret, rowPrefix string) (user, row string, hash []byte, ok bool) {
	var b [tokenSize]byte
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenSize) {
		return "", "", nil, false
	}
	if n, err := base64.RawURLEncoding.Strict().Decode(b[:], []byte(token)); err != nil || n != tokenSize {
		return "", "", nil, false
	}
	user = prefixUser + idEncoding.EncodeToString(b[:16])
	row = rowPrefix + idEncoding.EncodeToString(b[16:32])
	return user, row, hashToken(token), true
}

// newSecret returns 256 random bits for a value that names no row of its own.
func newSecret() (Secret, []byte) {
	var b [32]byte
	rand.Read(b[:])
	s := Secret(base64.RawURLEncoding.EncodeToString(b[:]))
	return s, hashToken(s)
}

func hashToken(s Secret) []byte {
	h := sha256.Sum256([]byte(s))
	return h[:]
}

// decodeID puts the 16 bytes of an id behind its four-letter prefix into dst; a malformed id leaves zeros, which no
// row has.
func decodeID(dst []byte, id string) {
	if len(id) == 4+idEncoding.EncodedLen(16) {
		_, _ = idEncoding.Decode(dst, []byte(id[4:]))
	}
}
