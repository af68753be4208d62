package sqlstore

import (
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/lifetime"
)

const sessionColumns = `s.id, s.hash, s.epoch, s.proofs, s.door, s.address, s.browser, s.created_at, s.last_seen_at,
	s.expires_at, s.parked, s.parked_at, s.woke_at`

// sessionRow scans a session, also from an outer join that may have none.
type sessionRow struct {
	id, proofs, door, address, browser                *string
	hash, parked                                      []byte
	epoch, created, lastSeen, expires, parkedAt, woke *int64
}

func (r *sessionRow) dest() []any {
	return []any{&r.id, &r.hash, &r.epoch, &r.proofs, &r.door, &r.address, &r.browser, &r.created, &r.lastSeen,
		&r.expires, &r.parked, &r.parkedAt, &r.woke}
}

func (r *sessionRow) session(workspace, user string) sallyport.Session {
	if r.id == nil {
		return sallyport.Session{}
	}
	return sallyport.Session{
		Workspace: workspace, User: user, ID: *r.id, Hash: r.hash, Epoch: *r.epoch, Proofs: sallyport.ParseProofs(*r.proofs),
		Door: sallyport.Door(*r.door), Address: *r.address, Agent: *r.browser, CreatedAt: at(*r.created),
		LastSeenAt: at(*r.lastSeen), ExpiresAt: at(*r.expires), Parked: r.parked, ParkedAt: at(*r.parkedAt),
		WokeAt: at(*r.woke),
	}
}

func (t *tx) InsertSession(s sallyport.Session) error {
	return t.exec(`INSERT INTO sessions (workspace_id, user_id, id, hash, epoch, proofs, door, address, browser, created_at, last_seen_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		s.Workspace, s.User, s.ID, s.Hash, s.Epoch, s.Proofs.String(), string(s.Door), s.Address, s.Agent,
		ms(s.CreatedAt), ms(s.LastSeenAt), ms(s.ExpiresAt))
}

func (t *tx) TakeSession(workspace, user, id string) (sallyport.Session, sallyport.User, bool, error) {
	var r sessionRow
	var u userRow
	if err := t.takeUser(workspace, user, &u); err != nil {
		return sallyport.Session{}, sallyport.User{}, false, err
	}
	ok, err := t.row(`SELECT `+sessionColumns+` FROM sessions s WHERE s.workspace_id = $1 AND s.user_id = $2 AND s.id = $3`,
		[]any{workspace, user, id}, r.dest()...)
	return r.session(workspace, user), u.user(), ok && u.ID != "", err
}

func (t *tx) Sessions(u sallyport.User, now time.Time) ([]sallyport.Session, error) {
	var all []sallyport.Session
	err := t.rows(`SELECT `+sessionColumns+` FROM sessions s WHERE s.workspace_id = $1 AND s.user_id = $2 AND s.epoch = $3 AND s.last_seen_at <= $4
		ORDER BY s.id DESC LIMIT $5`,
		[]any{u.Workspace, u.ID, u.Epoch, ms(now.Add(lifetime.Grace)), sallyport.MaxSessions}, func(scan scanner) error {
			var r sessionRow
			if err := scan(r.dest()...); err != nil {
				return err
			}
			all = append(all, r.session(u.Workspace, u.ID))
			return nil
		})
	slices.SortStableFunc(all, func(a, b sallyport.Session) int { return b.LastSeenAt.Compare(a.LastSeenAt) })
	return all, err
}

func (t *tx) SaveSession(s sallyport.Session) error {
	return t.exec(`UPDATE sessions SET hash = $4, epoch = $5, proofs = $6, address = $7, browser = $8, last_seen_at = $9, parked = $10, parked_at = $11,
			woke_at = $12
		WHERE workspace_id = $1 AND user_id = $2 AND id = $3`,
		s.Workspace, s.User, s.ID, s.Hash, s.Epoch, s.Proofs.String(), s.Address, s.Agent, ms(s.LastSeenAt), s.Parked, ms(s.ParkedAt), ms(s.WokeAt))
}

func (t *tx) DeleteSession(workspace, user, id string) (bool, error) {
	return one(t.affected(`DELETE FROM sessions WHERE workspace_id = $1 AND user_id = $2 AND id = $3`, workspace, user, id))
}

func (t *tx) DeleteOtherSessions(workspace, user, id string, limit int) (int, error) {
	n, err := t.affected(`DELETE FROM sessions WHERE workspace_id = $1 AND user_id = $2 AND id IN (
			SELECT id FROM sessions WHERE workspace_id = $1 AND user_id = $2 AND id <> $3 ORDER BY id LIMIT $4)`, workspace, user, id, limit)
	return int(n), err
}

// TrimSessions deletes ended sessions first, so that they do not push out active ones.
func (t *tx) TrimSessions(u sallyport.User, now time.Time) (ended, left int, err error) {
	if err := t.exec(`DELETE FROM sessions WHERE workspace_id = $1 AND user_id = $2
			AND (epoch <> $3 OR expires_at <= $4 OR last_seen_at <= $5 OR last_seen_at > $6 OR created_at > $6)`,
		u.Workspace, u.ID, u.Epoch, ms(now), ms(now.Add(-sallyport.IdleLimit)), ms(now.Add(lifetime.Grace))); err != nil {
		return 0, 0, err
	}
	n, err := t.affected(`DELETE FROM sessions WHERE workspace_id = $1 AND user_id = $2 AND id IN (
			SELECT id FROM sessions WHERE workspace_id = $1 AND user_id = $2 ORDER BY created_at DESC, id DESC LIMIT 1000 OFFSET $3)`,
		u.Workspace, u.ID, sallyport.MaxSessions)
	if err != nil {
		return 0, 0, err
	}
	_, err = t.row(`SELECT count(*) FROM sessions WHERE workspace_id = $1 AND user_id = $2`, []any{u.Workspace, u.ID}, &left)
	return int(n), left, err
}
