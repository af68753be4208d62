package sqlstore

import (
	"time"

	"github.com/sallyport-2fa/sallyport"
)

const approvalColumns = `workspace_id, user_id, id, sign_in, number, state, failed, agent, address, created_at, expires_at`

func (t *tx) approvals(sql string, args ...any) (all []sallyport.Approval, err error) {
	err = t.rows(`SELECT `+approvalColumns+` FROM approvals `+sql, args, func(scan scanner) error {
		var a sallyport.Approval
		var state string
		var created, expires int64
		err := scan(&a.Workspace, &a.User, &a.ID, &a.SignIn, &a.Number, &state, &a.Failed, &a.Agent, &a.Address, &created, &expires)
		a.State, a.CreatedAt, a.ExpiresAt = sallyport.ApprovalState(state), at(created), at(expires)
		all = append(all, a)
		return err
	})
	return all, err
}

func (t *tx) Approval(workspace, user string) (sallyport.Approval, bool, error) {
	all, err := t.approvals(`WHERE workspace_id = $1 AND user_id = $2`, workspace, user)
	if err != nil || len(all) == 0 {
		return sallyport.Approval{}, false, err
	}
	return all[0], true, nil
}

func (t *tx) SaveApproval(a sallyport.Approval) error {
	var until time.Time
	if a.State == sallyport.ApprovalWaits {
		until = a.ExpiresAt
	}
	if err := t.exec(`UPDATE users SET asked_until = $3 WHERE workspace_id = $1 AND id = $2`, a.Workspace, a.User, ms(until)); err != nil {
		return err
	}
	return t.exec(`INSERT INTO approvals (`+approvalColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (workspace_id, user_id) DO UPDATE SET id = excluded.id, sign_in = excluded.sign_in, number = excluded.number,
			state = excluded.state, failed = excluded.failed, agent = excluded.agent, address = excluded.address,
			created_at = excluded.created_at, expires_at = excluded.expires_at`,
		a.Workspace, a.User, a.ID, a.SignIn, a.Number, string(a.State), a.Failed, a.Agent, a.Address, ms(a.CreatedAt), ms(a.ExpiresAt))
}

func (t *tx) LiveApprovals(now time.Time) ([]sallyport.Approval, error) {
	return t.approvals(`WHERE expires_at > $1`, ms(now))
}
