package web

import "net/http"

// keysAge is how long apps may keep the signing keys of a workspace, in the form of a header.
const keysAge = "public, max-age=300"

// signingKeys returns the public keys of the workspace, with which apps verify its tokens. Pages on other sites may read
// them too.
func (s *site) signingKeys(w http.ResponseWriter, r *http.Request) error {
	set, err := s.service.SigningKeys(r.Context(), by(r))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", keysAge)
	h.Set("Access-Control-Allow-Origin", "*")
	_, _ = w.Write(set) // the client may be gone
	return nil
}
