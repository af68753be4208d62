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

// People first reads the ids along one index or, with a filter, along one range of it per cell. It then looks up only
// those on the page. So its cost does not depend on how many people there are.
func (t *tx) People(r sallyport.PeopleRange) ([]sallyport.User, error) {
	if r.Filtered && len(r.Cells) == 0 {
		return nil, nil
	}
	w := newWalk(r)
	sql := `SELECT ` + userColumns + ` FROM (SELECT k, id FROM (` + w.ranges(r, r.Limit) + `) a ORDER BY ` + w.order +
		` LIMIT ` + strconv.Itoa(r.Limit) + `) p JOIN users u ON u.workspace_id = $1 AND u.id = p.id` +
		` ORDER BY ` + strings.NewReplacer("k", "p.k", "id", "p.id").Replace(w.order)
	return t.users(sql, w.args...)
}

func (t *tx) PlacePeople(r sallyport.PeopleRange, from sallyport.User, limit int) (all, before int, err error) {
	if r.Filtered && len(r.Cells) == 0 {
		return 0, 0, nil
	}
	r.From = nil
	w := newWalk(r)
	sql := fmt.Sprintf(`SELECT count(*), count(CASE WHEN (k, id) %s (%s, %s) THEN 1 END) FROM (SELECT k, id FROM (%s) a LIMIT %d) p`,
		map[bool]string{false: "<", true: ">"}[r.Backward], w.arg(keyOf(r, from)), w.arg(from.ID), w.ranges(r, limit), limit)
	_, err = t.row(sql, w.args, &all, &before)
	return all, before, err
}

// FindPeople sorts by expressions rather than columns. Otherwise a planner might read the index of the order instead,
// which contains everyone.
func (t *tx) FindPeople(r sallyport.PeopleRange, limit int) (ids []string, err error) {
	if len(r.Cells) == 0 {
		return nil, nil
	}
	if !r.LockedAt.IsZero() {
		return t.findLocked(r, limit)
	}
	by := r
	by.Order, by.From = sallyport.ByWord, nil
	w := newWalk(by)
	return t.ids(fmt.Sprintf(`SELECT u.id FROM (SELECT id FROM (%s) a LIMIT %d) p JOIN users u ON u.workspace_id = $1 AND u.id = p.id%s`,
		w.ranges(by, limit), limit, sortedBy(r)), w.args)
}

// sortedBy is the ORDER BY of a statement that must not use an index for it.
func sortedBy(r sallyport.PeopleRange) string {
	key, direction := "u."+peopleKeys[r.Order].key, ""
	switch r.Order {
	case sallyport.ByLastSignIn:
		key = "u.listed_at + 0"
	case sallyport.ByCreated:
		key += " + 0"
	default:
		key += " || ''"
	}
	if r.Backward {
		direction = " DESC"
	}
	return fmt.Sprintf(` ORDER BY %s%s, u.id || ''%s`, key, direction, direction)
}

