package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// readyLimit is how long the database may take to answer /readyz. readyPause is how long the answer is cached, so that
// clients cannot make the database write more often.
const (
	readyLimit = 5 * time.Second
	readyPause = time.Second
)

// readiness caches whether the database could be written to.
type readiness struct {
	store sallyport.Store
	mu    sync.Mutex
	at    time.Time
	err   error
}

func (r *readiness) check() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.at) < readyPause {
		return r.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyLimit)
	defer cancel()
	done := make(chan error, 1) // buffered: a Write that has begun may outlast its context
	go func() { done <- r.store.Write(ctx, func(tx sallyport.Tx) error { return tx.Touch() }) }()
	select {
	case r.err = <-done:
	case <-ctx.Done():
		r.err = ctx.Err()
	}
	r.at = time.Now()
	return r.err
}

// health serves /healthz, which reports that the process is alive, and /readyz, which reports that the database can be
// written to.
func health(store sallyport.Store, log *slog.Logger) http.Handler {
	ready := &readiness{store: store}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if r.URL.Path == "/readyz" {
			if err := ready.check(); err != nil {
				log.Error("not ready", "error", err)
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprintln(w, "the database does not respond, or cannot be written to")
				return
			}
		}
		fmt.Fprintln(w, "ok")
	})
}

// metrics serves metrics for Prometheus on a separate listener, if --metrics-listen is set.
func (c *serveCmd) metrics(s *server, store *sqlstore.Store) (io.Closer, error) {
	if c.MetricsListen == "" {
		return io.NopCloser(nil), nil
	}
	l, err := listen("--metrics-listen", c.MetricsListen)
	if err != nil {
		return nil, err
	}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sallyport_requests_total", Help: "Requests answered, by route (empty: none matched) and status.",
	}, []string{"route", "status"})
	s.edge.Observe = func(route string, status int) {
		requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(requests, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sallyport_password_hashes", Help: "Password hashes that are running or waiting.",
		}, func() float64 { return float64(s.hasher.Inside()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sallyport_password_hashes_total", Help: "Password hashes computed.",
		}, func() float64 { return float64(s.hasher.Computed()) }))
	registry.MustRegister(undone(store)...)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	srv := edge.NewServer(mux, s.log)
	go s.serveMetrics(srv, l)
	return srv, nil
}

// undone counts what SQLite has to do twice.
func undone(store *sqlstore.Store) []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sallyport_sqlite_undone_groups_total", Help: "Groups of writes to SQLite that were undone, because one of them failed.",
		}, func() float64 { groups, _ := store.UndoneGroups(); return float64(groups) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sallyport_sqlite_repeated_writes_total", Help: "Writes to SQLite that ran again, because their group was undone.",
		}, func() float64 { _, repeated := store.UndoneGroups(); return float64(repeated) }),
	}
}

func (s *server) serveMetrics(srv *http.Server, l net.Listener) {
	if err := srv.Serve(l); err != http.ErrServerClosed {
		s.log.Error("metrics are no longer served", "error", err)
	}
}
