package sallyport

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/fold"
)

// PeopleTx is the storage of lists of people, and of what they have open.
type PeopleTx interface {
	// Sessions returns at most MaxSessions sessions of a user's epoch that were last seen before now, the one seen last
	// first. Some of them may have ended.
	Sessions(u User, now time.Time) ([]Session, error)
	// User returns a user without taking the row.
	User(workspace, id string) (User, bool, error)
	// People returns users in an order that an index has.
	People(PeopleRange) ([]User, error)
	// DeleteUser removes a user with everything that belongs to them. Their e-mails and what is personal in the events that
	// they did, or that were done to them, are left to EraseDeleted.
	DeleteUser(workspace, id string) error
	// LockOwners takes the workspace's row until the end of the transaction, and then counts its active owners.
	// Whoever acts on others takes it first of all rows, so that no two of them wait for each other.
	LockOwners(workspace string) (int64, error)
}

// Users returns people of the caller's workspace, the oldest first, after the one with the id given, at most limit.
func (s *Service) Users(ctx context.Context, by Caller, after string, limit int) (users []User, err error) {
	if by.kind != callerConsole {
		return nil, ErrNotAllowed
	}
	err = s.Store.Read(ctx, func(tx Tx) error {
		r := PeopleRange{Workspace: by.workspace.ID, Order: ByCreated, Limit: limit}
		from, found, err := tx.User(r.Workspace, after)
		if err != nil {
			return err
		}
		if found {
			r.From = &from
		}
		users, err = tx.People(r)
		return err
	})
	return users, err
}

// named is a person whom the console names by id or e-mail address.
func (s *Service) named(ctx context.Context, by Caller, target string) (u User, err error) {
	err = s.Store.Read(ctx, func(tx Tx) error {
		id, err := idOf(tx, by, target)
		if err != nil {
			return err
		}
		var found bool
		if u, found, err = tx.User(by.workspace.ID, id); err == nil && !found {
			err = ErrNotFound
		}
		return err
	})
	return u, err
}

const (
	erasedPage = 1000 // rows that one transaction looks at or erases
	erasedSoon = 50   // pages that are erased before Delete returns
)

// EraseDeleted erases, page by page, what deleted people left. Run calls it; several nodes may at once, and if one stops
// another goes on.
func (s *Service) EraseDeleted(ctx context.Context) error {
	for more := true; more; {
		var err error
		if more, err = s.eraseDeleted(ctx, erasedSoon); err != nil {
			return err
		}
	}
	return nil
}

// erasing erases what somebody left who was just deleted, if err is nil: all of it, unless it is much. Run does the rest.
func (s *Service) erasing(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	if _, err := s.eraseDeleted(ctx, erasedSoon); err != nil {
		s.Log.Error("erasing what a deleted person left", "error", err)
	}
	return nil
}

// eraseDeleted is EraseDeleted for so many pages.
func (s *Service) eraseDeleted(ctx context.Context, pages int) (more bool, err error) {
	more = true
	for ; pages > 0 && more && err == nil; pages-- {
		err = s.Store.Write(ctx, func(tx Tx) (err error) {
			more, err = tx.EraseDeleted(erasedPage)
			return err
		})
	}
	return more, err
}

// Order is what people are listed by.
type Order string

const (
	ByName    Order = "name"
	ByAddress Order = "address"
	ByCreated Order = "created"
)

// Other is what a search looks through beside the order.
func (o Order) Other() Order {
	if o == ByAddress {
		return ByName
	}
	return ByAddress
}

// PeopleFilter says who is listed, and in which order. What is empty or unknown does not narrow the list.
type PeopleFilter struct {
	Search    string // start of a name or of an address, in any case
	TwoFactor string // TwoFactorEnabled, TwoFactorDisabled or TwoFactorRequired
	Role      Role
	State     State
	Order     Order // ByName unless said; who is found by the start of the other comes last
	Reverse   bool
}

// PeopleCell is a set of users that stand together in every index of the filters.
type PeopleCell struct {
	Role                 Role
	State                State
	TwoFactor, MustSetUp bool

	JoinedBefore, JoinedSince int64 // versions of the policy that they joined under; 0: no bound
}

// PeopleRange is one walk along an index.
type PeopleRange struct {
	Workspace string
	Order     Order
	Filtered  bool
	Cells     []PeopleCell // if Filtered: who is in one of them; of none, nobody
	Prefix    string       // start of what Order is by, folded
	NotOther  bool         // without those whose name, or address, whichever Order is not by, begins with Prefix too
	From      *User        // the users after this one
	Backward  bool         // from the end
	Limit     int
}

// States lists those of users.
var States = []State{Active, Invited, Suspended}

// cells are the sets of users that the filter names. Without a filter it is false.
func (f PeopleFilter) cells(p Policy, now time.Time) (cells []PeopleCell, filtered bool) {
	if f.TwoFactor == "" && f.Role == "" && f.State == "" {
		return nil, false
	}
	for _, role := range Roles {
		kinds := []PeopleCell{{TwoFactor: true}, {}, {MustSetUp: true}}
		if since := p.Require2FA.joinedSince(role, now); since > 0 && f.TwoFactor != "" {
			kinds = []PeopleCell{{TwoFactor: true}, {JoinedBefore: since}, {JoinedSince: since}, {MustSetUp: true}}
		}
		for _, state := range States {
			for _, c := range kinds {
				c.Role, c.State = role, state
				u := User{Role: role, State: state, TwoFactor: c.TwoFactor, MustSetUp: c.MustSetUp, JoinedUnder: c.JoinedSince}
				if (f.Role == "" || f.Role == role) && (f.State == "" || f.State == state) &&
					(f.TwoFactor == "" || f.TwoFactor == p.TwoFactorState(u, now)) {
					cells = append(cells, c)
				}
			}
		}
	}
	return cells, true
}

