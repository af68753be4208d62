package text_test

import (
	"html/template"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

func TestMessages(t *testing.T) {
	polish := &text.Lang{Tag: "pl", Dir: "ltr", Group: " ", Plural: func(n int) int {
		switch {
		case n == 1:
			return 0
		case n%10 >= 2 && n%10 <= 4 && (n%100 < 12 || n%100 > 14):
			return 1
		}
		return 2
	}, Messages: map[text.Key][]string{
		"{n} code left": {"został {n} kod", "zostały {n} kody", "zostało {n} kodów"},
		"Sign in":       {"Zaloguj się"},
	}}
	codes := func(n int) text.Message { return text.Count(n, "{n} code left", "{n} codes left") }
	hello := func(name any) text.Message { return text.Say("Hello <bdi>{name}</bdi>.", "name", name) }
	tests := []struct {
		name        string
		lang        *text.Lang
		msg         text.Message
		html, plain string
	}{
		{"identity", text.English, text.Say("Sign in"), "Sign in", "Sign in"},
		{"one", text.English, codes(1), "1 code left", "1 code left"},
		{"none", text.English, codes(0), "0 codes left", "0 codes left"},
		{"thousands", text.English, codes(1234567), "1,234,567 codes left", "1,234,567 codes left"},
		{"translated", polish, text.Say("Sign in"), "Zaloguj się", "Zaloguj się"},
		{"few", polish, codes(3), "zostały 3 kody", "zostały 3 kody"},
		{"many", polish, codes(1012), "zostało 1 012 kodów", "zostało 1 012 kodów"},
		{"missing translation", polish, hello("Jan"), "Hello <bdi>Jan</bdi>.", "Hello Jan."},
		{"value is escaped", text.English, hello(`<b>"&{name}`),
			"Hello <bdi>&lt;b&gt;&#34;&amp;{name}</bdi>.", `Hello <b>"&{name}.`},
		{"value is a message", text.English, hello(codes(2)), "Hello <bdi>2 codes left</bdi>.", "Hello 2 codes left."},
		{"value is HTML", text.English, hello(template.HTML("<em>a &amp; b</em>")),
			"Hello <bdi><em>a &amp; b</em></bdi>.", "Hello a & b."},
		{"value is missing", text.English, text.Say("Hello {name}"), "Hello {name}", "Hello {name}"},
		{"brace left open", text.English, text.Say("Hello {name"), "Hello {name", "Hello {name"},
		{"nothing", text.English, text.Message{}, "", ""},
		{"pseudo", text.Pseudo(false), hello("Ann"), "[Héļļö <bdi>Ann</bdi>.·········]", "[Héļļö Ann.·········]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := string(test.lang.HTML(test.msg)); got != test.html {
				t.Errorf("HTML: got %q, want %q", got, test.html)
			}
			if got := test.lang.Text(test.msg); got != test.plain {
				t.Errorf("Text: got %q, want %q", got, test.plain)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	if got, want := text.English.Time(at), "3 February 2026, 04:05 UTC"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := text.English.HTML(text.Say("Since {at}", "at", at)), `Since <time datetime="2026-02-03T04:05:06Z" data-local>3 February 2026, 04:05 UTC</time>`; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPseudoRightToLeft(t *testing.T) {
	if got := text.Pseudo(true).Dir; got != "rtl" {
		t.Errorf("got %q", got)
	}
}

func TestOnlyConstantsAreKeys(t *testing.T) {
	page := template.Must(template.New("").Funcs(text.English.Funcs()).Parse(`{{t "<em>fine</em>"}}{{t .}}`))
	var out strings.Builder
	if err := page.Execute(&out, "<script>"); err == nil {
		t.Errorf("a template accepted a string as a key: %s", out.String())
	}
}
