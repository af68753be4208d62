package sallyport

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"
)

// PeopleTx is the storage of people and their sessions.
type PeopleTx interface {
	// Sessions returns at most MaxSessions sessions of a user's epoch that were not last seen in the future, the most
	// recently seen first. Some of them may have ended.
	Sessions(u User, now time.Time) ([]Session, error)
	// User returns a user without locking the row.
	User(workspace, id string) (User, bool, error)
	// DeleteUser deletes a user with everything that belongs to them. Their e-mails, and the personal data in events of
	// which they are the actor or the subject, are left to EraseDeleted.
	DeleteUser(workspace, id string) error
	// EraseDeleted erases one page of what a deleted person has left: their e-mails, then address and browser in events
	// (see Event.person). more reports whether there may be more to erase.
	EraseDeleted(page int) (more bool, err error)
	// LockOwners locks the workspace's row until the end of the transaction, and then counts its active owners. A verb
	// that acts on other people locks it before all other rows, so that two of them cannot deadlock.
	LockOwners(workspace string) (int64, error)
}

// PeopleListTx is the storage of lists of people. Each method reads ranges of indexes, up to its limit.
type PeopleListTx interface {
	// People returns the users of a range, in an order that an index has.
	People(PeopleRange) ([]User, error)
	// PlacePeople counts the users of a range, at most limit, and those of them who come before from.
	PlacePeople(r PeopleRange, from User, limit int) (all, before int, err error)
	// FindPeople returns the sorted ids of at most limit users whom a search finds, or who are locked.
	FindPeople(r PeopleRange, limit int) ([]string, error)
	// Named returns those of the given users who exist, by id: the people that events and mails name.
	Named(workspace string, ids []string) (map[string]User, error)
	// MoveSignedIn locks those of the given users who have signed in since they were last moved, and moves them to their
	// place in the order by last sign-in.
	MoveSignedIn(workspace string, ids []string) error
}

// Users returns at most limit people of the caller's workspace, oldest first, after the one with the id after.
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

// named returns a person whom the console names by id or e-mail address.
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
	erasedPage = 1000 // rows that one transaction reads or erases
	erasedSoon = 50   // pages that are erased before Delete returns
)

// EraseDeleted erases, page by page, what deleted people have left. Package background calls it. Several nodes may run it at the same
// time, and if one stops, another continues.
func (s *Service) EraseDeleted(ctx context.Context) error {
	for more := true; more; {
		var err error
		if more, err = s.eraseDeleted(ctx, erasedSoon); err != nil {
			return err
		}
	}
	return nil
}

// erasing erases what a person who was just deleted has left, if err is nil. If that is more than erasedSoon pages, Run
// erases the rest.
func (s *Service) erasing(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	if _, err := s.eraseDeleted(ctx, erasedSoon); err != nil {
		s.Log.Error("erasing what a deleted person has left", "error", err)
	}
	return nil
}

// eraseDeleted is EraseDeleted for at most so many pages.
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
	// ByLastSignIn begins with people who have never signed in.
	ByLastSignIn Order = "last_sign_in"
	// ByTwoFactor lists enabled, set-up required and disabled, each by name.
	ByTwoFactor Order = "two_factor"
	// ByWord is by the word that a search found, and the words after it. It cannot be chosen: it is the order of a
	// search that finds too many people to sort.
	ByWord Order = "word"
	// ByLock is by when locks end. It cannot be chosen: it is for CSV files of locked people.
	ByLock Order = "lock"
)

// PeopleFilter says who is listed, and in which order. Empty or unknown values do not narrow the list.
type PeopleFilter struct {
	Search    string // beginnings of words of the name or the address, in any case; people listed have all of them
	TwoFactor string // TwoFactorEnabled, TwoFactorDisabled or TwoFactorRequired; WithPasskey or WithoutPasskey: enabled, by kind
	Role      Role
	State     State  // Locked: people whose StateAt is Locked
	Group     string // the id of a group; one that does not exist has nobody in it
	Order     Order  // empty: ByName
	Reverse   bool
}

