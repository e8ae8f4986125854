package test

import (
	"fmt"
	"testing"
	"time"

	"dmfs/test/harness"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// usedUp is how long it takes a flood to use up what a member may do at once.
const usedUp = 5 * time.Second

// BenchmarkPublishUnderAttack is from the first open of a copy at one of three nodes until the file has been moved
// into place at the other two: before a member attacks all three, when it begins, and when it goes on. The hostile
// member runs on the same machine, with what the nodes leave it; cores is how many processors they keep busy then.
func BenchmarkPublishUnderAttack(b *testing.B) {
	for _, h := range hostilities {
		b.Run(h.attack, func(b *testing.B) {
			m := harness.Start(b, besieged())
			publish(b, m, m.Nodes[0], "huge", noise("huge", 10<<20))
			harness.Eventually(b, patience, harness.Shows("huge", noise("huge", 10<<20), m.Nodes...))
			remote := []<-chan string{harness.Arrivals(b, m.Nodes[1].Mount), harness.Arrivals(b, m.Nodes[2].Mount)}
			var calm, first, then spread
			var busy, lasted float64
			for b.Loop() {
				calm = append(calm, publishTwenty(b, m, "calm", remote...)...)
				bad := unleash(b, m, h.attack, trusttest.Signer(99), time.Hour)
				acts := bad.goesOn(b, 0)
				first = append(first, publishTwenty(b, m, "first", remote...)...)
				begun, before := time.Now(), processorTime(m)
				<-time.After(usedUp)
				busy, lasted = busy+processorTime(m)-before, lasted+time.Since(begun).Seconds()
				then = append(then, publishTwenty(b, m, "then", remote...)...)
				bad.goesOn(b, acts)
				bad.back(b)
			}
			b.ReportMetric(busy/lasted, "cores")
			for what, s := range map[string]spread{"calm-": calm, "first-": first, "then-": then} {
				s.report(b, what)
			}
			b.ReportMetric(then.median()/calm.median(), "ratio")
		})
	}
}

// publishTwenty publishes twenty versions of a file, one after the other, and returns how long each took.
func publishTwenty(b *testing.B, m *harness.Mesh, what string, remote ...<-chan string) (took spread) {
	b.Helper()
	for i := range 20 {
		version := trust.VersionAt(time.Now())
		content := noise(fmt.Sprint(what, i, version), 1<<10)
		signature := m.Sign(m.Signer, "config.json", content, version)
		begun := time.Now()
		if err := m.Nodes[0].Copy("config.json", content, signature); err != nil {
			b.Fatal(err)
		}
		awaitArrival(b, "config.json", remote...)
		took = append(took, time.Since(begun))
	}
	return took
}

// processorTime is how many seconds of it the nodes have had.
func processorTime(m *harness.Mesh) (seconds float64) {
	for _, n := range m.Nodes {
		seconds += n.Metric("process_cpu_seconds_total")
	}
	return seconds
}
