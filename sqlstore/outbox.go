package sqlstore

import (
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

const mailColumns = `workspace_id, id, user_id, kind, address, subject, body, state, lease, attempts, next_at, expires_at,
	created_at, sent_at, error`

// mailRow is a mail on its way out of a row.
type mailRow struct {
	sallyport.Mail
	next, expires, created, sent int64
}

func (r *mailRow) dest() []any {
	return []any{&r.Workspace, &r.ID, &r.User, &r.Kind, &r.To, &r.Subject, &r.Body, &r.State, &r.Lease, &r.Attempts,
		&r.next, &r.expires, &r.created, &r.sent, &r.Error}
}

func (t *tx) mails(sql string, args ...any) (all []sallyport.Mail, err error) {
	err = t.rows(sql, args, func(scan scanner) error {
		var r mailRow
		if err := scan(r.dest()...); err != nil {
			return err
		}
		r.NextAt, r.ExpiresAt, r.CreatedAt, r.SentAt = at(r.next), at(r.expires), at(r.created), at(r.sent)
		all = append(all, r.Mail)
		return nil
	})
	return all, err
}

func (t *tx) InsertMail(m sallyport.Mail) error {
	return t.exec(`INSERT INTO outbox (`+mailColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		m.Workspace, m.ID, m.User, m.Kind, m.To, m.Subject, m.Body, m.State, m.Lease, m.Attempts,
		ms(m.NextAt), ms(m.ExpiresAt), ms(m.CreatedAt), ms(m.SentAt), m.Error)
}

func (t *tx) Mails(workspace, before string, limit int) ([]sallyport.Mail, error) {
	if before == "" {
		before = "~" // after every id
	}
	all, err := t.mails(`SELECT `+mailColumns+` FROM outbox WHERE workspace_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, workspace, before, limit)
	slices.Reverse(all)
	return all, err
}

// TakeMails asks whether each mail is due once more outside of the sub-select: of two nodes that chose the same row the
// second waits for the first, and then finds that it is not due any more.
func (t *tx) TakeMails(now, until time.Time, lease string, limit int) ([]sallyport.Mail, error) {
	return t.mails(`UPDATE outbox SET lease = $1, next_at = $2, attempts = attempts + 1
		WHERE state = 'waiting' AND next_at <= $3 AND (workspace_id, id) IN (
			SELECT workspace_id, id FROM outbox WHERE state = 'waiting' AND next_at <= $3 ORDER BY next_at LIMIT $4)
		RETURNING `+mailColumns, lease, ms(until), ms(now), limit)
}

func (t *tx) SettleMail(m sallyport.Mail) error {
	return t.exec(`UPDATE outbox SET lease = '', state = $1, body = $2, next_at = $3, sent_at = $4, error = $5
		WHERE workspace_id = $6 AND id = $7 AND state = 'waiting' AND lease = $8`,
		m.State, m.Body, ms(m.NextAt), ms(m.SentAt), m.Error, m.Workspace, m.ID, m.Lease)
}

func (t *tx) MailSender(workspace string) (sallyport.HostedWorkspace, error) {
	all, err := t.hosted(`WHERE w.id = $1`, workspace)
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("sqlstore: workspace %s has %d hosts, where mail needs one", workspace, len(all))
	}
	if err != nil {
		return sallyport.HostedWorkspace{}, err
	}
	return all[0], nil
}
