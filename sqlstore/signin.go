package sqlstore

import (
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/lifetime"
)

func (t *tx) UserOnDevice(workspace, folded string, device []byte) (sallyport.User, time.Time, error) {
	var r userRow
	var seen int64
	_, err := t.row(`SELECT `+userColumns+`, COALESCE(b.last_seen_at, 0) FROM users u
		LEFT JOIN browsers b ON b.workspace_id = u.workspace_id AND b.user_id = u.id AND b.hash = $3
		WHERE u.workspace_id = $1 AND u.app_id = '' AND u.address_folded = $2 AND u.address_folded <> ''`,
		[]any{workspace, folded, device}, append(r.dest(), &seen)...)
	return r.user(), at(seen), err
}

func (t *tx) InsertSignIn(s sallyport.SignIn) error {
	return t.exec(`INSERT INTO sign_ins (workspace_id, user_id, id, hash, epoch, proofs, door, parked, wrong, enrolled, known, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		s.Workspace, s.User, s.ID, s.Hash, s.Epoch, s.Proofs.String(), string(s.Door), s.Parked, s.Wrong, s.Enrolled, s.Known,
		ms(s.CreatedAt), ms(s.ExpiresAt))
}

// TrimSignIns deletes sign-ins that have ended first.
func (t *tx) TrimSignIns(u sallyport.User, now time.Time, left int) error {
	if err := t.exec(`DELETE FROM sign_ins WHERE workspace_id = $1 AND user_id = $2 AND id IN (
			SELECT id FROM sign_ins WHERE workspace_id = $1 AND user_id = $2
			ORDER BY CASE WHEN epoch = $3 AND expires_at > $4 AND created_at <= $5 THEN 0 ELSE 1 END, known DESC, created_at DESC, id DESC
			LIMIT 1000 OFFSET $6)`,
		u.Workspace, u.ID, u.Epoch, ms(now), ms(now.Add(lifetime.Grace)), left); err != nil {
		return err
	}
	return t.exec(`DELETE FROM drafts WHERE workspace_id = $1 AND user_id = $2
			AND holder NOT IN (SELECT id FROM sign_ins WHERE workspace_id = $1 AND user_id = $2)
			AND holder NOT IN (SELECT id FROM sessions WHERE workspace_id = $1 AND user_id = $2)`, u.Workspace, u.ID)
}

func (t *tx) TakeSignIn(workspace, user, id string, device []byte) (sallyport.SignIn, sallyport.User, bool, error) {
	s := sallyport.SignIn{Workspace: workspace, User: user, ID: id}
	var u userRow
	err := t.takeUser(workspace, user, &u)
	if err == nil {
		err = t.ask(triesOf, []any{workspace, user}, addTries(&s.Tries))
	}
	if err == nil {
		err = t.ask(authenticatorsOf, []any{workspace, user}, addAuthenticators(workspace, user, &s.Authenticators))
	}
	if err != nil {
		return s, u.user(), false, err
	}
	var proofs, door string
	var created, expires, seen int64
	ok, err := t.row(`SELECT s.hash, s.epoch, s.proofs, s.door, s.parked, s.wrong, s.enrolled, s.created_at, s.expires_at, COALESCE(b.last_seen_at, 0)
		FROM sign_ins s LEFT JOIN browsers b ON b.workspace_id = s.workspace_id AND b.user_id = s.user_id AND b.hash = $4
		WHERE s.workspace_id = $1 AND s.user_id = $2 AND s.id = $3`, []any{workspace, user, id, device},
		&s.Hash, &s.Epoch, &proofs, &door, &s.Parked, &s.Wrong, &s.Enrolled, &created, &expires, &seen)
	s.Proofs, s.Door = sallyport.ParseProofs(proofs), sallyport.Door(door)
	s.CreatedAt, s.ExpiresAt, s.DeviceSeen = at(created), at(expires), at(seen)
	return s, u.user(), ok && u.ID != "", err
}

func (t *tx) SaveSignIn(s sallyport.SignIn) error {
	return t.exec(`UPDATE sign_ins SET hash = $4, epoch = $5, proofs = $6, wrong = $7, enrolled = $8, expires_at = $9
		WHERE workspace_id = $1 AND user_id = $2 AND id = $3`,
		s.Workspace, s.User, s.ID, s.Hash, s.Epoch, s.Proofs.String(), s.Wrong, s.Enrolled, ms(s.ExpiresAt))
}

func (t *tx) EndSignIn(workspace, user, id string) error {
	return t.expect(`DELETE FROM sign_ins WHERE workspace_id = $1 AND user_id = $2 AND id = $3`, workspace, user, id)
}
