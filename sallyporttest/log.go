package sallyporttest

import (
	"bytes"
	"log/slog"
	"sync"
)

// logBook collects log records of all levels.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Logged returns everything that the Service, its nodes and its sites have logged so far, at all levels.
func (e *Env) Logged() string {
	e.log.mu.Lock()
	defer e.log.mu.Unlock()
	return e.log.text.String()
}
