package sallyport

import (
	"encoding/hex"

	"github.com/sallyport-2fa/sallyport/internal/seal"
)

// SealedColumn is a column of the database whose values are sealed with the keyset. Each value is bound to its workspace,
// its user and its row, so that it opens nowhere else.
type SealedColumn struct {
	Table, Column string
	Key           string // the column that names the row, besides workspace_id and user_id; bytes are written as hexadecimal
	Purpose       string
	NoUser        bool // the rows belong to no user, and the table has no user_id
}

// SealedColumns are all sealed columns. Code that opens or reseals every secret uses this list. A value in a column
// that is missing here would be lost when the key with which it is sealed is removed.
var SealedColumns = []SealedColumn{
	sealedAuthenticator, sealedDraft, sealedRecoveryCode, sealedParked, sealedLink, sealedMail,
	sealedSigningKey,
}

var (
	sealedAuthenticator = SealedColumn{"authenticators", "secret", "id", "authenticator", false}
	sealedDraft         = SealedColumn{"drafts", "secret", "holder", "draft", false}
	sealedRecoveryCode  = SealedColumn{"recovery_codes", "code", "hash", "recovery", false}
	sealedParked        = SealedColumn{"sessions", "parked", "id", "parked", false}
	sealedLink          = SealedColumn{"links", "data", "id", "link", false}
	sealedMail          = SealedColumn{"outbox", "body", "id", "mail", false}
	sealedSigningKey    = SealedColumn{"signing_keys", "private", "id", "signing key", true}
)

// AD returns the associated data of the value in one row.
func (c SealedColumn) AD(workspace, user, row string) seal.AD {
	return seal.AD{Purpose: c.Purpose, Workspace: workspace, User: user, Row: row}
}

// The associated data of the sealed value of each row.

func (a Authenticator) AD() seal.AD { return sealedAuthenticator.AD(a.Workspace, a.User, a.ID) }
func (d Draft) AD() seal.AD         { return sealedDraft.AD(d.Workspace, d.User, d.Holder) }
func (s Session) AD() seal.AD       { return sealedParked.AD(s.Workspace, s.User, s.ID) }
func (l Link) AD() seal.AD          { return sealedLink.AD(l.Workspace, l.User, l.ID) }
func (m Mail) AD() seal.AD          { return sealedMail.AD(m.Workspace, m.User, m.ID) }
func (k SigningKey) AD() seal.AD    { return sealedSigningKey.AD(k.Workspace, "", k.ID) }

func (c RecoveryCode) AD() seal.AD {
	return sealedRecoveryCode.AD(c.Workspace, c.User, hex.EncodeToString(c.Hash))
}

// Two values are sealed into cookies for some minutes. They need not be resealed before a key is removed: a value that
// no longer opens counts as expired.

// shownAD is for recovery codes that are shown once to their holder, which is a session or a sign-in.
func shownAD(u User, holder string) seal.AD {
	return seal.AD{Purpose: "recovery shown", Workspace: u.Workspace, User: u.ID, Row: holder}
}

// formAD is for a form that waits for its user to sign in again.
func formAD(by Caller, user, path string) seal.AD {
	return seal.AD{Purpose: "form", Workspace: by.workspace.ID, User: user, Row: path}
}
