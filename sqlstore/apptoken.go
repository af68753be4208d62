package sqlstore

import (
	"time"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) AppTokens(workspace, user string) (all []sallyport.AppToken, err error) {
	err = t.rows(`SELECT x.id, x.hash, x.epoch, x.app_id, a.name, x.app_epoch, x.app_epoch <> a.epoch, x.name, x.created_at, x.expires_at, x.last_used_at
		FROM app_tokens x JOIN apps a ON a.workspace_id = x.workspace_id AND a.id = x.app_id
		WHERE x.workspace_id = $1 AND x.user_id = $2 ORDER BY x.id DESC`, []any{workspace, user}, func(scan scanner) error {
		k := sallyport.AppToken{Workspace: workspace, User: user}
		var created, expires, used int64
		err := scan(&k.ID, &k.Hash, &k.Epoch, &k.App, &k.AppName, &k.AppEpoch, &k.Ended, &k.Name, &created, &expires, &used)
		k.CreatedAt, k.ExpiresAt, k.LastUsedAt = at(created), at(expires), at(used)
		all = append(all, k)
		return err
	})
	return all, err
}

func (t *tx) InsertAppToken(k sallyport.AppToken) error {
	return t.exec(`INSERT INTO app_tokens (workspace_id, user_id, id, hash, epoch, app_id, app_epoch, name, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		k.Workspace, k.User, k.ID, k.Hash, k.Epoch, k.App, k.AppEpoch, k.Name, ms(k.CreatedAt), ms(k.ExpiresAt))
}

func (t *tx) DeleteAppToken(workspace, user, id string) (bool, error) {
	return one(t.affected(`DELETE FROM app_tokens WHERE workspace_id = $1 AND user_id = $2 AND id = $3`, workspace, user, id))
}

func (t *tx) AppTokenUsed(k sallyport.AppToken, used time.Time) error {
	return t.exec(`UPDATE app_tokens SET last_used_at = $4 WHERE workspace_id = $1 AND user_id = $2 AND id = $3`, k.Workspace, k.User, k.ID, ms(used))
}
