package sqlstore

import (
	"time"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) KnowsBrowser(workspace, user string, hash []byte, since time.Time) (bool, error) {
	var yes int64
	return t.row(`SELECT 1 FROM browsers WHERE workspace_id = $1 AND user_id = $2 AND hash = $3 AND last_seen_at >= $4`,
		[]any{workspace, user, hash, ms(since)}, &yes)
}

func (t *tx) SeeBrowser(b sallyport.Browser) (bool, error) {
	return one(t.affected(`UPDATE browsers SET last_seen_at = $4, name = $5
		WHERE workspace_id = $1 AND user_id = $2 AND hash = $3 AND last_seen_at >= $6`,
		b.Workspace, b.User, b.Hash, ms(b.LastSeenAt), b.Name, ms(b.LastSeenAt.Add(-sallyport.BrowserLimit))))
}

func (t *tx) InsertBrowser(b sallyport.Browser) error {
	if err := t.exec(`INSERT INTO browsers (workspace_id, user_id, hash, name, created_at, last_seen_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		b.Workspace, b.User, b.Hash, b.Name, ms(b.CreatedAt), ms(b.LastSeenAt)); err != nil {
		return err
	}
	return t.exec(`DELETE FROM browsers WHERE workspace_id = $1 AND user_id = $2 AND hash IN (
			SELECT hash FROM browsers WHERE workspace_id = $1 AND user_id = $2 ORDER BY last_seen_at DESC, hash LIMIT 1000 OFFSET $3)`,
		b.Workspace, b.User, sallyport.MaxBrowsers)
}

func (t *tx) ForgetBrowsers(workspace, user string) error {
	return t.exec(`DELETE FROM browsers WHERE workspace_id = $1 AND user_id = $2`, workspace, user)
}