// walks are the walks along indexes whose users, one after the other, are the list: one, or for a search two.
func (f PeopleFilter) walks(workspace string, p Policy, now time.Time) []PeopleRange {
	r := PeopleRange{Workspace: workspace, Order: f.Order, Backward: f.Reverse}
	if r.Order != ByAddress && r.Order != ByCreated {
		r.Order = ByName
	}
	r.Cells, r.Filtered = f.cells(p, now)
	if r.Prefix = fold.Name(f.Search); r.Prefix == "" {
		return []PeopleRange{r}
	}
	if r.Order == ByCreated {
		r.Order = ByName
	}
	other := r
	other.Order, other.NotOther = r.Order.Other(), true
	return []PeopleRange{r, other} // reversed, too: who is not of the first walk may be hard to find among those who are
}

// holds reports whether a user found by the search is of this walk.
func (r PeopleRange) holds(u User) bool {
	name, address := strings.HasPrefix(fold.Name(u.Name), r.Prefix), strings.HasPrefix(u.Folded, r.Prefix)
	if r.Order == ByAddress {
		name, address = address, name
	}
	return name && !(r.NotOther && address)
}

// PeoplePage is how many people a page lists.
const PeoplePage = 50

// PeopleList is a page of people, and whether there are others before and after it.
type PeopleList struct {
	People         []User
	Before, Beyond bool
}

// People lists people: those after the one with the id given, or those before, or with neither the first. Somebody who
// is not there any more stands for neither.
func (s *Service) People(ctx context.Context, by Caller, f PeopleFilter, after, before string) (PeopleList, error) {
	var list PeopleList
	if err := s.MayAct(by, SeePeople); err != nil {
		return list, err
	}
	walks := f.walks(by.workspace.ID, by.policy, s.Now())
	return list, s.Store.Read(ctx, func(tx Tx) error {
		from, found, err := tx.User(by.workspace.ID, cmp.Or(after, before))
		if err != nil {
			return err
		}
		back := found && after == ""
		all, err := along(tx, walks, from, back, PeoplePage+1)
		more := len(all) > PeoplePage
		all = all[:min(len(all), PeoplePage)]
		list = PeopleList{People: all, Before: found, Beyond: more}
		if back {
			slices.Reverse(all)
			list.Before, list.Beyond = more, true
		}
		return err
	})
}

// PeopleBatch is how many people NextPeople returns.
const PeopleBatch = 1000

// NextPeople returns the people of a filter that come after one that it returned before, or with the zero User the
// first. Nothing of the database is held between two calls.
func (s *Service) NextPeople(ctx context.Context, by Caller, f PeopleFilter, after User) (all []User, err error) {
	if err := s.MayAct(by, SeePeople); err != nil {
		return nil, err
	}
	walks := f.walks(by.workspace.ID, by.policy, s.Now())
	err = s.Store.Read(ctx, func(tx Tx) error {
		all, err = along(tx, walks, after, false, PeopleBatch)
		return err
	})
	return all, err
}

// along goes along the walks, on or back, from the user given or from the end, until it has limit users.
func along(tx Tx, walks []PeopleRange, from User, back bool, limit int) (all []User, err error) {
	walks = slices.Clone(walks)
	if back {
		slices.Reverse(walks)
	}
	if from.ID != "" && len(walks) > 1 && !walks[0].holds(from) {
		walks = walks[1:]
	}
	for _, r := range walks {
		if from.ID != "" {
			r.From = &from
		}
		r.Backward, r.Limit = r.Backward != back, limit
		some, err := tx.People(r)
		if err != nil {
			return nil, err
		}
		if all = append(all, some...); len(all) >= limit {
			return all[:limit], nil
		}
		from = User{}
	}
	return all, nil
}

// Person is what administrators see of somebody. A manager sees no more than the User.
type Person struct {
	User
	Security       bool // what follows is filled in
	Authenticators []Authenticator
	Trusted        []Trust
	Sessions       []Session // living ones, the one seen last first
	Self           bool      // it is who asks
}

// Person returns a person, whom the console may also name by e-mail address. A person who does not exist, or whose role is
// above the caller's, is ErrNotFound.
func (s *Service) Person(ctx context.Context, by Caller, id string) (p Person, err error) {
	if by.kind == callerConsole {
		p.Security = true
		p.User, err = s.named(ctx, by, id)
	} else if p.User, err = s.see(ctx, by, SeePeople, id); err == nil {
		p.Self, p.Security = by.user.ID == p.ID, by.user.Role.May(SeeSecurity)
	}
	if err != nil || !p.Security {
		return p, err
	}
	u := p.User
	return p, s.Store.Read(ctx, func(tx Tx) error {
		p.Trusted, p.Sessions = nil, nil
		all, err := tx.Authenticators(u.Workspace, u.ID)
		if err != nil {
			return err
		}
		p.Authenticators = withoutSecrets(all)
		devices, err := tx.TrustedDevices(u.Workspace, u.ID)
		if err != nil {
			return err
		}
		for _, d := range devices {
			if by.policy.trusts(d, u, s.Now()) {
				p.Trusted = append(p.Trusted, Trust{TrustedDevice: d, Until: by.policy.TrustUntil(d.CreatedAt, d.Days)})
			}
		}
		sessions, err := tx.Sessions(u, s.Now())
		for _, ses := range sessions {
			if ses.lives(ses.Hash, u, s.Now()) {
				p.Sessions = append(p.Sessions, ses)
			}
		}
		return err
	})
}
