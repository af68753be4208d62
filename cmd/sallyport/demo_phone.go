package main

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/seal"
)

// demoPhone replaces every person's phone: it computes the codes of all authenticators, including one that is being set
// up, so that you can try the demo without a phone.
type demoPhone struct {
	keys *seal.Keyset

	mu     sync.Mutex
	drafts map[string]sallyport.Draft // the newest of each user
}

// demoCode is what one authenticator shows.
type demoCode struct {
	Authenticator string
	Code          string
	Draft         bool // still being set up
}

// watchDrafts returns a phone that sees every authenticator set up from now on. Call it before the Service is used.
func watchDrafts(s *sallyport.Service) *demoPhone {
	p := &demoPhone{keys: s.Keys, drafts: map[string]sallyport.Draft{}}
	s.Store = watchedStore{s.Store, p}
	return p
}

type watchedStore struct {
	sallyport.Store
	phone *demoPhone
}

func (s watchedStore) Write(ctx context.Context, fn func(sallyport.Tx) error) error {
	return s.Store.Write(ctx, func(tx sallyport.Tx) error { return fn(watchedTx{tx, s.phone}) })
}

type watchedTx struct {
	sallyport.Tx
	phone *demoPhone
}

func (tx watchedTx) PutDraft(d sallyport.Draft) error {
	tx.phone.mu.Lock()
	tx.phone.drafts[d.User] = d
	tx.phone.mu.Unlock()
	return tx.Tx.PutDraft(d)
}

// codes returns what the user's authenticators show now, oldest first, followed by the one being set up, if any.
func (p *demoPhone) codes(tx sallyport.Tx, u sallyport.User, now time.Time) ([]demoCode, error) {
	all, err := tx.Authenticators(u.Workspace, u.ID)
	if err != nil {
		return nil, err
	}
	var codes []demoCode
	for _, a := range all {
		secret, err := p.keys.Open(a.Secret, a.AD())
		if err != nil {
			return nil, err
		}
		params := otp.Default
		params.Algorithm = a.Algorithm
		codes = append(codes, demoCode{Authenticator: a.Name, Code: params.Code(secret, params.Step(now))})
	}
	p.mu.Lock()
	d, found := p.drafts[u.ID]
	p.mu.Unlock()
	if !found || !now.Before(d.ExpiresAt) {
		return codes, nil
	}
	if _, found, err = tx.Draft(d.Workspace, d.User, d.Holder); err != nil || !found {
		return codes, err
	}
	secret, err := p.keys.Open(d.Secret, d.AD())
	if err != nil {
		return nil, err
	}
	return append(codes, demoCode{Authenticator: d.Name, Code: otp.Default.Code(secret, otp.Default.Step(now)), Draft: true}), nil
}

// recoveryCodes returns the user's unused recovery codes. If the policy keeps only their hashes, it finds them among
// the known ones.
func (p *demoPhone) recoveryCodes(tx sallyport.Tx, u sallyport.User, known []string) (unused []string, err error) {
	set, err := tx.RecoveryCodes(u.Workspace, u.ID)
	if err != nil {
		return nil, err
	}
	byHash := map[string]string{}
	for _, code := range known {
		hash := sha256.Sum256([]byte(strings.ReplaceAll(code, "-", "")))
		byHash[string(hash[:])] = code
	}
	for _, c := range set {
		code := byHash[string(c.Hash)]
		if c.Sealed != nil {
			plain, err := p.keys.Open(c.Sealed, c.AD())
			if err != nil {
				return nil, err
			}
			var groups []string
			for group := range slices.Chunk(plain, 5) {
				groups = append(groups, string(group))
			}
			code = strings.Join(groups, "-")
		}
		if code != "" && c.UsedAt.IsZero() {
			unused = append(unused, code)
		}
	}
	return unused, nil
}
