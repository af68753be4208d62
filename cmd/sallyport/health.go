package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
)

// readyLimit is how long the database may take to answer /readyz.
const readyLimit = time.Second

// health answers /healthz, which says that the process is alive, and /readyz, which says that the database answers.
func health(store sallyport.Store) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if r.URL.Path == "/readyz" {
			ctx, cancel := context.WithTimeout(r.Context(), readyLimit)
			defer cancel()
			if err := store.Read(ctx, func(tx sallyport.Tx) error {
				_, _, err := tx.Installation()
				return err
			}); err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprintln(w, "the database does not answer")
				return
			}
		}
		fmt.Fprintln(w, "ok")
	})
}

// metrics serves figures for Prometheus on a listener of their own, if there is to be one.
func (c *serveCmd) metrics(s *server) (io.Closer, error) {
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
			Name: "sallyport_password_hashes", Help: "Password hashes that run or wait.",
		}, func() float64 { return float64(s.hasher.Inside()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sallyport_password_hashes_total", Help: "Password hashes that were computed.",
		}, func() float64 { return float64(s.hasher.Computed()) }))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	srv := edge.NewServer(mux, s.log)
	go s.serveMetrics(srv, l)
	return srv, nil
}

func (s *server) serveMetrics(srv *http.Server, l net.Listener) {
	if err := srv.Serve(l); err != http.ErrServerClosed {
		s.log.Error("metrics are no longer served", "error", err)
	}
}
