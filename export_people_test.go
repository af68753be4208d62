package sallyport

import "time"

// FindAtMost changes how many people a search sorts, and how many with one word it checks, until the returned function
// is called.
func FindAtMost(sorted, looked int) (restore func()) {
	s, l := maxSorted, maxLooked
	maxSorted, maxLooked = sorted, looked
	return func() { maxSorted, maxLooked = s, l }
}

// EventID returns the id of an event at a time.
func EventID(at time.Time) string { return newID(prefixEvent, at) }

// RefusalOf returns the outcome for a person who may not use an app.
func RefusalOf(a App) error { return a.Refusal() }
