package sqlstore

import (
	"strings"

	"github.com/sallyport-2fa/sallyport"
)

const deviceCodeColumns = `id, app_id, hash, user_code, scopes, state, user_id, grant_id, polled_at, created_at, expires_at`

func (t *tx) deviceCode(workspace, condition string, args ...any) (sallyport.DeviceCode, bool, error) {
	d := sallyport.DeviceCode{Workspace: workspace}
	var scopes string
	var polled, created, expires int64
	found, err := t.row(`SELECT `+deviceCodeColumns+` FROM device_codes WHERE workspace_id = $1 AND `+condition, append([]any{workspace}, args...),
		&d.ID, &d.App, &d.Hash, &d.UserCode, &scopes, &d.State, &d.User, &d.Grant, &polled, &created, &expires)
	d.Scopes, d.PolledAt, d.CreatedAt, d.ExpiresAt = strings.Fields(scopes), at(polled), at(created), at(expires)
	return d, found, err
}

func (t *tx) InsertDeviceCode(d sallyport.DeviceCode) error {
	return inserted(t.affected(`INSERT INTO device_codes (workspace_id, id, app_id, hash, user_code, scopes, state, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
		d.Workspace, d.ID, d.App, d.Hash, d.UserCode, strings.Join(d.Scopes, " "), d.State, ms(d.CreatedAt), ms(d.ExpiresAt)))
}

func (t *tx) TakeDeviceCode(workspace, id string) (sallyport.DeviceCode, bool, error) {
	return t.deviceCode(workspace, `id = $2`+forUpdate, id)
}

func (t *tx) DeviceCode(workspace, userCode string, of sallyport.Tries) (sallyport.DeviceCode, sallyport.Tries, bool, error) {
	tries, err := t.askTries(of)
	if err != nil {
		return sallyport.DeviceCode{}, of, false, err
	}
	d, found, err := t.deviceCode(workspace, `user_code = $2`, userCode)
	return d, tries.tries(), found, err
}

func (t *tx) AnswerDeviceCode(d sallyport.DeviceCode) (bool, error) {
	return one(t.affected(`UPDATE device_codes SET state = $3, user_id = $4, grant_id = $5 WHERE workspace_id = $1 AND id = $2 AND state = 'waiting'`,
		d.Workspace, d.ID, d.State, d.User, d.Grant))
}

func (t *tx) PollDeviceCode(d sallyport.DeviceCode, used bool) error {
	if used {
		return t.expect(`DELETE FROM device_codes WHERE workspace_id = $1 AND id = $2`, d.Workspace, d.ID)
	}
	return t.exec(`UPDATE device_codes SET polled_at = $3 WHERE workspace_id = $1 AND id = $2`, d.Workspace, d.ID, ms(d.PolledAt))
}
