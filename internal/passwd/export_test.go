package passwd

import "context"

// A test holds a turn without burning a core.
func (h *Hasher) Enter(ctx context.Context) error { return h.enter(ctx) }
func (h *Hasher) Leave()                          { h.leave() }

// Kept is how many bytes are kept for hashes to come.
func (h *Hasher) Kept() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.spare {
		n += cap(m) << 10
	}
	return n
}

// Guesses is the estimate without anything personal.
func Guesses(password string) float64 { return guesses(first(password, maxGuessed), nil) }
