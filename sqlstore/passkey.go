package sqlstore

import (
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) Passkeys(workspace, user string) (all []sallyport.Passkey, err error) {
	err = t.rows(`SELECT id, name, credential, public_key, counter, transports, model, backup_eligible, backed_up, created_at, last_used_at, last_used_from
		FROM passkeys WHERE workspace_id = $1 AND user_id = $2 ORDER BY id`, []any{workspace, user}, func(scan scanner) error {
		p := sallyport.Passkey{Workspace: workspace, User: user}
		var transports string
		var counter, created, used int64
		err := scan(&p.ID, &p.Name, &p.Key.ID, &p.Key.Public, &counter, &transports, &p.Key.Model, &p.Key.BackupEligible, &p.Key.BackedUp,
			&created, &used, &p.LastUsedFrom)
		p.Key.Counter, p.Key.Transports = uint32(counter), strings.Fields(transports)
		p.CreatedAt, p.LastUsedAt = at(created), at(used)
		all = append(all, p)
		return err
	})
	return all, err
}

func (t *tx) InsertPasskey(p sallyport.Passkey) error {
	return inserted(t.affected(`INSERT INTO passkeys (workspace_id, user_id, id, name, credential, public_key, counter, transports, model, backup_eligible, backed_up, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`,
		p.Workspace, p.User, p.ID, p.Name, p.Key.ID, p.Key.Public, int64(p.Key.Counter), strings.Join(p.Key.Transports, " "), blobOf(p.Key.Model),
		p.Key.BackupEligible, p.Key.BackedUp, ms(p.CreatedAt)))
}

func (t *tx) SavePasskey(p sallyport.Passkey) error {
	return t.exec(`UPDATE passkeys SET name = $4, counter = $5, backed_up = $6, last_used_at = $7, last_used_from = $8
		WHERE workspace_id = $1 AND user_id = $2 AND id = $3`,
		p.Workspace, p.User, p.ID, p.Name, int64(p.Key.Counter), p.Key.BackedUp, ms(p.LastUsedAt), p.LastUsedFrom)
}

func (t *tx) DeletePasskeys(workspace, user, id string) (int64, error) {
	if id == "" {
		return t.affected(`DELETE FROM passkeys WHERE workspace_id = $1 AND user_id = $2`, workspace, user)
	}
	return t.affected(`DELETE FROM passkeys WHERE workspace_id = $1 AND user_id = $2 AND id = $3`, workspace, user, id)
}

func (t *tx) SpendChallenge(workspace string, hash []byte, ends time.Time) (bool, error) {
	return one(t.affected(`INSERT INTO challenges (workspace_id, hash, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, workspace, hash, ms(ends)))
}
