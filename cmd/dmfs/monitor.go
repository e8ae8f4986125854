//go:build linux

package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A monitor tells other programs over HTTP how the node is. It is off unless
// the configuration says where to listen, and tells what every user of the mount
// can read anyway.
type monitor struct{ server *http.Server }

// startMonitor listens at address; "" is nowhere. Trouble is logged: that
// nobody can look must not take the files away.
func (r *reporter) startMonitor(address string, log *slog.Logger) *monitor {
	m := &monitor{}
	if address == "" {
		return m
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Error("no metrics over HTTP", "err", err, "hint", "change listen in [metrics], then reload")
		return m
	}
	m.server = &http.Server{
		Handler: r.routes(), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() {
		if err := m.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("no metrics over HTTP any more", "err", err)
		}
	}()
	log.Info("metrics", "listen", listener.Addr())
	return m
}

func (r *reporter) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(newRegistry(r), promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, r.ready()) })
	return mux
}

// ready says what is missing until the node does all that it is for.
func (r *reporter) ready() error {
	if r.replica.Load() == nil {
		return errors.New("mounted, but not on the network")
	}
	return nil
}

func answer(w http.ResponseWriter, err error) {
	text := "ok\n"
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = err.Error() + "\n"
	}
	_, _ = w.Write([]byte(text)) //nolint:errcheck // who asked has gone
}

// stop ends all requests.
func (m *monitor) stop() error {
	if m.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := m.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return m.server.Close()
}
