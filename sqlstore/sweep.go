package sqlstore

import "time"

func (t *tx) Sweep(now, browsers time.Time) error {
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
	// Wrong ones in a row have no time: what they lock is unlocked by what people do, never by waiting.
	if err := t.exec(`DELETE FROM tries WHERE last < $1 AND until < $2 AND in_row = 0`, ms(now.AddDate(0, 0, -31)), ms(now)); err != nil {
		return err
	}
	return t.exec(`DELETE FROM browsers WHERE last_seen_at < $1`, ms(browsers))
}
