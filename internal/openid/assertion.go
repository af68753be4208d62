package openid

import (
	"encoding/json"
	"math"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
)

// Assertion is what an app says when it proves which it is by a signature (RFC 7523 section 3).
type Assertion struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience Audience `json:"aud"`
	Expires  float64  `json:"exp"`
	Begins   float64  `json:"nbf"` // 0: not said
	Issued   float64  `json:"iat"` // 0: not said
	ID       string   `json:"jti"`
}

// ParseAssertion reads the claims of an assertion whose signature was checked.
func ParseAssertion(claims []byte) (a Assertion, ok bool) {
	if json.Unmarshal(claims, &a) != nil {
		return Assertion{}, false
	}
	return a, true
}

// AssertionLimit is how long an assertion may be valid.
const AssertionLimit = time.Hour

// Ends returns when the assertion expires.
func (a Assertion) Ends() time.Time { return at(a.Expires) }

// InTime reports whether the assertion is valid now, and not for longer than AssertionLimit.
func (a Assertion) InTime(now time.Time) bool {
	ends := a.Ends()
	return now.Before(ends) && !ends.After(now.Add(AssertionLimit)) && !lifetime.Ahead(at(a.Begins), now) && !lifetime.Ahead(at(a.Issued), now)
}

// at returns the time of a number of seconds. One that is out of all proportion is the end of time, or its beginning.
func at(seconds float64) time.Time {
	if math.Abs(seconds) > 1<<40 {
		if seconds > 0 {
			return time.Unix(1<<40, 0)
		}
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// Audience is a JSON string, or an array of them.
type Audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *Audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = []string{one}
		return nil
	}
	var all []string
	err := json.Unmarshal(b, &all)
	*a = all
	return err
}
