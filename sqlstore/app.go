package sqlstore

import (
	"encoding/json"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/fold"
)

const appColumns = `a.id, a.name, a.address, a.colour, a.access, a.level, a.fresh, a.enabled, a.epoch, a.rules, a.tokens, a.client, a.client_epoch, a.created_at`

// appRow scans an app, without its groups and hosts.
type appRow struct {
	sallyport.App
	access, level, rules, client string
	created                      int64
}

func (r *appRow) dest() []any {
	return []any{&r.ID, &r.Name, &r.Address, &r.Colour, &r.access, &r.level, &r.Fresh, &r.Enabled, &r.Epoch, &r.rules, &r.Proxy.Tokens,
		&r.client, &r.ClientEpoch, &r.created}
}

func (r *appRow) app(workspace string) (sallyport.App, error) {
	r.Workspace, r.Access, r.Level, r.CreatedAt = workspace, sallyport.AppAccess(r.access), sallyport.Level(r.level), at(r.created)
	if r.rules != "" {
		r.Proxy.Rules = strings.Split(r.rules, "\n")
	}
	if r.client != "" {
		r.Client = &sallyport.AppClient{}
		if err := json.Unmarshal([]byte(r.client), r.Client); err != nil {
			return sallyport.App{}, err
		}
	}
	return r.App, nil
}

// appArgs returns the values of appColumns, after those of the key.
func appArgs(a sallyport.App) ([]any, error) {
	client := ""
	if a.Client != nil {
		b, err := json.Marshal(a.Client)
		if err != nil {
			return nil, err
		}
		client = string(b)
	}
	return []any{a.Workspace, a.ID, a.Name, fold.Name(a.Name), a.Address, a.Colour, string(a.Access), string(a.Level), a.Fresh, a.Enabled,
		a.Epoch, strings.Join(a.Proxy.Rules, "\n"), a.Proxy.Tokens, client, a.ClientEpoch}, nil
}

func (t *tx) InsertApp(a sallyport.App) error {
	args, err := appArgs(a)
	if err != nil {
		return err
	}
	if err := inserted(t.affected(`INSERT INTO apps (workspace_id, id, name, name_folded, address, colour, access, level, fresh, enabled, epoch,
			rules, tokens, client, client_epoch, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT DO NOTHING`, append(args, ms(a.CreatedAt))...)); err != nil {
		return err
	}
	return t.connectApp(a)
}

func (t *tx) SaveApp(a sallyport.App) error {
	args, err := appArgs(a)
	if err != nil {
		return err
	}
	if err := inserted(t.affected(`UPDATE apps SET name = $3, name_folded = $4, address = $5, colour = $6, access = $7, level = $8, fresh = $9,
			enabled = $10, epoch = $11, rules = $12, tokens = $13, client = $14, client_epoch = $15
		WHERE workspace_id = $1 AND id = $2
			AND NOT EXISTS (SELECT 1 FROM apps WHERE workspace_id = $1 AND name_folded = $4 AND id <> $2)`, args...)); err != nil {
		return err
	}
	if err := t.exec(`DELETE FROM app_groups WHERE workspace_id = $1 AND app_id = $2`, a.Workspace, a.ID); err != nil {
		return err
	}
	if err := t.exec(`DELETE FROM app_hosts WHERE workspace_id = $1 AND app_id = $2`, a.Workspace, a.ID); err != nil {
		return err
	}
	return t.connectApp(a)
}

