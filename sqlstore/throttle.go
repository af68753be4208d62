package sqlstore

import "github.com/sallyport-2fa/sallyport"

const triesColumns = `workspace_id, subject, bucket, count, since, in_row, last, until, earlier`

// triesRow scans a budget.
type triesRow struct {
	sallyport.Tries
	since, last, until int64
}

func (r *triesRow) dest() []any {
	return []any{&r.Workspace, &r.Subject, &r.Bucket, &r.Count, &r.since, &r.Consecutive, &r.last, &r.until, &r.Earlier}
}

func (r *triesRow) tries() sallyport.Tries {
	r.Since, r.Last, r.Until = at(r.since), at(r.last), at(r.until)
	return r.Tries
}

// TakeTries counts the user's sign-ins in a statement that runs after the user's row was locked, so that the count is
// exact.
func (t *tx) TakeTries(workspace, user string, of ...sallyport.Tries) (sallyport.User, []sallyport.Tries, error) {
	var u userRow
	var all []sallyport.Tries
	if user != "" {
		if err := t.takeUser(workspace, user, &u); err != nil {
			return sallyport.User{}, nil, err
		}
	}
	for i, n := range of {
		take := t.ask
		if i == len(of)-1 {
			take = t.rows
		}
		if err := take(`INSERT INTO tries (workspace_id, subject, bucket) VALUES ($1, $2, $3)
			ON CONFLICT (workspace_id, subject, bucket) DO UPDATE SET count = tries.count
			RETURNING `+triesColumns+`, (SELECT count(*) FROM sign_ins s WHERE s.workspace_id = $1 AND s.user_id = $4)`,
			[]any{n.Workspace, n.Subject, n.Bucket, user}, func(scan scanner) error {
				var r triesRow
				err := scan(append(r.dest(), &u.OpenSignIns)...)
				all = append(all, r.tries())
				return err
			}); err != nil {
			return sallyport.User{}, nil, err
		}
	}
	return u.user(), all, nil
}

func (t *tx) TriesOf(of sallyport.Tries) (sallyport.Tries, error) {
	r, err := t.askTries(of)
	return r.tries(), err
}

// askTries is TriesOf that, in a Write, may be sent with the next statement: the row is filled in then.
func (t *tx) askTries(of sallyport.Tries) (*triesRow, error) {
	r := &triesRow{Tries: of}
	err := t.ask(`SELECT `+triesColumns+` FROM tries WHERE workspace_id = $1 AND subject = $2 AND bucket = $3`,
		[]any{of.Workspace, of.Subject, of.Bucket}, func(scan scanner) error { return scan(r.dest()...) })
	return r, err
}

func (t *tx) CodeTries(workspace, user string) (rows []sallyport.Tries, all []sallyport.Authenticator, err error) {
	if err = t.ask(triesOf, []any{workspace, user}, addTries(&rows)); err == nil {
		all, err = t.Authenticators(workspace, user)
	}
	return rows, all, err
}

const triesOf = `SELECT ` + triesColumns + ` FROM tries WHERE workspace_id = $1 AND subject = $2`

func addTries(all *[]sallyport.Tries) func(scanner) error {
	return func(scan scanner) error {
		var r triesRow
		err := scan(r.dest()...)
		*all = append(*all, r.tries())
		return err
	}
}

func (t *tx) SaveTries(n sallyport.Tries) error {
	return t.exec(`INSERT INTO tries (`+triesColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (workspace_id, subject, bucket) DO UPDATE SET count = excluded.count, since = excluded.since,
			in_row = excluded.in_row, last = excluded.last, until = excluded.until, earlier = excluded.earlier`,
		n.Workspace, n.Subject, n.Bucket, n.Count, ms(n.Since), n.Consecutive, ms(n.Last), ms(n.Until), n.Earlier)
}

func (t *tx) ClearTries(workspace, subject, bucket string) error {
	if bucket == "" {
		return t.exec(`DELETE FROM tries WHERE workspace_id = $1 AND subject = $2 AND bucket <> 'authenticator'`, workspace, subject)
	}
	return t.exec(`DELETE FROM tries WHERE workspace_id = $1 AND subject = $2 AND bucket = $3`, workspace, subject, bucket)
}
