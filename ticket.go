package sallyport

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
)

// Ticket gets a browser an app session on one host. It works once, in the browser whose cookie it is bound to (I61).
type Ticket struct {
	Workspace string
	User      string
	ID        string
	Hash      []byte // SHA-256 of its value
	Epoch     int64
	Session   string
	App       string
	AppEpoch  int64
	Origin    string
	Target    string // where the browser was going: path and query
	Browser   []byte // SHA-256 of the cookie that the browser has on the host
	ExpiresAt time.Time
}

// TicketLimit is how long a ticket is valid.
const TicketLimit = time.Minute

// MaxTickets is how many tickets a person may have. Another one ends the oldest.
const MaxTickets = 50

// TicketTx is the storage of tickets.
type TicketTx interface {
	// AppOf returns the workspace and the id of the app on an origin, or "".
	AppOf(origin string) (workspace, app string, err error)
	// InsertTicket inserts a ticket, and deletes those of the user beyond the newest MaxTickets.
	InsertTicket(Ticket) error
	// DeleteTicket deletes a ticket.
	DeleteTicket(workspace, user, id string) error
	// RedeemTicket marks a ticket as redeemed, and returns it. Of all calls ever, exactly one returns it. before is when
	// another one of the user was first redeemed for the same browser cookie, or the zero time.
	RedeemTicket(workspace, user, id string, now time.Time) (t Ticket, found bool, before time.Time, err error)
}

// EnterApp lets the caller's browser into an app behind a proxy, if the caller may use it and has met what it demands for the
// address. entry and browser are Passage.For and Passage.Browser. It returns the address on the app's host at which the browser
// redeems its ticket.
func (s *Service) EnterApp(ctx context.Context, by Caller, entry, browser string) (origin string, ticket Secret, err error) {
	if err := s.may(by, access{}); err != nil {
		return "", "", err
	}
	origin, target, ok := readEntry(entry)
	bound, err := base64.RawURLEncoding.Strict().DecodeString(browser)
	if !ok || err != nil || len(bound) != len(hashToken("")) {
		return "", "", ErrNotFound
	}
	err = s.act(ctx, by, access{}, func(tx Tx, me *actor) error {
		a, err := s.enterable(tx, me, origin, target)
		if errors.Is(err, ErrAppRefused) {
			if err := s.record(tx, by.about(a.ID), "app.refused", me.ID, Refused, map[string]string{"name": a.Name}); err != nil {
				return err
			}
			return commit(err)
		}
		if err != nil {
			return err
		}
		t := Ticket{
			Workspace: me.Workspace, User: me.ID, ID: newID(prefixTicket, me.now), Epoch: me.Epoch, Session: me.session.ID,
			App: a.ID, AppEpoch: a.Epoch, Origin: origin, Target: target, Browser: bound, ExpiresAt: me.now.Add(TicketLimit),
		}
		ticket, t.Hash = newToken(me.ID, t.ID)
		return tx.InsertTicket(t)
	})
	return origin, ticket, err
}

// PendingEntry returns the app that EnterApp would let the caller into, or what the caller lacks for it. It changes nothing.
func (s *Service) PendingEntry(ctx context.Context, by Caller, entry string) (a App, err error) {
	err = s.judgeOnly(ctx, by, func(tx Tx, me *actor) (err error) {
		origin, target, ok := readEntry(entry)
		if !ok {
			return ErrNotFound
		}
		a, err = s.enterable(tx, me, origin, target)
		return err
	})
	return a, err
}

// enterable returns the app on an origin if the person may open the target there, and has met what that demands. An app of
// another workspace is ErrNotFound.
func (s *Service) enterable(tx Tx, me *actor, origin, target string) (App, error) {
	workspace, id, err := tx.AppOf(origin)
	if err != nil {
		return App{}, err
	}
	if workspace != me.Workspace {
		return App{}, ErrNotFound
	}
	a, found, err := tx.TakeApp(workspace, id)
	if err != nil {
		return a, err
	}
	if !found {
		return a, ErrNotFound
	}
	w, err := s.ask(a, "GET", target)
	if err != nil {
		return a, err
	}
	if err := s.admits(tx, me, a, w); err != nil {
		return a, err
	}
	return a, w.demand.Judge(me.User, me.session.Proofs, me.now)
}

// admits returns ErrAppRefused if the person may not use the app, or is in none of the groups that are asked for.
func (s *Service) admits(tx Tx, me *actor, a App, w wants) error {
	may, err := tx.MayUse(a, me.ID)
	if err != nil {
		return err
	}
	if !may {
		return a.Refusal()
	}
	if w.groups == nil {
		return nil
	}
	all, err := tx.GroupsOf(me.Workspace, me.ID)
	if err != nil {
		return err
	}
	names := make([]string, len(all))
	for i, g := range all {
		names[i] = g.Name
	}
	if !w.admits(names) {
		return a.Refusal()
	}
	return nil
}

