// Package throttle is the arithmetic of budgets of tries: pure functions of a budget and the time. The rules decide which
// budgets there are, and the database keeps them.
package throttle

import (
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
)

// Tries is one budget: the tries for one subject in one bucket. A missing row means zero.
type Tries struct {
	Workspace   string
	Subject     string // user id, HMAC of a folded name that no user has, or IP address
	Bucket      string
	Count       int       // in the window that began at Since
	Since       time.Time // start of the window
	Consecutive int       // wrong tries in a row
	Last        time.Time
	Until       time.Time // no try before this
	Earlier     int       // count of the previous window, for codes from unknown clients

	Moved bool // AsOf has moved its times; it is not stored
}

// AsOf corrects a budget whose times are in the future because the clock was set back. It moves them back, as if the
// newest were now: the tries stay counted, and waiting still ends.
func (t Tries) AsOf(now time.Time) Tries {
	if !lifetime.Ahead(t.Last, now) && !lifetime.Ahead(t.Since, now) {
		return t
	}
	off := max(t.Last.Sub(now), t.Since.Sub(now))
	for _, at := range []*time.Time{&t.Since, &t.Last, &t.Until} {
		if !at.IsZero() {
			*at = at.Add(-off)
		}
	}
	t.Moved = true
	return t
}

// Rule is how many tries a bucket allows in a window. Without a delay, the next try must wait for the end of the
// window. With a delay, every further try doubles the wait, up to Most, and the bucket is empty again after a day
// without tries.
type Rule struct {
	Limit  int
	Window time.Duration
	Delay  time.Duration
	Most   time.Duration
}

const quietLimit = 24 * time.Hour

// Wait returns how long the next try must wait, or zero if it may be made now.
func (r Rule) Wait(t Tries, now time.Time) time.Duration {
	if now.Before(t.Until) {
		return t.Until.Sub(now)
	}
	if r.Delay == 0 && t.Count >= r.Limit {
		return max(0, t.Since.Add(r.Window).Sub(now))
	}
	return 0
}

// Charge counts a try that may be made now.
func (r Rule) Charge(t Tries, now time.Time) Tries {
	over := now.Sub(t.Since) >= r.Window
	if r.Delay > 0 && t.Count >= r.Limit {
		over = now.Sub(t.Last) >= quietLimit
	}
	if over || t.Since.IsZero() {
		t.Count, t.Since = 0, now
	}
	t.Count++
	t.Last = now
	t.Until = r.until(t)
	return t
}

// Refund takes back a try that turned out to be correct.
func (r Rule) Refund(t Tries) Tries {
	t.Count = max(0, t.Count-1)
	t.Until = r.until(t)
	return t
}

func (r Rule) until(t Tries) time.Time {
	if r.Delay == 0 || t.Count < r.Limit {
		return time.Time{}
	}
	return t.Last.Add(doubled(r.Delay, t.Count-r.Limit, r.Most))
}

func doubled(d time.Duration, times int, most time.Duration) time.Duration {
	for ; times > 0 && d < most; times-- {
		d *= 2
	}
	return min(d, most)
}

// Window is a budget that is stored in the user's row instead of a separate one. A window that began in the future is
// over.
type Window struct {
	Count int
	Since time.Time
}

// Wait is Rule.Wait.
func (w Window) Wait(r Rule, now time.Time) time.Duration {
	if w.Count < r.Limit || !lifetime.Within(w.Since, r.Window, now) {
		return 0
	}
	return w.Since.Add(r.Window).Sub(now)
}

// Charge is Rule.Charge.
func (w Window) Charge(r Rule, now time.Time) Window {
	if !lifetime.Within(w.Since, r.Window, now) {
		w = Window{Since: now}
	}
	w.Count++
	return w
}
