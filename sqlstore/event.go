package sqlstore

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/lifetime"
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
	err := t.exec(`INSERT INTO events (workspace_id, id, at, kind, actor, actor_kind, subject, door, address, browser, salt, personal_hash, result, app, detail, mac)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		e.Workspace, e.ID, ms(e.At), e.Kind, e.Actor, e.ActorKind, e.Subject, string(e.Door), e.Address, e.Agent,
		e.Salt, e.PersonalHash, e.Result, e.App, detail, e.MAC)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO unsealed (workspace_id, event_id, mac, signed_in) VALUES ($1, $2, $3, $4)`, e.Workspace, e.ID, e.MAC, e.SignedIn())
}

// eventColumns are the columns that pages show.
const eventColumns = `id, at, kind, actor, actor_kind, subject, door, address, browser, result, app, detail`

// eventRow scans an event.
type eventRow struct {
	sallyport.Event
	when, position int64
	door, detail   string
	parsed         string // the JSON that Detail was parsed from
}

func (r *eventRow) dest() []any {
	return []any{&r.ID, &r.when, &r.Kind, &r.Actor, &r.ActorKind, &r.Subject, &r.door, &r.Address, &r.Agent, &r.Result, &r.App, &r.detail}
}

// event converts the row. A detail that is not valid JSON, because someone changed it, is kept as it is, under an empty
// name. Consecutive rows with the same detail share one map.
func (r *eventRow) event() sallyport.Event {
	r.At, r.Door, r.Position = at(r.when), sallyport.Door(r.door), int(r.position)
	if r.detail != r.parsed {
		r.parsed, r.Detail = r.detail, nil
		if r.detail != "" && json.Unmarshal([]byte(r.detail), &r.Detail) != nil {
			r.Detail = map[string]string{"": r.detail}
		}
	}
	return r.Event
}

// Events has one statement for each set of conditions. The events of a person are read from two indexes, each as far as
// needed.
func (t *tx) Events(workspace string, f sallyport.EventFilter, before string, limit int) ([]sallyport.Event, error) {
	from, to := f.IDs()
	if before == "" {
		before = "~" // after every id
	}
	if to != "" {
		before = min(before, to)
	}
	args := []any{workspace, before, limit}
	var where strings.Builder
	add := func(condition string, value string) {
		if value != "" {
			args = append(args, value)
			where.WriteString(` AND ` + condition + ` $` + strconv.Itoa(len(args)))
		}
	}
	add(`id >=`, from)
	add(`kind =`, f.Kind)
	if f.Kind != "" && f.Kind != "sign_in.completed" {
		where.WriteString(` AND kind <> 'sign_in.completed'`) // the condition of its index
	}
	add(`address <> '' AND address =`, f.Address)
	add(`subject =`, f.Subject)
	add(`app <> '' AND app =`, f.App)
	switch f.Result {
	case sallyport.Refused:
		where.WriteString(` AND result = 'refused'`) // constant, for its partial index
	default:
		add(`result =`, f.Result)
	}
	list := func(who string) string {
		return `SELECT ` + eventColumns + ` FROM events WHERE workspace_id = $1 AND id < $2` + where.String() + who + ` ORDER BY id DESC LIMIT $3`
	}
	sql := list(``)
	if f.Person != "" {
		args = append(args, f.Person)
		person := `$` + strconv.Itoa(len(args))
		sql = `SELECT * FROM (SELECT * FROM (` + list(` AND subject = `+person) + `) AS s UNION ALL SELECT * FROM (` +
			list(` AND actor <> subject AND actor = `+person) + `) AS a) AS e ORDER BY id DESC LIMIT $3`
	}
	var all []sallyport.Event
	err := t.rows(sql, args, func(scan scanner) error {
		r := eventRow{Event: sallyport.Event{Workspace: workspace}}
		if err := scan(r.dest()...); err != nil {
			return err
		}
		all = append(all, r.event())
		return nil
	})
	return all, err
}

// deletions are the phases of EraseDeleted: how to find the end of a page, and what to do up to there. There is no
// index from a person to their e-mails, because it would have to be written with every e-mail. So that phase reads all
// e-mails of the workspace.
var deletions = []struct{ find, do string }{
	{`SELECT id FROM outbox WHERE workspace_id = $1 AND $2 <> '' AND id > $3 ORDER BY id LIMIT 1 OFFSET $4`,
		`DELETE FROM outbox WHERE workspace_id = $1 AND user_id = $2 AND id > $3 AND id <= $4`},
	{`SELECT id FROM events WHERE workspace_id = $1 AND subject = $2 AND id > $3 ORDER BY id LIMIT 1 OFFSET $4`,
		`UPDATE events SET address = '', browser = '', salt = NULL
			WHERE workspace_id = $1 AND subject = $2 AND id > $3 AND id <= $4 AND (actor = '' OR actor = $2)`},
	{`SELECT id FROM events WHERE workspace_id = $1 AND actor = $2 AND actor <> subject AND id > $3 ORDER BY id LIMIT 1 OFFSET $4`,
		`UPDATE events SET address = '', browser = '', salt = NULL
			WHERE workspace_id = $1 AND actor = $2 AND actor <> subject AND id > $3 AND id <= $4`},
	deletionOfGroup: {`SELECT user_id FROM memberships WHERE workspace_id = $1 AND group_id = $2 AND user_id > $3 ORDER BY user_id LIMIT 1 OFFSET $4`,
		`DELETE FROM memberships WHERE workspace_id = $1 AND group_id = $2 AND user_id > $3 AND user_id <= $4`},
}

// deletionOfGroup is the only phase of a deleted group, and the last one of a deleted person, who has nothing there.
const deletionOfGroup = 3

// EraseDeleted locks the row of a deletion, so that a second node continues where the first one stopped.
func (t *tx) EraseDeleted(page int) (bool, error) {
	var workspace, user, after, end string
	var phase int
	found, err := t.row(`SELECT workspace_id, user_id, phase, after_id FROM deletions ORDER BY workspace_id, user_id LIMIT 1`+forUpdate, nil,
		&workspace, &user, &phase, &after)
	if err != nil || !found {
		return false, err
	}
	if phase >= len(deletions) {
		return true, t.exec(`DELETE FROM deletions WHERE workspace_id = $1 AND user_id = $2`, workspace, user)
	}
	more, err := t.row(deletions[phase].find, []any{workspace, user, after, page - 1}, &end)
	if err != nil {
		return false, err
	}
	last, next := end, phase
	if !more {
		last, next = "~", phase+1 // "~" is after every id
	}
	if err := t.exec(deletions[phase].do, workspace, user, after, last); err != nil {
		return false, err
	}
	return true, t.exec(`UPDATE deletions SET phase = $3, after_id = $4 WHERE workspace_id = $1 AND user_id = $2`, workspace, user, next, end)
}

func (t *tx) ClockMailed(workspace string, now time.Time, age time.Duration) (bool, error) {
	return one(t.affected(`UPDATE workspaces SET clock_told_at = $2 WHERE id = $1 AND (clock_told_at <= $3 OR clock_told_at > $4)`,
		workspace, ms(now), ms(now.Add(-age)), ms(now.Add(lifetime.Grace))))
}
