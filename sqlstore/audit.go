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

func (t *tx) Unsealed(workspace, after string, limit int) (all []sallyport.Unsealed, err error) {
	err = t.rows(`SELECT event_id, mac, signed_in FROM unsealed WHERE workspace_id = $1 AND event_id > $2 ORDER BY event_id LIMIT $3`,
		[]any{workspace, after, limit}, func(scan scanner) error {
			var e sallyport.Unsealed
			err := scan(&e.ID, &e.MAC, &e.SignedIn)
			all = append(all, e)
			return err
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

// sealedAtOnce is how many events a statement of InsertSeal finds at most. It always has a parameter for each of them, so that it is
// prepared only once.
const sealedAtOnce = 256

// stopWaiting names each event. Another one between their ids may have been committed since they were read. The range is
// for PostgreSQL, which may plan to compare all rows of the workspace with the list.
var stopWaiting = `DELETE FROM unsealed WHERE workspace_id = $1 AND event_id >= $2 AND event_id <= $3 AND event_id IN (` + places(4, sealedAtOnce) + `)`

func (t *tx) InsertSeal(s sallyport.Seal) error {
	if err := t.exec(`INSERT INTO seals (workspace_id, batch, count, at, previous, hash, events, mac) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		s.Workspace, s.Batch, s.Count, ms(s.At), blobOf(s.Previous), s.Hash, []byte(s.Events), s.MAC); err != nil {
		return err
	}
	var waited int64
	for some := range slices.Chunk(s.Events.IDs(), sealedAtOnce) {
		last := some[len(some)-1]
		args := []any{s.Workspace, some[0], last}
		for i := range sealedAtOnce {
			args = append(args, some[min(i, len(some)-1)])
		}
		n, err := t.affected(stopWaiting, args...)
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

func (t *tx) DropSeal(s sallyport.Seal) error {
	if s.Events == nil {
		if err := t.exec(`DELETE FROM events WHERE workspace_id = $1 AND seal_batch = $2`, s.Workspace, s.Batch); err != nil {
			return err
		}
	}
	for _, id := range s.Events.IDs() {
		if err := t.exec(`DELETE FROM events WHERE workspace_id = $1 AND id = $2`, s.Workspace, id); err != nil {
			return err
		}
	}
	return t.exec(`DELETE FROM seals WHERE workspace_id = $1 AND batch = $2`, s.Workspace, s.Batch)
}

func (t *tx) CountEvents(workspace string) (n int, err error) {
	_, err = t.row(`SELECT COUNT(*) FROM events WHERE workspace_id = $1`, []any{workspace}, &n)
	return n, err
}

func (t *tx) EventIDs(workspace, after string, limit int) (ids []string, err error) {
	err = t.rows(`SELECT id FROM events WHERE workspace_id = $1 AND id > $2 ORDER BY id LIMIT $3`, []any{workspace, after, limit},
		func(scan scanner) error {
			var id string
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	return ids, err
}

// Logged reads ranges, because the ids of a seal are next to each other, except for a few that were committed late. After
// many rows without an id in the list, it continues at the next one in the list.
func (t *tx) Logged(workspace string, ids []string, each func(sallyport.Event) error) error {
	for len(ids) > 0 {
		read, limit := 0, 2*len(ids)+16
		err := t.loggedEvents(` WHERE workspace_id = $1 AND id >= $2 AND id <= $3 ORDER BY id LIMIT $4`,
			[]any{workspace, ids[0], ids[len(ids)-1], limit}, func(e sallyport.Event) error {
				read++
				for len(ids) > 0 && ids[0] < e.ID {
					ids = ids[1:]
				}
				if len(ids) == 0 || ids[0] != e.ID {
					return nil
				}
				ids = ids[1:]
				return each(e)
			})
		if err != nil || read < limit {
			return err
		}
	}
	return nil
}

func (t *tx) LoggedIn(workspace string, first, last int64, each func(sallyport.Event) error) error {
	return t.loggedEvents(` WHERE workspace_id = $1 AND seal_batch >= $2 AND seal_batch <= $3 ORDER BY seal_batch, seal_position`,
		[]any{workspace, first, last}, each)
}

// loggedEvents reads whole events, for verification. There may be many, so all rows are scanned into the same variable.
func (t *tx) loggedEvents(end string, args []any, each func(sallyport.Event) error) error {
	var r eventRow
	dest := append([]any{&r.Workspace, &r.Salt, &r.PersonalHash, &r.MAC, &r.Batch, &r.position}, r.dest()...)
	return t.rows(`SELECT workspace_id, salt, personal_hash, mac, COALESCE(seal_batch, 0), COALESCE(seal_position, 0), `+eventColumns+
		` FROM events`+end, args, func(scan scanner) error {
		if err := scan(dest...); err != nil {
			return err
		}
		return each(r.event())
	})
}
