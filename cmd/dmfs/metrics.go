//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// Metrics, in the base units of https://prometheus.io/docs/practices/naming/.
var (
	metricBuild     = metric("build_info", "The running program; its value is 1.", "version")
	metricFiles     = metric("files", "Files that are shown.")
	metricBytes     = metric("content_bytes", "Bytes of the files that are shown.")
	metricSeq       = metric("index_seq", "Number of the newest change of the index.")
	metricDelivered = metric("index_delivered_seq", "Number of the newest change that the mount shows.")
	metricIndex     = metric("index_file_bytes", "Size of the index file.")
	metricPeers     = metric("peers", "Other nodes: equal and differs are connected, away are dialled.", "state")
	metricLacking   = metric("peers_lacking", "Other nodes, connected or not, that as last heard lack something that is here.")
	metricRTT       = metric("peer_rtt_seconds", "Round trip to a connected peer.", "peer")
	metricDrafts    = metric("drafts", "Writes that are not complete.")
	metricDraft     = metric("draft_bytes", "Bytes in them.")
	metricMemberEnd = metric("certificate_end_timestamp_seconds", "When this node's certificate is over.")
	metricBehind    = metric("clock_behind_seconds", "How far this clock is before the newest version; 0 if by less than the clock skew.")
	metricWarnings  = metric("warnings", "Warnings in the status.")
	metricRefused   = metric("refused_names", "Names in the status of which something was refused lately.")
	metricRequests  = metric("requests_total", "Requests of programs that use the mount, by how they were answered: OK or an errno.", "operation", "errno")
	metricFaults    = metric("peer_faults_total", "What other nodes did wrong, also those that are away, since this one joined the network. A fault with may_be_honest=\"true\" may also come of load, links and clocks.", "fault", "may_be_honest")
	metricSync      = metric("sync_bytes_total", "Bytes of sync, of fetched contents and of what members tell of members, without gossip and encryption.", "direction")
)

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("dmfs_"+name, help, labels, nil)
}

// newRegistry is what Prometheus is told of a node, when it asks.
func newRegistry(r *reporter) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(r.counters.all()...)
	registry.MustRegister(r, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// Describe tells nothing in advance: which metrics there are depends on the node.
func (r *reporter) Describe(chan<- *prometheus.Desc) {}

// Collect counts as of now.
func (r *reporter) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	p := r.status()
	gauge(metricBuild, 1, p.Version)
	gauge(metricFiles, float64(p.Files))
	gauge(metricBytes, float64(p.Bytes))
	gauge(metricSeq, float64(p.Seq))
	gauge(metricDelivered, float64(r.index.LastDelivered()))
	gauge(metricBehind, p.ClockBehind.Seconds())
	gauge(metricWarnings, float64(len(p.Warnings)))
	gauge(metricRefused, float64(len(p.Refused)))
	if info, err := os.Stat(r.indexPath); err == nil {
		gauge(metricIndex, float64(info.Size()))
	}
	if p.Member != nil {
		gauge(metricMemberEnd, float64(p.Member.NotAfter.Unix()))
	}
	if f := r.mount.Load(); f != nil {
		number, size := f.Drafts()
		gauge(metricDrafts, float64(number))
		gauge(metricDraft, float64(size))
	}
	collectPeers(p.Peers, gauge)
	r.collectCounts(out)
}

// collectCounts tells what is counted elsewhere, since the process serves the mount or joined the network.
func (r *reporter) collectCounts(out chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, value uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	if f := r.mount.Load(); f != nil {
		for _, q := range f.Requests() {
			count(metricRequests, q.Count, q.Operation, errnoName(q.Errno))
		}
	}
	if network := r.replica.Load(); network != nil {
		received, sent := network.Traffic()
		count(metricSync, received, "in")
		count(metricSync, sent, "out")
		for _, f := range network.Faults() {
			count(metricFaults, f.Count, f.Kind, strconv.FormatBool(f.Honest))
		}
	}
}

func collectPeers(peers []pagePeer, gauge func(*prometheus.Desc, float64, ...string)) {
	count := map[string]int{stateEqual: 0, stateDiffers: 0, stateAway: 0}
	lacking := 0
	for _, p := range peers {
		count[p.state()]++
		if p.lacks() && p.Behind > 0 {
			lacking++
		}
		if p.Connected && p.RTT > 0 {
			gauge(metricRTT, p.RTT.Seconds(), p.ID)
		}
	}
	for state, n := range count {
		gauge(metricPeers, float64(n), state)
	}
	gauge(metricLacking, float64(lacking))
}

// metricsPage is the page that Prometheus's textfile collectors read.
func metricsPage(g prometheus.Gatherer) ([]byte, error) {
	families, err := g.Gather()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}

func indexPath(cfg *Config) string { return filepath.Join(cfg.StateDir, "index.db") }
