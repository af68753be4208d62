package sqlstore

import (
	"slices"
	"time"
)

var namedApps = `SELECT id, name FROM apps WHERE workspace_id = $1 AND id IN (` + places(2, namedAtOnce) + `)`

func (t *tx) AppNames(workspace string, ids []string) (map[string]string, error) {
	names := map[string]string{}
	for some := range slices.Chunk(ids, namedAtOnce) {
		err := t.rows(namedApps, namedArgs(workspace, some), func(scan scanner) error {
			var id, name string
			err := scan(&id, &name)
			names[id] = name
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}

func (t *tx) AppOpened(workspace, app, since string, limit int) (opened, read int, last time.Time, err error) {
	var when int64
	_, err = t.row(`SELECT COALESCE(SUM(CASE WHEN kind = 'app.opened' THEN 1 ELSE 0 END), 0), COUNT(*),
			COALESCE(MAX(CASE WHEN kind = 'app.opened' THEN at ELSE 0 END), 0)
		FROM (SELECT kind, at FROM events WHERE workspace_id = $1 AND app <> '' AND app = $2 AND id >= $3 ORDER BY id DESC LIMIT $4) AS newest`,
		[]any{workspace, app, since, limit}, &opened, &read, &when)
	return opened, read, at(when), err
}
