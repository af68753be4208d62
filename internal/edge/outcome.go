package edge

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

// Status returns the status for a kind of outcome, the same behind every door.
func Status(k sallyport.Kind) int {
	switch k {
	case sallyport.Invalid:
		return http.StatusUnprocessableEntity
	case sallyport.Unauthenticated:
		return http.StatusUnauthorized
	case sallyport.Denied:
		return http.StatusForbidden
	case sallyport.NotFound:
		return http.StatusNotFound
	case sallyport.Conflict:
		return http.StatusConflict
	case sallyport.Gone:
		return http.StatusGone
	case sallyport.Misdirected:
		return http.StatusMisdirectedRequest
	case sallyport.TooMany:
		return http.StatusTooManyRequests
	case sallyport.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// SetRetryAfter sets the Retry-After header if it is known how long to wait.
func SetRetryAfter(w http.ResponseWriter, d time.Duration) {
	if d > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(d.Seconds()))))
	}
}

var jsonType = []string{"application/json"}

// JSON answers with a value as JSON. It returns nil, for handlers that end with it.
func JSON(w http.ResponseWriter, status int, v any) error {
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
	return nil
}
