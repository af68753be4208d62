package sqlstore_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// TestI64_PagesOfADatabaseThatTakesNothing: a full disk, a database that became read-only, a server that cannot be
// reached. Pages say that nothing was saved and when to try again. Afterwards, everything works as before.
func TestI64_PagesOfADatabaseThatTakesNothing(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		store, err := sqlstore.Open(t.Context(), e.Database)
		e.Check(err)
		t.Cleanup(func() { store.Close() })
		s := *e.Service
		s.Store = store
		site := sallyporttest.NewSite(t, e).Over(sallyport.New(s))
		mia := e.Add("mia@acme.example", sallyport.Member)
		type trouble struct{ what, begin, end string }
		troubles := []trouble{
			{"a full disk", "PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000"},
			{"read-only", "PRAGMA query_only = on", "PRAGMA query_only = off"},
		}
		name := ""
		if e.Postgres() {
			name = e.Query(`SELECT current_database()`)[0][0]
			end := strings.Replace(endAllOthers, "current_database()", "'"+name+"'", 1)
			troubles = []trouble{{"a database that takes no connections", "ALTER DATABASE " + name + " ALLOW_CONNECTIONS false; " + end, "ALTER DATABASE " + name + " ALLOW_CONNECTIONS true"}}
		}
		for _, tr := range troubles {
			v := site.Visitor()
			say := func(script string) {
				if e.Postgres() {
					psql(t, strings.Replace(e.Database, "/"+name+"?", "/postgres?", 1), script)
				} else {
					e.Check(store.WriterSays(script))
				}
			}
			say(tr.begin)
			var got *sallyporttest.Page
			for range 40 { // free pages in the file are used up first
				got = v.Post("/sign-in", sallyporttest.Fields{"email": mia.Address, "password": mia.Password})
				if got.Status >= 500 {
					break
				}
			}
			if got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" || !got.Has("cannot save anything") || len(got.Header["Set-Cookie"]) > 0 {
				t.Errorf("%s: %d %v %s", tr.what, got.Status, got.Header, got.Text())
			}
			say(tr.end)
			if got := v.Post("/sign-in", sallyporttest.Fields{"email": mia.Address, "password": mia.Password}); got.Status != http.StatusSeeOther {
				t.Errorf("after %s: %d %s", tr.what, got.Status, got.Text())
			}
		}
	})
}

// TestFaultsNameTheirStatement: on PostgreSQL, a statement without an answer fails only when a later one is sent.
func TestFaultsNameTheirStatement(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		e.Exec("DROP TABLE reminders")
		err := e.SQL.Write(t.Context(), func(tx sallyport.Tx) error {
			if err := tx.SaveReminders(sallyport.Reminders{Workspace: e.Owner.Workspace}); err != nil {
				return err
			}
			_, _, err := tx.User(e.Owner.Workspace, e.Owner.ID)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "INSERT INTO reminders") || strings.Contains(err.Error(), "\n") {
			t.Errorf("the error is %v", err)
		}
	})
}
