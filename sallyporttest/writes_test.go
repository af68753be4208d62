package sallyporttest_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// spy is a test that records its errors.
type spy struct {
	testing.TB
	errors []string
}

func (s *spy) Errorf(format string, args ...any) {
	s.errors = append(s.errors, fmt.Sprintf(format, args...))
}

// TestWritesAreWatched: on SQLite, a test fails in which a refusal follows a change, and each Write runs its function twice.
func TestWritesAreWatched(t *testing.T) {
	touch := func(tx sallyport.Tx) error { return tx.Touch() }
	none := func(tx sallyport.Tx) error { _, _, err := tx.User("", "none"); return err }
	gone := func(tx sallyport.Tx) error { _, err := tx.DeleteSession("", "none", "none"); return err }
	for name, c := range map[string]struct {
		do      func(sallyport.Tx) error
		outcome error
		failed  bool
	}{
		"a change":                             {touch, nil, false},
		"a refusal after a read":               {none, sallyport.ErrNotFound, false},
		"a refusal after nothing was deleted":  {gone, sallyport.ErrNotFound, false},
		"a refusal after a change":             {touch, sallyport.ErrNotFound, true},
		"a duplicate, after a change":          {touch, sallyport.ErrDuplicate, true},
		"a fault after a change, as they come": {touch, errors.New("the disk is full"), false},
	} {
		for _, once := range []bool{false, true} {
			e := *sallyporttest.New(t, "sqlite")
			watching := &spy{TB: t}
			e.T = watching
			node := e.Node(e.Keys)
			if once {
				e.RunOnce()
			}
			runs := 0
			err := node.Store.Write(t.Context(), func(tx sallyport.Tx) error {
				runs++
				return errors.Join(c.do(tx), c.outcome)
			})
			if !errors.Is(err, c.outcome) || (runs == 1) != once {
				t.Errorf("%s: %v, in %d runs", name, err, runs)
			}
			if failed := len(watching.errors) > 0; failed != c.failed {
				t.Errorf("%s: the test failed: %q", name, watching.errors)
			}
		}
	}
}
