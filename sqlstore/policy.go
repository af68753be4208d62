package sqlstore

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/sallyport-2fa/sallyport"
)

const policyColumns = `p.version, p.require_2fa, p.required_from, p.required_until, p.trusted_device_days, p.recovery_code_count,
	p.recovery_code_mode, p.allow_reset_when_required, p.invite_method, p.lowered, p.shown_since, p.admins_since, p.others_since,
	p.phishing_resistant, p.phishing_resistant_from, p.phishing_resistant_until, p.passkey_admins_since, p.passkey_others_since, p.approvals`

// policyRow scans a policy.
type policyRow struct {
	sallyport.Policy
	required, passkey requirementRow
	lowered           string
}

// requirementRow scans a requirement.
type requirementRow struct {
	of             string
	from           int64
	until          string
	admins, others int64 // Since
}

func (r *policyRow) dest() []any {
	return []any{&r.Version, &r.required.of, &r.required.from, &r.required.until, &r.TrustedDeviceDays, &r.RecoveryCodeCount,
		&r.RecoveryCodeMode, &r.AllowResetWhenRequired, &r.InviteMethod, &r.lowered, &r.ShownSince, &r.required.admins, &r.required.others,
		&r.passkey.of, &r.passkey.from, &r.passkey.until, &r.passkey.admins, &r.passkey.others, &r.Approvals}
}

func (r *policyRow) policy() (sallyport.Policy, error) {
	var err error
	if r.Require2FA, err = r.required.requirement(); err != nil {
		return r.Policy, err
	}
	if r.PhishingResistant, err = r.passkey.requirement(); err != nil || r.lowered == "" {
		return r.Policy, err
	}
	return r.Policy, json.Unmarshal([]byte(r.lowered), &r.Policy.Lowered)
}

func (r requirementRow) requirement() (sallyport.Requirement, error) {
	q := sallyport.Requirement{Of: r.of, From: at(r.from), Since: sallyport.Since{Admins: at(r.admins), Others: at(r.others)}}
	if r.until == "" {
		return q, nil
	}
	return q, json.Unmarshal([]byte(r.until), &q.Until)
}

// requirementArgs returns the columns of a requirement: of, from, until, and since when.
func requirementArgs(q sallyport.Requirement) ([]any, error) {
	until := ""
	if !q.From.IsZero() {
		var err error
		if until, err = jsonText(q.Until); err != nil {
			return nil, err
		}
	}
	return []any{q.Of, ms(q.From), until, ms(q.Since.Admins), ms(q.Since.Others)}, nil
}

// policyArgs returns the columns of a policy, apart from the workspace.
func policyArgs(p sallyport.Policy) ([]any, error) {
	required, err := requirementArgs(p.Require2FA)
	if err != nil {
		return nil, err
	}
	passkey, err := requirementArgs(p.PhishingResistant)
	if err != nil {
		return nil, err
	}
	lowered := ""
	if len(p.Lowered) > 0 {
		if lowered, err = jsonText(p.Lowered); err != nil {
			return nil, err
		}
	}
	return slices.Concat([]any{p.Version}, required, passkey, []any{p.TrustedDeviceDays, p.RecoveryCodeCount, p.RecoveryCodeMode,
		p.AllowResetWhenRequired, p.InviteMethod, p.Approvals, lowered, p.ShownSince}), nil
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
	args, err := policyArgs(p)
	if err != nil {
		return false, err
	}
	return one(t.affected(`UPDATE policies SET version = $2, require_2fa = $3, required_from = $4, required_until = $5, admins_since = $6,
			others_since = $7, phishing_resistant = $8, phishing_resistant_from = $9, phishing_resistant_until = $10,
			passkey_admins_since = $11, passkey_others_since = $12, trusted_device_days = $13, recovery_code_count = $14,
			recovery_code_mode = $15, allow_reset_when_required = $16, invite_method = $17, approvals = $18, lowered = $19,
			shown_since = $20
		WHERE workspace_id = $1 AND version = $2 - 1`, append([]any{workspace}, args...)...))
}

func (t *tx) CountPeople(workspace string) ([]sallyport.RoleCount, error) {
	var all []sallyport.RoleCount
	err := t.rows(`SELECT role, count(*), count(CASE WHEN two_factor = 0 THEN 1 END), count(CASE WHEN two_factor < 2 THEN 1 END) FROM users
		WHERE workspace_id = $1 AND state IN ('active', 'invited') GROUP BY role`, []any{workspace}, func(scan scanner) error {
		var c sallyport.RoleCount
		var role string
		if err := scan(&role, &c.People, &c.Without, &c.WithoutPasskey); err != nil {
			return err
		}
		c.Role = sallyport.Role(role)
		all = append(all, c)
		return nil
	})
	return all, err
}
