package sqlstore_test

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/audit"
	"github.com/sallyport-2fa/sallyport/internal/background"
	"github.com/sallyport-2fa/sallyport/internal/web"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// TestPlans: PostgreSQL plans a statement when a connection first uses it, in a new installation for empty tables. No
// plan reads a whole table, whether it is made for empty or for full tables, and none sorts people if an index has them
// in order.
func TestPlans(t *testing.T) {
	e := sallyporttest.New(t, "postgres")
	statements := collect(t, e)
	if len(statements) < 100 {
		t.Fatalf("only %d statements were seen", len(statements))
	}
	const full = "of full tables"
	judge := func(when string) {
		for i, scans := range explain(t, e, statements) {
			for _, scan := range scans {
				way, table, _ := strings.Cut(scan, " on ")
				if way == "Sort" {
					// A search finds few people, and sorts them by an expression that no index has.
					if strings.Contains(statements[i], "AND role = ") && !strings.HasPrefix(statements[i], "SELECT u.id FROM (SELECT id ") && when == full {
						t.Errorf("%s: it sorts: %s", when, statements[i])
					}
				} else if !strings.HasPrefix(way, "Index") && !slices.Contains(smallTables, table) {
					t.Errorf("%s: %s: %s", when, scan, statements[i])
				}
			}
		}
	}
	judge("of empty tables")
	for _, sql := range fillTables {
		e.Exec(sql)
	}
	e.Exec("ANALYZE")
	judge(full)
}

// TestPlansOfSQLite: without estimates, SQLite searches all events for those of one person.
func TestPlansOfSQLite(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	statements := collect(t, e)
	for _, c := range []struct{ conditions, index string }{
		{"AS k, id AS id FROM users WHERE workspace_id = $1", "COVERING INDEX users_"},
		{"AS k, user_id AS id FROM entries WHERE workspace_id = $1", "COVERING INDEX entries_words"},
		{"AS k, user_id AS id FROM last_sign_ins WHERE workspace_id = $1", "PRIMARY KEY"},
		{"FROM events WHERE workspace_id = $1 AND id < $2 AND subject = ", "INDEX events_subject"},
		{"AND actor <> subject AND actor = ", "INDEX events_actor"},
		{"AND u.locked_until <> 0 AND ", "INDEX users_locked"},
		{"AS k, user_id AS id FROM memberships WHERE workspace_id = $1 AND group_id = ", "COVERING INDEX memberships_listed"},
		{"FROM memberships m JOIN groups g", "SEARCH m USING PRIMARY KEY"},
		{"FROM groups g JOIN memberships m", "SEARCH m USING PRIMARY KEY"},
		{"FROM memberships WHERE workspace_id = $1 AND group_id = $2 AND user_id > ", "INDEX memberships_group"},
		{"AND kind = ", "INDEX events_kind"},
		{"AND app <> '' AND app = ", "INDEX events_app"},
		{"AND address <> '' AND address = ", "INDEX events_address"},
		{"AND result = 'refused' ", "INDEX events_refused"},
		{"AND seal_batch ", "INDEX events_sealed"},
		{"FROM unsealed WHERE workspace_id", "PRIMARY KEY"},
	} {
		seen := false
		for _, sql := range statements {
			if !strings.Contains(sql, c.conditions) {
				continue
			}
			seen = true
			searches, others := 0, []string{}
			e.Check(e.SQL.ReadSQL(context.Background(), func(tx *sqlstore.Tx) error {
				return tx.Rows("EXPLAIN QUERY PLAN "+sql, make([]any, strings.Count(sql, "$")), func(scan func(...any) error) error {
					var id, parent, unused int64
					var line string
					if err := scan(&id, &parent, &unused, &line); err != nil {
						return err
					}
					if strings.Contains(line, c.index) {
						searches++
					} else if strings.HasPrefix(line, "SCAN u") || readsPast.MatchString(line) {
						others = append(others, line)
					}
					return nil
				})
			}))
			if searches == 0 || len(others) > 0 {
				t.Errorf("%s: does not use index %s: %q", sql, c.index, others)
			}
		}
		if !seen {
			t.Errorf("no statement has %q", c.conditions)
		}
	}
}

