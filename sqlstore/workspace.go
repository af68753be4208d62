package sqlstore

import "github.com/sallyport-2fa/sallyport"

func (t *tx) InsertWorkspace(w sallyport.Workspace, p sallyport.Policy, host string) error {
	if err := inserted(t.affected(`INSERT INTO workspaces (id, name, reseller, brand, colour, created_at)
		SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT 1 FROM hosts WHERE host = $7)`,
		w.ID, w.Name, w.Reseller, w.Brand, w.Colour, ms(w.CreatedAt), host)); err != nil {
		return err
	}
	if err := inserted(t.affected(`INSERT INTO hosts (host, workspace_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, host, w.ID)); err != nil {
		return err
	}
	if err := t.exec(`UPDATE workspaces SET resells = 1 WHERE id = $1 AND resells = 0`, w.Reseller); err != nil {
		return err
	}
	args, err := policyArgs(p)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO policies (workspace_id, version, require_2fa, required_from, required_until, admins_since, others_since,
			phishing_resistant, phishing_resistant_from, phishing_resistant_until, passkey_admins_since, passkey_others_since,
			trusted_device_days, recovery_code_count, recovery_code_mode, allow_reset_when_required, invite_method, approvals,
			lowered, shown_since)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`,
		append([]any{w.ID}, args...)...)
}

func (t *tx) Workspaces() ([]sallyport.HostedWorkspace, error) {
	return t.hosted(`ORDER BY w.created_at, w.id`)
}

// workspaceColumns are columns of workspaces w, and of the reseller r if it has one.
const workspaceColumns = `w.id, w.name, w.reseller, w.resells, w.brand, w.colour, w.created_at,
	COALESCE(NULLIF(r.brand, ''), r.name, ''), COALESCE(r.colour, '')`

// workspaceRow scans a workspace.
type workspaceRow struct {
	sallyport.Workspace
	created       int64
	brand, colour string // of the reseller
}

func (r *workspaceRow) dest() []any {
	return []any{&r.ID, &r.Name, &r.Reseller, &r.Resells, &r.Brand, &r.Colour, &r.created, &r.brand, &r.colour}
}

func (r *workspaceRow) workspace() sallyport.Workspace {
	r.CreatedAt = at(r.created)
	return r.WithReseller(r.brand, r.colour)
}

// hosted reads workspaces with the brand of their reseller. The end of the statement selects and orders them.
func (t *tx) hosted(end string, args ...any) ([]sallyport.HostedWorkspace, error) {
	var all []sallyport.HostedWorkspace
	err := t.rows(`SELECT `+workspaceColumns+`, h.host
		FROM workspaces w JOIN hosts h ON h.workspace_id = w.id LEFT JOIN workspaces r ON r.id = w.reseller `+end,
		args, func(scan scanner) error {
			var r workspaceRow
			var host string
			if err := scan(append(r.dest(), &host)...); err != nil {
				return err
			}
			all = append(all, sallyport.HostedWorkspace{Workspace: r.workspace(), Host: host})
			return nil
		})
	return all, err
}

func (t *tx) MoveHost(workspace, host string) error {
	if err := t.exec(`DELETE FROM hosts WHERE workspace_id = $1`, workspace); err != nil {
		return err
	}
	return inserted(t.affected(`INSERT INTO hosts (host, workspace_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, host, workspace))
}

func (t *tx) SaveBrand(workspace, name, colour string) error {
	return t.exec(`UPDATE workspaces SET brand = $2, colour = $3 WHERE id = $1`, workspace, name, colour)
}
