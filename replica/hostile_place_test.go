package replica_test

import (
	"bufio"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
)

// TestHostileMoves: it says that it is reached elsewhere whenever it is asked. Most of that nobody takes, and in the
// end everybody knows where it is.
func TestHostileMoves(t *testing.T) {
	t.Parallel()
	s := besiege(t, nil)
	for _, n := range s.nodes {
		n.Replica.MoveOften(2)
	}
	var last atomic.Int64
	var rests atomic.Bool
	s.bad.moves(t, func() int64 {
		if rests.Load() {
			return last.Load()
		}
		return last.Add(1)
	})
	s.attack(t)
	for i, n := range s.nodes {
		replicatest.Eventually(t, fmt.Sprintf("node %d has enough of it", i), func() bool {
			s.bad.differs(t, n)
			return n.faultOf(keyOf(mallory), "reached elsewhere").Count > 0
		})
	}
	rests.Store(true)
	for i, n := range s.nodes {
		s.bad.differs(t, n)
		replicatest.Eventually(t, fmt.Sprintf("node %d knows where it is", i), func() bool {
			return slices.Contains(n.Replica.AddrsOf(replica.PeerID(keyOf(mallory))), place(last.Load()).String())
		})
	}
	s.logged(t, "reached elsewhere")
	s.works(t)
}

func place(move int64) ma.Multiaddr {
	return ma.StringCast(fmt.Sprint("/ip4/10.1.2.3/tcp/", 1000+move))
}

// moves makes it list its contact, with the place of a move, for each stream another one.
func (a *adversary) moves(t *testing.T, next func() int64) {
	t.Helper()
	key := identity(t, mallory)
	a.host.SetStreamHandler(a.contacts, func(st network.Stream) {
		move := next()
		said, item, err := replica.Contact(key, []ma.Multiaddr{place(move)}, uint64(move), a.chain)
		if err != nil {
			t.Error(err)
		}
		served(st, func(m wire.Message) {
			switch m.(type) {
			case wire.Root:
				wire.Write(st, wire.Root{Hash: wire.Hash{1, byte(move)}})
			case wire.Look:
				wire.Write(st, wire.Leaf{Items: []wire.Item{item}})
			case wire.Want:
				wire.Write(st, said)
				wire.Write(st, wire.End{})
			}
		})
	})
}

// differs has a node compare contacts with the adversary, by showing that they differ.
func (a *adversary) differs(t *testing.T, n *memberNode) {
	t.Helper()
	st, err := a.host.NewStream(t.Context(), n.id(t), a.contacts)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Reset()
	wire.Write(st, wire.Root{Hash: wire.Hash{2}})
	st.CloseWrite()
	if _, err := wire.Read(bufio.NewReader(st), wire.MaxRequest); err != nil {
		t.Log(err) // it serves others
	}
}

// TestHostileCopies: many hosts with one identity are connected at once.
func TestHostileCopies(t *testing.T) {
	t.Parallel()
	s := besiege(t, nil)
	s.attack(t)
	for range 6 {
		newAdversary(t, mallory, s.policy, s.bad.chain).connect(t, s.honest()...)
	}
	s.logged(t, "connected many times over")
	s.works(t)
}
