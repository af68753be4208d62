package sqlstore

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) User(workspace, id string) (sallyport.User, bool, error) {
	return t.oneUser(`SELECT `+userColumns+` FROM users u WHERE u.workspace_id = $1 AND u.id = $2`, workspace, id)
}

// namedAtOnce is how many people a statement of Named or MoveSignedIn finds at most. It always has a parameter for each of them, so
// that it is prepared only once.
const namedAtOnce = 100

var namedUsers = `SELECT ` + userColumns + ` FROM users u WHERE u.workspace_id = $1 AND u.id IN (` + places(2, namedAtOnce) + `)`

// places returns the placeholders of n parameters, beginning with the given number.
func places(from, n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = "$" + strconv.Itoa(i+from)
	}
	return strings.Join(all, ", ")
}

// signedInUsers locks those of the people who are not yet listed by their last sign-in.
var signedInUsers = namedUsers + ` AND u.listed_at <> u.last_sign_in_at ORDER BY u.id` + forUpdate

func namedArgs(workspace string, some []string) []any {
	args := []any{workspace}
	for i := range namedAtOnce {
		args = append(args, some[min(i, len(some)-1)])
	}
	return args
}

func (t *tx) Named(workspace string, ids []string) (map[string]sallyport.User, error) {
	named := map[string]sallyport.User{}
	for some := range slices.Chunk(ids, namedAtOnce) {
		all, err := t.users(namedUsers, namedArgs(workspace, some)...)
		if err != nil {
			return nil, err
		}
		for _, u := range all {
			named[u.ID] = u
		}
	}
	return named, nil
}

func (t *tx) users(sql string, args ...any) (all []sallyport.User, err error) {
	err = t.rows(sql, args, func(scan scanner) error {
		var r userRow
		if err := scan(r.dest()...); err != nil {
			return err
		}
		all = append(all, r.user())
		t.saw(r.user())
		return nil
	})
	return all, err
}

func (t *tx) DeleteUser(workspace, id string) error {
	before, err := t.seen(workspace, id)
	if err != nil {
		return err
	}
	if err := t.exec(`DELETE FROM last_sign_ins`+lastSignInOf, before.lastSignInKey()...); err != nil {
		return err
	}
	for _, sql := range []string{
		`DELETE FROM tries WHERE workspace_id = $1 AND subject = $2`,
		`DELETE FROM sessions WHERE workspace_id = $1 AND user_id = $2`,
		`DELETE FROM sign_ins WHERE workspace_id = $1 AND user_id = $2`,
		`UPDATE groups SET people = people - 1 WHERE workspace_id = $1 AND id IN (SELECT group_id FROM memberships WHERE workspace_id = $1 AND user_id = $2)`,
		`DELETE FROM users WHERE workspace_id = $1 AND id = $2`,
		`INSERT INTO deletions (workspace_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
	} {
		if err := t.exec(sql, workspace, id); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) LockOwners(workspace string) (int64, error) {
	if err := t.ask(`SELECT id FROM workspaces WHERE id = $1`+forUpdate, []any{workspace}, func(scanner) error { return nil }); err != nil {
		return 0, err
	}
	var owners int64
	_, err := t.row(`SELECT count(*) FROM users WHERE workspace_id = $1 AND role = 'owner' AND state = 'active'`, []any{workspace}, &owners)
	return owners, err
}
