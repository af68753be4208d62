package sallyport

import (
	"context"
	"sync"
	"time"
)

// watch wakes requests that wait until a sign-in asks for approval, or gets an answer. However many wait, and on
// whichever node the change is made, each node reads the open requests of all workspaces once in a second, and nothing
// while nobody waits.
type watch struct {
	mu      sync.Mutex
	running bool
	waiters map[*waiter]bool
}

type waiter struct {
	user  string // "workspace user"
	until func(Approval) bool
	woken chan struct{}
}

// watchPause is how often a node looks. Pages promise three seconds.
const watchPause = time.Second

// wait returns true once the newest request for a user is as until wants it, and false when ctx ends before. until gets
// the zero value if there is none, or if it has expired.
func (s *Service) wait(ctx context.Context, workspace, user string, until func(Approval) bool) bool {
	w := &waiter{workspace + " " + user, until, make(chan struct{})}
	s.watch.mu.Lock()
	s.watch.waiters[w] = true
	if !s.watch.running {
		s.watch.running = true
		go s.watchApprovals()
	}
	s.watch.mu.Unlock()
	select {
	case <-w.woken:
		return true
	case <-ctx.Done():
		s.watch.mu.Lock()
		delete(s.watch.waiters, w)
		s.watch.mu.Unlock()
		return false
	}
}

// watchApprovals looks until nobody waits.
func (s *Service) watchApprovals() {
	for s.watched() {
		open, err := s.openApprovals()
		if err != nil {
			s.Log.Error("looking for requests for approval", "error", err)
		} else {
			s.watch.wakeAll(open)
		}
		time.Sleep(watchPause)
	}
}

// watched reports whether anybody waits. If not, the next one has to start looking again.
func (s *Service) watched() bool {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	s.watch.running = len(s.watch.waiters) > 0
	return s.watch.running
}

func (w *watch) wakeAll(open map[string]Approval) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.waiters {
		if one.until(open[one.user]) {
			close(one.woken)
			delete(w.waiters, one)
		}
	}
}

// openApprovals returns every request that has not expired, by user.
func (s *Service) openApprovals() (map[string]Approval, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	open := map[string]Approval{}
	return open, s.Store.Read(ctx, func(tx Tx) error {
		all, err := tx.LiveApprovals(s.Now())
		for _, a := range all {
			if a.State != ApprovalWaits || a.waits(s.Now()) {
				open[a.Workspace+" "+a.User] = a
			}
		}
		return err
	})
}

// WaitUntilAsked returns true once a sign-in of the caller waits for approval, and false when ctx ends before. It reads
// nothing for this caller alone. It returns ErrNotApprover if this session cannot approve anything.
func (s *Service) WaitUntilAsked(ctx context.Context, by Caller) (bool, error) {
	if err := s.may(by, access{}); err != nil {
		return false, err
	}
	switch {
	case !by.Approves():
		return false, ErrNotApprover
	case s.Asked(by):
		return true, nil
	}
	return s.wait(ctx, by.workspace.ID, by.user.ID, func(a Approval) bool { return a.State == ApprovalWaits }), nil
}

// WaitForApproval returns true once the request of the caller's sign-in waits no longer, and false when ctx ends before.
func (s *Service) WaitForApproval(ctx context.Context, by Caller) (bool, error) {
	var a Approval
	err := s.write(ctx, func(tx Tx) error {
		si, u, err := s.signIn(tx, by)
		if err != nil {
			return err
		}
		a, _, err = tx.Approval(u.Workspace, u.ID)
		if err == nil && a.SignIn != si.ID {
			err = ErrOtherStep
		}
		return err
	})
	if err != nil || !a.waits(s.Now()) {
		return true, err
	}
	return s.wait(ctx, a.Workspace, a.User, func(now Approval) bool { return now.ID != a.ID || now.State != ApprovalWaits }), nil
}
