package sallyport_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// webApp adds an app that uses OpenID Connect.
func webApp(e *sallyporttest.Env, name string) sallyport.App {
	e.T.Helper()
	a := sallyport.App{AppDetails: sallyport.AppDetails{Name: name, Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy},
		Client: sallyport.NewAppClient("https://" + strings.ToLower(name) + ".example.com/callback")}
	a, err := e.CreateApp(context.Background(), e.Console(), a)
	e.Check(err)
	return a
}

func TestClientSecrets(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx, console := context.Background(), e.Console()
		wiki, other := webApp(e, "Wiki"), webApp(e, "Other")
		ids := func() (all []string) {
			secrets, err := e.ClientSecrets(ctx, console, wiki.ID)
			e.Check(err)
			for _, s := range secrets {
				all = append(all, s.ID)
			}
			return all
		}
		var made []sallyport.Secret
		for range 3 {
			e.Clock.Advance(time.Second)
			s, err := e.NewClientSecret(ctx, console, wiki.ID)
			e.Check(err)
			made = append(made, s)
		}
		_, err := e.NewClientSecret(ctx, console, other.ID)
		e.Check(err)
		left, err := e.ClientSecrets(ctx, console, wiki.ID)
		e.Check(err)
		for i, s := range left {
			if sum := sha256.Sum256([]byte(made[i+1].Reveal())); hex.EncodeToString(s.Hash) != hex.EncodeToString(sum[:]) || !s.Valid(e.Clock.Now()) || !s.LastUsedAt.IsZero() {
				t.Errorf("secret %d is kept as %+v", i+1, s)
			}
		}
		if len(left) != sallyport.MaxClientSecrets || len(made[0]) < 43 || made[0] == made[1] {
			t.Errorf("%d secrets are valid: %+v", len(left), left)
		}
		if kinds := e.Query(`SELECT kind FROM events WHERE app = $1 AND kind LIKE 'app.secret%' ORDER BY id`, wiki.ID); len(kinds) != 4 {
			t.Errorf("events: %v, want three secrets made and one revoked", kinds)
		}
		if strings.Contains(e.Dump(), made[2].Reveal()) {
			t.Error("I47: the database contains a secret")
		}

		e.Exec(`UPDATE app_secrets SET expires_at = $1 WHERE id = $2`, e.Clock.Now().UnixMilli(), left[1].ID)
		_, err = e.NewClientSecret(ctx, console, wiki.ID)
		e.Check(err)
		if got := ids(); len(got) != 2 || got[0] != left[0].ID {
			t.Errorf("one that has expired counts: left are %v", got)
		}
		for _, test := range []struct {
			name, app, id string
			want          error
		}{
			{"of another app", other.ID, left[0].ID, sallyport.ErrNotFound},
			{"of an unknown app", "app_0", left[0].ID, sallyport.ErrNotFound},
			{"an unknown one", wiki.ID, "sec_0", sallyport.ErrNotFound},
			{"the app's own", wiki.ID, left[0].ID, nil},
			{"a second time", wiki.ID, left[0].ID, sallyport.ErrNotFound},
		} {
			if err := e.RevokeClientSecret(ctx, console, test.app, test.id); !errors.Is(err, test.want) {
				t.Errorf("revoke %s: %v, want %v", test.name, err, test.want)
			}
		}
		if got := ids(); len(got) != 1 {
			t.Errorf("after revoking one of two: %v", got)
		}
		e.Check(e.DeleteApp(ctx, console, wiki.ID))
		if rows := e.Query(`SELECT id FROM app_secrets WHERE app_id = $1`, wiki.ID); len(rows) != 0 {
			t.Errorf("a deleted app leaves secrets: %v", rows)
		}
	})
}

// TestClientSecretsAreForAppsThatUseThem: an app that proves itself in another way gets no secret.
func TestClientSecretsAreForAppsThatUseThem(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx, console := context.Background(), e.Console()
		for name, change := range map[string]func(*sallyport.App){
			"without OpenID Connect": func(a *sallyport.App) { a.Client = nil },
			"public":                 func(a *sallyport.App) { a.Client.Public = true },
			"with keys of its own":   func(a *sallyport.App) { a.Client.JWKS = `{"keys":[]}` },
		} {
			a := sallyport.App{AppDetails: sallyport.AppDetails{Name: name, Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy}, Client: sallyport.NewAppClient()}
			a, err := e.CreateApp(ctx, console, a)
			e.Check(err)
			e.Exec(`UPDATE apps SET client = '' WHERE id = $1 AND name = 'without OpenID Connect'`, a.ID)
			change(&a)
			e.Check(e.Store.Write(ctx, func(tx sallyport.Tx) error { return tx.SaveApp(a) }))
			if _, err := e.NewClientSecret(ctx, console, a.ID); !errors.Is(err, sallyport.ErrNoSecrets) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := e.NewClientSecret(ctx, console, "app_0"); !errors.Is(err, sallyport.ErrNotFound) {
			t.Errorf("an unknown app: %v", err)
		}
	})
}

