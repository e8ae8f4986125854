// Package model predicts how news spreads among more nodes than a machine can run. Only tests import it.
//
// It has the rules of package replica, but that nodes know everybody and not 300 peers at most, and no bytes,
// signatures or connections. Up to 64 nodes are all connected to each other; of more, each chooses 12 others.
// Who publishes sends to all its neighbours. Who hears of it for the first time passes it on to its gossip
// mesh, which is 4 to 7 of its neighbours, but for who it heard it from and who has said meanwhile that it has
// it. What is lost stays lost until the node compares all it has with a random neighbour, every 15 to 45
// seconds; who has learnt something in that way has its neighbours compare, too.
//
// A test compares it with real nodes on links in memory, where there are few enough of them: how far they are
// from the first one, and how many copies of the news they send. Another one draws what it gives, spread.svg,
// for the README.
package model
