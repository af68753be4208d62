package sqlstore

import (
	"strconv"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/throttle"
)

func (t *tx) Sweep(now time.Time) error {
	for _, sql := range []string{
		`DELETE FROM sign_ins WHERE expires_at < $1`,
		`DELETE FROM drafts WHERE expires_at < $1`,
		`DELETE FROM links WHERE expires_at < $1`,
		`DELETE FROM challenges WHERE expires_at < $1`,
		`DELETE FROM tickets WHERE expires_at < $1`,
		`DELETE FROM app_requests WHERE expires_at < $1`,
		`DELETE FROM device_codes WHERE expires_at < $1`,
		`DELETE FROM access_tokens WHERE expires_at < $1`,
		`DELETE FROM grants WHERE expires_at < $1`,
	} {
		if err := t.exec(sql, ms(now)); err != nil {
			return err
		}
	}
	ahead := now.Add(lifetime.Grace)
	for sql, limit := range map[string]time.Duration{
		`DELETE FROM sign_ins WHERE expires_at > $1`: sallyport.SignInLimit,
		`DELETE FROM drafts WHERE expires_at > $1`:   sallyport.DraftLimit,
		`DELETE FROM links WHERE expires_at > $1`:    sallyport.LinkLimit,

		`DELETE FROM tickets WHERE expires_at > $1`:       sallyport.TicketLimit,
		`DELETE FROM app_requests WHERE expires_at > $1`:  sallyport.AppRequestLimit,
		`DELETE FROM device_codes WHERE expires_at > $1`:  sallyport.DeviceCodeLimit,
		`DELETE FROM access_tokens WHERE expires_at > $1`: sallyport.AccessTokenLimit,
		`DELETE FROM grants WHERE expires_at > $1`:        sallyport.RefreshIdleLimit,
	} {
		if err := t.exec(sql, ms(ahead.Add(limit))); err != nil {
			return err
		}
	}
	for _, table := range []string{"outbox", "logouts"} {
		if err := t.exec(`UPDATE `+table+` SET next_at = $1 WHERE state = 'waiting' AND next_at > $2`, ms(now), ms(ahead.Add(sallyport.MailWaitLimit))); err != nil {
			return err
		}
	}
	return nil
}

// SweepTries keeps rows that lock an account, because time alone does not lift those locks.
func (t *tx) SweepTries(workspace, after string, page int, now time.Time) (string, error) {
	return t.sweepPage(`SELECT subject FROM tries WHERE workspace_id = $1 AND subject > $2 ORDER BY subject LIMIT 1 OFFSET $3`,
		`DELETE FROM tries WHERE workspace_id = $1 AND subject > $2 AND subject <= $3 AND last < $4 AND until < $5 AND in_row = 0
			AND NOT (bucket = 'code' AND count + earlier >= $6)`,
		workspace, after, page, ms(now.AddDate(0, 0, -31)), ms(now), throttle.CodeLimit)
}

func (t *tx) SweepKnownDevices(workspace, after string, page int, now time.Time) (string, error) {
	ahead := ms(now.Add(lifetime.Grace))
	end, err := t.sweepPage(`SELECT user_id FROM browsers WHERE workspace_id = $1 AND user_id > $2 ORDER BY user_id LIMIT 1 OFFSET $3`,
		`DELETE FROM browsers WHERE workspace_id = $1 AND user_id > $2 AND user_id <= $3 AND (last_seen_at < $4 OR last_seen_at > $5)`,
		workspace, after, page, ms(now.Add(-sallyport.KnownDeviceLimit)), ahead)
	if err != nil {
		return "", err
	}
	last := end
	if end == "" {
		last = "~"
	}
	for _, sql := range []string{
		`DELETE FROM trusted_devices WHERE workspace_id = $1 AND user_id > $2 AND user_id <= $3 AND (created_at > $4 OR last_seen_at > $4)`,
		`DELETE FROM links WHERE workspace_id = $1 AND user_id > $2 AND user_id <= $3 AND created_at > $4`,
	} {
		if err := t.exec(sql, workspace, after, last, ahead); err != nil {
			return "", err
		}
	}
	return end, t.exec(`UPDATE users SET reminded_at = $5 WHERE `+remindable+` AND id > $2 AND id <= $3 AND reminded_at > $4`,
		workspace, after, last, ahead, ms(now))
}

func (t *tx) SweepSessions(workspace, after string, page int, now time.Time) (string, error) {
	end, err := t.sweepPage(`SELECT user_id FROM sessions WHERE workspace_id = $1 AND user_id > $2 ORDER BY user_id LIMIT 1 OFFSET $3`,
		`DELETE FROM sessions WHERE workspace_id = $1 AND user_id > $2 AND user_id <= $3
			AND (expires_at < $4 OR created_at > $5 OR last_seen_at > $5)`,
		workspace, after, page, ms(now), ms(now.Add(lifetime.Grace)))
	if err != nil {
		return "", err
	}
	last := end
	if end == "" {
		last = "~"
	}
	for _, table := range []string{"app_sessions", "session_apps"} {
		if err := t.exec(`DELETE FROM `+table+` WHERE workspace_id = $1 AND user_id > $2 AND user_id <= $3 AND NOT EXISTS (
				SELECT 1 FROM sessions s WHERE s.workspace_id = `+table+`.workspace_id AND s.user_id = `+table+`.user_id AND s.id = `+table+`.session_id)`,
			workspace, after, last); err != nil {
			return "", err
		}
	}
	return end, nil
}

// SweepMails relies on ids being in chronological order, so that the oldest come first.
func (t *tx) SweepMails(workspace, before string, limit int) (bool, error) {
	n, err := t.affected(`DELETE FROM outbox WHERE workspace_id = $1 AND id IN (
			SELECT id FROM outbox WHERE workspace_id = $1 AND id < $2 AND state <> 'waiting' ORDER BY id LIMIT `+strconv.Itoa(limit)+`)`,
		workspace, before)
	return n == int64(limit), err
}

// sweepPage finds the end of the page, and runs remove up to there. It returns that end, or "" for the last page.
func (t *tx) sweepPage(find, remove, workspace, after string, page int, bounds ...any) (end string, err error) {
	more, err := t.row(find, []any{workspace, after, page - 1}, &end)
	if err != nil {
		return "", err
	}
	last := end
	if !more {
		last = "~" // after every id and address
	}
	return end, t.exec(remove, append([]any{workspace, after, last}, bounds...)...)
}

func (t *tx) TakeTurn(what sallyport.Turn, now time.Time, age time.Duration) (bool, error) {
	column := map[sallyport.Turn]string{
		sallyport.TurnCount: "counted_at", sallyport.TurnSweep: "swept_at", sallyport.TurnClock: "clock_at", sallyport.TurnSigning: "signing_at",
	}[what]
	return one(t.affected(`UPDATE installation SET `+column+` = $1 WHERE id = 1 AND (`+column+` <= $2 OR `+column+` > $3)`,
		ms(now), ms(now.Add(-age)), ms(now.Add(lifetime.Grace))))
}
