package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/background"
	"github.com/sallyport-2fa/sallyport/internal/otp"
)

// demoSeed creates the demo's people in a new installation, through the same verbs that the pages use. Its clock is in
// the past, so that no current code is used up.
type demoSeed struct {
	*installation
	clock *demoClock
	host  string // of the current company
}

// The story began demoBegan ago, and its last day demoLately ago. Every demoJoins a person joins. Then every demoSetsUp
// one of them may set up two-factor authentication, so that the adoption chart has something to show.
const (
	demoBegan  = 45 * 24 * time.Hour
	demoLately = 20 * time.Hour
	demoJoins  = 5 * time.Hour
	demoSetsUp = 48 * time.Hour
)

// seed creates the companies and returns where they are and who is in them.
func (d *demoSeed) seed(ctx context.Context, first string, origin func(host string) string) (demoStory, error) {
	d.clock.Set(-demoBegan)
	var story demoStory
	for i, c := range demoCompanies {
		d.host = first
		if i > 0 {
			if err := d.create(ctx, c, story.Workspaces[0].Users[0]); err != nil {
				return story, fmt.Errorf("creating %s: %w", c.name, err)
			}
		}
		w, err := d.company(ctx, c, i == 0)
		if err != nil {
			return story, fmt.Errorf("creating %s: %w", c.name, err)
		}
		w.URL = origin(d.host)
		story.Workspaces = append(story.Workspaces, w)
	}
	if err := d.pass(ctx, -d.clock.Ahead()-demoLately); err != nil {
		return story, err
	}
	for i, c := range demoCompanies {
		d.host = story.Workspaces[i].host
		if err := d.connect(ctx, &story.Workspaces[i]); err != nil {
			return story, fmt.Errorf("the apps of %s: %w", c.name, err)
		}
		if err := d.lately(ctx, c, &story.Workspaces[i]); err != nil {
			return story, fmt.Errorf("the last day of %s: %w", c.name, err)
		}
	}
	d.clock.Set(0)
	story.URL = story.Workspaces[0].URL
	return story, d.describe(ctx, &story)
}

// create makes the owner of the first company create another one, on a subdomain of localhost, and its owner accept the
// invitation.
func (d *demoSeed) create(ctx context.Context, c demoCompany, reseller demoUser) error {
	by, err := d.signedIn(ctx, reseller)
	if err != nil {
		return err
	}
	boss, name := c.people[0], "globex.localhost"
	if err := d.CreateWorkspace(ctx, by, sallyport.NewWorkspace{Name: c.name, Host: name, Owner: boss.name, Address: boss.email}); err != nil {
		return err
	}
	token, err := d.mailed(ctx, by.Workspace().ID, boss.email, demoLink)
	if err != nil {
		return err
	}
	if _, port, err := net.SplitHostPort(d.host); err == nil {
		name = net.JoinHostPort(name, port)
	}
	d.host = name
	if by, err = d.browser().arrive(ctx); err != nil {
		return err
	}
	return d.AcceptInvitation(ctx, by, sallyport.Secret(token), boss.name, sallyport.Secret(boss.password))
}

// company adds the people of c, has them set up two-factor authentication, and has their owner save the policy. If
// first is set, it also creates the company.
func (d *demoSeed) company(ctx context.Context, c demoCompany, first bool) (demoWorkspace, error) {
	w := demoWorkspace{Name: c.name}
	boss := c.people[0]
	if first {
		owner := sallyport.FirstOwner{Workspace: c.name, Name: boss.name, Address: boss.email, Password: sallyport.Secret(boss.password)}
		if err := d.FirstRun(ctx, owner); err != nil {
			return w, err
		}
	}
	by, err := d.Console(ctx, d.host)
	if err != nil {
		return w, err
	}
	w.id, w.host = by.Workspace().ID, d.host
	for _, p := range c.people[1:] {
		if p.password == "" {
			continue
		}
		if err := d.pass(ctx, demoJoins); err != nil {
			return w, err
		}
		if _, err := d.AddUser(ctx, by, p.email, p.name, p.role, sallyport.Secret(p.password)); err != nil {
			return w, fmt.Errorf("%s: %w", p.email, err)
		}
	}
	for i, p := range c.people {
		if err := d.pass(ctx, demoSetsUp); err != nil {
			return w, err
		}
		u, err := d.person(ctx, p)
		if err != nil {
			return w, fmt.Errorf("%s: %w", p.email, err)
		}
		w.Users = append(w.Users, u)
		if i == 0 {
			if err := d.decide(ctx, u, c.policy); err != nil {
				return w, err
			}
		}
	}
	return w, d.decide(ctx, w.Users[0], func(p *sallyport.Policy) { p.Require2FA.Of = c.demand })
}

