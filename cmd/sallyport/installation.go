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
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// place says where database and keyset are.
type place struct {
	Data     string `default:"sallyport-data" env:"SALLYPORT_DATA" placeholder:"DIR" help:"Folder of database and keyset (default: sallyport-data)."`
	Database string `env:"SALLYPORT_DATABASE" placeholder:"URL" help:"PostgreSQL database, postgres://... (default: an SQLite file in the data folder)."`
	Keyset   string `env:"SALLYPORT_KEYSET" placeholder:"FILE" help:"Keys under which secrets are sealed (default: keyset.json in the data folder). The variable may also hold the keyset itself."`
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

// open opens the database, then the keyset, and starts a Service of the given parts on them. A place where there is
// nothing yet becomes a new installation if it may; only then is a keyset made.
func (p place) open(ctx context.Context, parts sallyport.Service, mayMake bool) (_ *installation, err error) {
	store, err := p.openDatabase(ctx, mayMake)
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
	if !installed && !mayMake {
		return nil, p.nothingThere()
	}
	parts.Store = store
	if parts.Compromised, err = p.compromised(); err != nil {
		return nil, err
	}
	if parts.Keys, err = p.keys(installed); err != nil {
		return nil, err
	}
	s := sallyport.New(parts)
	err = s.Start(ctx)
	if errors.Is(err, sallyport.ErrKeyset) {
		return nil, badUsage("%w: name the keyset it was first started with by --keyset", err)
	}
	if errors.Is(err, sallyport.ErrURLTaken) {
		return nil, badUsage("--url %s: %w; the first workspace needs one of its own", parts.URL, err)
	}
	return &installation{s, store}, err
}

func (p place) nothingThere() error {
	if p.Database != "" {
		return badUsage("no Sallyport was started on this database yet: name the right one by --database, or run sallyport serve")
	}
	return badUsage("there is no Sallyport in %s: name its data folder by --data, or run sallyport serve", p.Data)
}

func (p place) openDatabase(ctx context.Context, mayMake bool) (*sqlstore.Store, error) {
	if p.Database != "" {
		if !strings.HasPrefix(p.Database, "postgres://") && !strings.HasPrefix(p.Database, "postgresql://") {
			return nil, badUsage("--database is a PostgreSQL address, postgres://user@host/name; for SQLite leave it out and name a folder by --data")
		}
		store, err := sqlstore.Open(ctx, p.Database)
		if err != nil {
			return nil, badUsage("%w; is --database right, and is the server up?", err)
		}
		return store, nil
	}
	path := filepath.Join(p.Data, "sallyport.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !mayMake {
		return nil, p.nothingThere()
	}
	if err := p.makeFolder(); err != nil {
		return nil, err
	}
	store, err := sqlstore.Open(ctx, path)
	if err != nil {
		return nil, badUsage("%w; may this user write to %s?", err, p.Data)
	}
	return store, nil
}

// makeFolder makes the data folder for its owner alone. One that is there keeps its mode: what is put into it is made
// unreadable for others file by file.
func (p place) makeFolder() error {
	if err := os.MkdirAll(p.Data, 0o700); err != nil {
		return badUsage("the data folder cannot be made: %w; name another by --data", err)
	}
	return nil
}

// keys opens the keyset. It makes one for a new installation alone: under new keys nobody's second factor of an old
// one could be checked.
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
		return nil, badUsage("the keyset %s is missing, and this database cannot be read without it: bring it back, or say where it is by --keyset", path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if p.Keyset == "" {
			if err := p.makeFolder(); err != nil {
				return nil, err
			}
		}
		k, err = seal.Create(path)
	}
	if errors.Is(err, fs.ErrExist) { // another process made it in this instant
		k, err = seal.Open(path)
	}
	if err != nil {
		return nil, usage{err}
	}
	return k, nil
}
