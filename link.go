package sallyport

import (
	"bytes"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Link is a mailed link: 256 random bits, of which only the hash is stored, for a single use and one purpose. It never
// signs anyone in and never changes two-factor authentication (I26).
type Link struct {
	Workspace string
	User      string
	ID        string
	Kind      LinkKind
	Hash      []byte
	Epoch     int64  // of the user when it was made, or lasting
	Data      []byte // sealed, or nil
	CreatedAt time.Time
	ExpiresAt time.Time
}

// LinkKind is the purpose of a link, as it is stored.
type LinkKind string

const (
	LinkReset        LinkKind = "reset"
	LinkConfirmEmail LinkKind = "confirm_email"
	LinkUndoEmail    LinkKind = "undo_email"
	LinkInvitation   LinkKind = "invitation"

	// LinkHandedReset is a reset link that an administrator hands over. It is a separate kind because anyone can
	// request a mailed reset link for a person, which ends the older mailed ones.
	LinkHandedReset LinkKind = "handed_reset"
)

// How long links work.
const (
	ResetLimit        = 30 * time.Minute
	HandedResetLimit  = 24 * time.Hour
	ConfirmEmailLimit = 24 * time.Hour
	UndoEmailLimit    = 72 * time.Hour
	InvitationLimit   = 72 * time.Hour
	LinkLimit         = 72 * time.Hour // the longest of these limits
)

// lasting is the epoch of a link that stays valid when its user's epoch rises.
const lasting = 0

// LinkTx is the storage of mailed links.
type LinkTx interface {
	// InsertLink inserts a link if its user exists.
	InsertLink(Link) error
	Link(workspace, user, id string) (Link, bool, error)
	// DeleteLink deletes a link. Of concurrent calls, exactly one returns true.
	DeleteLink(workspace, user, id string) (bool, error)
	// DropLinks deletes the links of a kind that were created for a user at since or later.
	DropLinks(workspace, user string, kind LinkKind, since time.Time) error
	// MailSender returns a workspace and the host for the links in its e-mails.
	MailSender(workspace string) (HostedWorkspace, error)
}

// ErrLinkEnded is the outcome for every link that does not work, whatever the reason.
var ErrLinkEnded = &Error{Kind: Gone, Code: "link_ended", Text: text.Say("This link no longer works. It was used, has expired, or was replaced by a newer one. Ask for a new link, or open the newest one.")}

// newLink creates a link for a user, whose row is locked, and returns its token and when it ends. It seals what the
// link carries. It ends the older links of the same kind unless epoch is lasting.
func (s *Service) newLink(tx Tx, by Caller, u User, kind LinkKind, epoch int64, carries string, limit time.Duration) (Secret, time.Time, error) {
	now := s.Now()
	l := Link{
		Workspace: by.workspace.ID, User: u.ID, ID: newID(prefixLink, now), Kind: kind, Epoch: epoch,
		CreatedAt: now, ExpiresAt: now.Add(limit),
	}
	if epoch != lasting {
		if err := tx.DropLinks(l.Workspace, l.User, kind, time.Time{}); err != nil {
			return "", l.ExpiresAt, err
		}
	}
	var token Secret
	token, l.Hash = newToken(u.ID, l.ID)
	if carries != "" {
		var err error
		if l.Data, err = s.Keys.Seal([]byte(carries), l.AD()); err != nil {
			return "", l.ExpiresAt, err
		}
	}
	return token, l.ExpiresAt, tx.InsertLink(l)
}

// link returns a valid link and its user, whose row it locks, or ErrLinkEnded.
func (s *Service) link(tx Tx, by Caller, kind LinkKind, token Secret) (Link, User, error) {
	user, id, hash, ok := parseToken(token, prefixLink)
	if !ok {
		return Link{}, User{}, ErrLinkEnded
	}
	u, ok, err := tx.LockUser(by.workspace.ID, user)
	if err != nil || !ok {
		return Link{}, User{}, errOr(err, ErrLinkEnded)
	}
	l, ok, err := tx.Link(by.workspace.ID, user, id)
	if err != nil {
		return Link{}, User{}, err
	}
	if !ok || l.Kind != kind || !bytes.Equal(l.Hash, hash) || l.Epoch != lasting && l.Epoch != u.Epoch ||
		u.State == Suspended || !lifetime.Between(l.CreatedAt, l.ExpiresAt, s.Now()) {
		return Link{}, User{}, ErrLinkEnded
	}
	return l, u, nil
}

// useUp deletes a link. If two callers use it at the same time, one gets ErrLinkEnded.
func (s *Service) useUp(tx Tx, l Link) error {
	gone, err := tx.DeleteLink(l.Workspace, l.User, l.ID)
	if err != nil || !gone {
		return errOr(err, ErrLinkEnded)
	}
	return nil
}

// carried returns what a link carries, unsealed.
func (s *Service) carried(l Link) (string, error) {
	plain, err := s.Keys.Open(l.Data, l.AD())
	return string(plain), err
}
