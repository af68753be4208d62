package sallyport

import (
	"slices"
	"strings"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Outcomes of the settings of an app behind a proxy.
var (
	ErrHostOfOther = &Error{Kind: Conflict, Code: "host_of_other_app", Text: text.Say("Another app answers on one of these hosts already."), Field: "hosts"}
	ErrAppHosts    = invalid("hosts", "hosts_invalid", text.Say("Enter one host per line, such as https://wiki.example.com, without a path."))
	ErrAppHostsMax = invalid("hosts", "too_many_hosts", text.Say("An app can have 50 hosts. Remove some."))
)

// tidy brings what was typed into the form that is stored, and returns everything that is wrong with it.
func (p *AppProxy) tidy() error {
	var wrong []error
	for i, typed := range p.Hosts {
		origin, ok := appOrigin(typed)
		if !ok {
			wrong = append(wrong, ErrAppHosts.saying(text.Say("“{host}” is not a host. Enter one host per line, such as https://wiki.example.com, without a path.", "host", typed)))
			break
		}
		p.Hosts[i] = origin
	}
	slices.Sort(p.Hosts)
	p.Hosts = slices.Compact(p.Hosts)
	if len(p.Hosts) > MaxAppHosts {
		wrong = append(wrong, ErrAppHostsMax)
	}
	return outcomes(wrong...)
}

// appOrigin returns the origin that an administrator typed, as browsers write it. A host without a scheme means https. Plain
// http is only for loopback.
func appOrigin(typed string) (string, bool) {
	scheme, rest, found := strings.Cut(strings.TrimSpace(typed), "://")
	if !found {
		scheme, rest = "https", scheme
	}
	scheme = strings.ToLower(scheme)
	host, port, ok := fold.Host(strings.TrimSuffix(rest, "/"))
	if !ok || scheme != "https" && (scheme != "http" || !fold.LoopbackHost(host)) {
		return "", false
	}
	if port != "" && port != defaultPort[scheme] {
		host += ":" + port
	}
	return scheme + "://" + host, true
}

var defaultPort = map[string]string{"https": "443", "http": "80"}
