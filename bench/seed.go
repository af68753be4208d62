package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/internal/seal"
	"github.com/sallyport-2fa/sallyport/internal/web"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

const (
	password = "lantern-orbit-7-meadow-quilt"
	people   = 20_000
	// signers have passwords with the product's own hash: half of them sign in with a code, half on a trusted device.
	// The others have cheap hashes: their sign-ins are prepared up to the challenge, so that the second step is
	// measured alone.
	signers = 5_000
	// groups is the number of groups that the others are divided into, one for each round.
	groups = 3
	// For the person whose pages are measured.
	devices, sessions = 20, 50
)

var cheap = passwd.Params{Memory: 64, Time: 1, Threads: 1}

// world is a seeded database and what the driver needs to know about it.
type world struct {
	service *sallyport.Service
	store   *sqlstore.Store
	url     string // of the first workspace
	stored  string // the product's hash of the password
	users   []person
	space   string // id of the workspace
}

type person struct {
	id, address string
	secret      []byte
	device      string // cookie of a known device
	recovery    string // an unused recovery code
	trust       string // cookie of a trusted device
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
		Store: store, Keys: keys, Hasher: hasher, Hash: cheap, URL: site, Log: slog.New(slog.DiscardHandler), Paths: web.Paths(),
	})
	if err := w.service.Start(ctx); err != nil {
		return nil, err
	}
	owner := sallyport.FirstOwner{Workspace: "Bench", Name: "Olive Owner", Address: "owner@bench.example", Password: password}
	if err := w.service.FirstRun(ctx, owner); err != nil {
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
	if err := w.trustDevices(ctx); err != nil {
		return nil, err
	}
	for len(w.users) < people {
		if err := w.addThousand(ctx, keys, cheapStored); err != nil {
			return nil, err
		}
		if err := analyze(ctx, database); err != nil {
			return nil, err
		}
	}
	// Shuffled, because people who were added one after the other have adjacent rows.
	for _, some := range [][]person{w.users[:signers], w.users[signers:]} {
		mathrand.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	}
	return w, nil
}

// analyze runs ANALYZE on PostgreSQL, as autovacuum does within a minute.
func analyze(ctx context.Context, database string) error {
	if !strings.HasPrefix(database, "postgres:") {
		return nil
	}
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "ANALYZE")
	return errors.Join(err, conn.Close(ctx))
}

// trustDevices allows trusted devices in the workspace.
func (w *world) trustDevices(ctx context.Context) error {
	return w.decide(ctx, func(p *sallyport.Policy) { p.TrustedDeviceDays = 14 })
}

func (w *world) decide(ctx context.Context, change func(*sallyport.Policy)) error {
	return w.store.Write(ctx, func(tx sallyport.Tx) error {
		p, err := tx.Policy(w.space)
		if err != nil {
			return err
		}
		p.Version++
		change(&p)
		_, err = tx.SavePolicy(w.space, p)
		return err
	})
}

func (w *world) addThousand(ctx context.Context, keys *seal.Keyset, cheapStored string) error {
	return w.store.Write(ctx, func(tx sallyport.Tx) error {
		users := w.users
		for range 1000 {
			hash := cheapStored
			if len(users) < signers {
				hash = w.stored
			}
			p, err := w.add(tx, keys, len(users), sallyport.Secret(hash))
			if err != nil {
				return err
			}
			users = append(users, p)
		}
		w.users = users
		return nil
	})
}

