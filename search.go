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
	group Group
}

// find prepares a list. A search reads the entries of the typed word that has the fewest, or the people of the group if these
// are fewer.
func (f PeopleFilter) find(tx Tx, workspace string, p Policy, now time.Time) (found, error) {
	l := found{walks: f.walks(workspace, p, now), order: cmp.Or(f.Order, ByName)}
	words := fold.Words(fold.Name(f.Search))
	if f.Group != "" {
		g, exists, err := tx.TakeGroup(workspace, f.Group)
		if l.group, l.few = g, !exists; err != nil || !exists {
			return l, err
		}
	}
	if f.State == Locked {
		return f.findLocked(tx, l, words[:min(len(words), maxSearching)], now)
	}
	if len(words) == 0 && f.Group == "" {
		return l, nil
	}
	all := PeopleRange{Workspace: workspace, Order: ByWord, Backward: f.Reverse, Filtered: true, Cells: f.cells(p, now, "")}
	rarest, fewest, err := all.rarest(tx, words, l.group, maxSorted)
	if err == nil && fewest > maxSorted && (len(words) > 1 || f.Group != "" && len(words) > 0) {
		rarest, fewest, err = all.rarest(tx, words, l.group, maxLooked)
	}
	if err != nil {
		return l, err
	}
	all.Prefix, all.Also, all.Group, all.Look = rarest, slices.DeleteFunc(words, func(w string) bool { return w == rarest }), f.Group, maxLooked
	if fewest > maxSorted {
		l.walks, l.order = []PeopleRange{all}, ByWord
		narrowed := len(all.Also) > 0 || f.Group != "" && rarest != ""
		l.wide = fewest > maxLooked && narrowed
		if !narrowed {
			l.more = maxSorted
		}
		return l, nil
	}
	l.few = true
	for _, r := range l.walks {
		r.Filtered, r.Prefix, r.Also, r.Group, r.Look = true, all.Prefix, all.Also, all.Group, all.Look
		ids, err := tx.FindPeople(r, maxSorted)
		if err != nil {
			return l, err
		}
		l.ids = append(l.ids, ids...)
	}
	return l, nil
}

// rarest returns the word with the fewest entries, and how many it has, counted up to one more than limit. It returns "" if
// the group has no more people than that: its rows have all words, while those of a word do not say who is in the group.
func (r PeopleRange) rarest(tx Tx, words []string, g Group, limit int) (word string, fewest int, err error) {
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
	if g.ID == "" {
		return word, fewest, nil
	}
	n := g.People
	if n > limit { // fewer may match the filter
		r.Prefix, r.Group = "", g.ID
		if n, _, err = tx.PlacePeople(r, User{}, limit+1); err != nil {
			return "", 0, err
		}
	}
	if n <= fewest {
		return "", n, nil
	}
	return word, fewest, nil
}