// PeopleCell is a set of users who are consecutive in every index of the filters.
type PeopleCell struct {
	Role                 Role
	State                State
	TwoFactor, MustSetUp bool
	Passkey              bool // only with TwoFactor

	JoinedBefore, JoinedSince int64 // versions of the policy that they joined under; 0: no bound
}

// PeopleRange is a range of an index.
type PeopleRange struct {
	Workspace string
	Order     Order
	Filtered  bool
	Cells     []PeopleCell // if Filtered: the users in one of these cells; empty: none
	Prefix    string       // folded beginning of a word that the users have
	Also      []string     // folded beginnings of further words that they have
	Group     string       // the id of the group that they are in; ByWord only, and without Prefix by all their words
	Look      int          // how many users of each cell are checked for Also, and for Group if there is a Prefix
	LockedAt  time.Time    // not zero: FindPeople finds users who are locked then, and have all of Also
	From      *User        // the users after this one
	Backward  bool         // from the end
	Limit     int
}

// States lists the states that a user can be in.
var States = []State{Active, Invited, Suspended}

// cells returns the cells of users that match the filter and, if twoFactor is not empty, have that state of two-factor
// authentication.
func (f PeopleFilter) cells(p Policy, now time.Time, twoFactor string) []PeopleCell {
	cells := []PeopleCell{}
	for _, role := range Roles {
		kinds := append([]PeopleCell{{TwoFactor: true}, {TwoFactor: true, Passkey: true}, {MustSetUp: true}}, p.without(role, now, f.TwoFactor != "" || twoFactor != "")...)
		for _, state := range States {
			for _, c := range kinds {
				c.Role, c.State = role, state
				u := User{Role: role, State: state, TwoFactor: c.TwoFactor, HasPasskey: c.Passkey, MustSetUp: c.MustSetUp, JoinedUnder: c.JoinedSince}
				has := p.TwoFactorState(u, now)
				if (f.Role == "" || f.Role == role) && (f.State == "" || f.State == state || f.State == Locked && state == Active) &&
					(f.TwoFactor == "" || f.TwoFactor == has || f.TwoFactor == u.factorKind()) && (twoFactor == "" || twoFactor == has) {
					cells = append(cells, c)
				}
			}
		}
	}
	return cells
}

// without returns the cells of people who have no two-factor authentication and were not reset. If their states are asked
// for, those who joined since a decision with a date have a cell of their own.
func (p Policy) without(role Role, now time.Time, states bool) (cells []PeopleCell) {
	var bounds []int64
	for _, r := range []Requirement{p.Require2FA, p.PhishingResistant} {
		if since := r.joinedSince(role, now); states && since > 0 {
			bounds = append(bounds, since)
		}
	}
	slices.Sort(bounds)
	var from int64
	for _, to := range slices.Compact(bounds) {
		cells = append(cells, PeopleCell{JoinedSince: from, JoinedBefore: to})
		from = to
	}
	return append(cells, PeopleCell{JoinedSince: from})
}

// Values of PeopleFilter.TwoFactor for people who have enabled two-factor authentication, by kind.
const (
	WithPasskey    = "passkey"
	WithoutPasskey = "no_passkey"
)

// factorKind returns WithPasskey or WithoutPasskey, or "" without two-factor authentication.
func (u User) factorKind() string {
	switch {
	case !u.TwoFactor:
		return ""
	case u.HasPasskey:
		return WithPasskey
	}
	return WithoutPasskey
}

// narrows reports whether the filter leaves anyone out, apart from its search.
func (f PeopleFilter) narrows() bool { return f.TwoFactor != "" || f.Role != "" || f.State != "" }

