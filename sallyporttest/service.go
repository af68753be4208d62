// Package sallyporttest is what tests stand on: a fresh service on either database, a clock that is turned, mail that
// can be read, a browser, a PostgreSQL.
package sallyporttest

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/internal/seal"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// Cheap are hash parameters for tests: what they prove does not hang on the cost.
var Cheap = passwd.Params{Memory: 64, Time: 1, Threads: 1}

// Password is one that every rule accepts.
const Password = "lantern-orbit-7-meadow-quilt"

// Databases names those that Each runs on.
var Databases = []string{"sqlite", "postgres"}

// Env is a started Service on a fresh database, with one workspace, Acme, and its owner.
type Env struct {
	*sallyport.Service
	T        testing.TB
	Clock    *Clock
	Database string // URL
	SQL      *sqlstore.Store
	URL      string // of the first workspace: where a Site serves it
	Owner    Person

	door   net.Listener // behind URL
	log    *logBook
	beside *beside
}

// Person is somebody with an account, and what they know and have.
type Person struct {
	sallyport.User
	Password string
	Secret   []byte // of the authenticator; nil: none

	RecoveryCodes []string // those that pages have shown
}

// Code is what the person's authenticator shows now.
func (p Person) Code(now time.Time) string {
	return otp.Default.Code(p.Secret, otp.Default.Step(now))
}

// Each runs a test on both databases.
func Each(t *testing.T, fn func(t *testing.T, e *Env)) {
	t.Helper()
	for _, db := range Databases {
		t.Run(db, func(t *testing.T) { fn(t, New(t, db)) })
	}
}

// Database returns the URL of a new, empty database of the kind named.
func Database(t testing.TB, kind string) string {
	t.Helper()
	if kind == "postgres" {
		return Postgres(t)
	}
	return filepath.Join(t.TempDir(), "sallyport.db")
}

// New returns a started Service on a new database of the kind named.
func New(t testing.TB, kind string) *Env {
	t.Helper()
	e := &Env{T: t, Database: Database(t, kind), Clock: NewClock(time.Now().Truncate(time.Second)), log: &logBook{}, beside: &beside{}}
	e.door, e.URL = listen(t)
	keys, err := seal.Generate()
	e.Check(err)
	e.Service = e.Node(keys)
	ctx := context.Background()
	e.Check(e.FirstRun(ctx, "", sallyport.FirstOwner{Workspace: "Acme", Name: "Olive Owner", Address: "olive@acme.example", Password: Password}))
	by := e.Console()
	people, err := e.Users(ctx, by, "", 1)
	e.Check(err)
	e.Owner = Person{User: people[0], Password: Password}
	return e
}

// Node starts another Service on the same database: one more node with the keyset given.
func (e *Env) Node(keys *seal.Keyset) *sallyport.Service {
	e.T.Helper()
	store, err := sqlstore.Open(context.Background(), e.Database)
	e.Check(err)
	e.T.Cleanup(func() { store.Close() })
	if e.SQL == nil {
		e.SQL = store
	}
	s := sallyport.New(sallyport.Service{
		Store: store, Keys: keys, Now: e.Clock.Now, Hasher: passwd.NewHasher(2, 64), Hash: Cheap, URL: e.URL,
		Log: e.log.logger(),
	})
	e.Check(s.Start(context.Background()))
	return s
}

// Check fails the test on an error.
func (e *Env) Check(err error) {
	e.T.Helper()
	if err != nil {
		e.T.Fatal(err)
	}
}

// Console is the caller of a command on the host, in the first workspace.
func (e *Env) Console() sallyport.Caller {
	e.T.Helper()
	by, err := e.Service.Console(context.Background(), "")
	e.Check(err)
	return by
}

// Add makes a person of a role in the first workspace, without two-factor authentication.
func (e *Env) Add(address string, role sallyport.Role) Person {
	e.T.Helper()
	u, err := e.AddUser(context.Background(), e.Console(), address, "Person "+address, role, Password)
	e.Check(err)
	return Person{User: u, Password: Password}
}

// Client is a browser at the level of the Service: it keeps what a Passage gives it.
type Client struct {
	e *Env
	sallyport.Arrival
}

// Arriving returns a new browser at the first workspace's host.
func (e *Env) Arriving() *Client {
	return &Client{e: e, Arrival: sallyport.Arrival{Door: sallyport.DoorWeb, Host: e.URL[len("http://"):], Agent: "Firefox on Windows"}}
}

// By is the caller that the browser arrives as.
func (b *Client) By() sallyport.Caller {
	b.e.T.Helper()
	by, err := b.e.Arrive(context.Background(), b.Arrival)
	b.e.Check(err)
	return by
}

// Keep takes the values of a passage.
func (b *Client) Keep(p sallyport.Passage) {
	b.SignIn = p.SignIn
	if p.Session != "" {
		b.Session = p.Session
	}
	if p.Browser != "" {
		b.Browser = p.Browser
	}
	if p.Trust != "" {
		b.Trust = p.Trust
	}
}

// Enrol signs the person in, in a browser of its own, and sets up an authenticator.
func (e *Env) Enrol(p *Person, name string) *Client {
	e.T.Helper()
	ctx := context.Background()
	b := e.Arriving()
	passage, err := e.SignIn(ctx, b.By(), p.Address, p.Password)
	e.Check(err)
	b.Keep(passage)
	by := func() sallyport.Caller {
		if b.Session == "" {
			return b.By().InSignIn()
		}
		return b.By()
	}
	e.Check(e.StartSetUp(ctx, by(), name, ""))
	d, err := e.SetUp(ctx, by())
	e.Check(err)
	p.Secret, err = otp.DecodeSecret(d.Key.Reveal())
	e.Check(err)
	passage, err = e.ConfirmSetUp(ctx, by(), "", p.Code(e.Clock.Now()))
	e.Check(err)
	b.Keep(passage)
	p.RecoveryCodes = nil
	for _, c := range passage.RecoveryCodes {
		p.RecoveryCodes = append(p.RecoveryCodes, c.Reveal())
	}
	passage, err = e.SaveRecoveryCodes(ctx, by())
	e.Check(err)
	b.Keep(passage)
	e.Clock.Advance(time.Minute)
	return b
}
