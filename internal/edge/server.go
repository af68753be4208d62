package edge

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// NewServer returns an HTTP server whose requests are limited in size and time. Headers may be twice as large as the 64
// KiB of cookies that a browser can be made to send, so that planted cookies cannot lock anyone out. A handler that
// writes for longer than a minute extends the deadline with http.ResponseController.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	stopping := make(chan struct{})
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    128 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),

		DisableGeneralOptionsHandler: true, // which would answer OPTIONS * without our headers

		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), stoppingKey{}, (<-chan struct{})(stopping))
		},
	}
	srv.RegisterOnShutdown(func() { close(stopping) })
	return srv
}

type stoppingKey struct{}

// UntilStopping returns a context of a request that also ends after d, or when the server begins to stop: for requests
// that wait for something, so that stopping does not wait for them.
func UntilStopping(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, d)
	stopping, _ := ctx.Value(stoppingKey{}).(<-chan struct{}) // nil, which never ends, without NewServer
	go func() {
		select {
		case <-stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
