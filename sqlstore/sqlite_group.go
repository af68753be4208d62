package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

// group is one transaction and the writes in it.
type group struct {
	begun   time.Time
	members int
	wrote   bool
	done    chan struct{} // closed when it is on disk, or has failed
	err     error         // why it has failed; may be read once done is closed
}

// errUndone is the error of a group that was rolled back because one of its members failed.
var errUndone = errors.New("sqlstore: the group was undone")

// A group ends when it has groupMembers members or is older than groupTime, so that no member waits long for the
// others. groupMembers is half of the callers that are busy at the same time: one half runs while the other half is
// answered.
const (
	groupMembers = 16
	groupTime    = 10 * time.Millisecond
)

func (d *sqlite) write(ctx context.Context, fn func(*tx) error) error {
	for alone := false; ; {
		g, failed, err := d.member(ctx, fn, alone)
		if g == nil {
			return err
		}
		<-g.done
		if errors.Is(g.err, errUndone) {
			alone = alone || failed
			d.repeated.Add(1)
			ctx = context.WithoutCancel(ctx) // fn has begun
			continue
		}
		if err == nil {
			err = g.err
		}
		return err
	}
}

// member takes the turn, runs fn in the open group, and passes the turn on, even if fn panics. If alone is set, it
// begins a new group. It returns the group, which is nil if fn did not run, and whether fn failed so that the group was
// undone.
func (d *sqlite) member(ctx context.Context, fn func(*tx) error, alone bool) (g *group, undone bool, err error) {
	if err := d.takeTurn(ctx); err != nil {
		return nil, false, err
	}
	defer d.leave()
	if alone && d.group != nil {
		d.end(nil)
	}
	if err := d.join(ctx); err != nil {
		return nil, false, err
	}
	g = d.group
	on := sqliteWrites{d.conn, d.conn.allChanges()}
	t := &tx{on: on, store: d, writes: true}
	err = errors.New("sqlstore: fn did not return")
	defer func() { undone = d.endMember(t, on.wrote(), err) }()
	if err = fn(t); err == nil {
		err = t.failed
	}
	return g, false, err
}

// join joins the open group, or begins one if there is none.
func (d *sqlite) join(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	broken := d.broken
	d.mu.Unlock()
	if broken != nil {
		return fmt.Errorf("%w: %w", sallyport.ErrUnavailable, broken)
	}
	if d.group == nil {
		err := d.turnstile.pass(ctx, func() error { return d.conn.query("BEGIN IMMEDIATE", nil, nil) })
		if err != nil {
			return err
		}
		d.group = &group{begun: time.Now(), done: make(chan struct{})}
	}
	d.group.members++
	return nil
}

// endMember ends the group if what a member wrote must not be committed. undone is true if the group has other members,
// which then run again. If SQLite has rolled back the transaction by itself (full disk, disk error), the group has
// failed.
func (d *sqlite) endMember(t *tx, wrote bool, failed error) (undone bool) {
	switch {
	case !d.conn.inTransaction():
		d.end(fmt.Errorf("the transaction was rolled back: %w", t.failed))
	case failed == nil:
		d.group.wrote = d.group.wrote || wrote
	case wrote && d.group.members > 1:
		d.undone.Add(1)
		d.end(errUndone)
		return true
	case wrote:
		d.end(failed)
	}
	return false
}

// end ends the group: it commits if err is nil, and otherwise rolls back and gives the group that error.
func (d *sqlite) end(err error) {
	g := d.group
	d.group = nil
	if err == nil {
		err = d.conn.query("COMMIT", nil, nil)
	}
	if err != nil {
		if d.conn.inTransaction() {
			err = errors.Join(err, d.conn.query("ROLLBACK", nil, nil))
		}
		g.err = err
		close(g.done)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unflushed = append(d.unflushed, g)
	if !d.flushing {
		d.flushing = true
		d.flushes.Go(d.flush)
	}
}

// flush syncs committed groups, all that are waiting at a time, until there are none. It also ends and syncs the group
// that was left open while the disk was busy.
func (d *sqlite) flush() {
	for {
		d.mu.Lock()
		groups, err := d.unflushed, d.broken
		d.unflushed = nil
		switch {
		case len(groups) > 0:
			d.mu.Unlock()
		case !d.taken && d.group != nil: // in this order, because group belongs to the caller with the turn
			d.taken = true
			d.mu.Unlock()
			d.end(nil)
			d.mu.Lock()
			d.handOn()
			d.mu.Unlock()
			continue
		default:
			d.flushing = false
			d.mu.Unlock()
			return
		}
		if err == nil && slices.ContainsFunc(groups, func(g *group) bool { return g.wrote }) {
			err = d.putOnDisk()
		}
		if err == nil {
			d.copyLog()
		} else {
			err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
		}
		for _, g := range groups {
			g.err = err
			close(g.done)
		}
	}
}

// putOnDisk syncs the log. After a failure, nothing is written until a restart: the system may have discarded the data,
// and report the next sync as a success.
func (d *sqlite) putOnDisk() error {
	err := d.sync()
	if err != nil {
		err = fmt.Errorf("the log of the database could not be synced to disk: %w", err)
		d.mu.Lock()
		d.broken = err
		d.mu.Unlock()
	}
	return err
}

// takeTurn waits for the turn, first come first served.
func (d *sqlite) takeTurn(ctx context.Context) error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return ErrClosed
	}
	if !d.taken {
		d.taken = true
		d.mu.Unlock()
		return nil
	}
	ready := make(chan struct{})
	d.queue = append(d.queue, ready)
	d.mu.Unlock()
	if insideWrite() && d.withdraw(ready) {
		return ErrNested
	}
	select {
	case <-ready:
	case <-ctx.Done():
		if d.withdraw(ready) {
			return ctx.Err()
		}
		// We got the turn at the same moment. join checks ctx.
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	return nil
}

// withdraw leaves the queue. It returns false if the turn was already passed to this caller.
func (d *sqlite) withdraw(ready chan struct{}) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.queue, ready)
	if i >= 0 {
		d.queue = slices.Delete(d.queue, i, i+1)
	}
	return i >= 0
}

// leave ends the group if it is large or old enough, or if no caller waits and no sync is running. It then passes the
// turn on.
func (d *sqlite) leave() {
	d.mu.Lock()
	if g := d.group; g != nil {
		idle := len(d.queue) == 0 && !d.flushing
		if idle || g.members >= groupMembers || time.Since(g.begun) >= groupTime {
			d.mu.Unlock()
			d.end(nil)
			d.mu.Lock()
		}
	}
	d.handOn()
	d.mu.Unlock()
}

// handOn passes the turn to the next caller in the queue. It is called with mu locked.
func (d *sqlite) handOn() {
	if len(d.queue) == 0 {
		d.taken = false
		return
	}
	close(d.queue[0])
	d.queue = d.queue[1:]
}