// readsPast matches how SQLite describes a read of people or events by an index that does not fit.
var readsPast = regexp.MustCompile(`^(SCAN|SEARCH) (users|entries|last_sign_ins|l|u)\b( USING (COVERING )?INDEX|$)|^SEARCH (users|entries) |^SEARCH events USING PRIMARY`)

// smallTables have a few rows per workspace, or rows that last only a quarter of an hour.
var smallTables = []string{"installation", "workspaces", "hosts", "policies", "seal_heads", "reminders", "erasures", "drafts", "signing_keys"}

const series = ` FROM generate_series(1, 3000) i, (SELECT id AS w FROM workspaces LIMIT 1) AS one`

var fillTables = []string{
	`INSERT INTO users (workspace_id, id, address, address_folded, name, name_folded, role, state, epoch, created_at, two_factor)
		SELECT w, 'usr_' || i, i || '@x.example', i || '@x.example', 'P' || i, 'p' || i, 'member', 'active', 1, i, i % 2` + series,
	`INSERT INTO entries (workspace_id, user_id, words, shared, role, state, two_factor, must_set_up, joined_under)
		SELECT w, 'usr_' || i, 'p' || i || ' example', 0, 'member', 'active', i % 2, 0, 0` + series,
	`INSERT INTO last_sign_ins (workspace_id, user_id, at, role, state, two_factor, must_set_up, joined_under)
		SELECT w, 'usr_' || i, i, 'member', 'active', i % 2, 0, 0` + series,
	`INSERT INTO events (workspace_id, id, at, kind, actor, actor_kind, subject, door, address, browser, personal_hash, result, app, detail, mac, seal_batch, seal_position)
		SELECT w, 'evt_' || i, i, 'k' || i % 20, 'usr_' || i, 'user', 'usr_' || i, 'web', i || '', '', '', CASE WHEN i % 10 = 0 THEN 'refused' ELSE 'done' END, 'app_' || i % 50, '', '',
		CASE WHEN i < 2990 THEN i / 256 END, CASE WHEN i < 2990 THEN i % 256 END` + series,
	`INSERT INTO unsealed (workspace_id, event_id, mac, signed_in) SELECT w, 'evt_' || i, '', ''` + series,
	`INSERT INTO seals (workspace_id, batch, count, at, previous, hash, mac) SELECT w, 1000 + i, 1, 1, '', '', ''` + series,
	`INSERT INTO tries (workspace_id, subject, bucket) SELECT w, 'usr_' || i, 'password'` + series,
	`INSERT INTO browsers (workspace_id, user_id, hash, name, created_at, last_seen_at) SELECT w, 'usr_' || i, decode(md5(i || ''), 'hex'), 'b', i, i` + series,
	`INSERT INTO trusted_devices (workspace_id, user_id, id, hash, rotated_at, epoch, days, browser_hash, name, address, created_at, last_seen_at)
		SELECT w, 'usr_' || i, 'dev_' || i, decode(md5(i || ''), 'hex'), i, 1, 14, '', '', '', i, i` + series,
	`INSERT INTO sessions (workspace_id, user_id, id, hash, epoch, proofs, door, address, browser, created_at, last_seen_at, expires_at)
		SELECT w, 'usr_' || i, 'ses_' || i, decode(md5(i || ''), 'hex'), 1, '', 'web', '', '', i, i, i` + series,
	`INSERT INTO sign_ins (workspace_id, user_id, id, hash, epoch, proofs, door, created_at, expires_at)
		SELECT w, 'usr_' || i, 'sin_' || i, decode(md5(i || ''), 'hex'), 1, '', 'web', i, i` + series,
	`INSERT INTO authenticators (workspace_id, user_id, id, name, algorithm, secret, last_step, created_at)
		SELECT w, 'usr_' || i, 'aut_' || i, 'n', 'SHA1', '', 0, i` + series,
	`INSERT INTO recovery_codes (workspace_id, user_id, hash, position) SELECT w, 'usr_' || i, decode(md5(i || ''), 'hex'), 1` + series,
	`INSERT INTO drafts (workspace_id, user_id, holder, epoch, name, secret, expires_at) SELECT w, 'usr_' || i, 'ses_' || i, 1, '', '', i` + series,
	`INSERT INTO links (workspace_id, user_id, id, kind, hash, epoch, created_at, expires_at)
		SELECT w, 'usr_' || i, 'lnk_' || i, 'reset', decode(md5(i || ''), 'hex'), 1, i, i` + series,
	`INSERT INTO outbox (workspace_id, id, user_id, kind, address, subject, state, next_at, created_at)
		SELECT w, 'mai_' || i, 'usr_' || i, 'k', '', '', CASE WHEN i % 100 = 0 THEN 'waiting' ELSE 'sent' END, i, i` + series,
	`INSERT INTO groups (workspace_id, id, name, name_folded, created_at) SELECT w, 'grp_' || i, 'G' || i, 'g' || i, i` + series,
	`INSERT INTO memberships (workspace_id, user_id, group_id, words, role, state, two_factor, must_set_up, joined_under)
		SELECT w, 'usr_' || i, 'grp_' || i % 3, 'p' || i || ' example', 'member', 'active', i % 2, 0, 0` + series,
	`INSERT INTO apps (workspace_id, id, name, name_folded, address, colour, access, level, fresh, enabled, epoch, created_at)
		SELECT w, 'app_' || i, 'A' || i, 'a' || i, '', '', 'groups', 'policy', 0, 1, 1, i` + series,
	`INSERT INTO app_groups (workspace_id, app_id, group_id) SELECT w, 'app_' || i, 'grp_' || i % 300` + series,
	`INSERT INTO app_hosts (origin, workspace_id, app_id) SELECT 'https://' || i || '.example', w, 'app_' || i` + series,
	`INSERT INTO app_secrets (workspace_id, app_id, id, hash, created_at) SELECT w, 'app_' || i, 'sec_' || i, '', i` + series,
	`INSERT INTO grants (workspace_id, user_id, id, app_id, session_id, user_epoch, app_epoch, scopes, claims, nonce, redirect, challenge, proofs, code_ends, quiet, created_at, expires_at)
		SELECT w, 'usr_' || i, 'gra_' || i, 'app_' || i, 'ses_' || i, 1, 1, '', '', '', '', '', '', i, 0, i, i` + series,
	`INSERT INTO access_tokens (workspace_id, user_id, hash, grant_id, session_id, expires_at)
		SELECT w, 'usr_' || i, decode(md5(i || ''), 'hex'), 'gra_' || i, 'ses_' || i, i` + series,
	`INSERT INTO app_requests (workspace_id, id, app_id, browser_hash, params, created_at, expires_at)
		SELECT w, 'req_' || i, 'app_' || i, decode(md5(i || ''), 'hex'), '{}', i, i` + series,
	`INSERT INTO device_codes (workspace_id, id, app_id, hash, user_code, scopes, state, created_at, expires_at)
		SELECT w, 'dco_' || i, 'app_' || i, '', i || '', '', 'waiting', i, i` + series,
	`INSERT INTO session_apps (workspace_id, user_id, session_id, app_id) SELECT w, 'usr_' || i, 'ses_' || i, 'app_' || i` + series,
	`INSERT INTO logouts (workspace_id, user_id, id, session_id, app_id, state, next_at, created_at)
		SELECT w, 'usr_' || i, 'lgo_' || i, 'ses_' || i, 'app_' || i, 'waiting', i, i` + series,
	`INSERT INTO app_sessions (workspace_id, user_id, id, hash, session_id, app_id, app_epoch, origin, created_at, epoch, proofs)
		SELECT w, 'usr_' || i, 'aps_' || i, '', 'ses_' || i, 'app_' || i, 1, '', i, 1, ''` + series,
	`INSERT INTO tickets (workspace_id, user_id, id, hash, epoch, session_id, app_id, app_epoch, origin, target, browser_hash, expires_at)
		SELECT w, 'usr_' || i, 'tkt_' || i, '', 1, 'ses_' || i, 'app_' || i, 1, '', '', '', i` + series,
	`INSERT INTO app_tokens (workspace_id, user_id, id, hash, epoch, app_id, app_epoch, name, created_at, expires_at)
		SELECT w, 'usr_' || i, 'tok_' || i, '', 1, 'app_' || i, 1, '', i, i` + series,
	`INSERT INTO adoption (workspace_id, day, people, enabled) SELECT w, i, 1, 1` + series,
}

