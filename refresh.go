package sallyport

import (
	"crypto/hmac"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/seal"
)

// refreshEnds returns when the refresh tokens of a grant end if they are not used again.
func (g Grant) refreshEnds() time.Time {
	idle, last := g.RotatedAt.Add(RefreshIdleLimit), g.CreatedAt.Add(RefreshLimit)
	if idle.Before(last) {
		return idle
	}
	return last
}

// refresh issues tokens for a refresh token, which it replaces. One that was replaced before refreshAgain ends the family.
func (s *Service) refresh(tx Tx, by Caller, app App, r TokenRequest) (i issue, err error) {
	g, _, u, hash, err := s.grant(tx, by, app, r.Refresh)
	if err != nil {
		return i, err
	}
	if g.RefreshHash == nil {
		return i, ErrGrant
	}
	now := s.Now()
	current := subtle.ConstantTimeCompare(g.RefreshHash, hash) == 1
	again := subtle.ConstantTimeCompare(g.PreviousHash, hash) == 1 && lifetime.Within(g.RotatedAt, refreshAgain, now)
	if !current && !again {
		if s.precedes(r.Refresh, g) {
			return i, s.endGrant(tx, by, g, "app.refresh_reused")
		}
		return i, ErrGrant
	}
	if err := s.stillGranted(tx, by, app, g, u, now); err != nil {
		return i, err
	}
	if !app.Client.Refresh {
		return i, errNoLonger
	}
	scopes := g.Scopes
	if r.Scope != "" {
		scopes = grantedScopes(r.Scope)
		if slices.ContainsFunc(scopes, func(scope string) bool { return !slices.Contains(g.Scopes, scope) }) {
			return i, errScope
		}
	}
	if current {
		g.Rotations, g.RotatedAt = g.Rotations+1, now
	}
	successor := s.successor(g, g.Rotations)
	if current {
		g.PreviousHash, g.RefreshHash = hash, hashToken(successor)
	}
	g.Nonce = ""
	i, err = s.issue(tx, by, app, g, u, "")
	i.refresh, i.scopes = successor, scopes
	return i, err
}

// successor returns the refresh token after n rotations, with n at its end. It is a function of the first one, so that it can be
// returned again although only hashes are stored; without the keyset, nobody can compute it.
func (s *Service) successor(g Grant, n int) Secret {
	var w seal.Words
	w.Text("refresh token", g.Workspace, g.User, g.ID)
	w.Bytes(g.RefreshRoot)
	w.Number(int64(n))
	var b [tokenSize]byte
	decodeID(b[:16], g.User)
	decodeID(b[16:32], g.ID)
	copy(b[32:], s.Keys.Audit(w))
	return Secret(base64.RawURLEncoding.EncodeToString(b[:]) + "." + strconv.Itoa(n))
}

// numbered returns a refresh token without the number at its end, and that number: 0 for the first one.
func numbered(token Secret) (Secret, int) {
	bare, end, found := strings.Cut(token.Reveal(), ".")
	n, err := strconv.Atoi(end)
	if !found || err != nil || n < 1 || strconv.Itoa(n) != end {
		return token, 0
	}
	return Secret(bare), n
}

// precedes reports whether a token is an earlier refresh token of a grant. Who only knows the ids in it must not be able to end
// the grant.
func (s *Service) precedes(token Secret, g Grant) bool {
	_, n := numbered(token)
	if n == 0 {
		return g.Rotations > 0 && hmac.Equal(hashToken(token), g.RefreshRoot)
	}
	return n < g.Rotations && hmac.Equal([]byte(token), []byte(s.successor(g, n)))
}
