package sallyport

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/jose"
	"github.com/sallyport-2fa/sallyport/internal/lifetime"
)

// Limits of an assertion. One that is reused has at least assertionLeft to go.
const (
	assertionLimit = 60 * time.Second
	assertionLeft  = 30 * time.Second
)

// asserted is what an app behind a proxy is told about the person who sends a request.
type asserted struct {
	Issuer    string   `json:"iss"`
	Audience  string   `json:"aud"` // origin of the app
	Subject   string   `json:"sub"`
	Email     string   `json:"email"`
	Name      string   `json:"name"`
	Groups    []string `json:"groups"`
	AuthTime  int64    `json:"auth_time,omitempty"`
	Methods   []string `json:"amr"`
	Class     string   `json:"acr,omitempty"`
	Session   string   `json:"sid,omitempty"`
	IssuedAt  int64    `json:"iat"`
	ExpiresAt int64    `json:"exp"`
}

// newAsserted returns the claims about a user, without times. groups are in the order in which the app gets them. proofs
// and session are empty for a program with a token.
func newAsserted(issuer, audience string, u User, groups []string, proofs Proofs, session string) asserted {
	a := asserted{
		Issuer: issuer, Audience: audience, Subject: u.ID, Email: u.Address, Name: u.Name, Groups: groups,
		Methods: amr(proofs), Class: acr(proofs), Session: session,
	}
	if a.Groups == nil {
		a.Groups = []string{}
	}
	if at := authTime(proofs); !at.IsZero() {
		a.AuthTime = at.Unix()
	}
	return a
}

// assertion returns the claims as a token for the header Sallyport-Assertion, signed with ES256. It returns the same token
// again while that lasts for assertionLeft. See signer for where it may be called.
func (s *Service) assertion(ctx context.Context, w Workspace, a asserted) (string, error) {
	content, err := json.Marshal(a)
	if err != nil {
		return "", err
	}
	now := s.Now()
	of := sha256.Sum256(append(content, w.ID...))
	if token, ok := s.assertions.get(of, now); ok {
		return token, nil
	}
	a.IssuedAt, a.ExpiresAt = now.Unix(), now.Add(assertionLimit).Unix()
	token, err := s.sign(ctx, w, jose.ES256, jose.JWT, a)
	if err != nil {
		return "", err
	}
	s.assertions.put(of, madeAssertion{token, now}, now)
	return token, nil
}

// assertions keeps the assertions that may be reused, by the hash of what they say. It begins anew when it is full or
// old, and then looks in what it had before as well, so that nothing has to be removed one by one.
type assertions struct {
	mu          sync.Mutex
	began       time.Time
	now, before map[[sha256.Size]byte]madeAssertion
}

type madeAssertion struct {
	token string
	at    time.Time
}

// maxAssertions bounds each of the two generations to some megabytes.
const maxAssertions = 4096

func (c *assertions) get(of [sha256.Size]byte, now time.Time) (string, bool) {
	c.mu.Lock()
	made, ok := c.now[of]
	if !ok {
		made, ok = c.before[of]
	}
	c.mu.Unlock()
	return made.token, ok && lifetime.Within(made.at, assertionLimit-assertionLeft, now)
}

func (c *assertions) put(of [sha256.Size]byte, made madeAssertion, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.now) >= maxAssertions || !lifetime.Within(c.began, assertionLimit-assertionLeft, now) {
		c.before, c.now, c.began = c.now, map[[sha256.Size]byte]madeAssertion{}, now
	}
	c.now[of] = made
}
