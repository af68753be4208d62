package sqlstore_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-2fa/sallyport/sallyporttest"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// psql runs a script on a connection of its own.
func psql(t *testing.T, url, script string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(ctx, script)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		t.Fatal(err)
	}
}

const endAllOthers = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
	WHERE datname = current_database() AND pid <> pg_backend_pid()`

func TestLostConnectionIsRetriedBeforeCommit(t *testing.T) {
	url := sallyporttest.Postgres(t)
	s := open(t, url)
	attempts := 0
	err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
		attempts++
		if err := increment(tx); err != nil {
			return err
		}
		if attempts == 1 {
			psql(t, url, endAllOthers)
		}
		return increment(tx)
	})
	if err != nil || attempts != 2 {
		t.Errorf("%d attempts, %v", attempts, err)
	}
	wantCounter(t, s, 2)
	psql(t, url, endAllOthers)
	wantCounter(t, s, 2) // a read too
}

func TestConnectionLostWhileCommitting(t *testing.T) {
	url := sallyporttest.Postgres(t)
	s := open(t, url)
	psql(t, url, `
		CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER die_at_commit AFTER UPDATE ON counters DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW EXECUTE FUNCTION die()`)
	attempts := 0
	err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
		attempts++
		return increment(tx)
	})
	if !errors.Is(err, sqlstore.ErrUnknownOutcome) || attempts != 1 {
		t.Errorf("%d attempts, %v", attempts, err)
	}
}

// An error that COMMIT itself returns is an ordinary error, not an unknown outcome.
func TestCommitFails(t *testing.T) {
	url := sallyporttest.Postgres(t)
	s := open(t, url)
	psql(t, url, "ALTER TABLE pets ALTER CONSTRAINT pets_owner_fkey DEFERRABLE INITIALLY DEFERRED")
	err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
		return errors.Join(increment(tx), tx.Exec("INSERT INTO pets (owner, name) VALUES ('nobody', 'Rex')"))
	})
	if err == nil || errors.Is(err, sqlstore.ErrUnknownOutcome) {
		t.Errorf("%v", err)
	}
	wantCounter(t, s, 0)
}

func TestDeadlockIsRetried(t *testing.T) {
	s := open(t, sallyporttest.Postgres(t))
	err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
		return tx.Exec("INSERT INTO counters (id, n) VALUES ('b', 0)")
	})
	if err != nil {
		t.Fatal(err)
	}
	var all, bothHoldOne sync.WaitGroup
	bothHoldOne.Add(2)
	take := func(first, second string) {
		attempts := 0
		err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
			attempts++
			if _, err := tx.Affected("UPDATE counters SET n = n + 1 WHERE id = $1", first); err != nil {
				return err
			}
			if attempts == 1 {
				bothHoldOne.Done()
				bothHoldOne.Wait()
			}
			return tx.Exec("UPDATE counters SET n = n + 1 WHERE id = $1", second)
		})
		if err != nil {
			t.Error(err)
		}
	}
	all.Go(func() { take("a", "b") })
	all.Go(func() { take("b", "a") })
	all.Wait()
	wantCounter(t, s, 2)
}

// After another node's migration has changed the result of a prepared statement, the statement is prepared again.
func TestChangedPlanIsPreparedAnew(t *testing.T) {
	url := sallyporttest.Postgres(t)
	s := open(t, url)
	read := func(tx *sqlstore.Tx) error {
		var id string
		return tx.Rows("SELECT * FROM counters", nil, func(scan func(...any) error) error {
			var n int64
			return scan(&id, &n)
		})
	}
	if err := s.ReadSQL(t.Context(), read); err != nil {
		t.Fatal(err)
	}
	psql(t, url, "ALTER TABLE counters DROP COLUMN n; ALTER TABLE counters ADD COLUMN m BIGINT NOT NULL DEFAULT 1")
	if err := s.ReadSQL(t.Context(), read); err != nil {
		t.Error(err)
	}
}
