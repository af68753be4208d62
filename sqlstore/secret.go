package sqlstore

import (
	"time"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) InsertClientSecret(workspace, app string, s sallyport.ClientSecret) error {
	return t.exec(`INSERT INTO app_secrets (workspace_id, app_id, id, hash, created_at, last_used_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		workspace, app, s.ID, s.Hash, ms(s.CreatedAt), ms(s.LastUsedAt), ms(s.ExpiresAt))
}

func (t *tx) ClientSecrets(workspace, app string) (all []sallyport.ClientSecret, err error) {
	err = t.rows(`SELECT id, hash, created_at, last_used_at, expires_at FROM app_secrets WHERE workspace_id = $1 AND app_id = $2 ORDER BY id`,
		[]any{workspace, app}, func(scan scanner) error {
			var s sallyport.ClientSecret
			var created, used, expires int64
			err := scan(&s.ID, &s.Hash, &created, &used, &expires)
			s.CreatedAt, s.LastUsedAt, s.ExpiresAt = at(created), at(used), at(expires)
			all = append(all, s)
			return err
		})
	return all, err
}

func (t *tx) DeleteClientSecret(workspace, app, id string) (bool, error) {
	return one(t.affected(`DELETE FROM app_secrets WHERE workspace_id = $1 AND app_id = $2 AND id = $3`, workspace, app, id))
}

func (t *tx) AppOpened(workspace, app, since string, limit int) (opened, read int, last time.Time, err error) {
	var when int64
	_, err = t.row(`SELECT COALESCE(SUM(CASE WHEN kind = 'app.opened' THEN 1 ELSE 0 END), 0), COUNT(*),
			COALESCE(MAX(CASE WHEN kind = 'app.opened' THEN at ELSE 0 END), 0)
		FROM (SELECT kind, at FROM events WHERE workspace_id = $1 AND app <> '' AND app = $2 AND id >= $3 ORDER BY id DESC LIMIT $4) AS newest`,
		[]any{workspace, app, since, limit}, &opened, &read, &when)
	return opened, read, at(when), err
}
