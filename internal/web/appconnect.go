package web

import (
	"net/http"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// proxyFields are the fields of the form on the tab about proxies.
var proxyFields = []string{"hosts", "rules", "tokens"}

type appProxyPage struct {
	appPage
	Hosts, Rules string // one per line
	Tokens       bool
	Explained    *explained
	Config       *configuration // nil: the app has no host yet
}

func (s *site) appProxyPage(r *http.Request) (*appProxyPage, error) {
	q, err := readQuery(r)
	if err != nil {
		return nil, err
	}
	a, err := s.theApp(r)
	p := a.Proxy
	v := &appProxyPage{appPage: s.appPage(r, a, "/proxy"), Hosts: strings.Join(p.Hosts, "\n"), Rules: strings.Join(p.Rules, "\n"), Tokens: p.Tokens, Explained: explain(a, q)}
	if len(p.Hosts) > 0 {
		v.Config = s.configuration(r, a, q)
	}
	return v, err
}

func (v *appProxyPage) fill(f form) {
	v.Hosts, v.Rules, v.Tokens = f.Get("hosts"), f.Get("rules"), f.Ticked("tokens")
}

func (s *site) appProxy(w http.ResponseWriter, r *http.Request) error {
	v, err := s.appProxyPage(r)
	if err != nil {
		return err
	}
	if f := s.filled(w, r); f.Has("hosts") {
		v.fill(f)
	}
	return s.render(w, r, http.StatusOK, "app-proxy", v)
}

func (s *site) appProxyPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	wrong := s.service.ChangeApp(r.Context(), by(r), id, func(a *sallyport.App) {
		a.Proxy = sallyport.AppProxy{Hosts: lines(f.Get("hosts")), Rules: lines(f.Get("rules")), Tokens: f.Ticked("tokens")}
	})
	if wrong == nil {
		return s.done(w, r, appPath(id)+"/proxy", "app-saved")
	}
	if !mendable(wrong) {
		return wrong
	}
	v, err := s.appProxyPage(r)
	if err != nil {
		return err
	}
	v.fill(f)
	return s.again(w, r, "app-proxy", v, wrong)
}

// clientFields are the fields of the form on the tab about OpenID Connect.
var clientFields = []string{"redirect_uris", "post_logout_uris", "backchannel_logout_uri", "public", "pkce", "alg", "jwks", "id_token_claims", "refresh"}

type appClientPage struct {
	appPage
	Client              sallyport.AppClient // what the form shows
	Connected           bool
	Discovery           string
	PKCE                string
	PKCEs, Algorithms   []option
	Secrets             []secretRow
	Secret              sallyport.Secret // that was just made; empty: none
	RedirectURIs, After string           // one per line
}

// secretRow is a client secret in the list.
type secretRow struct {
	sallyport.ClientSecret
	Expired bool
}

// Values of the field pkce.
const (
	pkceRequired = "required"
	pkceOptional = "optional"
)

func (s *site) appClientPage(r *http.Request, id string) (*appClientPage, error) {
	a, err := s.service.App(r.Context(), by(r), id)
	if err != nil {
		return nil, err
	}
	v := &appClientPage{appPage: s.appPage(r, a, "/openid"), Connected: a.Client != nil}
	v.Discovery = s.edge.Origin(edge.From(r.Context()).Host) + "/.well-known/openid-configuration"
	v.PKCEs = []option{
		{Value: pkceRequired, Label: s.lang.HTML(text.Say("Required"))},
		{Value: pkceOptional, Label: s.lang.HTML(text.Say("Optional, which is weaker")), Hint: s.lang.HTML(text.Say("Only for an app that does not support PKCE. Without it, a stolen code can be used by another."))},
	}
	v.Algorithms = []option{
		{Value: "RS256", Label: s.lang.HTML(text.Say("RS256, which every app understands"))},
		{Value: "ES256", Label: s.lang.HTML(text.Say("ES256"))},
		{Value: "EdDSA", Label: s.lang.HTML(text.Say("EdDSA"))},
	}
	if a.Client == nil {
		a.Client = sallyport.NewAppClient()
	}
	v.show(*a.Client)
	if !v.App.NeedsSecret() {
		return v, nil
	}
	secrets, err := s.service.ClientSecrets(r.Context(), by(r), a.ID)
	for _, one := range secrets {
		v.Secrets = append(v.Secrets, secretRow{one, !one.Valid(s.service.Now())})
	}
	return v, err
}

func (v *appClientPage) show(c sallyport.AppClient) {
	v.Client, v.PKCE = c, pkceRequired
	v.RedirectURIs, v.After = strings.Join(c.RedirectURIs, "\n"), strings.Join(c.PostLogoutURIs, "\n")
	if c.PKCEOptional {
		v.PKCE = pkceOptional
	}
}