// collect makes the product do most of what it can do, and returns the statements that it ran.
func collect(t *testing.T, e *sallyporttest.Env) []string {
	t.Helper()
	ctx := context.Background()
	site, f := node(t, e, sallyporttest.NewSite(t, e), sallyporttest.Cheap)
	f.failAt(0, false)
	owner, mia := e.Owner, e.Add("mia@acme.example", sallyport.Member)
	v := site.Visitor()
	v.Enrol(&owner, "Owner's")
	site.Visitor().Enrol(&mia, "Pixel")
	e.Clock.Advance(sallyport.StepUpLimit)
	v = site.Visitor()
	v.GivePassword(owner)
	v.Post("/sign-in/2fa", sallyporttest.Fields{"code": "000000"})
	v.Post("/sign-in/2fa", sallyporttest.Fields{"code": owner.Code(e.Clock.Now()), "trust": "yes"})
	for _, r := range web.Routes() {
		if r.Method == "GET" && !strings.Contains(r.Path, "{token}") && r.Path != "/sign-out" {
			v.Get(strings.ReplaceAll(strings.TrimSuffix(r.Path, "{$}"), "{id}", mia.ID))
		}
	}
	for _, sort := range []string{"name", "address", "-created", "last_sign_in", "-last_sign_in", "-two_factor"} {
		for _, filter := range []string{"", "&q=m", "&q=mia+acme", "&two_factor=enabled", "&role=member&two_factor=disabled", "&state=active&q=m", "&state=locked&q=m", "&state=locked&role=member"} {
			v.Get("/admin/users?sort=" + sort + filter)
			v.Get("/admin/users?sort=" + sort + filter + "&after=" + mia.ID)
		}
	}
	listMany(e, mia.User)
	useGroups(e, v, mia.User)
	for _, filter := range []string{"kind=password.wrong", "result=refused", "result=done", "person=" + mia.ID, "address=203.0.113.7", "from=2026-01-01&to=2026-12-31"} {
		v.Get("/admin/audit?" + filter)
	}
	useApps(v)
	useDoors(t, e, site, v)
	reason := sallyporttest.Fields{"reason": "lost"}
	for _, act := range []string{"suspend", "restore", "unlock", "sign-out", "reset-2fa", "delete"} {
		v.Post("/admin/users/"+mia.ID+"/"+act, reason)
	}
	v.Post("/sign-out", sallyporttest.Fields{"forget": "yes"})
	s := site.Service
	e.Check(audit.Seal(ctx, s))
	e.Check(s.Sweep(ctx))
	e.Check(s.SweepIdle(ctx))
	e.Check(s.EndLocks(ctx))
	e.Check(s.ScheduleSigning(ctx))
	e.Check(background.CountAdoption(ctx, s))
	e.Check(s.QueueReminders(ctx))
	e.Check(s.Store.Write(ctx, func(tx sallyport.Tx) error { return tx.HideRecoveryCodes(owner.Workspace, 1) }))
	e.Check(s.EraseRecoveryCodes(ctx))
	e.Check(s.Store.Write(ctx, func(tx sallyport.Tx) error {
		some := sallyport.Seal{Workspace: owner.Workspace, Batch: 99}
		if err := tx.LoggedIn(some.Workspace, some.Batch, some.Batch, nil); err != nil {
			return err
		}
		if err := tx.DropSeal(some); err != nil {
			return err
		}
		some.Events = make(sallyport.EventList, 16)
		return tx.DropSeal(some)
	}))
	by, err := s.Console(ctx, "")
	e.Check(err)
	_, err = audit.Verify(ctx, s, by, func(f audit.Finding) { t.Error(f) })
	e.Check(err)
	slices.Sort(f.seen)
	return slices.DeleteFunc(slices.Compact(f.seen), func(sql string) bool { return !strings.Contains(sql, " ") || strings.HasPrefix(sql, "commit") })
}

