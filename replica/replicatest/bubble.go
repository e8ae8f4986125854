package replicatest

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"dmfs/index"
	"dmfs/replica"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p"
)

// Net is real nodes on the level of datagrams, on links of which the test disposes.
type Net struct {
	Nodes []*Node

	links *Links
	net   *datagrams
}

// Bubble runs a test with n nodes, none of which is started, in a bubble. Nodes talk only
// where linked says so; the later one of two dials. The extra options are for each host.
func Bubble(t *testing.T, level Datagrams, n int, p *trust.Policy, linked func(i, j int) bool, f func(*testing.T, *Net), extra ...libp2p.Option) {
	t.Helper()
	guard := time.AfterFunc(5*time.Minute, func() { panic(t.Name() + ": the bubble does not end") })
	defer guard.Stop()
	dir, remove := scratch(t)
	defer remove()
	synctest.Test(t, func(t *testing.T) {
		pass(time.Until(epoch))
		w := &Net{links: newLinks(1)}
		w.net = level.open(w.links).(*datagrams)
		w.net.extra = extra
		w.links.set(n, func(i, j int) bool { return !linked(i, j) })
		t.Cleanup(func() { pass(time.Minute) }) // for whoever hangs
		for i := range n {
			w.add(t, i, fmt.Sprintf("%s/index%d", dir, i), p, linked)
		}
		f(t, w)
	})
}

// add adds a node that is not started.
func (w *Net) add(t *testing.T, i int, path string, p *trust.Policy, linked func(i, j int) bool) {
	t.Helper()
	m := &machine{number: i, fabric: w.net}
	var stop func() error
	node := newNode(t, i, path, p, func(_ context.Context, cfg replica.Config, ix *index.Index) (r *replica.Replica, err error) {
		m.config, m.index = cfg, ix
		r, stop, err = w.net.start(m)
		return r, err
	}, func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	node.Config.Listen = []string{w.net.addr(i)}
	for j := range i { // who both dial have two connections
		if linked(i, j) {
			id := replica.PeerID(trusttest.Signer(identity + j).Public().Key)
			node.Config.Bootstrap = append(node.Config.Bootstrap, w.net.addr(j)+"/p2p/"+id)
		}
	}
	w.Nodes = append(w.Nodes, node)
}

// Start starts all nodes and waits until each has compared itself with those that it is linked to.
func (w *Net) Start(t *testing.T) {
	t.Helper()
	for _, n := range w.Nodes {
		n.Start(t)
	}
	Eventually(t, "all nodes have compared themselves", func() bool {
		for _, n := range w.Nodes {
			if met(n) < len(n.Config.Bootstrap) {
				return false
			}
		}
		return true
	})
}

// SetFaults says what all links do to what passes.
func (w *Net) SetFaults(f Faults) { w.links.setFaults(f) }

// Link has only those links work that linked says. Nobody is told.
func (w *Net) Link(linked func(i, j int) bool) {
	w.links.set(len(w.Nodes), func(i, j int) bool { return !linked(i, j) })
}

// SetUplink has a node send no faster than so many bytes a second.
func (w *Net) SetUplink(number, rate int) { w.links.setUplink(number, rate) }

// SentBy returns what a node has sent.
func (w *Net) SentBy(number int) Traffic { return w.links.sent(number) }

// Sent returns what all nodes have sent.
func (w *Net) Sent() (all Traffic) {
	for i := range w.Nodes {
		one := w.SentBy(i)
		all.Datagrams += one.Datagrams
		all.Bytes += one.Bytes
	}
	return all
}

// Hurried reports whether the test runs where it should be small.
func Hurried() bool { return race || testing.Short() }
