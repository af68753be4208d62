package sqlstore

import (
	"time"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) Sweep(now time.Time) error {
	for _, sql := range []string{
		`DELETE FROM sessions WHERE expires_at < $1`,
		`DELETE FROM sign_ins WHERE expires_at < $1`,
		`DELETE FROM drafts WHERE expires_at < $1`,
		`DELETE FROM links WHERE expires_at < $1`,
	} {
		if err := t.exec(sql, ms(now)); err != nil {
			return err
		}
	}
	return nil
}

// SweepTries: wrong ones in a row have no time. What they lock is unlocked by what people do, never by waiting.
func (t *tx) SweepTries(after sallyport.Place, page int, now time.Time) (sallyport.Place, error) {
	return t.sweepPage(`SELECT workspace_id, subject FROM tries WHERE (workspace_id, subject) > ($1, $2)
			ORDER BY workspace_id, subject LIMIT 1 OFFSET $3`,
		`DELETE FROM tries WHERE (workspace_id, subject) > ($1, $2) AND (workspace_id, subject) <= ($3, $4)
			AND last < $5 AND until < $6 AND in_row = 0`, after, page, ms(now.AddDate(0, 0, -31)), ms(now))
}

func (t *tx) SweepBrowsers(after sallyport.Place, page int, seen time.Time) (sallyport.Place, error) {
	return t.sweepPage(`SELECT workspace_id, user_id FROM browsers WHERE (workspace_id, user_id) > ($1, $2)
			ORDER BY workspace_id, user_id LIMIT 1 OFFSET $3`,
		`DELETE FROM browsers WHERE (workspace_id, user_id) > ($1, $2) AND (workspace_id, user_id) <= ($3, $4)
			AND last_seen_at < $5`, after, page, ms(seen))
}

// sweepPage finds where the page ends, and deletes up to there.
func (t *tx) sweepPage(find, remove string, after sallyport.Place, page int, times ...any) (end sallyport.Place, err error) {
	more, err := t.row(find, []any{after.Workspace, after.Subject, page - 1}, &end.Workspace, &end.Subject)
	if err != nil {
		return end, err
	}
	last := end
	if !more {
		last.Workspace = "~" // after every id
	}
	return end, t.exec(remove, append([]any{after.Workspace, after.Subject, last.Workspace, last.Subject}, times...)...)
}
