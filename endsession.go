package sallyport

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/sallyport-2fa/sallyport/internal/openid"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// errHint is what an app is told about an ID token that the workspace has not signed for it.
var errHint = refusal("invalid_request", text.Say("The id_token_hint is not an ID token of this server."))

// idTokenHint is what counts in an ID token that an app sends back.
type idTokenHint struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience openid.Audience `json:"aud"`
	Session  string          `json:"sid"`
}

// readHint returns what an ID token says that this workspace has signed, even if it has expired.
func (s *Service) readHint(ctx context.Context, by Caller, token string) (h idTokenHint, err error) {
	claims, err := s.verifyOwn(ctx, by.workspace, token, true)
	if errors.Is(err, errTokenInvalid) {
		return h, errHint
	}
	if err != nil {
		return h, err
	}
	if json.Unmarshal(claims, &h) != nil || h.Issuer != s.base(by.host) || len(h.Audience) != 1 || !validID(prefixApp, h.Audience[0]) {
		return h, errHint
	}
	return h, nil
}

// hinted returns the id of the person for whom an app was issued an ID token.
func (s *Service) hinted(ctx context.Context, by Caller, token string) (string, error) {
	h, err := s.readHint(ctx, by, token)
	return h.Subject, err
}

// EndSessionParameters are those that mean something at the end-session endpoint.
var EndSessionParameters = []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales"}

// AskSignOut judges an app's request to sign a person out. It returns the id of a request that waits, whose reply goes to a
// registered address once the person has confirmed, or "" if the person does not return to the app.
func (s *Service) AskSignOut(ctx context.Context, by Caller, browser Secret, posted bool, p Parameters) (id string, value Secret, err error) {
	to := p["post_logout_redirect_uri"]
	if p["id_token_hint"] == "" || to == "" {
		return "", "", nil
	}
	h, err := s.readHint(ctx, by, p["id_token_hint"])
	if errors.Is(err, errHint) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	if p["client_id"] != "" && p["client_id"] != h.Audience[0] || len(to) > maxAddress || len(p["state"]) > maxParameter {
		return "", "", nil
	}
	now := s.Now()
	r := AppRequest{Workspace: by.workspace.ID, ID: newID(prefixRequest, now), App: h.Audience[0], CreatedAt: now, ExpiresAt: now.Add(AppRequestLimit)}
	r.Params = Parameters{"post_logout_redirect_uri": to, "state": p["state"], "sid": h.Session}
	if !posted {
		if value = browser; browser == "" {
			value, _ = newSecret()
		}
		r.Browser = hashToken(value)
	}
	err = s.write(ctx, func(tx Tx) error {
		app, found, err := tx.ClientApp(r.Workspace, r.App)
		if err != nil {
			return err
		}
		if !found || app.Client == nil || !app.Enabled || !slices.Contains(app.Client.PostLogoutURIs, to) {
			r.ID = ""
			return nil
		}
		return s.keepRequest(tx, by, r)
	})
	return r.ID, value, err
}

// AfterSignOut returns the address of the app to which the person returns after signing out, for a request that waits in the
// caller's browser and names the session that the caller has, if any. It uses the request up if take is set. It returns "" if
// there is none.
func (s *Service) AfterSignOut(ctx context.Context, by Caller, browser Secret, id string, take bool) (string, error) {
	r, _, err := s.waitingRequest(ctx, by, browser, id)
	if len(Outcomes(err)) > 0 || err == nil && (r.Params["post_logout_redirect_uri"] == "" || by.session != nil && by.session.ID != r.Params["sid"]) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	reply := Reply{To: r.Params["post_logout_redirect_uri"]}
	if r.Params["state"] != "" {
		reply.Values = [][2]string{{"state", r.Params["state"]}}
	}
	if !take {
		return reply.Address(), nil
	}
	taken := false
	err = s.Store.Write(ctx, func(tx Tx) (err error) {
		taken, err = tx.TakeAppRequest(r.Workspace, r.ID)
		return err
	})
	if err != nil || !taken {
		return "", err
	}
	return reply.Address(), nil
}
