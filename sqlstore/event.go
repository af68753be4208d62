package sqlstore

import (
	"encoding/json"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) InsertEvent(e sallyport.Event) error {
	detail := ""
	if len(e.Detail) > 0 {
		b, err := json.Marshal(e.Detail)
		if err != nil {
			return err
		}
		detail = string(b)
	}
	return t.exec(`INSERT INTO events (workspace_id, id, at, kind, actor, actor_kind, subject, door, address, browser, salt, personal_hash, result, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		e.Workspace, e.ID, ms(e.At), e.Kind, e.Actor, e.ActorKind, e.Subject, string(e.Door), e.Address, e.Browser,
		e.Salt, e.PersonalHash, e.Result, detail)
}

func (t *tx) Events(workspace, user, before string, limit int) ([]sallyport.Event, error) {
	if before == "" {
		before = "~" // after every id
	}
	sql := `SELECT id, at, kind, actor, actor_kind, subject, door, address, browser, result, detail FROM events
		WHERE workspace_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`
	args := []any{workspace, before, limit}
	if user != "" {
		sql = `SELECT id, at, kind, actor, actor_kind, subject, door, address, browser, result, detail FROM events
			WHERE workspace_id = $1 AND subject = $4 AND id < $2 ORDER BY id DESC LIMIT $3`
		args = append(args, user)
	}
	var all []sallyport.Event
	err := t.rows(sql, args, func(scan scanner) error {
		e := sallyport.Event{Workspace: workspace}
		var when int64
		var door, detail string
		if err := scan(&e.ID, &when, &e.Kind, &e.Actor, &e.ActorKind, &e.Subject, &door, &e.Address, &e.Browser, &e.Result, &detail); err != nil {
			return err
		}
		e.At, e.Door = at(when), sallyport.Door(door)
		all = append(all, e)
		if detail == "" {
			return nil
		}
		return json.Unmarshal([]byte(detail), &all[len(all)-1].Detail)
	})
	return all, err
}
