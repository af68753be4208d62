package rule_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/rule"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

func parse(t testing.TB, lines ...string) rule.Rules {
	t.Helper()
	rules, errs := rule.Parse(lines)
	if len(errs) > 0 {
		t.Fatalf("%q: %v", lines, errs)
	}
	return rules
}

// lines are the canonical forms of rules.
func lines(rules rule.Rules) (all []string) {
	for _, r := range rules {
		all = append(all, r.String())
	}
	return all
}

func TestParse(t *testing.T) {
	for line, want := range map[string]string{
		"/open = public":                       "",
		"/ = policy":                           "",
		"/x GET,HEAD = public":                 "",
		"/x OPTIONS,M-SEARCH = public":         "",
		"/admin = two_factor fresh:5":          "",
		"/a = phishing_resistant fresh:10080":  "",
		"/a = policy fresh:1":                  "",
		"/a = deny":                            "",
		"/a/*/b/** = deny":                     "",
		"/a=b = deny":                          "",
		"/größe/%25/my%20files = deny":         "",
		"/a = groups:Finance,Human Resources":  "",
		"/a = groups:a = b,x y  z fresh:7":     "",
		"/a = groups:fresh:5":                  "",
		"  /open/   GET , HEAD  =   public \r": "/open GET,HEAD = public",
		"/a = groups: a , b  fresh: 05":        "/a = groups:a,b fresh:5",
		"/gr%C3%B6%c3%9fe/%41 = deny":          "/größe/A = deny",
		"/a/./b/../c = deny":                   "/a/c = deny",
		"/.. = deny":                           "/ = deny",
		"/*/ = deny":                           "/* = deny",
	} {
		rules, errs := rule.Parse([]string{line})
		if want == "" {
			want = line
		}
		if len(errs) > 0 || len(rules) != 1 || rules[0].String() != want {
			t.Errorf("%q: %q, %v, want %q", line, lines(rules), errs, want)
		}
	}
	long := "/" + strings.Repeat("ä", rule.MaxLine-len("/ = deny")) + " = deny"
	if rules := parse(t, "", long, "  ", "/b = deny", "\r"); len(rules) != 2 || rules[1].Pattern != "/b" {
		t.Errorf("blank lines: %q", lines(rules))
	}
	groups := parse(t, "/ = groups:"+strings.Repeat("ä", rule.MaxGroup))[0]
	if groups.Action != rule.Groups || len(groups.Groups) != 1 {
		t.Errorf("%+v", groups)
	}
}

