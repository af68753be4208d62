// Package rule is the language in which an administrator says what applies to which addresses of an app behind a proxy.
// It parses rules, decides which of them applies to a request, and explains why. docs/rules.md describes the language.
//
// The package knows neither users nor groups nor apps: what an [Action] asks of a person is the caller's business. It
// keeps no state, and all its values are safe for concurrent use while nobody changes them.
package rule

import (
	"strconv"
	"strings"
)

// Limits of what an app can have.
const (
	MaxRules = 100
	MaxLine  = 500    // characters
	MaxGroup = 64     // characters
	MaxFresh = 10_080 // minutes: a week
)

// Action is what a rule asks of a request. An unknown action, such as "", must deny.
type Action string

const (
	Public            Action = "public"             // nothing, not even a sign-in
	Policy            Action = "policy"             // what the workspace requires
	TwoFactor         Action = "two_factor"         // a second factor
	PhishingResistant Action = "phishing_resistant" // a passkey or security key
	Groups            Action = "groups"             // membership of one of Rule.Groups
	Deny              Action = "deny"               // lets nobody through
)

// Rule is one line. Only [Parse] creates rules that match anything but the start page.
type Rule struct {
	Pattern string   // as String writes it
	Methods []string // empty: every method
	Action  Action
	Groups  []string // of Groups: the names as they were typed. The caller folds them before it compares
	Fresh   int      // the maximum age of the proof in minutes; 0: any age

	segments []string // of the pattern, decoded; one and many are wildcards
}

// Rules are the rules of an app, in order. The first that matches a request applies.
type Rules []Rule

// The wildcards among segments. No other segment contains an asterisk.
const (
	one  = "*"
	many = "**" // also none
)

// escape writes what Parse decodes, where the decoded character would mean something else.
var escape = strings.NewReplacer("%", "%25", " ", "%20")

// String returns the rule in its canonical form, from which [Parse] returns the same rule.
func (r Rule) String() string {
	var b strings.Builder
	b.WriteString(r.Pattern)
	if len(r.Methods) > 0 {
		b.WriteString(" " + strings.Join(r.Methods, ","))
	}
	b.WriteString(" = " + string(r.Action))
	if r.Action == Groups {
		b.WriteString(":" + strings.Join(r.Groups, ","))
	}
	if r.Fresh > 0 {
		b.WriteString(freshMark + strconv.Itoa(r.Fresh))
	}
	return b.String()
}
