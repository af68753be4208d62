package passwd

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// words.gz has common passwords, English words and names, made by gen.
//
//go:embed words.gz
var wordsFile []byte

// words is read when the first password is judged, and kept: 3 MB.
var words = sync.OnceValue(func() dictionary {
	z, err := gzip.NewReader(bytes.NewReader(wordsFile))
	if err != nil {
		panic(fmt.Sprintf("passwd: the embedded words.gz: %v", err))
	}
	text, err := io.ReadAll(z)
	if err != nil {
		panic(fmt.Sprintf("passwd: the embedded words.gz: %v", err))
	}
	return strings.Split(string(text), "\n")
})

// dictionary has one line a word: the word in small letters, a space, its rank. Sorted, so that the words with a common
// beginning are neighbours and those that end there come first.
type dictionary []string

// looks says which letters a character may stand for.
var looks = map[rune]string{
	'4': "a", '@': "a", '8': "b", '(': "c", '{': "c", '[': "c", '<': "c", '3': "e", '6': "g", '9': "g", '1': "il",
	'!': "i", '|': "il", '7': "tl", '0': "o", '$': "s", '5': "s", '+': "t", '%': "x", '2': "z",
}

// matches finds the words of d in a password: as they are, in any case, with digits and signs for letters, backwards.
func (d dictionary) matches(runes []rune) []match {
	w := walk{d: d, runes: runes, lower: make([]rune, len(runes))}
	for i, r := range runes {
		w.lower[i] = unicode.ToLower(r)
	}
	for w.from = range runes {
		w.step(d, 0)
	}
	forward := len(w.found)
	slices.Reverse(w.lower)
	w.runes = slices.Clone(runes)
	slices.Reverse(w.runes)
	w.backwards = true
	for w.from = range runes {
		w.step(d, 0)
	}
	for i, m := range w.found[forward:] {
		w.found[forward+i] = match{len(runes) - m.to, len(runes) - m.from, m.guesses * 2}
	}
	return w.found
}

// walk follows all words that begin at one character of a password.
type walk struct {
	d            dictionary
	runes, lower []rune
	backwards    bool
	from         int
	letters      []rune // what the characters from there on are taken for
	found        []match
}

// step goes on from the words in d that begin with w.letters, which are depth bytes. It ends where no word goes on.
func (w *walk) step(d dictionary, depth int) {
	if len(d) == 0 {
		return
	}
	to := w.from + len(w.letters)
	if depth > 0 && d[0][depth] == ' ' {
		if rank, err := strconv.Atoi(d[0][depth+1:]); err == nil {
			token := w.runes[w.from:to]
			guesses := float64(rank) * caseVariations(token) * w.signVariations()
			w.found = append(w.found, match{w.from, to, guesses})
		}
	}
	if to == len(w.lower) {
		return
	}
	w.letter(d, depth, w.lower[to])
	if !w.backwards {
		for _, letter := range looks[w.lower[to]] {
			w.letter(d, depth, letter)
		}
	}
}

func (w *walk) letter(d dictionary, depth int, letter rune) {
	if letter == ' ' {
		return
	}
	var buf [utf8.UTFMax]byte
	next := string(buf[:utf8.EncodeRune(buf[:], letter)])
	from := sort.Search(len(d), func(i int) bool { return d[i][depth:] >= next })
	d = d[from:]
	to := sort.Search(len(d), func(i int) bool { return !strings.HasPrefix(d[i][depth:], next) })
	w.letters = append(w.letters, letter)
	w.step(d[:to], depth+len(next))
	w.letters = w.letters[:len(w.letters)-1]
}

// signVariations is by how many the ways to put signs for letters multiply the guesses.
func (w *walk) signVariations() float64 {
	variations := 1.0
	for i, letter := range w.letters {
		sign := w.lower[w.from+i]
		if sign == letter || slices.Contains(w.lower[w.from:w.from+i], sign) {
			continue
		}
		signs, letters := 0, 0
		for _, r := range w.lower[w.from : w.from+len(w.letters)] {
			switch r {
			case sign:
				signs++
			case letter:
				letters++
			}
		}
		variations *= mixed(signs, letters)
	}
	return variations
}

// caseVariations is the same for capital letters. A first, a last or all capitals are what everybody tries.
func caseVariations(token []rune) float64 {
	upper, lower := 0, 0
	for _, r := range token {
		switch {
		case unicode.IsUpper(r):
			upper++
		case unicode.IsLower(r):
			lower++
		}
	}
	switch {
	case upper == 0:
		return 1
	case lower == 0, upper == 1 && (unicode.IsUpper(token[0]) || unicode.IsUpper(token[len(token)-1])):
		return 2
	}
	return mixed(upper, lower)
}

// mixed is in how many ways one of two forms, a and b times there, can be spread: both ends of it are equally near.
func mixed(a, b int) float64 {
	if a == 0 || b == 0 {
		return 2
	}
	ways := 0.0
	for i := 1; i <= min(a, b); i++ {
		ways += choose(a+b, i)
	}
	return ways
}