func TestParseErrors(t *testing.T) {
	for line, want := range map[string]struct {
		column int
		says   string
	}{
		"https://wiki.example/x = deny": {1, "Begin the rule with a path"},
		"  open = public":               {3, "Begin the rule with a path"},
		"= public":                      {1, "Begin the rule with a path"},
		"/open":                         {6, "After the path, write what applies"},
		"/open=public":                  {13, "a space on each side"},
		"/open =public":                 {7, "a space on each side"},
		"/open public":                  {7, "After the path, write what applies"},
		"/open =":                       {8, "After the equals sign, write public"},
		"/open = ":                      {8, "After the equals sign, write public"},
		"/open = Public":                {9, "After the equals sign, write public"},
		"/open = public deny":           {9, "After the equals sign, write public"},
		"/open = fresh:5":               {9, "After the equals sign, write public"},
		"/open = two_factor,deny":       {9, "After the equals sign, write public"},
		"/ö get = public":               {4, "methods in capital letters"},
		"/ö GET, = public":              {9, "methods in capital letters"},
		"/ö GET HEAD = public":          {4, "methods in capital letters"},
		"/ö GET,HEAD, GET = public":     {14, "listed twice"},
		"/ö = groups:a,b,a":             {17, "listed twice"},
		"/ö = groups:":                  {13, "names of groups"},
		"/ö = groups:a, ,b":             {16, "names of groups"},
		"/ö = groups: fresh:5":          {13, "names of groups"},
		"/ö = groups:" + strings.Repeat("ä", 65): {13, "1 to 64 characters"},
		"/ö = public fresh:5":                    {13, "Leave out fresh"},
		"/ö = deny fresh:5":                      {11, "Leave out fresh"},
		"/ö = policy fresh:0":                    {19, "from 1 to 10,080"},
		"/ö = policy fresh:10081":                {19, "from 1 to 10,080"},
		"/ö = policy fresh:-5":                   {19, "from 1 to 10,080"},
		"/ö = policy fresh:":                     {19, "from 1 to 10,080"},
		"/ö = policy fresh:5 public":             {19, "from 1 to 10,080"},
		"/ö = policy fresh:99999999999999999":    {19, "from 1 to 10,080"},
		"/ö?x = deny":                            {3, "Leave out ?"},
		"/ö#x = deny":                            {3, "Leave out ?"},
		"/ö/a;b = deny":                          {5, "Leave out ?"},
		"/ö%3Fx = deny":                          {1, "Leave out ?"},
		"/ö/*.css = deny":                        {4, "** for any number"},
		"/*/ö/*** = deny":                        {6, "** for any number"},
		"/ö/%2a = deny":                          {4, "** for any number"},
		"//ö = deny":                             {1, "No rule can match this path. The path contains two slashes"},
		"/a%2Fb = deny":                          {1, "which some programs read as a slash and"},
		`/a\b = deny`:                            {1, "a backslash"},
		"/a%00 = deny":                           {1, "control character"},
		"/a%zz = deny":                           {1, "A percent sign itself is written %25"},
		"/a%2541 = deny":                         {1, "decode twice"},
		"/a/%2e%2e/b = deny":                     {1, "resolve this differently"},
		"/ö\x00 = deny":                          {3, "invisible"},
		"/ö\t= deny":                             {3, "invisible"},
		"/\xff = deny":                           {2, "invisible"},
		"/ö\u2028 = deny":                        {3, "invisible"},
		"/" + strings.Repeat("ä", 500):           {501, "at most 500 characters"},
	} {
		rules, errs := rule.Parse([]string{"/ok = deny", line})
		if rules != nil || len(errs) != 1 {
			t.Errorf("%q: %q, %v", line, lines(rules), errs)
			continue
		}
		if says := text.English.Text(errs[0].Text); errs[0].Line != 2 || errs[0].Column != want.column || !strings.Contains(says, want.says) {
			t.Errorf("%q: %v, want column %d: %s", line, errs[0], want.column, want.says)
		}
	}
}

// TestParseIsBounded: the 101st line is an error, whether the others are right or wrong.
func TestParseIsBounded(t *testing.T) {
	for line, want := range map[string]int{"/a = deny": 1, "/a": 101} {
		all := strings.Split(strings.Repeat("\n"+line, 500), "\n")
		_, errs := rule.Parse(all)
		if len(errs) != want || errs[want-1].Line != 102 || !strings.Contains(errs[want-1].Error(), "at most 100 rules") {
			t.Errorf("%s: %d errors, %v", line, len(errs), errs[len(errs)-1])
		}
		if _, errs := rule.Parse(all[:101]); len(errs) != want-1 {
			t.Errorf("%s: %d errors in 100 lines", line, len(errs))
		}
	}
}

// situation is a request and what decides about it: a rule's canonical form, "none" or "refused".
type situation struct{ method, target, want string }

func check(t *testing.T, rules rule.Rules, s situation) {
	t.Helper()
	d := rules.Decide(s.method, rule.ReadPath(s.target))
	got := map[rule.Verdict]string{rule.Refused: "refused", rule.Unmatched: "none"}[d.Verdict]
	if d.Verdict == rule.ByRule {
		got = rules[d.Rule].String()
	}
	if got != s.want {
		t.Errorf("%q\n%s %q: %s (%s), want %s", lines(rules), s.method, s.target, got, text.English.Text(d.Reason.Text()), s.want)
	}
	if (d.Verdict == rule.Refused) != (d.Reason != 0) && len(rules) > 1 {
		t.Errorf("%s %q: %+v", s.method, s.target, d)
	}
}

