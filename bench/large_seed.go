package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/audit"
	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/internal/seal"
	"github.com/sallyport-2fa/sallyport/internal/web"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

var (
	largePeople = 1_000_000
	// One workspace has the audit log that audit verify reads, the other the people.
	largeEvents   = 5_000_000
	largeVerified = 1_000_000
)

// largeWorld is a seeded database, with a Service on it.
type largeWorld struct {
	kind, database, keyset string
	service                *sallyport.Service
	store                  *sqlstore.Store
	keys                   *seal.Keyset
	space, other           sallyport.Workspace // with the people; with the log that is verified
	owner                  sallyport.User
	began                  time.Time // time of the first event
}

func seedLarge(ctx context.Context, kind, database, keyset, site string) (*largeWorld, error) {
	w := &largeWorld{kind: kind, database: database, keyset: keyset, began: time.Now().AddDate(-1, 0, 0)}
	if err := w.begin(ctx, site); err != nil {
		return nil, err
	}
	// Close the Service during bulk inserts, because its statements would keep using the tables' indexes.
	if err := w.store.Close(); err != nil {
		return nil, err
	}
	b, err := openBulk(ctx, database)
	if err != nil {
		return nil, err
	}
	ids := make([]string, largePeople)
	for i := range ids {
		ids[i] = idAt("usr_", w.began.AddDate(-4, 0, 0).Add(time.Duration(i)*2*time.Minute), uint64(i))
	}
	// PostgreSQL's autovacuum would have run long ago. SQLite never runs ANALYZE by itself, so neither does this.
	before, after := "PRAGMA journal_mode = OFF", "PRAGMA journal_mode = WAL"
	if isPostgres(database) {
		before, after = "SET maintenance_work_mem = '256MB'", "VACUUM ANALYZE"
	}
	err = b.exec(ctx, before)
	if err == nil {
		err = w.fill(ctx, b, ids)
	}
	if err == nil {
		err = b.exec(ctx, after)
	}
	if err := errors.Join(err, b.close(ctx)); err != nil {
		return nil, err
	}
	return w, w.open(ctx, site)
}

func (w *largeWorld) open(ctx context.Context, site string) (err error) {
	if w.store, err = sqlstore.Open(ctx, w.database); err != nil {
		return err
	}
	w.service = sallyport.New(sallyport.Service{
		Store: w.store, Keys: w.keys, Hasher: passwd.NewHasher(2, clients), Hash: cheap, URL: site, Log: slog.New(slog.DiscardHandler), Paths: web.Paths(),
	})
	return w.service.Start(ctx)
}

// begin creates the two workspaces with an owner each, a year ago, by the product's own verbs.
func (w *largeWorld) begin(ctx context.Context, site string) (err error) {
	if w.keys, err = seal.Create(w.keyset); err != nil {
		return err
	}
	if err := w.open(ctx, site); err != nil {
		return err
	}
	now := w.began
	w.service.Now = func() time.Time { return now }
	owner := sallyport.FirstOwner{Workspace: "Large", Name: "Olive Owner", Address: "owner@large.example", Password: password}
	if err := w.service.FirstRun(ctx, owner); err != nil {
		return err
	}
	at, err := url.Parse(site)
	if err != nil {
		return err
	}
	now = now.Add(time.Second)
	other := sallyport.FirstOwner{Workspace: "Verified", Name: "Vera Owner", Address: "owner@verified.example", Password: password}
	if err := w.service.AddWorkspace(ctx, "", "verified."+at.Host, other); err != nil {
		return err
	}
	if err := audit.Seal(ctx, w.service); err != nil {
		return err
	}
	return w.store.Read(ctx, func(tx sallyport.Tx) error {
		all, err := tx.Workspaces()
		if err != nil {
			return err
		}
		for _, s := range all {
			if s.Name == "Large" {
				w.space = s.Workspace
			} else {
				w.other = s.Workspace
			}
		}
		w.owner, _, err = tx.UserByAddress(w.space.ID, "owner@large.example")
		return err
	})
}

