package test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"dmfs/test/harness"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// usedUp is how long it takes a flood to use up what a member may do at once.
const usedUp = 5 * time.Second

// BenchmarkPublishUnderAttack is from the first open of a copy at one of three nodes until the file has been moved
// into place at the other two: calm, beside a program that keeps all processors busy and connects to nobody, when a
// member attacks all three, and when it goes on. These come in turn, several times. The hostile member and the busy
// program run on the same machine as the nodes, with what these leave them, so it is attacked/busy that the attack
// itself does, and busy/calm that any neighbour would. cores is how much more of a processor than in calm the
// attack costs the node that it costs most, while nothing is published.
func BenchmarkPublishUnderAttack(b *testing.B) {
	for _, h := range hostilities {
		b.Run(h.attack, func(b *testing.B) {
			m := harness.Start(b, besieged())
			publish(b, m, m.Nodes[0], "huge", noise("huge", 10<<20))
			harness.Eventually(b, patience, harness.Shows("huge", noise("huge", 10<<20), m.Nodes...))
			s := siege{m: m, remote: []<-chan string{harness.Arrivals(b, m.Nodes[1].Mount), harness.Arrivals(b, m.Nodes[2].Mount)}}
			calm, busy, first, attacked := phase{what: "calm"}, phase{what: "busy"}, phase{what: "first"}, phase{what: "attacked"}
			for b.Loop() {
				s.wait(&calm)
				s.publish(b, &calm)
				bad := unleash(b, m, "busy", trusttest.Signer(99), time.Hour)
				bad.goesOn(b, 0)
				s.publish(b, &busy)
				bad.back(b)
				bad = unleash(b, m, h.attack, trusttest.Signer(99), time.Hour)
				acts := bad.goesOn(b, 0)
				s.publish(b, &first)
				<-time.After(usedUp)
				s.wait(&attacked)
				s.publish(b, &attacked)
				bad.goesOn(b, acts)
				bad.back(b)
			}
			for _, p := range []*phase{&calm, &busy, &first, &attacked} {
				p.took.report(b, p.what+"-")
			}
			b.ReportMetric(attacked.above(calm), "cores")
			b.ReportMetric(busy.took.median()/calm.took.median(), "busy/calm")
			b.ReportMetric(attacked.took.median()/busy.took.median(), "attacked/busy")
			b.ReportMetric(attacked.took.median()/calm.took.median(), "attacked/calm")
		})
	}
}

// phase is one of the states of the world that are compared.
type phase struct {
	what   string
	took   spread
	spent  []float64 // seconds of a processor, by each node, while it waited
	waited float64   // seconds
}

// above returns how many processors the node spends that spends most above what it does in calm.
func (p phase) above(calm phase) float64 {
	var above []float64
	for i := range p.spent {
		above = append(above, p.spent[i]/p.waited-calm.spent[i]/calm.waited)
	}
	return slices.Max(above)
}

// siege is a network, and where files arrive in it.
type siege struct {
	m      *harness.Mesh
	remote []<-chan string
}

// wait has the nodes spend what they spend while nothing is published.
func (s *siege) wait(p *phase) {
	before, begun := processorTimes(s.m), time.Now()
	<-time.After(usedUp)
	p.waited += time.Since(begun).Seconds()
	p.spent = append(p.spent, make([]float64, len(before)-len(p.spent))...)
	for i, after := range processorTimes(s.m) {
		p.spent[i] += after - before[i]
	}
}

// publish publishes twenty versions of a file, one after the other.
func (s *siege) publish(b *testing.B, p *phase) {
	b.Helper()
	for i := range 20 {
		version := trust.VersionAt(time.Now())
		content := noise(fmt.Sprint(p.what, i, version), 1<<10)
		signature := s.m.Sign(s.m.Signer, "config.json", content, version)
		begun := time.Now()
		if err := s.m.Nodes[0].Copy("config.json", content, signature); err != nil {
			b.Fatal(err)
		}
		awaitArrival(b, "config.json", s.remote...)
		p.took = append(p.took, time.Since(begun))
	}
}

// processorTimes is how many seconds of it each node has had.
func processorTimes(m *harness.Mesh) (seconds []float64) {
	for _, n := range m.Nodes {
		seconds = append(seconds, n.Metric("process_cpu_seconds_total"))
	}
	return seconds
}
