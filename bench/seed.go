package main

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/internal/seal"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

const (
	password = "lantern-orbit-7-meadow-quilt"
	people   = 20_000
	// signers are the people whose passwords have the product's own hash. The others' are cheap to check: their
	// sign-ins are brought to the challenge while seeding, so that the second step is measured alone.
	signers = 3_000
)

var cheap = passwd.Params{Memory: 64, Time: 1, Threads: 1}

// world is a seeded database and what the driver needs of it.
type world struct {
	service *sallyport.Service
	store   *sqlstore.Store
	url     string // of the site
	stored  string // the product's hash of the password
	users   []person
	space   string // id of the workspace
}

type person struct {
	id, address string
	secret      []byte
}

func (p person) code(step int64) string { return otp.Default.Code(p.secret, step) }

// seed opens the database, starts the Service on it, and adds the people.
func seed(ctx context.Context, database, keyset, site string) (*world, error) {
	keys, err := seal.Create(keyset)
	if err != nil {
		return nil, err
	}
	store, err := sqlstore.Open(ctx, database)
	if err != nil {
		return nil, err
	}
	w := &world{store: store, url: site}
	hasher := passwd.NewHasher(2, clients)
	w.service = sallyport.New(sallyport.Service{
		Store: store, Keys: keys, Hasher: hasher, Hash: cheap, URL: site, Log: slog.New(slog.DiscardHandler),
	})
	if err := w.service.Start(ctx); err != nil {
		return nil, err
	}
	owner := sallyport.FirstOwner{Workspace: "Bench", Name: "Olive Owner", Address: "owner@bench.example", Password: password}
	if err := w.service.FirstRun(ctx, "", owner); err != nil {
		return nil, err
	}
	by, err := w.service.Console(ctx, "")
	if err != nil {
		return nil, err
	}
	w.space = by.Workspace().ID
	if w.stored, err = hasher.Hash(ctx, password, passwd.Default); err != nil {
		return nil, err
	}
	cheapStored, err := hasher.Hash(ctx, password, cheap)
	if err != nil {
		return nil, err
	}
	for len(w.users) < people {
		if err := w.addThousand(ctx, keys, cheapStored); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *world) addThousand(ctx context.Context, keys *seal.Keyset, cheapStored string) error {
	now := time.Now()
	return w.store.Write(ctx, func(tx sallyport.Tx) error {
		users := w.users
		for range 1000 {
			n := len(users)
			p := person{id: newID("usr_"), address: fmt.Sprintf("person%d@bench.example", n), secret: otp.NewSecret()}
			hash := cheapStored
			if n < signers {
				hash = w.stored
			}
			if err := tx.InsertUser(sallyport.User{
				Workspace: w.space, ID: p.id, Address: p.address, Folded: p.address, Name: fmt.Sprintf("Person %d", n),
				Role: sallyport.Member, State: sallyport.Active, Epoch: 1, PasswordHash: sallyport.Secret(hash), PasswordAt: now,
				PasswordLong: true, TwoFactor: true, TwoFactorSince: now, CreatedAt: now,
			}); err != nil {
				return err
			}
			a := sallyport.Authenticator{
				Workspace: w.space, User: p.id, ID: newID("aut_"), Name: "Phone", Algorithm: otp.SHA1, CreatedAt: now,
			}
			var err error
			if a.Secret, err = keys.Seal(p.secret, seal.AD{Purpose: "authenticator", Workspace: w.space, User: p.id, Row: a.ID}); err != nil {
				return err
			}
			if err := tx.InsertAuthenticator(a); err != nil {
				return err
			}
			users = append(users, p)
		}
		w.users = users
		return nil
	})
}

// newID is an id as the product makes them, but not in the order of time.
func newID(prefix string) string {
	var b [16]byte
	rand.Read(b[:])
	return prefix + base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding).EncodeToString(b[:])
}

// challenges brings a sign-in of each of the people given to the challenge, by the Service's own verb, and returns the
// cookies that hold them.
func (w *world) challenges(ctx context.Context, all []person) ([]string, error) {
	site, err := url.Parse(w.url)
	if err != nil {
		return nil, err
	}
	cookies := make([]string, len(all))
	failed := make(chan error, clients)
	for c := range clients {
		go func() {
			for i := c; i < len(all); i += clients {
				// Each from an address of its own: the budget of one network is not for twenty thousand.
				from := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
				by, err := w.service.Arrive(ctx, sallyport.Arrival{Host: site.Host, Address: from, Agent: "Bench"})
				if err == nil {
					var p sallyport.Passage
					p, err = w.service.SignIn(ctx, by, all[i].address, password)
					cookies[i] = "sign-in=" + p.SignIn.Reveal()
				}
				if err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range clients {
		if e := <-failed; e != nil {
			err = e
		}
	}
	return cookies, err
}

// completed counts the sign-ins that the audit log tells of.
func (w *world) completed(ctx context.Context) (n int, err error) {
	before := ""
	for {
		var page []sallyport.Event
		err = w.store.Read(ctx, func(tx sallyport.Tx) (err error) {
			page, err = tx.Events(w.space, "", before, 10_000)
			return err
		})
		if err != nil || len(page) == 0 {
			return n, err
		}
		for _, e := range page {
			if e.Kind == "sign_in.completed" {
				n++
			}
		}
		before = page[len(page)-1].ID
	}
}