// TestClientSecretsAtOnce: of many secrets made at the same time, two are valid.
func TestClientSecretsAtOnce(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		wiki, console := webApp(e, "Wiki"), e.Console()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := e.NewClientSecret(context.Background(), console, wiki.ID); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if rows := e.Query(`SELECT id FROM app_secrets`); len(rows) != sallyport.MaxClientSecrets {
			t.Errorf("%d secrets are valid", len(rows))
		}
	})
}

// TestI22_AppsNeedFreshProof: administrators change apps and their secrets only with a fresh second factor, and not in
// another workspace.
func TestI22_AppsNeedFreshProof(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		wiki := webApp(e, "Wiki")
		_, err := e.NewClientSecret(ctx, e.Console(), wiki.ID)
		e.Check(err)
		secret := e.Query(`SELECT id FROM app_secrets`)[0][0]
		owner := e.Enrol(&e.Owner, "Phone")
		e.Check(e.AddWorkspace(ctx, "", "globex.localhost:1", sallyport.FirstOwner{Workspace: "Globex", Name: "G", Address: "g@globex.example", Password: sallyporttest.Password}))
		there, err := e.Service.Console(ctx, "globex.localhost:1")
		e.Check(err)
		for name, change := range map[string]func(by sallyport.Caller) error{
			"create": func(by sallyport.Caller) error {
				_, err := e.CreateApp(ctx, by, sallyport.App{AppDetails: sallyport.AppDetails{Name: e.Clock.Now().String(), Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy}})
				return err
			},
			"change": func(by sallyport.Caller) error {
				return e.ChangeApp(ctx, by, wiki.ID, func(a *sallyport.App) { a.Fresh++ })
			},
			"disable":       func(by sallyport.Caller) error { return e.DisableApp(ctx, by, wiki.ID) },
			"enable":        func(by sallyport.Caller) error { return e.EnableApp(ctx, by, wiki.ID) },
			"make a secret": func(by sallyport.Caller) error { _, err := e.NewClientSecret(ctx, by, wiki.ID); return err },
		} {
			if err := change(owner.By()); err != nil {
				t.Errorf("%s, fresh: %v", name, err)
			}
			e.Clock.Advance(sallyport.StepUpLimit + time.Second)
			if err := change(owner.By()); !errors.Is(err, sallyport.ErrStepUp) {
				t.Errorf("%s, stale: %v", name, err)
			}
			e.Clock.Advance(time.Minute)
			token, err := e.StepUpCode(ctx, owner.By(), e.Owner.Code(e.Clock.Now()), sallyport.StrongFactor)
			e.Check(err)
			owner.Session = token
			if err := change(there); name != "create" && !errors.Is(err, sallyport.ErrNotFound) {
				t.Errorf("I28: %s, from another workspace: %v", name, err)
			}
		}
		if err := e.RevokeClientSecret(ctx, there, wiki.ID, secret); !errors.Is(err, sallyport.ErrNotFound) {
			t.Errorf("I28: revoke, from another workspace: %v", err)
		}
		if all, err := e.ClientSecrets(ctx, there, wiki.ID); err != nil || len(all) != 0 {
			t.Errorf("I28: list, from another workspace: %v %v", all, err)
		}
		if _, err := e.AppActivity(ctx, owner.By(), "app_0", "", 10); !errors.Is(err, sallyport.ErrNotFound) {
			t.Errorf("activity of an unknown app: %v", err)
		}
	})
}

// TestAppUse: what counts is that an app was opened, in the last 30 days, and no more events are read than the limit.
func TestAppUse(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		wiki, other := webApp(e, "Wiki"), webApp(e, "Other")
		owner := e.Enrol(&e.Owner, "Phone")
		use := func() sallyport.AppUse {
			v, err := e.AppActivity(ctx, owner.By(), wiki.ID, "", 10)
			e.Check(err)
			return v.Use
		}
		if got := use(); got != (sallyport.AppUse{}) {
			t.Errorf("never opened: %+v", got)
		}
		now := e.Clock.Now()
		event := func(app, kind string, at time.Time) {
			e.Check(e.Store.Write(ctx, func(tx sallyport.Tx) error {
				return tx.InsertEvent(sallyport.Event{Workspace: wiki.Workspace, ID: sallyport.EventID(at), At: at, Kind: kind, ActorKind: "nobody", Result: sallyport.Done, App: app,
					Salt: []byte("x"), PersonalHash: []byte("x"), MAC: []byte("x")})
			}))
		}
		last := now.Add(-time.Minute).Truncate(time.Millisecond)
		event(wiki.ID, "app.opened", last)
		event(wiki.ID, "app.opened", now.Add(-time.Hour))
		event(wiki.ID, "app.opened", now.AddDate(0, 0, -31))
		event(wiki.ID, "app.refused", now)
		event(other.ID, "app.opened", now)
		if got := use(); got.Opened != 2 || !got.Last.Equal(last) || got.More {
			t.Errorf("opened twice lately: %+v", got)
		}
		e.Check(e.Store.Read(ctx, func(tx sallyport.Tx) error {
			opened, read, _, err := tx.AppOpened(wiki.Workspace, wiki.ID, "", 2)
			if opened > 2 || read != 2 {
				t.Errorf("I66: with a limit of 2 events: %d opened of %d read", opened, read)
			}
			return err
		}))
	})
}