func (t *tx) ids(sql string, args []any) (ids []string, err error) {
	err = t.rows(sql, args, func(scan scanner) error {
		var id string
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// walk is the SQL of a PeopleRange.
type walk struct {
	args  []any
	key   peopleKey
	where string
	also  []string // conditions that no index supports
	look  int      // with such conditions, at most so many rows of the range are read
	order string
}

// peopleKey is the table and the column that an order of people uses.
type peopleKey struct{ table, key, id string }

var peopleKeys = map[sallyport.Order]peopleKey{
	sallyport.ByName:       {"users", "name_folded", "id"},
	sallyport.ByAddress:    {"users", "address_folded", "id"},
	sallyport.ByCreated:    {"users", "created_at", "id"},
	sallyport.ByLastSignIn: {"last_sign_ins", "at", "user_id"},
	sallyport.ByWord:       {"entries", "words", "user_id"},
}

// ofGroup is the key of a range of a group's people by their words, if no word is searched for.
var ofGroup = peopleKey{"memberships", "words", "user_id"}

func newWalk(r sallyport.PeopleRange) *walk {
	w := &walk{args: []any{r.Workspace}, key: peopleKeys[r.Order], where: "workspace_id = $1", look: r.Look}
	before, direction := ">", ""
	if r.Backward {
		before, direction = "<", " DESC"
	}
	w.order = "k" + direction + ", id" + direction
	switch {
	case r.Group != "" && r.Prefix == "":
		w.key = ofGroup
		w.where += " AND group_id = " + w.arg(r.Group)
	case r.Group != "":
		w.also = append(w.also, inGroup("b.id", w.arg(r.Group)))
	}
	if r.Prefix != "" {
		first, last, below := r.Prefix, r.Prefix+string(utf8.MaxRune), "<"
		// The start of the page bounds the first column itself: PostgreSQL does not use a pair of columns as a bound if
		// the first column also has bounds of its own.
		if r.From != nil && r.Backward {
			last, below = entryOf(r, *r.From), "<="
		} else if r.From != nil {
			first = entryOf(r, *r.From)
		}
		w.where += fmt.Sprintf(" AND words >= %s AND words %s %s AND shared < %s", w.arg(first), below, w.arg(last), w.arg(len(r.Prefix)))
	}
	for _, word := range r.Also {
		w.also = append(w.also, fmt.Sprintf("' ' || k LIKE %s", w.arg("% "+word+"%")))
	}
	if r.From != nil {
		w.where += fmt.Sprintf(" AND (%s, %s) %s (%s, %s)", w.key.key, w.key.id, before, w.arg(keyOf(r, *r.From)), w.arg(r.From.ID))
	}
	return w
}

// inGroup is the condition that a user is in a group.
func inGroup(user, group string) string {
	return "EXISTS (SELECT 1 FROM memberships m WHERE m.workspace_id = $1 AND m.user_id = " + user + " AND m.group_id = " + group + ")"
}

// keyOf returns u's value in the column that people are ordered by.
func keyOf(r sallyport.PeopleRange, u sallyport.User) any {
	switch r.Order {
	case sallyport.ByAddress:
		return u.Folded
	case sallyport.ByCreated:
		return ms(u.CreatedAt)
	case sallyport.ByLastSignIn:
		return ms(u.ListedAt)
	case sallyport.ByWord:
		return entryOf(r, u)
	}
	return fold.Name(u.Name)
}

// entryOf returns the entry by which a search finds u or, without a search, the words by which a group lists u.
func entryOf(r sallyport.PeopleRange, u sallyport.User) string {
	if r.Prefix == "" {
		return fold.Line(u.Name, u.Address, u.Folded)
	}
	for _, e := range fold.Entries(u.Name, u.Address, u.Folded) {
		if strings.HasPrefix(e.Words, r.Prefix) {
			return e.Words
		}
	}
	return r.Prefix // u has been renamed since
}

// arg returns the placeholder of a parameter. Equal values share one.
func (w *walk) arg(v any) string {
	i := slices.Index(w.args, v)
	if i < 0 {
		i = len(w.args)
		w.args = append(w.args, v)
	}
	return fmt.Sprint("$", i+1)
}

// ranges selects the keys and ids of all ranges, at most limit of each.
func (w *walk) ranges(r sallyport.PeopleRange, limit int) string {
	if !r.Filtered && w.key.table == "users" { // the other tables have only an index with the filters' columns
		return w.along(w.where, limit)
	}
	var all []string
	for _, c := range r.Cells {
		where := w.where + " AND role = " + w.arg(string(c.Role)) + " AND state = " + w.arg(string(c.State)) +
			" AND two_factor = " + w.arg(factorOf(c.TwoFactor, c.Passkey)) + " AND must_set_up = " + w.arg(c.MustSetUp)
		if c.JoinedSince > 0 {
			where += " AND joined_under >= " + w.arg(c.JoinedSince)
		}
		if c.JoinedBefore > 0 {
			where += " AND joined_under < " + w.arg(c.JoinedBefore)
		}
		all = append(all, w.along(where, limit))
	}
	return strings.Join(all, ` UNION ALL `)
}

// along selects one range, as far as a page may need it. Each range has its own order and limit, because without them
// PostgreSQL reads a range of half a million rows completely, by any index, and sorts it.
func (w *walk) along(where string, limit int) string {
	keys := func(limit int) string {
		return fmt.Sprintf(`SELECT %s AS k, %s AS id FROM %s WHERE %s ORDER BY %s LIMIT %d`, w.key.key, w.key.id, w.key.table, where, w.order, limit)
	}
	if len(w.also) == 0 {
		return `SELECT * FROM (` + keys(limit) + `) c`
	}
	return fmt.Sprintf(`SELECT * FROM (SELECT k, id FROM (%s) b WHERE %s ORDER BY %s LIMIT %d) c`,
		keys(w.look), strings.Join(w.also, " AND "), w.order, limit)
}
