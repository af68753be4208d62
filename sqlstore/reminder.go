package sqlstore

import (
	"strconv"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) Reminders(workspace string) (sallyport.Reminders, error) {
	r := sallyport.Reminders{Workspace: workspace}
	var started, ended int64
	_, err := t.row(`SELECT started_at, queued, ended_at FROM reminders WHERE workspace_id = $1`, []any{workspace}, &started, &r.Queued, &ended)
	r.StartedAt, r.EndedAt = at(started), at(ended)
	return r, err
}

func (t *tx) SaveReminders(r sallyport.Reminders) error {
	return t.exec(`INSERT INTO reminders (workspace_id, started_at, queued, ended_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (workspace_id) DO UPDATE SET started_at = excluded.started_at, queued = excluded.queued, ended_at = excluded.ended_at`,
		r.Workspace, ms(r.StartedAt), r.Queued, ms(r.EndedAt))
}

func (t *tx) OpenReminders() (all []string, err error) {
	err = t.rows(`SELECT workspace_id FROM reminders WHERE ended_at = 0 ORDER BY workspace_id`, nil, func(scan scanner) error {
		var workspace string
		if err := scan(&workspace); err != nil {
			return err
		}
		all = append(all, workspace)
		return nil
	})
	return all, err
}

// remindable is the condition of the index users_unreminded.
const remindable = `workspace_id = $1 AND state = 'active' AND two_factor = 0 AND address <> ''`

func (t *tx) CountReminders(workspace string, last time.Time) (due, others int, err error) {
	_, err = t.row(`SELECT count(CASE WHEN reminded_at <= $2 THEN 1 END), count(CASE WHEN reminded_at > $2 THEN 1 END)
		FROM users WHERE `+remindable, []any{workspace, ms(last)}, &due, &others)
	return due, others, err
}

// TakeDue repeats its condition outside of the sub-select, as TakeMails does. The "+ 0" there keeps planners from using
// the condition as a range of the index: they must find the rows by their ids.
func (t *tx) TakeDue(workspace string, last, now time.Time, limit int) ([]sallyport.User, error) {
	return t.users(`UPDATE users SET reminded_at = $3 WHERE `+remindable+` AND reminded_at + 0 <= $2 AND id IN (
			SELECT id FROM users WHERE `+remindable+` AND reminded_at <= $2 ORDER BY reminded_at, id LIMIT `+strconv.Itoa(limit)+`)
		RETURNING `+returnedUser, workspace, ms(last), ms(now))
}
