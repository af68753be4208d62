package edge

import (
	"log/slog"
	"net/http"
	"time"
)

// NewServer returns an HTTP server whose requests are limited in size and time. Headers may be twice as large as the 64
// KiB of cookies that a browser can be made to send, so that planted cookies cannot lock anyone out. A handler that
// writes for longer than a minute extends the deadline with http.ResponseController.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    128 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),

		DisableGeneralOptionsHandler: true, // which would answer OPTIONS * without our headers
	}
}
