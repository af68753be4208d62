package web

import (
	"net/http"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
)

// sessionAnswer is the JSON of GET /session.
type sessionAnswer struct {
	Workspace string         `json:"workspace"`
	User      sessionUser    `json:"user"`
	Proofs    []sessionProof `json:"proofs"`
	ExpiresAt string         `json:"expires_at"` // RFC 3339, as all times
}

type sessionUser struct {
	ID        string         `json:"id"`
	Email     string         `json:"email"`
	Name      string         `json:"name"`
	Role      sallyport.Role `json:"role"`
	TwoFactor string         `json:"two_factor"`
}

type sessionProof struct {
	Method sallyport.Method `json:"method"`
	At     string           `json:"at"`
}

// sessionJSON returns who is signed in and with which proofs. It responds with 401 if the caller is not signed in, and
// with 403 if they must set up two-factor authentication, or use a passkey, first.
func (s *site) sessionJSON(w http.ResponseWriter, r *http.Request) error {
	c := by(r)
	u, ok := c.User()
	ses, _ := c.Session()
	state := c.Policy().TwoFactorState(u, s.service.Now())
	switch {
	case !ok:
		return errorJSON(w, http.StatusUnauthorized, sallyport.ErrSignedOut)
	case s.owes(c) != sallyport.OwesNothing:
		return errorJSON(w, http.StatusForbidden, sallyport.ErrSetUpRequired)
	}
	a := sessionAnswer{
		Workspace: c.Workspace().ID, ExpiresAt: stamp(ses.ExpiresAt), Proofs: make([]sessionProof, 0, len(ses.Proofs)),
		User: sessionUser{ID: u.ID, Email: u.Address, Name: u.Name, Role: u.Role, TwoFactor: state},
	}
	for _, p := range ses.Proofs {
		a.Proofs = append(a.Proofs, sessionProof{p.Method, stamp(p.At)})
	}
	return edge.JSON(w, http.StatusOK, a)
}

// stamp returns a time as it is written in JSON. Encoding a time.Time would format it, then parse and copy the result.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func errorJSON(w http.ResponseWriter, status int, e *sallyport.Error) error {
	return edge.JSON(w, status, map[string]string{"code": e.Code})
}
