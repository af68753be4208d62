package sallyport

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/throttle"
)

// AppRequest is a request of an app that waits: for a person who must do something first, or for the browser that brings the
// rest of a pushed one.
type AppRequest struct {
	Workspace string
	ID        string
	App       string
	Browser   []byte // hash of the secret of the browser that made it; nil: the first browser that opens it
	Pushed    []byte // hash of the secret of a pushed request; nil: it was not pushed, or was taken
	Params    Parameters
	Account   string // id of the session that was chosen for it
	Consent   string // id of the person who agreed
	CreatedAt time.Time
	ExpiresAt time.Time

	fresh bool // not yet in the database
}

// Limits of waiting requests.
const (
	AppRequestLimit = 15 * time.Minute
	PushedLimit     = time.Minute
	MaxAppRequests  = 10 // of one browser
)

// appRequestRule is for one network, in which a whole company may be.
var appRequestRule = throttle.Rule{Limit: 3000, Window: time.Hour}

// AppRequestTx is the storage of waiting requests.
type AppRequestTx interface {
	// InsertAppRequest inserts a request, and deletes all of the same browser except the newest MaxAppRequests.
	InsertAppRequest(AppRequest) error
	// AppRequest returns a request.
	AppRequest(workspace, id string) (AppRequest, bool, error)
	// SaveAppRequest replaces the account and the consent, and the browser of a request that had none, of which it then
	// deletes all except the newest MaxAppRequests. It returns false if the request has ended, or belongs to another browser
	// by now.
	SaveAppRequest(AppRequest) (bool, error)
	// TakeAppRequest deletes a request. Of several calls, one returns true.
	TakeAppRequest(workspace, id string) (bool, error)
}

// Outcomes of requests of apps that people see.
var (
	ErrAppUnknown      = &Error{Kind: NotFound, Code: "app_unknown", Text: text.Say("The app that sent you here is not registered in this workspace, or is switched off. Tell the people who run it, or ask an administrator.")}
	ErrReplyUnknown    = &Error{Kind: Invalid, Code: "redirect_uri_unknown", Text: text.Say("The app did not say where to send you back. Tell the people who run it.")}
	ErrAppRequestLimit = &Error{Kind: TooMany, Code: "too_many_app_requests", Text: text.Say("Too many people want to go to apps from your network. Try again later."), RetryAfter: time.Minute}
	ErrAppRequestGone  = &Error{Kind: Gone, Code: "app_request_gone", Text: text.Say("This way into the app was used already, has taken longer than 15 minutes, or began in another browser. Go back to the app and start again.")}
)

// Shown is a page to show on the way to an app.
type Shown string

const (
	ShowAccount Shown = "account" // who is signed in, and another account
	ShowConsent Shown = "consent" // what the app will learn
	ShowSignIn  Shown = "sign_in" // somebody else must sign in
	ShowRefusal Shown = "refusal" // the person may not use the app
	ShowPost    Shown = "post"    // a button that posts the reply
)

// OnTheWay is what becomes of a request of an app. It has a Reply, with or without a page around it, or a page to show, or the
// id of the request, which now waits.
type OnTheWay struct {
	Reply   *Reply
	Show    Shown
	App     App
	Scopes  []string
	Waiting string // id of the request that now waits
	Browser Secret // new secret of the browser; empty: unchanged
}

// Authorize judges an authorization request. browser is the secret of the caller's browser for such requests, or empty. A
// request that was posted waits in any case, because the browser did not say with it who is signed in. An error that is an
// outcome is for the person, because it is not certain that the app would get it.
func (s *Service) Authorize(ctx context.Context, by Caller, browser Secret, posted bool, p Parameters) (o OnTheWay, err error) {
	if p, err = s.takePushed(ctx, by, p); err != nil {
		return o, err
	}
	app, err := s.requestOf(ctx, by, p)
	if err != nil {
		return o, err
	}
	now := s.Now()
	r := AppRequest{
		Workspace: by.workspace.ID, ID: newID(prefixRequest, now), App: app.ID, Params: p, CreatedAt: now, ExpiresAt: now.Add(AppRequestLimit), fresh: true,
	}
	if p["response_mode"] != ModeForm && !posted {
		o, err = s.proceed(ctx, by, app, r, true)
		if o.Reply != nil && o.Show == "" || err != nil && !onTheWay(err) {
			return o, err
		}
	}
	o = OnTheWay{Waiting: r.ID}
	if !posted {
		if browser == "" {
			o.Browser, r.Browser = newSecret()
		} else {
			o.Browser, r.Browser = browser, hashToken(browser)
		}
	}
	return o, s.write(ctx, func(tx Tx) error { return s.keepRequest(tx, by, r) })
}

