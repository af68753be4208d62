package sqlstore

import (
	"context"
	"sync"
)

// sharedReads sends concurrent queries together. Every request reads its session, so under load there are as many of
// these queries as clients, and their cost is the round trip, not the query. So at most two connections run them at a
// time. Queries that arrive in the meantime wait, and are sent together in the next round trip. Each is a separate
// statement, and begins after it was asked.
type sharedReads struct {
	mu       sync.Mutex
	carriers int
	waiting  []*sharedRead
}

type sharedRead struct {
	sql   string // empty if only the version is asked for
	args  []any
	each  func([]cell) error
	begun bool // a row has arrived
	err   error
	panic any // of each, to be raised again in the caller's goroutine
	at    version
	done  chan struct{}
}

// row passes a row to the caller's function. Its errors and panics must not affect the other queries of the round trip.
func (q *sharedRead) row(each func([]cell) error, row []cell) {
	q.begun = true
	defer func() { q.panic = recover() }()
	q.err = each(row)
}

const (
	// maxCarriers is two, so that one may hang. On two cores, they answer 20,000 queries a second.
	maxCarriers = 2
	// maxTogether bounds how long the first query of a round trip waits for the answers to the others.
	maxTogether = 32
)

// look reads the version of a PostgreSQL database, from the server's memory: the snapshot identifies the visible
// transactions, the start time the server.
const look = `SELECT concat_ws(' ', pg_current_snapshot(), pg_postmaster_start_time())`

func (*postgres) undoneGroups() (groups, repeated int64) { return 0, 0 }

// version takes one round trip, which concurrent callers share.
func (d *postgres) version() (version, error) {
	q := &sharedRead{done: make(chan struct{})}
	d.travel(q)
	return q.at, q.err
}

// ask is query for a statement that reads one row by its key. It ignores the context: it takes no longer than the other
// queries of its round trip.
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

// travel adds q to the next round trip and returns when it is answered.
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

// carry answers the waiting queries. If others have arrived in the meantime, it continues with them in a new goroutine.
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
	// One query failed, and so did all after it: run each alone, with retries if the connection was lost.
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
