package sallyport

import (
	"context"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// ClientSecret is a secret with which an app proves itself to the OpenID Connect endpoints. It is shown once, when it is
// made.
type ClientSecret struct {
	ID         string
	Hash       []byte // SHA-256
	CreatedAt  time.Time
	LastUsedAt time.Time // zero: never
	ExpiresAt  time.Time // zero: it is valid until it is revoked
}

// MaxClientSecrets is how many secrets of an app are valid at once: two, so that a new one is in use everywhere before
// the old one ends.
const MaxClientSecrets = 2

// ClientSecretTx is the storage of client secrets.
type ClientSecretTx interface {
	InsertClientSecret(workspace, app string, s ClientSecret) error
	// ClientSecrets returns the secrets of an app, the oldest first, including those that have expired.
	ClientSecrets(workspace, app string) ([]ClientSecret, error)
	// DeleteClientSecret deletes a secret, and returns whether it existed.
	DeleteClientSecret(workspace, app, id string) (bool, error)
}

// ErrNoSecrets is for an app that proves itself without a secret, or not at all.
var ErrNoSecrets = &Error{Kind: Conflict, Code: "app_without_secrets", Text: text.Say("This app has no use for a secret: it does not use OpenID Connect, it is public, or it proves itself with its own keys.")}

// Valid reports whether a secret has not expired.
func (s ClientSecret) Valid(now time.Time) bool {
	return s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt)
}

// NewClientSecret makes a secret for an app, and returns it for the only time. If the app already has MaxClientSecrets,
// the oldest ends at once.
func (s *Service) NewClientSecret(ctx context.Context, by Caller, app string) (Secret, error) {
	secret, hash := newSecret()
	return secret, s.manage(ctx, by, managing, func(tx Tx) error {
		a, found, err := tx.TakeApp(by.workspace.ID, app)
		if err != nil {
			return err
		}
		switch {
		case !found:
			return ErrNotFound
		case !a.NeedsSecret():
			return ErrNoSecrets
		}
		now := s.Now()
		made := ClientSecret{ID: newID(prefixSecret, now), Hash: hash, CreatedAt: now}
		if err := s.endOldest(tx, by, a, now); err != nil {
			return err
		}
		if err := tx.InsertClientSecret(a.Workspace, a.ID, made); err != nil {
			return err
		}
		return s.record(tx, by.about(a.ID), "app.secret_created", "", Done, map[string]string{"name": a.Name, "secret": made.ID})
	})
}

// endOldest deletes the secrets of an app that have expired, and ends the oldest ones until one more may be made.
func (s *Service) endOldest(tx Tx, by Caller, a App, now time.Time) error {
	all, err := tx.ClientSecrets(a.Workspace, a.ID)
	if err != nil {
		return err
	}
	valid := 0
	for i := len(all) - 1; i >= 0; i-- { // the newest stay
		if all[i].Valid(now) {
			if valid++; valid < MaxClientSecrets {
				continue
			}
		}
		if err := s.endSecret(tx, by, a, all[i].ID); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) endSecret(tx Tx, by Caller, a App, id string) error {
	existed, err := tx.DeleteClientSecret(a.Workspace, a.ID, id)
	if err != nil {
		return err
	}
	if !existed {
		return ErrNotFound
	}
	return s.record(tx, by.about(a.ID), "app.secret_revoked", "", Done, map[string]string{"name": a.Name, "secret": id})
}

// ClientSecrets returns the secrets of an app, the oldest first.
func (s *Service) ClientSecrets(ctx context.Context, by Caller, app string) (all []ClientSecret, err error) {
	if err := s.mayManage(by, ManageApps); err != nil {
		return nil, err
	}
	err = s.Store.Read(ctx, func(tx Tx) error {
		all, err = tx.ClientSecrets(by.workspace.ID, app)
		return err
	})
	return all, err
}

// RevokeClientSecret ends a secret of an app at once.
func (s *Service) RevokeClientSecret(ctx context.Context, by Caller, app, id string) error {
	return s.manage(ctx, by, managing, func(tx Tx) error {
		a, found, err := tx.TakeApp(by.workspace.ID, app)
		if err != nil {
			return err
		}
		if !found {
			return ErrNotFound
		}
		return s.endSecret(tx, by, a, id)
	})
}

// NeedsSecret reports whether the app proves itself with a client secret.
func (a App) NeedsSecret() bool { return a.Client != nil && !a.Client.Public && a.Client.JWKS == "" }
