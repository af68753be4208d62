package sqlstore

import (
	"context"
	"sync"
)

// sharedReads lets what is asked at the same moment travel together. Every request asks who arrives: under load as
// many of these questions wait as there are clients, and what each costs is the way to the server, not its answer. So
// two connections at most carry them; meanwhile others gather, and go together with the next. Each is a statement of
// its own, and begins after it was asked.
type sharedReads struct {
	mu       sync.Mutex
	carriers int
	waiting  []*sharedRead
}

type sharedRead struct {
	sql   string // empty when nothing but the version is asked
	args  []any
	each  func([]cell) error
	begun bool // a row has come
	err   error
	panic any // of each, to be raised again where it was asked
	at    version
	done  chan struct{}
}

// row hands a row to who asked. What comes of it is no business of those who travel with it.
func (q *sharedRead) row(each func([]cell) error, row []cell) {
	q.begun = true
	defer func() { q.panic = recover() }()
	q.err = each(row)
}

const (
	// maxCarriers is two, so that one may hang. On two cores they bring 20,000 answers a second.
	maxCarriers = 2
	// maxTogether bounds how long the first of those that travel together waits for the answers to the others.
	maxTogether = 32
)

// look is the version of a PostgreSQL database, out of shared memory: the snapshot says which transactions are seen, the
// other that it is still the same server.
const look = `SELECT concat_ws(' ', pg_current_snapshot(), pg_postmaster_start_time())`

// version takes a round trip, which all share who ask at the same moment.
func (d *postgres) version() (version, error) {
	q := &sharedRead{done: make(chan struct{})}
	d.travel(q)
	return q.at, q.err
}

// ask is query for a statement that hits one row by its key. It does not end with the context: it takes no longer than
// the statement of somebody else that it travels with.
func (r postgresReads) ask(sql string, args []any, each func([]cell) error) (version, error) {
	q := &sharedRead{sql: sql, args: args, done: make(chan struct{})}
	q.each = func(row []cell) error {
		if q.err == nil && q.panic == nil {
			q.row(each, row)
		}
		return nil
	}
	r.d.travel(q)
	if q.panic != nil {
		panic(q.panic)
	}
	return q.at, q.err
}

// travel returns when q is answered.
func (d *postgres) travel(q *sharedRead) {
	s := &d.shared
	s.mu.Lock()
	s.waiting = append(s.waiting, q)
	if s.carriers < maxCarriers {
		s.carriers++
		s.mu.Unlock()
		d.carry()
	} else {
		s.mu.Unlock()
	}
	<-q.done
}

// carry answers those that wait. When others have come meanwhile, they go on in a goroutine of their own.
func (d *postgres) carry() {
	s := &d.shared
	s.mu.Lock()
	n := min(len(s.waiting), maxTogether)
	together := s.waiting[:n:n]
	s.waiting = s.waiting[n:]
	s.mu.Unlock()
	d.answer(together)
	s.mu.Lock()
	if len(s.waiting) > 0 {
		go d.carry()
	} else {
		s.waiting = nil
		s.carriers--
	}
	s.mu.Unlock()
}

func (d *postgres) answer(together []*sharedRead) {
	defer func() {
		for _, q := range together {
			close(q.done)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), postgresTimeout)
	defer cancel()
	if d.together(ctx, together) == nil {
		return
	}
	// One has spoilt it for those after it: each goes alone, and is tried again when the connection was lost.
	alone := postgresReads{d, ctx}
	for _, q := range together {
		if q.err == nil && !q.begun && q.sql != "" {
			q.err = alone.query(q.sql, q.args, q.each)
		}
	}
}

func (d *postgres) together(ctx context.Context, all []*sharedRead) error {
	c, err := d.take(ctx, d.reads)
	if err != nil {
		return err
	}
	defer c.release()
	var v version
	if err := c.put(look, nil, func(row []cell) error {
		v = version(row[0].bytes)
		return nil
	}); err != nil {
		return err
	}
	for _, q := range all {
		if q.sql != "" {
			q.err = c.put(q.sql, q.args, q.each)
		}
	}
	if _, err = c.send(); err != nil {
		return err
	}
	for _, q := range all {
		q.at = v
	}
	return nil
}