// pass advances the clock. It counts adoption every day, as Run does.
func (d *demoSeed) pass(ctx context.Context, left time.Duration) error {
	for left > 0 {
		step := min(left, 24*time.Hour)
		d.clock.Advance(step)
		left -= step
		if err := background.CountAdoption(ctx, d.Service); err != nil {
			return err
		}
	}
	return nil
}

// lately performs what the owner of a company did to people on the last day.
func (d *demoSeed) lately(ctx context.Context, c demoCompany, w *demoWorkspace) error {
	d.host = w.host
	owner, err := d.signedIn(ctx, w.Users[0])
	if err != nil {
		return err
	}
	for i, p := range c.people {
		if p.lately == nil {
			continue
		}
		if err := p.lately(ctx, d, owner, &w.Users[i]); err != nil {
			return fmt.Errorf("%s: %w", p.email, err)
		}
	}
	return nil
}

// decide makes an owner change the policy.
func (d *demoSeed) decide(ctx context.Context, owner demoUser, change func(*sallyport.Policy)) error {
	by, err := d.signedIn(ctx, owner)
	if err != nil {
		return err
	}
	p := by.Policy()
	change(&p)
	return d.SavePolicy(ctx, by, p)
}

// person takes a person who was added to the state that p describes.
func (d *demoSeed) person(ctx context.Context, p demoPerson) (demoUser, error) {
	shown := demoUser{Email: p.email, Password: p.password, Role: p.role, RecoveryCodes: []string{}, Name: p.name, Note: p.note}
	if p.password == "" {
		return shown, nil
	}
	if len(p.authenticators) > 0 {
		var err error
		if shown.Secret, shown.RecoveryCodes, err = d.enrol(ctx, p); err != nil {
			return shown, err
		}
	}
	if p.then == nil {
		return shown, nil
	}
	return shown, p.then(ctx, d, shown)
}

// demoBrowser is the state that a browser keeps between the requests of the story.
type demoBrowser struct {
	d *demoSeed
	sallyport.Arrival
}

func (d *demoSeed) browser() *demoBrowser {
	return &demoBrowser{d, sallyport.Arrival{Door: sallyport.DoorWeb, Host: d.host, Agent: "Firefox on Windows", Address: netip.MustParseAddr("198.51.100.7")}}
}

