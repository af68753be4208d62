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
	err     error         // why it is not there; to be read after done
}

// errUndone is a group's that was rolled back because one of its members failed.
var errUndone = errors.New("sqlstore: the group was undone")

// A group ends when so many are in it or so much time has passed, so that nobody waits long for the others. Half of those
// who are busy at once: then one half runs while the other is answered.
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
			ctx = context.WithoutCancel(ctx) // it has begun
			continue
		}
		if err == nil {
			err = g.err
		}
		return err
	}
}

// member takes the turn, runs fn in the open group, and hands the turn on, also when fn panics. Alone it opens a group of
// its own. It returns the group, nil when fn did not run, and whether it failed so that the group was undone.
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
	t := &tx{on: sqliteWrites{d.conn}, store: d, writes: true}
	d.conn.wrote = false
	err = errors.New("sqlstore: fn did not return")
	defer func() { undone = d.endMember(t, err) }()
	if err = fn(t); err == nil {
		err = t.failed
	}
	return g, false, err
}

// join begins a group when there is none.
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

// endMember ends the group when what a member wrote must not stay: undone when there are others in it. When the
// transaction is gone, because SQLite rolled all of it back (disk full, an error of the disk), the group has failed.
func (d *sqlite) endMember(t *tx, failed error) (undone bool) {
	switch wrote := d.conn.wrote; {
	case !d.conn.inTransaction():
		d.end(fmt.Errorf("the transaction was rolled back: %w", t.failed))
	case failed == nil:
		d.group.wrote = d.group.wrote || wrote
	case wrote && d.group.members > 1:
		d.end(errUndone)
		return true
	case wrote:
		d.end(failed)
	}
	return false
}

// end ends the group: by a commit, or, when err says why not, without.
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

// flush puts groups on disk, all that were committed before it begins with them at once, until there are none. The
// group that was left open for as long as the disk was busy is one of them.
func (d *sqlite) flush() {
	for {
		d.mu.Lock()
		groups, err := d.unflushed, d.broken
		d.unflushed = nil
		switch {
		case len(groups) > 0:
			d.mu.Unlock()
		case !d.taken && d.group != nil: // in this order: the group belongs to who has the turn
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

// putOnDisk syncs the log. When that fails nothing is written any more, until a restart: what a disk did not take it may
// forget, and call the next try a success.
func (d *sqlite) putOnDisk() error {
	err := d.sync()
	if err != nil {
		err = fmt.Errorf("the log of the database could not be put on disk: %w", err)
		d.mu.Lock()
		d.broken = err
		d.mu.Unlock()
	}
	return err
}

// takeTurn waits for the turn, in the order of coming.
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
		// The turn has become ours in the same moment: join sees ctx.
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	return nil
}

// withdraw leaves the queue; false when the turn was handed over already.
func (d *sqlite) withdraw(ready chan struct{}) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.queue, ready)
	if i >= 0 {
		d.queue = slices.Delete(d.queue, i, i+1)
	}
	return i >= 0
}

// leave ends the group when it is large enough, or when nobody waits and the disk is free for it, and hands the turn on.
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

// handOn gives the turn to the next in the queue. It is called with mu locked.
func (d *sqlite) handOn() {
	if len(d.queue) == 0 {
		d.taken = false
		return
	}
	close(d.queue[0])
	d.queue = d.queue[1:]
}
