package letter

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/colour"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Letter is an e-mail with all values for its texts.
type Letter struct {
	Kind  string
	Facts map[string]any // exactly those of the kind: see Facts

	Brand   string
	Colour  colour.RGB // of the brand
	To      string     // the recipient's address
	Name    string     // of the user whom the e-mail is about, or empty
	Account string     // the address with which that user signs in
	Browser string     // where it was done from, if the user did it; or empty
	Address string     // the same as an IP address
	At      time.Time
	Base    string // scheme and host of the link: the workspace's own, never those of a request (I45)
	Paths   Paths  `json:"-"` // not part of its JSON: they belong to the program that writes it
}

// Parse returns a letter from its JSON, which json.Marshal has made. Paths are missing.
func Parse(b []byte) (l Letter, err error) {
	if err := json.Unmarshal(b, &l); err != nil {
		return Letter{}, errors.New("this is not a letter") // the error of package json may quote the letter
	}
	for name, value := range l.Facts {
		switch v := value.(type) { // the types that kinds.go specifies
		case float64:
			l.Facts[name] = int(v)
		case string:
			if name == "on" || name == "ends" {
				if l.Facts[name], err = time.Parse(time.RFC3339Nano, v); err != nil {
					return Letter{}, fmt.Errorf("e-mail %q: the fact %q is not a time", l.Kind, name)
				}
			}
		}
	}
	return l, nil
}

// Written is the text of an e-mail, in both forms. It may contain a secret.
type Written struct {
	Subject string
	Sender  string // name of the sender
	Text    string
	HTML    string
}

// Kinds returns the kinds of e-mails, in order.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// Facts returns what a kind of e-mail must be given. An unknown kind has none.
func Facts(kind string) []string { return slices.Clone(kinds[kind].facts) }

//go:embed letter.html
var markup string

var htmlPage = template.Must(template.New("letter").Funcs(text.English.Funcs()).Parse(markup))

// wording returns the wording of the letter's kind. It fails if the kind is unknown, or if Facts are not exactly those of
// the kind.
func (l Letter) wording() (wording, error) {
	k, ok := kinds[l.Kind]
	if !ok || len(l.Facts) != len(k.facts) {
		return k, fmt.Errorf("e-mail %q: unknown, or not with its facts", l.Kind)
	}
	for _, name := range k.facts {
		if _, ok := l.Facts[name]; !ok {
			return k, fmt.Errorf("e-mail %q: the fact %q is missing", l.Kind, name)
		}
	}
	return k, nil
}

// Subject returns the e-mail's subject in a language. It fails if Write would fail whatever Paths are.
func (l Letter) Subject(lang *text.Lang) (string, error) {
	k, err := l.wording()
	if err != nil {
		return "", err
	}
	return l.subject(lang, k), nil
}

func (l Letter) subject(lang *text.Lang, k wording) string {
	return lang.Text(text.Say("{brand}: {subject}", "brand", text.Plain(l.Brand), "subject", text.Say(k.subject, l.values(k)...)))
}

// Write returns the e-mail in a language. It fails if the kind is unknown, or if Facts are not exactly those of the kind.
func (l Letter) Write(lang *text.Lang) (Written, error) {
	k, err := l.wording()
	if err != nil {
		return Written{}, err
	}
	token, _ := l.Facts["token"].(string)
	address, err := l.Paths.URL(l.Base, k.open, token)
	if err != nil {
		return Written{}, err
	}
	return l.write(lang, k, address)
}

func (l Letter) write(lang *text.Lang, k wording, address string) (Written, error) {
	values := l.values(k)
	say := func(key text.Key) text.Message { return text.Say(key, values...) }
	brand := text.Plain(l.Brand)
	subject := l.subject(lang, k)
	page := struct {
		Subject, Brand       string
		Colour               colour.RGB
		Lang                 *text.Lang
		Title                text.Message
		Before, Facts, After []text.Message
		Open, Sender         text.Message
		URL                  string
	}{
		Subject: subject, Brand: brand, Colour: l.Colour, Lang: lang, Title: say(k.subject),
		Facts: l.where(k), Open: say(k.open.Words()), URL: address,
	}
	if !k.unproven && l.Name != "" {
		page.Before = append(page.Before, text.Say("Hello <bdi>{name}</bdi>,", "name", text.Plain(l.Name)))
	}
	if k.count != "" {
		n, _ := l.Facts[k.count].(int)
		page.Before = append(page.Before, text.Count(n, k.says, k.many, values...))
	} else {
		page.Before = append(page.Before, say(k.says))
	}
	if low, _ := l.Facts[k.only].(bool); k.then != "" && (k.only == "" || low) {
		page.Before = append(page.Before, say(k.then))
	}
	if k.not != "" {
		page.After = append(page.After, say(k.not))
	}
	page.Sender = text.Say("{brand} sent this e-mail to <bdi>{to}</bdi>. No one at {brand} will ever ask you for your password or a code.",
		"brand", brand, "to", text.Plain(l.To))

	var html, plain strings.Builder
	paragraphs := func(all []text.Message, end string) {
		for _, m := range all {
			plain.WriteString(lang.Text(m) + end)
		}
	}
	paragraphs(page.Before, "\n\n")
	paragraphs(page.Facts, "\n")
	plain.WriteString("\n" + lang.Text(page.Open) + ":\n" + page.URL + "\n\n")
	paragraphs(page.After, "\n\n")
	plain.WriteString("-- \n" + lang.Text(page.Sender) + "\n")
	err := htmlPage.Execute(&html, page)
	return Written{Subject: subject, Sender: brand, Text: plain.String(), HTML: html.String()}, err
}

// where says when it happened. If the user did it, it also says from where.
func (l Letter) where(k wording) []text.Message {
	all := []text.Message{text.Say("When: {time}", "time", l.At.UTC())}
	if k.unproven {
		return all
	}
	if l.Browser != "" {
		all = append(all, text.Say("Browser: {browser}", "browser", text.Plain(l.Browser)))
	}
	if l.Address != "" {
		all = append(all, text.Say("IP address: {address}", "address", l.Address))
	}
	return append(all, text.Say("Account: <bdi>{account}</bdi>", "account", text.Plain(l.Account)))
}

// values returns the facts for the texts. It removes control characters from names that people chose.
func (l Letter) values(k wording) []any {
	all := []any{"brand", text.Plain(l.Brand)}
	for _, name := range slices.DeleteFunc(slices.Clone(k.facts), func(name string) bool { return name == "token" }) {
		value := l.Facts[name]
		switch v := value.(type) {
		case string:
			value = text.Plain(v)
		case time.Time:
			value = v.UTC()
		}
		all = append(all, name, value)
	}
	return all
}
