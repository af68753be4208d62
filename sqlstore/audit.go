package sqlstore

import (
	"fmt"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) UnsealedWorkspace(after string) (workspace string, err error) {
	_, err = t.row(`SELECT workspace_id FROM events WHERE seal_batch IS NULL AND workspace_id > $1 ORDER BY workspace_id LIMIT 1`,
		[]any{after}, &workspace)
	return workspace, err
}

func (t *tx) Unsealed(workspace, after string, limit int) (all []sallyport.Event, err error) {
	err = t.loggedEvents(`WHERE workspace_id = $1 AND seal_batch IS NULL AND id > $2 ORDER BY id LIMIT $3`,
		[]any{workspace, after, limit}, func(e sallyport.Event) error {
			all = append(all, e)
			return nil
		})
	return all, err
}

func (t *tx) SealHead(workspace string) (sallyport.SealHead, bool, error) {
	h := sallyport.SealHead{Workspace: workspace}
	found, err := t.row(`SELECT first, batch, hash, mac FROM seal_heads WHERE workspace_id = $1`, []any{workspace},
		&h.First, &h.Batch, &h.Hash, &h.MAC)
	return h, found, err
}

func (t *tx) MoveSealHead(was, now sallyport.SealHead) (bool, error) {
	if was.Batch == 0 {
		return one(t.affected(`INSERT INTO seal_heads (workspace_id, first, batch, hash, mac) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT DO NOTHING`, now.Workspace, now.First, now.Batch, now.Hash, now.MAC))
	}
	return one(t.affected(`UPDATE seal_heads SET first = $1, batch = $2, hash = $3, mac = $4
		WHERE workspace_id = $5 AND first = $6 AND batch = $7`,
		now.First, now.Batch, now.Hash, now.MAC, now.Workspace, was.First, was.Batch))
}

// InsertSeal sends all its statements together, and counts the sealed events at the end.
func (t *tx) InsertSeal(s sallyport.Seal, ids []string) error {
	if err := t.exec(`INSERT INTO seals (workspace_id, batch, count, at, previous, hash, mac) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		s.Workspace, s.Batch, s.Count, ms(s.At), blobOf(s.Previous), s.Hash, s.MAC); err != nil {
		return err
	}
	for i, id := range ids {
		if err := t.exec(`UPDATE events SET seal_batch = $1, seal_position = $2 WHERE workspace_id = $3 AND id = $4 AND seal_batch IS NULL`,
			s.Batch, i+1, s.Workspace, id); err != nil {
			return err
		}
	}
	var n int
	_, err := t.row(`SELECT COUNT(*) FROM events WHERE workspace_id = $1 AND seal_batch = $2`, []any{s.Workspace, s.Batch}, &n)
	if err == nil && n != len(ids) {
		err = fmt.Errorf("sqlstore: seal %d of workspace %s is for %d events, but %d have it", s.Batch, s.Workspace, len(ids), n)
	}
	return err
}

// blobOf returns b for a NOT NULL column: empty instead of nil.
func blobOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (t *tx) Seals(workspace string, after int64, limit int) (all []sallyport.Seal, err error) {
	err = t.rows(`SELECT batch, count, at, previous, hash, mac FROM seals WHERE workspace_id = $1 AND batch > $2 ORDER BY batch LIMIT $3`,
		[]any{workspace, after, limit}, func(scan scanner) error {
			s := sallyport.Seal{Workspace: workspace}
			var when int64
			if err := scan(&s.Batch, &s.Count, &when, &s.Previous, &s.Hash, &s.MAC); err != nil {
				return err
			}
			s.At = at(when)
			all = append(all, s)
			return nil
		})
	return all, err
}

func (t *tx) Sealed(workspace string, from, to int64, each func(sallyport.Event) error) error {
	return t.loggedEvents(`WHERE workspace_id = $1 AND seal_batch >= $2 AND seal_batch <= $3 ORDER BY seal_batch, seal_position`,
		[]any{workspace, from, to}, each)
}

func (t *tx) DropBatch(workspace string, batch int64) error {
	if err := t.exec(`DELETE FROM events WHERE workspace_id = $1 AND seal_batch = $2`, workspace, batch); err != nil {
		return err
	}
	return t.exec(`DELETE FROM seals WHERE workspace_id = $1 AND batch = $2`, workspace, batch)
}
