package sallyport

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// AppToken lets a program use an app behind a proxy in place of its user. It proves nothing about the user afresh. Like
// everything that a user was given, it ends with their epoch.
type AppToken struct {
	Workspace  string
	User       string
	ID         string
	Hash       []byte
	Epoch      int64
	App        string
	AppName    string // when it was read
	AppEpoch   int64
	Ended      bool // by the app, as it was when the token was read
	Name       string
	CreatedAt  time.Time
	ExpiresAt  time.Time
	LastUsedAt time.Time // up to a minute too early
	RefusedAt  time.Time // when the audit log last got a refusal of it
}

// TokenMark begins every access token, so that it can be told from what belongs to the app.
const TokenMark = "spt_"

// MaxAppTokens is how many access tokens a person may have.
const MaxAppTokens = 50

// AppTokenTx is the storage of access tokens.
type AppTokenTx interface {
	// AppByToken is AppAt for an access token in place of an app session.
	AppByToken(origin, user, token string) (*AppPresence, error)
	// AppTokens returns the access tokens of a user, newest first, with the names of their apps.
	AppTokens(workspace, user string) ([]AppToken, error)
	InsertAppToken(AppToken) error
	// DeleteAppToken deletes an access token, and returns whether it existed.
	DeleteAppToken(workspace, user, id string) (bool, error)
	// AppTokenUsed saves when an access token was last used.
	AppTokenUsed(t AppToken, at time.Time) error
}

// Outcomes of access tokens.
var (
	ErrTokenApp     = invalid("app", "token_app_invalid", text.Say("Choose an app."))
	ErrTokenExpires = invalid("expires", "token_expires_invalid", text.Say("Enter a date from tomorrow to a year from now."))
	ErrTokensLimit  = &Error{Kind: Conflict, Code: "too_many_tokens", Text: text.Say("You can have 50 access tokens. Revoke one that you no longer need.")}
)

// owning is what access tokens of one's own need (I22, I60).
var owning = access{proof: StrongFactor, whole: true}

// OwnTokens are a person's access tokens, and the apps for which they may create one.
type OwnTokens struct {
	Tokens []AppToken // valid now, newest first
	Apps   []App      // by name, without their groups and hosts
}

// OwnTokens returns the caller's access tokens.
func (s *Service) OwnTokens(ctx context.Context, by Caller) (own OwnTokens, err error) {
	if err := s.may(by, access{}); err != nil {
		return own, err
	}
	err = s.Store.Read(ctx, func(tx Tx) error {
		if own.Tokens, err = tx.AppTokens(by.workspace.ID, by.user.ID); err != nil {
			return err
		}
		own.Apps, err = tx.AppsOf(by.workspace.ID, by.user.ID)
		return err
	})
	own.Tokens = slices.DeleteFunc(own.Tokens, func(t AppToken) bool { return !t.lives(by.user.Epoch, s.Now()) })
	own.Apps = slices.DeleteFunc(own.Apps, func(a App) bool { return !a.Proxy.Tokens })
	return own, err
}

// CreateToken creates an access token of the caller for an app that allows it. It is valid until the end of the day, in
// UTC, that expires is in. Its value is returned only now.
func (s *Service) CreateToken(ctx context.Context, by Caller, name, app string, expires time.Time) (token Secret, err error) {
	if err := s.may(by, owning); err != nil {
		return "", err
	}
	name, wrongName := cleanName("name", name)
	last, today := Day(expires), Day(s.Now())
	ends := last.AddDate(0, 0, 1)
	var wrongExpires error
	if !last.After(today) || last.After(today.AddDate(1, 0, 0)) {
		wrongExpires = ErrTokenExpires
	}
	if err := outcomes(wrongName, wrongExpires); err != nil {
		return "", err
	}
	return token, s.act(ctx, by, owning, func(tx Tx, me *actor) error {
		a, found, err := tx.TakeApp(me.Workspace, app)
		if err != nil {
			return err
		}
		if found && a.Proxy.Tokens {
			found, err = tx.MayUse(a, me.ID)
		}
		if err != nil {
			return err
		}
		if !found || !a.Proxy.Tokens {
			return ErrTokenApp
		}
		if err := s.makeTokenRoom(tx, me); err != nil {
			return err
		}
		t := AppToken{
			Workspace: me.Workspace, User: me.ID, ID: newID(prefixAppToken, me.now), Epoch: me.Epoch, App: a.ID, AppEpoch: a.Epoch,
			Name: name, CreatedAt: me.now, ExpiresAt: ends,
		}
		value, _ := newToken(me.ID, t.ID)
		token = TokenMark + value
		t.Hash = hashToken(token)
		if err := tx.InsertAppToken(t); err != nil {
			return err
		}
		return s.record(tx, by.about(a.ID), "token.created", me.ID, Done, map[string]string{"name": t.Name, "app": a.Name})
	})
}

