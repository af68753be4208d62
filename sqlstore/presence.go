package sqlstore

import (
	"sync"

	"github.com/sallyport-2fa/sallyport"
)

// presences remembers who arrived, for as long as nothing at all is written to the database: a look at its version
// costs a fraction of the five tables.
type presences struct {
	mu      sync.RWMutex
	version version
	of      map[arrival]*sallyport.Presence
}

type arrival struct{ host, user, session string }

// maxPresences bounds what is remembered, to a few megabytes.
const maxPresences = 8192

// get returns what is true while the database has the version.
func (p *presences) get(a arrival) (*sallyport.Presence, version) {
	if p == nil {
		return nil, ""
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.of[a], p.version
}

// put keeps what was read after version was looked at.
func (p *presences) put(version version, a arrival, found *sallyport.Presence) {
	if p == nil || version == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if version != p.version {
		p.version, p.of = version, map[arrival]*sallyport.Presence{}
	}
	if len(p.of) < maxPresences {
		p.of[a] = found
	}
}

// Arrive asks for all of it in one statement, as a living session is what most requests bring; without one, for the
// workspace alone.
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
	if p, err := t.remembered(a); err != nil || p != nil {
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

// answering reads the workspace that answers on a host. Where a look at the version is a statement too, it would cost as
// much as this one.
func (t *tx) answering(host string) (*sallyport.Presence, error) {
	a := arrival{host: host}
	if t.looksFree {
		if p, err := t.remembered(a); err != nil || p != nil {
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

// remembered is what was read before, while it is still true; else nil.
func (t *tx) remembered(a arrival) (*sallyport.Presence, error) {
	p, then := t.presences.get(a)
	if p == nil {
		return nil, nil
	}
	now, err := t.version()
	if err != nil || now != then {
		return nil, err
	}
	return p, nil
}

const (
	hostColumns = workspaceColumns + `, ` + policyColumns
	hostTables  = `hosts h JOIN workspaces w ON w.id = h.workspace_id JOIN policies p ON p.workspace_id = w.id
		LEFT JOIN workspaces r ON r.id = w.reseller`
)

// hostRow is what answers on a host, on its way out of a row.
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