// keepRequest inserts a request that waits. Strangers can make requests too, so each network may make only so many.
func (s *Service) keepRequest(tx Tx, by Caller, r AppRequest) error {
	if err := s.countRequest(tx, by); err != nil {
		return err
	}
	return tx.InsertAppRequest(r)
}

func (s *Service) countRequest(tx Tx, by Caller) error {
	if !by.address.IsValid() {
		return nil
	}
	of := []budget{{Tries{Workspace: by.workspace.ID, Subject: ofAddress(by.address), Bucket: "app requests"}, appRequestRule}}
	allowed, err := s.charge(tx, of, ErrAppRequestLimit)
	if err == nil && !allowed {
		err = commit(ErrAppRequestLimit)
	}
	return err
}

// onTheWay reports whether an outcome means that the person must do something first.
func onTheWay(err error) bool {
	return errors.Is(err, ErrSignedOut) || errors.Is(err, ErrSetUpRequired) || errors.Is(err, ErrStepUp)
}

// requestOf returns the app of a request, if the reply may be sent to where it says.
func (s *Service) requestOf(ctx context.Context, by Caller, p Parameters) (app App, err error) {
	found := false
	err = s.Store.Read(ctx, func(tx Tx) error {
		app, found, err = tx.ClientApp(by.workspace.ID, p["client_id"])
		return err
	})
	switch {
	case err != nil:
		return app, err
	case !found || app.Client == nil || !app.Enabled:
		return app, ErrAppUnknown
	case p["redirect_uri"] == "":
		return app, ErrReplyUnknown
	case !app.Client.redirects(p["redirect_uri"]):
		return app, ErrReplyUnknown.saying(text.Say("{app} asked to send you back to {address}, which is not registered for it. Nothing was sent there. If you run the app, register exactly this address.", "app", app.Name, "address", p["redirect_uri"]))
	}
	return app, nil
}

// proceed does what a request asks for, or returns the next step. With issue unset, it changes nothing, and a Reply without
// values stands for the one that would be sent.
func (s *Service) proceed(ctx context.Context, by Caller, app App, r AppRequest, issue bool) (OnTheWay, error) {
	by.door = DoorOIDC // also on the pages on the way
	o := OnTheWay{App: app}
	q, err := r.Params.judge(app.Client)
	if err == nil && by.session == nil {
		err = ErrSignedOut
	}
	var show Shown
	if err == nil {
		if show, err = s.toShow(ctx, by, r, q); err == nil && show == "" {
			o.Reply, err = s.authorize(ctx, by, app, r, q, issue)
		}
	}
	outcome := errors.AsType[*Error]
	switch e, ok := outcome(err); {
	case show != "":
		o.Show, o.Scopes = show, q.scopes
		return o, nil
	case err == nil:
	case !ok:
		return o, err
	case q.prompt(PromptNone) && onTheWay(e):
		o.Reply = s.refuseTo(by, r.Params, s.silently(by, app, q, e))
	case onTheWay(e) || e.Kind != Invalid:
		return o, err
	default:
		o.Reply = s.refuseTo(by, r.Params, e)
		if errors.Is(e, errAccessDenied) && !q.prompt(PromptNone) {
			o.Show = ShowRefusal
		}
	}
	if o.Show == "" && o.Reply.Mode == ModeForm {
		o.Show = ShowPost
	}
	return o, nil
}

// silently returns what an app is told that does not want any page to be shown.
func (s *Service) silently(by Caller, app App, q asked, e *Error) *Error {
	switch {
	case errors.Is(e, ErrSignedOut):
		return errLoginRequired
	case errors.Is(e, ErrStepUp) && s.may(by, access{}) == nil:
		q.maxAge = -1 // is it only about age?
		d, _ := q.demand(*by.user, by.session.Proofs, s.Now())
		if d = d.And(Demand{Level: app.Level}); d.Judge(*by.user, by.session.Proofs, s.Now()) == nil {
			return errLoginRequired
		}
	}
	return errInteraction
}

