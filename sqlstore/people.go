package sqlstore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/fold"
)

func (t *tx) User(workspace, id string) (sallyport.User, bool, error) {
	return t.oneUser(`SELECT `+userColumns+` FROM users u WHERE u.workspace_id = $1 AND u.id = $2`, workspace, id)
}

// namedAtOnce is how many people a page names at most. The statement has a place for each, whoever is asked for, so
// that it is one statement.
const namedAtOnce = 100

var namedUsers = func() string {
	places := make([]string, namedAtOnce)
	for i := range places {
		places[i] = "$" + strconv.Itoa(i+2)
	}
	return `SELECT ` + userColumns + ` FROM users u WHERE u.workspace_id = $1 AND u.id IN (` + strings.Join(places, ", ") + `)`
}()

func (t *tx) Named(workspace string, ids []string) (map[string]sallyport.User, error) {
	named := map[string]sallyport.User{}
	for some := range slices.Chunk(ids, namedAtOnce) {
		args := []any{workspace}
		for i := range namedAtOnce {
			args = append(args, some[min(i, len(some)-1)])
		}
		all, err := t.users(namedUsers, args...)
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
		return nil
	})
	return all, err
}

// People asks for the ids first, along one index, or for a filter along one range of it for each cell; only those that
// come first of all are looked up. So it costs the same however many people there are.
func (t *tx) People(r sallyport.PeopleRange) ([]sallyport.User, error) {
	if r.Filtered && len(r.Cells) == 0 {
		return nil, nil
	}
	w := newWalk(r)
	ranges := w.where
	var from []string
	for _, c := range r.Cells {
		where := ranges + " AND role = " + w.arg(string(c.Role)) + " AND state = " + w.arg(string(c.State)) +
			" AND two_factor = " + w.arg(c.TwoFactor) + " AND must_set_up = " + w.arg(c.MustSetUp)
		if c.JoinedSince > 0 {
			where += " AND joined_under >= " + w.arg(c.JoinedSince)
		}
		if c.JoinedBefore > 0 {
			where += " AND joined_under < " + w.arg(c.JoinedBefore)
		}
		from = append(from, w.along(where))
	}
	if !r.Filtered {
		from = append(from, w.along(ranges))
	}
	sql := `SELECT ` + userColumns + ` FROM (SELECT k, id FROM (` + strings.Join(from, ` UNION ALL `) + `) a ORDER BY ` + w.order +
		` LIMIT ` + w.limit + `) p JOIN users u ON u.workspace_id = $1 AND u.id = p.id ORDER BY ` + w.outer
	return t.users(sql, w.args...)
}

// walk is the SQL of a PeopleRange.
type walk struct {
	args         []any
	key, where   string
	order, outer string
	limit        string
}

// peopleKeys are the columns that people are ordered by.
var peopleKeys = map[sallyport.Order]string{
	sallyport.ByName: "name_folded", sallyport.ByAddress: "address_folded", sallyport.ByCreated: "created_at",
}

func newWalk(r sallyport.PeopleRange) *walk {
	w := &walk{args: []any{r.Workspace}, key: peopleKeys[r.Order], where: "workspace_id = $1"}
	before, direction := ">", ""
	if r.Backward {
		before, direction = "<", " DESC"
	}
	w.order = "k" + direction + ", id" + direction
	w.outer = "p.k" + direction + ", p.id" + direction
	if r.Prefix != "" {
		var low, high any = r.Prefix, r.Prefix + string(utf8.MaxRune)
		first, last, below := low, high, "<"
		// A walk goes on where one column says so: PostgreSQL does not see it in a pair of columns beside bounds of one.
		if r.From != nil && r.Backward {
			last, below = keyOf(r.Order, *r.From), "<="
		} else if r.From != nil {
			first = keyOf(r.Order, *r.From)
		}
		w.where += fmt.Sprintf(" AND %s >= %s AND %s %s %s", w.key, w.arg(first), w.key, below, w.arg(last))
		if other := peopleKeys[r.Order.Other()]; r.NotOther {
			w.where += fmt.Sprintf(" AND NOT (%s >= %s AND %s < %s)", other, w.arg(low), other, w.arg(high))
		}
	}
	if r.From != nil {
		w.where += fmt.Sprintf(" AND (%s, id) %s (%s, %s)", w.key, before, w.arg(keyOf(r.Order, *r.From)), w.arg(r.From.ID))
	}
	w.limit = strconv.Itoa(r.Limit) // as it stands: a planner that does not know it may take another way
	return w
}

// keyOf is what the column holds that people are ordered by.
func keyOf(o sallyport.Order, u sallyport.User) any {
	switch o {
	case sallyport.ByAddress:
		return u.Folded
	case sallyport.ByCreated:
		return ms(u.CreatedAt)
	}
	return fold.Name(u.Name)
}

// arg gives a parameter its number; the same value has one.
func (w *walk) arg(v any) string {
	i := slices.Index(w.args, v)
	if i < 0 {
		i = len(w.args)
		w.args = append(w.args, v)
	}
	return fmt.Sprint("$", i+1)
}

// along is one range, as far as a page may need it. Without an order and a limit of its own, PostgreSQL reads a range
// of half a million from end to end, by whichever index, and sorts it.
func (w *walk) along(where string) string {
	return `SELECT * FROM (SELECT ` + w.key + ` AS k, id FROM users WHERE ` + where + ` ORDER BY ` + w.order + ` LIMIT ` + w.limit + `) c`
}

func (t *tx) DeleteUser(workspace, id string) error {
	for _, sql := range []string{
		`DELETE FROM tries WHERE workspace_id = $1 AND subject = $2`,
		`DELETE FROM sessions WHERE workspace_id = $1 AND user_id = $2`,
		`DELETE FROM sign_ins WHERE workspace_id = $1 AND user_id = $2`,
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