// add adds a person with an authenticator, and a trusted device or a recovery code.
func (w *world) add(tx sallyport.Tx, keys *seal.Keyset, n int, hash sallyport.Secret) (person, error) {
	now := time.Now()
	p := person{id: newID("usr_"), address: fmt.Sprintf("person%d@bench.example", n), secret: otp.NewSecret()}
	err := tx.InsertUser(sallyport.User{
		Workspace: w.space, ID: p.id, Address: p.address, Folded: p.address, Name: fmt.Sprintf("Person %d", n),
		Role: sallyport.Member, State: sallyport.Active, Epoch: 1, PasswordHash: hash, PasswordAt: now, PasswordLong: true,
		TwoFactor: true, TwoFactorSince: now, RecoveryMadeAt: now, RecoverySavedAt: now, CreatedAt: now,
	})
	if err != nil {
		return p, err
	}
	a := sallyport.Authenticator{Workspace: w.space, User: p.id, ID: newID("aut_"), Name: "Phone", Algorithm: otp.SHA1, CreatedAt: now}
	if a.Secret, err = keys.Seal(p.secret, a.AD()); err != nil {
		return p, err
	}
	if err := tx.InsertAuthenticator(a); err != nil {
		return p, err
	}
	seen := sallyport.KnownDevice{Workspace: w.space, User: p.id, Name: "Bench", CreatedAt: now, LastSeenAt: now}
	p.device, seen.Hash = token(p.id, p.id)
	if err := tx.InsertDevice(seen); err != nil {
		return p, err
	}
	p.device = "browser=" + p.device
	if n < signers {
		d := sallyport.TrustedDevice{
			Workspace: w.space, User: p.id, ID: newID("dev_"), Epoch: 1, Days: 14, Name: "Bench", CreatedAt: now, LastSeenAt: now,
			RotatedAt: now, KnownDevice: seen.Hash,
		}
		p.trust, d.Hash = token(p.id, d.ID)
		return p, tx.InsertTrustedDevice(d)
	}
	p.recovery = rand.Text()[:25]
	p.recovery = strings.Map(crockford, p.recovery)
	h := sha256.Sum256([]byte(p.recovery))
	c := sallyport.RecoveryCode{Workspace: w.space, User: p.id, Hash: h[:]}
	c.Sealed, err = keys.Seal([]byte(p.recovery), c.AD())
	if err != nil {
		return p, err
	}
	return p, tx.PutRecoveryCodes(w.space, p.id, []sallyport.RecoveryCode{c})
}

// crockford replaces the letters of base32 that recovery codes do not use.
func crockford(r rune) rune {
	if i := strings.IndexRune("ILOU", r); i >= 0 {
		return rune("0189"[i])
	}
	return r
}

// token returns a value that identifies a row, as the product creates them, and its hash.
func token(user, row string) (string, []byte) {
	b := make([]byte, 64)
	for i, id := range []string{user, row} {
		_, _ = idEncoding.Decode(b[16*i:], []byte(id[4:]))
	}
	rand.Read(b[32:])
	value := base64.RawURLEncoding.EncodeToString(b)
	h := sha256.Sum256([]byte(value))
	return value, h[:]
}

// crowd gives a person many devices and sessions, and returns the cookie of one session.
func (w *world) crowd(ctx context.Context, p person) (cookie string, err error) {
	now := time.Now()
	err = w.store.Write(ctx, func(tx sallyport.Tx) error {
		for range devices {
			d := sallyport.TrustedDevice{
				Workspace: w.space, User: p.id, ID: newID("dev_"), Epoch: 1, Days: 14, Name: "Firefox on Windows",
				Address: "192.0.2.1", CreatedAt: now, LastSeenAt: now, RotatedAt: now, KnownDevice: make([]byte, sha256.Size),
			}
			_, d.Hash = token(p.id, d.ID)
			if err := tx.InsertTrustedDevice(d); err != nil {
				return err
			}
		}
		for range sessions {
			ses := sallyport.Session{
				Workspace: w.space, User: p.id, ID: newID("ses_"), Epoch: 1, Door: sallyport.DoorWeb, Address: "192.0.2.1",
				Agent: "Firefox on Windows", CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(time.Hour),
				Proofs: sallyport.Proofs{{Method: sallyport.ByPassword, At: now}, {Method: sallyport.ByAuthenticator, At: now}},
			}
			cookie, ses.Hash = token(p.id, ses.ID)
			if err := tx.InsertSession(ses); err != nil {
				return err
			}
		}
		return nil
	})
	return "session=" + cookie, err
}

// newID returns an id as the product creates them, but in random order.
func newID(prefix string) string {
	var b [16]byte
	rand.Read(b[:])
	return prefix + idEncoding.EncodeToString(b[:])
}

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// challenges signs each person in up to the challenge, with the Service's own verb, and returns the cookies.
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
				// Each from its own address, because the budget of one address does not allow twenty thousand sign-ins.
				from := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
				by, err := w.service.Arrive(ctx, sallyport.Arrival{Door: sallyport.DoorWeb, Host: site.Host, Address: from, Agent: "Bench"})
				if err == nil {
					var p sallyport.SignInResult
					p, err = w.service.SignIn(ctx, by, all[i].address, password)
					cookies[i] = all[i].device + "; sign-in=" + p.SignIn.Reveal()
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

// completed counts the completed sign-ins in the audit log.
func (w *world) completed(ctx context.Context) (n int, err error) {
	before := ""
	for {
		var page []sallyport.Event
		err = w.store.Read(ctx, func(tx sallyport.Tx) (err error) {
			page, err = tx.Events(w.space, sallyport.EventFilter{}, before, 10_000)
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
