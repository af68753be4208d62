package passwd

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Reason is why a password is refused. The values are stable: pages and the API map them to texts.
type Reason string

const (
	TooShort    Reason = "too_short"   // fewer characters than the minimum
	TooLong     Reason = "too_long"    // more than MaxBytes bytes
	Unreadable  Reason = "unreadable"  // not UTF-8, or contains NUL
	Compromised Reason = "compromised" // on a list of passwords that attackers know
	Personal    Reason = "personal"    // built from the user's name, address or workspace, or from "sallyport"
	Guessable   Reason = "guessable"   // found in fewer than 10^8 guesses
)

// Weak is the error for a password that is refused.
type Weak struct{ Reason Reason }

func (w *Weak) Error() string { return "passwd: password refused: " + string(w.Reason) }

// ask is the score that a new password needs: at least 10^8 guesses.
const ask = 3

// Check judges a new password and returns nil or a *Weak. Its time is bounded for any input. The minimum is in
// characters (code points after Normalise). About holds what others know about the user: name, e-mail address,
// workspace; empty strings are allowed. Check does not look into the list on disk: call List.Contains as well.
func Check(password string, minimum int, about []string) error {
	if len(password) > MaxBytes {
		return &Weak{TooLong}
	}
	if !utf8.ValidString(password) || strings.ContainsRune(password, 0) {
		return &Weak{Unreadable}
	}
	password = Normalise(password)
	if utf8.RuneCountInString(password) < minimum {
		return &Weak{TooShort}
	}
	if isCommon(password) {
		return &Weak{Compromised}
	}
	own := personalWords(about)
	if rest, found := without(password, own); found && score(rest, nil) < ask {
		return &Weak{Personal}
	}
	if score(password, own) < ask {
		return &Weak{Guessable}
	}
	return nil
}

// Score estimates how hard a password is to guess, for a strength meter: 0 and 1 are trivial, 2 is weak, 3 is good, 4 is
// strong (10^3, 10^6, 10^8 and 10^10 guesses, as in zxcvbn). Check requires 3. Only the first 64 characters count.
func Score(password string, about []string) int {
	if len(password) > MaxBytes {
		return 0
	}
	password = Normalise(strings.ToValidUTF8(password, "\uFFFD"))
	if isCommon(password) {
		return 0
	}
	own := personalWords(about)
	if rest, found := without(password, own); found {
		return min(score(rest, nil), score(password, own))
	}
	return score(password, own)
}

func score(password string, own dictionary) int {
	n := guesses(first(password, maxGuessed), own)
	score := 0
	for score < 4 && n >= [...]float64{1e3, 1e6, 1e8, 1e10}[score]+5 {
		score++
	}
	return score
}

// personalWords splits what is known about the user into words. It returns the words of each string and the string
// without separators, if they have at least three characters, with and without accents.
func personalWords(about []string) dictionary {
	var words []string
	for _, s := range append([]string{"sallyport"}, about...) {
		s = strings.ToLower(Normalise(first(s, 200)))
		for _, form := range []string{s, withoutAccents(s)} {
			parts := strings.FieldsFunc(form, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
			words = append(append(words, parts...), strings.Join(parts, ""))
		}
	}
	words = slices.DeleteFunc(words, func(w string) bool { return utf8.RuneCountInString(w) < 3 })
	slices.Sort(words)
	words = slices.Compact(words)
	lines := make(dictionary, len(words))
	for i, w := range words {
		lines[i] = fmt.Sprintf("%s %d", w, i+1)
	}
	return lines
}

func withoutAccents(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(s))
}

// without removes the words of a dictionary from a password, and reports whether it found any.
func without(password string, words dictionary) (rest string, found bool) {
	runes := []rune(first(password, maxGuessed))
	keep := slices.Clone(runes)
	for _, m := range words.matches(runes) {
		for i := m.from; i < m.to; i++ {
			keep[i] = -1
		}
		found = true
	}
	return string(slices.DeleteFunc(keep, func(r rune) bool { return r < 0 })), found
}

// first returns the first n characters of s.
func first(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
