package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/seal"
	"github.com/sallyport-2fa/sallyport/internal/web"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// place is where the database and the keyset are.
type place struct {
	Data     string `default:"sallyport-data" env:"SALLYPORT_DATA" placeholder:"DIR" help:"Folder of the database and the keyset (default: sallyport-data)."`
	Database string `env:"SALLYPORT_DATABASE" placeholder:"URL" help:"PostgreSQL database, postgres://... (default: an SQLite file in the data folder)."`
	Keyset   string `env:"SALLYPORT_KEYSET" placeholder:"FILE" help:"Keys that secrets are sealed with (default: keyset.json in the data folder). The variable may also contain the keyset itself."`
}

// installation is a Service with its database open.
type installation struct {
	*sallyport.Service
	store *sqlstore.Store
}

func (in *installation) Close() error {
	var err error
	if in.Compromised != nil {
		err = in.Compromised.Close()
	}
	return errors.Join(in.store.Close(), err)
}

// open opens the database, then the keyset, and starts a Service with the given parts on them. If the place is empty
// and mayCreate is set, it creates a new installation; a keyset is created only then.
func (p place) open(ctx context.Context, parts sallyport.Service, mayCreate bool) (_ *installation, err error) {
	store, err := p.openDatabase(ctx, mayCreate)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, store.Close())
		}
	}()
	var installed bool
	if err := store.Read(ctx, func(tx sallyport.Tx) (err error) {
		_, installed, err = tx.Installation()
		return err
	}); err != nil {
		return nil, err
	}
	if !installed && !mayCreate {
		return nil, p.nothingThere()
	}
	parts.Store, parts.Paths = store, web.Paths()
	if parts.Compromised, err = p.compromised(); err != nil {
		return nil, err
	}
	if parts.Keys, err = p.keys(installed); err != nil {
		return nil, err
	}
	s := sallyport.New(parts)
	err = s.Start(ctx)
	if errors.Is(err, sallyport.ErrKeyset) {
		return nil, badUsage("%w: set --keyset to the keyset that the database was created with", err)
	}
	if errors.Is(err, sallyport.ErrURLTaken) {
		return nil, badUsage("--url %s: %w; the first workspace needs a host of its own", parts.URL, err)
	}
	return &installation{s, store}, err
}

func (p place) nothingThere() error {
	if p.Database != "" {
		return badUsage("there is no Sallyport installation in this database: set --database to the right one, or run sallyport serve")
	}
	return badUsage("there is no Sallyport installation in %s: set --data to its data folder, or run sallyport serve", p.Data)
}

// mustBeEmpty returns an error if there is an installation in the database already.
func (p place) mustBeEmpty(ctx context.Context) error {
	if p.Database == "" {
		return nil
	}
	store, err := p.openDatabase(ctx, true)
	if err != nil {
		return err
	}
	installed := false
	err = store.Read(ctx, func(tx sallyport.Tx) (err error) {
		_, installed, err = tx.Installation()
		return err
	})
	if err = errors.Join(err, store.Close()); err == nil && installed {
		err = badUsage("--database: there is an installation in this database already; the demo needs an empty one")
	}
	return err
}

func (p place) openDatabase(ctx context.Context, mayCreate bool) (*sqlstore.Store, error) {
	if p.Database != "" {
		if !strings.HasPrefix(p.Database, "postgres://") && !strings.HasPrefix(p.Database, "postgresql://") {
			return nil, badUsage("--database must be a PostgreSQL URL, postgres://user@host/name; for SQLite, omit it and set --data to a folder")
		}
		store, err := sqlstore.Open(ctx, p.Database)
		if err != nil {
			return nil, badUsage("%w; is --database right, and is the server up?", err)
		}
		return store, nil
	}
	path := filepath.Join(p.Data, "sallyport.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !mayCreate {
		return nil, p.nothingThere()
	}
	if err := p.makeFolder(); err != nil {
		return nil, err
	}
	store, err := sqlstore.Open(ctx, path)
	if err != nil {
		return nil, badUsage("%w; does this user have permission to write to %s?", err, p.Data)
	}
	return store, nil
}

// makeFolder creates the data folder, accessible only to its owner. An existing folder keeps its mode; each file in it
// is created so that only its owner can read it.
func (p place) makeFolder() error {
	if err := os.MkdirAll(p.Data, 0o700); err != nil {
		return badUsage("the data folder cannot be created: %w; choose another with --data", err)
	}
	return nil
}

// keys opens the keyset. It creates one only for a new installation: with new keys, no second factor of an existing
// installation could be checked.
func (p place) keys(installed bool) (*seal.Keyset, error) {
	if strings.HasPrefix(strings.TrimSpace(withoutMark(p.Keyset)), "{") {
		k, err := seal.Parse([]byte(p.Keyset))
		if err != nil {
			return nil, badUsage("SALLYPORT_KEYSET: %w", err)
		}
		return k, nil
	}
	path := cmp.Or(p.Keyset, filepath.Join(p.Data, "keyset.json"))
	k, err := seal.Open(path)
	if errors.Is(err, fs.ErrNotExist) && installed {
		return nil, badUsage("the keyset %s is missing, and this database cannot be read without it: restore it, or set --keyset to its path", path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if p.Keyset == "" {
			if err := p.makeFolder(); err != nil {
				return nil, err
			}
		}
		k, err = seal.Create(path)
	}
	if errors.Is(err, fs.ErrExist) { // another process created it just now
		k, err = seal.Open(path)
	}
	if err != nil {
		return nil, usage{err}
	}
	return k, nil
}
