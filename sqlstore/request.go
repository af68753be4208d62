package sqlstore

import (
	"encoding/json"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) InsertAppRequest(r sallyport.AppRequest) error {
	params, err := json.Marshal(r.Params)
	if err != nil {
		return err
	}
	if r.Browser != nil {
		if err := t.trimAppRequests(r, sallyport.MaxAppRequests-1); err != nil {
			return err
		}
	}
	return t.exec(`INSERT INTO app_requests (workspace_id, id, app_id, browser_hash, pushed_hash, params, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, r.Workspace, r.ID, r.App, r.Browser, r.Pushed, string(params), ms(r.CreatedAt), ms(r.ExpiresAt))
}

// trimAppRequests deletes all requests of the browser of one except the newest.
func (t *tx) trimAppRequests(r sallyport.AppRequest, keep int) error {
	return t.exec(`DELETE FROM app_requests WHERE workspace_id = $1 AND browser_hash = $2 AND id IN (
			SELECT id FROM app_requests WHERE workspace_id = $1 AND browser_hash = $2 ORDER BY id DESC LIMIT 100 OFFSET $3)`, r.Workspace, r.Browser, keep)
}

func (t *tx) AppRequest(workspace, id string) (r sallyport.AppRequest, found bool, err error) {
	r = sallyport.AppRequest{Workspace: workspace, ID: id}
	var params string
	var created, expires int64
	found, err = t.row(`SELECT app_id, browser_hash, pushed_hash, params, account, consent, created_at, expires_at FROM app_requests WHERE workspace_id = $1 AND id = $2`,
		[]any{workspace, id}, &r.App, &r.Browser, &r.Pushed, &params, &r.Account, &r.Consent, &created, &expires)
	if err != nil || !found {
		return r, false, err
	}
	r.CreatedAt, r.ExpiresAt = at(created), at(expires)
	return r, true, json.Unmarshal([]byte(params), &r.Params)
}

func (t *tx) SaveAppRequest(r sallyport.AppRequest) (bool, error) {
	saved, err := one(t.affected(`UPDATE app_requests SET browser_hash = $3, account = $4, consent = $5
		WHERE workspace_id = $1 AND id = $2 AND pushed_hash IS NULL AND (browser_hash IS NULL OR browser_hash = $3)`, r.Workspace, r.ID, r.Browser, r.Account, r.Consent))
	if err != nil || !saved {
		return false, err
	}
	return true, t.trimAppRequests(r, sallyport.MaxAppRequests)
}

func (t *tx) TakeAppRequest(workspace, id string) (bool, error) {
	return one(t.affected(`DELETE FROM app_requests WHERE workspace_id = $1 AND id = $2`, workspace, id))
}

func (t *tx) ClientApp(workspace, id string) (a sallyport.App, found bool, err error) {
	all, err := t.plainApps(workspace, `WHERE a.workspace_id = $1 AND a.id = $2`, workspace, id)
	if err != nil || len(all) == 0 {
		return a, false, err
	}
	return all[0], true, nil
}

func (t *tx) SecretHashes(workspace, app string, of sallyport.Tries) (all []sallyport.SecretHash, _ sallyport.Tries, err error) {
	tries, err := t.askTries(of)
	if err != nil {
		return nil, of, err
	}
	err = t.rows(`SELECT id, hash, last_used_at, expires_at FROM app_secrets WHERE workspace_id = $1 AND app_id = $2`, []any{workspace, app}, func(scan scanner) error {
		var s sallyport.SecretHash
		var used, expires int64
		err := scan(&s.ID, &s.Hash, &used, &expires)
		s.LastUsedAt, s.ExpiresAt = at(used), at(expires)
		all = append(all, s)
		return err
	})
	return all, tries.tries(), err
}

func (t *tx) UseSecret(workspace, app, id string, now time.Time) error {
	return t.exec(`UPDATE app_secrets SET last_used_at = $4 WHERE workspace_id = $1 AND app_id = $2 AND id = $3`, workspace, app, id, ms(now))
}
