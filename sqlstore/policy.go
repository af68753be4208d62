package sqlstore

import (
	"encoding/json"
	"errors"

	"github.com/sallyport-2fa/sallyport"
)

const policyColumns = `p.version, p.require_2fa, p.required_from, p.trusted_device_days, p.recovery_code_count,
	p.recovery_code_mode, p.allow_reset_when_required, p.invite_method, p.lowered, p.shown_since`

// policyRow is a policy on its way out of a row.
type policyRow struct {
	sallyport.Policy
	from    int64
	lowered string
}

func (r *policyRow) dest() []any {
	return []any{&r.Version, &r.Require2FA, &r.from, &r.TrustedDeviceDays, &r.RecoveryCodeCount,
		&r.RecoveryCodeMode, &r.AllowResetWhenRequired, &r.InviteMethod, &r.lowered, &r.ShownSince}
}

func (r *policyRow) policy() (sallyport.Policy, error) {
	r.RequiredFrom = at(r.from)
	if r.lowered == "" {
		return r.Policy, nil
	}
	return r.Policy, json.Unmarshal([]byte(r.lowered), &r.Policy.Lowered)
}

func loweredText(l []sallyport.Lowering) (string, error) {
	if len(l) == 0 {
		return "", nil
	}
	b, err := json.Marshal(l)
	return string(b), err
}

func (t *tx) Policy(workspace string) (sallyport.Policy, error) {
	var r policyRow
	ok, err := t.row(`SELECT `+policyColumns+` FROM policies p WHERE p.workspace_id = $1`, []any{workspace}, r.dest()...)
	if err == nil && !ok {
		err = errors.New("a workspace without a policy")
	}
	if err != nil {
		return sallyport.Policy{}, err
	}
	return r.policy()
}

func (t *tx) SavePolicy(workspace string, p sallyport.Policy) (bool, error) {
	lowered, err := loweredText(p.Lowered)
	if err != nil {
		return false, err
	}
	return one(t.affected(`UPDATE policies SET version = $2, require_2fa = $3, required_from = $4, trusted_device_days = $5,
			recovery_code_count = $6, recovery_code_mode = $7, allow_reset_when_required = $8, invite_method = $9, lowered = $10,
			shown_since = $11
		WHERE workspace_id = $1 AND version = $2 - 1`,
		workspace, p.Version, p.Require2FA, ms(p.RequiredFrom), p.TrustedDeviceDays,
		p.RecoveryCodeCount, p.RecoveryCodeMode, p.AllowResetWhenRequired, p.InviteMethod, lowered, p.ShownSince))
}

func (t *tx) CountPeople(workspace string) ([]sallyport.RoleCount, error) {
	var all []sallyport.RoleCount
	err := t.rows(`SELECT role, count(*), count(CASE WHEN two_factor = 0 THEN 1 END) FROM users
		WHERE workspace_id = $1 AND state IN ('active', 'invited') GROUP BY role`, []any{workspace}, func(scan scanner) error {
		var c sallyport.RoleCount
		var role string
		if err := scan(&role, &c.People, &c.Without); err != nil {
			return err
		}
		c.Role = sallyport.Role(role)
		all = append(all, c)
		return nil
	})
	return all, err
}