func (t *tx) connectApp(a sallyport.App) error {
	for _, id := range a.Groups {
		if err := t.exec(`INSERT INTO app_groups (workspace_id, app_id, group_id) VALUES ($1, $2, $3)`, a.Workspace, a.ID, id); err != nil {
			return err
		}
	}
	for _, origin := range a.Proxy.Hosts {
		if err := t.exec(`INSERT INTO app_hosts (origin, workspace_id, app_id) VALUES ($1, $2, $3)`, origin, a.Workspace, a.ID); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) DeleteApp(workspace, id string) (bool, error) {
	return one(t.affected(`DELETE FROM apps WHERE workspace_id = $1 AND id = $2`, workspace, id))
}

func (t *tx) TakeApp(workspace, id string) (a sallyport.App, found bool, err error) {
	lock := ""
	if t.writes {
		lock = forUpdate
	}
	all, err := t.apps(workspace, `WHERE a.workspace_id = $1 AND a.id = $2`+lock, `app_id = $2`, id)
	if err != nil || len(all) == 0 {
		return a, false, err
	}
	return all[0], true, nil
}

func (t *tx) Apps(workspace string) ([]sallyport.App, error) {
	return t.apps(workspace, `WHERE a.workspace_id = $1 ORDER BY a.name_folded, a.id`, ``)
}

// apps reads apps with their groups and hosts, in two statements. which selects the groups and hosts of the same apps.
func (t *tx) apps(workspace, end, which string, args ...any) ([]sallyport.App, error) {
	args = append([]any{workspace}, args...)
	all, err := t.plainApps(workspace, end, args...)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	of := make(map[string]*sallyport.App, len(all))
	for i := range all {
		of[all[i].ID] = &all[i]
	}
	if which != "" {
		which = ` AND ` + which
	}
	return all, t.rows(`SELECT app_id, group_id, '' FROM app_groups WHERE workspace_id = $1`+which+`
		UNION ALL SELECT app_id, '', origin FROM app_hosts WHERE workspace_id = $1`+which+` ORDER BY 1, 2, 3`, args, func(scan scanner) error {
		var app, group, host string
		if err := scan(&app, &group, &host); err != nil {
			return err
		}
		a := of[app]
		switch {
		case a == nil: // it was deleted after the first statement, or made
		case group != "":
			a.Groups = append(a.Groups, group)
		default:
			a.Proxy.Hosts = append(a.Proxy.Hosts, host)
		}
		return nil
	})
}

// plainApps reads apps without their groups and hosts.
func (t *tx) plainApps(workspace, end string, args ...any) (all []sallyport.App, err error) {
	err = t.rows(`SELECT `+appColumns+` FROM apps a `+end, args, func(scan scanner) error {
		var r appRow
		if err := scan(r.dest()...); err != nil {
			return err
		}
		a, err := r.app(workspace)
		all = append(all, a)
		return err
	})
	return all, err
}

// usable is a condition on apps a: those that are open to the user $2.
const usable = `(a.access = 'everyone' OR EXISTS (SELECT 1 FROM app_groups g JOIN memberships m ON m.workspace_id = g.workspace_id AND m.group_id = g.group_id
	WHERE g.workspace_id = a.workspace_id AND g.app_id = a.id AND m.user_id = $2))`

func (t *tx) AppsOf(workspace, user string) ([]sallyport.App, error) {
	return t.plainApps(workspace, `WHERE a.workspace_id = $1 AND a.enabled = 1 AND `+usable+` ORDER BY a.name_folded, a.id`, workspace, user)
}

func (t *tx) MayUse(a sallyport.App, user string) (may bool, err error) {
	if a.Access == sallyport.AccessEveryone {
		return a.Enabled, nil
	}
	return t.row(`SELECT a.enabled FROM apps a WHERE a.workspace_id = $1 AND a.id = $3 AND a.enabled = 1 AND `+usable, []any{a.Workspace, user, a.ID}, &may)
}

func (t *tx) HostsTaken(app string, origins []string) (taken []string, err error) {
	args := []any{app}
	for _, o := range origins {
		args = append(args, o)
	}
	err = t.rows(`SELECT origin FROM app_hosts WHERE app_id <> $1 AND origin IN (`+places(2, len(origins))+`) ORDER BY origin`, args, func(scan scanner) error {
		var origin string
		err := scan(&origin)
		taken = append(taken, origin)
		return err
	})
	return taken, err
}
