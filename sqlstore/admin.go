package sqlstore

import "github.com/sallyport-2fa/sallyport"

func (t *tx) UsersAfter(workspace, after string, limit int) ([]sallyport.User, error) {
	var users []sallyport.User
	err := t.rows(`SELECT `+userColumns+` FROM users u WHERE u.workspace_id = $1 AND u.id > $2 ORDER BY u.id LIMIT $3`,
		[]any{workspace, after, limit}, func(scan scanner) error {
			var r userRow
			if err := scan(r.dest()...); err != nil {
				return err
			}
			users = append(users, r.user())
			return nil
		})
	return users, err
}
