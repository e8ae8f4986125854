package replica_test

import (
	"bufio"
	"slices"

	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/network"
)

// lists makes the adversary answer every pull by listing what the function returns at that moment, and
// every request with those heads of it that were asked for. Nothing else in the tests of hostile members
// knows how summaries are compared.
func (a *adversary) lists(list func() (summary.Tree, []wire.Head)) {
	a.host.SetStreamHandler(a.sync, func(st network.Stream) {
		tree, heads := list()
		served(st, func(m wire.Message) {
			switch m := m.(type) {
			case wire.Root:
				wire.Write(st, wire.Root{Hash: tree.Hash()})
			case wire.Look:
				for _, p := range m.Prefixes {
					wire.Write(st, tree.At(p).Message())
				}
			case wire.Want:
				for _, h := range heads {
					if slices.Contains(m.Keys, wire.KeyOf(h.Name)) {
						wire.Write(st, h)
					}
				}
				wire.Write(st, wire.End{})
			}
		})
	})
}

// having makes it list the last record of each name, and have them, perhaps without their contents.
func (a *adversary) having(inline bool, recs ...trust.Record) {
	var tree summary.Tree
	var heads []wire.Head
	for _, rec := range slices.Backward(recs) {
		listed := promise(rec.Name().String(), int64(rec.Version()), stampOf(rec))
		if _, ok := tree.Get(listed.Key); ok {
			continue
		}
		tree, heads = tree.Put(listed), append(heads, headOf(rec, inline))
	}
	a.lists(func() (summary.Tree, []wire.Head) { return tree, heads })
}

// promise lists a name, which need not be had.
func promise(name string, version int64, s wire.Stamp) summary.Entry {
	return summary.Entry{Key: wire.KeyOf(name), Stamp: s, Version: version, Name: name}
}

// echoes makes it answer that it has exactly what the node has.
func (a *adversary) echoes() {
	a.host.SetStreamHandler(a.sync, func(st network.Stream) {
		served(st, func(m wire.Message) { wire.Write(st, m) })
	})
}

// served reads the requests of a stream one by one.
func served(st network.Stream, with func(wire.Message)) {
	defer st.Close()
	r := bufio.NewReader(st)
	for {
		m, err := wire.Read(r, wire.MaxRequest)
		if err != nil {
			return
		}
		with(m)
	}
}

// offers makes it answer every request for a content.
func (a *adversary) offers(answer func(st network.Stream, d [64]byte)) {
	a.host.SetStreamHandler(a.fetch, func(st network.Stream) {
		served(st, func(m wire.Message) { answer(st, m.(wire.Ask).Digest) })
	})
}
