package web

import "net/http"

// sameOrigin refuses every post unless it proves that one of our own pages sent it (I23). That also applies to posts
// without cookies, because some mail scanners submit the forms behind links. Browsers set the origin of a post
// themselves, and no page can make them lie. own is the workspace's origin, from its host and the configured URL. If
// the browser sends Sec-Fetch-Site, that must agree.
func sameOrigin(r *http.Request, own string) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	origin, site := r.Header["Origin"], r.Header["Sec-Fetch-Site"]
	switch {
	case len(origin) == 0 && len(site) == 0,
		len(origin) > 1 || len(origin) == 1 && origin[0] != own,
		len(site) > 1 || len(site) == 1 && site[0] != "same-origin":
		return errCrossSite
	}
	return nil
}
