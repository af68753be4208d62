package passwd

import "context"

// Enter and Leave let a test occupy a slot without computing a hash.
func (h *Hasher) Enter(ctx context.Context) error { return h.enter(ctx) }
func (h *Hasher) Leave()                          { h.leave() }

// Kept returns how many bytes of memory are kept for later hashes.
func (h *Hasher) Kept() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.spare {
		n += cap(m) << 10
	}
	return n
}

// Guesses estimates the guesses for a password without personal words.
func Guesses(password string) float64 { return guesses(first(password, maxGuessed), nil) }
