//go:build linux

package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dmfs/fs"
	"dmfs/index"
)

// counters are the metrics that are counted as things happen; the others are read when somebody asks.
type counters struct {
	fromSigned  prometheus.Histogram
	fromArrival prometheus.Histogram
	refusals    *prometheus.CounterVec
	newest      time.Time // Entry.Since of what was shown last
}

func newCounters() *counters {
	c := &counters{
		fromSigned: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "dmfs_publish_to_visible_seconds",
			Help:    "From the signed time of a version, by its signer's clock, until the mount here shows it. Above an hour: this node was away, or the file was signed long before.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 15, 60, 300, 3600},
		}),
		fromArrival: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "dmfs_arrival_to_visible_seconds",
			Help:    "From when a version is complete and proved here, by this clock, until it is on disk and the mount shows it.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dmfs_refusals_total",
			Help: "What was refused, by the errno that a writer here gets for it, and where it came from. Forgeries from the network are not among them, but in dmfs_peer_faults_total.",
		}, []string{"reason", "origin"}),
	}
	for _, code := range refusalErrnos { // else the first of each would be no increase
		c.refusals.WithLabelValues(errnoName(code), originMount)
		c.refusals.WithLabelValues(errnoName(code), originNetwork)
	}
	return c
}

// Where refused things come from.
const (
	originMount   = "mount"
	originNetwork = "network"
)

func (c *counters) refused(e event) {
	origin := originNetwork
	if e.Origin == fs.Origin {
		origin = originMount
	}
	c.refusals.WithLabelValues(e.Errno, origin).Inc()
}

// shown counts a version that appeared. What another policy or a renewed certificate brought back came
// before what was shown last, and says nothing.
func (c *counters) shown(e index.Entry, now time.Time) {
	if !e.Shown || e.Record.IsZero() || e.Since.Before(c.newest) && c.newest.Before(now) {
		return
	}
	c.newest = e.Since
	c.fromSigned.Observe(max(0, now.Sub(e.Record.Version().Time()).Seconds()))
	c.fromArrival.Observe(max(0, now.Sub(e.Since).Seconds()))
}

func (c *counters) all() []prometheus.Collector {
	return []prometheus.Collector{c.fromSigned, c.fromArrival, c.refusals}
}
