package otp_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/runenames"

	"github.com/sallyport-2fa/sallyport/internal/otp"
)

func TestI40_Normalise(t *testing.T) {
	accepted := map[string]string{
		"as it is":                "123456",
		"space":                   "123 456",
		"dash":                    "123-456",
		"each apart":              "1 2 3 4 5 6",
		"spaces around":           "  123456  ",
		"line end":                "123456\n",
		"DOS line end":            "123456\r\n",
		"tab, other line ends":    "\t123\v\f\u0085\u2028\u2029456",
		"no-break space":          "123\u00a0456",
		"narrow no-break space":   "123\u202f456",
		"wide space":              "123\u3000456",
		"thin and figure space":   "12\u200934\u200756",
		"en dash":                 "123–456",
		"em dash":                 "123—456",
		"minus":                   "123−456",
		"no-break hyphen":         "123‑456",
		"full-width hyphen":       "123－456",
		"small hyphen":            "123﹣456",
		"soft hyphen":             "123\u00ad456",
		"zero width":              "1\u200b2\u200c3\u200d4\u20605\ufeff6",
		"byte order mark":         "\ufeff123456",
		"bidirectional marks":     "\u200e123\u200f456\u061c",
		"bidirectional isolates":  "\u2067123456\u2069",
		"bidirectional overrides": "\u202d123456\u202c",
		"variation selector":      "1\ufe0f23456",
		"filler, joiner":          "123\u3164\u034f456",
		"full-width":              "１２３４５６",
		"Arabic-Indic":            "١٢٣٤٥٦",
		"extended Arabic-Indic":   "۱۲۳۴۵۶",
		"Devanagari":              "१२३४५६",
		"Bengali":                 "১২৩৪৫৬",
		"Thai":                    "๑๒๓๔๕๖",
		"mathematical bold":       "𝟏𝟐𝟑𝟒𝟓𝟔",
		"mathematical monospace":  "𝟷𝟸𝟹𝟺𝟻𝟼",
		"scripts mixed":           "1２٣۴५𝟔",
		"256 bytes":               "123456" + strings.Repeat(" ", 250),
	}
	for name, input := range accepted {
		if code, ok := otp.Normalise(input); !ok || code != "123456" {
			t.Errorf("%s: %q is %q, %v", name, input, code, ok)
		}
	}
	refused := map[string]string{
		"nothing":                  "",
		"spaces only":              "      ",
		"five digits":              "12345",
		"seven digits":             "1234567",
		"eight digits":             "12345678",
		"letter":                   "12345a",
		"letter beside":            "123456a",
		"sign":                     "+123456",
		"point":                    "123.456",
		"comma":                    "123,456",
		"middle dot":               "123·456",
		"underscore":               "123_456",
		"NUL":                      "123456\x00",
		"escape":                   "\x1b123456",
		"superscript":              "12345⁶",
		"circled":                  "①②③④⑤⑥",
		"Roman numerals":           "ⅠⅡⅢⅣⅤⅥ",
		"Chinese numerals":         "一二三四五六",
		"fraction":                 "12345½",
		"Arabic number sign":       "\u0600123456",
		"keycap":                   "1\ufe0f\u20e323456",
		"combining mark":           "1\u030123456",
		"replacement character":    "123456\ufffd",
		"invalid UTF-8":            "123456\xff",
		"cut UTF-8":                "12345\xd9",
		"overlong UTF-8":           "12345\xc0\xb6",
		"surrogate":                "123456\xed\xa0\x80",
		"recovery code":            "7K2QD-9XW4M-0VH8R-TN3YB-C6JPE",
		"257 bytes":                "123456" + strings.Repeat(" ", 251),
		"a mebibyte":               strings.Repeat("1", 1<<20),
		"a mebibyte of nothing":    strings.Repeat("\u200b", 1<<18),
		"six characters, not ours": "abcdef",
	}
	for name, input := range refused {
		if code, ok := otp.Normalise(input); ok || code != "" {
			t.Errorf("%s: %q is %q, %v", name, input[:min(len(input), 40)], code, ok)
		}
	}
}

// The digit's Unicode name, such as "MATHEMATICAL BOLD DIGIT SEVEN", gives its value independently of the code.
func TestI40_EveryScriptsDigits(t *testing.T) {
	words := []string{"ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE"}
	seen := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !unicode.Is(unicode.Nd, r) {
			continue
		}
		seen++
		name := runenames.Name(r)
		value := -1
		for v, word := range words {
			if strings.HasSuffix(name, " "+word) {
				value = v
			}
		}
		if value < 0 {
			t.Errorf("%U %s: the name contains no digit", r, name)
			continue
		}
		want := "00000" + string(rune('0'+value))
		if code, ok := otp.Normalise("00000" + string(r)); !ok || code != want {
			t.Errorf("%U %s: %q, %v, want %s", r, name, code, ok, want)
		}
	}
	if seen < 680 { // Unicode 15
		t.Errorf("only %d digits were tested", seen)
	}
}

func TestI40_EverySpaceDashAndInvisible(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		code, ok := otp.Normalise("123" + string(r) + "456")
		drawn := unicode.Is(unicode.Prepended_Concatenation_Mark, r)
		switch {
		case unicode.IsSpace(r), unicode.Is(unicode.Pd, r), unicode.Is(unicode.Cf, r) && !drawn,
			strings.HasPrefix(runenames.Name(r), "VARIATION SELECTOR-"):
			if !ok || code != "123456" {
				t.Errorf("%U %s is not ignored", r, runenames.Name(r))
			}
		case unicode.IsNumber(r), unicode.IsControl(r), drawn, !utf8.ValidRune(r), unicode.Is(unicode.Sc, r),
			unicode.IsLetter(r) && !strings.HasSuffix(runenames.Name(r), "FILLER"):
			if ok {
				t.Errorf("%U %s is ignored", r, runenames.Name(r))
			}
		}
	}
}

func FuzzNormalise(f *testing.F) {
	for _, s := range []string{"123456", "123 456", "１２３-４５６", "\u200e١٢٣٤٥٦\ufeff", "𝟏𝟐𝟑𝟒𝟓𝟔", "12345\xff", "1234567", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, input string) {
		code, ok := otp.Normalise(input)
		if !ok {
			if _, again := otp.Normalise(" " + input); again {
				t.Fatalf("%q is accepted only after a space", input)
			}
			return
		}
		if len(code) != 6 || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("%q became %q", input, code)
		}
		if again, ok := otp.Normalise(code); !ok || again != code {
			t.Fatalf("%q, normalised again: %q, %v", code, again, ok)
		}
		digits := 0
		for _, r := range input {
			if unicode.IsDigit(r) {
				digits++
			} else if unicode.IsLetter(r) && !strings.HasSuffix(runenames.Name(r), "FILLER") {
				t.Fatalf("%q is accepted with the letter %U", input, r)
			}
		}
		if digits != 6 || len(input) > 256 || !utf8.ValidString(input) {
			t.Fatalf("%q is accepted with %d digits in %d bytes", input, digits, len(input))
		}
	})
}
