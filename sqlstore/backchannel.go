package sqlstore

import (
	"time"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) InsertSessionApp(a sallyport.SessionApp) error {
	return t.exec(`INSERT INTO session_apps (workspace_id, user_id, session_id, app_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		a.Workspace, a.User, a.Session, a.App)
}

func (t *tx) EndedSessionApps(workspace, user string, all bool) (ended []sallyport.SessionApp, err error) {
	condition := ` AND NOT EXISTS (SELECT 1 FROM sessions s JOIN users u ON u.workspace_id = s.workspace_id AND u.id = s.user_id
		WHERE s.workspace_id = session_apps.workspace_id AND s.user_id = session_apps.user_id AND s.id = session_apps.session_id
			AND s.epoch = u.epoch AND u.state = 'active')`
	if all {
		condition = ""
	}
	err = t.rows(`DELETE FROM session_apps WHERE workspace_id = $1 AND user_id = $2`+condition+` RETURNING session_id, app_id`, []any{workspace, user}, func(scan scanner) error {
		a := sallyport.SessionApp{Workspace: workspace, User: user}
		err := scan(&a.Session, &a.App)
		ended = append(ended, a)
		return err
	})
	return ended, err
}

func (t *tx) InsertLogout(l sallyport.Logout) error {
	return t.exec(`INSERT INTO logouts (workspace_id, user_id, id, session_id, app_id, state, next_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		l.Workspace, l.User, l.ID, l.Session, l.App, l.State, ms(l.NextAt), ms(l.CreatedAt))
}

// TakeLogouts repeats its condition outside of the sub-select, as TakeMails does.
func (t *tx) TakeLogouts(now, until time.Time, lease string, limit int) (all []sallyport.Logout, err error) {
	err = t.rows(`UPDATE logouts SET lease = $1, next_at = $2, attempts = attempts + 1
		WHERE state = 'waiting' AND next_at <= $3 AND (workspace_id, user_id, id) IN (
			SELECT workspace_id, user_id, id FROM logouts WHERE state = 'waiting' AND next_at <= $3 ORDER BY next_at LIMIT $4)
		RETURNING workspace_id, user_id, id, session_id, app_id, state, lease, attempts, tried_from, next_at, created_at, error`,
		[]any{lease, ms(until), ms(now), limit}, func(scan scanner) error {
			var l sallyport.Logout
			var tried, next, created int64
			err := scan(&l.Workspace, &l.User, &l.ID, &l.Session, &l.App, &l.State, &l.Lease, &l.Attempts, &tried, &next, &created, &l.Error)
			l.TriedFrom, l.NextAt, l.CreatedAt = at(tried), at(next), at(created)
			all = append(all, l)
			return err
		})
	return all, err
}

func (t *tx) SettleLogout(l sallyport.Logout) error {
	if l.State != sallyport.MailWaiting {
		return t.exec(`DELETE FROM logouts WHERE workspace_id = $1 AND user_id = $2 AND id = $3 AND state = 'waiting' AND lease = $4`, l.Workspace, l.User, l.ID, l.Lease)
	}
	return t.exec(`UPDATE logouts SET lease = '', tried_from = $4, next_at = $5, error = $6
		WHERE workspace_id = $1 AND user_id = $2 AND id = $3 AND state = 'waiting' AND lease = $7`,
		l.Workspace, l.User, l.ID, ms(l.TriedFrom), ms(l.NextAt), l.Error, l.Lease)
}