// toShow returns the page that the request itself asks for, if the person has not answered it yet.
func (s *Service) toShow(ctx context.Context, by Caller, r AppRequest, q asked) (Shown, error) {
	want := by.user.ID
	if hint := r.Params["id_token_hint"]; hint != "" {
		sub, err := s.hinted(ctx, by, hint)
		if err != nil {
			return "", err
		}
		want = sub
	}
	for _, sub := range q.claims.IDToken["sub"].Texts() {
		want = sub
	}
	switch {
	case want != by.user.ID && q.prompt(PromptNone):
		return "", errLoginRequired
	case want != by.user.ID:
		return ShowSignIn, nil
	case q.prompt(PromptAccount) && r.Account != by.session.ID && by.session.CreatedAt.Before(r.CreatedAt):
		return ShowAccount, nil
	case q.prompt(PromptConsent) && r.Consent != by.user.ID:
		return ShowConsent, nil
	}
	return "", nil
}

// authorize issues a code to the app, if the caller's session is all that is required. The app was read for this request. If it
// was disabled since, it has another epoch, and the code is worth nothing.
func (s *Service) authorize(ctx context.Context, by Caller, app App, r AppRequest, q asked, issue bool) (reply *Reply, err error) {
	by = by.about(r.App)
	run := func(tx Tx, me *actor) error {
		if may, err := tx.MayUse(app, me.ID); err != nil || !may {
			return errOr(err, errAccessDenied)
		}
		d, reachable := q.demand(me.User, me.session.Proofs, r.CreatedAt)
		if !reachable {
			return errUnmetACR
		}
		if err := d.And(app.Demand()).Judge(me.User, me.session.Proofs, me.now); err != nil || !issue {
			return err
		}
		g := newGrant(app, me.User, me.now)
		g.Session, g.Proofs, g.Scopes = me.session.ID, me.session.Proofs, q.scopes
		g.Claims, g.Nonce, g.Redirect, g.Challenge = r.Params["claims"], r.Params["nonce"], r.Params["redirect_uri"], r.Params["code_challenge"]
		var code Secret
		code, g.CodeHash = newToken(me.ID, g.ID)
		g.CodeEnds = me.now.Add(CodeLimit)
		if !r.fresh {
			if _, err := tx.TakeAppRequest(r.Workspace, r.ID); err != nil {
				return err
			}
		}
		reply = s.reply(by, r.Params, [2]string{"code", code.Reveal()})
		return tx.InsertGrant(g)
	}
	if !issue {
		return &Reply{}, s.judgeOnly(ctx, by, run)
	}
	err = s.act(ctx, by, access{}, func(tx Tx, me *actor) error {
		err := run(tx, me)
		if errors.Is(err, errAccessDenied) && (!r.fresh || q.prompt(PromptNone)) { // otherwise a page shows it, and asks again
			return errOr(s.record(tx, by, "app.refused", me.ID, Refused, nil), commit(err))
		}
		return err
	})
	return reply, err
}

// judgeOnly runs what changes nothing, for a caller as they arrived.
func (s *Service) judgeOnly(ctx context.Context, by Caller, run func(Tx, *actor) error) error {
	if err := s.may(by, access{}); err != nil {
		return err
	}
	return s.Store.Read(ctx, func(tx Tx) error { return run(tx, &actor{User: *by.user, session: *by.session, now: s.Now()}) })
}

// waitingRequest returns a request that waits in the caller's browser, and its app.
func (s *Service) waitingRequest(ctx context.Context, by Caller, browser Secret, id string) (r AppRequest, app App, err error) {
	if !validID(prefixRequest, id) {
		return r, app, ErrAppRequestGone
	}
	found := false
	err = s.Store.Read(ctx, func(tx Tx) error {
		if r, found, err = tx.AppRequest(by.workspace.ID, id); err != nil || !found {
			return errOr(err, ErrAppRequestGone)
		}
		if app, found, err = tx.ClientApp(by.workspace.ID, r.App); err == nil && (!found || app.Client == nil || !app.Enabled) {
			err = ErrAppUnknown
		}
		return err
	})
	if err != nil {
		return r, app, err
	}
	mine := r.Browser == nil || browser != "" && subtle.ConstantTimeCompare(r.Browser, hashToken(browser)) == 1
	if !mine || r.Pushed != nil || !lifetime.Until(r.ExpiresAt, AppRequestLimit, s.Now()) {
		return r, app, ErrAppRequestGone
	}
	return r, app, nil
}

