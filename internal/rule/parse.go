package rule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Error is what is wrong with one line, and what to write instead.
type Error struct {
	Line   int // of the input, from 1
	Column int // in characters, from 1
	Text   text.Message
}

func (e Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, text.English.Text(e.Text))
}

const (
	groupsMark = "groups:"
	freshMark  = " fresh:"
)

var (
	errTooMany   = text.Say("An app has at most 100 rules. Delete this one, or let one rule with a shorter path replace several.")
	errLong      = text.Say("A rule has at most 500 characters. Shorten it, or write two rules.")
	errInvisible = text.Say("This character is invisible. Delete it, or write a space.")
	errNoPath    = text.Say("Begin the rule with a path, such as /open. Leave out https:// and the host.")
	errQuery     = text.Say("A rule is about paths only. Leave out ?, # and ; with what follows them.")
	errAsterisk  = text.Say("* stands for a whole name between two slashes, and ** for any number of them. To match all that is below a path, write the path alone.")
	errNoAction  = text.Say("After the path, write what applies to it, with a space on each side of the equals sign, such as /open = public.")
	errMethod    = text.Say("Between the path and the equals sign, write nothing or methods in capital letters with commas between them, such as GET,HEAD.")
	errAction    = text.Say("After the equals sign, write public, policy, two_factor, phishing_resistant, deny, or groups: with the names of groups.")
	errGroup     = text.Say("Write the names of groups after groups: with commas between them. A name has 1 to 64 characters.")
	errTwice     = text.Say("This is listed twice. Leave out one of them.")
	errFresh     = text.Say("After fresh: write a number of minutes from 1 to 10,080, and nothing else.")
	errNoProof   = text.Say("Leave out fresh: here, because public and deny ask for no proof.")
)

// Parse reads one rule from each line, and ignores blank lines. If any line is wrong, it returns no rules, and one error
// for each wrong line, in order.
func Parse(lines []string) (Rules, []Error) {
	var rules Rules
	var errs []Error
	for i, line := range lines {
		line = strings.TrimRight(line, " \r\n")
		if strings.Trim(line, " ") == "" {
			continue
		}
		if len(rules)+len(errs) == MaxRules {
			errs = append(errs, Error{i + 1, 1, errTooMany})
			break
		}
		r, at, wrong := parse(line)
		if !wrong.IsZero() {
			errs = append(errs, Error{i + 1, utf8.RuneCountInString(line[:at]) + 1, wrong})
			continue
		}
		rules = append(rules, r)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return rules, nil
}

// parse reads a line. If it is wrong, parse returns why, and at which byte.
func parse(line string) (r Rule, at int, wrong text.Message) {
	if at, wrong := readable(line); !wrong.IsZero() {
		return r, at, wrong
	}
	from, end := word(line, 0)
	if at, wrong := r.readPattern(line[from:end]); !wrong.IsZero() {
		return r, from + at, wrong
	}
	from, _ = word(line, end)
	equals := strings.Index(line[end:]+" ", " = ")
	if equals < 0 {
		return r, from, errNoAction
	}
	equals += end + 1
	if from < equals {
		if at, wrong := r.readMethods(line[from:equals]); !wrong.IsZero() {
			return r, from + at, wrong
		}
	}
	from, _ = word(line, equals+1)
	at, wrong = r.readAction(line[from:])
	return r, from + at, wrong
}

// readable checks the characters of a line.
func readable(line string) (at int, wrong text.Message) {
	count := 0
	for i, c := range line {
		if count++; count > MaxLine {
			return i, errLong
		}
		if _, size := utf8.DecodeRuneInString(line[i:]); text.IsControl(c) || c == utf8.RuneError && size == 1 {
			return i, errInvisible
		}
	}
	return 0, text.Message{}
}

// word returns where the next word of a line begins and ends.
func word(line string, after int) (from, end int) {
	for from = after; from < len(line) && line[from] == ' '; from++ {
	}
	for end = from; end < len(line) && line[end] != ' '; end++ {
	}
	return from, end
}

// readPattern reads a pattern as a request's path is read, so that both mean the same. A pattern without wildcards is a
// prefix. A slash at its end means nothing.
func (r *Rule) readPattern(s string) (at int, wrong text.Message) {
	if s[0] != '/' {
		return 0, errNoPath
	}
	if i := strings.IndexAny(s, cuts); i >= 0 {
		return i, errQuery
	}
	if i := strings.Index(strings.ToUpper(s), "%2A"); i >= 0 {
		return i, errAsterisk
	}
	p := ReadPath(s)
	if p.reason != 0 {
		return 0, text.Say("No rule can match this path. {reason}", "reason", p.reason.Text())
	}
	if p.cut < len(p.text) { // encoded
		return 0, errQuery
	}
	r.Pattern = escape.Replace(p.String())
	if p.text != "" {
		r.segments = strings.Split(p.text[1:], "/")
	}
	if !strings.Contains(p.text, one) {
		r.segments = append(r.segments, many)
	}
	return misplaced(s)
}

// misplaced looks for asterisks in a pattern that are not a segment of their own.
func misplaced(s string) (at int, wrong text.Message) {
	for segment := range strings.SplitSeq(s, "/") {
		if strings.Contains(segment, one) && segment != one && segment != many {
			return at, errAsterisk
		}
		at += len(segment) + 1
	}
	return 0, text.Message{}
}

func (r *Rule) readMethods(s string) (at int, wrong text.Message) {
	for method, at := range list(s) {
		if method == "" || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
			return at, errMethod
		}
		if slices.Contains(r.Methods, method) {
			return at, errTwice
		}
		r.Methods = append(r.Methods, method)
	}
	return 0, text.Message{}
}

func (r *Rule) readAction(s string) (at int, wrong text.Message) {
	what, fresh, isFresh := strings.Cut(s, freshMark)
	if names, ok := strings.CutPrefix(what, groupsMark); ok {
		r.Action = Groups
		if at, wrong := r.readGroups(names); !wrong.IsZero() {
			return len(groupsMark) + at, wrong
		}
	} else {
		r.Action = Action(strings.TrimRight(what, " "))
		if !slices.Contains([]Action{Public, Policy, TwoFactor, PhishingResistant, Deny}, r.Action) {
			return 0, errAction
		}
	}
	if !isFresh {
		return 0, text.Message{}
	}
	if r.Action == Public || r.Action == Deny {
		return len(what) + 1, errNoProof
	}
	n, err := strconv.ParseUint(strings.Trim(fresh, " "), 10, 16)
	if err != nil || n < 1 || n > MaxFresh {
		return len(what) + len(freshMark), errFresh
	}
	r.Fresh = int(n)
	return 0, text.Message{}
}

func (r *Rule) readGroups(s string) (at int, wrong text.Message) {
	for name, at := range list(s) {
		if name == "" || utf8.RuneCountInString(name) > MaxGroup {
			return at, errGroup
		}
		if slices.Contains(r.Groups, name) {
			return at, errTwice
		}
		r.Groups = append(r.Groups, name)
	}
	return 0, text.Message{}
}

// list yields the parts between commas, without the spaces around them, and where each begins.
func list(s string) func(yield func(part string, at int) bool) {
	return func(yield func(string, int) bool) {
		at := 0
		for part := range strings.SplitSeq(s, ",") {
			trimmed := strings.TrimLeft(part, " ")
			if !yield(strings.TrimRight(trimmed, " "), at+len(part)-len(trimmed)) {
				return
			}
			at += len(part) + 1
		}
	}
}
