package sqlstore

import (
	"strconv"
	"strings"

	"github.com/sallyport-2fa/sallyport"
)

const grantColumns = `g.app_id, g.session_id, g.user_epoch, g.app_epoch, g.scopes, g.claims, g.nonce, g.redirect, g.challenge, g.proofs, g.code_hash, g.code_ends,
	g.redeemed_at, g.ended_at, g.refresh_hash, g.root_hash, g.previous_hash, g.rotations, g.rotated_at, g.quiet, g.created_at, g.expires_at`

// InsertGrant first deletes grants that are too many, so that the new one is not among them. To count those of the last minutes
// takes no statement of its own.
func (t *tx) InsertGrant(g sallyport.Grant) error {
	if err := t.exec(`DELETE FROM grants WHERE workspace_id = $1 AND user_id = $2 AND id IN (
			SELECT id FROM grants WHERE workspace_id = $1 AND user_id = $2 ORDER BY id DESC LIMIT 100 OFFSET `+strconv.Itoa(sallyport.MaxGrants-1)+`)`,
		g.Workspace, g.User); err != nil {
		return err
	}
	return t.exec(`INSERT INTO grants (workspace_id, user_id, id, app_id, session_id, user_epoch, app_epoch, scopes, claims, nonce, redirect, challenge,
			proofs, code_hash, code_ends, created_at, expires_at, quiet)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, CASE WHEN (
			SELECT created_at FROM grants WHERE workspace_id = $1 AND user_id = $2 ORDER BY id DESC LIMIT 1 OFFSET `+strconv.Itoa(sallyport.MaxOpened-1)+`) > $18 THEN 1 ELSE 0 END)`,
		g.Workspace, g.User, g.ID, g.App, g.Session, g.UserEpoch, g.AppEpoch, strings.Join(g.Scopes, " "), g.Claims, g.Nonce, g.Redirect, g.Challenge,
		g.Proofs.String(), g.CodeHash, ms(g.CodeEnds), ms(g.CreatedAt), ms(g.ExpiresAt), ms(g.CreatedAt.Add(-sallyport.OpenedWindow)))
}

// grantRow scans a grant, with the session in which it was issued.
type grantRow struct {
	sallyport.Grant
	ses                                                  sessionRow
	scopes, proofs                                       string
	codeEnds, redeemed, ended, rotated, created, expires int64
}

const grantTables = `grants g LEFT JOIN sessions s ON s.workspace_id = g.workspace_id AND s.user_id = g.user_id AND s.id = g.session_id`

func (r *grantRow) dest() []any {
	return append([]any{&r.App, &r.Session, &r.UserEpoch, &r.AppEpoch, &r.scopes, &r.Claims, &r.Nonce, &r.Redirect, &r.Challenge, &r.proofs, &r.CodeHash, &r.codeEnds,
		&r.redeemed, &r.ended, &r.RefreshHash, &r.RefreshRoot, &r.PreviousHash, &r.Rotations, &r.rotated, &r.Quiet, &r.created, &r.expires}, r.ses.dest()...)
}

func (r *grantRow) grant(workspace, user, id string) (sallyport.Grant, sallyport.Session) {
	g := r.Grant
	g.Workspace, g.User, g.ID, g.Scopes, g.Proofs = workspace, user, id, strings.Fields(r.scopes), sallyport.ParseProofs(r.proofs)
	g.CodeEnds, g.Redeemed, g.Ended, g.RotatedAt, g.CreatedAt, g.ExpiresAt = at(r.codeEnds), at(r.redeemed), at(r.ended), at(r.rotated), at(r.created), at(r.expires)
	return g, r.ses.session(workspace, user)
}

// Grant reads the session with the grant.
func (t *tx) Grant(workspace, user, id string) (sallyport.Grant, sallyport.Session, bool, error) {
	var r grantRow
	found, err := t.row(`SELECT `+grantColumns+`, `+sessionColumns+` FROM `+grantTables+` WHERE g.workspace_id = $1 AND g.user_id = $2 AND g.id = $3`,
		[]any{workspace, user, id}, r.dest()...)
	g, ses := r.grant(workspace, user, id)
	return g, ses, found, err
}

func (t *tx) SaveGrant(g sallyport.Grant) error {
	return t.expect(`UPDATE grants SET redeemed_at = $4, ended_at = $5, refresh_hash = $6, previous_hash = $7, rotations = $8, rotated_at = $9, expires_at = $10, root_hash = $11
		WHERE workspace_id = $1 AND user_id = $2 AND id = $3 AND (redeemed_at = 0 OR redeemed_at = $4)`,
		g.Workspace, g.User, g.ID, ms(g.Redeemed), ms(g.Ended), g.RefreshHash, g.PreviousHash, g.Rotations, ms(g.RotatedAt), ms(g.ExpiresAt), g.RefreshRoot)
}

func (t *tx) InsertAccessToken(a sallyport.AccessToken) error {
	if a.Session == "" {
		if err := t.exec(`DELETE FROM access_tokens WHERE workspace_id = $1 AND user_id = $2 AND grant_id = $3 AND hash IN (
				SELECT hash FROM access_tokens WHERE workspace_id = $1 AND user_id = $2 AND grant_id = $3 ORDER BY expires_at DESC LIMIT 100 OFFSET `+
			strconv.Itoa(sallyport.MaxAccessTokens-1)+`)`, a.Workspace, a.User, a.Grant); err != nil {
			return err
		}
	}
	return t.exec(`INSERT INTO access_tokens (workspace_id, user_id, hash, grant_id, session_id, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		a.Workspace, a.User, a.Hash, a.Grant, a.Session, ms(a.ExpiresAt))
}

// AccessToken reads the grant and its session with the token.
func (t *tx) AccessToken(workspace, user string, hash []byte) (sallyport.AccessToken, sallyport.Grant, sallyport.Session, bool, error) {
	a := sallyport.AccessToken{Workspace: workspace, User: user, Hash: hash}
	var r grantRow
	var expires int64
	found, err := t.row(`SELECT a.grant_id, a.session_id, a.expires_at, `+grantColumns+`, `+sessionColumns+` FROM `+grantTables+`
		JOIN access_tokens a ON a.workspace_id = g.workspace_id AND a.user_id = g.user_id AND a.grant_id = g.id
		WHERE g.workspace_id = $1 AND g.user_id = $2 AND a.workspace_id = $1 AND a.user_id = $2 AND a.hash = $3`,
		[]any{workspace, user, hash}, append([]any{&a.Grant, &a.Session, &expires}, r.dest()...)...)
	a.ExpiresAt = at(expires)
	g, ses := r.grant(workspace, user, a.Grant)
	return a, g, ses, found, err
}

func (t *tx) DeleteAccessToken(workspace, user string, hash []byte) error {
	return t.exec(`DELETE FROM access_tokens WHERE workspace_id = $1 AND user_id = $2 AND hash = $3`, workspace, user, hash)
}
