package sqlstore

import (
	"github.com/sallyport-2fa/sallyport"
)

func (t *tx) signingKeys(sql string, args ...any) (all []sallyport.SigningKey, err error) {
	err = t.rows(sql, args, func(scan scanner) error {
		var k sallyport.SigningKey
		var created, from int64
		err := scan(&k.Workspace, &k.ID, &k.Algorithm, &k.Number, &k.Public, &k.Private, &created, &from)
		k.CreatedAt, k.SignsFrom = at(created), at(from)
		all = append(all, k)
		return err
	})
	return all, err
}

func (t *tx) SigningKeys(workspace string) ([]sallyport.SigningKey, error) {
	return t.signingKeys(`SELECT workspace_id, id, algorithm, number, public, private, created_at, signs_from FROM signing_keys
		WHERE workspace_id = $1 ORDER BY algorithm, number`, workspace)
}

func (t *tx) SigningDates() ([]sallyport.SigningKey, error) {
	return t.signingKeys(`SELECT workspace_id, id, algorithm, number, '', NULL, created_at, signs_from FROM signing_keys ORDER BY workspace_id, algorithm, number`)
}

func (t *tx) InsertSigningKey(k sallyport.SigningKey) (bool, error) {
	return one(t.affected(`INSERT INTO signing_keys (workspace_id, id, algorithm, number, public, private, created_at, signs_from)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		k.Workspace, k.ID, string(k.Algorithm), k.Number, k.Public, k.Private, ms(k.CreatedAt), ms(k.SignsFrom)))
}

func (t *tx) DeleteSigningKey(workspace, id string) (bool, error) {
	return one(t.affected(`DELETE FROM signing_keys WHERE workspace_id = $1 AND id = $2`, workspace, id))
}
