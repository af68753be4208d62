package sqlstore

import (
	"time"

	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) InsertLink(l sallyport.Link) error {
	return t.exec(`INSERT INTO links (workspace_id, user_id, id, kind, hash, epoch, data, created_at, expires_at)
		SELECT workspace_id, id, $3, $4, $5, $6, $7, $8, $9 FROM users WHERE workspace_id = $1 AND id = $2`,
		l.Workspace, l.User, l.ID, string(l.Kind), l.Hash, l.Epoch, l.Data, ms(l.CreatedAt), ms(l.ExpiresAt))
}

func (t *tx) Link(workspace, user, id string) (sallyport.Link, bool, error) {
	l := sallyport.Link{Workspace: workspace, User: user, ID: id}
	var kind string
	var created, expires int64
	ok, err := t.row(`SELECT kind, hash, epoch, data, created_at, expires_at FROM links
		WHERE workspace_id = $1 AND user_id = $2 AND id = $3`, []any{workspace, user, id},
		&kind, &l.Hash, &l.Epoch, &l.Data, &created, &expires)
	l.Kind, l.CreatedAt, l.ExpiresAt = sallyport.LinkKind(kind), at(created), at(expires)
	return l, ok, err
}

func (t *tx) DeleteLink(workspace, user, id string) (bool, error) {
	return one(t.affected(`DELETE FROM links WHERE workspace_id = $1 AND user_id = $2 AND id = $3`, workspace, user, id))
}

func (t *tx) DropLinks(workspace, user string, kind sallyport.LinkKind, since time.Time) error {
	return t.exec(`DELETE FROM links WHERE workspace_id = $1 AND user_id = $2 AND kind = $3 AND created_at >= $4`,
		workspace, user, string(kind), ms(since))
}
