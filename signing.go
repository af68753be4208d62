package sallyport

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/jose"
	"github.com/sallyport-2fa/sallyport/internal/lifetime"
)

// SigningKey is a key with which a workspace signs tokens for its apps. It signs from SignsFrom until the next key of
// its algorithm does. schedule says when it is created and removed.
type SigningKey struct {
	Workspace string
	ID        string // also in tokens and in the key set
	Algorithm jose.Algorithm
	Number    int64  // of the keys of this algorithm, from 1
	Public    string // JSON Web Key
	Private   []byte // sealed
	CreatedAt time.Time
	SignsFrom time.Time
}

// The life of a signing key.
const (
	SigningPeriod = 90 * 24 * time.Hour // it signs
	SigningNotice = 24 * time.Hour      // it is published before it signs, and after it has signed
	// signingKept is how long it can be used to verify after it has signed: an app shows the token of a session when that
	// ends.
	signingKept = SessionLimit + SigningNotice
	// signingAge is how old a node's copy of the keys may be. SigningNotice leaves a wide margin.
	signingAge = time.Minute
)

// SigningTx is the storage of signing keys.
type SigningTx interface {
	// SigningKeys returns the keys of a workspace, by algorithm, then by number.
	SigningKeys(workspace string) ([]SigningKey, error)
	// SigningDates returns the keys of all workspaces, without Public and Private, in the same order.
	SigningDates() ([]SigningKey, error)
	// InsertSigningKey inserts a key. Of all calls with the same workspace, algorithm and number, exactly one returns true.
	InsertSigningKey(SigningKey) (bool, error)
	// DeleteSigningKey deletes a key, and returns whether it existed.
	DeleteSigningKey(workspace, id string) (bool, error)
}

// keyring is all keys of one algorithm of a workspace, by number.
type keyring []SigningKey

// keyrings divides keys by workspace and algorithm. It keeps their order.
func keyrings(keys []SigningKey) (all []keyring) {
	at := map[[2]string]int{}
	for _, k := range keys {
		of := [2]string{k.Workspace, string(k.Algorithm)}
		if _, ok := at[of]; !ok {
			at[of] = len(all)
			all = append(all, nil)
		}
		all[at[of]] = append(all[at[of]], k)
	}
	return all
}

// signs returns the index of the key that signs now: the newest whose time has come. If the clock was set back to before
// all of them, it is the first.
func (r keyring) signs(now time.Time) (at int) {
	for i, k := range r {
		if !k.SignsFrom.After(now) {
			at = i
		}
	}
	return at
}

// published returns the keys with which a token that is still valid now may be verified, and those that will sign soon.
func (r keyring) published(now time.Time) keyring {
	signs := r.signs(now)
	for i := range signs {
		if now.Before(r[i+1].SignsFrom.Add(SigningNotice)) {
			return r[i:]
		}
	}
	return r[signs:]
}

// schedule returns the keys that have to be removed now, and whether the next one has to be created. early is for
// someone who wants the next one before its time.
func (r keyring) schedule(now time.Time, early bool) (gone keyring, create bool) {
	signs := r.signs(now)
	for i := range signs {
		if !now.Before(r[i+1].SignsFrom.Add(signingKept)) {
			gone = append(gone, r[i])
		}
	}
	waiting := false
	for _, k := range r[signs+1:] {
		if lifetime.Ahead(k.SignsFrom, now.Add(SigningNotice)) { // created before the clock was set back
			gone = append(gone, k)
		} else {
			waiting = true
		}
	}
	due := early || lifetime.Ahead(r[signs].SignsFrom, now) || !now.Before(r[signs].SignsFrom.Add(SigningPeriod-SigningNotice))
	return gone, due && !waiting
}

// signingKeys is the keys of a workspace as this node last read them. It does not change.
type signingKeys struct {
	readAt  time.Time
	rings   []keyring
	public  map[string]jose.PublicKey // by id
	signers map[string]*jose.Signer   // by id, of the keys that sign now or later
}

// signer returns the signer of an algorithm, and whether there is one.
func (k *signingKeys) signer(a jose.Algorithm, now time.Time) (*jose.Signer, bool) {
	for _, ring := range k.rings {
		if ring[0].Algorithm == a {
			s, ok := k.signers[ring[ring.signs(now)].ID]
			return s, ok
		}
	}
	return nil, false
}

// keyCache keeps signing keys in memory, so that each is unsealed once and not for every token.
type keyCache struct {
	making chan struct{} // has a value while a workspace gets its first key, so that a node makes one only
	mu     sync.Mutex
	of     map[string]*signingKeys // by workspace
}

// maxKeyCache bounds the cache to some megabytes.
const maxKeyCache = 1000

func newKeyCache() *keyCache {
	return &keyCache{making: make(chan struct{}, 1), of: map[string]*signingKeys{}}
}

func (c *keyCache) get(workspace string) *signingKeys {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[workspace]
}

func (c *keyCache) put(workspace string, keys *signingKeys) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.of {
		if len(c.of) < maxKeyCache {
			break
		}
		delete(c.of, other)
	}
	c.of[workspace] = keys
}

// signingKeysOf returns the keys of a workspace, at most signingAge old.
func (s *Service) signingKeysOf(ctx context.Context, workspace string) (*signingKeys, error) {
	if k := s.signing.get(workspace); k != nil && lifetime.Within(k.readAt, signingAge, s.Now()) {
		return k, nil
	}
	return s.readSigningKeys(ctx, workspace)
}

