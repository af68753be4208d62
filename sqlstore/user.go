package sqlstore

import (
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/fold"
)

const userColumns = `u.workspace_id, u.id, u.app_id, u.ref, u.address, u.address_folded, u.name, u.role, u.state, u.epoch,
	u.password_hash, u.password_at, u.password_long, u.temporary_ends, u.two_factor, u.two_factor_since, u.must_set_up,
	u.set_up_code_hash, u.set_up_code_ends, u.recovery_count, u.recovery_left, u.recovery_made_at, u.recovery_saved_at, u.last_sign_in_at, u.listed_at,
	u.last_sign_in_method, u.reminded_at, u.created_at, u.joined_under, u.sign_ins, u.sign_ins_since, u.changes, u.changes_since, u.open_sessions, u.browser_told_at,
	u.locked_by, u.locked_until, u.asked_until, u.profile_at`

// Values of two_factor.
const (
	noFactor    = 0
	withFactor  = 1 // but no passkey
	withPasskey = 2
)

func factorOf(twoFactor, passkey bool) int {
	switch {
	case !twoFactor:
		return noFactor
	case passkey:
		return withPasskey
	}
	return withFactor
}

// returnedUser is userColumns for RETURNING, where SQLite allows no alias.
var returnedUser = strings.ReplaceAll(userColumns, "u.", "")

// userRow scans a user.
type userRow struct {
	sallyport.User
	role, state, hash, method                                                                    string
	passwordAt, temporary, since, codeEnds, made, saved, lastSignIn, listed, reminded, createdAt int64
	signInsSince, changesSince, newBrowserMailed, lockedUntil, asked, profile                    int64
	lock                                                                                         string
	factor                                                                                       int
}

func (r *userRow) dest() []any {
	return []any{&r.Workspace, &r.ID, &r.App, &r.Ref, &r.Address, &r.Folded, &r.Name, &r.role, &r.state, &r.Epoch,
		&r.hash, &r.passwordAt, &r.PasswordLong, &r.temporary, &r.factor, &r.since, &r.MustSetUp,
		&r.SetUpCodeHash, &r.codeEnds, &r.RecoveryCount, &r.RecoveryLeft, &r.made, &r.saved, &r.lastSignIn, &r.listed, &r.method, &r.reminded, &r.createdAt, &r.JoinedUnder,
		&r.SignIns.Count, &r.signInsSince, &r.Changes.Count, &r.changesSince, &r.OpenSessions, &r.newBrowserMailed, &r.lock, &r.lockedUntil, &r.asked, &r.profile}
}

func (r *userRow) user() sallyport.User {
	u := r.User
	u.Role, u.State = sallyport.Role(r.role), sallyport.State(r.state)
	u.TwoFactor, u.HasPasskey = r.factor != noFactor, r.factor == withPasskey
	u.PasswordHash, u.LastSignInMethod = sallyport.Secret(r.hash), sallyport.Method(r.method)
	u.PasswordAt, u.TemporaryEnds, u.TwoFactorSince = at(r.passwordAt), at(r.temporary), at(r.since)
	u.SetUpCodeEnds, u.RecoveryMadeAt, u.RecoverySavedAt = at(r.codeEnds), at(r.made), at(r.saved)
	u.LastSignInAt, u.ListedAt, u.RemindedAt, u.CreatedAt = at(r.lastSignIn), at(r.listed), at(r.reminded), at(r.createdAt)
	u.SignIns.Since, u.Changes.Since, u.NewBrowserMailedAt = at(r.signInsSince), at(r.changesSince), at(r.newBrowserMailed)
	u.AskedUntil, u.ProfileAt = at(r.asked), at(r.profile)
	u.LockedBy, u.LockedUntil = sallyport.Lock(r.lock), at(r.lockedUntil)
	return u
}

func (t *tx) oneUser(sql string, args ...any) (sallyport.User, bool, error) {
	var r userRow
	ok, err := t.row(sql, args, r.dest()...)
	if ok {
		t.saw(r.user())
	}
	return r.user(), ok, err
}

const lockUser = `SELECT ` + userColumns + ` FROM users u WHERE u.workspace_id = $1 AND u.id = $2` + forUpdate

// takeUser is LockUser that may be sent with the next statement.
func (t *tx) takeUser(workspace, id string, into *userRow) error {
	return t.ask(lockUser, []any{workspace, id}, func(scan scanner) error {
		err := scan(into.dest()...)
		t.saw(into.user())
		return err
	})
}

