package sqlstore

import (
	"slices"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) InsertMail(m sallyport.Mail) error {
	return t.exec(`INSERT INTO outbox (workspace_id, id, user_id, kind, address, subject, body, state, next_at, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		m.Workspace, m.ID, m.User, m.Kind, m.To, m.Subject, m.Body, m.State, ms(m.NextAt), ms(m.CreatedAt))
}

func (t *tx) Mails(workspace string, limit int) ([]sallyport.Mail, error) {
	var all []sallyport.Mail
	err := t.rows(`SELECT id, user_id, kind, address, subject, body, state, attempts, next_at, created_at, sent_at, error FROM outbox
		WHERE workspace_id = $1 ORDER BY id DESC LIMIT $2`, []any{workspace, limit}, func(scan scanner) error {
		m := sallyport.Mail{Workspace: workspace}
		var next, created, sent int64
		if err := scan(&m.ID, &m.User, &m.Kind, &m.To, &m.Subject, &m.Body, &m.State, &m.Attempts, &next, &created, &sent, &m.Error); err != nil {
			return err
		}
		m.NextAt, m.CreatedAt, m.SentAt = at(next), at(created), at(sent)
		all = append(all, m)
		return nil
	})
	slices.Reverse(all)
	return all, err
}
