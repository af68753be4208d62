package sqlstore

import (
	"encoding/json"
	"fmt"

	"github.com/sallyport-2fa/sallyport"
)

const policyColumns = `p.version, p.require_2fa, p.required_from, p.required_until, p.trusted_device_days, p.recovery_code_count,
	p.recovery_code_mode, p.allow_reset_when_required, p.invite_method, p.lowered, p.shown_since, p.admins_since, p.others_since`

// policyRow scans a policy.
type policyRow struct {
	sallyport.Policy
	from           int64
	until          string
	lowered        string
	admins, others int64 // Require2FA.Since
}

func (r *policyRow) dest() []any {
	return []any{&r.Version, &r.Require2FA.Of, &r.from, &r.until, &r.TrustedDeviceDays, &r.RecoveryCodeCount,
		&r.RecoveryCodeMode, &r.AllowResetWhenRequired, &r.InviteMethod, &r.lowered, &r.ShownSince, &r.admins, &r.others}
}

func (r *policyRow) policy() (sallyport.Policy, error) {
	r.Require2FA.From = at(r.from)
	r.Require2FA.Since = sallyport.Since{Admins: at(r.admins), Others: at(r.others)}
	if r.until != "" {
		if err := json.Unmarshal([]byte(r.until), &r.Require2FA.Until); err != nil {
			return r.Policy, err
		}
	}
	if r.lowered == "" {
		return r.Policy, nil
	}
	return r.Policy, json.Unmarshal([]byte(r.lowered), &r.Policy.Lowered)
}

// policyTexts returns the columns of a policy that are JSON, or empty.
func policyTexts(p sallyport.Policy) (until, lowered string, err error) {
	if !p.Require2FA.From.IsZero() {
		if until, err = jsonText(p.Require2FA.Until); err != nil {
			return "", "", err
		}
	}
	if len(p.Lowered) > 0 {
		lowered, err = jsonText(p.Lowered)
	}
	return until, lowered, err
}

func jsonText(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func (t *tx) Policy(workspace string) (sallyport.Policy, error) {
	var r policyRow
	ok, err := t.row(`SELECT `+policyColumns+` FROM policies p WHERE p.workspace_id = $1`, []any{workspace}, r.dest()...)
	if err == nil && !ok {
		err = fmt.Errorf("sqlstore: workspace %s has no policy", workspace)
	}
	if err != nil {
		return sallyport.Policy{}, err
	}
	return r.policy()
}

func (t *tx) SavePolicy(workspace string, p sallyport.Policy) (bool, error) {
	until, lowered, err := policyTexts(p)
	if err != nil {
		return false, err
	}
	return one(t.affected(`UPDATE policies SET version = $2, require_2fa = $3, required_from = $4, trusted_device_days = $5,
			recovery_code_count = $6, recovery_code_mode = $7, allow_reset_when_required = $8, invite_method = $9, lowered = $10,
			shown_since = $11, required_until = $12, admins_since = $13, others_since = $14
		WHERE workspace_id = $1 AND version = $2 - 1`,
		workspace, p.Version, p.Require2FA.Of, ms(p.Require2FA.From), p.TrustedDeviceDays,
		p.RecoveryCodeCount, p.RecoveryCodeMode, p.AllowResetWhenRequired, p.InviteMethod, lowered, p.ShownSince, until,
		ms(p.Require2FA.Since.Admins), ms(p.Require2FA.Since.Others)))
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
