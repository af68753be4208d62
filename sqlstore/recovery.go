package sqlstore

import "github.com/sallyport-2fa/sallyport"

func (t *tx) RecoveryCodes(workspace, user string) ([]sallyport.RecoveryCode, error) {
	var set []sallyport.RecoveryCode
	err := t.rows(`SELECT hash, position, code, used_at FROM recovery_codes WHERE workspace_id = $1 AND user_id = $2 ORDER BY position`,
		[]any{workspace, user}, func(scan scanner) error {
			c := sallyport.RecoveryCode{Workspace: workspace, User: user}
			var used int64
			if err := scan(&c.Hash, &c.Position, &c.Sealed, &used); err != nil {
				return err
			}
			c.UsedAt = at(used)
			set = append(set, c)
			return nil
		})
	return set, err
}

func (t *tx) SpendRecoveryCode(hash []byte, next sallyport.RecoveryCode) (bool, error) {
	return one(t.affected(`UPDATE recovery_codes SET hash = $4, code = $5, used_at = $6
		WHERE workspace_id = $1 AND user_id = $2 AND hash = $3 AND used_at = 0`,
		next.Workspace, next.User, hash, next.Hash, next.Sealed, ms(next.UsedAt)))
}

func (t *tx) PutRecoveryCodes(workspace, user string, set []sallyport.RecoveryCode) error {
	if err := t.exec(`DELETE FROM recovery_codes WHERE workspace_id = $1 AND user_id = $2`, workspace, user); err != nil {
		return err
	}
	for _, c := range set {
		if err := t.exec(`INSERT INTO recovery_codes (workspace_id, user_id, hash, position, code) VALUES ($1, $2, $3, $4, $5)`,
			workspace, user, c.Hash, c.Position, c.Sealed); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) HideRecoveryCodes(workspace string) error {
	return t.exec(`UPDATE recovery_codes SET code = NULL WHERE workspace_id = $1 AND code IS NOT NULL`, workspace)
}
