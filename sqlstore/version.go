package sqlstore

import "sync"

// watch tells whether anything has been committed to an SQLite database, by this process or another. Requests that
// wait together share a look, and each is answered by one that began after it came: nothing committed before a call
// is missed by it.
type watch struct {
	turn sync.Mutex // held while looking
	conn *sqliteConn

	mu   sync.Mutex
	next *look // has not begun, may still be joined
}

type look struct {
	done    chan struct{}
	version uint64
	err     error
}

func (w *watch) version() (uint64, error) {
	w.mu.Lock()
	l := w.next
	if l != nil {
		w.mu.Unlock()
		<-l.done
		return l.version, l.err
	}
	l = &look{done: make(chan struct{})}
	w.next = l
	w.mu.Unlock()

	w.turn.Lock()
	w.mu.Lock()
	w.next = nil
	w.mu.Unlock()
	l.version, l.err = w.look()
	w.turn.Unlock()
	close(l.done)
	return l.version, l.err
}

func (w *watch) look() (v uint64, err error) {
	if w.conn == nil {
		return 0, ErrClosed
	}
	err = w.conn.query("PRAGMA data_version", nil, func(row []cell) error {
		v = uint64(row[0].int)
		return nil
	})
	return v, err
}

func (w *watch) close() {
	w.turn.Lock()
	defer w.turn.Unlock()
	w.conn.close()
	w.conn = nil
}
