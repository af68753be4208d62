package sqlstore

import (
	"slices"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/fold"
)

// listed is the part of a user's row that is copied to the tables for lists of people.
type listed struct {
	workspace, id, address, folded, name string
	cell                                 sallyport.PeopleCell
}

func listedOf(u sallyport.User) listed {
	return listed{u.Workspace, u.ID, u.Address, u.Folded, u.Name, sallyport.PeopleCell{Role: u.Role, State: u.State, TwoFactor: u.TwoFactor, MustSetUp: u.MustSetUp}}
}

// saw remembers a user's row, so that SaveUser writes to those tables only what has changed. A sign-in that saves its
// user writes nothing to them.
func (t *tx) saw(u sallyport.User) {
	if !t.writes {
		return
	}
	t.people = slices.DeleteFunc(t.people, func(l listed) bool { return l.id == u.ID && l.workspace == u.Workspace })
	t.people = append(t.people, listedOf(u))
}

func (t *tx) saveListed(u sallyport.User) error {
	now, before := listedOf(u), listed{}
	for _, l := range t.people {
		if l.id == u.ID && l.workspace == u.Workspace {
			before = l
		}
	}
	if now == before {
		return nil
	}
	t.saw(u)
	renamed := now
	renamed.cell = before.cell
	if renamed != before {
		if err := t.exec(`DELETE FROM entries WHERE workspace_id = $1 AND user_id = $2`, u.Workspace, u.ID); err != nil {
			return err
		}
		if err := t.insertEntries(u); err != nil {
			return err
		}
	}
	if now.cell == before.cell {
		return nil
	}
	for _, table := range []string{"entries", "last_sign_ins"} {
		if err := t.exec(`UPDATE `+table+` SET role = $3, state = $4, two_factor = $5, must_set_up = $6 WHERE workspace_id = $1 AND user_id = $2`,
			u.Workspace, u.ID, string(u.Role), string(u.State), u.TwoFactor, u.MustSetUp); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) insertEntries(u sallyport.User) error {
	for _, e := range fold.Entries(u.Name, u.Address, u.Folded) {
		if err := t.exec(`INSERT INTO entries (workspace_id, user_id, words, shared, role, state, two_factor, must_set_up, joined_under)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
			u.Workspace, u.ID, e.Words, e.Shared, string(u.Role), string(u.State), u.TwoFactor, u.MustSetUp, u.JoinedUnder); err != nil {
			return err
		}
	}
	return nil
}
