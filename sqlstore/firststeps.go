package sqlstore

import (
	"time"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) FirstSteps(workspace string) (keyset, dismissed time.Time, people bool, err error) {
	var kept, hidden, more int64
	_, err = t.row(`SELECT max(CASE WHEN step = 'keyset' THEN at ELSE 0 END), max(CASE WHEN step = 'dismiss' THEN at ELSE 0 END), max(CASE WHEN step = '' THEN at ELSE 0 END)
		FROM (SELECT step, at FROM first_steps WHERE workspace_id = $1
			UNION ALL SELECT '', count(*) FROM (SELECT 1 FROM users WHERE workspace_id = $1 LIMIT 2) people) steps`,
		[]any{workspace}, &kept, &hidden, &more)
	return at(kept), at(hidden), more > 1, err
}

func (t *tx) SaveFirstStep(workspace string, step sallyport.FirstStep, now time.Time) error {
	return t.exec(`INSERT INTO first_steps (workspace_id, step, at) VALUES ($1, $2, $3) ON CONFLICT (workspace_id, step) DO NOTHING`,
		workspace, string(step), ms(now))
}