func (t *tx) LockUser(workspace, id string) (sallyport.User, bool, error) {
	return t.oneUser(lockUser, workspace, id)
}

func (t *tx) UserByAddress(workspace, folded string) (sallyport.User, bool, error) {
	return t.oneUser(`SELECT `+userColumns+` FROM users u
		WHERE u.workspace_id = $1 AND u.app_id = '' AND u.address_folded = $2 AND u.address_folded <> ''`, workspace, folded)
}

func (t *tx) InsertUser(u sallyport.User) error {
	err := inserted(t.affected(`INSERT INTO users (workspace_id, id, app_id, ref, address, address_folded, name, name_folded,
			role, state, epoch, password_hash, password_at, password_long, temporary_ends, two_factor, two_factor_since,
			must_set_up, set_up_code_hash, set_up_code_ends, recovery_count, recovery_left, recovery_made_at,
			recovery_saved_at, created_at, joined_under)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)
		ON CONFLICT DO NOTHING`,
		u.Workspace, u.ID, u.App, u.Ref, u.Address, u.Folded, u.Name, fold.Name(u.Name),
		string(u.Role), string(u.State), u.Epoch, u.PasswordHash.Reveal(), ms(u.PasswordAt), u.PasswordLong, ms(u.TemporaryEnds),
		factorOf(u.TwoFactor, u.HasPasskey), ms(u.TwoFactorSince), u.MustSetUp, u.SetUpCodeHash, ms(u.SetUpCodeEnds), u.RecoveryCount, u.RecoveryLeft, ms(u.RecoveryMadeAt),
		ms(u.RecoverySavedAt), ms(u.CreatedAt), u.JoinedUnder))
	if err != nil {
		return err
	}
	u.ListedAt = time.Time{} // MoveSignedIn sets it
	t.saw(u)
	if err := t.insertEntries(u); err != nil {
		return err
	}
	return t.exec(`INSERT INTO last_sign_ins (workspace_id, user_id, at, role, state, two_factor, must_set_up, joined_under)
		VALUES ($1, $2, 0, $3, $4, $5, $6, $7)`, u.Workspace, u.ID, string(u.Role), string(u.State), factorOf(u.TwoFactor, u.HasPasskey), u.MustSetUp, u.JoinedUnder)
}

func (t *tx) SaveUser(u sallyport.User) error {
	err := t.exec(`UPDATE users SET address = $3, address_folded = $4, name = $5, name_folded = $6, role = $7, state = $8,
			epoch = $9, password_hash = $10, password_at = $11, password_long = $12, temporary_ends = $13, two_factor = $14,
			two_factor_since = $15, must_set_up = $16, set_up_code_hash = $17, set_up_code_ends = $18, recovery_made_at = $19,
			recovery_saved_at = $20, recovery_count = $21, recovery_left = $22, reminded_at = $23, profile_at = $24
		WHERE workspace_id = $1 AND id = $2`,
		u.Workspace, u.ID, u.Address, u.Folded, u.Name, fold.Name(u.Name), string(u.Role), string(u.State),
		u.Epoch, u.PasswordHash.Reveal(), ms(u.PasswordAt), u.PasswordLong, ms(u.TemporaryEnds), factorOf(u.TwoFactor, u.HasPasskey),
		ms(u.TwoFactorSince), u.MustSetUp, u.SetUpCodeHash, ms(u.SetUpCodeEnds), ms(u.RecoveryMadeAt), ms(u.RecoverySavedAt),
		u.RecoveryCount, u.RecoveryLeft, ms(u.RemindedAt), ms(u.ProfileAt))
	if err != nil {
		return err
	}
	return t.saveListed(u)
}

func (t *tx) SaveLastSignIn(u sallyport.User) error {
	return t.exec(`UPDATE users SET last_sign_in_at = $3, last_sign_in_method = $4, sign_ins = $5, sign_ins_since = $6, open_sessions = $7,
			browser_told_at = $8
		WHERE workspace_id = $1 AND id = $2`,
		u.Workspace, u.ID, ms(u.LastSignInAt), string(u.LastSignInMethod), u.SignIns.Count, ms(u.SignIns.Since), u.OpenSessions, ms(u.NewBrowserMailedAt))
}

func (t *tx) SaveChanges(u sallyport.User) error {
	return t.exec(`UPDATE users SET changes = $3, changes_since = $4 WHERE workspace_id = $1 AND id = $2`,
		u.Workspace, u.ID, u.Changes.Count, ms(u.Changes.Since))
}
