package text

import "strings"

// Pseudo returns a language for tests and for visual checks. Every text is accented, bracketed and about a third longer,
// so that texts that bypass the catalogue, are joined from parts or do not fit stand out. With rtl, it is right to left.
func Pseudo(rtl bool) *Lang {
	l := &Lang{Tag: "qps", Dir: "ltr", Group: ",", Plural: englishPlural, disguise: disguise}
	if rtl {
		l.Dir = "rtl"
	}
	return l
}

var accents = strings.NewReplacer(
	"a", "á", "c", "ç", "d", "ð", "e", "é", "g", "ĝ", "h", "ĥ", "i", "í", "k", "ķ", "l", "ļ", "n", "ñ", "o", "ö",
	"r", "ŕ", "s", "š", "t", "ţ", "u", "ü", "w", "ŵ", "y", "ý", "z", "ž",
	"A", "Á", "C", "Ç", "D", "Ð", "E", "É", "G", "Ĝ", "I", "Í", "N", "Ñ", "O", "Ö", "R", "Ŕ", "S", "Š", "T", "Ţ",
	"U", "Û", "Y", "Ý")

// disguise changes the letters of s, but not its tags and placeholders.
func disguise(s string) string {
	var b strings.Builder
	b.WriteString("[")
	for rest := s; rest != ""; {
		i := strings.IndexAny(rest, "<{")
		if i < 0 {
			b.WriteString(accents.Replace(rest))
			break
		}
		b.WriteString(accents.Replace(rest[:i]))
		closing := byte('>')
		if rest[i] == '{' {
			closing = '}'
		}
		end := strings.IndexByte(rest[i:], closing)
		if end < 0 {
			b.WriteString(rest[i:])
			break
		}
		b.WriteString(rest[i : i+end+1])
		rest = rest[i+end+1:]
	}
	b.WriteString(strings.Repeat("·", 1+len(s)/3))
	b.WriteString("]")
	return b.String()
}