// PendingAuthorization returns what ResumeAuthorization would, and changes nothing.
func (s *Service) PendingAuthorization(ctx context.Context, by Caller, browser Secret, id string) (OnTheWay, error) {
	r, app, err := s.waitingRequest(ctx, by, browser, id)
	if err != nil {
		return OnTheWay{}, err
	}
	return s.proceed(ctx, by, app, r, false)
}

// ResumeAuthorization goes on with a request that waits in the caller's browser. If a person must do something first, it
// returns ErrSignedOut, ErrSetUpRequired or ErrStepUp.
func (s *Service) ResumeAuthorization(ctx context.Context, by Caller, browser Secret, id string) (OnTheWay, error) {
	r, app, err := s.waitingRequest(ctx, by, browser, id)
	if err != nil {
		return OnTheWay{}, err
	}
	value, err := s.claim(ctx, &r, browser)
	if err != nil {
		return OnTheWay{}, err
	}
	o, err := s.proceed(ctx, by, app, r, true)
	o.Browser = value
	return o, err
}

// claim binds a request that was posted to the first browser that opens it. From then on it is worth nothing in another one.
func (s *Service) claim(ctx context.Context, r *AppRequest, browser Secret) (Secret, error) {
	if r.Browser != nil {
		return "", nil
	}
	if r.Browser = hashToken(browser); browser == "" {
		browser, r.Browser = newSecret()
	}
	return browser, s.saveRequest(ctx, *r)
}

func (s *Service) saveRequest(ctx context.Context, r AppRequest) error {
	return s.Store.Write(ctx, func(tx Tx) error {
		saved, err := tx.SaveAppRequest(r)
		if err == nil && !saved {
			err = ErrAppRequestGone
		}
		return err
	})
}

// AnswerAuthorization records that the caller goes on as who they are, or agrees, as the page asked. With agree unset, it
// returns the reply that says so to the app.
func (s *Service) AnswerAuthorization(ctx context.Context, by Caller, browser Secret, id string, agree bool) (OnTheWay, error) {
	if err := s.may(by, access{forced: true, keyed: true}); err != nil {
		return OnTheWay{}, err
	}
	r, app, err := s.waitingRequest(ctx, by, browser, id)
	if err != nil {
		return OnTheWay{}, err
	}
	if r.Browser == nil {
		return OnTheWay{}, ErrAppRequestGone
	}
	o, err := s.proceed(ctx, by, app, r, false)
	if err != nil || o.Show != ShowAccount && o.Show != ShowConsent {
		return o, err
	}
	if !agree {
		o.Reply = s.refuseTo(by, r.Params, errConsentDenied)
		return o, s.Store.Write(ctx, func(tx Tx) error {
			_, err := tx.TakeAppRequest(r.Workspace, r.ID)
			return err
		})
	}
	if o.Show == ShowAccount {
		r.Account = by.session.ID
	} else {
		r.Consent = by.user.ID
	}
	return o, s.saveRequest(ctx, r)
}

// LoginHint returns whom the app of a waiting request expects, and the origin to which its reply goes. Both are empty if there
// is none.
func (s *Service) LoginHint(ctx context.Context, by Caller, browser Secret, id string) (hint, origin string) {
	r, _, err := s.waitingRequest(ctx, by, browser, id)
	if err != nil {
		return "", ""
	}
	if to := r.Params["post_logout_redirect_uri"]; to != "" {
		return "", originOf(to)
	}
	return r.Params["login_hint"], originOf(r.Params["redirect_uri"])
}

// escapeQuery escapes a value for a query.
func escapeQuery(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// AllowsScripts reports whether scripts of an origin may read what the endpoints answer: those of the app with this id or, if
// client is empty, of any app. They are those of the addresses to which the app's replies go.
func (s *Service) AllowsScripts(ctx context.Context, by Caller, client, origin string) (allowed bool) {
	err := s.Store.Read(ctx, func(tx Tx) error {
		if client != "" {
			app, found, err := tx.ClientApp(by.workspace.ID, client)
			allowed = found && app.repliesTo(origin)
			return err
		}
		all, err := tx.Apps(by.workspace.ID)
		allowed = slices.ContainsFunc(all, func(a App) bool { return a.repliesTo(origin) })
		return err
	})
	return allowed && err == nil
}

func (a App) repliesTo(origin string) bool {
	return a.Enabled && a.Client != nil && slices.ContainsFunc(a.Client.RedirectURIs, func(uri string) bool { return originOf(uri) == origin })
}
