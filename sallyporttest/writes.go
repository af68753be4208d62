package sallyporttest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// writeRules are the rules that every Write of an Env on SQLite must keep, on all its nodes.
type writeRules struct {
	once atomic.Bool // see RunOnce
}

// RunOnce makes each Write run its function once from now on, as it does outside of tests. It is for tests that count what
// a Write does.
func (e *Env) RunOnce() { e.rules.once.Store(true) }

// watched returns the store as the rules use it. On SQLite it checks two rules in each Write. Its function may run again, so
// there it always does: first in a Write that is rolled back. And a refusal never follows a change, as it would undo the
// Writes of others that share its transaction.
func (e *Env) watched(store *sqlstore.Store) sallyport.Store {
	if _, measured := e.T.(*testing.B); measured || e.Postgres() {
		return store
	}
	return &watchedStore{Store: store, t: e.T, rules: e.rules}
}

type watchedStore struct {
	sallyport.Store
	t     testing.TB
	rules *writeRules
}

var errRehearsal = errors.New("sallyporttest: the first run of a Write is rolled back")

func (s *watchedStore) Write(ctx context.Context, fn func(sallyport.Tx) error) error {
	if !s.rules.once.Load() {
		ran := false
		err := s.Store.Write(ctx, func(tx sallyport.Tx) error {
			ran = true
			return errors.Join(fn(tx), errRehearsal)
		})
		if !ran {
			return err
		}
	}
	return s.Store.Write(ctx, func(tx sallyport.Tx) error {
		err := fn(tx)
		if refuses(err) && sqlstore.Wrote(tx) {
			s.t.Errorf("a Write was refused after it had changed something: %v. Return the refusal by keep, or refuse first.", err)
		}
		return err
	})
}

// refuses reports whether an error is one that people get, and not a fault. The rules make an outcome of a duplicate key
// after the Write, too; only a seal that exists already is a fault, as somebody changed the database outside the program.
func refuses(err error) bool {
	duplicate := errors.Is(err, sallyport.ErrDuplicate) && !strings.Contains(err.Error(), "seals_pkey")
	return duplicate || len(sallyport.Outcomes(err)) > 0
}
