package oidc

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// repeated are the outcomes for a parameter that was sent twice (RFC 6749 section 3.1).
func repeated(name string) *sallyport.Error {
	return &sallyport.Error{Kind: sallyport.Invalid, Code: "invalid_request", Text: text.Say("The parameter {name} was sent more than once.", "name", name)}
}

var errBody = &sallyport.Error{Kind: sallyport.Invalid, Code: "invalid_request", Text: text.Say("The body must be a form (application/x-www-form-urlencoded) of at most 64 KiB, in UTF-8.")}

// parameters returns the named parameters that were sent and are not empty. Others are ignored.
func parameters(from url.Values, names []string) (sallyport.Parameters, error) {
	p := sallyport.Parameters{}
	for _, name := range names {
		if len(from[name]) > 1 {
			return nil, repeated(name)
		}
		if value := from.Get(name); value != "" {
			p[name] = value
		}
	}
	return p, nil
}

// posted returns the form in the body of a request.
func posted(w http.ResponseWriter, r *http.Request, names []string) (sallyport.Parameters, error) {
	f, err := edge.ReadForm(w, r, names...)
	if err != nil {
		return nil, errBody
	}
	return parameters(f.Values, names)
}

func (d *door) authorize(w http.ResponseWriter, r *http.Request) error {
	by, err := d.arrive(r, true)
	if err != nil {
		return err
	}
	return d.begin(w, r, by, r.URL.Query(), false)
}

func (d *door) authorizePost(w http.ResponseWriter, r *http.Request) error {
	by, err := d.arrive(r, false)
	if err != nil {
		return err
	}
	f, err := edge.ReadForm(w, r, sallyport.AuthorizationParameters...)
	if err != nil {
		return errBody
	}
	return d.begin(w, r, by, f.Values, true)
}

// begin starts an authorization, or lets it wait and sends the person to a page. What is wrong with a parameter that was sent
// twice is told to the app, unless that parameter says who it is.
func (d *door) begin(w http.ResponseWriter, r *http.Request, by sallyport.Caller, from url.Values, post bool) error {
	p := sallyport.Parameters{}
	for _, name := range sallyport.AuthorizationParameters {
		if len(from[name]) > 1 {
			if slices.Contains([]string{"client_id", "redirect_uri", "state", "response_mode", "request_uri"}, name) {
				return repeated(name)
			}
			p[sallyport.RepeatedParameter] = name
		}
		if value := from.Get(name); value != "" {
			p[name] = value
		}
	}
	o, err := d.service.Authorize(r.Context(), by, sallyport.Secret(d.edge.Cookie(r, edge.RequestCookie)), post, p)
	if err != nil {
		return err
	}
	if o.Waiting != "" {
		return d.wait(w, r, o.Browser, continuePage, o.Waiting)
	}
	w.Header().Set("Location", o.Reply.Address())
	w.WriteHeader(http.StatusFound)
	return nil
}

// wait sends the person to the page on which a waiting request goes on.
func (d *door) wait(w http.ResponseWriter, _ *http.Request, browser sallyport.Secret, page, id string) error {
	if browser != "" {
		d.edge.SetCookie(w, edge.RequestCookie, browser.Reveal(), sallyport.AppRequestLimit)
	}
	if id != "" {
		page += "?" + url.Values{"request": {id}}.Encode()
	}
	w.Header().Set("Location", page)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

func (d *door) endSession(w http.ResponseWriter, r *http.Request) error {
	by, err := d.arrive(r, true)
	if err != nil {
		return err
	}
	p, err := parameters(r.URL.Query(), sallyport.EndSessionParameters)
	if err != nil {
		return err
	}
	return d.end(w, r, by, p, false)
}

func (d *door) endSessionPost(w http.ResponseWriter, r *http.Request) error {
	by, err := d.arrive(r, false)
	if err != nil {
		return err
	}
	p, err := posted(w, r, sallyport.EndSessionParameters)
	if err != nil {
		return err
	}
	return d.end(w, r, by, p, true)
}

// end sends the person to the page that asks whether to sign out.
func (d *door) end(w http.ResponseWriter, r *http.Request, by sallyport.Caller, p sallyport.Parameters, post bool) error {
	id, browser, err := d.service.AskSignOut(r.Context(), by, sallyport.Secret(d.edge.Cookie(r, edge.RequestCookie)), post, p)
	if err != nil {
		return err
	}
	return d.wait(w, r, browser, signOutPage, id)
}

func (d *door) push(w http.ResponseWriter, r *http.Request) error {
	by, c, p, err := d.client(w, r, pushPath, sallyport.AuthorizationParameters)
	if err != nil {
		return err
	}
	uri, err := d.service.Push(r.Context(), by, c, p)
	if err != nil {
		return err
	}
	return edge.JSON(w, http.StatusCreated, struct {
		URI     string `json:"request_uri"`
		Expires int    `json:"expires_in"`
	}{uri.Reveal(), int(sallyport.PushedLimit.Seconds())})
}
