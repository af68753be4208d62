package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
)

// demoCompany is one workspace of the demo, with people in every state.
type demoCompany struct {
	name   string
	host   func(first string) string
	policy func(*sallyport.Policy) // what it changes of the default
	people []demoPerson            // the first is the owner who makes it
}

// demoPerson is somebody in the demo, as the story begins.
type demoPerson struct {
	email, name, password string
	role                  sallyport.Role
	apps                  []string                                           // authenticators, by name
	then                  func(context.Context, *demoSeed, demoSeeded) error // what befell them since
	note                  string
}

// demoSeeded is a person who has been added.
type demoSeeded struct {
	sallyport.User
	password string
}

// demoCompanies is the cast. Whoever cannot simply sign in comes last.
var demoCompanies = []demoCompany{{
	name: "Acme",
	host: func(first string) string { return first },
	policy: func(p *sallyport.Policy) {
		p.Require2FA, p.TrustedDeviceDays = sallyport.RequireAdmins, 14
	},
	people: []demoPerson{
		{email: "olive@acme.example", name: "Olive Owens", password: "copper-kettle-sings-noon", role: sallyport.Owner, apps: []string{"Pixel – Aegis"}},
		{email: "adam@acme.example", name: "Adam Ames", password: "velvet-harbour-eleven-kites", role: sallyport.Admin, apps: []string{"iPhone – 2FAS", "Tablet – Aegis"}, note: "two apps, either will do"},
		{email: "maya@acme.example", name: "Maya Mills", password: "paper-lantern-over-quarry", role: sallyport.Manager},
		{email: "mark@acme.example", name: "Mark Moreau", password: "walnut-ferry-drifts-north", role: sallyport.Member, apps: []string{"Galaxy – Google Authenticator"}},
		{email: "mona@acme.example", name: "Mona Marsh", password: "seven-teapots-on-the-roof", role: sallyport.Member},
		{email: "rita@acme.example", name: "Rita Reyes", password: "granite-parrot-slow-tango", role: sallyport.Admin, note: "must set up 2FA: it is required of admins"},
		{email: "tomas@acme.example", name: "Tomás Temple", password: "borrowed-umbrella-blue-42", role: sallyport.Member, then: onTemporaryPassword, note: "temporary password: must choose another"},
		{email: "lou@acme.example", name: "Lou Locke", password: "midnight-biscuit-orchard-9", role: sallyport.Member, apps: []string{"Fairphone – FreeOTP"}, then: lockOut, note: "ten wrong codes: locked until an administrator unlocks"},
		{email: "sam@acme.example", name: "Sam Sunder", password: "cinnamon-glacier-two-owls", role: sallyport.Member, then: suspend, note: "suspended: cannot sign in"},
		{email: "ivy@acme.example", name: "Ivy Inez", role: sallyport.Member, then: invite, note: "invited: has no password yet"},
	},
}, {
	name:   "Globex",
	host:   func(first string) string { return "globex." + first },
	policy: func(p *sallyport.Policy) { p.Require2FA = sallyport.RequireEveryone },
	people: []demoPerson{
		{email: "gina@globex.example", name: "Gina Grant", password: "marble-otter-counts-stars", role: sallyport.Owner, apps: []string{"Pixel – Google Authenticator"}},
		{email: "gus@globex.example", name: "Gus Gallo", password: "thirteen-red-bicycles-hum", role: sallyport.Admin, apps: []string{"iPhone – 1Password"}},
		{email: "greta@globex.example", name: "Greta Gold", password: "willow-engine-quiet-monday", role: sallyport.Manager, apps: []string{"Nokia – Aegis"}},
		{email: "glen@globex.example", name: "Glen Gray", password: "saffron-meadow-lost-button", role: sallyport.Member, apps: []string{"Galaxy – Authy"}},
		{email: "gwen@globex.example", name: "Gwen Green", password: "pebble-sailor-warm-thunder", role: sallyport.Member, note: "must set up 2FA: it is required of everyone"},
	},
}}

// demoSeed puts the cast into a new installation, through the verbs that people themselves use. It happens in the
// past, so that no code of the present is used up.
type demoSeed struct {
	*installation
	clock *demoClock
	host  string
}

// demoBegan is how long ago the story began.
const demoBegan = 30 * 24 * time.Hour

// seed makes the companies and tells where they are and who is in them.
func (d *demoSeed) seed(ctx context.Context, first string, origin func(host string) string) (demoStory, error) {
	d.clock.Advance(-demoBegan)
	var story demoStory
	var reseller string
	for _, c := range demoCompanies {
		d.host = c.host(first)
		w, err := d.company(ctx, c, reseller)
		if err != nil {
			return story, fmt.Errorf("making %s: %w", c.name, err)
		}
		reseller = w.id
		w.URL = origin(d.host)
		story.Workspaces = append(story.Workspaces, w)
	}
	d.clock.Reset()
	story.URL = story.Workspaces[0].URL
	return story, d.describe(ctx, &story)
}

