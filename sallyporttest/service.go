// Package sallyporttest is for tests. It provides a Service on a new database of either kind, with a clock that only
// tests move (Env); its pages on real listeners, for an HTTP client (Site, Visitor) and for Chromium (Browser); an SMTP
// server (MailServer); and a PostgreSQL server (Postgres).
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
	"github.com/sallyport-2fa/sallyport/internal/web"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// Cheap makes password hashes fast. No test depends on their cost.
var Cheap = passwd.Params{Memory: 64, Time: 1, Threads: 1}

// Password meets every password rule.
const Password = "lantern-orbit-7-meadow-quilt"

// Databases lists the kinds of database that Each uses.
var Databases = []string{"sqlite", "postgres"}

// Env is a started Service on a fresh database, with one workspace, Acme, and its owner.
type Env struct {
	*sallyport.Service
	T        testing.TB
	Clock    *Clock
	Database string // URL
	SQL      *sqlstore.Store
	URL      string // of the first workspace, where its Site listens
	Owner    Person

	door   net.Listener // listens at URL
	log    *logBook
	beside *beside
	rules  *writeRules
}

// Person is a user together with what they know and have.
type Person struct {
	sallyport.User
	Password string
	Secret   []byte // of the authenticator; nil without one

	RecoveryCodes []string // the codes that pages have shown
}

// Code returns the code that the person's authenticator shows at that time.
func (p Person) Code(now time.Time) string {
	return otp.Default.Code(p.Secret, otp.Default.Step(now))
}

// Each runs a test on each kind of database.
func Each(t *testing.T, fn func(t *testing.T, e *Env)) {
	t.Helper()
	for _, db := range Databases {
		t.Run(db, func(t *testing.T) { fn(t, New(t, db)) })
	}
}

// Database returns the URL of a new, empty database of the given kind.
func Database(t testing.TB, kind string) string {
	t.Helper()
	if kind == "postgres" {
		return Postgres(t)
	}
	return filepath.Join(t.TempDir(), "sallyport.db")
}

// New returns a started Service on a new database of the given kind.
func New(t testing.TB, kind string) *Env {
	t.Helper()
	e := &Env{T: t, Clock: NewClock(time.Now().Truncate(time.Second)), log: &logBook{}, beside: &beside{}, rules: &writeRules{}}
	if kind == "postgres" {
		e.Database = migratedPostgres(t)
	} else {
		e.Database = Database(t, kind)
	}
	e.door, e.URL = listen(t)
	keys, err := seal.Generate()
	e.Check(err)
	e.Service = e.Node(keys)
	ctx := context.Background()
	e.Check(e.FirstRun(ctx, sallyport.FirstOwner{Workspace: "Acme", Name: "Olive Owner", Address: "olive@acme.example", Password: Password}))
	by := e.Console()
	people, err := e.Users(ctx, by, "", 1)
	e.Check(err)
	e.Owner = Person{User: people[0], Password: Password}
	return e
}

// Node starts another Service on the same database, as another node with the given keyset.
func (e *Env) Node(keys *seal.Keyset) *sallyport.Service {
	e.T.Helper()
	store, err := sqlstore.Open(context.Background(), e.Database)
	e.Check(err)
	e.T.Cleanup(func() { store.Close() })
	if e.SQL == nil {
		e.SQL = store
	}
	s := sallyport.New(sallyport.Service{
		Store: e.watched(store), Keys: keys, Now: e.Clock.Now, Hasher: passwd.NewHasher(2, 64), Hash: Cheap, URL: e.URL,
		Log: e.log.logger(), Paths: web.Paths(),
	})
	e.Check(s.Start(context.Background()))
	return s
}

// Check fails the test if err is not nil.
func (e *Env) Check(err error) {
	e.T.Helper()
	if err != nil {
		e.T.Fatal(err)
	}
}

// Console returns the caller of a command on the host, in the first workspace.
func (e *Env) Console() sallyport.Caller {
	e.T.Helper()
	by, err := e.Service.Console(context.Background(), "")
	e.Check(err)
	return by
}

// Add adds a person with a role to the first workspace, without two-factor authentication.
func (e *Env) Add(address string, role sallyport.Role) Person {
	e.T.Helper()
	u, err := e.AddUser(context.Background(), e.Console(), address, "Person "+address, role, Password)
	e.Check(err)
	return Person{User: u, Password: Password}
}

// Client calls the Service as a door does for one browser. It keeps the values that a SignInResult returns.
type Client struct {
	e *Env
	sallyport.Arrival
}

// Arriving returns a new Client at the host of the first workspace.
func (e *Env) Arriving() *Client {
	return &Client{e: e, Arrival: sallyport.Arrival{Door: sallyport.DoorWeb, Host: e.URL[len("http://"):], Agent: "Firefox on Windows"}}
}

// By returns the caller that the client arrives as.
func (c *Client) By() sallyport.Caller {
	c.e.T.Helper()
	by, err := c.e.Arrive(context.Background(), c.Arrival)
	c.e.Check(err)
	return by
}

// Keep stores the secrets in a result, as a browser stores cookies.
func (c *Client) Keep(p sallyport.SignInResult) {
	c.SignIn = p.SignIn
	if p.Session != "" {
		c.Session = p.Session
	}
	if p.Device != "" {
		c.Device = p.Device
	}
	if p.Trust != "" {
		c.Trust = p.Trust
	}
}

// Enrol signs the person in with a new client and sets up an authenticator. It advances the clock by a minute, so that
// the next code is a new one.
func (e *Env) Enrol(p *Person, name string) *Client {
	e.T.Helper()
	ctx := context.Background()
	c := e.Arriving()
	result, err := e.SignIn(ctx, c.By(), p.Address, p.Password)
	e.Check(err)
	c.Keep(result)
	by := func() sallyport.Caller {
		if c.Session == "" {
			return c.By().InSignIn()
		}
		return c.By()
	}
	e.Check(e.StartSetUp(ctx, by(), name, ""))
	d, err := e.SetUp(ctx, by())
	e.Check(err)
	p.Secret, err = otp.DecodeSecret(d.Key.Reveal())
	e.Check(err)
	result, err = e.ConfirmSetUp(ctx, by(), "", p.Code(e.Clock.Now()))
	e.Check(err)
	c.Keep(result)
	p.RecoveryCodes = nil
	for _, code := range result.RecoveryCodes {
		p.RecoveryCodes = append(p.RecoveryCodes, code.Reveal())
	}
	result, err = e.SaveRecoveryCodes(ctx, by())
	e.Check(err)
	c.Keep(result)
	e.Clock.Advance(time.Minute)
	return c
}
