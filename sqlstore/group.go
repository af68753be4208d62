package sqlstore

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/fold"
)

const groupColumns = `g.id, g.name, g.people, g.created_at`

func (t *tx) Groups(workspace string) ([]sallyport.Group, error) {
	return t.groups(workspace, `WHERE g.workspace_id = $1 ORDER BY g.name_folded, g.id`, workspace)
}

func (t *tx) GroupPage(r sallyport.GroupRange) ([]sallyport.Group, error) {
	where, args, direction := `WHERE g.workspace_id = $1`, []any{r.Workspace}, ``
	add := func(condition string, value string) {
		args = append(args, value)
		where += ` AND ` + condition + ` $` + strconv.Itoa(len(args))
	}
	if r.Begins != "" {
		add(`g.name_folded >=`, r.Begins)
		add(`g.name_folded <`, r.Begins+string(utf8.MaxRune))
	}
	after := `g.name_folded >`
	if r.Backward {
		after, direction = `g.name_folded <`, ` DESC`
	}
	if r.From != "" {
		add(after, r.From)
	}
	return t.groups(r.Workspace, where+` ORDER BY g.name_folded`+direction+` LIMIT `+strconv.Itoa(r.Limit), args...)
}

func (t *tx) CountGroups(workspace string) (n int, err error) {
	_, err = t.row(`SELECT count(*) FROM groups WHERE workspace_id = $1`, []any{workspace}, &n)
	return n, err
}

func (t *tx) TakeGroup(workspace, id string) (g sallyport.Group, found bool, err error) {
	lock := ""
	if t.writes {
		lock = forUpdate
	}
	all, err := t.groups(workspace, `WHERE g.workspace_id = $1 AND g.id = $2`+lock, workspace, id)
	if err != nil || len(all) == 0 {
		return g, false, err
	}
	return all[0], true, nil
}

func (t *tx) InsertGroup(g sallyport.Group) error {
	return inserted(t.affected(`INSERT INTO groups (workspace_id, id, name, name_folded, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		g.Workspace, g.ID, g.Name, fold.Name(g.Name), ms(g.CreatedAt)))
}

func (t *tx) RenameGroup(g sallyport.Group) error {
	return inserted(t.affected(`UPDATE groups SET name = $3, name_folded = $4 WHERE workspace_id = $1 AND id = $2
			AND NOT EXISTS (SELECT 1 FROM groups o WHERE o.workspace_id = $1 AND o.name_folded = $4 AND o.id <> $2)`,
		g.Workspace, g.ID, g.Name, fold.Name(g.Name)))
}

// DeleteGroup leaves the memberships to EraseDeleted.
func (t *tx) DeleteGroup(g sallyport.Group) error {
	if err := t.expect(`DELETE FROM groups WHERE workspace_id = $1 AND id = $2`, g.Workspace, g.ID); err != nil {
		return err
	}
	if err := t.exec(`DELETE FROM app_groups WHERE workspace_id = $1 AND group_id = $2`, g.Workspace, g.ID); err != nil {
		return err
	}
	return t.exec(`INSERT INTO deletions (workspace_id, user_id, phase) VALUES ($1, $2, $3)`, g.Workspace, g.ID, deletionOfGroup)
}

func (t *tx) Opens(workspace, id string) (all []sallyport.MaybeOpened, err error) {
	err = t.rows(`SELECT a.id, a.name, CASE WHEN g.group_id IS NULL THEN 0 ELSE 1 END, a.rules, CASE WHEN g.group_id IS NULL OR EXISTS (SELECT 1 FROM app_groups o
			WHERE o.workspace_id = g.workspace_id AND o.app_id = g.app_id AND o.group_id <> g.group_id) THEN 0 ELSE 1 END
		FROM apps a LEFT JOIN app_groups g ON g.workspace_id = a.workspace_id AND g.app_id = a.id AND g.group_id = $2
		WHERE a.workspace_id = $1 AND (g.group_id IS NOT NULL OR a.rules LIKE '%= groups:%') ORDER BY a.name_folded, a.id`, []any{workspace, id}, func(scan scanner) error {
		var a sallyport.MaybeOpened
		var rules string
		err := scan(&a.ID, &a.Name, &a.Listed, &rules, &a.Alone)
		a.Rules = strings.Split(rules, "\n")
		all = append(all, a)
		return err
	})
	return all, err
}

func (t *tx) Join(g sallyport.Group, u sallyport.User) (bool, error) {
	joined, err := one(t.affected(`INSERT INTO memberships (workspace_id, user_id, group_id, words, role, state, two_factor, must_set_up, joined_under)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
		g.Workspace, u.ID, g.ID, fold.Line(u.Name, u.Address, u.Folded), string(u.Role), string(u.State), factorOf(u.TwoFactor, u.HasPasskey), u.MustSetUp, u.JoinedUnder))
	if err != nil || !joined {
		return false, err
	}
	return true, t.expect(`UPDATE groups SET people = people + 1 WHERE workspace_id = $1 AND id = $2`, g.Workspace, g.ID)
}

func (t *tx) Leave(g sallyport.Group, user string) (bool, error) {
	left, err := one(t.affected(`DELETE FROM memberships WHERE workspace_id = $1 AND user_id = $2 AND group_id = $3`, g.Workspace, user, g.ID))
	if err != nil || !left {
		return false, err
	}
	return true, t.expect(`UPDATE groups SET people = people - 1 WHERE workspace_id = $1 AND id = $2`, g.Workspace, g.ID)
}

func (t *tx) GroupsOf(workspace, user string) ([]sallyport.Group, error) {
	return t.groups(workspace, `JOIN memberships m ON m.workspace_id = g.workspace_id AND m.group_id = g.id
		WHERE m.workspace_id = $1 AND m.user_id = $2 ORDER BY g.name_folded || '', g.id`, workspace, user)
}

var groupsOfPeople = `SELECT m.user_id, ` + groupColumns + ` FROM memberships m JOIN groups g ON g.workspace_id = m.workspace_id AND g.id = m.group_id
	WHERE m.workspace_id = $1 AND m.user_id IN (` + places(2, namedAtOnce) + `) ORDER BY g.name_folded || '', g.id`

func (t *tx) GroupsOfPeople(workspace string, ids []string) (map[string][]sallyport.Group, error) {
	of := map[string][]sallyport.Group{}
	for some := range slices.Chunk(ids, namedAtOnce) {
		var user string
		err := t.rows(groupsOfPeople, namedArgs(workspace, some), func(scan scanner) error {
			r := groupRow{Group: sallyport.Group{Workspace: workspace}}
			err := scan(append([]any{&user}, r.dest()...)...)
			of[user] = append(of[user], r.group())
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return of, nil
}

// groupRow scans a group.
type groupRow struct {
	sallyport.Group
	created int64
}

func (r *groupRow) dest() []any { return []any{&r.ID, &r.Name, &r.People, &r.created} }

func (r *groupRow) group() sallyport.Group {
	r.CreatedAt = at(r.created)
	return r.Group
}

func (t *tx) groups(workspace, end string, args ...any) (all []sallyport.Group, err error) {
	err = t.rows(`SELECT `+groupColumns+` FROM groups g `+end, args, func(scan scanner) error {
		r := groupRow{Group: sallyport.Group{Workspace: workspace}}
		err := scan(r.dest()...)
		all = append(all, r.group())
		return err
	})
	return all, err
}
