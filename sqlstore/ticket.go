package sqlstore

import (
	"time"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) AppOf(origin string) (workspace, app string, err error) {
	_, err = t.row(`SELECT workspace_id, app_id FROM app_hosts WHERE origin = $1`, []any{origin}, &workspace, &app)
	return workspace, app, err
}

func (t *tx) InsertTicket(k sallyport.Ticket) error {
	if err := t.exec(`DELETE FROM tickets WHERE workspace_id = $1 AND user_id = $2 AND id IN (
			SELECT id FROM tickets WHERE workspace_id = $1 AND user_id = $2 ORDER BY id DESC LIMIT 1000 OFFSET $3)`,
		k.Workspace, k.User, sallyport.MaxTickets-1); err != nil {
		return err
	}
	return t.exec(`INSERT INTO tickets (workspace_id, user_id, id, hash, epoch, session_id, app_id, app_epoch, origin, target, browser_hash, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		k.Workspace, k.User, k.ID, k.Hash, k.Epoch, k.Session, k.App, k.AppEpoch, k.Origin, k.Target, k.Browser, ms(k.ExpiresAt))
}

func (t *tx) DeleteTicket(workspace, user, id string) error {
	return t.exec(`DELETE FROM tickets WHERE workspace_id = $1 AND user_id = $2 AND id = $3`, workspace, user, id)
}

func (t *tx) RedeemTicket(workspace, user, id string, now time.Time) (k sallyport.Ticket, found bool, before time.Time, err error) {
	k.Workspace, k.User, k.ID = workspace, user, id
	var expires, redeemed int64
	found, err = t.row(`UPDATE tickets SET redeemed_at = $4 WHERE workspace_id = $1 AND user_id = $2 AND id = $3 AND redeemed_at = 0
		RETURNING hash, epoch, session_id, app_id, app_epoch, origin, target, browser_hash, expires_at,
			COALESCE((SELECT MIN(o.redeemed_at) FROM tickets o WHERE o.workspace_id = $1 AND o.user_id = $2 AND o.id <> $3
				AND o.origin = tickets.origin AND o.browser_hash = tickets.browser_hash AND o.redeemed_at <> 0), 0)`,
		[]any{workspace, user, id, ms(now)}, &k.Hash, &k.Epoch, &k.Session, &k.App, &k.AppEpoch, &k.Origin, &k.Target, &k.Browser, &expires, &redeemed)
	k.ExpiresAt = at(expires)
	return k, found, at(redeemed), err
}
