package web

import (
	"net/http"
	"net/url"

	"github.com/sallyport-2fa/sallyport/internal/edge"
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
	origin, ticket, err := s.service.EnterApp(r.Context(), by(r), q.Get("for"), q.Get("browser"))
	if err != nil {
		return err
	}
	http.Redirect(w, r, origin+edge.AppCallback+"?"+url.Values{"ticket": {ticket.Reveal()}}.Encode(), http.StatusSeeOther)
	return nil
}

// entryOrigin returns the origin of the app behind a proxy to which an address of ours leads, or "".
func (s *site) entryOrigin(r *http.Request, address string) string {
	to, err := url.Parse(address)
	if err != nil || to.Path != edge.EnterAppPath {
		return ""
	}
	return s.service.EntryOrigin(r.Context(), by(r), to.Query().Get("for"))
}
