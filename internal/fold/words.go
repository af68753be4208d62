package fold

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Words returns the words of folded texts, each once, in the order in which they come. A word is a run of letters and
// digits.
func Words(folded ...string) (all []string) {
	for _, s := range folded {
		for _, word := range strings.FieldsFunc(s, betweenWords) {
			if !slices.Contains(all, word) {
				all = append(all, word)
			}
		}
	}
	return all
}

func betweenWords(r rune) bool { return !unicode.In(r, unicode.L, unicode.M, unicode.N) }

// Entry is a line of the index that people are searched by.
type Entry struct {
	Words  string // all words of the person with spaces between, beginning with this entry's own
	Shared int    // how many bytes it begins with that an earlier entry of the person begins with, too
}

// maxEntry is how long an entry gets, in bytes: databases limit the length of what an index holds.
const maxEntry = 1000

// Entries returns the lines for a person, one for each word of the name and the address, sorted. A search for the start
// of a word looks for entries that begin with it. Of one person's it takes the first, which is the one that shares less
// than what is searched for.
func Entries(name, address, folded string) []Entry {
	words := wordsOf(name, address, folded)
	all := make([]Entry, len(words))
	for i := range words {
		all[i].Words = cut(strings.Join(slices.Concat(words[i:], words[:i]), " "))
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Words, b.Words) })
	for i := 1; i < len(all); i++ {
		all[i].Shared = common(all[i-1].Words, all[i].Words)
	}
	return all
}

func wordsOf(name, address, folded string) []string { return Words(Name(name), folded, Name(address)) }

// Line returns all words of a person with spaces between, in their order: the name first.
func Line(name, address, folded string) string {
	return cut(strings.Join(wordsOf(name, address, folded), " "))
}

func cut(s string) string {
	if len(s) <= maxEntry {
		return s
	}
	s = s[:maxEntry]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}

func common(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