// walks returns the ranges whose users, one range after the other, are the list without its search.
func (f PeopleFilter) walks(workspace string, p Policy, now time.Time) (all []PeopleRange) {
	r := PeopleRange{Workspace: workspace, Order: f.Order, Backward: f.Reverse, Filtered: f.narrows(), Cells: f.cells(p, now, "")}
	switch f.Order {
	case ByAddress, ByCreated, ByLastSignIn:
		return []PeopleRange{r}
	case ByTwoFactor:
		r.Order, r.Filtered = ByName, true
		for _, state := range []string{TwoFactorEnabled, TwoFactorRequired, TwoFactorDisabled} {
			r.Cells = f.cells(p, now, state)
			all = append(all, r)
		}
		if f.Reverse {
			slices.Reverse(all)
		}
		return all
	}
	r.Order = ByName
	return []PeopleRange{r}
}

// holds reports whether a user is in one of the range's cells.
func (r PeopleRange) holds(u User) bool {
	return !r.Filtered || slices.ContainsFunc(r.Cells, func(c PeopleCell) bool {
		return c.Role == u.Role && c.State == u.State && c.TwoFactor == u.TwoFactor && c.Passkey == (u.TwoFactor && u.HasPasskey) && c.MustSetUp == u.MustSetUp &&
			u.JoinedUnder >= c.JoinedSince && (c.JoinedBefore == 0 || u.JoinedUnder < c.JoinedBefore)
	})
}

// Limits of lists of people. People beyond them are not counted or sorted, so that the time for a list does not depend
// on how many people there are.
const (
	PeoplePage = 50
	MaxCounted = 1000 // people that a list counts
	MaxSorted  = 1000 // people that a search sorts by any order
)

// PeopleList is a page of people, and whether there are others before and after it.
type PeopleList struct {
	People         []User
	Before, Beyond bool
	Order          Order // the order of the list: the filter's, or ByWord
	Group          Group // the filter's, if it exists
	First          int   // place of the first person in the list, from 1; 0: not known
	Total          int   // how many people the list has
	More           bool  // it has more than Total; if that is 0, it is not known how many
	Wide           bool  // each word finds too many people to check all of them, so some may be missing
}

// People returns a page of people: those after the one with the id after, those before the one with the id before, or
// the first ones if both are empty. An id that no longer exists counts as empty.
func (s *Service) People(ctx context.Context, by Caller, f PeopleFilter, after, before string) (list PeopleList, err error) {
	if err := s.MayAct(by, SeePeople); err != nil {
		return list, err
	}
	return list, s.Store.Read(ctx, func(tx Tx) error {
		list, err = s.people(tx, by, f, after, before)
		return err
	})
}

// people is People inside a transaction.
func (s *Service) people(tx Tx, by Caller, f PeopleFilter, after, before string) (list PeopleList, err error) {
	l, err := f.find(tx, by.workspace.ID, by.policy, s.Now())
	if err == nil && l.few {
		list, err = l.page(tx, by.workspace.ID, after, before)
		list.Group = l.group
		return list, err
	}
	if err == nil {
		list, err = l.walk(tx, by.workspace.ID, after, before)
	}
	list.Wide, list.Group = l.wide, l.group
	if err == nil && l.order == ByWord {
		list.Total, list.More = l.more, true
	} else if err == nil {
		err = list.count(tx, l.walks)
	}
	if list.More && !list.Before {
		list.First = min(1, len(list.People))
	}
	return list, err
}

// page returns a page of the ids.
func (l found) page(tx Tx, workspace, after, before string) (list PeopleList, err error) {
	first, end := 0, min(PeoplePage, len(l.ids))
	if at := slices.Index(l.ids, cmp.Or(after, before)); at >= 0 && after != "" {
		first, end = at+1, min(at+1+PeoplePage, len(l.ids))
	} else if at >= 0 {
		first, end = max(at-PeoplePage, 0), at
	}
	list = PeopleList{Order: l.order, Before: first > 0, Beyond: end < len(l.ids), First: min(first+1, len(l.ids)), Total: len(l.ids), More: l.cut}
	list.People, err = listPeople(tx, workspace, l.ids[first:end])
	return list, err
}

