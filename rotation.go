package sallyport

import (
	"context"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/jose"
)

// newSigningKey generates a key. It must not be called inside Write, because that takes long.
func (s *Service) newSigningKey(workspace string, a jose.Algorithm, number int64, signsFrom time.Time) (SigningKey, error) {
	now := s.Now()
	k := SigningKey{Workspace: workspace, ID: newID(prefixSigningKey, now), Algorithm: a, Number: number, CreatedAt: now, SignsFrom: signsFrom}
	private, err := jose.Generate(a)
	if err != nil {
		return k, err
	}
	signer, err := jose.Load(k.ID, private)
	if err != nil {
		return k, err
	}
	public, err := signer.Public().MarshalJSON()
	if err != nil {
		return k, err
	}
	k.Public = string(public)
	k.Private, err = s.Keys.Seal(private, k.AD())
	return k, err
}

// changeSigningKeys inserts and deletes keys of the caller's workspace. If another node was faster with one, it leaves
// that out.
func (s *Service) changeSigningKeys(ctx context.Context, by Caller, created, gone []SigningKey) error {
	return s.write(ctx, func(tx Tx) error {
		for _, k := range created {
			won, err := tx.InsertSigningKey(k)
			if err != nil {
				return err
			}
			if won {
				detail := map[string]string{"key": k.ID, "algorithm": string(k.Algorithm), "signs_from": k.SignsFrom.UTC().Format(time.RFC3339)}
				if err := s.record(tx, by, "signing_key.created", "", Done, detail); err != nil {
					return err
				}
			}
		}
		for _, k := range gone {
			existed, err := tx.DeleteSigningKey(k.Workspace, k.ID)
			if err != nil {
				return err
			}
			if existed {
				detail := map[string]string{"key": k.ID, "algorithm": string(k.Algorithm)}
				if err := s.record(tx, by, "signing_key.removed", "", Done, detail); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// scheduleSigning does what the schedule wants for some keyrings of the caller's workspace.
func (s *Service) scheduleSigning(ctx context.Context, by Caller, rings []keyring, early bool) error {
	now := s.Now()
	var created, gone []SigningKey
	for _, ring := range rings {
		old, create := ring.schedule(now, early)
		gone = append(gone, old...)
		if !create {
			continue
		}
		k, err := s.newSigningKey(by.workspace.ID, ring[0].Algorithm, ring[len(ring)-1].Number+1, now.Add(SigningNotice))
		if err != nil {
			return err
		}
		created = append(created, k)
	}
	if len(created)+len(gone) == 0 {
		return nil
	}
	return s.changeSigningKeys(ctx, by, created, gone)
}

// ScheduleSigning creates the next signing key of each workspace and algorithm when it is due, and removes keys that are
// no longer of use. Package background calls it, on one node.
func (s *Service) ScheduleSigning(ctx context.Context) error {
	var all []SigningKey
	err := s.Store.Read(ctx, func(tx Tx) (err error) {
		all, err = tx.SigningDates()
		return err
	})
	if err != nil {
		return err
	}
	for _, ring := range keyrings(all) {
		by := Caller{kind: callerSystem, door: DoorSystem, workspace: Workspace{ID: ring[0].Workspace}}
		if err := s.scheduleSigning(ctx, by, []keyring{ring}, false); err != nil {
			return err
		}
	}
	return nil
}

// SigningRotation is the change from one signing key to the next.
type SigningRotation struct {
	Algorithm string
	Next      string    // id of the next key, which is published already
	SignsFrom time.Time // when it begins to sign
	Previous  string    // id of the key that signs until then
	HiddenAt  time.Time // when that is no longer published
}

// RotateSigning begins to replace the signing keys of a workspace, for a command on the host. The next key of each
// algorithm is published at once, and signs after SigningNotice. A change that has begun is not begun again. If the
// workspace has no keys yet, the result is empty: it gets the first ones when an app needs them.
func (s *Service) RotateSigning(ctx context.Context, by Caller) (all []SigningRotation, err error) {
	if by.kind != callerConsole {
		return nil, ErrNotAllowed
	}
	k, err := s.readSigningKeys(ctx, by.workspace.ID)
	if err != nil {
		return nil, err
	}
	if err := s.scheduleSigning(ctx, by, k.rings, true); err != nil {
		return nil, err
	}
	if k, err = s.readSigningKeys(ctx, by.workspace.ID); err != nil {
		return nil, err
	}
	for _, ring := range k.rings {
		if i := ring.signs(s.Now()); i+1 < len(ring) {
			next := ring[i+1]
			all = append(all, SigningRotation{string(next.Algorithm), next.ID, next.SignsFrom, ring[i].ID, next.SignsFrom.Add(SigningNotice)})
		}
	}
	return all, nil
}
