package sqlstore

import (
	"errors"
	"slices"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/fold"
)

// listed is the part of a user's row that is copied to the tables for lists of people.
type listed struct {
	workspace, id, address, folded, name string
	cell                                 sallyport.PeopleCell
	listedAt, joinedUnder                int64
}

func listedOf(u sallyport.User) listed {
	return listed{u.Workspace, u.ID, u.Address, u.Folded, u.Name,
		sallyport.PeopleCell{Role: u.Role, State: u.State, TwoFactor: u.TwoFactor, Passkey: u.TwoFactor && u.HasPasskey, MustSetUp: u.MustSetUp}, ms(u.ListedAt), u.JoinedUnder}
}

var errNotTaken = errors.New("sqlstore: a user is saved whose row was not read in this transaction")

// saw remembers a user's row, so that only what has changed is written to those tables, and so that the user's row in
// last_sign_ins, whose key is what it says, is found.
func (t *tx) saw(u sallyport.User) {
	if t.writes {
		t.sawListed(listedOf(u))
	}
}

func (t *tx) sawListed(l listed) {
	t.people = append(slices.DeleteFunc(t.people, func(o listed) bool { return o.id == l.id && o.workspace == l.workspace }), l)
}

func (t *tx) seen(workspace, id string) (listed, error) {
	for _, l := range t.people {
		if l.id == id && l.workspace == workspace {
			return l, nil
		}
	}
	return listed{}, errNotTaken
}

func (t *tx) saveListed(u sallyport.User) error {
	before, err := t.seen(u.Workspace, u.ID)
	if err != nil {
		return err
	}
	now := listedOf(u)
	now.listedAt = before.listedAt // MoveSignedIn moves it
	if now == before {
		return nil
	}
	t.sawListed(now)
	renamed := now
	renamed.cell = before.cell
	if renamed != before {
		if err := t.exec(`DELETE FROM entries WHERE workspace_id = $1 AND user_id = $2`, u.Workspace, u.ID); err != nil {
			return err
		}
		if err := t.insertEntries(u); err != nil {
			return err
		}
		if err := t.exec(`UPDATE memberships SET words = $3 WHERE workspace_id = $1 AND user_id = $2`,
			u.Workspace, u.ID, fold.Line(u.Name, u.Address, u.Folded)); err != nil {
			return err
		}
	}
	if now.cell == before.cell {
		return nil
	}
	for _, table := range []string{"entries", "memberships"} {
		if err := t.exec(`UPDATE `+table+` SET role = $3, state = $4, two_factor = $5, must_set_up = $6 WHERE workspace_id = $1 AND user_id = $2`,
			u.Workspace, u.ID, string(u.Role), string(u.State), factorOf(u.TwoFactor, u.HasPasskey), u.MustSetUp); err != nil {
			return err
		}
	}
	return t.exec(`UPDATE last_sign_ins SET role = $8, state = $9, two_factor = $10, must_set_up = $11`+lastSignInOf,
		append(before.lastSignInKey(), string(u.Role), string(u.State), factorOf(u.TwoFactor, u.HasPasskey), u.MustSetUp)...)
}

// lastSignInOf finds the row of one user in last_sign_ins. Its parameters are lastSignInKey.
const lastSignInOf = ` WHERE workspace_id = $1 AND role = $2 AND state = $3 AND two_factor = $4 AND must_set_up = $5 AND at = $6 AND user_id = $7`

func (l listed) lastSignInKey() []any {
	return []any{l.workspace, string(l.cell.Role), string(l.cell.State), factorOf(l.cell.TwoFactor, l.cell.Passkey), l.cell.MustSetUp, l.listedAt, l.id}
}

func (t *tx) MoveSignedIn(workspace string, ids []string) error {
	for some := range slices.Chunk(ids, namedAtOnce) {
		signedIn, err := t.users(signedInUsers, namedArgs(workspace, some)...)
		if err != nil {
			return err
		}
		for _, u := range signedIn {
			last := ms(u.LastSignInAt)
			if err := t.exec(`UPDATE last_sign_ins SET at = $8`+lastSignInOf, append(listedOf(u).lastSignInKey(), last)...); err != nil {
				return err
			}
			if err := t.exec(`UPDATE users SET listed_at = $3 WHERE workspace_id = $1 AND id = $2`, workspace, u.ID, last); err != nil {
				return err
			}
			u.ListedAt = u.LastSignInAt
			t.saw(u)
		}
	}
	return nil
}

func (t *tx) insertEntries(u sallyport.User) error {
	for _, e := range fold.Entries(u.Name, u.Address, u.Folded) {
		if err := t.exec(`INSERT INTO entries (workspace_id, user_id, words, shared, role, state, two_factor, must_set_up, joined_under)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
			u.Workspace, u.ID, e.Words, e.Shared, string(u.Role), string(u.State), factorOf(u.TwoFactor, u.HasPasskey), u.MustSetUp, u.JoinedUnder); err != nil {
			return err
		}
	}
	return nil
}
