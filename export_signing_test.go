package sallyport

import (
	"context"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/jose"
)

// What doors will call.

func (s *Service) Sign(ctx context.Context, w Workspace, a jose.Algorithm, t jose.Type, claims any) (string, error) {
	return s.sign(ctx, w, a, t, claims)
}

func (s *Service) VerifyOwn(ctx context.Context, w Workspace, token string, expired bool) ([]byte, error) {
	return s.verifyOwn(ctx, w, token, expired)
}

func (s *Service) Assertion(ctx context.Context, w Workspace, a Asserted) (string, error) {
	return s.assertion(ctx, w, a)
}

type Asserted = asserted

var (
	NewAsserted     = newAsserted
	AMR             = amr
	ACR             = acr
	AuthTime        = authTime
	ErrTokenInvalid = errTokenInvalid
	ErrTokenExpired = errTokenExpired
)

// The storage of signing keys is filled with ScheduleSigning and Sign.
const (
	SigningKept  = signingKept
	SigningAge   = signingAge
	MaxKeyCache  = maxKeyCache
	MaxAssertion = maxAssertions
)

// Asserted returns how many assertions are kept.
func (s *Service) KeptAssertions() int {
	s.assertions.mu.Lock()
	defer s.assertions.mu.Unlock()
	return len(s.assertions.now) + len(s.assertions.before)
}

// Schedule returns the ids of the keys of one algorithm that are gone, published and signing, and whether the next one is
// due.
func Schedule(keys []SigningKey, now time.Time) (gone, published []string, signs string, due bool) {
	r := keyring(keys)
	old, due := r.schedule(now, false)
	for _, k := range old {
		gone = append(gone, k.ID)
	}
	for _, k := range r.published(now) {
		published = append(published, k.ID)
	}
	return gone, published, r[r.signs(now)].ID, due
}
