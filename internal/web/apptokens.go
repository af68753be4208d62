package web

import (
	"cmp"
	"net/http"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const tokensPath = "/account/tokens"

type tokensPage struct {
	page
	Tabs               []link
	Tokens             []sallyport.AppToken
	Apps               []option // that accept tokens
	Name, App, Expires string
	AppName            string // of the chosen one
	Min, Max           time.Time
}

func (s *site) tokensPage(r *http.Request, f form) (*tokensPage, error) {
	own, err := s.service.OwnTokens(r.Context(), by(r))
	if err != nil {
		return nil, err
	}
	day := sallyport.Day(s.service.Now())
	v := &tokensPage{
		page: page{Title: text.Say("Access tokens"), Wide: true}, Tabs: accountTabs(tokensPath), Tokens: own.Tokens,
		Name: f.Get("name"), App: f.Get("app"), Expires: cmp.Or(f.Get("expires"), day.AddDate(0, 3, 0).Format(time.DateOnly)),
		Min: day.AddDate(0, 0, 1), Max: day.AddDate(1, 0, 0),
	}
	for _, a := range own.Apps {
		v.Apps = append(v.Apps, option{Value: a.ID, Label: s.lang.HTML(text.Say("{app}", "app", a.Name))})
		if a.ID == v.App {
			v.AppName = a.Name
		}
	}
	return v, nil
}

func (s *site) tokens(w http.ResponseWriter, r *http.Request) error {
	v, err := s.tokensPage(r, s.filled(w, r))
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "tokens", v)
}

type newTokenPage struct {
	page
	Token     sallyport.Secret
	Name, App string
}

// tokensPost shows the token in its response and keeps it nowhere, so that no cookie can show it again.
func (s *site) tokensPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	expires, err := time.Parse(time.DateOnly, f.Get("expires"))
	if err != nil {
		expires = time.Time{}
	}
	token, wrong := s.service.CreateToken(r.Context(), by(r), f.Get("name"), f.Get("app"), expires)
	if wrong != nil && !mendable(wrong) {
		return wrong
	}
	v, err := s.tokensPage(r, f)
	if err != nil {
		return err
	}
	if wrong != nil {
		return s.again(w, r, "tokens", v, wrong)
	}
	created := &newTokenPage{page: page{Title: text.Say("Your new access token")}, Token: token, Name: v.Name, App: v.AppName}
	return s.render(w, r, http.StatusOK, "token-new", created)
}

// revokeToken asks before an access token is revoked. It returns an error if there is no such token.
func (s *site) revokeToken(w http.ResponseWriter, r *http.Request) error {
	own, err := s.service.OwnTokens(r.Context(), by(r))
	if err != nil {
		return err
	}
	for _, t := range own.Tokens {
		if t.ID == r.PathValue("id") {
			return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
				page:     page{Title: text.Say("Revoke this access token?")},
				Question: text.Say("Programs that use <bdi>{name}</bdi> can no longer open <bdi>{app}</bdi>.", "name", t.Name, "app", t.AppName),
				Button:   text.Say("Revoke"), Danger: true, Back: tokensPath,
			})
		}
	}
	return sallyport.ErrNotFound
}

func (s *site) revokeTokenPost(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	if err := s.service.RevokeToken(r.Context(), by(r), r.PathValue("id")); err != nil {
		return err
	}
	return s.done(w, r, tokensPath, "token-revoked")
}
