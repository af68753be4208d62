package sqlstore

import "github.com/sallyport-2fa/sallyport"

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
