package rule_test

import (
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/rule"
)

func FuzzParse(f *testing.F) {
	for _, line := range []string{"/x GET,HEAD = public", "/a/*/b/** = groups:a,b c fresh:5", " /%41/.. = deny\n\n/=x = policy", "/a%2541 = x", "/a=public"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, source string) {
		in := strings.Split(source, "\n")
		rules, errs := rule.Parse(in)
		last := 0
		for _, e := range errs {
			if e.Line <= last || e.Line > len(in) || e.Column < 1 || e.Column > len([]rune(in[e.Line-1]))+1 || e.Text.IsZero() {
				t.Fatalf("%q: %v", source, e)
			}
			last = e.Line
		}
		if len(errs) > 0 && rules != nil {
			t.Fatalf("%q: rules and errors", source)
		}
		canonical := lines(rules)
		again, errs := rule.Parse(canonical)
		if len(errs) > 0 || !slices.EqualFunc(rules, again, same) || !slices.Equal(canonical, lines(again)) {
			t.Fatalf("%q became %q, then %q, %v", source, canonical, lines(again), errs)
		}
		for _, r := range rules {
			if r.Action == rule.Groups != (len(r.Groups) > 0) || (r.Action == rule.Public || r.Action == rule.Deny) && r.Fresh > 0 {
				t.Fatalf("%+v", r)
			}
		}
	})
}

func same(a, b rule.Rule) bool {
	return a.Pattern == b.Pattern && slices.Equal(a.Methods, b.Methods) && a.Action == b.Action && slices.Equal(a.Groups, b.Groups) && a.Fresh == b.Fresh
}

// FuzzDecide compares decisions with those of every program that reads paths in its own way: whatever rule decides, it
// decides for all of them. So a path that any of them takes for a protected one never reaches a rule that is public.
func FuzzDecide(f *testing.F) {
	for _, source := range []string{
		"/admin = deny\n/ = public", "/open = public\n/ = deny", "/u/*/f = public\n/u/** = policy\n/**/secret = deny\n/** = public",
		"/a/b GET = public\n/a/**/b/** = deny\n/ = policy",
	} {
		for _, target := range []string{
			"/admin", "/open/../admin", "/open/..;/admin", "/open/%2e%2e/admin", "/admin;x/y", "/u/1;x/g/secret", "/a/b;c/b", "/%61dmin?x", "/admin%3fx", "/a b",
		} {
			f.Add(source, "GET", target)
		}
	}
	f.Fuzz(func(t *testing.T, source, method, target string) {
		rules, _ := rule.Parse(strings.Split(source, "\n"))
		p := rule.ReadPath(target)
		d := rules.Decide(method, p)
		e := rules.Explain(method, p)
		if e.Decision != d || len(e.Steps) != len(rules) {
			t.Fatalf("%+v, explained as %+v", d, e)
		}
		for i, step := range e.Steps {
			if (step.Reason == rule.Matched) != (d.Verdict == rule.ByRule && i == d.Rule) || step.Reason.Text().IsZero() {
				t.Fatalf("%+v: step %d: %d", d, i, step.Reason)
			}
		}
		if len(target) <= 200 && strings.Count(source, "**") <= 6 { // more would take too long
			agree(t, rules, method, target)
		}
	})
}

// TestI69_NoProgramReadsAnotherPath does the same with paths made of what programs read differently.
func TestI69_NoProgramReadsAnotherPath(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(words string) string {
		all := strings.Fields(words)
		return all[random.IntN(len(all))]
	}
	decided := 0
	for range 6_000 {
		var source []string
		for range 2 + random.IntN(3) {
			pattern := ""
			for range 1 + random.IntN(3) {
				pattern += "/" + pick("a a b b * **")
			}
			source = append(source, pattern+" = deny")
		}
		target := "/"
		for range 1 + random.IntN(9) {
			target += pick(`/ / / / a a a b b . .. ; ; %3b %2f %2e %25 2e 2f 5c %5c \ ? # %3f %23 %00 %61 %20`)
		}
		if agree(t, parse(t, source...), "GET", target) {
			decided++
		}
	}
	if decided < 1_000 {
		t.Errorf("only %d paths of 6,000 were not refused", decided)
	}
}

