package sqlstore

import (
	"strconv"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
)

func (t *tx) Authenticators(workspace, user string) ([]sallyport.Authenticator, error) {
	var all []sallyport.Authenticator
	err := t.rows(`SELECT id, name, algorithm, secret, last_step, refused_steps, created_at, last_used_at, last_used_from
		FROM authenticators WHERE workspace_id = $1 AND user_id = $2 ORDER BY id`, []any{workspace, user}, func(scan scanner) error {
		a := sallyport.Authenticator{Workspace: workspace, User: user}
		var algorithm, refused string
		var created, used int64
		if err := scan(&a.ID, &a.Name, &algorithm, &a.Secret, &a.LastStep, &refused, &created, &used, &a.LastUsedFrom); err != nil {
			return err
		}
		a.Algorithm, a.CreatedAt, a.LastUsedAt = otp.Algorithm(algorithm), at(created), at(used)
		for _, f := range strings.Fields(refused) {
			step, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return err
			}
			a.RefusedSteps = append(a.RefusedSteps, step)
		}
		all = append(all, a)
		return nil
	})
	return all, err
}

func refusedText(steps []int64) string {
	var out []string
	for _, s := range steps {
		out = append(out, strconv.FormatInt(s, 10))
	}
	return strings.Join(out, " ")
}

func (t *tx) InsertAuthenticator(a sallyport.Authenticator) error {
	return t.exec(`INSERT INTO authenticators (workspace_id, user_id, id, name, algorithm, secret, last_step, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		a.Workspace, a.User, a.ID, a.Name, string(a.Algorithm), a.Secret, a.LastStep, ms(a.CreatedAt))
}

func (t *tx) BurnStep(a sallyport.Authenticator) (bool, error) {
	return one(t.affected(`UPDATE authenticators SET last_step = $4, last_used_at = $5, last_used_from = $6
		WHERE workspace_id = $1 AND user_id = $2 AND id = $3 AND last_step < $4`,
		a.Workspace, a.User, a.ID, a.LastStep, ms(a.LastUsedAt), a.LastUsedFrom))
}

func (t *tx) SaveAuthenticator(a sallyport.Authenticator) error {
	return t.exec(`UPDATE authenticators SET name = $4, secret = $5, refused_steps = $6 WHERE workspace_id = $1 AND user_id = $2 AND id = $3`,
		a.Workspace, a.User, a.ID, a.Name, a.Secret, refusedText(a.RefusedSteps))
}

func (t *tx) DeleteAuthenticator(workspace, user, id string) (bool, error) {
	return one(t.affected(`DELETE FROM authenticators WHERE workspace_id = $1 AND user_id = $2 AND id = $3`, workspace, user, id))
}

func (t *tx) PutDraft(d sallyport.Draft) error {
	return t.exec(`INSERT INTO drafts (workspace_id, user_id, holder, epoch, name, secret, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (workspace_id, user_id, holder) DO UPDATE
		SET epoch = excluded.epoch, name = excluded.name, secret = excluded.secret, expires_at = excluded.expires_at`,
		d.Workspace, d.User, d.Holder, d.Epoch, d.Name, d.Secret, ms(d.ExpiresAt))
}

func (t *tx) Draft(workspace, user, holder string) (sallyport.Draft, bool, error) {
	d := sallyport.Draft{Workspace: workspace, User: user, Holder: holder}
	var expires int64
	ok, err := t.row(`SELECT epoch, name, secret, expires_at FROM drafts WHERE workspace_id = $1 AND user_id = $2 AND holder = $3`,
		[]any{workspace, user, holder}, &d.Epoch, &d.Name, &d.Secret, &expires)
	d.ExpiresAt = at(expires)
	return d, ok, err
}

func (t *tx) DeleteDraft(workspace, user, holder string) (bool, error) {
	return one(t.affected(`DELETE FROM drafts WHERE workspace_id = $1 AND user_id = $2 AND holder = $3`, workspace, user, holder))
}
