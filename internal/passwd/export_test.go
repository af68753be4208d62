package passwd

import "context"

// A test holds a turn without burning a core.
func (h *Hasher) Enter(ctx context.Context) error { return h.enter(ctx) }
func (h *Hasher) Leave()                          { h.leave() }

// Guesses is the estimate without anything personal.
func Guesses(password string) float64 { return guesses(first(password, maxGuessed), nil) }