// makeTokenRoom deletes access tokens that have ended, and returns ErrTokensLimit if too many are left.
func (s *Service) makeTokenRoom(tx Tx, me *actor) error {
	all, err := tx.AppTokens(me.Workspace, me.ID)
	if err != nil {
		return err
	}
	left := 0
	for _, t := range all {
		if t.lives(me.Epoch, me.now) {
			left++
			continue
		}
		if _, err := tx.DeleteAppToken(t.Workspace, t.User, t.ID); err != nil {
			return err
		}
	}
	if left >= MaxAppTokens {
		return ErrTokensLimit
	}
	return nil
}

// RevokeToken ends one of the caller's access tokens, from the next request on.
func (s *Service) RevokeToken(ctx context.Context, by Caller, id string) error {
	return s.act(ctx, by, access{ends: true}, func(tx Tx, me *actor) error {
		all, err := tx.AppTokens(me.Workspace, me.ID)
		if err != nil {
			return err
		}
		for _, t := range all {
			if t.ID != id {
				continue
			}
			if _, err := tx.DeleteAppToken(t.Workspace, t.User, t.ID); err != nil {
				return err
			}
			return s.record(tx, by.about(t.App), "token.revoked", me.ID, Done, map[string]string{"name": t.Name, "app": t.AppName})
		}
		return ErrNotFound
	})
}

// LastDay returns the last day on which the token works.
func (t AppToken) LastDay() time.Time { return t.ExpiresAt.Add(-time.Millisecond) }

// lives reports whether the token is valid now for a user with this epoch.
func (t AppToken) lives(epoch int64, now time.Time) bool {
	return t.Epoch == epoch && !t.Ended && lifetime.Between(t.CreatedAt, t.ExpiresAt, now)
}

// passToken decides about the request of a program.
func (s *Service) passToken(ctx context.Context, r ProxyRequest) (Passage, error) {
	bare, marked := strings.CutPrefix(r.Token.Reveal(), TokenMark)
	user, id, _, ok := parseToken(Secret(bare), prefixAppToken)
	if !ok || !marked {
		return Passage{}, ErrTokenWrong
	}
	var p *AppPresence
	err := s.Store.Read(ctx, func(tx Tx) (err error) {
		p, err = tx.AppByToken(r.Origin, user, id)
		return err
	})
	if err != nil {
		return Passage{}, err
	}
	if p == nil || !p.App.Enabled {
		return Passage{}, ErrNoApp
	}
	w, err := s.ask(p.App, r.Method, r.Target)
	switch known := p.Token != nil && bytes.Equal(p.Token.Hash, hashToken(r.Token)); {
	case err == nil && !known:
		return Passage{}, ErrTokenWrong
	case err == nil:
		err = p.judgeToken(r, w, s.Now())
	case !known || !errors.Is(err, ErrDeniedByRule):
		return Passage{}, err
	}
	if err != nil {
		return Passage{}, s.refuseApp(ctx, p, r, err)
	}
	if now := s.Now(); now.Sub(p.Token.LastUsedAt) > time.Minute {
		if err := s.Store.Write(ctx, func(tx Tx) error { return tx.AppTokenUsed(*p.Token, now) }); err != nil {
			return Passage{}, err
		}
	}
	return s.passed(ctx, p, r.Origin)
}

// judgeToken returns nil if a program may pass with its access token, whose secret is right.
func (p *AppPresence) judgeToken(r ProxyRequest, w wants, now time.Time) error {
	switch t := p.Token; {
	case !p.App.Proxy.Tokens, !t.lives(p.User.Epoch, now), p.User.State != Active:
		return ErrTokenWrong
	case r.TokenUser != nil && folded(*r.TokenUser) != folded(p.User.Address):
		return ErrTokenWrong
	case p.Policy.Forces(*p.User, now), p.Policy.NeedsPasskey(*p.User, now) && !p.User.HasPasskey:
		return ErrSetUpRequired
	case !p.MayUse || !w.admits(p.Groups):
		return p.App.Refusal()
	case !w.public && (w.demand.Level.rank() > 0 || w.demand.Fresh > 0):
		return ErrTokenTooWeak
	}
	return nil
}