// useGroups does with groups what collect does with everything else.
func useGroups(e *sallyporttest.Env, v *sallyporttest.Visitor, of sallyport.User) {
	const at = "/admin/groups"
	v.Post(at+"/new", sallyporttest.Fields{"name": "Staff"})
	group, user := v.Page.Location, sallyporttest.Fields{"user": of.ID}
	id := strings.TrimPrefix(group, at+"/")
	v.Post(group, sallyporttest.Fields{"name": "Crew"})
	v.Post(group+"/add", user)
	for _, path := range []string{
		at, at + "?after=" + id, at + "?before=" + id, group, group + "?q=m", group + "/add?q=m", group + "/remove?user=" + of.ID, group + "/delete",
		"/admin/users/" + of.ID + "/groups?q=c", "/admin/users/" + of.ID + "/groups?q=c&after=" + id, "/admin/users?group=" + id, "/admin/users?group=" + id + "&state=locked",
		"/admin/users?group=" + id + "&q=mia&sort=-created", "/admin/users.csv",
	} {
		v.Get(path)
	}
	v.Post(group+"/remove", user)
	v.Post(group+"/add", user)
	v.Post(group+"/delete", nil)
	cells := []sallyport.PeopleCell{{Role: of.Role, State: of.State, TwoFactor: true}, {Role: of.Role, State: of.State}}
	r := sallyport.PeopleRange{Workspace: of.Workspace, Order: sallyport.ByWord, Group: id, Filtered: true, Cells: cells, Limit: 51, Look: 2000}
	e.Check(e.Store.Read(context.Background(), func(tx sallyport.Tx) error {
		for _, r.Prefix = range []string{"", "m"} {
			for _, r.Also = range [][]string{nil, {"acme"}} {
				for _, r.From = range []*sallyport.User{nil, &of} {
					for _, r.Backward = range []bool{false, true} {
						if _, err := tx.People(r); err != nil {
							return err
						}
					}
				}
				if _, _, err := tx.PlacePeople(r, of, 100); err != nil {
					return err
				}
				sorted := r
				sorted.Order, sorted.From = sallyport.ByCreated, nil
				if _, err := tx.FindPeople(sorted, 100); err != nil {
					return err
				}
			}
		}
		return nil
	}))
}

