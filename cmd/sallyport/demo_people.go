package main

import (
	"cmp"
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
	policy func(*sallyport.Policy) // what it decides at once
	demand string                  // of whom it requires two-factor authentication, once everybody is there
	people []demoPerson            // the first is the owner who makes it
}

// demoPerson is somebody in the demo, as the story begins.
type demoPerson struct {
	email, name, password string
	role                  sallyport.Role
	apps                  []string                                           // authenticators, by name
	unsaved               bool                                               // left before the tick that the recovery codes are saved
	then                  func(context.Context, *demoSeed, demoSeeded) error // what befell them since
	note                  string
}

// demoSeeded is a person who has been added.
type demoSeeded struct {
	sallyport.User
	password string
	secret   string // base32, of the first authenticator
}

// demoCompanies is the cast. Whoever cannot simply sign in comes last.
var demoCompanies = []demoCompany{{
	name:   "Acme",
	host:   func(first string) string { return first },
	policy: func(p *sallyport.Policy) { p.TrustedDeviceDays = 14 },
	demand: sallyport.RequireAdmins,
	people: []demoPerson{
		{email: "olive@acme.example", name: "Olive Owens", password: "copper_kettle_sings_noon", role: sallyport.Owner, apps: []string{"Pixel – Aegis"}},
		{email: "adam@acme.example", name: "Adam Ames", password: "velvet_harbour_eleven_kites", role: sallyport.Admin, apps: []string{"iPhone – 2FAS", "Tablet – Aegis"}, then: trustDevice, note: "two apps, either will do; a trusted device"},
		{email: "maya@acme.example", name: "Maya Mills", password: "paper_lantern_over_quarry", role: sallyport.Manager},
		{email: "mark@acme.example", name: "Mark Moreau", password: "walnut_ferry_drifts_north", role: sallyport.Member, apps: []string{"Galaxy – Google Authenticator"}},
		{email: "mona@acme.example", name: "Mona Marsh", password: "seven_teapots_on_the_roof", role: sallyport.Member},
		{email: "rita@acme.example", name: "Rita Reyes", password: "granite_parrot_slow_tango", role: sallyport.Admin, note: "must set up 2FA: it is required of admins"},
		{email: "una@acme.example", name: "Una Unger", password: "tidy_volcano_knits_scarves", role: sallyport.Member, apps: []string{"Pixel – 2FAS"}, unsaved: true, note: "has not saved the recovery codes"},
		{email: "tomas@acme.example", name: "Tomás Temple", password: "borrowed_umbrella_blue_42", role: sallyport.Member, then: onTemporaryPassword, note: "temporary password: must choose another"},
		{email: "lou@acme.example", name: "Lou Locke", password: "midnight_biscuit_orchard_9", role: sallyport.Member, apps: []string{"Fairphone – FreeOTP"}, then: lockOut, note: "ten wrong codes: locked until an administrator unlocks"},
		{email: "sam@acme.example", name: "Sam Sunder", password: "cinnamon_glacier_two_owls", role: sallyport.Member, then: suspend, note: "suspended: cannot sign in"},
		{email: "ivy@acme.example", name: "Ivy Inez", role: sallyport.Member, then: invite, note: "invited: has no password yet"},
	},
}, {
	name:   "Globex",
	host:   func(first string) string { return "globex." + first },
	policy: func(p *sallyport.Policy) { p.RecoveryCodeMode = sallyport.RecoveryOnce },
	demand: sallyport.RequireEveryone,
	people: []demoPerson{
		{email: "gina@globex.example", name: "Gina Grant", password: "marble_otter_counts_stars", role: sallyport.Owner, apps: []string{"Pixel – Google Authenticator"}},
		{email: "gus@globex.example", name: "Gus Gallo", password: "thirteen_red_bicycles_hum", role: sallyport.Admin, apps: []string{"iPhone – 1Password"}},
		{email: "greta@globex.example", name: "Greta Gold", password: "willow_engine_quiet_monday", role: sallyport.Manager, apps: []string{"Nokia – Aegis"}},
		{email: "glen@globex.example", name: "Glen Gray", password: "saffron_meadow_lost_button", role: sallyport.Member, apps: []string{"Galaxy – Authy"}},
		{email: "gwen@globex.example", name: "Gwen Green", password: "pebble_sailor_warm_thunder", role: sallyport.Member, note: "must set up 2FA: it is required of everyone"},
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
	d.clock.Set(0)
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
	if err := d.decide(ctx, w.id, c.policy); err != nil {
		return w, err
	}
	for i, p := range c.people {
		d.clock.Advance(5 * time.Hour)
		u, err := d.person(ctx, by, p, i == 0)
		if err != nil {
			return w, fmt.Errorf("%s: %w", p.email, err)
		}
		w.Users = append(w.Users, u)
	}
	return w, d.decide(ctx, w.id, func(p *sallyport.Policy) { p.Require2FA = c.demand })
}

// decide changes the policy of a workspace.
func (d *demoSeed) decide(ctx context.Context, workspace string, change func(*sallyport.Policy)) error {
	return d.Store.Write(ctx, func(tx sallyport.Tx) error {
		p, err := tx.Policy(workspace)
		if err != nil {
			return err
		}
		p.Version++
		change(&p)
		_, err = tx.SavePolicy(workspace, p) // nobody else is there
		return err
	})
}

func (d *demoSeed) person(ctx context.Context, by sallyport.Caller, p demoPerson, made bool) (demoUser, error) {
	shown := demoUser{Email: p.email, Password: p.password, Role: p.role, RecoveryCodes: []string{}, Name: p.name, Note: p.note}
	password := p.password
	if password == "" {
		password = "nobody_ever_knew_this_one"
	}
	if !made {
		if _, err := d.AddUser(ctx, by, p.email, p.name, p.role, sallyport.Secret(password)); err != nil {
			return shown, err
		}
	}
	if len(p.apps) > 0 {
		var err error
		if shown.Secret, shown.RecoveryCodes, err = d.enrol(ctx, p); err != nil {
			return shown, err
		}
	}
	if p.then == nil {
		return shown, nil
	}
	u := demoSeeded{password: password, secret: shown.Secret}
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

// enrol signs in, sets up the person's apps and saves the recovery codes. It returns the secret of the first app, in
// base32, and the codes.
func (d *demoSeed) enrol(ctx context.Context, p demoPerson) (secret string, codes []string, err error) {
	b := d.browser()
	if err := b.signIn(ctx, p.email, p.password); err != nil {
		return "", nil, err
	}
	for _, app := range p.apps {
		key, passage, err := b.setUp(ctx, app)
		if err != nil {
			return "", nil, err
		}
		secret = cmp.Or(secret, key)
		for _, code := range passage.RecoveryCodes {
			codes = append(codes, code.Reveal())
		}
	}
	if p.unsaved {
		return secret, codes, nil
	}
	by, err := b.arrive(ctx)
	if err == nil {
		_, err = d.SaveRecoveryCodes(ctx, by)
	}
	return secret, codes, err
}

func (b *demoBrowser) setUp(ctx context.Context, app string) (secret string, p sallyport.Passage, err error) {
	by, err := b.arrive(ctx)
	if err != nil {
		return "", p, err
	}
	if err := b.d.StartSetUp(ctx, by, app, ""); err != nil {
		return "", p, err
	}
	draft, err := b.d.SetUp(ctx, by)
	if err != nil {
		return "", p, err
	}
	code, err := codeAt(draft.Key.Reveal(), b.d.Now())
	if err != nil {
		return "", p, err
	}
	p, err = b.d.ConfirmSetUp(ctx, by, "", code)
	b.Session = p.Session
	return draft.Key.Reveal(), p, err
}

// codeAt is what an authenticator with this secret, in base32, shows at a time.
func codeAt(secret string, at time.Time) (string, error) {
	key, err := otp.DecodeSecret(secret)
	return otp.Default.Code(key, otp.Default.Step(at)), err
}

// trustDevice signs in with a code, a day before the story ends, and trusts the browser.
func trustDevice(ctx context.Context, d *demoSeed, u demoSeeded) error {
	now := d.clock.Ahead()
	d.clock.Set(-24 * time.Hour)
	defer d.clock.Set(now)
	b := d.browser()
	if err := b.signIn(ctx, u.Address, u.password); err != nil {
		return err
	}
	by, err := b.arrive(ctx)
	if err != nil {
		return err
	}
	code, err := codeAt(u.secret, d.Now())
	if err == nil {
		_, err = d.AnswerCode(ctx, by, code, true)
	}
	return err
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