func (w *largeWorld) fill(ctx context.Context, b bulk, ids []string) error {
	if err := b.fill(ctx, "users", userColumns, w.people(ids)); err != nil {
		return err
	}
	if err := b.fill(ctx, "entries", entryColumns, w.entries(ids)); err != nil {
		return err
	}
	if err := b.fill(ctx, "last_sign_ins", lastSignInColumns, w.lastSignIns(ids)); err != nil {
		return err
	}
	if err := b.fill(ctx, "browsers", browserColumns, w.browsers(ids)); err != nil {
		return err
	}
	if err := b.fill(ctx, "tries", triesColumns, w.tries(ids)); err != nil {
		return err
	}
	logs := []*log{
		{world: w, workspace: w.space.ID, people: ids, events: largeEvents - largeVerified},
		{world: w, workspace: w.other.ID, people: ids, events: largeVerified},
	}
	for _, l := range logs {
		if err := l.begin(ctx, b); err != nil {
			return err
		}
	}
	if err := b.fill(ctx, "events", eventColumns, func(yield func([]any) bool) {
		for _, l := range logs {
			if !l.lines(yield) {
				return
			}
		}
	}); err != nil {
		return err
	}
	for _, l := range logs {
		if err := b.fill(ctx, "seals", sealColumns, l.sealed()); err != nil {
			return err
		}
		if err := l.end(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// idAt returns an id as the product creates them, from a time and a unique number.
func idAt(prefix string, at time.Time, n uint64) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(at.UnixMilli())<<16)
	binary.BigEndian.PutUint64(b[8:], n)
	return prefix + idEncoding.EncodeToString(b[:])
}

var (
	firstNames = strings.Fields(`Ada Amir Ana Andrei Anna Aylin Ben Bianca Carlos Chen Clara Daniel Diego Elif Emma Erik Fatima Felix
		Femi Gabriel Grace Hanna Hiro Ines Ivan Jana Jean Jin João Jonas Julia Kai Karim Kofi Lara Lena Leon Lina Luca Maja Marco
		Maria Max Mei Mia Milan Nadia Nina Noah Nora Olga Omar Paul Priya Rafael Sara Sofia Tariq Tom Yuki Zoë`)
	lastNames = strings.Fields(`Adeyemi Ahmed Almeida Andersson Bauer Becker Bianchi Brown Carvalho Chen Costa Demir Diaz Dubois Eriksson
		Fernandez Fischer Garcia Haddad Hansen Hoffmann Horvat Ito Ivanov Jansen Johnson Kaya Keller Khan Kim Kowalski Kumar Larsen
		Lee Lopez Mensah Meyer Moreau Müller Nguyen Novak Okafor Olsen Park Patel Peeters Petrov Popescu Rossi Ruiz Santos Sato
		Schmidt Silva Singh Smith Suzuki Tanaka Virtanen Wagner Walker Weber Wilson Wong Yilmaz Zhang Zimmermann`)
)

var userColumns = []string{"workspace_id", "id", "address", "address_folded", "name", "name_folded", "role", "state", "epoch", "password_hash",
	"password_at", "password_long", "two_factor", "two_factor_since", "must_set_up", "last_sign_in_at", "listed_at", "last_sign_in_method", "created_at"}

// The columns of users that the lists of people repeat.
var (
	listedColumns     = []string{"workspace_id", "user_id", "role", "state", "two_factor", "must_set_up", "joined_under"}
	entryColumns      = append(slices.Clone(listedColumns), "words", "shared")
	lastSignInColumns = append(slices.Clone(listedColumns), "at")
)

// people resemble a large company: mostly active members, most of them with two-factor authentication.
func (w *largeWorld) people(ids []string) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		r := rand.New(rand.NewPCG(1, 2))
		hash := "$argon2id$v=19$m=19456,t=2,p=1$" + strings.Repeat("c2FsdA", 4) + "$" + strings.Repeat("aGFzaA", 8)
		created := w.began.AddDate(-4, 0, 0)
		for i, id := range ids {
			name := firstNames[r.IntN(len(firstNames))] + " " + lastNames[r.IntN(len(lastNames))]
			address := strings.ReplaceAll(fold.Name(name), " ", ".") + fmt.Sprint(i) + "@large.example"
			role, state := "member", "active"
			switch n := r.IntN(largePeople); {
			case n < largePeople/100_000:
				role = "owner"
			case n < largePeople/2000:
				role = "admin"
			case n < largePeople/200:
				role = "manager"
			}
			switch n := r.IntN(100); {
			case n < 3:
				state = "invited"
			case n < 5:
				state = "suspended"
			}
			factor, must := 0, 0
			switch n := r.IntN(1000); {
			case state != "invited" && n < 600:
				factor = 1
			case n >= 995:
				must = 1
			}
			made := created.Add(time.Duration(i) * 2 * time.Minute).UnixMilli()
			last := made + int64(i*7919%1000)*3_600_000
			if !yield([]any{w.space.ID, id, address, address, name, fold.Name(name), role, state, int64(1), hash, made, int64(1), int64(factor),
				made * int64(factor), int64(must), last, last, "authenticator", made}) {
				return
			}
		}
	}
}

// listed returns the columns that the lists' own tables repeat of a row of people.
func listed(user []any) []any {
	row := []any{user[0], user[1]}
	for _, column := range listedColumns[2:6] {
		row = append(row, user[slices.Index(userColumns, column)])
	}
	return append(row, int64(0))
}

func (w *largeWorld) entries(ids []string) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for user := range w.people(ids) {
			for _, e := range fold.Entries(user[4].(string), user[2].(string), user[3].(string)) {
				if !yield(append(listed(user), e.Words, int64(e.Shared))) {
					return
				}
			}
		}
	}
}

func (w *largeWorld) lastSignIns(ids []string) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for user := range w.people(ids) {
			if !yield(append(listed(user), user[slices.Index(userColumns, "last_sign_in_at")])) {
				return
			}
		}
	}
}

var browserColumns = []string{"workspace_id", "user_id", "hash", "name", "created_at", "last_seen_at"}

// browsers gives each person a recently used known device.
func (w *largeWorld) browsers(ids []string) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		seen := time.Now().UnixMilli()
		for _, id := range ids {
			h := sha256.Sum256([]byte(id))
			if !yield([]any{w.space.ID, id, h[:], "Firefox on Windows", seen, seen}) {
				return
			}
		}
	}
}

var triesColumns = []string{"workspace_id", "subject", "bucket", "count", "since", "last"}

// tries gives each person one mistyped password.
func (w *largeWorld) tries(ids []string) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		now := time.Now().UnixMilli()
		for _, id := range ids {
			if !yield([]any{w.space.ID, id, "password", int64(1), now, now}) {
				return
			}
		}
	}
}
