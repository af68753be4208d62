package sallyport

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"log/slog"
	"strings"
	"time"
)

// Secret is a string that is never printed: all formats, logs and JSON show "[redacted]". Reveal returns the value.
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
	prefixPasskey       = "key_"
	prefixApproval      = "apr_"
	prefixParked        = "par_"
	prefixDevice        = "dev_"
	prefixEvent         = "evt_"
	prefixMail          = "mai_"
	prefixLink          = "lnk_"
	prefixGroup         = "grp_"
	prefixApp           = "app_"
	prefixAppSession    = "aps_"
	prefixTicket        = "tkt_"
	prefixAppToken      = "tok_"
	prefixSigningKey    = "sig_"
	prefixSecret        = "sec_"
	prefixGrant         = "gra_"
	prefixRequest       = "req_"
	prefixDeviceCode    = "dco_"
	prefixLogout        = "lgo_"
)

// Ids sort by time, because the alphabet is in the order of its bytes.
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

// validID reports whether an id could be one of newID with this prefix.
func validID(prefix, id string) bool {
	if len(id) != len(prefix)+idEncoding.EncodedLen(16) || !strings.HasPrefix(id, prefix) {
		return false
	}
	_, err := idEncoding.DecodeString(id[len(prefix):])
	return err == nil
}

// idFrom returns the smallest id that newID can return at a time or later.
func idFrom(prefix string, at time.Time) string {
	var u [16]byte
	for i := range 6 {
		u[i] = byte(at.UnixMilli() >> (40 - 8*i))
	}
	return prefix + idEncoding.EncodeToString(u[:])
}

const tokenSize = 16 + 16 + 32

// newToken returns a token for a cookie or link: the ids of the user and of the row by which it is looked up, and 256
// random bits. Only its hash is stored.
func newToken(user, row string) (token Secret, hash []byte) {
	var b [tokenSize]byte
	decodeID(b[:16], user)
	decodeID(b[16:32], row)
	rand.Read(b[32:])
	token = Secret(base64.RawURLEncoding.EncodeToString(b[:]))
	return token, hashToken(token)
}

// parseToken returns the ids in a token and its hash. The ids serve only to find the row; the hash in the row decides.
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

// newSecret returns 256 random bits for a secret that contains no ids, and their hash.
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

// decodeID decodes the 16 bytes after the four-letter prefix of an id into dst. A malformed id leaves zeros, which no
// row has.
func decodeID(dst []byte, id string) {
	if len(id) == 4+idEncoding.EncodedLen(16) {
		_, _ = idEncoding.Decode(dst, []byte(id[4:]))
	}
}
