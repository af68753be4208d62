// Package text is the catalogue: every sentence that users read, on pages and in e-mails, comes from it.
//
// The English text is its own key. A message may contain
//
//   - named placeholders, {name}, whose values are escaped;
//   - the tags <strong>, <em>, <code>, <kbd>, <bdi> and <a href="/path">, and no others. Put names that users chose
//     into <bdi>, so that their direction does not affect the rest of the sentence.
//
// A language is data: translations by key, a plural rule and a direction. English needs no translations, and is the
// only language today. Tests in internal/house report texts in templates and Go files that bypass the catalogue.
package text

import (
	"fmt"
	"html"
	"html/template"
	"strconv"
	"strings"
	"time"
)

// Key is an English text. It has its own type so that only constants become keys: user input is a string, and neither
// Go nor a template converts a string to a Key by itself.
type Key string

// Message is a text with its values, not yet in any language. The zero Message is empty. Messages are immutable and
// safe for concurrent use.
type Message struct {
	key, other Key // other is set for messages with a count
	n          int
	values     []any
}

// Say returns a message. Values come in pairs of name and value: Say("Hello <bdi>{name}</bdi>", "name", user.Name).
// A value is a string, a number, a time (formatted by [Lang.Time]; on pages a script converts it to the browser's time
// zone), another Message, or template.HTML. Only template.HTML is not escaped.
func Say(key Key, values ...any) Message {
	return Message{key: key, values: values}
}

// Count returns a message about n things, given its singular and its plural form. {n} is replaced with n.
func Count(n int, one, other Key, values ...any) Message {
	return Message{key: one, other: other, n: n, values: values}
}

// IsZero reports whether m is empty.
func (m Message) IsZero() bool { return m.key == "" }

// Lang is a language. It is immutable after its creation and safe for concurrent use.
type Lang struct {
	Tag   string // BCP 47, for <html lang>
	Dir   string // "ltr" or "rtl"
	Group string // separates thousands

	// Plural returns the index of the form for n. English has two forms: 0 for one, 1 for all other numbers.
	Plural func(n int) int
	// Messages holds the forms by key; a message without a count has one form. Missing messages are shown in English.
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

// Text renders m as plain text: without tags, and with unescaped values. Use it for e-mails, headers and JSON, never
// for HTML.
func (l *Lang) Text(m Message) string {
	return l.fill(dropTags(l.form(m)), m, l.textValue)
}

// Funcs returns the functions for templates: t shows a text, tn a text with a count, say a Message, number a number.
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

// Number formats n with the language's thousands separator.
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

var shortMonths = [...]Key{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}

// Date formats the day of t in the time zone of t.
func (l *Lang) Date(t time.Time) string {
	return l.Text(Say("{day} {month} {year}",
		"day", strconv.Itoa(t.Day()), "month", Say(months[t.Month()-1]), "year", strconv.Itoa(t.Year())))
}

// Time formats t to the minute, in the time zone of t and with its name.
func (l *Lang) Time(t time.Time) string {
	return l.Text(Say("{date}, {time} {zone}",
		"date", l.Date(t), "time", t.Format("15:04"), "zone", t.Format("MST")))
}

// ShortDate formats the day of t in the time zone of t, with the month abbreviated.
func (l *Lang) ShortDate(t time.Time) string {
	return l.Text(Say("{day} {month} {year}",
		"day", strconv.Itoa(t.Day()), "month", Say(shortMonths[t.Month()-1]), "year", strconv.Itoa(t.Year())))
}

// ShortTime formats t to the minute in the time zone of t, without the name of the zone.
func (l *Lang) ShortTime(t time.Time) string {
	return l.Text(Say("{date}, {time}", "date", l.ShortDate(t), "time", t.Format("15:04")))
}

// form returns the language's text for m, with tags and placeholders.
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

// fill replaces {name} with its value. A placeholder without a value stays visible.
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

// dropTags removes everything between < and >. Messages use these characters for tags only.
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
