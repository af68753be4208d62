package web

import (
	"net/http"
	"net/url"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// entryRoutes are on the way to an app, for browsers and for programs.
func (s *site) entryRoutes() []route {
	return []route{
		{"GET", edge.EnterAppPath, signedIn, s.enterApp},
		{"GET", tokensPath, signedIn, s.tokens},
		{"POST", tokensPath, signedIn, s.tokensPost},
		{"GET", tokensPath + "/{id}/revoke", signedIn, s.revokeToken},
		{"POST", tokensPath + "/{id}/revoke", signedIn, s.revokeTokenPost},
	}
}

// enterApp sends a browser to an app behind a proxy, with a ticket. It gets here from the app, by way of the sign-in page.
func (s *site) enterApp(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	if r.Context().Value(probeKey{}) != nil {
		_, err := s.service.PendingEntry(r.Context(), by(r), q.Get("for"))
		return err
	}
	origin, ticket, err := s.service.EnterApp(r.Context(), by(r), q.Get("for"), q.Get("browser"))
	if err != nil {
		return err
	}
	return s.toApp(w, r, origin+edge.AppCallback+"?"+url.Values{"ticket": {ticket.Reveal()}}.Encode())
}

// opening returns what a step-up on the way to an app is for. It is empty if the address leads elsewhere, or the person may not
// open the app.
func (s *site) opening(r *http.Request, address string) text.Message {
	to, err := url.Parse(address)
	if err != nil {
		return text.Message{}
	}
	var app sallyport.App
	switch to.Path {
	case edge.EnterAppPath:
		app, err = s.service.PendingEntry(r.Context(), by(r), to.Query().Get("for"))
	case continuePath:
		var o sallyport.OnTheWay
		o, err = s.service.PendingAuthorization(r.Context(), by(r), s.secret(r, edge.RequestCookie), to.Query().Get("request"))
		app = o.App
	}
	if app.Name == "" || err != nil && !interrupted(err) {
		return text.Message{}
	}
	return text.Say("Open {app}", "app", app.Name)
}

// entryOrigin returns the origin of the app behind a proxy to which an address of ours leads, or "".
func (s *site) entryOrigin(r *http.Request, address string) string {
	to, err := url.Parse(address)
	if err != nil || to.Path != edge.EnterAppPath {
		return ""
	}
	return s.service.EntryOrigin(r.Context(), by(r), to.Query().Get("for"))
}
