// Package text is the catalogue: every sentence a person reads, on pages and in mails, passes through it.
//
// The English text is its own key. A message may hold
//
//   - placeholders by name, {name}, whose values are escaped;
//   - the tags <strong>, <em>, <code>, <kbd>, <bdi> and <a href="/path">, nothing else. A name somebody chose stands
//     in <bdi>, so that its direction does not spill into the sentence.
//
// A language is data: translations by key, a rule for plurals, a direction. English is the identity and ships alone.
// The package's own test reads all templates and Go files and names the texts that go past the catalogue.
package text

import (
	"fmt"
	"html"
	"html/template"
	"strconv"
	"strings"
	"time"
)

// Key is an English text. It is a type of its own so that only constants become keys: a value that somebody typed is
// a string, and neither Go nor a template passes a string off as a Key.
type Key string

// Message is a text with its values, not yet in any language. The zero Message is empty. Messages are immutable and
// may be shared.
type Message struct {
	key, other Key // other is set for messages with a count
	n          int
	values     []any
}

// Say makes a message. Values come in pairs, name then value: Say("Hello <bdi>{name}</bdi>", "name", user.Name).
// A value may be a string, a number, a time (shown by [Lang.Time]; in HTML a script shows it in the browser's own zone),
// another Message, or template.HTML, which alone is not escaped.
func Say(key Key, values ...any) Message {
	return Message{key: key, values: values}
}

// Count makes a message about n things, from its forms for one and for any other number. {n} stands for the number.
func Count(n int, one, other Key, values ...any) Message {
	return Message{key: one, other: other, n: n, values: values}
}

// IsZero tells whether m says nothing.
func (m Message) IsZero() bool { return m.key == "" }

// Lang is a language. It is immutable once made, so that any number of goroutines may share one.
type Lang struct {
	Tag   string // BCP 47, for <html lang>
	Dir   string // "ltr" or "rtl"
	Group string // between thousands

	// Plural gives the index of the form for n. English has two forms: 0 for one, 1 for all others.
	Plural func(n int) int
	// Messages gives the forms by key; a message without a count has one. What is missing is said in English.
	Messages map[Key][]string

	disguise func(string) string // pseudo-locale only
}

// English is the language of the keys.
var English = &Lang{Tag: "en", Dir: "ltr", Group: ",", Plural: englishPlural}

func englishPlural(n int) int {
	if n == 1 {
		return 0
	}
	return 1
}

// HTML renders m with its tags, values escaped.
func (l *Lang) HTML(m Message) template.HTML {
	return template.HTML(l.fill(l.form(m), m, l.htmlValue))
}

// Text renders m as plain text: tags dropped, values as they are. It is for mails, headers and JSON, never for HTML.
func (l *Lang) Text(m Message) string {
	return l.fill(dropTags(l.form(m)), m, l.textValue)
}

// Funcs are the words of templates: t says a text, tn one with a count, say a message made in Go, number a number.
func (l *Lang) Funcs() template.FuncMap {
	return template.FuncMap{
		"t": func(key Key, values ...any) template.HTML { return l.HTML(Say(key, values...)) },
		"tn": func(one, other Key, n int, values ...any) template.HTML {
			return l.HTML(Count(n, one, other, values...))
		},
		"say":    l.HTML,
		"number": l.Number,
	}
}

// Number writes n with the language's separators.
func (l *Lang) Number(n int) string {
	s := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + l.Group + s[i:]
	}
	return sign + s
}

var months = [...]Key{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
	"November", "December"}

// Date writes the day of t, in t's zone.
func (l *Lang) Date(t time.Time) string {
	return l.Text(Say("{day} {month} {year}",
		"day", strconv.Itoa(t.Day()), "month", Say(months[t.Month()-1]), "year", strconv.Itoa(t.Year())))
}

// Time writes t to the minute, in t's zone, with the zone's name.
func (l *Lang) Time(t time.Time) string {
	return l.Text(Say("{date}, {time} {zone}",
		"date", l.Date(t), "time", t.Format("15:04"), "zone", t.Format("MST")))
}

// form picks the language's text for m, still with tags and placeholders.
func (l *Lang) form(m Message) string {
	i := 0
	if m.other != "" {
		i = l.Plural(m.n)
	}
	if forms := l.Messages[m.key]; i < len(forms) {
		return forms[i]
	}
	s := string(m.key)
	if m.other != "" && englishPlural(m.n) == 1 {
		s = string(m.other)
	}
	if l.disguise != nil {
		return l.disguise(s)
	}
	return s
}

// fill puts values in the place of {name}. A name without a value stays as it stands, for all to see.
func (l *Lang) fill(s string, m Message, value func(any) string) string {
	start := strings.IndexByte(s, '{')
	if start < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16*len(m.values))
	for ; start >= 0; start = strings.IndexByte(s, '{') {
		length := strings.IndexByte(s[start:], '}')
		if length < 0 {
			break
		}
		end := start + length
		b.WriteString(s[:start])
		if v, ok := m.value(s[start+1 : end]); ok {
			b.WriteString(value(v))
		} else {
			b.WriteString(s[start : end+1])
		}
		s = s[end+1:]
	}
	b.WriteString(s)
	return b.String()
}

func (m Message) value(name string) (any, bool) {
	for i := 0; i+1 < len(m.values); i += 2 {
		if m.values[i] == name {
			return m.values[i+1], true
		}
	}
	if name == "n" && m.other != "" {
		return m.n, true
	}
	return nil, false
}

func (l *Lang) htmlValue(v any) string {
	switch v := v.(type) {
	case Message:
		return string(l.HTML(v))
	case template.HTML:
		return string(v)
	case time.Time:
		return `<time datetime="` + v.UTC().Format(time.RFC3339) + `" data-local>` + html.EscapeString(l.Time(v)) + `</time>`
	}
	return html.EscapeString(l.textValue(v))
}

func (l *Lang) textValue(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case Message:
		return l.Text(v)
	case template.HTML:
		return html.UnescapeString(dropTags(string(v)))
	case int:
		return l.Number(v)
	case time.Time:
		return l.Time(v)
	}
	return fmt.Sprint(v)
}

// dropTags removes what stands between < and >. Messages hold no other use of either.
func dropTags(s string) string {
	if strings.IndexByte(s, '<') < 0 {
		return s
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "<")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, s, _ = strings.Cut(rest, ">")
	}
}