// useApps does with apps what collect does with everything else.
func useApps(v *sallyporttest.Visitor) {
	const at = "/admin/apps"
	v.Post(at+"/new", sallyporttest.Fields{"connect": "proxy", "name": "Wiki", "address": "https://wiki.example.com/", "hosts": "wiki.example.com"})
	app := strings.TrimSuffix(v.Page.Location, "/proxy")
	v.Post(app, sallyporttest.Fields{"name": "Wiki", "address": "https://wiki.example.com/", "access": "everyone", "level": "policy", "fresh": "5"})
	v.Post(app+"/openid", sallyporttest.Fields{"redirect_uris": "https://wiki.example.com/a", "alg": "RS256"})
	for range 3 {
		v.Post(app+"/openid/new-secret", nil)
	}
	for _, path := range []string{at, app, app + "/proxy", app + "/openid", app + "/openid/new-secret", app + "/activity", app + "/disable", "/apps", "/", "/admin/audit?kind=app.changed"} {
		v.Get(path)
	}
	for _, act := range []string{"disable", "enable", "delete"} {
		v.Post(app+"/"+act, nil)
	}
}

// listMany runs the statements of lists that are longer than a page, for which collect has too few people.
func listMany(e *sallyporttest.Env, from sallyport.User) {
	cell := sallyport.PeopleCell{Role: from.Role, State: from.State, TwoFactor: true}
	e.Check(e.Store.Read(context.Background(), func(tx sallyport.Tx) error {
		for _, o := range []sallyport.Order{sallyport.ByName, sallyport.ByAddress, sallyport.ByCreated, sallyport.ByLastSignIn, sallyport.ByWord} {
			for _, backward := range []bool{false, true} {
				r := sallyport.PeopleRange{Workspace: from.Workspace, Order: o, Filtered: true, Cells: []sallyport.PeopleCell{cell}, Limit: 51, Backward: backward}
				if o == sallyport.ByWord {
					r.Prefix = "m"
				}
				for range 2 {
					if _, _, err := tx.PlacePeople(r, from, 100); err != nil {
						return err
					}
					if _, err := tx.People(r); err != nil {
						return err
					}
					r.From, r.Cells = &from, append(r.Cells, sallyport.PeopleCell{Role: sallyport.Admin, State: from.State})
				}
				r.Also = []string{"acme"}
				locked := r
				locked.Order, locked.LockedAt = sallyport.ByLock, time.UnixMilli(1)
				if _, err := tx.FindPeople(locked, 100); err != nil {
					return err
				}
				for _, r.Look = range []int{5000, math.MaxInt64} {
					if o != sallyport.ByWord {
						continue
					}
					if _, err := tx.People(r); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}))
}

var (
	parameter = regexp.MustCompile(`\$(\d+)`)
	scanned   = regexp.MustCompile(`(Seq Scan|(?:Index|Index Only|Bitmap Index|Bitmap Heap) Scan(?: Backward)?(?: using \w+)?) on \w+|Sort$`)
)

// explain returns how each statement reads its tables, on a connection of the store.
func explain(t *testing.T, e *sallyporttest.Env, statements []string) (all [][]string) {
	t.Helper()
	store, err := sqlstore.Open(context.Background(), e.Database)
	e.Check(err)
	defer store.Close()
	for _, sql := range statements {
		most := 0
		for _, m := range parameter.FindAllStringSubmatch(sql, -1) {
			var n int
			fmt.Sscan(m[1], &n)
			most = max(most, n)
		}
		with := ""
		if most > 0 {
			with = "(NULL" + strings.Repeat(", NULL", most-1) + ")"
		}
		var scans []string
		e.Check(store.WriteSQL(context.Background(), func(tx *sqlstore.Tx) error {
			scans = nil
			if err := tx.Exec("PREPARE explained AS " + sql); err != nil {
				return err
			}
			err := tx.Rows("EXPLAIN (COSTS OFF) EXECUTE explained"+with, nil, func(scan func(...any) error) error {
				var line string
				if err := scan(&line); err != nil {
					return err
				}
				if m := scanned.FindString(line); m != "" {
					scans = append(scans, strings.Replace(m, " Backward", "", 1))
				}
				return nil
			})
			if err != nil {
				return err
			}
			return tx.Exec("DEALLOCATE explained")
		}))
		slices.Sort(scans)
		all = append(all, scans)
	}
	return all
}
