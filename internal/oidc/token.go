package oidc

import (
	"net/http"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// tokenAnswer is what an app gets from the token endpoint.
type tokenAnswer struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int    `json:"expires_in"`
	Refresh string `json:"refresh_token,omitempty"`
	ID      string `json:"id_token,omitempty"`
	Scope   string `json:"scope"`
}

func (d *door) token(w http.ResponseWriter, r *http.Request) error {
	by, c, p, err := d.client(w, r, tokenPath, []string{"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "device_code"})
	if err != nil {
		return err
	}
	t, err := d.service.Token(r.Context(), by, c, sallyport.TokenRequest{
		GrantType: p["grant_type"], Code: sallyport.Secret(p["code"]), RedirectURI: p["redirect_uri"], Verifier: sallyport.Secret(p["code_verifier"]),
		Refresh: sallyport.Secret(p["refresh_token"]), Scope: p["scope"], DeviceCode: sallyport.Secret(p["device_code"]),
	})
	if err != nil {
		return err
	}
	w.Header().Set("Pragma", "no-cache")
	return edge.JSON(w, http.StatusOK, tokenAnswer{
		Access: t.Access.Reveal(), Type: "Bearer", Expires: int(sallyport.AccessTokenLimit.Seconds()), Refresh: t.Refresh.Reveal(), ID: t.ID.Reveal(), Scope: t.Scope,
	})
}

func (d *door) introspect(w http.ResponseWriter, r *http.Request) error {
	by, c, p, err := d.client(w, r, introspectPath, []string{"token", "token_type_hint"})
	if err != nil {
		return err
	}
	if p["token"] == "" {
		return invalid(text.Say("The parameter token is missing."))
	}
	i, err := d.service.Introspect(r.Context(), by, c, sallyport.Secret(p["token"]))
	if err != nil {
		return err
	}
	return edge.JSON(w, http.StatusOK, i)
}

func (d *door) revoke(w http.ResponseWriter, r *http.Request) error {
	by, c, p, err := d.client(w, r, revokePath, []string{"token", "token_type_hint"})
	if err != nil {
		return err
	}
	if p["token"] == "" {
		return invalid(text.Say("The parameter token is missing."))
	}
	if err := d.service.Revoke(r.Context(), by, c, sallyport.Secret(p["token"])); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func (d *door) deviceAuthorization(w http.ResponseWriter, r *http.Request) error {
	by, c, p, err := d.client(w, r, devicePath, []string{"scope"})
	if err != nil {
		return err
	}
	device, user, err := d.service.StartDevice(r.Context(), by, c, p["scope"])
	if err != nil {
		return err
	}
	page := d.origin(r) + devicePage
	return edge.JSON(w, http.StatusOK, struct {
		Device   string `json:"device_code"`
		User     string `json:"user_code"`
		URI      string `json:"verification_uri"`
		Complete string `json:"verification_uri_complete"`
		Expires  int    `json:"expires_in"`
		Interval int    `json:"interval"`
	}{device.Reveal(), user.Reveal(), page, page + "?user_code=" + user.Reveal(), int(sallyport.DeviceCodeLimit.Seconds()), int(sallyport.DevicePoll.Seconds())})
}

// userInfo reads a bearer token from the header or from the body (RFC 6750), but not from both.
func (d *door) userInfo(w http.ResponseWriter, r *http.Request) error {
	by, err := d.arrive(r, false)
	if err != nil {
		return err
	}
	d.allow(w, r, by, "")
	if secretInQuery(r) {
		return errQuery
	}
	header := r.Header["Authorization"]
	token := ""
	if r.Method == http.MethodPost && r.Header.Get("Content-Type") != "" {
		p, err := posted(w, r, []string{"access_token"})
		if err != nil {
			return err
		}
		token = p["access_token"]
	}
	if len(header) > 1 || len(header) == 1 && token != "" {
		return invalid(text.Say("The access token was sent in two ways at once."))
	}
	if len(header) == 1 {
		scheme, value, _ := strings.Cut(header[0], " ")
		if strings.EqualFold(scheme, "Bearer") {
			token = strings.TrimSpace(value)
		}
	}
	if token == "" {
		w.Header().Set("WWW-Authenticate", "Bearer")
		return edge.JSON(w, http.StatusUnauthorized, problem{"invalid_token", "The access token is missing. Send it in the Authorization header."})
	}
	claims, _, err := d.service.UserInfo(r.Context(), by, sallyport.Secret(token))
	if err != nil {
		return err
	}
	return edge.JSON(w, http.StatusOK, claims)
}
