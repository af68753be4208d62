package passwd

import "math"

// This estimates how many guesses an attacker needs who knows how people choose passwords, with the algorithm of
// zxcvbn 4 (Wheeler, USENIX Security 2016). The Go port of zxcvbn unpacks its word lists when the program starts, which
// takes more time and memory than our whole start may. Ours are loaded when the first password is judged. See NOTICE.

// maxGuessed is how many characters are judged. The work grows with the cube of the length.
const maxGuessed = 64

// match is a part of a password, runes[from:to], and the number of guesses that find it.
type match struct {
	from, to int
	guesses  float64
}

// best is the cheapest known way to guess a prefix of a password as a given number of parts.
type best struct {
	product float64 // of the guesses of the parts
	total   float64 // including the order of the parts; 0 if there is no such way
	brute   bool    // the last part is brute force; two such parts in a row would be one
}

// guesses estimates how many guesses find a password of at most maxGuessed characters.
func guesses(password string, own dictionary) float64 {
	runes := []rune(password)
	n := len(runes)
	if n == 0 {
		return 1
	}
	ending := make([][]match, n+1)
	for _, m := range allMatches(runes, own) {
		if m.to-m.from < n { // a part costs at least as much as trying all short strings
			m.guesses = max(m.guesses, 50)
		}
		ending[m.to] = append(ending[m.to], m)
	}
	ways := make([][]best, n+1) // [characters guessed][parts]
	for i := range ways {
		ways[i] = make([]best, n+1)
	}
	ways[0][0] = best{product: 1, total: 1}
	for to := 1; to <= n; to++ {
		for _, m := range ending[to] {
			extend(ways, m, false)
		}
		for from := range to {
			extend(ways, match{from, to, bruteForce(to - from)}, true)
		}
	}
	least := math.Inf(1)
	for _, w := range ways[n] {
		if w.total > 0 {
			least = min(least, w.total)
		}
	}
	return least
}

// extend appends m to every known way to guess what precedes it, and keeps the result if it is cheaper than the known
// ways. For l parts, the attacker tries all their orders (l!) after all shorter combinations (10,000 for each part).
func extend(ways [][]best, m match, brute bool) {
	for l, before := range ways[m.from][:m.from+1] {
		if before.total == 0 || brute && before.brute {
			continue
		}
		parts := l + 1
		product := before.product * m.guesses
		total := math.Gamma(float64(parts+1))*product + math.Pow(10000, float64(parts-1))
		cheaper := true
		for _, known := range ways[m.to][:parts+1] {
			if known.total > 0 && known.total <= total {
				cheaper = false
				break
			}
		}
		if cheaper {
			ways[m.to][parts] = best{product, total, brute}
		}
	}
}

func bruteForce(length int) float64 {
	if length == 1 {
		return 11
	}
	return max(51, math.Pow(10, float64(length)))
}

func allMatches(runes []rune, own dictionary) []match {
	matches := append(words().matches(runes), own.matches(runes)...)
	matches = append(matches, keyboardMatches(runes)...)
	matches = append(matches, repeatMatches(runes, own)...)
	matches = append(matches, sequenceMatches(runes)...)
	return append(matches, dateMatches(runes)...)
}

// choose returns the binomial coefficient: the number of ways to choose k of n.
func choose(n, k int) float64 {
	if k > n {
		return 0
	}
	r := 1.0
	for i := 1; i <= k; i++ {
		r = r * float64(n-k+i) / float64(i)
	}
	return r
}
