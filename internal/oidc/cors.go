package oidc

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport"
)

// allow lets a script of an app read the answer, if the app registered an address at the script's origin. An empty client
// means any app of the workspace.
func (d *door) allow(w http.ResponseWriter, r *http.Request, by sallyport.Caller, client string) bool {
	w.Header().Add("Vary", "Origin")
	origin := r.Header["Origin"]
	if len(origin) != 1 || !d.service.AllowsScripts(r.Context(), by, client, origin[0]) {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin[0])
	w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After")
	return true
}

// preflight answers a browser that asks whether a script may call an endpoint. It does not say of which app the script is.
func (d *door) preflight(w http.ResponseWriter, r *http.Request) error {
	by, err := d.arrive(r, false)
	if err != nil {
		return err
	}
	if d.allow(w, r, by, "") {
		w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
		w.Header().Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