var ambiguous = map[string]rule.Reason{
	"/a%2fb":              rule.EncodedSlash,
	"/a%2Fb":              rule.EncodedSlash,
	"/a%252fb":            rule.EncodedTwice,
	"/a%25%32%66b":        rule.EncodedTwice,
	"/%2561dmin":          rule.EncodedTwice,
	`/a\b`:                rule.Backslash,
	"/a%5cb":              rule.Backslash,
	"//":                  rule.EmptySegment,
	"//a":                 rule.EmptySegment,
	"/a//b":               rule.EmptySegment,
	"/a//":                rule.EmptySegment,
	"/a/;x/b":             rule.EmptySegment,
	"/;x":                 rule.EmptySegment,
	"/%3b/a":              rule.EmptySegment,
	"/%2e%2e/a":           rule.HiddenDots,
	"/a/.%2e/b":           rule.HiddenDots,
	"/a/%2e":              rule.HiddenDots,
	"/a/..;/b":            rule.HiddenDots,
	"/a/.;x=1":            rule.HiddenDots,
	"/a/x;y/../b":         rule.HiddenDots,
	"/a#/../b":            rule.HiddenDots,
	"/a%00b":              rule.Control,
	"/a\x00b":             rule.Control,
	"/a%0d%0ab":           rule.Control,
	"/a%7f":               rule.Control,
	"/a\tb":               rule.Control,
	"/a b":                rule.Control,
	"/a%c2%85":            rule.Control,
	"/a%e2%80%a8":         rule.Control,
	"/%ff":                rule.NotUTF8,
	"/a\xffb":             rule.NotUTF8,
	"/%c0%af":             rule.NotUTF8,
	"/%ed%a0%80":          rule.NotUTF8,
	"/%c0%ae%c0%ae/admin": rule.NotUTF8,
}

var malformed = map[string]rule.Reason{
	"":                 rule.NotPath,
	"*":                rule.NotPath,
	"admin":            rule.NotPath,
	"?a":               rule.NotPath,
	"https://x.test/a": rule.NotPath,
	"/%":               rule.BrokenEncoding,
	"/a%4":             rule.BrokenEncoding,
	"/a%zz":            rule.BrokenEncoding,
	"/a%4?1":           rule.BrokenEncoding,
	"//a%u002f":        rule.BrokenEncoding,
	"/a%2f%":           rule.BrokenEncoding,
	"/a%%41":           rule.BrokenEncoding,
	"/a%+1":            rule.BrokenEncoding,
}

// TestI69_AmbiguousPaths: a path that programs could read differently matches no rule.
func TestI69_AmbiguousPaths(t *testing.T) {
	for n, rules := range []rule.Rules{nil, parse(t, "/ = public"), parse(t, "/ = public", "/x = deny")} {
		for target, why := range ambiguous {
			want := rule.Decision{Verdict: rule.Unmatched, Rule: -1, Reason: why}
			if n > 1 {
				want.Verdict = rule.Refused
			}
			if got := rules.Decide("GET", rule.ReadPath(target)); got != want {
				t.Errorf("%d rules, %q: %+v, want %+v", n, target, got, want)
			}
			if got := rules.Decide("GET", rule.ReadPath("/ok?"+target)); got.Reason != 0 {
				t.Errorf("%d rules, query %q: %+v", n, target, got)
			}
		}
		for target, why := range malformed {
			want := rule.Decision{Verdict: rule.Refused, Rule: -1, Reason: why}
			if got := rules.Decide("GET", rule.ReadPath(target)); got != want {
				t.Errorf("%d rules, %q: %+v, want %+v", n, target, got, want)
			}
		}
	}
	var zero rule.Decision
	if zero.Verdict != rule.Refused {
		t.Error("a decision that was not taken lets the request through")
	}
}

