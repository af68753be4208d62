package passwd

// Reason says why a password may not be chosen. The values are stable: pages and the API choose their words by them.
type Reason string

// TooLong is a password of more than MaxBytes bytes.
const TooLong Reason = "too_long"

// Weak is the error for a password that may not be chosen.
type Weak struct{ Reason Reason }

func (w *Weak) Error() string { return "passwd: password refused: " + string(w.Reason) }