// agree checks that whatever rule decides, it decides for all programs. It reports whether the path was not refused.
func agree(t *testing.T, rules rule.Rules, method, target string) bool {
	t.Helper()
	d := rules.Decide(method, rule.ReadPath(target))
	if d.Reason != 0 {
		return false
	}
	for name, segments := range readings(target) {
		want := slices.IndexFunc(rules, func(r rule.Rule) bool {
			return (len(r.Methods) == 0 || slices.Contains(r.Methods, method)) && matches(r.Pattern, segments)
		})
		if want != d.Rule {
			t.Fatalf("%q\n%s %q: rule %d, but %d for a program that reads %q (%s)", lines(rules), method, target, d.Rule, want, segments, name)
		}
	}
	return true
}

// readings are the segments of a path as various programs read it.
func readings(target string) map[string][]string {
	all := map[string][]string{}
	for bits := range 1 << 9 {
		var name strings.Builder
		s := target
		do := func(bit int, what string, change func(string) string) {
			if bits>>bit&1 == 1 {
				s = change(s)
				name.WriteString(" " + what)
			}
		}
		s, _, _ = strings.Cut(s, "?")
		do(0, "ends at a space", func(s string) string { return until(s, " ") })
		do(1, "parameters first", withoutParameters)
		do(7, "dots first", func(s string) string { return "/" + strings.Join(resolved(s), "/") })
		do(8, "encoded slashes stay", func(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "%2f", "%2F"), "%2F", "%252F") })
		s = unescape(s)
		do(2, "decodes twice", unescape)
		do(3, "backslashes", func(s string) string { return strings.ReplaceAll(s, `\`, "/") })
		do(4, "names end", withoutParameters)
		do(5, "path ends", func(s string) string { return until(s, ";?#\x00\r\n") })
		if bits>>6&1 == 1 {
			for strings.Contains(s, "//") {
				s = strings.ReplaceAll(s, "//", "/")
			}
			name.WriteString(" slashes")
		}
		segments := strings.Split(s, "/")[1:]
		if bits>>7&1 == 0 {
			segments = resolved(s)
		}
		if n := len(segments); n > 0 && segments[n-1] == "" {
			segments = segments[:n-1]
		}
		all[name.String()] = segments
	}
	return all
}

// resolved are the segments of a path without dot segments.
func resolved(s string) (kept []string) {
	for segment := range strings.SplitSeq(strings.TrimPrefix(s, "/"), "/") {
		switch segment {
		case ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
		}
	}
	return kept
}

func unescape(s string) string {
	if decoded, err := url.PathUnescape(s); err == nil {
		return decoded
	}
	return s
}

func until(s, ends string) string {
	if i := strings.IndexAny(s, ends); i >= 0 {
		return s[:i]
	}
	return s
}

func withoutParameters(s string) string {
	segments := strings.Split(s, "/")
	for i := range segments {
		segments[i] = until(segments[i], ";?#")
	}
	return strings.Join(segments, "/")
}

// matches is the meaning of patterns, written down as directly as possible.
func matches(pattern string, segments []string) bool {
	names := strings.Split(strings.TrimPrefix(pattern, "/"), "/")
	if pattern == "/" {
		names = nil
	}
	if !strings.Contains(pattern, "*") {
		return len(segments) >= len(names) && matchesAll(names, segments[:len(names)])
	}
	return matchesAll(names, segments)
}

func matchesAll(names, segments []string) bool {
	switch {
	case len(names) == 0:
		return len(segments) == 0
	case names[0] == "**":
		return matchesAll(names[1:], segments) || len(segments) > 0 && matchesAll(names, segments[1:])
	case len(segments) == 0:
		return false
	}
	return (names[0] == "*" || unescape(names[0]) == segments[0]) && matchesAll(names[1:], segments[1:])
}

// TestDecideTakesBoundedTime would not end if it took exponential time.
func TestDecideTakesBoundedTime(t *testing.T) {
	rules := parse(t, slices.Repeat([]string{strings.Repeat("/**/a", 90) + "/b = deny"}, 5)...)
	if d := rules.Decide("GET", rule.ReadPath(strings.Repeat("/a", 8_000))); d.Verdict != rule.Unmatched {
		t.Errorf("%+v", d)
	}
}
