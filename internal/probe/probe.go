// Package probe asks an app's host, as a browser does that has never been there, whether the proxy in front of the app asks
// Sallyport about requests.
package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Limit is how long a probe takes at most.
const Limit = 10 * time.Second

// Finding is one thing that a probe saw.
type Finding struct {
	Good bool
	Says text.Message
}

// Paths are where the host and the workspace answer.
type Paths struct {
	SignOut string // on the app's host: leads to LeadsTo
	LeadsTo string // address in the workspace
	SignIn  string // begins the addresses to which a browser is sent that is not signed in
	Cookie  string // that it gets with that
}

// client follows no redirects and keeps no connections, because each probe is for another host.
var client = &http.Client{
	Timeout:       Limit / 2,
	Transport:     &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Proxy probes the host of an app, and says in words what it saw.
func Proxy(ctx context.Context, origin string, p Paths) []Finding {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	answer, err := get(ctx, origin+p.SignOut)
	switch {
	case err != nil:
		return []Finding{{false, unreachable(origin, err)}}
	case answer.StatusCode >= 500:
		return []Finding{{false, text.Say("{host} answers with the error {status}. The proxy cannot reach Sallyport, or Sallyport does not trust its address: see --trusted-proxies.", "host", origin, "status", answer.StatusCode)}}
	case answer.Header.Get("Location") != p.LeadsTo:
		return []Finding{{false, text.Say("{host} answers, but without asking Sallyport (status {status}). As it is, anybody may be able to open the app. Check that the configuration below is in use.", "host", origin, "status", answer.StatusCode)}}
	}
	found := []Finding{{true, text.Say("The proxy on {host} asks Sallyport about requests, and passes on where it sends people.", "host", origin)}}
	answer, err = get(ctx, origin+"/")
	switch {
	case err != nil:
		found = append(found, Finding{false, unreachable(origin, err)})
	case !strings.HasPrefix(answer.Header.Get("Location"), p.SignIn):
		found = append(found, Finding{true, text.Say("The start page opens without signing in (status {status}). If it should not, look at the rules.", "status", answer.StatusCode)})
	case !hasCookie(answer, p.Cookie):
		found = append(found, Finding{false, text.Say("The proxy drops the cookie that Sallyport sets. Nobody can sign in until it passes on Set-Cookie.")})
	default:
		found = append(found, Finding{true, text.Say("Somebody who is not signed in is sent to the sign-in page, with the cookie that they need to come back.")})
	}
	return found
}

func get(ctx context.Context, address string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("User-Agent", "Sallyport (test of an app)")
	answer, err := client.Do(r)
	if err == nil {
		answer.Body.Close()
	}
	return answer, err
}

func hasCookie(answer *http.Response, name string) bool {
	for _, c := range answer.Cookies() {
		if c.Name == name {
			return true
		}
	}
	return false
}

// unreachable says why a host did not answer, without what it sent.
func unreachable(origin string, err error) text.Message {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return text.Say("The host name in {host} cannot be found. Check the DNS.", "host", origin)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return text.Say("The certificate of {host} is not valid for this server.", "host", origin)
	}
	return text.Say("Nothing answers at {host}. Check that the proxy runs, and that this server can reach it.", "host", origin)
}
