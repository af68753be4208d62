package sallyport

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/throttle"
)

// pushedPrefix begins a request_uri (RFC 9126 section 2.2).
const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// Push keeps an authorization request for PushedLimit, until a browser brings the returned request_uri.
func (s *Service) Push(ctx context.Context, by Caller, c ClientCredentials, p Parameters) (uri Secret, err error) {
	err = s.asClient(ctx, by, c, func(tx Tx, app App) error {
		if p["request_uri"] != "" {
			return refusal("invalid_request", text.Say("The parameter request_uri cannot be pushed."))
		}
		if p["client_id"] != "" && p["client_id"] != app.ID {
			return refusal("invalid_request", text.Say("The parameter client_id is not that of the app that sent the request."))
		}
		if !app.Client.redirects(p["redirect_uri"]) {
			return refusal("invalid_request", text.Say("The redirect_uri is missing, or is not one of those registered for this app. Register exactly the address that the app sends."))
		}
		if _, err := p.judge(app.Client); err != nil {
			return err
		}
		if err := s.countPushed(tx, by, app); err != nil {
			return err
		}
		now := s.Now()
		p["client_id"] = app.ID
		r := AppRequest{
			Workspace: app.Workspace, ID: newID(prefixRequest, now), App: app.ID, Params: p, CreatedAt: now, ExpiresAt: now.Add(PushedLimit),
		}
		uri, r.Pushed = newToken("", r.ID)
		uri = pushedPrefix + uri
		return tx.InsertAppRequest(r)
	})
	return uri, err
}

// pushedRule is for one app that has proved which it is. Anyone can send what a public one sends.
var pushedRule = throttle.Rule{Limit: 30000, Window: time.Hour}

func (s *Service) countPushed(tx Tx, by Caller, app App) error {
	if app.Client.Public {
		return s.countRequest(tx, by)
	}
	of := []budget{{Tries{Workspace: app.Workspace, Subject: app.ID, Bucket: "pushed"}, pushedRule}}
	allowed, err := s.charge(tx, of, ErrAppRequestLimit)
	if err == nil && !allowed {
		err = commit(ErrAppRequestLimit)
	}
	return err
}

// takePushed returns the parameters of a pushed request, which it uses up. Other parameters of the browser mean nothing then.
func (s *Service) takePushed(ctx context.Context, by Caller, p Parameters) (Parameters, error) {
	token, found := strings.CutPrefix(p["request_uri"], pushedPrefix)
	if !found {
		return p, nil
	}
	_, id, hash, ok := parseToken(Secret(token), prefixRequest)
	if !ok {
		return nil, ErrAppRequestGone
	}
	var r AppRequest
	err := s.Store.Write(ctx, func(tx Tx) (err error) {
		if r, found, err = tx.AppRequest(by.workspace.ID, id); err != nil || !found {
			return errOr(err, ErrAppRequestGone)
		}
		if !bytes.Equal(r.Pushed, hash) || r.App != p["client_id"] || !lifetime.Until(r.ExpiresAt, PushedLimit, s.Now()) {
			return ErrAppRequestGone
		}
		if found, err = tx.TakeAppRequest(r.Workspace, r.ID); err == nil && !found {
			err = ErrAppRequestGone
		}
		return err
	})
	return r.Params, err
}
