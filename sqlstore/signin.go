package sqlstore

import "github.com/sallyport-2fa/sallyport"

func (t *tx) InsertSignIn(s sallyport.SignIn) error {
	return t.exec(`INSERT INTO sign_ins (workspace_id, user_id, id, hash, epoch, proofs, door, parked, wrong, enrolled, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		s.Workspace, s.User, s.ID, s.Hash, s.Epoch, s.Proofs.String(), string(s.Door), s.Parked, s.Wrong, s.Enrolled,
		ms(s.CreatedAt), ms(s.ExpiresAt))
}

func (t *tx) SignIn(workspace, user, id string) (sallyport.SignIn, bool, error) {
	s := sallyport.SignIn{Workspace: workspace, User: user, ID: id}
	var proofs, door string
	var created, expires int64
	ok, err := t.row(`SELECT hash, epoch, proofs, door, parked, wrong, enrolled, created_at, expires_at FROM sign_ins
		WHERE workspace_id = $1 AND user_id = $2 AND id = $3`, []any{workspace, user, id},
		&s.Hash, &s.Epoch, &proofs, &door, &s.Parked, &s.Wrong, &s.Enrolled, &created, &expires)
	s.Proofs, s.Door = sallyport.ParseProofs(proofs), sallyport.Door(door)
	s.CreatedAt, s.ExpiresAt = at(created), at(expires)
	return s, ok, err
}

func (t *tx) SaveSignIn(s sallyport.SignIn) error {
	return t.exec(`UPDATE sign_ins SET hash = $4, epoch = $5, proofs = $6, wrong = $7, enrolled = $8, expires_at = $9
		WHERE workspace_id = $1 AND user_id = $2 AND id = $3`,
		s.Workspace, s.User, s.ID, s.Hash, s.Epoch, s.Proofs.String(), s.Wrong, s.Enrolled, ms(s.ExpiresAt))
}

func (t *tx) DeleteSignIn(workspace, user, id string) (bool, error) {
	return one(t.affected(`DELETE FROM sign_ins WHERE workspace_id = $1 AND user_id = $2 AND id = $3`, workspace, user, id))
}