// readSigningKeys reads the keys of a workspace, and unseals those that this node did not have before.
func (s *Service) readSigningKeys(ctx context.Context, workspace string) (*signingKeys, error) {
	before, now := s.signing.get(workspace), s.Now()
	var all []SigningKey
	if err := s.Store.Read(ctx, func(tx Tx) (err error) {
		all, err = tx.SigningKeys(workspace)
		return err
	}); err != nil {
		return nil, err
	}
	k := &signingKeys{readAt: now, rings: keyrings(all), public: map[string]jose.PublicKey{}, signers: map[string]*jose.Signer{}}
	for _, ring := range k.rings {
		for i, key := range ring {
			public, err := jose.ParseKey([]byte(key.Public))
			if err != nil {
				return nil, err
			}
			k.public[key.ID] = public
			if i < ring.signs(now) {
				continue
			}
			if before != nil && before.signers[key.ID] != nil {
				k.signers[key.ID] = before.signers[key.ID]
			} else if k.signers[key.ID], err = s.unsealSigner(key); err != nil {
				return nil, err
			}
		}
	}
	s.signing.put(workspace, k)
	return k, nil
}

func (s *Service) unsealSigner(k SigningKey) (*jose.Signer, error) {
	private, err := s.Keys.Open(k.Private, k.AD())
	if err != nil {
		return nil, err
	}
	return jose.Load(k.ID, private)
}

// signer returns the key with which a workspace signs now, and creates the first one of the algorithm. It reads the
// database at most once in signingAge. It must not be called inside Write, but what it returns may be used there.
func (s *Service) signer(ctx context.Context, w Workspace, a jose.Algorithm) (*jose.Signer, error) {
	k, err := s.signingKeysOf(ctx, w.ID)
	if err != nil {
		return nil, err
	}
	if signer, ok := k.signer(a, s.Now()); ok {
		return signer, nil
	}
	select {
	case s.signing.making <- struct{}{}:
		defer func() { <-s.signing.making }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if k, err = s.readSigningKeys(ctx, w.ID); err != nil {
		return nil, err
	}
	if signer, ok := k.signer(a, s.Now()); ok {
		return signer, nil
	}
	by := Caller{kind: callerSystem, door: DoorSystem, workspace: w}
	first, err := s.newSigningKey(w.ID, a, 1, s.Now())
	if err != nil {
		return nil, err
	}
	if err := s.changeSigningKeys(ctx, by, []SigningKey{first}, nil); err != nil {
		return nil, err
	}
	if k, err = s.readSigningKeys(ctx, w.ID); err != nil {
		return nil, err
	}
	if signer, ok := k.signer(a, s.Now()); ok {
		return signer, nil
	}
	return nil, errors.New("a signing key was removed as soon as it was created")
}

// publishKey creates the key with which tokens for an app will be signed, so that it is published before it signs. If that
// fails, signing creates it.
func (s *Service) publishKey(ctx context.Context, by Caller, a App) {
	if a.Client == nil {
		return
	}
	if _, err := s.signer(ctx, by.workspace, jose.Algorithm(a.Client.Algorithm)); err != nil {
		s.Log.Warn("no signing key was created yet", "app", a.ID, "error", err)
	}
}

// sign returns claims as a token that the workspace has signed. See signer.
func (s *Service) sign(ctx context.Context, w Workspace, a jose.Algorithm, t jose.Type, claims any) (string, error) {
	signer, err := s.signer(ctx, w, a)
	if err != nil {
		return "", err
	}
	return signer.Sign(t, claims)
}

// Why verifyOwn refuses a token.
var (
	errTokenInvalid = errors.New("the token was not signed here")
	errTokenExpired = errors.New("the token has expired")
)

// verifyOwn returns the claims of a token that the workspace has signed with sign as a jose.JWT. Unless expired is set,
// one that has expired is errTokenExpired. Every other one is errTokenInvalid. The caller checks the other claims.
func (s *Service) verifyOwn(ctx context.Context, w Workspace, token string, expired bool) ([]byte, error) {
	k, err := s.signingKeysOf(ctx, w.ID)
	if err != nil {
		return nil, err
	}
	t, err := jose.Verify(token, k.all(), jose.Algorithms...)
	if errors.Is(err, jose.ErrUnknownKey) { // perhaps another node has just created it
		if k, err = s.readSigningKeys(ctx, w.ID); err != nil {
			return nil, err
		}
		t, err = jose.Verify(token, k.all(), jose.Algorithms...)
	}
	if err != nil || t.Type != jose.JWT {
		return nil, errTokenInvalid
	}
	var claims struct {
		Expires int64 `json:"exp"`
	}
	if json.Unmarshal(t.Claims, &claims) != nil || claims.Expires <= 0 {
		return nil, errTokenInvalid
	}
	if !expired && s.Now().Unix() >= claims.Expires {
		return nil, errTokenExpired
	}
	return t.Claims, nil
}

// all returns every key that may have signed a token.
func (k *signingKeys) all() (keys []jose.PublicKey) {
	for _, ring := range k.rings {
		for _, key := range ring {
			keys = append(keys, k.public[key.ID])
		}
	}
	return keys
}

// SigningKeys returns the public keys of the caller's workspace as a JSON Web Key Set, for anyone. It is read from the
// database, so that it contains every key with which any node has signed.
func (s *Service) SigningKeys(ctx context.Context, by Caller) ([]byte, error) {
	k, err := s.readSigningKeys(ctx, by.workspace.ID)
	if err != nil {
		return nil, err
	}
	var keys []jose.PublicKey
	for _, ring := range k.rings {
		for _, key := range ring.published(s.Now()) {
			keys = append(keys, k.public[key.ID])
		}
	}
	return jose.MarshalSet(keys)
}
