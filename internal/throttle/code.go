package throttle

import "time"

// Limits of wrong codes from unknown clients. Anyone who enters codes from an unknown client has the password.
const (
	CodeLimit     = 10 // in a row or within 30 days: a lock
	CodeDelayFrom = 5  // in a row: a delay and a mail

	codeWindow    = 30 * 24 * time.Hour
	codeDelay     = 30 * time.Second
	codeDelayMost = time.Hour
)

// Forever is a wait that waiting does not end.
const Forever = time.Duration(1<<63 - 1)

// OfMonth returns how many wrong codes from unknown clients count as those of the last 30 days: all of the current and
// of the previous window. So no period of 30 days has more than CodeLimit, wherever a window begins.
func (t Tries) OfMonth() int { return t.Count + t.Earlier }

// CodeWait is Rule.Wait for codes from unknown clients. It returns Forever if waiting does not lift the lock.
func CodeWait(t Tries, now time.Time) time.Duration {
	if t.Consecutive >= CodeLimit || t.OfMonth() >= CodeLimit {
		return Forever
	}
	if now.Before(t.Until) {
		return t.Until.Sub(now)
	}
	return 0
}

// ChargeCode counts a wrong code from an unknown client.
func ChargeCode(t Tries, now time.Time) Tries {
	if age := now.Sub(t.Since); age >= codeWindow {
		t.Earlier = t.Count
		if age >= 2*codeWindow {
			t.Earlier = 0
		}
		t.Count, t.Since = 0, now
	}
	t.Count++
	t.Consecutive++
	t.Last = now
	if t.Consecutive >= CodeDelayFrom {
		t.Until = now.Add(doubled(codeDelay, t.Consecutive-CodeDelayFrom, codeDelayMost))
	}
	return t
}

// Forgive refunds the wrong codes of a completed sign-in, and resets the count in a row. Wrong codes of others stay
// counted (I65).
func Forgive(t Tries, wrong int) Tries {
	t.Count = max(0, t.Count-wrong)
	t.Consecutive, t.Until = 0, time.Time{}
	return t
}
