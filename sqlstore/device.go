package sqlstore

import (
	"time"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) DeviceSeen(workspace, user string, hash []byte) (time.Time, error) {
	var seen int64
	_, err := t.row(`SELECT last_seen_at FROM browsers WHERE workspace_id = $1 AND user_id = $2 AND hash = $3`,
		[]any{workspace, user, hash}, &seen)
	return at(seen), err
}

func (t *tx) SeeDevice(b sallyport.KnownDevice) error {
	return t.exec(`UPDATE browsers SET last_seen_at = $4, name = $5 WHERE workspace_id = $1 AND user_id = $2 AND hash = $3`,
		b.Workspace, b.User, b.Hash, ms(b.LastSeenAt), b.Name)
}

func (t *tx) InsertDevice(b sallyport.KnownDevice) error {
	if err := t.exec(`INSERT INTO browsers (workspace_id, user_id, hash, name, created_at, last_seen_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		b.Workspace, b.User, b.Hash, b.Name, ms(b.CreatedAt), ms(b.LastSeenAt)); err != nil {
		return err
	}
	return t.exec(`DELETE FROM browsers WHERE workspace_id = $1 AND user_id = $2 AND hash IN (
			SELECT hash FROM browsers WHERE workspace_id = $1 AND user_id = $2 ORDER BY last_seen_at DESC, hash LIMIT 1000 OFFSET $3)`,
		b.Workspace, b.User, sallyport.MaxKnownDevices)
}

func (t *tx) RenewDevice(workspace, user string, old, renewed []byte) error {
	return t.exec(`UPDATE browsers SET hash = $3 WHERE workspace_id = $1 AND hash = $2 AND user_id <> $4`, workspace, old, renewed, user)
}

func (t *tx) ForgetDevices(workspace, user string) error {
	return t.exec(`DELETE FROM browsers WHERE workspace_id = $1 AND user_id = $2`, workspace, user)
}

const deviceColumns = `id, hash, previous_hash, rotated_at, epoch, days, browser_hash, name, address, created_at, last_seen_at`

// deviceRow scans a trusted device.
type deviceRow struct {
	sallyport.TrustedDevice
	rotated, created, lastSeen int64
}

func (r *deviceRow) dest() []any {
	return []any{&r.ID, &r.Hash, &r.PreviousHash, &r.rotated, &r.Epoch, &r.Days, &r.KnownDevice, &r.Name, &r.Address, &r.created, &r.lastSeen}
}

func (r *deviceRow) device(workspace, user string) sallyport.TrustedDevice {
	d := r.TrustedDevice
	d.Workspace, d.User = workspace, user
	d.RotatedAt, d.CreatedAt, d.LastSeenAt = at(r.rotated), at(r.created), at(r.lastSeen)
	return d
}

func (t *tx) TrustedDevices(workspace, user string) ([]sallyport.TrustedDevice, error) {
	var all []sallyport.TrustedDevice
	err := t.rows(`SELECT `+deviceColumns+` FROM trusted_devices WHERE workspace_id = $1 AND user_id = $2 ORDER BY last_seen_at DESC, id`,
		[]any{workspace, user}, func(scan scanner) error {
			var r deviceRow
			if err := scan(r.dest()...); err != nil {
				return err
			}
			all = append(all, r.device(workspace, user))
			return nil
		})
	return all, err
}

func (t *tx) TrustedDevice(workspace, user, id string) (sallyport.TrustedDevice, bool, error) {
	var r deviceRow
	ok, err := t.row(`SELECT `+deviceColumns+` FROM trusted_devices WHERE workspace_id = $1 AND user_id = $2 AND id = $3`,
		[]any{workspace, user, id}, r.dest()...)
	return r.device(workspace, user), ok, err
}

func (t *tx) InsertTrustedDevice(d sallyport.TrustedDevice) error {
	if err := t.exec(`INSERT INTO trusted_devices (workspace_id, user_id, `+deviceColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		d.Workspace, d.User, d.ID, d.Hash, d.PreviousHash, ms(d.RotatedAt), d.Epoch, d.Days, d.KnownDevice, d.Name, d.Address,
		ms(d.CreatedAt), ms(d.LastSeenAt)); err != nil {
		return err
	}
	return t.exec(`DELETE FROM trusted_devices WHERE workspace_id = $1 AND user_id = $2 AND id IN (
			SELECT id FROM trusted_devices WHERE workspace_id = $1 AND user_id = $2 ORDER BY created_at DESC, id DESC LIMIT 1000 OFFSET $3)`,
		d.Workspace, d.User, sallyport.MaxTrustedDevices)
}

func (t *tx) RotateTrustedDevice(d sallyport.TrustedDevice) error {
	return t.exec(`UPDATE trusted_devices SET hash = $4, previous_hash = $5, rotated_at = $6, browser_hash = $7, name = $8, address = $9, last_seen_at = $10
		WHERE workspace_id = $1 AND user_id = $2 AND id = $3`,
		d.Workspace, d.User, d.ID, d.Hash, d.PreviousHash, ms(d.RotatedAt), d.KnownDevice, d.Name, d.Address, ms(d.LastSeenAt))
}

func (t *tx) DeleteTrustedDevices(workspace, user, id string) (int64, error) {
	if id == "" {
		return t.affected(`DELETE FROM trusted_devices WHERE workspace_id = $1 AND user_id = $2`, workspace, user)
	}
	return t.affected(`DELETE FROM trusted_devices WHERE workspace_id = $1 AND user_id = $2 AND id = $3`, workspace, user, id)
}