// arrive returns the browser's caller: signed in, or in the middle of signing in.
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
	for _, name := range p.authenticators {
		key, result, err := b.setUp(ctx, name)
		if err != nil {
			return "", nil, err
		}
		secret = cmp.Or(secret, key)
		for _, code := range result.RecoveryCodes {
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

func (b *demoBrowser) setUp(ctx context.Context, name string) (secret string, p sallyport.SignInResult, err error) {
	by, err := b.arrive(ctx)
	if err != nil {
		return "", p, err
	}
	if err := b.d.StartSetUp(ctx, by, name, ""); err != nil {
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

// signInWithCode signs in with a password and a code. If trust is set, the browser becomes a trusted device.
func (b *demoBrowser) signInWithCode(ctx context.Context, u demoUser, trust bool) (sallyport.Caller, error) {
	if err := b.signIn(ctx, u.Email, u.Password); err != nil {
		return sallyport.Caller{}, err
	}
	by, err := b.arrive(ctx)
	if err != nil {
		return by, err
	}
	code, err := codeAt(u.Secret, b.d.Now())
	if err != nil {
		return by, err
	}
	p, err := b.d.AnswerCode(ctx, by, code, trust)
	if err != nil {
		return by, err
	}
	b.SignIn, b.Session = p.SignIn, p.Session
	return b.arrive(ctx)
}

// signedIn signs in a person who has an app. It advances the clock, so that the code is unused.
func (d *demoSeed) signedIn(ctx context.Context, u demoUser) (sallyport.Caller, error) {
	d.clock.Advance(2 * time.Minute)
	return d.browser().signInWithCode(ctx, u, false)
}

// trustDevice signs in with a code, a day before the story ends, and makes the browser a trusted device.
func trustDevice(ctx context.Context, d *demoSeed, u demoUser) error {
	now := d.clock.Ahead()
	d.clock.Set(-24 * time.Hour)
	defer d.clock.Set(now)
	_, err := d.browser().signInWithCode(ctx, u, true)
	return err
}

// wrongCode returns a code that the authenticator does not show within 12 minutes of now. Within 10 minutes, it would
// count as the right code from a wrong clock.
func (d *demoSeed) wrongCode(secret string) (string, error) {
	key, err := otp.DecodeSecret(secret)
	if err != nil {
		return "", err
	}
	shown, now := map[string]bool{}, otp.Default.Step(d.Now())
	for step := now - 25; step <= now+25; step++ {
		shown[otp.Default.Code(key, step)] = true
	}
	for n := 0; ; n++ {
		if code := fmt.Sprintf("%06d", n); !shown[code] {
			return code, nil
		}
	}
}

// lockOut enters wrong codes, as someone who has stolen the password would, until the account is locked.
func lockOut(ctx context.Context, d *demoSeed, u demoUser) error {
	for {
		d.clock.Advance(9 * time.Minute) // longer than any delay before the lock
		b := d.browser()
		if err := b.signIn(ctx, u.Email, u.Password); err != nil {
			return err
		}
		by, err := b.arrive(ctx)
		if err != nil {
			return err
		}
		wrong, err := d.wrongCode(u.Secret)
		if err != nil {
			return err
		}
		_, err = d.AnswerCode(ctx, by, wrong, false)
		if errors.Is(err, sallyport.ErrCodesLocked) {
			return nil
		}
		if err != nil && !errors.Is(err, sallyport.ErrCodeWrong) {
			return err
		}
	}
}

// The parts of mails that a person needs to continue.
var (
	demoLink     = regexp.MustCompile(`/invitation/(\S+)`)
	demoPassword = regexp.MustCompile(`([0-9A-Z]{5}(?:-[0-9A-Z]{5}){4})`)
)

// mailed returns the first group of what in the newest mail to an address that matches.
func (d *demoSeed) mailed(ctx context.Context, workspace, to string, what *regexp.Regexp) (string, error) {
	var mails []sallyport.Mail
	err := d.Store.Read(ctx, func(tx sallyport.Tx) (err error) {
		mails, err = tx.Mails(workspace, "", "", demoMails)
		return err
	})
	if err != nil {
		return "", err
	}
	for _, m := range slices.Backward(mails) {
		if m.To != to {
			continue
		}
		body, err := d.OpenMail(m)
		if err != nil {
			return "", err
		}
		if found := what.FindStringSubmatch(body.Text); found != nil {
			return found[1], nil
		}
	}
	return "", fmt.Errorf("no mail to %s contains what was expected", to)
}

// invite invites a person by a link or, if the policy says so, by a temporary password.
func invite(ctx context.Context, d *demoSeed, owner sallyport.Caller, u *demoUser) error {
	if _, err := d.Invite(ctx, owner, u.Email, u.Name, u.Role); err != nil || owner.Policy().InviteMethod != sallyport.InviteByPassword {
		return err
	}
	var err error
	u.Password, err = d.mailed(ctx, owner.Workspace().ID, u.Email, demoPassword)
	return err
}

func suspend(ctx context.Context, d *demoSeed, owner sallyport.Caller, u *demoUser) error {
	id, err := d.idOf(ctx, owner, u)
	if err != nil {
		return err
	}
	return d.Suspend(ctx, owner, id)
}

// reset removes the second factor, and puts the set-up code into the note.
func reset(ctx context.Context, d *demoSeed, owner sallyport.Caller, u *demoUser) error {
	id, err := d.idOf(ctx, owner, u)
	if err != nil {
		return err
	}
	code, err := d.ResetTwoFactor(ctx, owner, id, "Lost the phone, came to the office in person")
	u.Secret, u.RecoveryCodes = "", []string{}
	u.Note = "2FA was reset: must set it up with the code " + code.Code.Reveal()
	return err
}

// idOf returns the id of a person in the owner's company.
func (d *demoSeed) idOf(ctx context.Context, owner sallyport.Caller, u *demoUser) (id string, err error) {
	err = d.Store.Read(ctx, func(tx sallyport.Tx) error {
		found, _, err := tx.UserByAddress(owner.Workspace().ID, u.Email)
		id = found.ID
		return err
	})
	return id, err
}
