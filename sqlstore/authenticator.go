package sqlstore

import (
	"strconv"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
)

func (t *tx) Authenticators(workspace, user string) (all []sallyport.Authenticator, err error) {
	err = t.rows(authenticatorsOf, []any{workspace, user}, addAuthenticators(workspace, user, &all))
	return all, err
}

const authenticatorsOf = `SELECT id, name, algorithm, secret, last_step, used_steps, refused_steps, created_at, last_used_at, last_used_from
	FROM authenticators WHERE workspace_id = $1 AND user_id = $2 ORDER BY id`

func addAuthenticators(workspace, user string, all *[]sallyport.Authenticator) func(scanner) error {
	return func(scan scanner) error {
		a := sallyport.Authenticator{Workspace: workspace, User: user}
		var algorithm, burnt, refused string
		var created, used int64
		if err := scan(&a.ID, &a.Name, &algorithm, &a.Secret, &a.LastStep, &burnt, &refused, &created, &used, &a.LastUsedFrom); err != nil {
			return err
		}
		a.Algorithm, a.CreatedAt, a.LastUsedAt = otp.Algorithm(algorithm), at(created), at(used)
		var err error
		if a.UsedSteps, err = parseSteps(burnt); err != nil {
			return err
		}
		a.RefusedSteps, err = parseSteps(refused)
		*all = append(*all, a)
		return err
	}
}

// stepsText returns time steps as they are stored: decimal, separated by spaces.
func stepsText(steps []int64) string {
	var out []string
	for _, s := range steps {
		out = append(out, strconv.FormatInt(s, 10))
	}
	return strings.Join(out, " ")
}

func parseSteps(s string) ([]int64, error) {
	var steps []int64
	for _, f := range strings.Fields(s) {
		step, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

func (t *tx) InsertAuthenticator(a sallyport.Authenticator) error {
	return t.exec(`INSERT INTO authenticators (workspace_id, user_id, id, name, algorithm, secret, last_step, used_steps, refused_steps, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		a.Workspace, a.User, a.ID, a.Name, string(a.Algorithm), a.Secret, a.LastStep, stepsText(a.UsedSteps), stepsText(a.RefusedSteps), ms(a.CreatedAt))
}

func (t *tx) BurnStep(a sallyport.Authenticator) error {
	return t.expect(`UPDATE authenticators SET last_step = $4, last_used_at = $5, last_used_from = $6, used_steps = $7
		WHERE workspace_id = $1 AND user_id = $2 AND id = $3 AND last_step < $4`,
		a.Workspace, a.User, a.ID, a.LastStep, ms(a.LastUsedAt), a.LastUsedFrom, stepsText(a.UsedSteps))
}

func (t *tx) SaveAuthenticator(a sallyport.Authenticator) error {
	return t.exec(`UPDATE authenticators SET name = $4, secret = $5, refused_steps = $6, last_step = $7, used_steps = $8 WHERE workspace_id = $1 AND user_id = $2 AND id = $3`,
		a.Workspace, a.User, a.ID, a.Name, a.Secret, stepsText(a.RefusedSteps), a.LastStep, stepsText(a.UsedSteps))
}

func (t *tx) DeleteAuthenticator(workspace, user, id string, last bool) (bool, error) {
	return one(t.affected(`DELETE FROM authenticators WHERE workspace_id = $1 AND user_id = $2 AND id = $3
		AND ($4 = 1 OR EXISTS (SELECT 1 FROM authenticators o WHERE o.workspace_id = $1 AND o.user_id = $2 AND o.id <> $3))`,
		workspace, user, id, last))
}
