package sallyport

import (
	"cmp"
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/fold"
)

// maxSearching is how many of the typed words are counted to see which one finds the fewest people.
const maxSearching = 8

// Variables, because with constants tests would need thousands of people. maxLooked is how many people with one word a
// page of a search checks for the other words.
var (
	maxSorted = MaxSorted
	maxLooked = 2000
)

// found is what a list reads: ranges of indexes or, if a search found few enough people, sorted ids.
type found struct {
	order Order
	walks []PeopleRange
	ids   []string
	few   bool
	cut   bool // there are more than ids has
	more  int  // a search found more people than this; 0: not known
	wide  bool // see PeopleList
}

// find prepares a list. A search reads the entries of the typed word that has the fewest.
func (f PeopleFilter) find(tx Tx, workspace string, p Policy, now time.Time) (found, error) {
	l := found{walks: f.walks(workspace, p, now), order: cmp.Or(f.Order, ByName)}
	words := fold.Words(fold.Name(f.Search))
	if f.State == Locked {
		return f.findLocked(tx, l, words[:min(len(words), maxSearching)], now)
	}
	if len(words) == 0 {
		return l, nil
	}
	all := PeopleRange{Workspace: workspace, Order: ByWord, Backward: f.Reverse, Filtered: true, Cells: f.cells(p, now, "")}
	rarest, fewest, err := all.rarest(tx, words, maxSorted)
	if err == nil && fewest > maxSorted && len(words) > 1 {
		rarest, fewest, err = all.rarest(tx, words, maxLooked)
	}
	if err != nil {
		return l, err
	}
	all.Prefix, all.Also, all.Look = rarest, slices.DeleteFunc(words, func(w string) bool { return w == rarest }), maxLooked
	if fewest > maxSorted {
		l.walks, l.order = []PeopleRange{all}, ByWord
		l.wide = fewest > maxLooked && len(all.Also) > 0
		if len(all.Also) == 0 {
			l.more = maxSorted
		}
		return l, nil
	}
	l.few = true
	for _, r := range l.walks {
		r.Filtered, r.Prefix, r.Also, r.Look = true, all.Prefix, all.Also, all.Look
		ids, err := tx.FindPeople(r, maxSorted)
		if err != nil {
			return l, err
		}
		l.ids = append(l.ids, ids...)
	}
	return l, nil
}

// rarest returns the word with the fewest entries, and how many it has, counted up to one more than limit.
func (r PeopleRange) rarest(tx Tx, words []string, limit int) (word string, fewest int, err error) {
	fewest = limit + 2
	for _, w := range words[:min(len(words), maxSearching)] {
		r.Prefix = w
		n, _, err := tx.PlacePeople(r, User{}, limit+1)
		if err != nil {
			return "", 0, err
		}
		if n < fewest || n == fewest && len(w) > len(word) {
			word, fewest = w, n
		}
	}
	return word, fewest, nil
}