func (d *demoSeed) company(ctx context.Context, c demoCompany, reseller string) (demoWorkspace, error) {
	w := demoWorkspace{Name: c.name}
	boss := c.people[0]
	owner := sallyport.FirstOwner{Workspace: c.name, Name: boss.name, Address: boss.email, Password: sallyport.Secret(boss.password)}
	var err error
	if reseller == "" {
		err = d.FirstRun(ctx, "", owner)
	} else {
		err = d.AddWorkspace(ctx, reseller, d.host, owner)
	}
	if err != nil {
		return w, err
	}
	by, err := d.Console(ctx, d.host)
	if err != nil {
		return w, err
	}
	w.id = by.Workspace().ID
	for i, p := range c.people {
		d.clock.Advance(5 * time.Hour)
		u, err := d.person(ctx, by, p, i == 0)
		if err != nil {
			return w, fmt.Errorf("%s: %w", p.email, err)
		}
		w.Users = append(w.Users, u)
	}
	return w, d.Store.Write(ctx, func(tx sallyport.Tx) error {
		p := by.Policy()
		p.Version++
		c.policy(&p)
		saved, err := tx.SavePolicy(w.id, p)
		if err == nil && !saved {
			err = errors.New("its policy changed meanwhile")
		}
		return err
	})
}

func (d *demoSeed) person(ctx context.Context, by sallyport.Caller, p demoPerson, made bool) (demoUser, error) {
	shown := demoUser{Email: p.email, Password: p.password, Role: p.role, RecoveryCodes: []string{}, Name: p.name, Note: p.note}
	password := p.password
	if password == "" {
		password = "nobody-ever-knew-this-one"
	}
	if !made {
		if _, err := d.AddUser(ctx, by, p.email, p.name, p.role, sallyport.Secret(password)); err != nil {
			return shown, err
		}
	}
	if len(p.apps) > 0 {
		secrets, err := d.enrol(ctx, p)
		if err != nil {
			return shown, err
		}
		shown.Secret = secrets[0]
	}
	if p.then == nil {
		return shown, nil
	}
	u := demoSeeded{password: password}
	if err := d.Store.Read(ctx, func(tx sallyport.Tx) (err error) {
		u.User, _, err = tx.UserByAddress(by.Workspace().ID, p.email)
		return err
	}); err != nil {
		return shown, err
	}
	return shown, p.then(ctx, d, u)
}

// demoBrowser is what a browser keeps between two requests of the story.
type demoBrowser struct {
	d *demoSeed
	sallyport.Arrival
}

func (d *demoSeed) browser() *demoBrowser {
	return &demoBrowser{d, sallyport.Arrival{Host: d.host, Agent: "Firefox on Windows", Address: netip.MustParseAddr("198.51.100.7")}}
}

// arrive is the caller as which the browser arrives: signed in, or in the middle of signing in.
func (b *demoBrowser) arrive(ctx context.Context) (sallyport.Caller, error) {
	return b.d.Arrive(ctx, b.Arrival)
}

func (b *demoBrowser) signIn(ctx context.Context, email, password string) error {
	by, err := b.arrive(ctx)
	if err != nil {
		return err
	}
	p, err := b.d.SignIn(ctx, by, email, password)
	b.SignIn, b.Session = p.SignIn, p.Session
	return err
}

// enrol signs in and sets up the person's apps, whose secrets it returns in base32.
func (d *demoSeed) enrol(ctx context.Context, p demoPerson) (secrets []string, err error) {
	b := d.browser()
	if err := b.signIn(ctx, p.email, p.password); err != nil {
		return nil, err
	}
	for _, app := range p.apps {
		by, err := b.arrive(ctx)
		if err != nil {
			return nil, err
		}
		if err := d.StartSetUp(ctx, by, app); err != nil {
			return nil, err
		}
		draft, err := d.SetUp(ctx, by)
		if err != nil {
			return nil, err
		}
		secret, err := otp.DecodeSecret(draft.Key.Reveal())
		if err != nil {
			return nil, err
		}
		passage, err := d.ConfirmSetUp(ctx, by, "", otp.Default.Code(secret, otp.Default.Step(d.Now())))
		if err != nil {
			return nil, err
		}
		b.Session = passage.Session
		secrets = append(secrets, draft.Key.Reveal())
	}
	return secrets, nil
}

// change writes what there is no verb for yet.
func (d *demoSeed) change(ctx context.Context, u sallyport.User, fn func(*sallyport.User)) error {
	return d.Store.Write(ctx, func(tx sallyport.Tx) error {
		locked, _, err := tx.LockUser(u.Workspace, u.ID)
		if err != nil {
			return err
		}
		fn(&locked)
		return tx.SaveUser(locked)
	})
}

func suspend(ctx context.Context, d *demoSeed, u demoSeeded) error {
	return d.change(ctx, u.User, func(u *sallyport.User) { u.State = sallyport.Suspended; u.Epoch++ })
}

func invite(ctx context.Context, d *demoSeed, u demoSeeded) error {
	return d.change(ctx, u.User, func(u *sallyport.User) { u.State, u.PasswordHash = sallyport.Invited, "" })
}

// onTemporaryPassword makes the password one of the next three days, counted from the story's end.
func onTemporaryPassword(ctx context.Context, d *demoSeed, u demoSeeded) error {
	ends := time.Now().Add(72 * time.Hour)
	return d.change(ctx, u.User, func(u *sallyport.User) { u.TemporaryEnds = ends })
}

// lockOut gives wrong codes, as somebody would who has stolen the password, until none are accepted.
func lockOut(ctx context.Context, d *demoSeed, u demoSeeded) error {
	for {
		d.clock.Advance(9 * time.Minute) // longer than any delay on the way
		b := d.browser()
		if err := b.signIn(ctx, u.Address, u.password); err != nil {
			return err
		}
		by, err := b.arrive(ctx)
		if err != nil {
			return err
		}
		_, err = d.AnswerCode(ctx, by, "000000", false)
		if errors.Is(err, sallyport.ErrCodesLocked) {
			return nil
		}
		if err != nil && !errors.Is(err, sallyport.ErrCodeWrong) {
			return err
		}
	}
}
