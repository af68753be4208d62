package sqlstore

import (
	"sync"

	"github.com/sallyport-2fa/sallyport"
)

// presences caches the results of Arrive, or of AppAt, until anything at all is written to the database. Reading the
// database's version costs a fraction of reading the tables.
type presences[P any] struct {
	mu      sync.RWMutex
	version version
	of      map[arrival]*P
}

// arrival identifies a presence. At an app, host is the origin, and session the id of the app session or access token.
type arrival struct{ host, user, session string }

// maxPresences bounds the cache to a few megabytes.
const maxPresences = 8192

// get returns a cached presence, or nil, and the version of the database at which it is true.
func (p *presences[P]) get(a arrival) (*P, version) {
	if p == nil {
		return nil, ""
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.of[a], p.version
}

// put caches what was read after the version was read.
func (p *presences[P]) put(version version, a arrival, found *P) {
	if p == nil || version == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if version != p.version {
		p.version, p.of = version, map[arrival]*P{}
	}
	if len(p.of) < maxPresences {
		p.of[a] = found
	}
}

// remembered returns the cached presence if it is still true, or nil.
func remembered[P any](t *tx, cache *presences[P], a arrival) (*P, error) {
	p, then := cache.get(a)
	if p == nil {
		return nil, nil
	}
	now, err := t.version()
	if err != nil || now != then {
		return nil, err
	}
	return p, nil
}

// Arrive reads everything in one statement, because most requests have a valid session. Without one, it reads only the
// workspace.
func (t *tx) Arrive(host, user, session string) (*sallyport.Presence, error) {
	if session != "" {
		p, err := t.present(arrival{host, user, session})
		if err != nil || p != nil {
			return p, err
		}
	}
	return t.answering(host)
}

// present reads a session with its user and workspace.
func (t *tx) present(a arrival) (*sallyport.Presence, error) {
	if p, err := remembered(t, t.presences, a); err != nil || p != nil {
		return p, err
	}
	var w hostRow
	var s sessionRow
	var u userRow
	found := false
	version, err := t.askVersion(`SELECT `+hostColumns+`, `+sessionColumns+`, `+userColumns+` FROM `+hostTables+`
		JOIN sessions s ON s.workspace_id = h.workspace_id JOIN users u ON u.workspace_id = s.workspace_id AND u.id = s.user_id
		WHERE h.host = $1 AND s.user_id = $2 AND s.id = $3`, []any{a.host, a.user, a.session},
		func(scan scanner) error {
			found = true
			return scan(append(append(w.dest(), s.dest()...), u.dest()...)...)
		})
	if err != nil || !found {
		return nil, err
	}
	p, err := w.presence()
	if err != nil {
		return nil, err
	}
	ses, person := s.session(p.Workspace.ID, a.user), u.user()
	p.Session, p.User = &ses, &person
	t.presences.put(version, a, p)
	return p, nil
}

// answering reads the workspace on a host. It uses the cache only if reading the version is free: if that takes a
// statement too, it costs as much as this one.
func (t *tx) answering(host string) (*sallyport.Presence, error) {
	a := arrival{host: host}
	if t.looksFree {
		if p, err := remembered(t, t.presences, a); err != nil || p != nil {
			return p, err
		}
	}
	var w hostRow
	found := false
	version, err := t.askVersion(`SELECT `+hostColumns+` FROM `+hostTables+` WHERE h.host = $1`, []any{host},
		func(scan scanner) error {
			found = true
			return scan(w.dest()...)
		})
	if err != nil || !found {
		return nil, err
	}
	p, err := w.presence()
	if err == nil && t.looksFree {
		t.presences.put(version, a, p)
	}
	return p, err
}

const (
	hostColumns = workspaceColumns + `, ` + policyColumns
	hostTables  = `hosts h JOIN workspaces w ON w.id = h.workspace_id JOIN policies p ON p.workspace_id = w.id
		LEFT JOIN workspaces r ON r.id = w.reseller`
)

// hostRow scans the workspace on a host, with its policy.
type hostRow struct {
	workspaceRow
	policy policyRow
}

func (r *hostRow) dest() []any { return append(r.workspaceRow.dest(), r.policy.dest()...) }

func (r *hostRow) presence() (*sallyport.Presence, error) {
	policy, err := r.policy.policy()
	if err != nil {
		return nil, err
	}
	return &sallyport.Presence{Workspace: r.workspace(), Policy: policy}, nil
}
