package sallyporttest

import (
	"sync"
	"time"
)

// Clock is a clock that stands still until a test turns it. Its Now is what
// a service under test takes as its own. The zero Clock stands at the zero
// time; begin with NewClock. It may be used by many goroutines at once.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at the time given.
func NewClock(at time.Time) *Clock {
	return &Clock{now: at}
}

// Now returns the time at which the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance turns the clock on by d, or back when d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Set turns the clock to the time given.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = at
}