// listPeople returns the users with these ids, in their order. It leaves out users who no longer exist.
func listPeople(tx Tx, workspace string, ids []string) (all []User, err error) {
	named, err := tx.Named(workspace, ids)
	for _, id := range ids {
		if u, there := named[id]; there {
			all = append(all, u)
		}
	}
	return all, err
}

// walk returns a page of the walks.
func (l found) walk(tx Tx, workspace, after, before string) (list PeopleList, err error) {
	from, there, err := tx.User(workspace, cmp.Or(after, before))
	if err != nil {
		return list, err
	}
	back := there && after == ""
	all, err := along(tx, l.walks, from, back, PeoplePage+1)
	more := len(all) > PeoplePage
	all = all[:min(len(all), PeoplePage)]
	list = PeopleList{People: all, Order: l.order, Before: there, Beyond: more}
	if back {
		slices.Reverse(all)
		list.Before, list.Beyond = more, true
	}
	return list, err
}

// count fills in how many people the list has, and the place of its first one.
func (list *PeopleList) count(tx Tx, walks []PeopleRange) error {
	if !list.Before && !list.Beyond || len(list.People) == 0 {
		list.First, list.Total = min(1, len(list.People)), len(list.People)
		return nil
	}
	passed := false
	for _, r := range walks {
		all, before, err := tx.PlacePeople(r, list.People[0], MaxCounted+1)
		if err != nil {
			return err
		}
		list.Total += all
		if !passed && r.holds(list.People[0]) {
			passed = true
			list.First += before + 1
		} else if !passed {
			list.First += all
		}
	}
	if list.Total > MaxCounted {
		list.Total, list.More, list.First = MaxCounted, true, 0
	}
	return nil
}

// PeopleBatch is how many people NextPeople returns.
const PeopleBatch = 1000

// NextPeople returns the people of a filter who come after one that it returned before, or the first ones if after is
// the zero User. If the filter finds few people, it returns all of them at once. Locked people come in the order in
// which their locks end. No transaction stays open between calls.
func (s *Service) NextPeople(ctx context.Context, by Caller, f PeopleFilter, after User) (all []User, err error) {
	if err := s.MayAct(by, SeePeople); err != nil {
		return nil, err
	}
	return all, s.Store.Read(ctx, func(tx Tx) error {
		if f.State == Locked {
			all, err = f.nextLocked(tx, by, s.Now(), after)
			return err
		}
		l, err := f.find(tx, by.workspace.ID, by.policy, s.Now())
		if err == nil && l.few {
			if after.ID == "" { // otherwise all were returned before
				all, err = listPeople(tx, by.workspace.ID, l.ids)
			}
			return err
		}
		if err == nil {
			for i := range l.walks {
				l.walks[i].Look = math.MaxInt64 // a file contains everyone, however long that takes
			}
			all, err = along(tx, l.walks, after, false, PeopleBatch)
		}
		return err
	})
}

// along reads the walks, forwards or backwards, from the given user or from the end, until it has limit users.
func along(tx Tx, walks []PeopleRange, from User, back bool, limit int) (all []User, err error) {
	walks = slices.Clone(walks)
	if back {
		slices.Reverse(walks)
	}
	if at := slices.IndexFunc(walks, func(r PeopleRange) bool { return r.holds(from) }); from.ID != "" && at >= 0 {
		walks = walks[at:]
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

// Person is what administrators see of a person. A manager sees only the User.
type Person struct {
	User
	Security       bool // the fields below are filled in
	Authenticators []Authenticator
	Passkeys       []Passkey
	Trusted        []Trust
	Sessions       []Session // valid ones, the most recently seen first
	Self           bool      // it is the caller
	Groups         []Group   // ordered by name; only of PersonDetails
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
		if p.Passkeys, err = tx.Passkeys(u.Workspace, u.ID); err != nil {
			return err
		}
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
