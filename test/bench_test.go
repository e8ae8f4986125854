package test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"dmfs/test/harness"
	"dmfs/trust"
)

// spread are durations of the same thing.
type spread []time.Duration

// report gives the median, the 95th and the 99th percentile in milliseconds.
func (s spread) report(b *testing.B, what string) {
	b.Helper()
	slices.Sort(s)
	for name, p := range map[string]int{"p50": 50, "p95": 95, "p99": 99} {
		at := s[(len(s)-1)*p/100]
		b.ReportMetric(float64(at.Microseconds())/1000, what+name+"-ms")
	}
}

// median is in seconds, of durations that were reported already.
func (s spread) median() float64 { return s[(len(s)-1)/2].Seconds() }

// BenchmarkPublish is from the first open of a copy at one of three nodes until
// the file has been moved into place at the other two, where inotify tells.
// close-p50-ms is when the copy was done, durable and shown at its own node.
func BenchmarkPublish(b *testing.B) {
	for name, size := range map[string]int{"1KiB": 1 << 10, "1MiB": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			m := harness.Start(b, harness.Options{})
			remote := []<-chan string{harness.Arrivals(b, m.Nodes[1].Mount), harness.Arrivals(b, m.Nodes[2].Mount)}
			var visible, closed spread
			for b.Loop() {
				b.StopTimer()
				version := trust.VersionAt(time.Now())
				content := noise(fmt.Sprint(version), size)
				signature := m.Sign(m.Signer, "config.json", content, version)
				b.StartTimer()
				started := time.Now()
				if err := m.Nodes[0].Copy("config.json", content, signature); err != nil {
					b.Fatal(err)
				}
				closed = append(closed, time.Since(started))
				awaitArrival(b, "config.json", remote...)
				visible = append(visible, time.Since(started))
			}
			b.SetBytes(int64(size))
			visible.report(b, "")
			closed.report(b, "close-")
			harness.Eventually(b, patience, harness.Equal(m.Nodes...))
		})
	}
}

func awaitArrival(b *testing.B, name string, watches ...<-chan string) {
	b.Helper()
	timeout := time.After(patience)
	for _, watch := range watches {
		for got := ""; got != name; {
			select {
			case got = <-watch:
			case <-timeout:
				b.Fatalf("%s did not arrive within %v", name, patience)
			}
		}
	}
}

// BenchmarkCatchUp starts an empty node beside two that have 1,000 files of
// 1 KiB, until it shows them all.
func BenchmarkCatchUp(b *testing.B) {
	const count = 1000
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("file/%d", i))
	}
	m := harness.New(b, harness.Options{Files: harness.Names(names...)})
	var records []trust.Record
	for _, name := range names {
		records = append(records, m.Record(name, noise(name, 1<<10), trust.VersionAt(time.Now())))
	}
	fresh, full := m.Nodes[2], m.Nodes[:2]
	for _, n := range full {
		n.Fill(records...)
		n.Start()
	}
	m.AwaitPeers()
	var fromStart, fromMount spread
	for b.Loop() {
		started := time.Now()
		fresh.Start()
		mounted := time.Now()
		harness.Eventually(b, patience, func() error {
			if got := fresh.Status().Files; got < count {
				return fmt.Errorf("%d files of %d", got, count)
			}
			return harness.Shows(names[count-1], noise(names[count-1], 1<<10), fresh)()
		})
		fromStart = append(fromStart, time.Since(started))
		fromMount = append(fromMount, time.Since(mounted))
		b.StopTimer()
		harness.Eventually(b, patience, harness.Equal(fresh, full[0]))
		fresh.Stop()
		fresh.Forget()
		b.StartTimer()
	}
	fromStart.report(b, "")
	fromMount.report(b, "mounted-")
}

// BenchmarkStart is from the start of the process until it says that it is
// mounted, with 100 files.
func BenchmarkStart(b *testing.B) {
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("file/%d", i))
	}
	m := harness.New(b, harness.Options{Nodes: 1, Files: harness.Names(names...)})
	for _, name := range names {
		m.Nodes[0].Fill(m.Record(name, noise(name, 1<<10), trust.VersionAt(time.Now())))
	}
	var ready spread
	for b.Loop() {
		started := time.Now()
		m.Nodes[0].Start()
		ready = append(ready, time.Since(started))
		b.StopTimer()
		m.Nodes[0].Stop()
		b.StartTimer()
	}
	ready.report(b, "")
}
