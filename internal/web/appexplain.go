package web

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/rule"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// explained says which rule decides about an address of an app.
type explained struct {
	Address, Method string // as they were typed
	Says            text.Message
	Steps           []explainedStep
}

// explainedStep is what one rule did.
type explainedStep struct {
	Rule string
	Why  text.Message
}

// explain answers which of an app's rules decides about an address, and what that asks for. Without an address, it
// returns the form alone.
func explain(a sallyport.App, q form) *explained {
	e := &explained{Address: strings.TrimSpace(q.Get("explain")), Method: cmp.Or(strings.ToUpper(strings.TrimSpace(q.Get("method"))), "GET")}
	if e.Address == "" {
		return e
	}
	x, err := a.Explain(e.Method, targetOf(e.Address))
	if err != nil {
		return e
	}
	for _, step := range x.Steps {
		e.Steps = append(e.Steps, explainedStep{step.Rule.String(), step.Reason.Text()})
	}
	e.Says = decided(x)
	return e
}

// targetOf returns path and query of an address, with or without its host.
func targetOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Scheme != "" && u.Host != "" {
		_, rest, _ := strings.Cut(address, "://")
		if slash := strings.IndexAny(rest, "/?"); slash >= 0 && rest[slash] == '/' {
			return rest[slash:]
		}
		return "/"
	}
	return address
}

// decided says what applies to an address.
func decided(x sallyport.Explained) text.Message {
	switch {
	case x.Verdict == rule.Refused:
		return text.Say("Nobody gets through to this address. {why}", "why", x.Reason.Text())
	case x.Err != nil:
		return text.Say("Rule {n} decides about {path}: nobody gets through.", "n", x.Rule+1, "path", x.Path)
	case x.Verdict == rule.ByRule && x.Public:
		return text.Say("Rule {n} decides about {path}: everybody gets through, without signing in.", "n", x.Rule+1, "path", x.Path)
	case x.Verdict == rule.ByRule:
		return text.Say("Rule {n} decides about {path}: {asks}", "n", x.Rule+1, "path", x.Path, "asks", asks(x.Demand))
	}
	return text.Say("No rule decides about {path}, so what the app requires applies: {asks}", "path", x.Path, "asks", asks(x.Demand))
}

// asks says what a person must have proved.
func asks(d sallyport.Demand) text.Message {
	what := text.Say("people who may use the app get through as access control says.")
	switch d.Level {
	case sallyport.LevelTwoFactor:
		what = text.Say("people who may use the app get through with a second factor.")
	case sallyport.LevelPhishingResistant:
		what = text.Say("people who may use the app get through with a passkey.")
	}
	if d.Fresh == 0 {
		return what
	}
	n := int(d.Fresh.Minutes())
	return text.Count(n, "{what} It may be {n} minute old at most.", "{what} It may be {n} minutes old at most.", "what", what)
}
