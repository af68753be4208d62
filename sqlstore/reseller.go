package sqlstore

import (
	"time"

	"github.com/sallyport-2fa/sallyport"
)

// Resold is one statement. It counts people by an index.
func (t *tx) Resold(reseller, before string, day time.Time, count, limit int) ([]sallyport.Resold, error) {
	var all []sallyport.Resold
	err := t.rows(`SELECT `+workspaceColumns+`, h.host,
			COALESCE(a.people, (SELECT count(*) FROM users u WHERE u.workspace_id = w.id AND u.state = 'active')),
			COALESCE(a.enabled, (SELECT count(*) FROM users u WHERE u.workspace_id = w.id AND u.state = 'active' AND u.two_factor <> 0))
		FROM workspaces w JOIN hosts h ON h.workspace_id = w.id LEFT JOIN workspaces r ON r.id = w.reseller
			LEFT JOIN adoption a ON a.workspace_id = w.id AND a.day = $3 AND a.people > $4
		WHERE w.reseller = $1 AND w.reseller <> '' AND (w.id < $2 OR $2 = '') ORDER BY w.id DESC LIMIT $5`,
		[]any{reseller, before, day.Unix() / secondsOfDay, count, limit}, func(scan scanner) error {
			var r workspaceRow
			one := sallyport.Resold{Adoption: sallyport.Adoption{Day: day}}
			if err := scan(append(r.dest(), &one.Host, &one.People, &one.Enabled)...); err != nil {
				return err
			}
			one.HostedWorkspace.Workspace, one.Adoption.Workspace = r.workspace(), r.ID
			all = append(all, one)
			return nil
		})
	return all, err
}
