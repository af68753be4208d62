package sqlstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// refused checks that opening a database fails with an error that contains the words.
func refused(t *testing.T, what, url string, words ...string) {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), url)
	if err == nil {
		t.Errorf("%s: not refused", what)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %v does not contain %q", what, err, w)
		}
	}
}

// TestI64_ConnectionsThatCannotWriteAreRefused: a standby, which may lag behind, and a read-only database are refused.
// If the URL names both servers, the one that can be written to is used.
func TestI64_ConnectionsThatCannotWriteAreRefused(t *testing.T) {
	e := sallyporttest.New(t, "postgres")
	standby := sallyporttest.Standby(t, e.Database)
	refused(t, "a standby", standby, "is a standby", "target_session_attrs=read-write")
	address := func(url string) string {
		_, at, _ := strings.Cut(url, "@")
		host, _, _ := strings.Cut(at, "/")
		return host
	}
	both := strings.Replace(e.Database, address(e.Database), address(standby)+","+address(e.Database), 1)
	for _, want := range []string{"read-write", "primary"} {
		s, err := sqlstore.Open(t.Context(), both+"&target_session_attrs="+want)
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		touch := func(tx sallyport.Tx) error { return tx.Touch() }
		if err := errors.Join(s.Write(t.Context(), touch), s.Read(t.Context(), func(tx sallyport.Tx) error {
			_, _, err := tx.Installation()
			return err
		}), s.Close()); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	refused(t, "both, any of them", both+"&target_session_attrs=standby", "is a standby")

	name := e.Query(`SELECT current_database()`)[0][0]
	e.Exec(`ALTER DATABASE ` + name + ` SET default_transaction_read_only = on`)
	refused(t, "a read-only database", e.Database, "default_transaction_read_only")
}

// TestI64_Poolers: in session mode a pooler changes nothing, even if the server's own settings differ. In other modes
// it is refused, and the error says what to do.
func TestI64_Poolers(t *testing.T) {
	e := sallyporttest.New(t, "postgres")
	name := e.Query(`SELECT current_database()`)[0][0]
	e.Exec(`ALTER DATABASE ` + name + ` SET synchronous_commit = off`)
	for _, mode := range []string{"transaction", "statement"} {
		refused(t, mode, sallyporttest.PgBouncer(t, mode, e.Database), "pool_mode = session")
	}
	s, err := sqlstore.Open(t.Context(), sallyporttest.PgBouncer(t, "session", e.Database))
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	look := func(tx *sqlstore.Tx) error {
		for _, setting := range []string{"synchronous_commit", "default_transaction_read_only", "enable_hashjoin", "plan_cache_mode"} {
			var value string
			if _, err := tx.Row("SELECT current_setting('"+setting+"')", nil, &value); err != nil {
				return err
			}
			said[setting] = value
		}
		return nil
	}
	if err := s.WriteSQL(t.Context(), look); err != nil || fmt.Sprint(said) != "map[default_transaction_read_only:off enable_hashjoin:off plan_cache_mode:force_generic_plan synchronous_commit:on]" {
		t.Errorf("write connection: %v %v", said, err)
	}
	if err := s.ReadSQL(t.Context(), look); err != nil || said["default_transaction_read_only"] != "on" {
		t.Errorf("read connection: %v %v", said, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestI10_ServersThatMayLoseCommitsAreRefused: a server that does not wait for the disk is refused. Once its settings
// are corrected, it is accepted.
func TestI10_ServersThatMayLoseCommitsAreRefused(t *testing.T) {
	url, err := sallyporttest.StartPostgres("shared_buffers=16MB")
	if err != nil {
		t.Fatal(err)
	}
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	set := func(setting, value string) {
		t.Helper()
		for _, sql := range []string{"ALTER SYSTEM SET " + setting + " = " + value, "SELECT pg_reload_conf()"} {
			if _, err := c.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		for now := ""; now != value; { // the server reads its settings again in its own time
			if err := c.QueryRow(t.Context(), "SHOW "+setting).Scan(&now); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, setting := range []string{"fsync", "full_page_writes"} {
		set(setting, "off")
		refused(t, setting, url, setting+" = off", "on is required")
		set(setting, "on")
	}
	s, err := sqlstore.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
