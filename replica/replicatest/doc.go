// Package replicatest runs nodes for tests, on three levels. Only tests import it.
//
//   - Loopback: real nodes on real ports, in real time (Mesh, Node).
//   - Datagrams: real nodes too, libp2p with QUIC, TLS, identify and gossipsub, but over simulated UDP, and in
//     a bubble of testing/synctest, where time costs nothing. A schedule takes some 150 ms. Bubble is this level
//     without a schedule, for tests of what takes long or needs links of a certain speed.
//   - Streams: everything of package replica and the real index, over streams in memory. There is no libp2p
//     below them, so that a schedule takes some 15 ms and ten thousand can be tried. Little stands in for it:
//     connections that are there or not, streams that come late, break or stall, and gossip that passes on
//     what replica's validator accepts. Nothing is pinged.
//
// # Schedules
//
// Simulate draws a schedule from a seed: two to seven nodes that know each other, or the first one only; links
// that delay, lose, duplicate, reorder and break; partitions in two halves, around one node, in one
// direction, down to a chain or a star, and of everything, which break connections or silence them; nodes
// that stop and start, also from an older copy of their disk; files, tombstones and lifetimes by two signers,
// with versions that are equal, of 1970 and of 2099, and contents that are inline in gossip, in sync, or
// fetched; policies that differ and change; clocks that are minutes wrong, in 1970, or in 2099. A third of the
// schedules is in a network, with a namespace in which each node has a name of its own, which is published at any
// node; not all policies have the namespace. With datagrams only members get in then. In a third of those one
// member's certificate ends, and is renewed or not.
//
// In a fifth of the schedules a policy.toml is published at any node by either of two signers, superseded and
// deleted, also on both sides of a partition and with equal versions. It adds files, one of which some nodes have in
// their configuration, and revokes a signer's key or a member's. Not all configurations have signers for it. And in
// a fourth a node loses its power: it comes back with what its disk had at that moment.
//
// On the level of streams a fourth of the schedules has a hostile member. It repeats, changes and forges
// gossip, says nonsense, and has honest nodes answer in its place, with a lie here and there. And in a third no
// timer makes a node sync: whatever is needed must come from what wakes nodes up.
//
// In the end all is healed: clocks are right, links and nodes work, and the policies are those of the end, of
// all nodes or not. The hostile member stays. When no timer helps, all connect anew, perhaps one after the
// other to a chain or a star.
//
// # Checks
//
// Anytime, with each change that an index tells and after each step: no node holds a version that no key of
// its policy signed, or shows another content; none exchanges what it holds for what loses to that, or forgets
// a name, unless its policy or its disk is exchanged, or a certificate has ended; nothing that was over is shown
// again, nor long after its end by the node's clock, nor what a member signed whose certificate is over by that. Who
// starts again has the policy.toml in force that it holds. No node says of an honest one that it does what no
// honest one does.
//
// Eventually, which is within 24 sync intervals, or two minutes when there are none: nodes with one configuration
// hold and show the same, and no less than any of them held when all was healed, unless a policy.toml no longer
// admits that. Who is no member any more need not.
//
// Finally: each index is sound, and no stream and no goroutine is left.
//
// What has no place in schedules: what a disk does to writes that nobody has synced, for which there is a test of a
// real node, and a member's part of a namespace that is full.
//
// # Seeds
//
// A seed fixes what happens and when. It fixes neither which of two goroutines runs first that may run at one
// moment, nor the jitter of package replica: a failure that depends on them may need its seed tried several
// times (-count). A failure tells its schedule and how to run that again, with -v also when it succeeds:
//
//	DMFS_TEST_SEED=42 go test -v -run '^TestSimulatedStreams$' ./replica/
//
// DMFS_TEST_LONG=1 tries ten times as many schedules, from a seed on that is drawn and printed. With -short,
// and under the race detector, there are few.
package replicatest
