package sallyport

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/jose"
)

// SessionApp records that an app was issued something in a session, and is to be told when that is ended.
type SessionApp struct {
	Workspace string
	User      string
	Session   string
	App       string
}

// Logout is a message to an app that a session has ended. It waits, is leased and tried again as e-mails are.
type Logout struct {
	SessionApp
	ID        string
	State     string // MailWaiting, MailSent or MailFailed
	Lease     string
	Attempts  int
	TriedFrom time.Time
	NextAt    time.Time
	CreatedAt time.Time
	Error     string
}

// LogoutTx is the storage of messages about sessions that have ended.
type LogoutTx interface {
	InsertSessionApp(SessionApp) error
	// EndedSessionApps deletes and returns the app sessions of a user whose session has ended or, if all is set, all of them.
	EndedSessionApps(workspace, user string, all bool) ([]SessionApp, error)
	InsertLogout(Logout) error
	// TakeLogouts leases at most limit waiting messages that are due, as TakeMails does.
	TakeLogouts(now, until time.Time, lease string, limit int) ([]Logout, error)
	// SettleLogout replaces tried from, next and error of a message that still has the given lease, and ends the lease. It
	// deletes one that no longer waits.
	SettleLogout(Logout) error
}

// logoutTokenLimit is how long a logout token is valid.
const logoutTokenLimit = 2 * time.Minute

// queueLogouts queues messages about the sessions of a user that have ended in this transaction.
func (s *Service) queueLogouts(tx Tx, workspace, user string, all bool) error {
	ended, err := tx.EndedSessionApps(workspace, user, all)
	now := s.Now()
	for _, one := range ended {
		if err == nil {
			err = tx.InsertLogout(Logout{SessionApp: one, ID: newID(prefixLogout, now), State: MailWaiting, NextAt: now, CreatedAt: now})
		}
	}
	return err
}

// LogoutMessage returns the address of an app and the signed token that tells it of a session that has ended (OpenID Connect
// Back-Channel Logout 1.0). The address is empty if the app does not want to be told any more.
func (s *Service) LogoutMessage(ctx context.Context, l Logout) (to, token string, err error) {
	var app App
	var found bool
	var host HostedWorkspace
	err = s.Store.Read(ctx, func(tx Tx) (err error) {
		if app, found, err = tx.ClientApp(l.Workspace, l.App); err == nil {
			host, err = tx.MailSender(l.Workspace)
		}
		return err
	})
	if err != nil || !found || app.Client == nil || app.Client.BackchannelLogoutURI == "" {
		return "", "", err
	}
	now := s.Now()
	token, err = s.sign(ctx, host.Workspace, jose.Algorithm(app.Client.Algorithm), jose.LogoutToken, map[string]any{
		"iss": s.base(host.Host), "aud": app.ID, "sub": l.User, "sid": l.Session, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(logoutTokenLimit).Unix(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	})
	return app.Client.BackchannelLogoutURI, token, err
}

// LogoutSettled saves what became of an attempt to deliver a message. One that will not be tried again is recorded, so that
// the app's activity shows it.
func (s *Service) LogoutSettled(ctx context.Context, l Logout) error {
	return s.write(ctx, func(tx Tx) error {
		if err := tx.SettleLogout(l); err != nil || l.State != MailFailed {
			return err
		}
		by := Caller{kind: callerSystem, door: DoorSystem, workspace: Workspace{ID: l.Workspace}, app: l.App}
		return s.record(tx, by, "app.logout_failed", l.User, Refused, map[string]string{"error": l.Error})
	})
}

// ending is a Tx that records whose sessions may have ended in it.
type ending struct {
	Tx
	users map[[2]string]bool
	s     *Service
}

func (t ending) SaveUser(u User) error {
	t.users[[2]string{u.Workspace, u.ID}] = true
	return t.Tx.SaveUser(u)
}

func (t ending) DeleteSession(workspace, user, id string) (bool, error) {
	t.users[[2]string{workspace, user}] = true
	return t.Tx.DeleteSession(workspace, user, id)
}

func (t ending) DeleteOtherSessions(workspace, user, id string, limit int) (int, error) {
	t.users[[2]string{workspace, user}] = true
	return t.Tx.DeleteOtherSessions(workspace, user, id, limit)
}

func (t ending) TrimSessions(u User, now time.Time) (ended, left int, err error) {
	t.users[[2]string{u.Workspace, u.ID}] = true
	return t.Tx.TrimSessions(u, now)
}

// DeleteUser queues the messages first, because what they are about is deleted with the user.
func (t ending) DeleteUser(workspace, id string) error {
	if err := t.s.queueLogouts(t.Tx, workspace, id, true); err != nil {
		return err
	}
	return t.Tx.DeleteUser(workspace, id)
}

// queueAll queues the messages about all sessions that have ended in the transaction.
func (t ending) queueAll() error {
	for u := range t.users {
		if err := t.s.queueLogouts(t.Tx, u[0], u[1], false); err != nil {
			return err
		}
	}
	return nil
}