func readClient(f form) sallyport.AppClient {
	return sallyport.AppClient{
		RedirectURIs: lines(f.Get("redirect_uris")), PostLogoutURIs: lines(f.Get("post_logout_uris")), BackchannelLogoutURI: strings.TrimSpace(f.Get("backchannel_logout_uri")),
		Public: f.Ticked("public"), PKCEOptional: f.Get("pkce") == pkceOptional, Algorithm: f.Get("alg"), JWKS: strings.TrimSpace(f.Get("jwks")),
		IDTokenClaims: f.Ticked("id_token_claims"), Refresh: f.Ticked("refresh"),
	}
}

func (s *site) appClient(w http.ResponseWriter, r *http.Request) error {
	v, err := s.appClientPage(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	if f := s.filled(w, r); f.Has("redirect_uris") {
		v.show(readClient(f))
	}
	return s.render(w, r, http.StatusOK, "app-openid", v)
}

func (s *site) appClientPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	wrong := s.service.ChangeApp(r.Context(), by(r), id, func(a *sallyport.App) {
		c := readClient(f)
		a.Client = &c
	})
	if wrong == nil {
		return s.done(w, r, appPath(id)+"/openid", "app-saved")
	}
	if !mendable(wrong) {
		return wrong
	}
	v, err := s.appClientPage(r, id)
	if err != nil {
		return err
	}
	v.show(readClient(f))
	return s.again(w, r, "app-openid", v, wrong)
}

func (s *site) newSecret(w http.ResponseWriter, r *http.Request) error {
	v, err := s.appClientPage(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	if !v.App.NeedsSecret() {
		return sallyport.ErrNoSecrets
	}
	c := &confirmPage{
		page: page{Title: text.Say("Make a new secret?")}, Question: text.Say("It is shown once, for you to enter in <bdi>{name}</bdi>.", "name", v.App.Name),
		Button: text.Say("New secret"), Back: appPath(v.App.ID) + "/openid",
	}
	switch {
	case len(v.Secrets) >= sallyport.MaxClientSecrets:
		c.Question = text.Say("It is shown once, for you to enter in <bdi>{name}</bdi>. At most two secrets are valid: the one that was made {at} ends at once.", "name", v.App.Name, "at", v.Secrets[0].CreatedAt)
		c.Danger = true
	case len(v.Secrets) > 0:
		c.Question = text.Say("It is shown once, for you to enter in <bdi>{name}</bdi>. The present one stays valid beside it until you revoke it.", "name", v.App.Name)
	}
	return s.render(w, r, http.StatusOK, "confirm", c)
}

func (s *site) newSecretPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	return s.showNewSecret(w, r, r.PathValue("id"), "")
}

// showNewSecret makes a secret for an app, and shows it on the app's page, for the only time. notice says what was done
// before, if anything.
func (s *site) showNewSecret(w http.ResponseWriter, r *http.Request, id, notice string) error {
	secret, err := s.service.NewClientSecret(r.Context(), by(r), id)
	if err != nil {
		return err
	}
	v, err := s.appClientPage(r, id)
	if err != nil {
		return err
	}
	v.Secret, v.Notice = secret, notices[notice]
	return s.render(w, r, http.StatusOK, "app-openid", v)
}

func (s *site) revokeSecret(w http.ResponseWriter, r *http.Request) error {
	v, err := s.appClientPage(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	for _, secret := range v.Secrets {
		if secret.ID == r.PathValue("secret") {
			return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
				page: page{Title: text.Say("Revoke this secret?")}, Button: text.Say("Revoke"), Danger: true, Back: appPath(v.App.ID) + "/openid",
				Question: text.Say("<bdi>{name}</bdi> can no longer prove itself with the secret that was made {at}. If it uses this one, nobody can sign in to it.", "name", v.App.Name, "at", secret.CreatedAt),
			})
		}
	}
	return sallyport.ErrNotFound
}

func (s *site) revokeSecretPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	id := r.PathValue("id")
	if err := s.service.RevokeClientSecret(r.Context(), by(r), id, r.PathValue("secret")); err != nil {
		return err
	}
	return s.done(w, r, appPath(id)+"/openid", "secret-revoked")
}

func (s *site) disconnectClient(w http.ResponseWriter, r *http.Request) error {
	a, err := s.theApp(r)
	if err != nil {
		return err
	}
	if a.Client == nil {
		return sallyport.ErrNotFound
	}
	return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
		page: page{Title: text.Say("Disconnect from OpenID Connect?")}, Button: text.Say("Disconnect"), Danger: true, Back: appPath(a.ID) + "/openid",
		Question: text.Say("Nobody can sign in to <bdi>{name}</bdi> with OpenID Connect any more. Its secrets, and all tokens that it was issued in this way, end for good. What is entered here is deleted. Sign-ins by a proxy stay as they are.", "name", a.Name),
	})
}

func (s *site) disconnectClientPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	id := r.PathValue("id")
	if err := s.service.ChangeApp(r.Context(), by(r), id, func(a *sallyport.App) { a.Client = nil }); err != nil {
		return err
	}
	return s.done(w, r, appPath(id)+"/openid", "app-disconnected")
}
