package web

import "net/http"

// sameOrigin refuses whatever could change something and was not sent by a page of our own (I23). Browsers name the
// origin of a post themselves, and no page can make them lie; own is the workspace's, from its host and the configured
// URL. Sec-Fetch-Site must agree where it is sent. A post with neither header comes from no browser of today: it is
// refused if it bears cookies, and has nothing to misuse if it does not.
func sameOrigin(r *http.Request, own string) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	origin, site := r.Header["Origin"], r.Header["Sec-Fetch-Site"]
	if len(origin) > 1 || len(origin) == 1 && origin[0] != own {
		return errCrossSite
	}
	if len(site) > 1 || len(site) == 1 && site[0] != "same-origin" {
		return errCrossSite
	}
	if len(origin) == 0 && len(site) == 0 && len(r.Header["Cookie"]) > 0 {
		return errCrossSite
	}
	return nil
}
