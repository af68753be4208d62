package sqlstore

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) SaveLock(workspace, user string, l sallyport.Lock, until, over time.Time) error {
	return t.exec(`UPDATE users SET locked_by = $3, locked_until = $4 WHERE workspace_id = $1 AND id = $2 AND locked_until < $5`,
		workspace, user, string(l), ms(until), ms(over))
}

func (t *tx) LockedBetween(from, to time.Time, limit int) ([]sallyport.User, error) {
	return t.users(`SELECT `+userColumns+` FROM users u WHERE u.locked_until <> 0 AND u.locked_until > $1 AND u.locked_until <= $2
		ORDER BY u.locked_until LIMIT $3`, ms(from), ms(to), limit)
}

// findLocked reads the index of locks, which contains only locked people, and looks up each of them. The CASE hides the
// cells from SQLite's planner, which would otherwise use the indexes of the filters, and so read everyone.
func (t *tx) findLocked(r sallyport.PeopleRange, limit int) ([]string, error) {
	w := &walk{args: []any{r.Workspace, ms(r.LockedAt)}}
	var cells []string
	for _, c := range r.Cells {
		cell := "u.role = " + w.arg(string(c.Role)) + " AND u.state = " + w.arg(string(c.State)) +
			" AND u.two_factor = " + w.arg(factorOf(c.TwoFactor, c.Passkey)) + " AND u.must_set_up = " + w.arg(c.MustSetUp)
		if c.JoinedSince > 0 {
			cell += " AND u.joined_under >= " + w.arg(c.JoinedSince)
		}
		if c.JoinedBefore > 0 {
			cell += " AND u.joined_under < " + w.arg(c.JoinedBefore)
		}
		cells = append(cells, cell)
	}
	where := ""
	for _, word := range r.Also {
		where += fmt.Sprintf(` AND EXISTS (SELECT 1 FROM entries e WHERE e.workspace_id = $1 AND e.user_id = u.id AND e.words >= %s AND e.words < %s)`,
			w.arg(word), w.arg(word+string(utf8.MaxRune)))
	}
	if r.Group != "" {
		where += " AND " + inGroup("u.id", w.arg(r.Group))
	}
	order := ""
	if r.Order != sallyport.ByLock {
		order = sortedBy(r)
	} else {
		order = " ORDER BY u.locked_until, u.id"
		if r.From != nil {
			where += fmt.Sprintf(" AND (u.locked_until, u.id) > (%s, %s)", w.arg(ms(r.From.LockedUntil)), w.arg(r.From.ID))
		}
	}
	return t.ids(fmt.Sprintf(`SELECT u.id FROM users u WHERE u.workspace_id = $1 AND u.locked_until <> 0 AND u.locked_until > $2 AND CASE WHEN %s THEN 1 ELSE 0 END = 1%s%s LIMIT %d`,
		strings.Join(cells, " OR "), where, order, limit), w.args)
}
