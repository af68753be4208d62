package sqlstore

import "github.com/sallyport-2fa/sallyport"

func (t *tx) PutDraft(d sallyport.Draft) error {
	return t.exec(`INSERT INTO drafts (workspace_id, user_id, holder, epoch, name, replaces, secret, refused_steps, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (workspace_id, user_id, holder) DO UPDATE
		SET epoch = excluded.epoch, name = excluded.name, replaces = excluded.replaces, secret = excluded.secret,
			refused_steps = excluded.refused_steps, expires_at = excluded.expires_at`,
		d.Workspace, d.User, d.Holder, d.Epoch, d.Name, d.Replaces, d.Secret, stepsText(d.RefusedSteps), ms(d.ExpiresAt))
}

func (t *tx) Draft(workspace, user, holder string) (sallyport.Draft, bool, error) {
	d := sallyport.Draft{Workspace: workspace, User: user, Holder: holder}
	var refused string
	var expires int64
	ok, err := t.row(`SELECT epoch, name, replaces, secret, refused_steps, expires_at FROM drafts
		WHERE workspace_id = $1 AND user_id = $2 AND holder = $3`,
		[]any{workspace, user, holder}, &d.Epoch, &d.Name, &d.Replaces, &d.Secret, &refused, &expires)
	if err != nil || !ok {
		return d, ok, err
	}
	d.ExpiresAt = at(expires)
	d.RefusedSteps, err = parseSteps(refused)
	return d, true, err
}

func (t *tx) DeleteDraft(workspace, user, holder string) (bool, error) {
	return one(t.affected(`DELETE FROM drafts WHERE workspace_id = $1 AND user_id = $2 AND holder = $3`, workspace, user, holder))
}
