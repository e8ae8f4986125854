package test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"dmfs/test/harness"
	"dmfs/trust"
)

// How long what takes long takes.
var (
	cutFor  = flag.Duration("mesh.cut", 5*time.Second, "cut half of the nodes off for `so long` in BenchmarkThirtyNodes")
	idleFor = flag.Duration("mesh.idle", 10*time.Second, "count the bytes of nodes that have nothing to do for `so long`")
)

// settled is how long it takes until nodes that nothing happens to have nothing left to do.
const settled = 30 * time.Second

// BenchmarkTwelveNodes is from the first open of a copy until the last of twelve nodes shows the file, on a
// subnet and behind one address.
func BenchmarkTwelveNodes(b *testing.B) {
	for name, hosts := range map[string]int{"subnet": 12, "address": 1} {
		b.Run(name, func(b *testing.B) {
			o := members()
			o.Nodes, o.Lan = 12, harness.NewLan(b, hosts)
			m := harness.Start(b, o)
			benchmarkVisible(b, m, watchAll(b, m), 1<<10)
		})
	}
}

// BenchmarkThirtyNodes runs thirty nodes, each on a host of its own, on two switches. All are processes of this
// machine: where they have to compute, the times say how busy it is.
func BenchmarkThirtyNodes(b *testing.B) {
	o := members()
	o.Nodes, o.Lan = 30, harness.NewLan(b, 15, 15)
	o.Files = harness.Names(slices.Concat([]string{"config.json"}, many("burst", 200), many("left", 10), many("right", 10))...)
	m := harness.Start(b, o)
	arrived := watchAll(b, m)
	b.Run("idle", during(m, func(b *testing.B) { benchmarkIdle(b, m, o.Lan) }))
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20, 10 << 20} {
		b.Run(fmt.Sprintf("visible/%dKiB", size>>10), during(m, func(b *testing.B) { benchmarkVisible(b, m, arrived, size) }))
	}
	b.Run("burst", during(m, func(b *testing.B) { benchmarkBurst(b, m, arrived) }))
	b.Run("cut", during(m, func(b *testing.B) { benchmarkCut(b, m, o.Lan, arrived) }))
	b.Run("alone", during(m, func(b *testing.B) { benchmarkAlone(b, m) }))
	harness.Eventually(b, patience, harness.Equal(m.Nodes...))
}

// many names begin alike.
func many(prefix string, count int) (names []string) {
	for i := range count {
		names = append(names, fmt.Sprintf("%s-%d", prefix, i))
	}
	return names
}

func during(m *harness.Mesh, run func(*testing.B)) func(*testing.B) {
	return func(b *testing.B) {
		m.During(b)
		run(b)
	}
}

// watchAll watches the mounts of all nodes.
func watchAll(b *testing.B, m *harness.Mesh) (arrived []<-chan string) {
	b.Helper()
	for _, n := range m.Nodes {
		arrived = append(arrived, harness.Arrivals(b, n.Mount))
	}
	return arrived
}

// benchmarkVisible has the first node publish, until all others show it.
func benchmarkVisible(b *testing.B, m *harness.Mesh, arrived []<-chan string, size int) {
	b.Helper()
	var visible spread
	for b.Loop() {
		version := trust.VersionAt(time.Now())
		content := noise(fmt.Sprint(version), size)
		signature := m.Sign(m.Signer, "config.json", content, version)
		begun := time.Now()
		if err := m.Nodes[0].Copy("config.json", content, signature); err != nil {
			b.Fatal(err)
		}
		awaitArrival(b, "config.json", arrived[1:]...)
		visible = append(visible, time.Since(begun))
	}
	visible.report(b, "last-")
	reportMemory(b, m)
}

// reportMemory gives what a node takes on average.
func reportMemory(b *testing.B, m *harness.Mesh) {
	b.Helper()
	var resident, heap int64
	for _, n := range m.Nodes {
		r := n.Resources()
		resident, heap = resident+r.Resident, heap+r.Heap
	}
	b.ReportMetric(float64(resident)/float64(len(m.Nodes)<<20), "rss-MiB")
	b.ReportMetric(float64(heap)/float64(len(m.Nodes)<<20), "heap-MiB")
}

// benchmarkBurst has the first node publish two hundred files as fast as it can.
func benchmarkBurst(b *testing.B, m *harness.Mesh, arrived []<-chan string) {
	b.Helper()
	names := many("burst", 200)
	var copied, visible spread
	for b.Loop() {
		begun := time.Now()
		for _, name := range names {
			publish(b, m, m.Nodes[0], name, noise(fmt.Sprint(name, begun), 1<<10))
		}
		copied = append(copied, time.Since(begun))
		for _, watch := range arrived[1:] {
			awaitArrivals(b, names, watch)
		}
		visible = append(visible, time.Since(begun))
	}
	copied.report(b, "copied-")
	visible.report(b, "last-")
}

