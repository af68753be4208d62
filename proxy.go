package sallyport

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/rule"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Outcomes of the settings of an app behind a proxy.
var (
	ErrHostOfOther = &Error{Kind: Conflict, Code: "host_of_other_app", Text: text.Say("Another app answers on one of these hosts already."), Field: "hosts"}
	ErrAppHosts    = invalid("hosts", "hosts_invalid", text.Say("Enter one host per line, such as https://wiki.example.com, without a path."))
	ErrAppHostsMax = invalid("hosts", "too_many_hosts", text.Say("An app can have 50 hosts. Remove some."))
	ErrRules       = invalid("rules", "rules_invalid", text.Say("One of the rules cannot be read."))
)

// tidy brings what was typed into the form that is stored, and returns everything that is wrong with it.
func (p *AppProxy) tidy() error {
	var wrong []error
	for i, typed := range p.Hosts {
		origin, ok := typedOrigin(typed)
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
	rules, bad := rule.Parse(p.Rules)
	for _, b := range bad {
		wrong = append(wrong, ErrRules.saying(text.Say("Line {line}, column {column}: {why}", "line", b.Line, "column", b.Column, "why", b.Text)))
	}
	if len(bad) == 0 {
		p.Rules = p.Rules[:0]
		for _, r := range rules {
			p.Rules = append(p.Rules, r.String())
		}
	}
	return outcomes(wrong...)
}

// typedOrigin is AppOrigin for what a person types: münchen.example is xn--mnchen-3ya.example.
func typedOrigin(typed string) (origin string, ok bool) {
	typed = strings.TrimSuffix(strings.TrimSpace(typed), "/")
	scheme, rest, found := strings.Cut(typed, "://")
	if !found {
		scheme, rest = "https", typed
	}
	host, ok := fold.TypedHost(rest)
	if !ok {
		return "", false
	}
	return AppOrigin(scheme + "://" + host)
}

// AppOrigin returns the origin of an app's host as browsers write it. A host without a scheme means https. Plain http is only
// for loopback.
func AppOrigin(typed string) (origin string, ok bool) {
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

// Outcomes of requests to an app behind a proxy.
var (
	ErrNoApp         = &Error{Kind: Denied, Code: "access_denied", Text: text.Say("You cannot open this address. If you need it, ask an administrator.")}
	ErrDeniedByRule  = &Error{Kind: Denied, Code: "access_denied", Text: text.Say("Nobody can open this address. If you need it, ask an administrator.")}
	ErrPathUnclear   = &Error{Kind: Invalid, Code: "path_ambiguous", Text: text.Say("This address is not written in a way that can be read safely. Check it, or go to the start page of the app.")}
	ErrTokenWrong    = &Error{Kind: Unauthenticated, Code: "token_invalid", Text: text.Say("This access token is not valid here. It may have expired or been revoked. Create a new one.")}
	ErrTokenTooWeak  = &Error{Kind: Denied, Code: "token_refused", Text: text.Say("This address needs a person who has confirmed who they are. No access token opens it.")}
	ErrTicketWrong   = &Error{Kind: Gone, Code: "ticket_invalid", Text: text.Say("This address worked once and has expired. Open the app again.")}
	ErrCookieMissing = &Error{Kind: Denied, Code: "cookie_missing", Text: text.Say("Your browser does not keep the cookie of this app, so you cannot be signed in to it. Allow cookies for this address. If they are allowed, tell an administrator: the proxy in front of the app may remove them.")}
)

// wants is what an app asks of one request.
type wants struct {
	public bool
	groups []string // names, folded; nil: whoever may use the app
	demand Demand
}

// parsedRules keeps rules as they were parsed, by their text. Parsing a hundred takes longer than reading the app.
type parsedRules struct {
	mu sync.Mutex
	of map[string]rule.Rules
}

// maxParsedRules bounds the cache to some megabytes.
const maxParsedRules = 200

func (c *parsedRules) parse(lines []string) (rule.Rules, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	written := strings.Join(lines, "\n")
	c.mu.Lock()
	rules, ok := c.of[written]
	c.mu.Unlock()
	if ok {
		return rules, nil
	}
	rules, bad := rule.Parse(lines)
	if len(bad) > 0 {
		return nil, fmt.Errorf("the rules of an app cannot be parsed: %w", bad[0])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.of) >= maxParsedRules || c.of == nil {
		c.of = map[string]rule.Rules{}
	}
	c.of[written] = rules
	return rules, nil
}

// ask decides by the rules of an app what a request must meet.
func (s *Service) ask(a App, method, target string) (wants, error) {
	rules, err := s.rules.parse(a.Proxy.Rules)
	if err != nil {
		return wants{}, err
	}
	return a.ask(rules, method, target)
}

// ask is Service.ask with the rules as they were parsed.
func (a App) ask(rules rule.Rules, method, target string) (wants, error) {
	d := rules.Decide(method, rule.ReadPath(target))
	switch d.Verdict {
	case rule.Unmatched:
		return wants{demand: a.Demand()}, nil
	case rule.ByRule:
		return a.askedBy(rules[d.Rule])
	}
	return wants{}, ErrPathUnclear
}

// askedBy returns what a rule asks for, in place of what the app requires. A rule of an unknown kind denies.
func (a App) askedBy(r rule.Rule) (wants, error) {
	w := wants{demand: Demand{Level: LevelPolicy, Fresh: time.Duration(r.Fresh) * time.Minute}}
	switch r.Action {
	case rule.Public:
		w.public = true
	case rule.Policy:
	case rule.TwoFactor:
		w.demand.Level = LevelTwoFactor
	case rule.PhishingResistant:
		w.demand.Level = LevelPhishingResistant
	case rule.Groups: // in addition to what the app requires
		w.demand = a.Demand()
		if r.Fresh > 0 {
			w.demand.Fresh = time.Duration(r.Fresh) * time.Minute
		}
		for _, name := range r.Groups {
			w.groups = append(w.groups, fold.Name(name))
		}
	default:
		return w, ErrDeniedByRule
	}
	return w, nil
}

// admits reports whether one of a person's groups, given by name, is among those that are asked for.
func (w wants) admits(groups []string) bool {
	return w.groups == nil || slices.ContainsFunc(groups, func(name string) bool { return slices.Contains(w.groups, fold.Name(name)) })
}

// namesGroup reports whether a rule names a group.
func namesGroup(rules []string, group string) bool {
	all, _ := rule.Parse(rules)
	return slices.ContainsFunc(all, func(r rule.Rule) bool {
		return slices.ContainsFunc(r.Groups, func(name string) bool { return fold.Name(name) == fold.Name(group) })
	})
}

// Explained is which rule decides about an address of an app, and what that means.
type Explained struct {
	rule.Explanation
	Public bool
	Demand Demand // if neither Public nor refused
	Err    error  // why nobody gets through, or nil
}

// Explain returns which rule of the app decides about a request, and why.
func (a App) Explain(method, target string) (Explained, error) {
	rules, bad := rule.Parse(a.Proxy.Rules)
	if len(bad) > 0 {
		return Explained{}, bad[0]
	}
	w, err := a.ask(rules, method, target)
	return Explained{rules.Explain(method, rule.ReadPath(target)), w.public, w.demand, err}, nil
}
