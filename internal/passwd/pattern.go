package passwd

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// repeatMatches finds repetitions: aaaa, abcabc.
func repeatMatches(runes []rune, own dictionary) (found []match) {
	for from := 0; from < len(runes); {
		period, end := 0, 0
		for p := 1; from+2*p <= len(runes); p++ {
			to := from + p
			for to+p <= len(runes) && slices.Equal(runes[from:from+p], runes[to:to+p]) {
				to += p
			}
			if to > from+p && to > end {
				period, end = p, to
			}
		}
		if period == 0 {
			from++
			continue
		}
		count := float64((end - from) / period)
		found = append(found, match{from, end, count * guesses(string(runes[from:from+period]), own)})
		from = end
	}
	return found
}

// sequenceMatches finds characters at a constant distance: abcd, 9753.
func sequenceMatches(runes []rune) (found []match) {
	for from := 0; from+1 < len(runes); {
		delta := runes[from+1] - runes[from]
		to := from + 2
		for to < len(runes) && runes[to]-runes[to-1] == delta {
			to++
		}
		if size := max(delta, -delta); size > 0 && size <= 5 && (to-from > 2 || size == 1) {
			found = append(found, match{from, to, sequenceGuesses(runes[from], delta, to-from)})
		}
		from = to - 1
	}
	return found
}

func sequenceGuesses(first, delta rune, length int) float64 {
	base := 26.0
	switch {
	case strings.ContainsRune("aAzZ019", first):
		base = 4
	case first >= '0' && first <= '9':
		base = 10
	}
	if delta < 0 {
		base *= 2
	}
	return base * float64(length)
}

// keyboard is a US keyboard: each row, indented to its position, with each key plain and shifted. The keys of each row
// are half a key to the right of those above, so every key has six neighbours.
var keyboard = []string{"`~1!2@3#4$5%6^7&8*9(0)-_=+", "  qQwWeErRtTyYuUiIoOpP[{]}\\|", "  aAsSdDfFgGhHjJkKlL;:'\"", "  zZxXcCvVbBnNmM,<.>/?"}

// keyAt returns the position of the key that types a character.
func keyAt(r rune) (x, y int, shifted, ok bool) {
	if r <= ' ' || r > '~' {
		return 0, 0, false, false
	}
	for y, row := range keyboard {
		if i := strings.IndexRune(row, r); i >= 0 {
			return i / 2, y, i%2 == 1, true
		}
	}
	return 0, 0, false, false
}

// keyboardMatches finds walks over three or more neighbouring keys.
func keyboardMatches(runes []rune) (found []match) {
	type direction struct{ x, y int }
	neighbours := []direction{{-1, 0}, {0, -1}, {1, -1}, {1, 0}, {0, 1}, {-1, 1}}
	for from := 0; from < len(runes); {
		x, y, shift, ok := keyAt(runes[from])
		to, turns, shifts, last := from+1, 0, 0, direction{}
		if shift {
			shifts++
		}
		for ok && to < len(runes) {
			nx, ny, nshift, nok := keyAt(runes[to])
			d := direction{nx - x, ny - y}
			if !nok || !slices.Contains(neighbours, d) {
				break
			}
			if d != last {
				turns, last = turns+1, d
			}
			if nshift {
				shifts++
			}
			x, y = nx, ny
			to++
		}
		if to-from > 2 {
			found = append(found, match{from, to, keyboardGuesses(to-from, turns, shifts)})
		}
		from = to
	}
	return found
}

// keyboardGuesses counts the walks of at most the given length and turns: they begin at any of 94 keys, and a key has
// 4.6 neighbours on average.
func keyboardGuesses(length, turns, shifts int) float64 {
	guesses := 0.0
	for i := 2; i <= length; i++ {
		for j := 1; j <= min(turns, i-1); j++ {
			guesses += choose(i-1, j-1) * 94 * math.Pow(4.6, float64(j))
		}
	}
	if shifts > 0 {
		guesses *= mixed(shifts, length-shifts)
	}
	return guesses
}

// thisYear is approximate: people choose years around now and years of their lives.
const thisYear = 2026

// splits lists, by length, where a date without separators may be split into three parts.
var splits = [9][][2]int{
	4: {{1, 2}, {2, 3}}, 5: {{1, 3}, {2, 3}}, 6: {{1, 2}, {2, 4}, {4, 5}},
	7: {{1, 3}, {2, 3}, {4, 5}, {4, 6}}, 8: {{2, 4}, {4, 6}},
}

// dateMatches finds years (1987, 2026) and dates, with separators (3.4.1987) and without (870403).
func dateMatches(runes []rune) (found []match) {
	for from := range runes {
		for to := from + 4; to <= min(from+10, len(runes)); to++ {
			token := string(runes[from:to])
			if years, ok := yearsAway(token); ok {
				found = append(found, match{from, to, years})
			}
			if years, ok := dateWithSigns(token); ok {
				found = append(found, match{from, to, years * 365 * 4})
			}
			if years, ok := dateOfDigits(token); ok {
				found = append(found, match{from, to, years * 365})
			}
		}
	}
	return found
}

func yearsAway(token string) (years float64, ok bool) {
	year, ok := digits(token)
	if !ok || len(token) != 4 || year < 1900 || year > thisYear+20 {
		return 0, false
	}
	return distance(year), true
}

func dateWithSigns(token string) (years float64, ok bool) {
	sign := strings.IndexAny(token, " -/\\_.")
	if sign < 1 {
		return 0, false
	}
	parts := strings.Split(token, token[sign:sign+1])
	if len(parts) != 3 {
		return 0, false
	}
	return date(parts[0], parts[1], parts[2])
}

func dateOfDigits(token string) (years float64, ok bool) {
	if len(token) >= len(splits) {
		return 0, false
	}
	for _, s := range splits[len(token)] {
		if y, valid := date(token[:s[0]], token[s[0]:s[1]], token[s[1]:]); valid && (!ok || y < years) {
			years, ok = y, true
		}
	}
	return years, ok
}

// date reads day, month and year, with the year first or last, and returns how many years an attacker must try.
func date(one, two, three string) (years float64, ok bool) {
	a, okA := digits(one)
	b, okB := digits(two)
	c, okC := digits(three)
	if !okA || !okB || !okC || len(two) > 2 {
		return 0, false
	}
	for _, try := range [][2]int{{c, a}, {a, c}} {
		year, other := try[0], try[1]
		dayMonth := isDay(other) && b >= 1 && b <= 12 || isDay(b) && other >= 1 && other <= 12
		if !dayMonth || year > 99 && year < 1000 || year > thisYear+24 {
			continue
		}
		if year <= 50 {
			year += 2000
		} else if year <= 99 {
			year += 1900
		}
		return distance(year), true
	}
	return 0, false
}

func isDay(n int) bool { return n >= 1 && n <= 31 }

// distance returns how many years an attacker tries before this one, at least 20.
func distance(year int) float64 { return max(20, math.Abs(float64(year-thisYear))) }

func digits(s string) (n int, ok bool) {
	if s == "" || len(s) > 4 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