// awaitArrivals waits until every one of names has arrived.
func awaitArrivals(b *testing.B, names []string, watch <-chan string) {
	b.Helper()
	missing := map[string]bool{}
	for _, name := range names {
		missing[name] = true
	}
	timeout := time.After(patience)
	for len(missing) > 0 {
		select {
		case name := <-watch:
			delete(missing, name)
		case <-timeout:
			b.Fatalf("%d files did not arrive within %v", len(missing), patience)
		}
	}
}

// benchmarkCut cuts half of the nodes off, has both halves publish ten files, and heals: until all have all.
func benchmarkCut(b *testing.B, m *harness.Mesh, lan *harness.Lan, arrived []<-chan string) {
	b.Helper()
	halves := map[string]*harness.Node{"left": m.Nodes[0], "right": m.Nodes[len(m.Nodes)/2]}
	var equal spread
	for b.Loop() {
		lan.Part()
		end := time.After(*cutFor)
		for prefix, n := range halves {
			for _, name := range many(prefix, 10) {
				publish(b, m, n, name, noise(fmt.Sprint(name, time.Now()), 1<<10))
			}
		}
		<-end
		lan.Heal()
		healed := time.Now()
		for i, watch := range arrived {
			left, right := many("left", 10), many("right", 10)
			switch m.Nodes[i] { // what it has published arrives from nowhere
			case halves["left"]:
				left = nil
			case halves["right"]:
				right = nil
			}
			awaitArrivals(b, append(left, right...), watch)
		}
		equal = append(equal, time.Since(healed))
	}
	equal.report(b, "healed-")
	b.ReportMetric(cutFor.Seconds(), "cut-s")
}

// benchmarkAlone kills all nodes but one, which then publishes, and starts them again: until the last one has it.
func benchmarkAlone(b *testing.B, m *harness.Mesh) {
	b.Helper()
	var mounted, visible spread
	for b.Loop() {
		others := m.Nodes[1:]
		for _, n := range others {
			n.Kill()
		}
		content := noise(fmt.Sprint("alone", time.Now()), 1<<10)
		publish(b, m, m.Nodes[0], "config.json", content)
		begun := time.Now()
		for _, n := range others {
			n.Begin()
		}
		for _, n := range others {
			n.Await()
		}
		mounted = append(mounted, time.Since(begun))
		harness.Eventually(b, patience, harness.Shows("config.json", content, others...))
		visible = append(visible, time.Since(begun))
	}
	mounted.report(b, "mounted-")
	visible.report(b, "last-")
}

// benchmarkIdle counts what each node sends while nothing happens.
func benchmarkIdle(b *testing.B, m *harness.Mesh, lan *harness.Lan) {
	b.Helper()
	for b.Loop() {
		<-time.After(settled) // what is under way ends
		before := make([]int64, len(lan.Hosts))
		for i, h := range lan.Hosts {
			before[i] = h.Sent()
		}
		begun := time.Now()
		<-time.After(*idleFor)
		var sum, most float64
		for i, h := range lan.Hosts {
			rate := float64(h.Sent()-before[i]) / time.Since(begun).Seconds()
			sum, most = sum+rate, max(most, rate)
		}
		b.ReportMetric(sum/float64(len(lan.Hosts)), "mean-B/s")
		b.ReportMetric(most, "most-B/s")
	}
	reportMemory(b, m)
}

// BenchmarkMemory is what a node takes with so many files of 1 KiB, which it had when it started, or has caught
// up with.
func BenchmarkMemory(b *testing.B) {
	for _, count := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			names := many("file", count)
			m := harness.New(b, harness.Options{Files: harness.Names(names...)})
			var records []trust.Record
			for _, name := range names {
				records = append(records, m.Record(name, noise(name, 1<<10), trust.VersionAt(time.Now())))
			}
			full, fresh := m.Nodes[0], m.Nodes[2]
			for _, n := range m.Nodes[:2] {
				n.Fill(records...)
			}
			for b.Loop() {
				for _, n := range m.Nodes {
					n.Start()
				}
				m.AwaitPeers()
				harness.Eventually(b, patience, func() error {
					if got := fresh.Status().Files; got < count {
						return fmt.Errorf("%d files of %d", got, count)
					}
					return harness.Shows(names[count-1], noise(names[count-1], 1<<10), fresh)()
				})
				for what, n := range map[string]*harness.Node{"had": full, "caught-up": fresh} {
					r := n.Resources()
					b.ReportMetric(float64(r.Resident)/(1<<20), what+"-rss-MiB")
					b.ReportMetric(float64(r.Peak)/(1<<20), what+"-peak-MiB")
					b.ReportMetric(float64(r.Heap)/(1<<20), what+"-heap-MiB")
				}
				for _, n := range m.Nodes {
					n.Stop()
				}
				fresh.Forget()
			}
		})
	}
}
