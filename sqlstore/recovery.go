package sqlstore

import "github.com/sallyport-2fa/sallyport"

func (t *tx) RecoveryCodes(workspace, user string) ([]sallyport.RecoveryCode, error) {
	var set []sallyport.RecoveryCode
	err := t.rows(`SELECT hash, position, code, used_at, policy_version FROM recovery_codes WHERE workspace_id = $1 AND user_id = $2 ORDER BY position`,
		[]any{workspace, user}, func(scan scanner) error {
			c := sallyport.RecoveryCode{Workspace: workspace, User: user}
			var used int64
			if err := scan(&c.Hash, &c.Position, &c.Sealed, &used, &c.Policy); err != nil {
				return err
			}
			c.UsedAt = at(used)
			set = append(set, c)
			return nil
		})
	return set, err
}

func (t *tx) SpendRecoveryCode(hash []byte, next sallyport.RecoveryCode) (bool, error) {
	return one(t.affected(`UPDATE recovery_codes SET hash = $4, code = $5, used_at = $6, policy_version = $7
		WHERE workspace_id = $1 AND user_id = $2 AND hash = $3 AND used_at = 0`,
		next.Workspace, next.User, hash, next.Hash, next.Sealed, ms(next.UsedAt), next.Policy))
}

func (t *tx) PutRecoveryCodes(workspace, user string, set []sallyport.RecoveryCode) error {
	if err := t.exec(`DELETE FROM recovery_codes WHERE workspace_id = $1 AND user_id = $2`, workspace, user); err != nil {
		return err
	}
	for _, c := range set {
		if err := t.exec(`INSERT INTO recovery_codes (workspace_id, user_id, hash, position, code, policy_version) VALUES ($1, $2, $3, $4, $5, $6)`,
			workspace, user, c.Hash, c.Position, c.Sealed, c.Policy); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) HideRecoveryCodes(workspace string, version int64) error {
	return t.exec(`INSERT INTO erasures (workspace_id, before_version, after_user) VALUES ($1, $2, '')
		ON CONFLICT (workspace_id) DO UPDATE SET before_version = excluded.before_version, after_user = ''`, workspace, version)
}

// EraseRecoveryCodes locks the row of the erasure: a second node continues where the first one stopped, or starts again
// if the policy has changed in between.
func (t *tx) EraseRecoveryCodes(page int) (bool, error) {
	var workspace, after string
	var version int64
	found, err := t.row(`SELECT workspace_id, before_version, after_user FROM erasures ORDER BY workspace_id LIMIT 1`+forUpdate, nil,
		&workspace, &version, &after)
	if err != nil || !found {
		return false, err
	}
	end, err := t.sweepPage(`SELECT user_id FROM recovery_codes WHERE workspace_id = $1 AND user_id > $2 ORDER BY user_id LIMIT 1 OFFSET $3`,
		`UPDATE recovery_codes SET code = NULL
			WHERE workspace_id = $1 AND user_id > $2 AND user_id <= $3 AND code IS NOT NULL AND policy_version < $4`,
		workspace, after, page, version)
	if err != nil {
		return false, err
	}
	if end == "" {
		return true, t.exec(`DELETE FROM erasures WHERE workspace_id = $1`, workspace)
	}
	return true, t.exec(`UPDATE erasures SET after_user = $2 WHERE workspace_id = $1`, workspace, end)
}
