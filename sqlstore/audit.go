package sqlstore

import (
	"fmt"
	"slices"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) UnsealedWorkspace(after string) (workspace string, err error) {
	_, err = t.row(`SELECT workspace_id FROM unsealed WHERE workspace_id > $1 ORDER BY workspace_id LIMIT 1`, []any{after}, &workspace)
	return workspace, err
}

func (t *tx) Unsealed(workspace, after string, limit int) (all []sallyport.Event, err error) {
	err = t.rows(`SELECT u.event_id, e.mac, COALESCE(e.kind, ''), COALESCE(e.subject, '')
		FROM unsealed u LEFT JOIN events e ON e.workspace_id = u.workspace_id AND e.id = u.event_id
		WHERE u.workspace_id = $1 AND u.event_id > $2 ORDER BY u.event_id LIMIT $3`, []any{workspace, after, limit}, func(scan scanner) error {
		e := sallyport.Event{Workspace: workspace}
		if err := scan(&e.ID, &e.MAC, &e.Kind, &e.Subject); err != nil {
			return err
		}
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

var unsealedByID = `DELETE FROM unsealed WHERE workspace_id = $1 AND event_id IN ` + loggedIDs

// InsertSeal names each event whose wait ends: another one between their ids may have been committed since they were read.
func (t *tx) InsertSeal(s sallyport.Seal) error {
	if err := t.exec(`INSERT INTO seals (workspace_id, batch, count, at, previous, hash, events, mac) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		s.Workspace, s.Batch, s.Count, ms(s.At), blobOf(s.Previous), s.Hash, []byte(s.Events), s.MAC); err != nil {
		return err
	}
	var waited int64
	for some := range slices.Chunk(s.Events.IDs(), loggedAtOnce) {
		n, err := t.affected(unsealedByID, loggedArgs(s.Workspace, some)...)
		if err != nil {
			return err
		}
		waited += n
	}
	if waited != int64(s.Count) {
		return fmt.Errorf("sqlstore: seal %d of workspace %s is for %d events, but %d waited for it", s.Batch, s.Workspace, s.Count, waited)
	}
	return nil
}

// blobOf returns b for a NOT NULL column: empty instead of nil.
func blobOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (t *tx) Seals(workspace string, after int64, limit int) (all []sallyport.Seal, err error) {
	err = t.rows(`SELECT batch, count, at, previous, hash, events, mac FROM seals WHERE workspace_id = $1 AND batch > $2 ORDER BY batch LIMIT $3`,
		[]any{workspace, after, limit}, func(scan scanner) error {
			s := sallyport.Seal{Workspace: workspace}
			var when int64
			if err := scan(&s.Batch, &s.Count, &when, &s.Previous, &s.Hash, (*[]byte)(&s.Events), &s.MAC); err != nil {
				return err
			}
			s.At = at(when)
			all = append(all, s)
			return nil
		})
	return all, err
}

var dropByID = `DELETE FROM events` + loggedByID

func (t *tx) DropSeal(s sallyport.Seal) error {
	if s.Events == nil {
		if err := t.exec(`DELETE FROM events WHERE workspace_id = $1 AND seal_batch = $2`, s.Workspace, s.Batch); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(s.Events.IDs(), loggedAtOnce) {
		if err := t.exec(dropByID, loggedArgs(s.Workspace, some)...); err != nil {
			return err
		}
	}
	return t.exec(`DELETE FROM seals WHERE workspace_id = $1 AND batch = $2`, s.Workspace, s.Batch)
}