func TestDecide(t *testing.T) {
	for _, test := range []struct {
		rules []string
		in    []situation
	}{
		{nil, []situation{{"GET", "/", "none"}, {"GET", "/a;b", "none"}}},
		{[]string{"/open = public"}, []situation{
			{"GET", "/open", "/open = public"}, {"DELETE", "/open/", "/open = public"}, {"GET", "/open/x/y/?z=//", "/open = public"},
			{"GET", "/%6fpen", "/open = public"}, {"GET", "/x/../open/./y", "/open = public"}, {"GET", "/../open", "/open = public"},
			{"GET", "/openness", "none"}, {"GET", "/ope", "none"}, {"GET", "/", "none"}, {"GET", "/Open", "none"}, {"GET", "/x/open", "none"},
			{"GET", "/open/..", "none"}, {"GET", "/open/../x", "none"}, {"GET", "/open;x", "none"}, {"GET", "/open%3bx/y", "none"},
			{"GET", "/open/y;x", "/open = public"}, {"GET", "/open/who%3F", "/open = public"}, {"GET", "/open/a%20b%25/%C3%B6", "/open = public"},
			{"GET", "/open/100%25%20", "/open = public"}, {"GET", "/open/file%2etxt", "/open = public"}, {"GET", "/open/...", "/open = public"},
		}},
		{[]string{"/x GET,HEAD = public", "/x = deny"}, []situation{
			{"GET", "/x", "/x GET,HEAD = public"}, {"HEAD", "/x/y", "/x GET,HEAD = public"}, {"POST", "/x", "/x = deny"},
			{"get", "/x", "/x = deny"}, {"GET ", "/x", "/x = deny"}, {"", "/x", "/x = deny"}, {"OPTIONS", "/x", "/x = deny"},
		}},
		{[]string{"/x GET = public", "/x OPTIONS = public"}, []situation{
			{"HEAD", "/x", "none"}, {"OPTIONS", "/x", "/x OPTIONS = public"}, {"GET", "/x;y", "refused"}, {"POST", "/x;y", "none"},
		}},
		{[]string{"/a/b = deny", "/a = two_factor", "/ = public"}, []situation{
			{"GET", "/a/b/c", "/a/b = deny"}, {"GET", "/a/c", "/a = two_factor"}, {"GET", "/", "/ = public"}, {"GET", "/b/a/b", "/ = public"},
			{"GET", "/a;x/b", "refused"}, {"GET", "/a/b;x", "refused"}, {"GET", "/a/c;x", "/a = two_factor"}, {"GET", "/a/b/c;x", "/a/b = deny"},
			{"GET", "/c;x/a", "/ = public"}, {"GET", "/a%3fx", "refused"}, {"GET", "/a#x", "refused"}, {"GET", "/a%23", "refused"},
		}},
		{[]string{"/a/b = deny", "/ = public"}, []situation{{"GET", "/a;x/b", "refused"}, {"GET", "/a;x/c", "/ = public"}, {"GET", "/a;x", "/ = public"}}},
		{[]string{"/u/*/f = public", "/u/* = two_factor", "/ = deny"}, []situation{
			{"GET", "/u/1/f", "/u/*/f = public"}, {"GET", "/u/1/f/", "/u/*/f = public"}, {"GET", "/u/1/f/x", "/ = deny"}, {"GET", "/u/1/2/f", "/ = deny"},
			{"GET", "/u/f", "/u/* = two_factor"}, {"GET", "/u/", "/ = deny"}, {"GET", "/u/%2A", "/u/* = two_factor"},
			{"GET", "/u/1;x/f", "refused"}, {"GET", "/u/1/f;x", "refused"}, {"GET", "/u/1;x/g/h", "refused"}, {"GET", "/v/1;x", "/ = deny"},
		}},
		{[]string{"/**/secret = deny", "/a/**/b/** = public", "/** = policy"}, []situation{
			{"GET", "/secret", "/**/secret = deny"}, {"GET", "/a/b/secret", "/**/secret = deny"}, {"GET", "/a/b/secret/x", "/a/**/b/** = public"},
			{"GET", "/a/b", "/a/**/b/** = public"}, {"GET", "/a/x/y/b/z", "/a/**/b/** = public"}, {"GET", "/a/x", "/** = policy"}, {"GET", "/", "/** = policy"},
			{"GET", "/a/b/c;x/b", "/a/**/b/** = public"}, {"GET", "/a/c;x/b", "refused"}, {"GET", "/secret;x", "refused"}, {"GET", "/c/secret;x/y", "refused"},
		}},
		{[]string{"/**/a/a/b = deny", "/*/** = public"}, []situation{
			{"GET", "/a/a/a/b", "/**/a/a/b = deny"}, {"GET", "/a/a/b/a/a/b", "/**/a/a/b = deny"}, {"GET", "/a/b", "/*/** = public"}, {"GET", "/", "none"},
		}},
		{[]string{"/größe/my%20files = deny", "/100%25 = policy"}, []situation{
			{"GET", "/gr%C3%B6%C3%9Fe/my%20files/x", "/größe/my%20files = deny"}, {"GET", "/größe/my%20files", "/größe/my%20files = deny"},
			{"GET", "/gr%C3%B6%C3%9Fe/my+files", "none"}, {"GET", "/100%25", "/100%25 = policy"},
		}},
	} {
		rules := parse(t, test.rules...)
		for _, s := range test.in {
			check(t, rules, s)
		}
	}
}

