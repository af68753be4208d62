package sallyport_test

import (
	"encoding/hex"
	"regexp"
	"slices"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/jose"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestSealedColumns fills every table, and opens each value of the listed columns. A column of bytes that is not listed
// must be a hash, a MAC or a salt.
func TestSealedColumns(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		site := sallyporttest.NewSite(t, e)
		mia := e.Add("mia@acme.example", sallyport.Member)
		v := site.Visitor()
		v.Enrol(&mia, "Pixel")
		v.Post("/account/email", sallyporttest.Fields{"email": "mia@new.example"})
		v.Follow()
		e.Clock.Advance(sallyport.StepUpLimit)
		v.Post("/account/2fa/disable", sallyporttest.Fields{"confirm": "yes"})
		w := site.Visitor()
		leo := e.Add("leo@acme.example", sallyport.Member)
		w.SignIn(leo)
		w.Post("/account/2fa/set-up", sallyporttest.Fields{"name": "Tablet"})
		signed(e, e.Service, jose.ES256)
		for _, c := range sallyport.SealedColumns {
			user := "user_id"
			if c.NoUser {
				user = "''"
			}
			rows := e.Query("SELECT workspace_id, " + user + ", " + c.Key + ", " + c.Column + " FROM " + c.Table + " WHERE " + c.Column + " IS NOT NULL")
			if len(rows) == 0 {
				t.Errorf("%s.%s: no value is sealed", c.Table, c.Column)
			}
			for _, row := range rows {
				key := row[2]
				if c.Key == "hash" {
					key = hex.EncodeToString([]byte(key))
				}
				if _, err := e.Keys.Open([]byte(row[3]), c.AD(row[0], row[1], key)); err != nil {
					t.Errorf("%s.%s of %s: %v", c.Table, c.Column, key, err)
				}
			}
		}
		columns := "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.type = 'BLOB'"
		if e.Postgres() {
			columns = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' AND data_type = 'bytea'"
		}
		for _, row := range e.Query(columns) {
			listed := slices.ContainsFunc(sallyport.SealedColumns, func(c sallyport.SealedColumn) bool {
				return c.Table == row[0] && c.Column == row[1]
			})
			if open := openColumn.MatchString(row[1]); open == listed {
				t.Errorf("%s.%s: sealed by its name: %t, listed: %t", row[0], row[1], !open, listed)
			}
		}
	})
}

// openColumn matches the names of columns of bytes that contain no secret.
var openColumn = regexp.MustCompile(`(^|_)(hash|mac|salt|events|previous|credential|public_key|model)$`)
