package sqlstore

import (
	"time"

	"github.com/sallyport-2fa/sallyport"
)

// secondsOfDay converts between Unix seconds and days since 1970-01-01, UTC.
const secondsOfDay = 24 * 60 * 60

func (t *tx) adoption(sql string, args ...any) (all []sallyport.Adoption, err error) {
	err = t.rows(sql, args, func(scan scanner) error {
		var a sallyport.Adoption
		var day int64
		if err := scan(&a.Workspace, &day, &a.People, &a.Enabled, &a.Passkeys); err != nil {
			return err
		}
		a.Day = time.Unix(day*secondsOfDay, 0).UTC()
		all = append(all, a)
		return nil
	})
	return all, err
}

// CountAdoption reads only an index.
func (t *tx) CountAdoption(workspace string) ([]sallyport.Adoption, error) {
	const count = `SELECT workspace_id, 0, count(*), count(CASE WHEN two_factor <> 0 THEN 1 END), count(CASE WHEN two_factor = 2 THEN 1 END) FROM users WHERE state = 'active'`
	if workspace == "" {
		return t.adoption(count + ` GROUP BY workspace_id`)
	}
	return t.adoption(count+` AND workspace_id = $1 GROUP BY workspace_id`, workspace)
}

func (t *tx) Adoption(workspace string, first, last time.Time) ([]sallyport.Adoption, error) {
	return t.adoption(`SELECT workspace_id, day, people, enabled, passkeys FROM adoption WHERE workspace_id = $1 AND day >= $2 AND day <= $3 ORDER BY day`,
		workspace, first.Unix()/secondsOfDay, last.Unix()/secondsOfDay)
}

// SaveAdoption writes nothing if nothing has changed.
func (t *tx) SaveAdoption(a sallyport.Adoption) error {
	return t.exec(`INSERT INTO adoption (workspace_id, day, people, enabled, passkeys) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (workspace_id, day) DO UPDATE SET people = excluded.people, enabled = excluded.enabled, passkeys = excluded.passkeys
		WHERE adoption.people <> excluded.people OR adoption.enabled <> excluded.enabled OR adoption.passkeys <> excluded.passkeys`,
		a.Workspace, a.Day.Unix()/secondsOfDay, a.People, a.Enabled, a.Passkeys)
}