// overtaken reports whether the cookie to which the ticket is bound was replaced only after the ticket was issued: another tab
// has just got the new one. If it was replaced earlier, the browser came without the new one, and does not keep it.
func (t Ticket) overtaken(replaced time.Time) bool {
	return replaced.After(t.ExpiresAt.Add(-TicketLimit))
}

// Redeemed is what a browser gets for a ticket.
type Redeemed struct {
	Cookie Secret // its app session; empty: it is signed in already
	Target string // path and query to which it goes on
}

// RedeemTicket signs a browser in to the host of a request, for a ticket. A ticket that is
// bound to another cookie than the browser sends leads back to where it was going: it was overtaken by another tab, whose
// sign-in counts for both.
func (s *Service) RedeemTicket(ctx context.Context, r ProxyRequest, ticket Secret) (Redeemed, error) {
	user, id, hash, ok := parseToken(ticket, prefixTicket)
	if !ok {
		return Redeemed{}, ErrTicketWrong
	}
	if !validCookie(r.Cookie) {
		return Redeemed{}, ErrCookieMissing
	}
	p, err := s.appAt(ctx, r.Origin, "", "")
	if err != nil {
		return Redeemed{}, err
	}
	now, by := s.Now(), s.callerAt(p, r)
	var out Redeemed
	return out, s.write(ctx, func(tx Tx) error {
		out = Redeemed{}
		u, known, err := tx.LockUser(p.Workspace.ID, user)
		if err != nil {
			return err
		}
		t, found, before, err := tx.RedeemTicket(p.Workspace.ID, user, id, now)
		switch {
		case err != nil:
			return err
		case !known, !found, !bytes.Equal(t.Hash, hash): // rolled back, so that only its secret uses a ticket up
			return ErrTicketWrong
		case t.Origin != r.Origin || t.App != p.App.ID || !lifetime.Until(t.ExpiresAt, TicketLimit, now),
			t.Epoch != u.Epoch || t.AppEpoch != p.App.Epoch:
			if err := tx.DeleteTicket(t.Workspace, t.User, t.ID); err != nil {
				return err
			}
			return s.refuseTicket(tx, by, t, ErrTicketWrong)
		case !bytes.Equal(t.Browser, hashToken(r.Cookie)) || t.overtaken(before):
			out.Target = t.Target
			return tx.DeleteTicket(t.Workspace, t.User, t.ID)
		case !before.IsZero():
			return s.refuseTicket(tx, by, t, ErrCookieMissing)
		}
		out.Target = t.Target
		out.Cookie, err = s.signInAt(tx, by, t)
		return err
	})
}

// signInAt inserts the app session for a ticket.
func (s *Service) signInAt(tx Tx, by Caller, t Ticket) (Secret, error) {
	ses, u, found, err := tx.TakeSession(t.Workspace, t.User, t.Session)
	now := s.Now()
	if err != nil {
		return "", err
	}
	if !found || !ses.open(u, now) {
		return "", s.refuseTicket(tx, by, t, ErrTicketWrong)
	}
	x := AppSession{
		Workspace: t.Workspace, User: t.User, ID: newID(prefixAppSession, now), Epoch: u.Epoch, Session: t.Session, Proofs: ses.Proofs,
		App: t.App, AppEpoch: t.AppEpoch, Origin: t.Origin, CreatedAt: now,
	}
	token, hash := newToken(t.User, x.ID)
	x.Hash = hash
	if err := tx.InsertAppSession(x); err != nil {
		return "", err
	}
	return token, s.record(tx, by.as(u), "app.opened", t.User, Done, nil)
}

// refuseTicket records that a ticket was refused whose secret is right, and returns the refusal. It happens once for a ticket.
// Whoever brings it need not be the person to whom it was given.
func (s *Service) refuseTicket(tx Tx, by Caller, t Ticket, refusal error) error {
	if err := s.record(tx, by, "app.refused", t.User, Refused, nil); err != nil {
		return err
	}
	return commit(refusal)
}

// HomeOf returns the origin of the workspace whose app a request is for.
func (s *Service) HomeOf(ctx context.Context, r ProxyRequest) (string, error) {
	p, err := s.appAt(ctx, r.Origin, "", "")
	if err != nil {
		return "", err
	}
	return s.scheme() + "://" + p.Host, nil
}

// appAt returns the enabled app on an origin, or ErrNoApp.
func (s *Service) appAt(ctx context.Context, origin, user, appSession string) (p *AppPresence, err error) {
	err = s.Store.Read(ctx, func(tx Tx) error {
		p, err = tx.AppAt(origin, user, appSession)
		return err
	})
	if err == nil && (p == nil || !p.App.Enabled) {
		err = ErrNoApp
	}
	return p, err
}
