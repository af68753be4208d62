package rule

import "slices"

// Verdict says who decides about a request.
type Verdict uint8

const (
	Refused   Verdict = iota // nobody: answer 400
	ByRule                   // the rule of Decision.Rule
	Unmatched                // no rule matches: what the app itself requires applies
)

// Decision says what applies to a request. The zero Decision refuses it.
type Decision struct {
	Verdict Verdict
	// Rule is the index of the rule that decides or, if Reason is Parameter and the verdict Refused, of the one that
	// matches for some programs only. Otherwise it is -1.
	Rule int
	// Reason is why the path cannot be compared with the rules, or 0. If an app has no rule, such a path passes to the
	// app's level unless it is malformed, and an only rule never matches it: the verdict is Unmatched in both cases.
	Reason Reason
}

// Decide returns what applies to a request. Methods are compared exactly: a rule for GET is not one for HEAD. For an
// ordinary path it allocates nothing. Its time grows with the length of the path times that of all patterns, at most.
func (rs Rules) Decide(method string, p Path) Decision {
	if p.reason != 0 {
		return rs.refuse(p.Malformed(), -1, p.reason)
	}
	for i := range rs {
		switch rs[i].compare(method, p) {
		case Matched:
			return Decision{ByRule, i, 0}
		case Parameter:
			return rs.refuse(false, i, Parameter)
		}
	}
	return Decision{Unmatched, -1, 0}
}

// refuse decides about a path that programs could read differently. With two rules, one of them may be meant for the
// path and another, weaker one match. So nobody passes.
func (rs Rules) refuse(malformed bool, rule int, why Reason) Decision {
	if malformed || len(rs) > 1 {
		return Decision{Refused, rule, why}
	}
	return Decision{Unmatched, -1, why}
}

// compare returns whether a rule matches: Matched, OtherPath, OtherMethod, or Parameter if only some programs would say
// so. Some cut a name at one of cuts, some the whole path, and some nothing. They agree if the pattern ends before.
func (r *Rule) compare(method string, p Path) Reason {
	end, ok := r.covers(p.text)
	switch {
	case !ok && p.cut < len(p.text):
		if _, ok = r.covers(p.text[:p.cut]); !ok {
			return OtherPath
		}
		end = len(p.text)
	case !ok:
		return OtherPath
	}
	switch {
	case len(r.Methods) > 0 && !slices.Contains(r.Methods, method):
		return OtherMethod
	case end > p.cut:
		return Parameter
	}
	return Matched
}

// covers reports whether the pattern matches a path whose names are cut, and where in the path the part ends that it
// needs: without what a last ** matches. Of several possible ends it returns the first.
func (r *Rule) covers(path string) (end int, ok bool) {
	i, at := 0, 0         // the next segment of the pattern, and where in the path it must begin
	after, again := -1, 0 // the segment after the last **, and where to try it next
	for {
		switch {
		case i < len(r.segments) && r.segments[i] == many:
			i++
			if i == len(r.segments) {
				return at, true
			}
			after, again = i, at
		case at == len(path):
			return at, i == len(r.segments)
		default:
			next := segmentEnd(path, at+1)
			if i < len(r.segments) && (r.segments[i] == one || r.segments[i] == name(path[at+1:next])) {
				i, at = i+1, next
				continue
			}
			if after < 0 {
				return 0, false
			}
			again = segmentEnd(path, again+1)
			i, at = after, again
		}
	}
}

// Explanation is a Decision with the way to it.
type Explanation struct {
	Decision
	Path  string // as Path.String returns it
	Steps []Step // one for each rule, in order
}

// Step is what one rule did.
type Step struct {
	Rule   Rule
	Reason Reason // Matched, OtherPath, OtherMethod, Parameter, NotReached or SetAside
}

// Explain returns what Decide returns, and what each rule contributed.
func (rs Rules) Explain(method string, p Path) Explanation {
	e := Explanation{Decision: rs.Decide(method, p), Path: p.String(), Steps: make([]Step, len(rs))}
	for i, r := range rs {
		why := NotReached
		switch {
		case e.Verdict == Unmatched && e.Reason != 0:
			why = SetAside
		case p.reason == 0 && (e.Rule < 0 || i <= e.Rule):
			why = r.compare(method, p)
		}
		e.Steps[i] = Step{r, why}
	}
	return e
}
