// Package lifetime compares times of which some may lie in the future, because the clock was set back after they were
// stored. Every lifetime in the rules is checked here.
package lifetime

import "time"

// Grace is how far ahead of this server's clock a stored time may be. The clocks of two nodes differ a little, and a
// clock jumps a little when it is corrected.
const Grace = time.Minute

// Ahead reports whether a stored time is in the future, because it was stored before the clock was set back.
func Ahead(at, now time.Time) bool { return at.Sub(now) > Grace }

// Between reports whether something with these limits is valid now. Something that begins in the future is not: after
// the clock was set back, its age is unknown (I63).
func Between(began, ends, now time.Time) bool {
	return !began.IsZero() && !Ahead(began, now) && now.Before(ends)
}

// Within is Between for something that lasts for limit from its beginning, or from when it was last seen.
func Within(began time.Time, limit time.Duration, now time.Time) bool {
	return Between(began, began.Add(limit), now)
}

// Until is Within for something of which only the end is stored.
func Until(ends time.Time, limit time.Duration, now time.Time) bool {
	return !ends.IsZero() && Within(ends.Add(-limit), limit, now)
}
