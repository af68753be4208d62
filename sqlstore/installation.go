package sqlstore

import (
	"time"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) Installation() (sallyport.Installation, bool, error) {
	var in sallyport.Installation
	var expires, clock int64
	ok, err := t.row(`SELECT key_check, owner_made, first_run_hash, first_run_expires, clock_at FROM installation WHERE id = 1`, nil,
		&in.KeyCheck, &in.OwnerMade, &in.FirstRunHash, &expires, &clock)
	in.FirstRunExpires, in.ClockAt = at(expires), at(clock)
	return in, ok, err
}

func (t *tx) InsertInstallation(in sallyport.Installation) (bool, error) {
	return one(t.affected(`INSERT INTO installation (id, key_check, swept_at) VALUES (1, $1, $2) ON CONFLICT DO NOTHING`,
		in.KeyCheck, ms(in.MadeAt)))
}

func (t *tx) OpenFirstRun(hash []byte, expires time.Time) (bool, error) {
	return one(t.affected(`UPDATE installation SET first_run_hash = $1, first_run_expires = $2 WHERE id = 1 AND owner_made = 0`,
		hash, ms(expires)))
}

func (t *tx) CloseFirstRun(hash []byte, now time.Time) (bool, error) {
	if hash == nil {
		return one(t.affected(`UPDATE installation SET owner_made = 1, first_run_hash = NULL WHERE id = 1 AND owner_made = 0`))
	}
	return one(t.affected(`UPDATE installation SET owner_made = 1, first_run_hash = NULL
		WHERE id = 1 AND owner_made = 0 AND first_run_hash = $1 AND first_run_expires > $2`, hash, ms(now)))
}

func (t *tx) Touch() error {
	// SQLite does not write a page whose bytes stay the same, so something has to change.
	return t.expect(`UPDATE installation SET touched = 1 - touched WHERE id = 1`)
}
