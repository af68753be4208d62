package sqlstore

import (
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

const mailColumns = `workspace_id, id, user_id, kind, address, subject, body, state, lease, attempts, tried_from, next_at,
	expires_at, created_at, sent_at, error`

// mailRow scans a mail.
type mailRow struct {
	sallyport.Mail
	tried, next, expires, created, sent int64
}

func (r *mailRow) dest() []any {
	return []any{&r.Workspace, &r.ID, &r.User, &r.Kind, &r.To, &r.Subject, &r.Body, &r.State, &r.Lease, &r.Attempts,
		&r.tried, &r.next, &r.expires, &r.created, &r.sent, &r.Error}
}

func (t *tx) mails(sql string, args ...any) (all []sallyport.Mail, err error) {
	err = t.rows(sql, args, func(scan scanner) error {
		var r mailRow
		if err := scan(r.dest()...); err != nil {
			return err
		}
		r.TriedFrom, r.NextAt, r.ExpiresAt, r.CreatedAt, r.SentAt = at(r.tried), at(r.next), at(r.expires), at(r.created), at(r.sent)
		all = append(all, r.Mail)
		return nil
	})
	return all, err
}

func (t *tx) InsertMail(m sallyport.Mail) error {
	return t.exec(`INSERT INTO outbox (`+mailColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		m.Workspace, m.ID, m.User, m.Kind, m.To, m.Subject, m.Body, m.State, m.Lease, m.Attempts,
		ms(m.TriedFrom), ms(m.NextAt), ms(m.ExpiresAt), ms(m.CreatedAt), ms(m.SentAt), m.Error)
}

func (t *tx) Mails(workspace, state, before string, limit int) ([]sallyport.Mail, error) {
	if before == "" {
		before = "~" // after every id
	}
	conditions, args := `workspace_id = $1 AND id < $2`, []any{workspace, before, limit}
	if state != "" {
		conditions, args = conditions+` AND state = $4`, append(args, state)
	}
	all, err := t.mails(`SELECT `+mailColumns+` FROM outbox WHERE `+conditions+` ORDER BY id DESC LIMIT $3`, args...)
	slices.Reverse(all)
	return all, err
}

// TakeMails repeats the condition that a mail is due outside of the sub-select. If two nodes choose the same row, the
// second waits for the first, and then finds that the mail is no longer due.
func (t *tx) TakeMails(now, until time.Time, lease string, limit int) ([]sallyport.Mail, error) {
	return t.mails(`UPDATE outbox SET lease = $1, next_at = $2, attempts = attempts + 1
		WHERE state = 'waiting' AND next_at <= $3 AND (workspace_id, id) IN (
			SELECT workspace_id, id FROM outbox WHERE state = 'waiting' AND next_at <= $3 ORDER BY next_at LIMIT $4)
		RETURNING `+mailColumns, lease, ms(until), ms(now), limit)
}

func (t *tx) SettleMail(m sallyport.Mail) error {
	return t.exec(`UPDATE outbox SET lease = '', state = $1, body = $2, tried_from = $3, next_at = $4, sent_at = $5, error = $6
		WHERE workspace_id = $7 AND id = $8 AND state = 'waiting' AND lease = $9`,
		m.State, m.Body, ms(m.TriedFrom), ms(m.NextAt), ms(m.SentAt), m.Error, m.Workspace, m.ID, m.Lease)
}

// RetryMails repeats its condition outside of the sub-select, as TakeMails does.
func (t *tx) RetryMails(workspace, id string, now time.Time, limit int) (int64, error) {
	const retriable = `workspace_id = $1 AND state = 'failed' AND body IS NOT NULL AND (expires_at = 0 OR expires_at > $2)`
	const again = `UPDATE outbox SET state = 'waiting', attempts = 0, tried_from = 0, next_at = $2, error = '' WHERE ` + retriable
	if id != "" {
		return t.affected(again+` AND id = $3`, workspace, ms(now), id)
	}
	return t.affected(again+` AND id IN (SELECT id FROM outbox WHERE `+retriable+` ORDER BY state, id LIMIT $3)`, workspace, ms(now), limit)
}

func (t *tx) MailSender(workspace string) (sallyport.HostedWorkspace, error) {
	all, err := t.hosted(`WHERE w.id = $1`, workspace)
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("sqlstore: workspace %s has %d hosts, but mail needs exactly one", workspace, len(all))
	}
	if err != nil {
		return sallyport.HostedWorkspace{}, err
	}
	return all[0], nil
}
