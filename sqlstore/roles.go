package sqlstore

func (t *tx) LockOwners(workspace string) (int64, error) {
	if err := t.exec(`UPDATE workspaces SET name = name WHERE id = $1`, workspace); err != nil {
		return 0, err
	}
	var owners int64
	_, err := t.row(`SELECT count(*) FROM users WHERE workspace_id = $1 AND role = 'owner' AND state = 'active'`, []any{workspace}, &owners)
	return owners, err
}
