package passwd

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Reason says why a password may not be chosen. The values are stable: pages and the API choose their words by them.
type Reason string

const (
	TooShort    Reason = "too_short"   // fewer characters than the minimum
	TooLong     Reason = "too_long"    // more than MaxBytes bytes
	Unreadable  Reason = "unreadable"  // not UTF-8, or with a NUL in it
	Compromised Reason = "compromised" // on a list of passwords that are known to attackers
	Personal    Reason = "personal"    // made of the person's name, address or workspace, or of "sallyport"
	Guessable   Reason = "guessable"   // found in fewer than 10^8 guesses
)

// Weak is the error for a password that may not be chosen.
type Weak struct{ Reason Reason }

func (w *Weak) Error() string { return "passwd: password refused: " + string(w.Reason) }

// ask is the score a new password needs: at least 10^8 guesses.
const ask = 3

// Check judges a password somebody wants to have. It returns nil or a *Weak, in bounded time whatever comes in.
// The minimum is in characters (code points after Normalise). About is what others know of the person: name, e-mail
// address, workspace; empty strings are fine. For the passwords of a list on disk, ask List.Contains too.
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

// Score says how hard a password is to guess, for a strength meter: 0 and 1 no hindrance, 2 weak, 3 good, 4 strong
// (10^3, 10^6, 10^8 and 10^10 guesses, as zxcvbn scores). Check wants 3. Only the first 64 characters count.
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

// personalWords takes what is known of a person apart: the words of each string and the string without what is between
// them, each of three characters or more, also without accents.
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

// without cuts the words of a dictionary out of a password and reports whether there were any.
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
