package sqlstore

import (
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

// appTables are an app by one of its origins, with what hostTables has for its workspace.
const (
	appPresenceColumns = hostColumns + `, h.host, ` + appColumns
	appTables          = `app_hosts o JOIN apps a ON a.workspace_id = o.workspace_id AND a.id = o.app_id
		JOIN hosts h ON h.workspace_id = o.workspace_id JOIN workspaces w ON w.id = h.workspace_id JOIN policies p ON p.workspace_id = w.id
		LEFT JOIN workspaces r ON r.id = w.reseller`
	// personColumns are the groups of the user $2, by name, and whether the app is open to them. No name has a comma.
	personColumns = `COALESCE((SELECT string_agg(n.name, ',' ORDER BY n.name_folded, n.id) FROM memberships m
		JOIN groups n ON n.workspace_id = m.workspace_id AND n.id = m.group_id WHERE m.workspace_id = o.workspace_id AND m.user_id = $2), ''), ` +
		`CASE WHEN ` + usable + ` THEN 1 ELSE 0 END`
)

// appPresenceRow scans an app with its workspace and, after person, with what belongs to one person.
type appPresenceRow struct {
	hostRow
	appRow
	host, groups string
	may          bool
}

func (r *appPresenceRow) dest() []any {
	return append(append(r.hostRow.dest(), &r.host), r.appRow.dest()...)
}

func (r *appPresenceRow) person() []any { return []any{&r.groups, &r.may} }

func (r *appPresenceRow) presence() (*sallyport.AppPresence, error) {
	there, err := r.hostRow.presence()
	if err != nil {
		return nil, err
	}
	app, err := r.app(there.Workspace.ID)
	if err != nil {
		return nil, err
	}
	p := &sallyport.AppPresence{Presence: *there, Host: r.host, App: app, MayUse: r.may}
	if r.groups != "" {
		p.Groups = strings.Split(r.groups, ",")
	}
	return p, nil
}

// AppAt reads everything in one statement, because most requests have a valid app session. Without one, it reads only the
// app.
func (t *tx) AppAt(origin, user, appSession string) (*sallyport.AppPresence, error) {
	if appSession != "" {
		p, err := t.appSessionAt(arrival{origin, user, appSession})
		if err != nil || p != nil {
			return p, err
		}
	}
	var r appPresenceRow
	found, err := t.row(`SELECT `+appPresenceColumns+` FROM `+appTables+` WHERE o.origin = $1`, []any{origin}, r.dest()...)
	if err != nil || !found {
		return nil, err
	}
	return r.presence()
}

func (t *tx) appSessionAt(a arrival) (*sallyport.AppPresence, error) {
	if p, err := remembered(t, t.visits, a); err != nil || p != nil {
		return p, err
	}
	var r appPresenceRow
	var s sessionRow
	var u userRow
	x := sallyport.AppSession{User: a.user, ID: a.session, Origin: a.host}
	var proofs string
	var created, refused int64
	found := false
	version, err := t.askVersion(`SELECT `+appPresenceColumns+`, `+personColumns+`, x.hash, x.epoch, x.session_id, x.proofs, x.app_id, x.app_epoch, x.created_at, x.refused_at, `+
		sessionColumns+`, `+userColumns+` FROM `+appTables+`
			JOIN app_sessions x ON x.workspace_id = o.workspace_id AND x.app_id = o.app_id AND x.origin = o.origin
			JOIN sessions s ON s.workspace_id = x.workspace_id AND s.user_id = x.user_id AND s.id = x.session_id
			JOIN users u ON u.workspace_id = x.workspace_id AND u.id = x.user_id
		WHERE o.origin = $1 AND x.user_id = $2 AND x.id = $3`, []any{a.host, a.user, a.session},
		func(scan scanner) error {
			found = true
			dest := append(append(r.dest(), r.person()...), &x.Hash, &x.Epoch, &x.Session, &proofs, &x.App, &x.AppEpoch, &created, &refused)
			return scan(append(append(dest, s.dest()...), u.dest()...)...)
		})
	if err != nil || !found {
		return nil, err
	}
	p, err := r.presence()
	if err != nil {
		return nil, err
	}
	ses, person := s.session(p.Workspace.ID, a.user), u.user()
	x.Workspace, x.Proofs, x.CreatedAt, x.RefusedAt = p.Workspace.ID, sallyport.ParseProofs(proofs), at(created), at(refused)
	p.Session, p.User, p.Signed = &ses, &person, &x
	t.visits.put(version, a, p)
	return p, nil
}

func (t *tx) AppByToken(origin, user, token string) (*sallyport.AppPresence, error) {
	a := arrival{origin, user, token}
	if p, err := remembered(t, t.visits, a); err != nil || p != nil {
		return p, err
	}
	var r appPresenceRow
	var u userRow
	k := sallyport.AppToken{User: user, ID: token}
	var created, expires, used, refused int64
	found := false
	version, err := t.askVersion(`SELECT `+appPresenceColumns+`, `+personColumns+`, x.hash, x.epoch, x.app_id, x.app_epoch, x.app_epoch <> a.epoch, x.name, x.created_at, x.expires_at, x.last_used_at, x.refused_at, `+
		userColumns+` FROM `+appTables+` JOIN app_tokens x ON x.workspace_id = o.workspace_id AND x.app_id = o.app_id
			JOIN users u ON u.workspace_id = x.workspace_id AND u.id = x.user_id
		WHERE o.origin = $1 AND x.user_id = $2 AND x.id = $3`, []any{origin, user, token},
		func(scan scanner) error {
			found = true
			dest := append(append(r.dest(), r.person()...), &k.Hash, &k.Epoch, &k.App, &k.AppEpoch, &k.Ended, &k.Name, &created, &expires, &used, &refused)
			return scan(append(dest, u.dest()...)...)
		})
	if err != nil {
		return nil, err
	}
	if !found {
		return t.AppAt(origin, "", "")
	}
	p, err := r.presence()
	if err != nil {
		return nil, err
	}
	person := u.user()
	k.Workspace, k.CreatedAt, k.ExpiresAt, k.LastUsedAt, k.RefusedAt = p.Workspace.ID, at(created), at(expires), at(used), at(refused)
	p.User, p.Token = &person, &k
	t.visits.put(version, a, p)
	return p, nil
}

func (t *tx) InsertAppSession(x sallyport.AppSession) error {
	if err := t.exec(`DELETE FROM app_sessions WHERE workspace_id = $1 AND user_id = $2 AND (session_id = $3 AND origin = $4
			OR NOT EXISTS (SELECT 1 FROM sessions s WHERE s.workspace_id = $1 AND s.user_id = $2 AND s.id = app_sessions.session_id))`,
		x.Workspace, x.User, x.Session, x.Origin); err != nil {
		return err
	}
	return t.exec(`INSERT INTO app_sessions (workspace_id, user_id, id, hash, epoch, session_id, proofs, app_id, app_epoch, origin, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		x.Workspace, x.User, x.ID, x.Hash, x.Epoch, x.Session, x.Proofs.String(), x.App, x.AppEpoch, x.Origin, ms(x.CreatedAt))
}

func (t *tx) AppRefused(p *sallyport.AppPresence, now time.Time, age time.Duration) (bool, error) {
	table, id := "app_sessions", ""
	if p.Token != nil {
		table, id = "app_tokens", p.Token.ID
	} else {
		id = p.Signed.ID
	}
	return one(t.affected(`UPDATE `+table+` SET refused_at = $4 WHERE workspace_id = $1 AND user_id = $2 AND id = $3
			AND (refused_at <= $5 OR refused_at > $4)`, p.Workspace.ID, p.User.ID, id, ms(now), ms(now.Add(-age))))
}
