package sqlstore

import "github.com/sallyport-2fa/sallyport"

func (t *tx) Groups(workspace string) ([]sallyport.Group, error) {
	return t.groups(workspace, `WHERE g.workspace_id = $1 ORDER BY g.name_folded, g.id`, workspace)
}

func (t *tx) GroupsOf(workspace, user string) ([]sallyport.Group, error) {
	return t.groups(workspace, `JOIN memberships m ON m.workspace_id = g.workspace_id AND m.group_id = g.id
		WHERE m.workspace_id = $1 AND m.user_id = $2 ORDER BY g.name_folded, g.id`, workspace, user)
}

func (t *tx) groups(workspace, end string, args ...any) (all []sallyport.Group, err error) {
	err = t.rows(`SELECT g.id, g.name, g.created_at FROM groups g `+end, args, func(scan scanner) error {
		g := sallyport.Group{Workspace: workspace}
		var created int64
		err := scan(&g.ID, &g.Name, &created)
		g.CreatedAt = at(created)
		all = append(all, g)
		return err
	})
	return all, err
}