func TestExplain(t *testing.T) {
	rules := parse(t, "/a POST = deny", "/b = deny", "/a/*/c = policy", "/a = public", "/ = deny")
	for target, want := range map[string]struct {
		path    string
		verdict rule.Verdict
		rule    int
		steps   []rule.Reason
	}{
		"/a/%62?x=1": {"/a/b", rule.ByRule, 3, []rule.Reason{rule.OtherMethod, rule.OtherPath, rule.OtherPath, rule.Matched, rule.NotReached}},
		"/a/b;x/c":   {"/a/b;x/c", rule.Refused, 2, []rule.Reason{rule.OtherMethod, rule.OtherPath, rule.Parameter, rule.NotReached, rule.NotReached}},
		"/a%2fb":     {"/a%2fb", rule.Refused, -1, []rule.Reason{rule.NotReached, rule.NotReached, rule.NotReached, rule.NotReached, rule.NotReached}},
		"/a\nb\xff":  {"/a b\ufffd", rule.Refused, -1, []rule.Reason{rule.NotReached, rule.NotReached, rule.NotReached, rule.NotReached, rule.NotReached}},
		"/a%":        {"/a%", rule.Refused, -1, []rule.Reason{rule.NotReached, rule.NotReached, rule.NotReached, rule.NotReached, rule.NotReached}},
		"/c/..":      {"/", rule.ByRule, 4, []rule.Reason{rule.OtherPath, rule.OtherPath, rule.OtherPath, rule.OtherPath, rule.Matched}},
	} {
		e := rules.Explain("GET", rule.ReadPath(target))
		if e.Path != want.path || e.Verdict != want.verdict || e.Rule != want.rule {
			t.Errorf("%s: %+v", target, e)
		}
		for i, step := range e.Steps {
			if step.Reason != want.steps[i] || step.Rule.String() != rules[i].String() || step.Reason.Text().IsZero() {
				t.Errorf("%s: %s: %d, want %d", target, step.Rule, step.Reason, want.steps[i])
			}
		}
	}
	only := parse(t, "/a = deny")
	for target, want := range map[string]rule.Reason{"/a": rule.Matched, "/b": rule.OtherPath, "//a": rule.SetAside, "/a;x": rule.SetAside, "/%": rule.NotReached} {
		if e := only.Explain("GET", rule.ReadPath(target)); e.Steps[0].Reason != want {
			t.Errorf("%s: %+v, want %d", target, e, want)
		}
	}
	if e := rule.Rules(nil).Explain("GET", rule.ReadPath("//a")); e.Verdict != rule.Unmatched || e.Reason != rule.EmptySegment || len(e.Steps) != 0 {
		t.Errorf("%+v", e)
	}
}

// TestGuide: what docs/rules.md says about its examples is true.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(guide), "```rules\n")[1:]
	if len(blocks) < 6 {
		t.Fatalf("%d examples", len(blocks))
	}
	row := regexp.MustCompile("(?m)^\\| `([A-Z]+) (/[^`]*)` \\| (.*) \\|$")
	for _, block := range blocks {
		source, after, _ := strings.Cut(block, "```\n")
		rules := parse(t, strings.Split(source, "\n")...)
		after, _, _ = strings.Cut(after, "\n#")
		requests := row.FindAllStringSubmatch(after, -1)
		if len(requests) < 3 || len(requests) != strings.Count(after, "\n| `") {
			t.Errorf("%s%d requests", source, len(requests))
		}
		for _, r := range requests {
			want := strings.Trim(r[3], "`")
			if want == "the app's level" {
				want = "none"
			}
			check(t, rules, situation{r[1], r[2], want})
		}
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	rules := parse(t, "/assets GET,HEAD = public", "/**/private = deny", "/users/*/avatar = public", "/admin = two_factor fresh:5", "/ = policy")
	for target, most := range map[string]float64{"/wiki/Some_page/history?action=edit&id=7": 0, "/wiki/a;b=c": 0, "/wiki/gr%C3%B6%C3%9Fe": 2} {
		n := testing.AllocsPerRun(100, func() {
			if rules.Decide("GET", rule.ReadPath(target)).Verdict != rule.ByRule {
				t.Fatal(target)
			}
		})
		if n > most {
			t.Errorf("%s: %g allocations, want at most %g", target, n, most)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	rules := parse(b, "/assets GET,HEAD = public", "/**/private = deny", "/users/*/avatar = public", "/admin = two_factor fresh:5", "/ = policy")
	for b.Loop() {
		rules.Decide("GET", rule.ReadPath("/wiki/Some_page/history?action=edit&id=7"))
	}
}
